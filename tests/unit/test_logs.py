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


def test_a_line_break_in_a_message_forges_no_log_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("debug")
    forged = "2026-01-01T00:00:00Z ERROR cannot patch Pod x/y: it is all lost"
    try:
        raise Failure("get x", f"gone\n{forged}\r{forged}\u2028{forged}")
    except Failure as error:
        logs.end(error)

    lines = capsys.readouterr().err.split("\n")
    assert sum(forged in line for line in lines) == 4  # the last is the ERROR line of this failure
    assert not [line for line in lines if line.startswith(forged)]


# Default_Ignorable_Code_Point of Unicode 16, and blanks that are letters, marks or symbols.
INVISIBLE = (
    *((0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F)),
    *((0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF)),
    *((0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
    *((0x2800, 0x2800), (0x13441, 0x13442), (0x16FE4, 0x16FE4), (0x1D159, 0x1D159)),
    *((0x00, 0x1F), (0x7F, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x3000, 0x3000)),
    *((0xD800, 0xDFFF), (0xE000, 0xF8FF)),
)


@pytest.mark.parametrize(("first", "last"), INVISIBLE, ids=lambda each: f"{each:X}")
def test_invisible_characters_are_escaped(first: int, last: int) -> None:
    left = [each for each in range(first, last + 1) if not plain(f"a{chr(each)}b").isascii()]
    assert [f"U+{each:04X}" for each in left] == []


def test_visible_characters_are_kept() -> None:
    assert plain("北京, Büro 1 ✓") == "北京, Büro 1 ✓"
