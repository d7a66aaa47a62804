"""One registration: labels the own pod, then writes the node's Service. Three requests if nothing interferes."""

import logging
from dataclasses import dataclass

from registrar import contract, ownership, service
from registrar.claims import Identity, identity
from registrar.cli.failures import Failure
from registrar.cli.parsing import label_selector
from registrar.kube.answers import ApiError, Transient
from registrar.kube.objects import Fields
from registrar.kube.transport import APPLY_PATCH, MERGE_PATCH, Kube, path
from registrar.live import LiveService, live_service
from registrar.service import Apply, Object, WantedService
from registrar.settings import Settings

# Of a 500: before Kubernetes 1.29, no apply succeeds on a pod with, say, an environment variable that is listed twice
# (kubernetes/kubernetes#118261). A merge patch does.
_LISTED_TWICE = "duplicate entries for key"

log = logging.getLogger(__name__)


class OwnPodGone(Failure):
    """The own pod is gone or was replaced: there is nothing left to register."""


@dataclass(frozen=True)
class Registration:
    """The labelled Pod and the node's Service, as the API server answered."""

    pod: Object
    service: Object
    live: LiveService


def register(kube: Kube, settings: Settings, log_level: int = logging.INFO) -> Registration:
    """Register the own pod's node; success is logged at `log_level`.

    Raises Failure if pod or Service are not as wanted in the end, OwnPodGone if they can never be.
    """
    own = identity(settings, kube.token, kube.credentials_namespace)
    names = contract.NodeNames.of(own.node, settings.service_prefix)
    pod = _label_pod(kube, settings, names, own)
    log.log(log_level, "Pod %s/%s has label %s=%s", own.namespace, own.pod, settings.node_label, names.label)
    want = service.wanted(settings, names, own.namespace, own.uid)
    # One retry covers read and write: a write that was refused or lost is not repeated without a new read.
    answer, live = kube.retry(f"register at Service {want.id}", lambda: _write(kube, settings, want))
    log.log(log_level, "Service %s leads to node %s", want.id, names.node)
    return Registration(pod, answer, live)


def _label_pod(kube: Kube, settings: Settings, names: contract.NodeNames, own: Identity) -> Object:
    action = f"patch Pod {own.namespace}/{own.pod}"
    body = service.pod_patch(settings, names, own)
    where = path("namespaces", own.namespace, "pods", own.pod)
    query = {"fieldManager": contract.REGISTRAR_MANAGER, **_dry_run(settings)}

    def patch() -> Object:
        try:
            apply = {**query, "force": "true"}
            return kube.send(action, "PATCH", where, body=body, content_type=APPLY_PATCH, query=apply)
        except ApiError as error:
            raise _pod_failure(error, own.uid) from error
        except Transient as error:
            if _LISTED_TWICE not in error.reason:
                raise
        try:
            return kube.send(action, "PATCH", where, body=body, content_type=MERGE_PATCH, query=query)
        except ApiError as error:
            raise _pod_failure(error, own.uid) from error

    pod = kube.retry(action, patch)
    meta = Fields(action, pod).inner("metadata")
    labels = meta.texts("labels")
    if meta.text("uid") != own.uid or labels.get(settings.node_label) != names.label:
        raise Failure(action, "the API server's answer lacks the label", "look for an admission webhook that drops it")
    if missing := settings.selector.items() - labels.items():
        reason = (
            f"the pod does not have the label {label_selector(dict(sorted(missing)))}, so no Service can lead to it"
        )
        raise Failure(action, reason, "add it to the DaemonSet's pod template, or set --selector to labels of its pods")
    return pod


def _pod_failure(error: ApiError, uid: str) -> Failure:
    """An absent pod is a 409 about its uid, one with another uid a 422; any other 409 is a concurrent update."""
    if error.status == 409 and "uid" not in error.message.lower():
        return Transient(error.action, error.reason)
    if error.status in (404, 409) and error.kube_reason:
        return OwnPodGone(
            error.action, f"there is no pod of this name and uid {uid}", "its DaemonSet creates a new one"
        )
    if error.status == 422 and "uid" in error.message:
        return OwnPodGone(
            error.action,
            f"the pod of this name has another uid than {uid}",
            "it was replaced, the new one registers itself",
        )
    return error


def _write(kube: Kube, settings: Settings, want: WantedService) -> tuple[Object, LiveService]:
    """Read the Service, write it, check the answer. Raises Transient if all of it has to be repeated."""
    where = path("namespaces", want.namespace, "services", want.names.service)
    live = _read(kube, where, f"get Service {want.id}")
    action = f"{'patch' if live else 'create'} Service {want.id}"
    if live:
        if live.deleting:
            holders = ", ".join(live.finalizers) or "no finalizer"
            raise Transient(action, f"it is still being deleted (held by {holders})", "remove the finalizer")
        ownership.check(live, want, settings)
    write = service.plan(live, want)
    query = {"fieldManager": contract.REGISTRAR_MANAGER, **_dry_run(settings)}
    content_type = MERGE_PATCH
    if isinstance(write, Apply):
        query["force"], content_type = str(write.force).lower(), APPLY_PATCH
    try:
        answer = kube.send(action, "PATCH", where, body=write.body, content_type=content_type, query=query)
    except ApiError as error:
        if error.is_stale or error.is_gone("services", want.names.service):
            raise Transient(action, error.reason, "find out what else writes it") from error
        raise
    written = live_service(action, answer, dry_run=settings.dry_run)
    if not want.is_met_by(written):
        raise Failure(action, "the API server's answer differs from what was sent", "look for an admission webhook")
    return answer, written


def _read(kube: Kube, where: str, action: str) -> LiveService | None:
    try:
        return live_service(action, kube.send(action, "GET", where))
    except ApiError as error:
        if error.status == 404 and error.kube_reason == "NotFound":
            return None
        raise


def _dry_run(settings: Settings) -> dict[str, str]:
    return {"dryRun": "All"} if settings.dry_run else {}
