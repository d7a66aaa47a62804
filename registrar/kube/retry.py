"""How long to wait before a failed request is tried again, and what is said of it meanwhile."""

import logging

import tenacity

from registrar.kube.answers import Transient

_FULL_JITTER = tenacity.wait_random_exponential(multiplier=0.5, max=10)  # seconds

log = logging.getLogger(__name__)


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
