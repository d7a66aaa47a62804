"""Each command in the pages is run by a test, or the page says why not."""

import re
from collections import Counter

import pytest

from tests.docs.blocks import COMMANDS, E2E, NOT_RUN, PAGES, ROOT, SERVER, Block, all_code, code_of, is_chinese
from tests.docs.shell import matches

CODE = all_code()
CALLS = [block for block in CODE if block.language == COMMANDS]
PAGE = """
## Here

```sh
ls
```

It prints:

```text
a
```

```text
not output
```

- in a list

  <!-- not run: it needs
  a printer -->
  ```sh
  lp a
  ```

## There

<!-- run: e2e -->
```sh
true
```

## Elsewhere

```
no output of the section before
```
"""


def test_commands_are_found_with_their_heading_output_and_place() -> None:
    [ls, text, lp, true, other] = code_of("a.md", PAGE, SERVER)

    assert ls == Block("a.md", 4, "Here", "sh", "ls\n", SERVER, output="a\n")
    assert (text.language, text.text) == ("text", "not output\n")
    assert (lp.text, lp.where, lp.reason) == ("lp a\n", NOT_RUN, "it needs a printer")
    assert (true.heading, true.where, true.output) == ("There", E2E, None)
    assert other.language == ""


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\nb", "a\nb\n", True),
        ("a", "a\nb\n", False),
        ("a\n...\nd", "a\nb\nc\nd\n", True),
        ("a\n...", "b\na\n", False),
        ("created ...", "created at noon\n", True),
        ("NAME   AGE\na      5s", "NAME  AGE\na  3m12s\n", True),
        ("a   10.96.0.1:8888 x", "a   198.19.0.7:34567 x\n", True),
        ("nodeproxy-agent-x7k2p a", "nodeproxy-agent-abcde a\n", True),
        ("nodeproxy-agent-x7k2p a", "nodeproxy-agent-abcde b\n", False),
        ("a 5 b", "a 6 b\n", False),
        ("by-hand-1795689600", "by-hand-1795700000\n", True),
    ],
)
def test_printed_text_may_differ_from_the_page_only_in_what_is_volatile(shown: str, printed: str, same: bool) -> None:
    assert matches(shown, printed) is same


def test_no_page_with_commands_is_left_out() -> None:
    folders = ("docs", "images", "janitor", "manifests", "registrar", "tests")
    pages = [*ROOT.glob("*.md"), *(page for folder in folders for page in (ROOT / folder).rglob("*.md"))]
    found = {str(page.relative_to(ROOT)) for page in pages if f"```{COMMANDS}\n" in page.read_text()}

    assert {page for page in found - PAGES.keys() if not is_chinese(page)} == set()
    assert "README.zh-CN.md" in found
    assert is_chinese("README.zh-CN.md")
    assert is_chinese("docs/zh/use.md")


@pytest.mark.parametrize("block", CODE, ids=str)
def test_each_block_names_its_language(block: Block) -> None:
    """Otherwise nobody knows whether it is a command."""
    assert block.language, f"{block}: write ```{COMMANDS} and, for what it prints, ```text"


@pytest.mark.parametrize("block", CALLS, ids=str)
def test_each_command_is_run_by_a_test_or_says_why_not(block: Block) -> None:
    if block.where.startswith("tests/"):
        assert f'"{block.heading}"' in (ROOT / block.where).read_text(), f"{block}: {block.where} does not run it"
    else:
        assert block.where in (SERVER, E2E) or block.reason, f"{block}: nothing runs at {block.where!r}"


def test_every_mark_belongs_to_commands() -> None:
    for page in PAGES:
        marks = re.findall(r"<!-- (?:not )?run", (ROOT / page).read_text())
        assert len(marks) == sum(block.page == page and block.where != PAGES[page] for block in CALLS), page


def test_the_counts_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    counts = Counter(block.where for block in CALLS)
    with capsys.disabled():
        print(f"\nblocks of commands in {len(PAGES)} pages:", ", ".join(f"{n} {where}" for where, n in counts.items()))
    assert counts[SERVER] > counts[NOT_RUN]
