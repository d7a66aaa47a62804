"""One run: read, judge, guard, sweep."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from janitor import inventory, sweep, verdict
from janitor.outcome import Outcome, Result
from janitor.settings import Settings
from registrar.kube import Kube

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


def run(kube: Kube, settings: Settings, namespace: str, stopping: Callable[[], bool]) -> Run:
    """Clean `namespace` up; once `stopping()`, no further Service is touched. Raises Failure where a list cannot be
    had, and then nothing was touched at all."""
    services, cluster = inventory.read(kube, settings, namespace)
    now = datetime.now(UTC)
    judgements = [verdict.judge(service, cluster, grace=settings.grace_period, now=now) for service in services]
    refused = verdict.guard(judgements, cluster, settings.max_delete)
    if settings.dry_run or refused:
        outcomes = [Outcome(judgement) for judgement in judgements]
    else:
        outcomes = sweep.sweep(kube, judgements, parallel=settings.delete_parallel, stopping=stopping)
    without_service = verdict.without_service(services, cluster)
    return Run(settings.dry_run, outcomes, refused, len(cluster.nodes), without_service)
