"""One registration: the own pod has its node label, then the node's Service is written. Two or three requests."""

import logging
from dataclasses import dataclass

from registrar import contract, ownership, pod, service
from registrar.claims import identity
from registrar.cli.failures import Failure
from registrar.kube.answers import ApiError, Transient
from registrar.kube.transport import APPLY_PATCH, MERGE_PATCH, Kube, path
from registrar.live import LiveService, live_service
from registrar.service import Apply, Object, WantedService
from registrar.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Registration:
    """The labelled Pod (None if it was not asked for) and the node's Service, as the API server answered."""

    pod: Object | None
    service: Object
    live: LiveService


def register(kube: Kube, settings: Settings, log_level: int = logging.INFO) -> Registration:
    """Register the own pod's node; success is logged at `log_level`.

    Raises Failure if pod or Service are not as wanted in the end, OwnPodGone if they can never be.
    """
    own = identity(settings, kube.token, kube.credentials_namespace)
    names = contract.NodeNames.of(own.node, settings.service_prefix)
    labelled = pod.ensure_labels(kube, settings, names, own)
    log.log(log_level, "Pod %s/%s has label %s=%s", own.namespace, own.pod, settings.node_label, names.label)
    want = service.wanted(settings, names, own.namespace, own.uid)
    # One retry covers read and write: a write that was refused or lost is not repeated without a new read.
    answer, live = kube.retry(f"register at Service {want.id}", lambda: _write(kube, settings, want))
    log.log(log_level, "Service %s leads to node %s", want.id, names.node)
    return Registration(labelled, answer, live)


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
    query = {"fieldManager": contract.REGISTRAR_MANAGER, **settings.dry_run_query()}
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
        # A write that is not pinned is merged with a Service that was created and edited after the read: read it again.
        kind = Failure if live or settings.dry_run else Transient
        raise kind(action, "the API server's answer differs from what was sent", "look for an admission webhook")
    return answer, written


def _read(kube: Kube, where: str, action: str) -> LiveService | None:
    try:
        return live_service(action, kube.send(action, "GET", where))
    except ApiError as error:
        if error.status == 404 and error.kube_reason == "NotFound":
            return None
        raise
