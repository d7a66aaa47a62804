"""Runs another program within a time limit, and passes on at once what it writes to standard error."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

_MAX_OUTPUT = 1 << 20  # bytes
_POLL = 0.05  # seconds between two looks for a request to stop
_PAUSE = 0.2  # seconds after which an unfinished line is taken for a prompt


@dataclass(frozen=True)
class Ended:
    """How a program ended. `last_words` is its last line on standard error, "" if that went to the terminal."""

    exit_code: int
    output: bytes
    last_words: str


def run(
    command: Sequence[str],
    environ: Mapping[str, str],
    *,
    interactive: bool,
    deadline: float,
    stopping: Callable[[], bool],
    say: Callable[[str], None],
) -> Ended | None:
    """Run `command`; None if it is killed because the `deadline` (monotonic) is over, or `stopping()`.

    An `interactive` one reads our standard input. On a terminal it writes to our standard error itself; elsewhere,
    `say` gets each line, and a prompt as soon as the program waits.
    """
    terminal = bool(sys.stderr and sys.stderr.isatty())
    process = subprocess.Popen(
        command,
        env=environ,
        stdin=None if interactive else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=None if terminal else subprocess.PIPE,
        # A group of its own, so that its children are killed too; but only our own group may read a terminal.
        process_group=None if interactive else 0,
    )
    output, words = _Output(process.stdout), _Words(process.stderr, say)
    ended = False
    try:
        while output.is_alive() or process.poll() is None:
            if stopping() or time.monotonic() > deadline:
                return None
            output.join(_POLL)
            with suppress(subprocess.TimeoutExpired):
                process.wait(0 if output.is_alive() else _POLL)
        ended = True
        words.join(_PAUSE)  # a child that it left behind on purpose may keep the pipe open
        return Ended(process.returncode, bytes(output.data), words.last)
    finally:
        if not ended:
            with suppress(OSError):
                process.kill() if interactive else os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class _Output(threading.Thread):
    """Reads all of a pipe."""

    def __init__(self, pipe: IO[bytes] | None) -> None:
        super().__init__(name="plugin output", daemon=True)
        self._pipe = pipe
        self.data = bytearray()
        self.start()

    def run(self) -> None:
        while self._pipe and (part := os.read(self._pipe.fileno(), 1 << 16)):
            if len(self.data) <= _MAX_OUTPUT:
                self.data += part


class _Words(threading.Thread):
    """Passes on what comes through a pipe: lines, and an unfinished line after a pause."""

    def __init__(self, pipe: IO[bytes] | None, say: Callable[[str], None]) -> None:
        super().__init__(name="plugin words", daemon=True)
        self._pipe, self._say = pipe, say
        self.last = ""
        self.start()

    def run(self) -> None:
        rest = b""
        while self._pipe:
            if rest and not select.select([self._pipe], [], [], _PAUSE)[0]:
                self._pass_on(rest)
                rest = b""
            part = os.read(self._pipe.fileno(), 1 << 16)
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                self._pass_on(line)
            if not part:
                self._pass_on(rest)
                return

    def _pass_on(self, line: bytes) -> None:
        if text := line.decode(errors="replace").strip():
            self.last = text
            self._say(text)
