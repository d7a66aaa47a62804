"""Acts on the verdicts: stamps and deletes, each pinned to the very Service that was judged."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from janitor.verdict import Judgement, Service, Verdict
from registrar import contract
from registrar.failure import Failure
from registrar.kube import MERGE_PATCH, ApiError, Kube, path

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
    error: str = ""

    @property
    def fields(self) -> dict[str, str | None]:
        """What it says of the Service, for `--output json` and JSON logs alike."""
        return {
            "namespace": self.judgement.service.namespace,
            "node": self.judgement.node or None,
            "verdict": self.judgement.verdict,
            "reason": self.error or self.judgement.reason,
            "result": self.result,
        }


def sweep(kube: Kube, judgements: Sequence[Judgement], *, parallel: int, stopping: Callable[[], bool]) -> list[Outcome]:
    """Do what the judgements ask for, `parallel` at a time; one that fails does not stop the rest.

    Once `stopping()` no other is begun. One that is begun is finished: a recheck and its delete belong together.
    """
    with ThreadPoolExecutor(parallel, "sweep") as pool:
        outcomes = list(pool.map(lambda judgement: _act(kube, judgement, stopping), judgements))
    _say_failures([outcome for outcome in outcomes if outcome.result is Result.FAILED])
    return outcomes


def _act(kube: Kube, judgement: Judgement, stopping: Callable[[], bool]) -> Outcome:
    if stopping():
        return Outcome(judgement)
    act: Callable[[], Result | None]
    if judgement.verdict is Verdict.DELETE:
        act = partial(_delete, kube, judgement, stopping)
    elif judgement.stamp is not None:
        act = partial(_stamp, kube, judgement)
    else:
        return Outcome(judgement)
    try:
        result = act()
    except Failure as failure:
        return Outcome(judgement, Result.FAILED, str(failure))
    outcome = Outcome(judgement, result)
    if result is not None:
        say(outcome)
    return outcome


def say(outcome: Outcome) -> None:
    """One log line; in JSON with all its fields. A Service that is kept is not worth more than debug level."""
    level = logging.DEBUG if outcome.judgement.verdict is Verdict.KEEP else logging.INFO
    what = outcome.result or outcome.judgement.verdict
    log.log(
        level,
        "Service %s: %s (%s)",
        _id(outcome.judgement.service),
        what,
        outcome.judgement.reason,
        extra=_extra(outcome),
    )


def _say_failures(failed: Sequence[Outcome]) -> None:
    """A line each, but not for all of an outage that many Services met: the report has them all."""
    for outcome in failed[:_MOST_LINES]:
        log.error("%s", outcome.error, extra=_extra(outcome))
    if failed[_MOST_LINES:]:
        log.error("and %d more Services could not be written; the report names them", len(failed) - _MOST_LINES)


def _extra(outcome: Outcome) -> dict[str, Any]:
    return {"fields": {"service": outcome.judgement.service.name, **outcome.fields}}


def _delete(kube: Kube, judgement: Judgement, stopping: Callable[[], bool]) -> Result:
    """Delete it if its node is still gone at that moment. A retry asks for the node anew, unless `stopping()`."""
    service, node = judgement.service, judgement.node
    action = f"delete Service {_id(service)}"
    body = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": service.uid, "resourceVersion": service.resource_version},
    }

    def attempt() -> Result:
        if stopping():
            raise Failure(action, "the janitor was asked to end")
        if not _node_is_gone(kube, node):
            return Result.CHANGED
        try:
            kube.send(action, "DELETE", _path(service), body=body)
        except ApiError as error:
            return _excused(error, service)
        return Result.DELETED

    return kube.retry(action, attempt)


def _node_is_gone(kube: Kube, node: str) -> bool:
    """Whether the API server itself says so at this moment; a gateway's 404 does not count."""
    try:
        kube.send(f"read Node {node}", "GET", path("nodes", node))
    except ApiError as error:
        if error.is_gone("nodes", node):
            return True
        raise
    return False


def _stamp(kube: Kube, judgement: Judgement) -> Result | None:
    """Write or remove the annotation that says since when the node is missing."""
    service = judgement.service
    action = f"stamp Service {_id(service)}"
    body = {
        "metadata": {
            "uid": service.uid,
            "resourceVersion": service.resource_version,
            "annotations": {contract.NODE_MISSING_SINCE_ANNOTATION: judgement.stamp or None},
        }
    }
    query = {"fieldManager": contract.JANITOR_MANAGER}
    try:
        kube.request(action, "PATCH", _path(service), body=body, content_type=MERGE_PATCH, query=query)
    except ApiError as error:
        return _excused(error, service)
    return None


def _excused(error: ApiError, service: Service) -> Result:
    """A Service that went or changed since it was judged is no failure. Raises `error` for any other."""
    if error.is_gone("services", service.name):
        return Result.GONE
    if error.is_stale:
        return Result.CHANGED
    raise error


def _path(service: Service) -> str:
    return path("namespaces", service.namespace, "services", service.name)


def _id(service: Service) -> str:
    return f"{service.namespace}/{service.name}"
