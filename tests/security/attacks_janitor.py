"""Attacks with a stolen token of the janitor."""

from collections.abc import Iterator

from registrar import contract
from tests.harness.client import Object
from tests.security.attacks import (
    ALLOWED,
    LEFT,
    RBAC,
    Request,
    Row,
    Scene,
    applied,
    every_verb,
    patches,
    policy,
    subresources,
    writes,
)
from tests.security.attacks_registrar import CONFINED, HARMFUL, POD_PARTS, elsewhere, everything_else, under
from tests.security.mutations import TYPES

STAMPS = policy("janitor-services")
STAMP: Object = {"metadata": {"annotations": {contract.NODE_MISSING_SINCE_ANNOTATION: "2026-11-22T03:00:00Z/x"}}}


def _named(scene: Scene) -> Iterator[tuple[str, Object]]:
    for live in (scene.own, scene.other):
        yield scene.service(live["metadata"]["name"]), live


def _stamps(scene: Scene) -> Iterator[Request]:
    for path, live in _named(scene):
        yield from patches(path, live, STAMP, scene.manager)


def _other_changes(scene: Scene) -> Iterator[Request]:
    for change in HARMFUL:
        yield from patches(scene.service(), scene.own, change, scene.manager)


def _foreign(scene: Scene) -> Iterator[Request]:
    path = scene.service(scene.foreign["metadata"]["name"])
    yield from patches(path, scene.foreign, STAMP, scene.manager)
    yield Request("DELETE", path)


def _denied_of_services(scene: Scene) -> Iterator[Request]:
    yield Request("GET", scene.service())
    yield Request("GET", scene.services, params={"watch": "true", "timeoutSeconds": "1"})
    yield Request("POST", scene.services, applied(scene.own))
    yield Request("PUT", scene.service(), scene.own)
    yield Request(
        "PATCH", scene.service("new"), under(applied(scene.own), "new"), TYPES["apply"], {"fieldManager": "x"}
    )
    yield Request("DELETE", scene.services)
    yield from subresources(scene.service(), "status proxy")


def _denied_of_pods(scene: Scene) -> Iterator[Request]:
    yield from list(every_verb(scene.pods))[:1] + list(every_verb(scene.pods))[2:]
    yield from subresources(scene.pod(), POD_PARTS)


def _denied_of_nodes(_scene: Scene) -> Iterator[Request]:
    yield Request("GET", "/api/v1/nodes", params={"watch": "true", "timeoutSeconds": "1"})
    yield Request("POST", "/api/v1/nodes", {"metadata": {"name": "x"}})
    yield from writes("/api/v1/nodes/node-a", methods="PUT PATCH DELETE")
    yield Request("DELETE", "/api/v1/nodes")
    yield from subresources("/api/v1/nodes/node-a", "status proxy")


def _lists(scene: Scene) -> Iterator[Request]:
    for path in (scene.services, scene.pods, "/api/v1/nodes", "/api/v1/nodes/node-a"):
        yield Request("GET", path)


JANITOR = (
    Row("list Services and pods of the namespace, get and list nodes", ALLOWED, _lists),
    Row("write and remove `nodeproxy/node-missing-since` on a nodeproxy Service, by any patch", ALLOWED, _stamps),
    Row("delete a nodeproxy Service, also that of a node that is there", LEFT,
        lambda scene: (Request("DELETE", path) for path, _ in _named(scene))),
    Row("any other change of a nodeproxy Service, by any type of patch", STAMPS, _other_changes,
        (CONFINED + "a_stolen_token_cannot_fill_managed_fields",)),
    Row("delete or patch a Service that is not nodeproxy's", STAMPS, _foreign),
    Row("get, watch, create, apply anew or update a Service, delete all, `services/status`, `services/proxy`", RBAC,
        _denied_of_services),
    Row("any other verb on pods, and every subresource", RBAC, _denied_of_pods),
    Row("any other verb on nodes, `nodes/status`, `nodes/proxy`", RBAC, _denied_of_nodes),
    Row("Secrets, ConfigMaps, Events, EndpointSlices, DaemonSets, RBAC, policies, ServiceAccount tokens, by every verb",
        RBAC, everything_else, ("security/test_rights.py::test_the_events_component_adds_one_right",)),
    Row("anything else in another namespace, or in all", RBAC, elsewhere),
    Row("impersonate another user", RBAC, None, ("security/test_attacks.py::test_a_stolen_token_impersonates_nobody",)),
)  # fmt: skip
