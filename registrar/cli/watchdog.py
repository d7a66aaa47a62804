"""The end of a budget where nothing else can end it: some calls of the operating system take no limit."""

import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from registrar.cli import logs
from registrar.cli.failures import Failure

_GRACE = 0.5  # seconds beyond the budget, for a run that ends by itself to do so

log = logging.getLogger(__name__)


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """End the process with exit 1 and one line where the block outlasts `seconds`.

    A name server that never answers holds the main thread in getaddrinfo, a credentials plugin in a wait. No signal's
    handler runs then, so that another thread has to end the process.
    """
    timer = threading.Timer(seconds + _GRACE, _end, [seconds])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _end(seconds: float) -> None:
    reason = f"the budget of {seconds:g}s is over, and a call of the operating system has not come back"
    code = logs.end(Failure("go on", reason, "check the name server and the kubeconfig's credentials plugin"))
    os._exit(code)


_GRACE = 0.7  # seconds for what is begun; with start and end of the process the promise is one second

log = logging.getLogger(__name__)


class Stop:
    """Whether the end has been asked for. May be asked by several threads at once."""

    def __init__(self) -> None:
        self.exit_code: int | None = None  # the run's, as soon as it is known
        self._requested = threading.Event()
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()

    def listen(self) -> None:
        """Handle the signals from now on: a container's first process would not even end by an unhandled SIGTERM."""
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:  # so a shell tells a program in the background
                signal.signal(number, self._note)
        threading.Thread(target=self._end, name="stop", daemon=True).start()

    def requested(self) -> bool:
        """Has somebody asked?"""
        return self._requested.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait until somebody asks, `seconds` at most; has somebody?"""
        return self._requested.wait(seconds)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        # A handler may run while the same thread holds any lock, an Event's too: SimpleQueue is made for that.
        self._signals.put(number)

    def _end(self) -> None:
        number = self._signals.get()
        log.info("asked to end by %s", signal.Signals(number).name)
        if self.exit_code is None:
            self.exit_code = 128 + number  # as shells report it
        self._requested.set()
        time.sleep(_GRACE)
        os._exit(self.exit_code)  # something still waits for an answer, which may never come
