"""The end of a budget where nothing else can end it: some calls of the operating system take no limit."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from registrar import failure
from registrar.failure import Failure

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
    code = failure.end(Failure("go on", reason, "check the name server and the kubeconfig's credentials plugin"))
    os._exit(code)
