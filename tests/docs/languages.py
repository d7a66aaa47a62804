"""Compares each Chinese page with its English one, section by section.

Both have the same headings, blocks of code and tables. The Chinese page also has each `word of code` and each link that
the English one has. A section that only Chinese readers need begins with this line directly before its heading:

    <!-- zh only -->
"""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.docs.blocks import ROOT

MARK = "<!-- zh only -->"
COMMENT = re.compile(r" *# .*$", re.MULTILINE)
# Each Chinese page: its English one.
ENGLISH = {
    "README.zh-CN.md": "README.md",
    **{f"docs/zh/{page.name}": f"docs/{page.name}" for page in sorted((ROOT / "docs" / "zh").glob("*.md"))},
}


@dataclass
class Section:
    """A heading and what follows it, up to the next heading. Comments in blocks of code are left out."""

    page: str
    line: int
    level: int
    title: str
    only_chinese: bool
    blocks: list[tuple[str, str]] = field(default_factory=list)  # language and text
    rows: list[int] = field(default_factory=list)  # cells of each row of a table
    spans: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        return f"{self.page}:{self.line} ({self.title})"


def sections(page: str, text: str) -> list[Section]:
    """All sections of a page, which begins with a heading."""
    found: list[Section] = []
    mark = False
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            level, line = int(token.tag[1:]), (token.map or [0])[0] + 1
            outer = next((each for each in reversed(found) if each.level < level), None)
            only = mark or (outer is not None and outer.only_chinese)
            found.append(Section(page, line, level, tokens[number + 1].content, only))
        elif found:
            _add(found[-1], token)
        mark = token.type == "html_block" and token.content.strip() == MARK
    return found


def _add(section: Section, token: Token) -> None:
    if token.type == "fence":
        section.blocks.append((token.info, COMMENT.sub("", token.content)))
    elif token.type == "tr_open":
        section.rows.append(0)
    elif token.type in ("th_open", "td_open"):
        section.rows[-1] += 1
    for child in token.children or ():
        if child.type == "code_inline":
            section.spans.add(child.content)
        elif child.type == "link_open":
            there = target(section.page, str(child.attrs["href"]))
            section.links.add(ENGLISH.get(there, there))


def target(page: str, link: str) -> str:
    """The page or file of this repository that a link leads to, or the URL."""
    path = link.partition("#")[0]
    if "://" in path:
        return link
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page


def differences(english: list[Section], chinese: list[Section]) -> Iterator[str]:
    """A line for each difference between two pages; headings that do not agree are the last."""
    for ours, theirs in zip_longest(english, [each for each in chinese if not each.only_chinese]):
        if ours is None or theirs is None:
            yield f"{ours or theirs} is in one language only"
            return
        if ours.level != theirs.level:
            yield f"{theirs} has level {theirs.level}, {ours} has level {ours.level}"
            return
        yield from _within(ours, theirs)


def _within(ours: Section, theirs: Section) -> Iterator[str]:
    """What a Chinese section lacks of the English one, or has differently."""
    for number, (one, other) in enumerate(zip_longest(ours.blocks, theirs.blocks, fillvalue=("", "")), 1):
        if one != other:
            lines = zip_longest(*(f"```{info}\n{text}".splitlines() for info, text in (one, other)))
            [shown, written] = next(pair for pair in lines if pair[0] != pair[1])
            yield f"{theirs}: block {number} has {written!r}, that of {ours} has {shown!r}"
    if ours.rows != theirs.rows:
        yield f"{theirs}: the tables' rows have {theirs.rows} cells, those of {ours} {ours.rows}"
    for missing in sorted(ours.spans - theirs.spans):
        yield f"{theirs} lacks `{missing}` of {ours}"
    for missing in sorted(ours.links - theirs.links):
        yield f"{theirs} lacks a link to {missing} of {ours}"


def in_chinese_only() -> list[Section]:
    """The sections that only Chinese pages have."""
    found = [each for page in ENGLISH for each in sections(page, (ROOT / page).read_text())]
    return [each for each in found if each.only_chinese]
