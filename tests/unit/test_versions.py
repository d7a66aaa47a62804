"""Pinned versions: well formed, chosen by minor release, and each found by exactly one of Renovate's managers."""

import json
import re
from typing import Any

import pytest

from tests.harness import versions
from tests.harness.cluster import ROOT

RENOVATE: dict[str, Any] = json.loads((ROOT / ".github" / "renovate.json").read_text())
PINNED = re.compile(r'"(v?\d+\.\d+\.\d+)"')


def test_the_newest_release_is_the_default() -> None:
    assert versions.minors()[0] == versions.kubernetes(None).minor
    assert versions.minors() == sorted(versions.minors(), key=lambda each: int(each.split(".")[1]), reverse=True)


def test_every_release_is_one_of_its_minor() -> None:
    for minor in versions.minors():
        release = versions.kubernetes(minor)
        found = [each for each in (release.modules, release.envtest, release.debian) if each]
        assert {versions.minor_of(each) for each in found} == {minor}


def test_an_unknown_minor_release_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SystemExit, match=r"^KUBERNETES=1\.19: not pinned.*known: 1\.37, 1\.36, .*1\.20$"):
        versions.kubernetes("1.19")


def test_renovate_finds_each_version_exactly_once() -> None:
    text = versions.FILE.read_text()
    found: list[tuple[int, str]] = []
    for manager in RENOVATE["customManagers"]:
        assert manager["managerFilePatterns"] == ["/^tests/harness/versions\\.toml$/"]
        for pattern in manager["matchStrings"]:
            for match in re.finditer(pattern.replace("(?<", "(?P<"), text):
                found.append((match.start("currentValue"), match["currentValue"]))
                named = {**manager, **{f"{name}Template": value for name, value in match.groupdict().items()}}
                assert named["datasourceTemplate"] in {"go", "golang-version", "github-releases", "pypi"}
                assert named["depNameTemplate"]
    expected = [(match.start(1), match[1]) for match in PINNED.finditer(text)]
    debian = [each for each in expected if each[1] == versions.oldest().debian]  # raised with Debian's suite, by hand
    assert sorted(found) == [each for each in expected if each not in debian]
    assert debian


def test_renovate_looks_up_the_module_that_is_built() -> None:
    for name in versions.tools():
        tool = versions.tool(name)
        assert f'depName={tool.module}\nversion = "{tool.version}"' in versions.FILE.read_text()
        assert tool.binaries
