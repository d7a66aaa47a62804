"""One registration: the own pod's label, then the node's Service. Three requests, where nothing stands in the way."""

import logging
from typing import Any

from registrar import contract, service
from registrar.cli.failures import Failure
from registrar.kube.answers import ApiError, Transient
from registrar.kube.transport import APPLY_PATCH, MERGE_PATCH, Kube, path
from registrar.ownership import Object
from registrar.settings import Settings

log = logging.getLogger(__name__)


class OwnPodGone(Failure):
    """The own pod is gone or replaced: there is nothing left to register."""


def register(kube: Kube, settings: Settings, log_level: int = logging.INFO) -> tuple[Object, Object]:
    """The labelled Pod and the node's Service, both as the API server answered; success is logged at `log_level`.

    Raises Failure where either is not as wanted at the end, OwnPodGone where that can never be.
    """
    namespace = kube.namespace(settings.namespace)
    try:
        return _register(kube, settings, namespace, log_level)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Failure(
            f"register node {settings.node_name}",
            f"an answer is not as Kubernetes has it ({error!r})",
            "check what stands before the server",
        ) from error


def _register(kube: Kube, settings: Settings, namespace: str, log_level: int) -> tuple[Object, Object]:
    pod = _label_pod(kube, settings, namespace)
    label = contract.label_value(settings.node_name)
    log.log(log_level, "Pod %s/%s has label %s=%s", namespace, settings.pod_name, settings.node_label, label)
    want = service.wanted(settings, namespace, pod["metadata"]["uid"])
    name = want["metadata"]["name"]
    action = f"register at Service {namespace}/{name}"
    # read and write belong together: what was refused or lost in between is read again before it is written again
    registered = kube.retry(action, lambda: _write(kube, settings, want))
    log.log(log_level, "Service %s/%s leads to node %s", namespace, name, settings.node_name)
    return pod, registered


def _label_pod(kube: Kube, settings: Settings, namespace: str) -> Object:
    action = f"patch Pod {namespace}/{settings.pod_name}"
    body = service.pod_patch(settings, namespace)
    where = path("namespaces", namespace, "pods", settings.pod_name)

    def apply() -> Object:
        try:
            return kube.send(action, "PATCH", where, body=body, content_type=APPLY_PATCH, query=_query(settings, True))
        except ApiError as error:
            raise _pod_failure(error, settings.pod_uid) from error

    pod = kube.retry(action, apply)
    meta = pod.get("metadata") or {}
    if meta.get("uid") != settings.pod_uid or not body["metadata"]["labels"].items() <= meta.get("labels", {}).items():
        raise Failure(action, "the API server's answer lacks the label", "look for an admission webhook that drops it")
    return pod


def _pod_failure(error: ApiError, uid: str) -> Failure:
    """An absent pod is a 409 about its uid, one under another uid a 422; any other 409 is an update in between."""
    if error.status == 409 and "uid" not in error.message.lower():
        return Transient(error.action, error.reason)
    if error.status in (404, 409) and error.kube_reason:
        return OwnPodGone(error.action, f"there is no pod of this name and uid {uid}", "its DaemonSet makes a new one")
    if error.status == 422 and "uid" in error.message:
        return OwnPodGone(
            error.action,
            f"the pod of this name has another uid than {uid}",
            "it was replaced, the new one registers itself",
        )
    return error


def _write(kube: Kube, settings: Settings, want: Object) -> Object:
    """Read the Service, write it, check the answer. Raises Transient where it has to be done again."""
    name, namespace = want["metadata"]["name"], want["metadata"]["namespace"]
    where = path("namespaces", namespace, "services", name)
    live = _read(kube, where, f"get Service {namespace}/{name}")
    action = f"{'patch' if live else 'create'} Service {namespace}/{name}"
    if live is not None and live["metadata"].get("deletionTimestamp"):
        holders = ", ".join(live["metadata"].get("finalizers") or []) or "no finalizer"
        raise Transient(action, f"it is still being deleted (held by {holders})", "remove what holds it")
    write = service.plan(live, want, settings)
    try:
        answered = kube.send(
            action,
            "PATCH",
            where,
            body=write.body,
            content_type=APPLY_PATCH if write.apply else MERGE_PATCH,
            query=_query(settings, write.force) if write.apply else _query(settings, None),
        )
    except ApiError as error:
        if error.is_stale or error.is_gone("services", name):  # or made by another since it was not there
            raise Transient(action, error.reason, "look for who else writes it") from error
        raise
    if not service.holds(answered, want):
        raise Failure(action, "the API server's answer is not what was asked for", "look for an admission webhook")
    return answered


def _read(kube: Kube, where: str, action: str) -> Object | None:
    try:
        live = kube.send(action, "GET", where)
    except ApiError as error:
        if error.status == 404 and error.kube_reason == "NotFound":
            return None
        raise
    if live.get("kind") != "Service" or not {"name", "namespace", "uid", "resourceVersion"} <= live["metadata"].keys():
        raise Failure(
            action, f"the answer is a {live.get('kind')}, not a Service", "check what stands before the server"
        )
    return live


def _query(settings: Settings, force: bool | None) -> dict[str, Any]:
    query: dict[str, Any] = {"fieldManager": contract.REGISTRAR_MANAGER}
    if force is not None:
        query["force"] = str(force).lower()
    if settings.dry_run:
        query["dryRun"] = "All"
    return query
