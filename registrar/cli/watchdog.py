"""Ends the process when it should: on a signal, and when a system call outlasts the timeout."""

import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from registrar.cli import logs
from registrar.cli.failures import Failure

LIMIT_GRACE = 0.5  # seconds beyond the timeout, in which a run should end by itself
_STOP_GRACE = 0.7  # seconds for requests that have begun; the whole process is to end within one second

Result = TypeVar("Result")

log = logging.getLogger(__name__)


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """End the process with exit 1 and one line if the block outlasts `seconds`.

    A name server that never answers blocks the main thread in getaddrinfo. No signal handler runs then, so another
    thread has to end the process.
    """
    timer = threading.Timer(max(seconds, 0) + LIMIT_GRACE, _exit)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """The result of `work`, for a program that goes on: raise Failure if it outlasts `seconds`.

    The thread that is blocked stays behind until its system call ends.
    """
    results: queue.SimpleQueue[Result] = queue.SimpleQueue()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.put(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            errors.append(error)

    thread = threading.Thread(target=run, name="within", daemon=True)
    thread.start()
    thread.join(max(seconds, 0) + LIMIT_GRACE)
    if thread.is_alive():
        raise _blocked()
    if errors:
        raise errors[0]
    return results.get()


def _exit() -> None:
    os._exit(logs.end(_blocked()))


def _blocked() -> Failure:
    reason = "the timeout is over, and a system call is still blocked"
    return Failure("continue", reason, "check the name server")


class Stop:
    """Whether the program was asked to stop, by SIGTERM or Ctrl-C. Several threads may ask at once.

    What has begun is finished and nothing new is begun. If that takes too long, the process ends anyway.
    """

    def __init__(self) -> None:
        self.exit_code: int | None = None  # of the run, as soon as it is known
        self._requested = threading.Event()
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()

    def listen(self) -> None:
        """Handle the signals from now on. Process 1 of a container ignores SIGTERM unless it has a handler."""
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:  # a shell ignores SIGINT for its background jobs
                signal.signal(number, self._note)
        threading.Thread(target=self._end, name="stop", daemon=True).start()

    def requested(self) -> bool:
        """Whether the program was asked to stop."""
        return self._requested.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait for `seconds` at most; whether the program was asked to stop."""
        return self._requested.wait(seconds)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        # The interrupted thread may hold any lock, that of an Event too; SimpleQueue.put is safe in a handler.
        self._signals.put(number)

    def _end(self) -> None:
        number = self._signals.get()
        log.info("received %s, stopping", signal.Signals(number).name)
        if self.exit_code is None:
            self.exit_code = 128 + number  # what a shell reports
        self._requested.set()
        time.sleep(_STOP_GRACE)
        os._exit(self.exit_code)  # a request is still waiting for its answer
