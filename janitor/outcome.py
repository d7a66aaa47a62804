"""What came of each judgement, and the log lines that say so. Pure but for the log."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from janitor.verdict import Judgement, Service, Verdict

_MOST_LINES = 8  # of failures in one run's log

log = logging.getLogger(__name__)


class Result(StrEnum):
    """What came of an attempt. `gone`: it was away already. `changed`: node or Service is not what was judged."""

    DELETED = "deleted"
    GONE = "gone"
    CHANGED = "changed"
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """A judgement, and the result of what was tried on it (None: nothing was)."""

    judgement: Judgement
    result: Result | None = None
    found: str = ""  # in the attempt: why it ended otherwise than judged

    @property
    def reason(self) -> str:
        """The latest there is to say of it."""
        return self.found or self.judgement.reason

    @property
    def fields(self) -> dict[str, str | None]:
        """What it says of the Service, for `--output json` and JSON logs alike."""
        return {
            "namespace": self.judgement.service.namespace,
            "node": self.judgement.node or None,
            "verdict": self.judgement.verdict,
            "reason": self.reason,
            "result": self.result,
        }


REFUSED = 3


class Ending(StrEnum):
    """How a run ended: all was done, something could not be done, or the guard refused to."""

    SUCCESS = "success"
    FAILURE = "failure"
    REFUSED = "refused"


@dataclass(frozen=True)
class Run:
    """What a run that read everything came to. `refused` is the guard's sentence; `without_service` are nodes."""

    dry_run: bool
    outcomes: Sequence[Outcome]
    refused: str | None
    nodes: int
    without_service: Sequence[str]

    @property
    def ending(self) -> Ending:
        """How it ended."""
        if self.refused:
            return Ending.REFUSED
        failed = any(outcome.result is Result.FAILED for outcome in self.outcomes)
        return Ending.FAILURE if failed else Ending.SUCCESS

    @property
    def exit_code(self) -> int:
        """The program's, where this is its only run."""
        return {Ending.SUCCESS: 0, Ending.FAILURE: 1, Ending.REFUSED: REFUSED}[self.ending]


def say(outcome: Outcome) -> None:
    """One log line; in JSON with all its fields. A Service that is kept is not worth more than debug level."""
    level = logging.DEBUG if outcome.judgement.verdict is Verdict.KEEP else logging.INFO
    what = outcome.result or outcome.judgement.verdict
    log.log(
        level, "Service %s: %s (%s)", full_name(outcome.judgement.service), what, outcome.reason, extra=_extra(outcome)
    )


def say_failures(outcomes: Sequence[Outcome]) -> None:
    """A line for each that failed, but not for all of an outage that many Services met: the report has them all."""
    failed = [outcome for outcome in outcomes if outcome.result is Result.FAILED]
    for outcome in failed[:_MOST_LINES]:
        log.error("%s", outcome.reason, extra=_extra(outcome))
    if failed[_MOST_LINES:]:
        log.error("and %d more Services could not be written; the report names them", len(failed) - _MOST_LINES)


def full_name(service: Service) -> str:
    """Namespace and name, as people write it."""
    return f"{service.namespace}/{service.name}"


def _extra(outcome: Outcome) -> dict[str, Any]:
    return {"fields": {"service": outcome.judgement.service.name, **outcome.fields}}
