"""Admission requests with the bodies that the registrar and the janitor send."""

import copy
from collections.abc import Callable
from typing import Any, cast

from janitor import sweep
from janitor.verdict import Stamp
from registrar import contract, ownership, service
from registrar.claims import Identity
from registrar.kube.transport import Kube
from registrar.live import live_service
from tests.harness import reviews
from tests.harness.reviews import (
    JANITOR,
    NAMESPACE,
    Object,
    agent_pod,
    by_registrar,
    registrar_settings,
    request,
    stored,
    uid,
)

Case = tuple[Object, tuple[str, ...]]  # a request, and the messages of the validations that it breaks
LONG = "edge-" + "x" * 70  # over 63: hashed in Service name and label
DOTTED = "ip-10-0-1-23.ec2.internal"


def registered(node: str, *flags: str) -> Object:
    """The Service that `node`'s registrar leaves."""
    return stored(wanted(node, *flags).body())


def wanted(node: str, *flags: str) -> service.WantedService:
    settings = registrar_settings(node, *flags)
    names = contract.NodeNames.of(node, settings.service_prefix)
    return service.wanted(settings, names, NAMESPACE, uid(f"agent-on-{node}"))


def registration(node: str, live: Object | None = None, *flags: str, user: Object | None = None) -> Object:
    """The request with which `node`'s registrar writes over `live`: an apply, or a merge patch."""
    settings = registrar_settings(node, *flags)
    want = wanted(node, *flags)
    old = copy.deepcopy(live)
    if old:
        old["metadata"].setdefault("resourceVersion", "3")
    parsed = live_service("get", old) if old else None
    if parsed:
        ownership.check(parsed, want, settings)
    body = service.plan(parsed, want).body
    return request("UPDATE" if old else "CREATE", "services", user or by_registrar(node), stored(body, old), old)


def labelling(node: str, pod: Object | None = None, *, user: Object | None = None, **claims: str | None) -> Object:
    """The request with which a registrar labels its own pod."""
    old = pod or agent_pod(node)
    own = Identity(node, old["metadata"]["name"], old["metadata"]["uid"], NAMESPACE)
    body = service.pod_patch(own, {contract.NODE_LABEL: wanted(node).names.label})
    return request("UPDATE", "pods", user or by_registrar(node, **claims), stored(body, old), old)


def stamping(live: Object, stamp: str | None = "2026-11-22T03:00:00Z/x") -> Object:
    """The request with which the janitor writes a stamp."""
    sent = _Sent()
    sweep.sweep(cast(Kube, sent), [reviews.judged(live, Stamp(stamp))], parallel=1, stopping=lambda: False)
    return request("UPDATE", "services", {"username": JANITOR}, stored(sent.body, live, contract.JANITOR_MANAGER), live)


def deleting(live: Object | None, user: str = JANITOR) -> Object:
    return request("DELETE", "services", {"username": user}, None, live)


def changed(given: Object, *path: str, to: Any) -> Object:
    """The same request with one field of the new object set, or removed (None)."""
    given = copy.deepcopy(given)
    place = given["object"]
    for step in path[:-1]:
        place = place.setdefault(step, {})
    if to is None:
        place.pop(path[-1], None)
    else:
        place[path[-1]] = to
    return given


def also_managed(given: Object, *entries: Object) -> Object:
    """The same request with these entries of managedFields added, or in place of the same manager's."""
    there = {(each["manager"], each["operation"]): each for each in given["object"]["metadata"]["managedFields"]}
    there |= {(each["manager"], each["operation"]): each for each in entries}
    return changed(given, "metadata", "managedFields", to=[*there.values()])


def nested(depth: int) -> Object:
    """Fields of managedFields in each other."""
    fields: Object = {}
    for _ in range(depth):
        fields = {"f:x": fields}
    return fields


def edited(live: Object, edit: Callable[[Object], object]) -> Object:
    """The Service after a manual edit."""
    live = copy.deepcopy(live)
    edit(live)
    return live


class _Sent:
    """Replaces the connection: returns what the janitor would send."""

    body: Object

    def request(self, *_what: str, body: Object, **_how: object) -> Object:
        self.body = body
        return {}


def foreign(node: str) -> Object:
    name = contract.service_name(node)
    meta = {"name": name, "namespace": NAMESPACE, "uid": uid(name), "resourceVersion": "3", "labels": {"app": "bank"}}
    return stored({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"type": "ClusterIP"}})


def annotated(**annotations: str) -> Callable[[Object], object]:
    return lambda live: live["metadata"].setdefault("annotations", {}).update(annotations)
