"""Carries out the judgements: stamps and deletes Services, each pinned to the very Service that was judged."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from janitor.outcome import Outcome, Result
from janitor.verdict import Judgement, Service, Verdict
from registrar import contract
from registrar.cli.failures import Failure
from registrar.kube.answers import ApiError
from registrar.kube.objects import CHECK_PROXY, Fields
from registrar.kube.transport import MERGE_PATCH, Kube, path

_MAX_LINES = 8  # of failures in the log of one run

log = logging.getLogger(__name__)


def sweep(kube: Kube, judgements: Sequence[Judgement], *, parallel: int, stopping: Callable[[], bool]) -> list[Outcome]:
    """Carry out the judgements, `parallel` at the same time. One that fails does not stop the others.

    Once `stopping()`, no other is begun. What has begun is finished: a recheck and its DELETE belong together.
    """
    work = [judgement for judgement in judgements if _is_work(judgement)]
    with ThreadPoolExecutor(parallel, "sweep") as pool:
        # pool.map cancels calls that have not started when one raises an unexpected exception.
        done = iter(list(pool.map(lambda judgement: _act(kube, judgement, stopping), work)))
    outcomes = [next(done) if _is_work(judgement) else Outcome(judgement) for judgement in judgements]
    _log_failures(outcomes)
    return outcomes


def _is_work(judgement: Judgement) -> bool:
    return judgement.verdict is Verdict.DELETE or judgement.stamp is not None


def _act(kube: Kube, judgement: Judgement, stopping: Callable[[], bool]) -> Outcome:
    if stopping():
        return Outcome(judgement)
    try:
        outcome = _delete(kube, judgement, stopping) if judgement.verdict is Verdict.DELETE else _stamp(kube, judgement)
    except Failure as failure:
        return Outcome(judgement, Result.FAILED, str(failure))
    if outcome.result is not None:
        log_outcome(outcome)
    return outcome


def _delete(kube: Kube, judgement: Judgement, stopping: Callable[[], bool]) -> Outcome:
    """Delete the Service if its node is still gone. A retry reads the node again, unless `stopping()`."""
    service = judgement.service
    action = f"delete Service {service.id}"
    body = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": service.uid, "resourceVersion": service.resource_version},
    }

    def attempt() -> Outcome:
        if stopping():
            raise Failure(action, "the program was asked to stop")
        if not judgement.node or not _node_is_gone(kube, judgement.node):
            return Outcome(judgement, Result.CHANGED, "its node is back")
        try:
            answer = Fields(action, kube.send(action, "DELETE", _path(service), body=body))
        except ApiError as error:
            return _excused(error, judgement)
        _require_deletion(answer, service)
        return Outcome(judgement, Result.DELETED)

    return kube.retry(action, attempt)


def _require_deletion(answer: Fields, service: Service) -> None:
    """Raise Failure unless `answer` is the Service, or a Status of success: Kubernetes 1.20 sends that."""
    if answer.value.get("kind") == "Status" and answer.value.get("status") == "Success":
        return
    answer.require_kind("Service")
    if answer.inner("metadata").text("uid") != service.uid:
        raise Failure(answer.action, "the answer is about another Service", CHECK_PROXY)


def _node_is_gone(kube: Kube, node: str) -> bool:
    """Whether the API server itself says so now; a gateway's 404 does not count."""
    try:
        kube.send(f"read Node {node}", "GET", path("nodes", node))
    except ApiError as error:
        if error.is_gone("nodes", node):
            return True
        raise
    return False


def _stamp(kube: Kube, judgement: Judgement) -> Outcome:
    """Write or remove the annotation that says since when the node is missing."""
    service = judgement.service
    body = {
        "metadata": {
            "uid": service.uid,
            "resourceVersion": service.resource_version,
            "annotations": {contract.NODE_MISSING_SINCE_ANNOTATION: judgement.stamp and judgement.stamp.text},
        }
    }
    query = {"fieldManager": contract.JANITOR_MANAGER}
    action = f"stamp Service {service.id}"
    try:
        kube.request(action, "PATCH", _path(service), body=body, content_type=MERGE_PATCH, query=query)
    except ApiError as error:
        return _excused(error, judgement)
    return Outcome(judgement)


def _excused(error: ApiError, judgement: Judgement) -> Outcome:
    """A Service that was deleted or changed since it was judged is no failure. Raises `error` for any other."""
    if error.is_gone("services", judgement.service.name):
        return Outcome(judgement, Result.GONE, "it was already deleted")
    if error.is_stale:
        return Outcome(judgement, Result.CHANGED, "it changed since it was judged")
    raise error


def _path(service: Service) -> str:
    return path("namespaces", service.namespace, "services", service.name)


def log_outcome(outcome: Outcome) -> None:
    """Log one line; JSON logs have all fields. A Service that is kept is logged at debug level."""
    level = logging.DEBUG if outcome.judgement.verdict is Verdict.KEEP else logging.INFO
    what = outcome.result or outcome.judgement.verdict
    log.log(
        level, "Service %s: %s (%s)", outcome.judgement.service.id, what, outcome.reason, extra=_json_fields(outcome)
    )


def _log_failures(outcomes: Sequence[Outcome]) -> None:
    """Log the first failures only: in an outage many Services fail alike, and the report has them all."""
    failed = [outcome for outcome in outcomes if outcome.result is Result.FAILED]
    for outcome in failed[:_MAX_LINES]:
        log.error("%s", outcome.reason, extra=_json_fields(outcome))
    if failed[_MAX_LINES:]:
        log.error("and %d more Services could not be written; the report names them", len(failed) - _MAX_LINES)


def _json_fields(outcome: Outcome) -> dict[str, dict[str, str | None]]:
    return {"fields": {"service": outcome.judgement.service.name, **outcome.fields}}
