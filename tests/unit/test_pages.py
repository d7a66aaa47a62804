"""The pages of the site: each has a place, and its links fit that place."""

import re

import pytest
import yaml

from docs import address, pages
from tests.harness.cluster import ROOT

SITE = pages.sources()
# without the tags that only MkDocs understands
CONFIGURATION = re.sub(r"!!python/\S+", "", (ROOT / "mkdocs.yml").read_text())


@pytest.mark.parametrize(
    ("path", "link", "expected"),
    [
        ("README.md", "docs/security.md#threat-model", "security.md#threat-model"),
        ("README.md", "README.zh-CN.md", "zh/index.md"),
        ("README.zh-CN.md", "docs/runbook.md", "../runbook.md"),
        ("README.zh-CN.md", "docs/zh/use.md", "use.md"),
        ("docs/zh/use.md", "../../README.zh-CN.md", "index.md"),
        ("docs/zh/use.md", "../../manifests/chart/values.yaml", "../values.md"),
        ("docs/security.md", "../SECURITY.md", "security-policy.md"),
        ("docs/benchmarks.md", "benchmarks.svg", "benchmarks.svg"),
        ("docs/security.md", "#threat-model", "#threat-model"),
        ("docs/deploy.md", "../manifests/chart/values.yaml", "values.md"),
        ("README.md", "LICENSE", f"{address.repository()}/blob/main/LICENSE"),
        ("docs/security.md", "../tests/e2e", f"{address.repository()}/tree/main/tests/e2e"),
        ("README.md", "https://example.com/docs/security.md", "https://example.com/docs/security.md"),
        ("README.md", "docs/missing.md", "docs/missing.md"),
    ],
)
def test_a_link_leads_to_the_page_on_the_site_or_to_the_file_on_github(path: str, link: str, expected: str) -> None:
    assert pages.rewritten(f"see [this]({link}), please", path, SITE) == f"see [this]({expected}), please"


def test_no_two_pages_have_the_same_place_even_where_case_is_ignored() -> None:
    assert len({place.casefold() for place in SITE.values()}) == len(SITE)


def test_every_page_is_in_the_navigation() -> None:
    """As `mkdocs build --strict` demands, but without MkDocs."""
    listed = re.findall(r"\S+\.md", yaml.dump(yaml.safe_load(CONFIGURATION)["nav"]))

    assert sorted(listed) == sorted(place for place in SITE.values() if place.endswith(".md"))
