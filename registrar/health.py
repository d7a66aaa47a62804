"""Whether a program that stays still does its work. Pure but for the clock."""

import time

_INTERVALS = 3  # that may pass without a finished run


class Health:
    """Of one process. A single run (`interval` None) is always live: its Job watches over it."""

    def __init__(self, interval: float | None) -> None:
        self._interval = interval
        self._finished = time.monotonic()
        self._ready = False

    def finished(self, *, done: bool) -> None:
        """A run is over; `done` if it could do its work, be it that the guard refused."""
        self._finished = time.monotonic()
        self._ready = done

    def live(self) -> bool:
        """Has a run ended, well or not, within the last three intervals? One that failed is no reason to restart."""
        return self._interval is None or time.monotonic() - self._finished < _INTERVALS * self._interval

    def ready(self) -> bool:
        """Could the last run do its work? So a rollout without the rights it needs does not become ready."""
        return self._ready
