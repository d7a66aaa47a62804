"""The end that somebody asks for, by SIGTERM or Ctrl-C: what is begun is finished, nothing new is begun."""

import logging
import os
import queue
import signal
import threading
import time
from types import FrameType

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
