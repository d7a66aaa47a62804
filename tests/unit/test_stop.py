"""Stopping on a signal: at once if idle, within a second in any case."""

import signal
import subprocess
import sys

import pytest

from tests.harness.cluster import ROOT

# Nothing but the standard library is imported, and the process measures itself: a busy machine hardly matters.
PROGRAM = """
import os, signal, sys, time
from registrar.cli.watchdog import Stop
if "background" in sys.argv:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
stop = Stop()
stop.exit_code = 7
stop.listen()
end = os._exit
def measured(code):
    print("hard", code, time.monotonic() - began, flush=True)
    end(code)
os._exit = measured
print("listening", flush=True)
began = time.monotonic() + (0 if stop.wait(30) else 60)
if "hang" in sys.argv:
    time.sleep(30)
if "background" in sys.argv:
    print("ignored", signal.getsignal(signal.SIGINT) is signal.SIG_IGN)
print("orderly", flush=True)
"""


def ended(*args: str, number: int = signal.SIGTERM) -> tuple[int, list[str]]:
    """Exit code, and what the program printed when it ended."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *args], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as program:
        assert program.stdout
        assert program.stdout.readline() == "listening\n"
        program.send_signal(number)
        out, _ = program.communicate(timeout=60)
    return program.returncode, out.split()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_wait_at_once(number: int) -> None:
    assert ended(number=number) == (0, ["orderly"])


def test_a_background_job_of_a_shell_goes_on_ignoring_ctrl_c() -> None:
    assert ended("background") == (0, ["ignored", "True", "orderly"])


def test_a_hanging_process_ends_within_a_second_with_the_exit_code_of_the_run() -> None:
    code, (how, told, seconds) = ended("hang")

    assert (code, how, told) == (7, "hard", "7")
    assert float(seconds) < 1
