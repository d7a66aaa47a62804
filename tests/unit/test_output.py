"""Writing the result to standard output: closed pipes, full disks, encodings, terminals."""

import io
import os
import subprocess
import sys
from contextlib import redirect_stdout
from typing import Any

import pytest

from registrar.cli import output
from tests.harness import terminal

WRITE = "from registrar.cli import output; output.write('x' * 1_000_000)"
PROGRAM = (
    "import sys\nfrom registrar.cli import logs, output\nlogs.configure()\n"
    "try: output.write('x' * 1_000_000)\nexcept Exception as error: sys.exit(logs.end(error))"
)
WIDTH = "import sys; from registrar.cli import output; sys.stderr.write(str(output.width()))"

ENV = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "PYTHONUNBUFFERED")}


def python(code: str, stdout: Any, **env: str) -> tuple[int, str]:
    """Exit code and standard error."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, timeout=60, env=ENV | env
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "code", [WRITE, "from janitor.__main__ import main; main(['--help'], {})"], ids=["result", "help"]
)
def test_a_closed_pipe_is_not_a_failure(code: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert python(code, writer) == (0, "")
    finally:
        os.close(writer)


def test_a_full_disk_is_one_line_and_exit_1() -> None:
    with open("/dev/full", "w") as full:
        code, said = python(PROGRAM, full)
    assert code == 1
    (line,) = said.splitlines()
    assert "cannot write the result: No space left on device; fix where standard output goes" in line


@pytest.mark.parametrize(
    "program", [PROGRAM, "from janitor.__main__ import *; sys.argv[1:] = ['--help']; logs.run(main)"]
)
def test_a_closed_standard_output_is_one_line(program: str) -> None:
    command = ["sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, program]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, timeout=60, env=ENV)
    (line,) = done.stderr.splitlines()
    assert line.endswith(
        "cannot write the result: standard output is closed; fix where standard output goes, then run it again"
    )


def test_standard_output_may_be_replaced() -> None:
    with redirect_stdout(io.StringIO()) as replaced:
        output.write("a report")
    assert replaced.getvalue() == "a report"


def test_characters_that_the_encoding_lacks_are_escaped() -> None:
    code = "from registrar.cli import output; output.write('北京')"
    command = [sys.executable, "-c", code]
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    assert subprocess.run(command, capture_output=True, check=True, env=env).stdout == b"\\u5317\\u4eac"


def test_only_a_terminal_has_a_width() -> None:
    for columns, told in ((97, "97"), (0, "80")):
        command = [sys.executable, "-c", WIDTH]
        done, _ = terminal.run(command, "stdout", columns=columns, env=ENV, stderr=subprocess.PIPE)
        assert done.stderr == told
    assert python(WIDTH, subprocess.PIPE) == (0, "None")
    assert python(WIDTH, subprocess.DEVNULL, COLUMNS="97") == (0, "None")
