"""Show a long job: a line per stage, a heartbeat while a command runs, and the log's end when one fails."""

import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

TAIL_LINES = 20


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
        self._live = sys.stderr.isatty()
        log.write_bytes(b"")

    def say(self, text: str) -> None:
        """One line with the seconds since the job began."""
        self._write(text, "\n")

    def run(self, what: str, command: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None) -> None:
        """Run a command to its end. One that fails ends the program (exit 1) with the log's last lines."""
        self.say(what)
        with self._log.open("ab") as out:
            child = subprocess.Popen(
                command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
            )
        try:
            while self._still_running(child):
                self._beat(what)
        finally:
            child.terminate()  # does nothing to one that has ended
            child.wait()
        if child.returncode:
            self._fail(what, child.returncode)

    def _still_running(self, child: subprocess.Popen[bytes]) -> bool:
        try:
            child.wait(timeout=1 if self._live else 30)
        except subprocess.TimeoutExpired:
            return True
        return False

    def _beat(self, what: str) -> None:
        line = f"{what}: {tail(self._log, lines=1)}"
        if self._live:
            width = shutil.get_terminal_size().columns - len("[9999 s] ")
            self._write(line[:width], end="")  # one that wraps could not be overwritten
        else:
            self.say(line)

    def _write(self, text: str, end: str) -> None:
        start = "\r\033[K" if self._live else ""  # a terminal's live line is overwritten by what comes next
        elapsed = time.monotonic() - self._started
        print(f"{start}[{elapsed:4.0f} s] {text}", end=end, file=sys.stderr, flush=True)

    def _fail(self, what: str, code: int) -> None:
        self.say(f"failed (exit {code}): {what}")
        raise SystemExit(f"{tail(self._log)}\nfull log: {self._log}\nnext: {self._next_step}")
