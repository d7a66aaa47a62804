"""House rules that no linter checks (CONTRIBUTING.md), and the single definition of the version."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from registrar import __version__
from tests.harness.cluster import ROOT

LONGEST = 40  # lines of a function
PROGRAMS = [*(ROOT / "registrar").rglob("*.py"), *(ROOT / "janitor").rglob("*.py")]
MODULES = [
    *PROGRAMS,
    *(ROOT / "images").rglob("*.py"),
    *(ROOT / "docs").rglob("*.py"),
    *(ROOT / "tests").rglob("*.py"),
]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """All functions, each with its length in lines without decorators."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{name(path)}: {node.name}", (node.end_lineno or 0) - node.lineno + 1


def test_no_function_has_more_than_40_lines() -> None:
    assert Path(__file__) in MODULES
    assert {what: lines for path in MODULES for what, lines in functions(path) if lines > LONGEST} == {}


def test_every_module_begins_with_a_docstring() -> None:
    assert [name(path) for path in MODULES if not re.match(r'"""\S', path.read_text())] == []


# ---- the version


def images(file: Path) -> list[str]:
    return re.findall(r"image: ghcr\.io/[\w.-]+/(?:registrar|janitor):(\S+)", file.read_text())


def test_manifests_install_this_version() -> None:
    chart = yaml.safe_load((ROOT / "manifests" / "chart" / "Chart.yaml").read_text())
    tags = images(ROOT / "manifests" / "install.yaml")
    assert [chart["version"], chart["appVersion"], *tags] == [__version__] * 4


def test_the_version_is_defined_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "registrar.__version__"}
    written = [name(path) for path in MODULES if re.search(rf"""["' ]{re.escape(__version__)}["']""", path.read_text())]
    assert written == ["registrar/__init__.py"]


def test_the_changelog_begins_with_unreleased() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert headings[1:] == sorted(headings[1:], key=lambda each: [*map(int, each.split("."))], reverse=True)


def test_each_released_version_has_a_date_and_a_link() -> None:
    """Only the version that is prepared may have no date; the release workflow refuses it without one."""
    text = (ROOT / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## \[(.+?)\](?: - (.+))?$", text, re.MULTILINE)
    undated = [version for version, date in headings[1:] if not re.fullmatch(r"\d{4}-\d\d-\d\d", date)]
    assert undated in ([], [__version__])
    assert re.findall(r"^\[(.+?)\]: https://", text, re.MULTILINE) == [version for version, _ in headings]


def test_the_security_policy_supports_this_minor_version() -> None:
    minor = __version__.rpartition(".")[0]
    assert f"| {minor} | yes |" in (ROOT / "SECURITY.md").read_text()


@pytest.mark.parametrize("package", ["registrar", "janitor"])
def test_packages_are_marked_as_typed(package: str) -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert data == {"*": ["py.typed"]}
    assert (ROOT / package / "py.typed").is_file()
