"""Acts on the verdicts: stamps and deletes, each pinned to the very Service that was judged."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from janitor.outcome import Outcome, Result, full_name, say, say_failures
from janitor.verdict import Judgement, Service, Verdict
from registrar import contract
from registrar.cli.failures import Failure
from registrar.kube.answers import ApiError
from registrar.kube.transport import MERGE_PATCH, Kube, path


def sweep(kube: Kube, judgements: Sequence[Judgement], *, parallel: int, stopping: Callable[[], bool]) -> list[Outcome]:
    """Do what the judgements ask for, `parallel` at a time; one that fails does not stop the rest.

    Once `stopping()` no other is begun. One that is begun is finished: a recheck and its delete belong together.
    """
    work = [judgement for judgement in judgements if _is_work(judgement)]
    with ThreadPoolExecutor(parallel, "sweep") as pool:
        # map, since it calls off what is not begun where one raises what nobody foresaw
        done = iter(list(pool.map(lambda judgement: _act(kube, judgement, stopping), work)))
    outcomes = [next(done) if _is_work(judgement) else Outcome(judgement) for judgement in judgements]
    say_failures(outcomes)
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
        say(outcome)
    return outcome


def _delete(kube: Kube, judgement: Judgement, stopping: Callable[[], bool]) -> Outcome:
    """Delete it if its node is still gone at that moment. A retry asks for the node anew, unless `stopping()`."""
    service, node = judgement.service, judgement.node
    action = f"delete Service {full_name(service)}"
    body = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": service.uid, "resourceVersion": service.resource_version},
    }

    def attempt() -> Outcome:
        if stopping():
            raise Failure(action, "the janitor was asked to end")
        if not _node_is_gone(kube, node):
            return Outcome(judgement, Result.CHANGED, "its node is back")
        try:
            kube.send(action, "DELETE", _path(service), body=body)
        except ApiError as error:
            return _excused(error, judgement)
        return Outcome(judgement, Result.DELETED)

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


def _stamp(kube: Kube, judgement: Judgement) -> Outcome:
    """Write or remove the annotation that says since when the node is missing."""
    service = judgement.service
    action = f"stamp Service {full_name(service)}"
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
        return _excused(error, judgement)
    return Outcome(judgement)


def _excused(error: ApiError, judgement: Judgement) -> Outcome:
    """A Service that went or changed since it was judged is no failure. Raises `error` for any other."""
    if error.is_gone("services", judgement.service.name):
        return Outcome(judgement, Result.GONE, "it was gone already")
    if error.is_stale:
        return Outcome(judgement, Result.CHANGED, "it is no longer as it was judged")
    raise error


def _path(service: Service) -> str:
    return path("namespaces", service.namespace, "services", service.name)
