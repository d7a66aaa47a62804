"""The table of what each minor release of Kubernetes has is the only place that compares versions."""

import re
from pathlib import Path

import pytest

from tests.harness import versions
from tests.harness.cluster import ROOT
from tests.harness.features import Feature, adapted

COMPARISON = re.compile(r"minor\w*(\(.*?\))? *[<>]|[<>]=? *\w*minor|version\.(split|startswith)\(")
APART = (Path(__file__), ROOT / "tests" / "harness" / "features.py")


@pytest.mark.parametrize("feature", Feature, ids=str)
def test_the_newest_release_has_every_feature_so_that_no_test_is_skipped_there(feature: Feature) -> None:
    assert feature.is_in(f"v{versions.minors()[0]}.0")


@pytest.mark.parametrize("feature", Feature, ids=str)
def test_a_feature_begins_with_its_release(feature: Feature) -> None:
    assert feature.is_in(f"v1.{feature.since}.0")
    assert not feature.is_in(f"v1.{feature.since - 1}.9")


def test_cron_jobs_are_adapted_to_old_releases_only() -> None:
    manifests = "apiVersion: batch/v1\nkind: CronJob\n---\napiVersion: batch/v1\nkind: Job\n"

    assert adapted(manifests, "v1.21.0") == manifests
    assert adapted(manifests, "v1.20.2") == manifests.replace("v1\nkind: CronJob", "v1beta1\nkind: CronJob")


def test_no_other_module_compares_versions() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in (ROOT / "tests").rglob("*.py")
        if path not in APART
        for line in path.read_text().splitlines()
        if COMPARISON.search(line)
    ]
    assert found == []


def test_the_search_finds_comparisons() -> None:
    """Shows that the search can find something."""
    for line in ('if int(api.version.split(".")[1]) < 21:', "if self.minor < 21:", 'api.version.startswith("v1.20.")'):
        assert COMPARISON.search(line)
