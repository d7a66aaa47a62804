"""What a run did: the outcome of each judgement, and how the run ended. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from janitor.verdict import Judgement


class Result(StrEnum):
    """What an attempt did. `gone`: the Service was already deleted. `changed`: node or Service changed since."""

    DELETED = "deleted"
    GONE = "gone"
    CHANGED = "changed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A judgement, and the result of the attempt that it asked for, or None if there was none."""

    judgement: Judgement
    result: Result | None = None
    detail: str | None = None  # why the attempt ended otherwise than judged

    @property
    def reason(self) -> str:
        """The attempt's reason, or else the judgement's."""
        return self.detail or self.judgement.reason

    @property
    def fields(self) -> dict[str, str | None]:
        """The fields of `--output json` and of JSON logs."""
        return {
            "namespace": self.judgement.service.namespace,
            "node": self.judgement.node,
            "verdict": self.judgement.verdict,
            "reason": self.reason,
            "result": self.result,
        }


class Ending(StrEnum):
    """How a run ended: everything was done, something failed, or the guard refused."""

    SUCCESS = "success"
    FAILURE = "failure"
    REFUSED = "refused"

    @property
    def exit_code(self) -> int:
        """Exit code of a program that runs once."""
        return {Ending.SUCCESS: 0, Ending.FAILURE: 1, Ending.REFUSED: 3}[self]


@dataclass(frozen=True)
class Run:
    """A run that read all lists. `without_service` are nodes that have an agent pod but no Service."""

    dry_run: bool
    outcomes: Sequence[Outcome]
    refusal: str | None  # why the guard let it delete nothing
    nodes: int
    without_service: Sequence[str]

    @property
    def longest_held(self) -> tuple[datetime, Judgement] | None:
        """The Service that is held the longest although its node is missing, and since when; None if there is none."""
        judgements = [outcome.judgement for outcome in self.outcomes]
        held = [(each.held_since, each) for each in judgements if each.held_since]
        return min(held, key=lambda each: each[0], default=None)

    @property
    def ending(self) -> Ending:
        """How it ended."""
        if self.refusal:
            return Ending.REFUSED
        failed = any(outcome.result is Result.FAILED for outcome in self.outcomes)
        return Ending.FAILURE if failed else Ending.SUCCESS
