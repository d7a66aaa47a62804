"""Every link in our pages has a target, and every page can be reached from the README."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OTHERS = {"build", "dist", "node_modules"}  # folders with pages that are not ours; so are hidden ones
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part in OTHERS for part in path.relative_to(ROOT).parts)
)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    """The page without its blocks and spans of code."""
    blocks = re.compile(r"^( *)```.*?^\1```$|^    .*?$", re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "", blocks.sub("", page.read_text()))


def targets(page: Path) -> Iterator[tuple[Path, str]]:
    """Files and anchors of this repository that a page links to."""
    for link in LINK.findall(prose(page)):
        if "://" not in link and not link.startswith("mailto:"):
            path, _, anchor = link.partition("#")
            yield ((page.parent / path).resolve() if path else page), anchor


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes from a page's headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_has_a_target(page: Path) -> None:
    dead = [
        f"{target.name}#{anchor}"
        for target, anchor in targets(page)
        if not target.exists() or (anchor and anchor not in anchors(target))
    ]

    assert dead == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page.suffix == ".md" and page not in reached:
            reached.add(page)
            todo += [target for target, _ in targets(page) if target.exists()]

    assert {str(page.relative_to(ROOT)) for page in set(PAGES) - reached} == set()
