"""Finds the blocks of code in a page: the commands, the output that the page shows for them, and where they run.

Commands run on a server, except on the pages in `_ELSEWHERE`. A comment directly before a block says otherwise:

    <!-- run: server -->               tests/docs/test_on_server.py
    <!-- run: e2e -->                  tests/e2e/scenarios/test_20_pages.py, which also runs the page's other blocks
    <!-- run: tests/…/test_….py -->    a test of its own, which names the block's heading
    <!-- not run: the reason -->
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from docs import pages

ROOT = Path(__file__).parents[2]
SERVER, E2E, NOT_RUN = "server", "e2e", "not run"
UPGRADE = "tests/manifests/test_upgrade.py"
_ELSEWHERE = {"docs/migration.md": UPGRADE}
COMMANDS, OUTPUT = "sh", "text"


def is_chinese(page: str) -> bool:
    """Whether it is a page in Chinese: it has the blocks of the English one, as a unit test verifies."""
    return "zh" in re.split(r"\W", page)


# All other pages, and where the commands of each run.
PAGES = {
    page: _ELSEWHERE.get(page, SERVER) for page in pages.sources() if page.endswith(".md") and not is_chinese(page)
}
MARK = re.compile(r"<!-- (?:run: (?P<where>\S+)|not run: (?P<reason>\S.*?)) -->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of code. `language` is "" if the page names none."""

    page: str
    line: int
    heading: str
    language: str
    text: str
    where: str
    reason: str = ""
    output: str | None = None

    def __str__(self) -> str:
        return f"{self.page}:{self.line} ({self.heading})"


def code_of(page: str, text: str, where: str) -> list[Block]:
    """All blocks of code of a page whose commands run at `where`; outputs are part of their commands' block."""
    found: list[Block] = []
    heading, mark = "", None
    for token, after in _pairs(MarkdownIt("commonmark").parse(text)):
        if token.type == "heading_open":
            heading = after.content if after else ""
        elif token.type == "html_block":
            mark = MARK.search(token.content)
        elif token.type in ("fence", "code_block"):
            block = _block(token, page, heading, where, mark)
            if _is_output(block, found):
                found[-1] = replace(found[-1], output=block.text)
            else:
                found.append(block)
            mark = None
    return found


def _pairs(tokens: list[Token]) -> Iterator[tuple[Token, Token | None]]:
    return zip(tokens, [*tokens[1:], None], strict=True)


def _block(token: Token, page: str, heading: str, where: str, mark: re.Match[str] | None) -> Block:
    language = token.info.partition(" ")[0]
    line = (token.map or [0])[0] + 1
    if mark and mark["reason"]:
        return Block(page, line, heading, language, token.content, NOT_RUN, " ".join(mark["reason"].split()))
    return Block(page, line, heading, language, token.content, mark["where"] if mark else where)


def _is_output(block: Block, before: list[Block]) -> bool:
    """A text directly after commands, in the same section, is what they print."""
    if block.language not in (OUTPUT, "") or not before:
        return False
    last = before[-1]
    return last.language == COMMANDS and last.heading == block.heading and last.output is None


def all_code() -> list[Block]:
    """The blocks of all pages."""
    return [block for page, where in PAGES.items() for block in code_of(page, (ROOT / page).read_text(), where)]


def commands(page: str, *places: str, heading: str | None = None) -> list[Block]:
    """The blocks of commands of one page that run at one of `places`, of one section only if its heading is given."""
    found = code_of(page, (ROOT / page).read_text(), PAGES[page])
    mine = [block for block in found if block.language == COMMANDS and block.where in places]
    return [block for block in mine if heading in (None, block.heading)]
