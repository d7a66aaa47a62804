"""Keeps credentials fresh: reads them again for each run, when they expire, and when the API server refuses them."""

import threading
from collections.abc import Callable

from registrar.kube import credentials
from registrar.kube.credentials import Credentials
from registrar.kube.source import Source


class Renewal:
    """The credentials of `source`. May be used by several threads at once."""

    def __init__(self, source: Source, *, relaxed: bool, stopping: Callable[[], bool], deadline: float) -> None:
        """Read them now; a plugin has until the `deadline` (monotonic), unless `stopping()`."""
        self._source, self._relaxed, self._stopping = source, relaxed, stopping
        self._lock, self._stale = threading.Lock(), False
        self.latest = self._read(deadline, None)

    def expire(self) -> None:
        """Read them again before their next use: files may have changed."""
        self._stale = True

    def current(self, deadline: float, refused: Credentials | None = None) -> Credentials:
        """The credentials to use; others than those `refused`, unless another thread has replaced them already."""
        with self._lock:
            known = self.latest
            if self._stale or known is refused or known.expired():
                self.latest = self._read(deadline, known, refused=known is refused)
                self._stale = False
            return self.latest

    def _read(self, deadline: float, known: Credentials | None, *, refused: bool = False) -> Credentials:
        return credentials.load(
            self._source,
            relaxed=self._relaxed,
            deadline=deadline,
            stopping=self._stopping,
            known=known,
            refused=refused,
        )
