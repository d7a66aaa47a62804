"""Retry policy for API requests: how long to wait, what to log meanwhile, and when a 403 may pass."""

import email.utils
import itertools
import logging
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

import tenacity

from registrar.cli.failures import Failure
from registrar.kube.answers import TimeIsOver, Transient

_LONGEST_WAIT = 10.0  # seconds
BACKOFF = tenacity.wait_random_exponential(multiplier=0.5, max=_LONGEST_WAIT)
# Seconds after a failed exchange in which a 403 is retried. Longer than any wait, so that at least one retry fits.
_RECOVERY = _LONGEST_WAIT + 5

Result = TypeVar("Result")

log = logging.getLogger(__name__)


class Observer(Protocol):
    """Is told of every exchange. Its methods may be called by several threads at once and must not raise."""

    def request(self, method: str, url: str, status: int | None) -> None:
        """An exchange is over; `status` is None if there was no answer."""

    def retry(self) -> None:
        """A failed exchange will be retried."""


def sleep(seconds: float) -> bool:
    """Wait; False, because nothing can end the wait but an exception."""
    time.sleep(seconds)
    return False


class Retries:
    """The retries of one run: its threads share one deadline, and one count of failures for the log."""

    def __init__(
        self,
        timeout: float,
        observer: Observer | None,
        pause: Callable[[float], bool],
        deadline: float | None = None,
    ) -> None:
        """`pause(seconds)` waits; it returns True, early, if the program was asked to stop.

        The timeout starts now, unless its end is given by `deadline` (monotonic).
        """
        self.deadline = time.monotonic() + timeout if deadline is None else deadline
        self._timeout, self._observer, self._pause = timeout, observer, pause
        self._failures = itertools.count(1)

    def run(self, action: str, work: Callable[[], Result]) -> Result:
        """Call `work` until it does not raise Transient, and return its result.

        `work` may send several requests, so that a write is never repeated without the read that it depends on. Any
        other Failure is raised at once. At the deadline, the last Transient is raised as a Failure.
        """
        earlier: Transient | None = None

        def attempt() -> Result:
            nonlocal earlier
            try:
                return work()
            except (Transient, TimeIsOver) as error:
                if earlier and time.monotonic() >= self.deadline:  # it says more: why the time was not enough
                    raise earlier from None
                if isinstance(error, Transient):
                    earlier = error
                raise

        def pause(seconds: float) -> None:
            if self._pause(seconds):
                raise Failure(action, "the program was asked to stop")

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Transient),
            wait=wait,
            stop=lambda state: time.monotonic() + state.upcoming_sleep >= self.deadline,
            before_sleep=self._before_sleep,
            sleep=pause,
            reraise=True,
        )
        try:
            return retrying(attempt)
        except Transient as error:
            attempts = retrying.statistics["attempt_number"]
            reason = f"{error.reason} ({attempts} attempts within the timeout of {self._timeout:g}s)"
            raise Failure(action, reason, error.next_step) from error

    def _before_sleep(self, state: tenacity.RetryCallState) -> None:
        """Log the first, second, fourth, eighth failure of a run: an outage must not flood the log."""
        if self._observer:
            self._observer.retry()
        failures = next(self._failures)
        if failures & (failures - 1) == 0:
            log.warning("%s; attempt %d, next in %.1fs", _error(state), state.attempt_number, state.upcoming_sleep)


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
        """Whether an exchange failed a few seconds ago."""
        return time.monotonic() < self._ends


def wait(state: tenacity.RetryCallState) -> float:
    """Seconds to wait: exponential backoff with full jitter, or what the server asked for if that is longer."""
    error = _error(state)
    return max(BACKOFF(state), retry_after(error.retry_after) if isinstance(error, Transient) else 0.0)


def retry_after(value: str) -> float:
    """Seconds to wait from a Retry-After header (RFC 9110 10.2.3: seconds or a date); 0 if it has neither."""
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


def _error(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
