"""README.md and README.zh-CN.md have the same commands, links and sections.

If one of these fails, make the same change in the other language.
"""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGLISH, CHINESE = ((ROOT / name).read_text() for name in ("README.md", "README.zh-CN.md"))
BLOCK = re.compile(r"^```[\s\S]*?^```$", re.MULTILINE)


def blocks(page: str) -> list[str]:
    """Blocks of code, without comments."""
    return [re.sub(r" *# .*$", "", block, flags=re.MULTILINE) for block in BLOCK.findall(page)]


def links(page: str) -> list[str]:
    """Link targets in their order, except the link to the other language."""
    return [link for link in re.findall(r"\]\((.*?)\)", page) if not link.startswith("README")]


def sections(page: str) -> list[int]:
    """Depth of each heading."""
    return [len(marks) for marks in re.findall(r"^(#+) ", BLOCK.sub("", page), re.MULTILINE)]


def tables(page: str) -> list[int]:
    """Cells of each row of a table."""
    return [line.count("|") for line in page.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("part", [blocks, links, sections, tables])
def test_both_readmes_have_the_same_blocks_links_sections_and_tables(part: object) -> None:
    assert callable(part)
    assert part(CHINESE) == part(ENGLISH) != []


def test_each_readme_links_to_the_other() -> None:
    assert "](README.zh-CN.md)" in ENGLISH
    assert "](README.md)" in CHINESE


def test_ci_runs_what_contributing_md_says() -> None:
    steps = re.findall(r"^ *(make \S+)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    [listed] = re.findall(r"^CI runs (.*) from a clean clone", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)

    assert steps == ["make lint", "make test", "make test-oldest", "make e2e"] == re.findall(r"`(.*?)`", listed)


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        text = page.read_text()
        code = "\n".join([*BLOCK.findall(text), *re.findall(r"`[^`\n]+`", text)])
        named = re.findall(r"^[ `]*make ([a-z0-9-]+)", code, re.MULTILINE)
        assert set(named) <= targets, page.name


def test_make_help_lists_every_target_that_says_what_it_does() -> None:
    targets = set(re.findall(r"^(\S+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, check=True, capture_output=True, text=True
    )

    assert {line.split()[0] for line in told.stdout.splitlines()} == targets
