"""Retry policy for API requests: how long to wait, what to log meanwhile, and when a 403 may pass."""

import logging
import time

import tenacity

from registrar.answer import Transient

_LONGEST_WAIT = 10.0  # seconds
_FULL_JITTER = tenacity.wait_random_exponential(multiplier=0.5, max=_LONGEST_WAIT)
# Seconds after a failed exchange in which a 403 is retried. Longer than any wait, so that at least one retry fits.
_RECOVERY = _LONGEST_WAIT + 5

log = logging.getLogger(__name__)


class Recovery:
    """Whether the API server may have just started.

    Until the caches of its authorizer and admission policies are filled, such a server answers 403 to requests that it
    allows a moment later. May be used by several threads at once.
    """

    def __init__(self) -> None:
        self._ends = float("-inf")

    def failed(self) -> None:
        """The API server did not answer, or answered 5xx."""
        self._ends = time.monotonic() + _RECOVERY

    def ongoing(self) -> bool:
        """Did an exchange fail a few seconds ago?"""
        return time.monotonic() < self._ends


def wait(state: tenacity.RetryCallState) -> float:
    """Seconds: exponential with full jitter, or as long as the server asked, if that is longer."""
    error = _error(state)
    asked = error.retry_after if isinstance(error, Transient) else 0.0
    return max(_FULL_JITTER(state), asked)


def say(state: tenacity.RetryCallState, failures: int) -> None:
    """Log the failure, but not each of a long outage: the run's first, second, fourth, eighth."""
    if failures & (failures - 1) == 0:
        log.warning("%s; attempt %d, next in %.1fs", _error(state), state.attempt_number, state.upcoming_sleep)


def _error(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
