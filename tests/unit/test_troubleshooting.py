"""The troubleshooting pages name every line with which a program ends or warns, and every reason of the janitor.

The lines are collected from the code: of each call the words that are always the same. If this fails, a line is new or
was reworded: give it a row in both pages (what it means, what to do), in the words of the code.
"""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from janitor.settings import COMMAND as JANITOR
from registrar.kube import answers
from registrar.settings import COMMAND as REGISTRAR

ROOT = Path(__file__).parents[2]
PAGES = {
    name: " ".join((ROOT / name).read_text().split())
    for name in ("docs/troubleshooting.md", "docs/zh/troubleshooting.md")
}
# Exceptions with an action, a reason and a next step.
FAILURES = {"Failure", "SettingsError", "Refused", "OwnPodGone", "TimeIsOver", "TooLarge", "Transient", "Unlabelled"}
MESSAGES = {"ValueError", "warning", "error"}  # of a setting's value; of the log
JSON_ERRORS = {"a key twice in one object", "is not JSON"}  # caught where they are raised: not a JSON object
BY_HAND = {"--kubeconfig", "--context", "--namespace", "--dry-run"}  # options for a run outside of the chart
Texts = dict[str, ast.expr]


def constant(expression: ast.expr, texts: Texts) -> str:
    """The longest constant part of a text, which may be in a variable; "" for anything else."""
    if isinstance(expression, ast.Name):
        expression = texts.get(expression.id, expression)
    if not isinstance(expression, ast.Constant | ast.JoinedStr):
        return ""
    pieces = [each.value for each in ast.walk(expression) if isinstance(each, ast.Constant)]
    words = [part.strip(" :;,()'\"") for each in pieces if isinstance(each, str) for part in re.split(r"%\S+", each)]
    return max(words, key=len, default="")


def said(call: ast.Call, texts: Texts) -> str:
    """The words that identify a failure or log line: those of its reason, otherwise of its next step or action."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in MESSAGES and call.args:
        return constant(call.args[0], texts)
    if name in FAILURES and len(call.args) > 1:
        action, *rest = call.args
        return next(filter(None, (constant(each, texts) for each in [*rest, action])), "")
    return ""


def calls(file: Path) -> Iterator[tuple[ast.Call, Texts]]:
    """All calls in a file, each with the texts that are assigned to variables in its function."""
    for function in ast.walk(ast.parse(file.read_text())):
        if isinstance(function, ast.FunctionDef):
            nodes = [*ast.walk(function)]
            assignments = [each for each in nodes if isinstance(each, ast.Assign)]
            texts = {ast.unparse(each.targets[0]): each.value for each in assignments}
            yield from ((each, texts) for each in nodes if isinstance(each, ast.Call))


def lines() -> Iterator[tuple[str, str]]:
    for file in sorted([*(ROOT / "registrar").rglob("*.py"), *(ROOT / "janitor").rglob("*.py")]):
        for call, texts in calls(file):
            if words := said(call, texts):
                yield str(file.relative_to(ROOT)), words


def reasons() -> Iterator[str]:
    """Why the janitor neither keeps nor deletes a Service, and why it refuses a run."""
    for name in ("verdict.py", "guard.py"):
        for node in ast.walk(ast.parse((ROOT / "janitor" / name).read_text())):
            value = node.value if isinstance(node, ast.Return) else None
            if isinstance(value, ast.Call) and ast.unparse(value.func) == "Judgement":
                value = value.args[2]
            if value and " " in (words := constant(value, {})):
                yield words


LINES = sorted({(file, words) for file, words in lines() if words not in JSON_ERRORS})


@pytest.mark.parametrize(("file", "words"), LINES, ids=[f"{file}: {words}" for file, words in LINES])
def test_the_pages_name_every_line(file: str, words: str) -> None:
    assert [name for name, text in PAGES.items() if words not in text] == [], f"these pages lack what {file} says"


@pytest.mark.parametrize("page", PAGES)
def test_the_pages_name_every_reason_of_the_janitor(page: str) -> None:
    found = {*reasons()} - {"its node is gone", "its node exists"}

    assert found
    assert [words for words in found if words not in PAGES[page]] == []


@pytest.mark.parametrize("page", PAGES)
def test_the_table_of_values_has_every_option_that_the_chart_refuses_as_a_setting(page: str) -> None:
    table = {
        flag
        for row in re.findall(r"^\| `--.*", (ROOT / page).read_text(), re.MULTILINE)
        for flag in re.findall(r"`(--[a-z-]+)`", row)
    }
    schema = json.loads((ROOT / "manifests" / "chart" / "values.schema.json").read_text())["properties"]
    refused = {
        option.flag
        for command in (REGISTRAR, JANITOR)
        for option in command.options
        if option.env.startswith(f"{command.name.upper()}_")
        and option.env not in schema[command.name]["properties"]["settings"]["properties"]
    }

    assert table == refused - BY_HAND


@pytest.mark.parametrize("page", PAGES)
def test_the_pages_name_every_status_that_has_a_next_step(page: str) -> None:
    assert [status for status in answers.NEXT_STEPS if f"`{status}`" not in PAGES[page]] == []


def test_lines_of_both_programs_are_collected() -> None:
    """Shows that the collection can find failures and log lines."""
    assert {"registrar/ownership.py", "janitor/program.py"} <= {file for file, _ in LINES}
