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
_GRACE = 2  # seconds for a kill


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
    supervisor = _Supervisor(command, environ, deadline, stopping, say, interactive=interactive)
    try:
        supervisor.done.wait()  # not join(): after a KeyboardInterrupt, a second join() does not wait (bpo-45274)
    finally:
        # A signal raises KeyboardInterrupt in the main thread, so here, and never between the start and the kill.
        supervisor.cancelled.set()
        supervisor.done.wait(_GRACE)
    if supervisor.error:
        raise supervisor.error
    return supervisor.ended


class _Supervisor(threading.Thread):
    """Starts the program, waits for it, and kills it if it has to."""

    def __init__(
        self,
        command: Sequence[str],
        environ: Mapping[str, str],
        deadline: float,
        stopping: Callable[[], bool],
        say: Callable[[str], None],
        *,
        interactive: bool,
    ) -> None:
        super().__init__(name="plugin", daemon=True)
        self._command, self._environ, self._interactive = command, environ, interactive
        self._deadline, self._stopping, self._say = deadline, stopping, say
        self.cancelled, self.done = threading.Event(), threading.Event()
        self.ended: Ended | None = None
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self._supervise()
        except Exception as error:  # noqa: BLE001 - raised again in the thread that waits
            self.error = error
        finally:
            self.done.set()

    def _supervise(self) -> None:
        terminal = bool(sys.stderr and sys.stderr.isatty())
        process = subprocess.Popen(
            self._command,
            env=self._environ,
            stdin=None if self._interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if terminal else subprocess.PIPE,
            # A group of its own, so that its children are killed too; but only our own group may read a terminal.
            process_group=None if self._interactive else 0,
        )
        output, words = _Output(process.stdout), _Words(process.stderr, self._say)
        while output.is_alive() or process.poll() is None:
            if self.cancelled.is_set() or self._stopping() or time.monotonic() > self._deadline:
                self._kill(process)
                return
            output.join(_POLL)
            with suppress(subprocess.TimeoutExpired):
                process.wait(0 if output.is_alive() else _POLL)
        words.join(_PAUSE)  # a child that it left behind on purpose may keep the pipe open
        self.ended = Ended(process.returncode, bytes(output.data), words.last)

    def _kill(self, process: "subprocess.Popen[bytes]") -> None:
        with suppress(OSError):
            process.kill() if self._interactive else os.killpg(process.pid, signal.SIGKILL)
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
