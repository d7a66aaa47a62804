"""Kubernetes Events for `kubectl get events`: one for each deletion, one for each refusal."""

import logging
import socket
from datetime import UTC, datetime
from typing import Any

from janitor.outcome import Result, Run
from janitor.verdict import Service
from registrar.cli.failures import Failure
from registrar.cli.text import plain
from registrar.contract import JANITOR_MANAGER
from registrar.kube.answers import ApiError
from registrar.kube.transport import Kube, path

_MAX_MESSAGE = 1024  # characters; the API server refuses more

log = logging.getLogger(__name__)


def send(kube: Kube, run: Run, namespace: str) -> None:
    """Record what `run` deleted or refused. If one Event fails, warn once and leave out the rest."""
    events = [
        of_deletion(outcome.judgement.service, outcome.judgement.reason)
        for outcome in run.outcomes
        if outcome.result is Result.DELETED
    ]
    if run.refusal:
        events.append(of_refusal(namespace, run.refusal))
    for number, event in enumerate(events):
        try:
            _create(kube, event)
        except Failure as failure:
            log.warning("%d of %d Events are not recorded: %s", len(events) - number, len(events), failure)
            return


def _create(kube: Kube, event: dict[str, Any]) -> None:
    where = path("namespaces", event["metadata"]["namespace"], "events")
    try:
        kube.request(f"create Event {event['metadata']['name']}", "POST", where, body=event)
    except ApiError as error:
        if error.kube_reason != "AlreadyExists":  # the answer to an earlier attempt was lost
            raise


def of_deletion(service: Service, reason: str) -> dict[str, Any]:
    """The Event of a Service that was deleted."""
    about = {
        "apiVersion": "v1",
        "kind": "Service",
        "namespace": service.namespace,
        "name": service.name,
        "uid": service.uid,
        "resourceVersion": service.resource_version,
    }
    # Because of the uid, each deletion has one Event, however often it is sent.
    return _event(f"{service.name}.{service.uid}", about, "Normal", "NodeGone", f"Deleted: {reason}")


def of_refusal(namespace: str, reason: str) -> dict[str, Any]:
    """A refusal is about no single Service, so its Event is about the namespace."""
    about = {"apiVersion": "v1", "kind": "Namespace", "namespace": namespace, "name": namespace}
    name = f"{JANITOR_MANAGER}.{datetime.now(UTC):%Y%m%d%H%M%S%f}"
    return _event(name, about, "Warning", "DeletionRefused", f"Nothing deleted: {reason}")


def _event(name: str, about: dict[str, str], kind: str, reason: str, message: str) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": about["namespace"]},
        "involvedObject": about,
        "type": kind,
        "reason": reason,
        "message": plain(message)[:_MAX_MESSAGE],
        "source": {"component": JANITOR_MANAGER},
        "reportingComponent": JANITOR_MANAGER,
        "reportingInstance": socket.gethostname(),
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
