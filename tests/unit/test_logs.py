"""Log lines are safe for a terminal, in text and in JSON."""

import json
import logging
from collections.abc import Iterator

import pytest

from registrar.cli import failures, logs
from registrar.cli.failures import Failure
from registrar.cli.text import plain


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


@pytest.mark.parametrize("style", ["text", "json"])
def test_text_from_a_cluster_is_escaped_and_cut(capsys: pytest.CaptureFixture[str], style: str) -> None:
    logs.configure("info", style)
    logging.getLogger("x").info("a\nb\x1b[31m\u202e%s", "\r" + "z" * 1_000_000)

    [line] = capsys.readouterr().err.splitlines()
    assert not set(line) & {"\x1b", "\u202e", "\r"}
    assert "a\\nb\\x1b[31m" in line.replace("\\\\", "\\")
    assert len(line) < 3000


def test_json_logs_have_one_object_per_line_with_time_level_and_message(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    logging.getLogger("x").warning("it %s", "happened")

    line = json.loads(capsys.readouterr().err)
    assert line.keys() == {"time", "level", "message"}
    assert (line["level"], line["message"]) == ("warning", "it happened")


def test_extra_fields_appear_in_json_only_and_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    fields = {"verdict": "delete", "node": "a\x1b[31m", "result": None}
    for style in ("json", "text"):
        logs.configure("info", style)
        logging.getLogger("x").info("it happened", extra={"fields": fields})

    line, text = capsys.readouterr().err.splitlines()
    assert json.loads(line).items() >= {"message": "it happened", "verdict": "delete", "node": "a\\x1b[31m"}.items()
    assert "result" not in line
    assert text.endswith("INFO it happened")


def test_lower_levels_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("error")
    logging.getLogger("x").warning("no")

    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("style", ["text", "json"])
@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (Failure("get x", "gone"), 1, "cannot get x: gone"),
        (failures.SettingsError("--port", "no"), 2, "bad setting --port: no"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ModuleNotFoundError("No module named 'yaml'"), 1, "No module named 'yaml'; install what nodeproxy needs"),
        (ZeroDivisionError("by zero"), 1, "ZeroDivisionError: by zero; this is a bug"),
    ],
)
def test_every_failure_is_one_line_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], style: str, error: BaseException, code: int, text: str
) -> None:
    logs.configure("info", style)

    assert logs.end(error) == code
    [line] = capsys.readouterr().err.splitlines()
    assert text in line


@pytest.mark.parametrize("style", ["text", "json"])
def test_debug_level_shows_the_traceback(capsys: pytest.CaptureFixture[str], style: str) -> None:
    logs.configure("debug", style)
    try:
        raise Failure("get x", "gone")
    except Failure as error:
        logs.end(error)

    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("style", ["text", "json"])
def test_tracebacks_are_escaped_and_cut(capsys: pytest.CaptureFixture[str], style: str) -> None:
    logs.configure("debug", style)
    try:
        raise Failure("get x", "\x1b[31m\u202e" + "z" * 1_000_000)
    except Failure as error:
        logs.end(error)

    printed = capsys.readouterr().err
    assert all(line.isprintable() for line in printed.split("\n"))
    assert len(printed) < 20_000


@pytest.mark.parametrize("text", ["\u200b", "\u200f", "\ufeff", "\U000e0041", "\ud800", "\x7f", "\x85", "\u00a0"])
def test_invisible_characters_are_escaped(text: str) -> None:
    assert plain(f"a{text}b").isascii()


def test_visible_characters_are_kept() -> None:
    assert plain("北京, Büro 1 ✓") == "北京, Büro 1 ✓"
