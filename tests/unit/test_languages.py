"""README and pages in two languages: the same commands, headings and tables, and links to each other.

If one of these fails, make the same change in the page of the other language.
"""

import posixpath
import re

import pytest

from tests.docs.blocks import COMMANDS, ROOT, all_code
from tests.docs.languages import COMMENT, ENGLISH, differences, in_chinese_only, sections, target

# How many sections each Chinese page has in addition.
IN_CHINESE_ONLY = {"README.zh-CN.md": 1, "docs/zh/get-started.md": 1, "docs/zh/use.md": 1}
ONE = """\
# Title

| a | `b` |
|---|---|
| 1 | [2](use.md) |

```sh
ls  # all
```

## Below

```text
c
```
"""


def compare(one: str, other: str) -> list[str]:
    return [*differences(sections("docs/a.md", one), sections("docs/zh/a.md", other))]


@pytest.mark.parametrize("chinese", ENGLISH)
def test_each_chinese_page_has_the_blocks_headings_tables_words_of_code_and_links_of_the_english_one(
    chinese: str,
) -> None:
    english = ENGLISH[chinese]
    found = [*differences(*(sections(page, (ROOT / page).read_text()) for page in (english, chinese)))]

    assert not found, found[0]


@pytest.mark.parametrize("chinese", ENGLISH)
def test_the_third_line_of_each_page_links_to_the_other_language(chinese: str) -> None:
    english = ENGLISH[chinese]
    there = posixpath.relpath(chinese, posixpath.dirname(english) or ".")
    back = posixpath.relpath(english, posixpath.dirname(chinese) or ".")

    assert (ROOT / english).read_text().splitlines()[2] == f"English | [简体中文]({there})"
    assert (ROOT / chinese).read_text().splitlines()[2] == f"[English]({back}) | 简体中文"


@pytest.mark.parametrize("chinese", ENGLISH)
def test_chinese_pages_link_to_chinese_pages(chinese: str) -> None:
    _, _, _, *lines = (ROOT / chinese).read_text().splitlines()
    links = re.findall(r"\]\((\S+?)\)", "\n".join(lines))

    assert [link for link in links if target(chinese, link) in ENGLISH.values()] == []


def test_the_sections_in_chinese_only_are_counted_and_show_no_command_that_is_not_run() -> None:
    found = in_chinese_only()

    assert {page: sum(each.page == page for each in found) for page in IN_CHINESE_ONLY} == IN_CHINESE_ONLY
    assert len(found) == sum(IN_CHINESE_ONLY.values())
    run = {COMMENT.sub("", block.text) for block in all_code() if block.language == COMMANDS}
    assert {text for each in found for language, text in each.blocks if language == COMMANDS} <= run


def test_the_comparison_leaves_out_comments_and_sections_in_chinese_only() -> None:
    other = ONE.replace("# all", "# 全部").replace("Title", "标题")

    assert compare(ONE, other) == []
    assert compare(ONE, other.replace("## Below", "<!-- zh only -->\n## 多的\n\n### 也是\n\n## Below")) == []


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("ls  #", "ls -l  #", "docs/zh/a.md:1 (Title): block 1 has 'ls -l', that of docs/a.md:1 (Title) has 'ls'"),
        (
            "```text\nc\n```\n",
            "",
            "docs/zh/a.md:11 (Below): block 1 has '```', that of docs/a.md:11 (Below) has '```text'",
        ),
        ("## Below", "### Below", "docs/zh/a.md:11 (Below) has level 3, docs/a.md:11 (Below) has level 2"),
        ("## Below\n", "", "docs/a.md:11 (Below) is in one language only"),
        ("| 1 | [2](use.md) |", "| 1 | [2](use.md) |\n| 3 | 4 |", "docs/zh/a.md:1 (Title): the tables' rows have"),
        ("`b`", "b", "docs/zh/a.md:1 (Title) lacks `b` of docs/a.md:1 (Title)"),
        ("(use.md)", "(faq.md)", "docs/zh/a.md:1 (Title) lacks a link to docs/use.md of docs/a.md:1 (Title)"),
    ],
)
def test_a_difference_is_named_with_its_page_and_heading(before: str, after: str, said: str) -> None:
    assert compare(ONE, ONE.replace(before, after))[-1].startswith(said)
