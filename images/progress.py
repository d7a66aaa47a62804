"""Show a long job: a line per stage and, on a terminal, one that moves; the log's end where a command fails."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

TAIL_LINES = 20
CLEAR = "\r\033[K"  # what a terminal shows in this line goes

T = TypeVar("T")


def live() -> bool:
    """Is there somebody to see a line move? In CI there is not, even where it has a terminal."""
    return sys.stderr.isatty() and os.environ.get("CI", "false") in ("", "false", "0")


def counted(what: str, items: Sequence[T]) -> Iterator[T]:
    """Each of `items`; meanwhile a terminal shows which it is."""
    shown = live()
    try:
        for number, item in enumerate(items, 1):
            if shown:
                print(f"{CLEAR}{what}: {number} of {len(items)}", end="", file=sys.stderr, flush=True)
            yield item
    finally:
        if shown:
            print(CLEAR, end="", file=sys.stderr, flush=True)


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log, or a word that says there are none."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join(text.splitlines()[-lines:]) or "(the log is empty)"


class Job:
    """Runs commands one after the other; what they print goes to `log`, which is begun anew."""

    def __init__(self, log: Path, next_step: str) -> None:
        self._log = log
        self._next_step = next_step
        self._started = time.monotonic()
        self._live = live()
        log.write_bytes(b"")

    def say(self, text: str) -> None:
        """One line with the seconds since the job began."""
        self._write(text, "\n")

    def progress(self, text: str) -> None:
        """On a terminal, show this in the line that moves."""
        if self._live:
            width = shutil.get_terminal_size().columns - len("[9999 s] ")
            self._write(text[:width], end="")  # one that wraps could not be overwritten

    def run(self, what: str, command: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None) -> None:
        """Run a command to its end. One that fails ends the program (exit 1) with the log's last lines."""
        self.say(what)
        with self._log.open("ab") as out:
            child = subprocess.Popen(
                command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
            )
        try:
            while self._still_running(child):
                self.progress(f"{what}: {tail(self._log, lines=1)}")
        finally:
            child.terminate()  # does nothing to one that has ended
            child.wait()
        if child.returncode:
            self._fail(what, child.returncode)

    def _still_running(self, child: subprocess.Popen[bytes]) -> bool:
        try:
            child.wait(timeout=0.25 if self._live else None)
        except subprocess.TimeoutExpired:
            return True
        return False

    def _write(self, text: str, end: str) -> None:
        start = CLEAR if self._live else ""  # a terminal's live line is overwritten by what comes next
        elapsed = time.monotonic() - self._started
        print(f"{start}[{elapsed:4.0f} s] {text}", end=end, file=sys.stderr, flush=True)

    def _fail(self, what: str, code: int) -> None:
        self.say(f"failed (exit {code}): {what}")
        raise SystemExit(f"{tail(self._log)}\nfull log: {self._log}\nnext: {self._next_step}")
