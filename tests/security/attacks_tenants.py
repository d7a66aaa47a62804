"""Attacks by tenants of the cluster, in the namespace of the proxies and outside it."""

from collections.abc import Iterator

from registrar import contract
from tests.harness import objects
from tests.harness.cluster import JANITOR, REGISTRAR
from tests.security.attacks import (
    ALLOWED,
    LEFT,
    NETWORK_POLICY,
    RBAC,
    Request,
    Row,
    Scene,
    every_verb,
    policy,
    subresources,
)
from tests.security.attacks_kubelet import merge, token

ANY_POD = policy("agent-pods")
E2E = "e2e/scenarios/test_13_network_policy.py::test_"


def _labelled(scene: Scene) -> Iterator[Request]:
    for label in ("node-a", "node-b", ""):
        meta = {"name": "mine", "labels": {**contract.AGENT_SELECTOR, contract.NODE_LABEL: label}}
        spec = {key: scene.own_pod["spec"][key] for key in ("containers", "securityContext")}
        yield Request("POST", scene.pods, {"kind": "Pod", "metadata": meta, "spec": spec})
        yield merge(scene.pod(), {"metadata": {"labels": {contract.NODE_LABEL: "node-b"}}})


def _as_registrar(scene: Scene) -> Iterator[Request]:
    spec = {key: scene.own_pod["spec"][key] for key in ("containers", "securityContext", "serviceAccountName")}
    for node in ({}, {"nodeName": "node-b"}):
        yield Request("POST", scene.pods, {"kind": "Pod", "metadata": {"name": "mine"}, "spec": {**spec, **node}})


def _own_service(scene: Scene) -> Iterator[Request]:
    spec = {"selector": {"app": "mine"}, "ports": [{"port": 8888}]}
    yield Request("POST", scene.services, {"metadata": {"name": contract.service_name("node-z")}, "spec": spec})
    yield merge(scene.service(), {"spec": {"selector": {"app": "mine"}}})
    yield Request("DELETE", scene.service())


INSIDE = (
    Row("create a Service under the name of a node that has not registered; change or delete one that is there",
        LEFT, _own_service,
        ("security/test_confinement.py::test_whoever_may_create_services_takes_a_name_that_no_node_has_registered",)),
    Row("create a pod with the registrar's ServiceAccount, and so get its token for that pod's node",
        LEFT, _as_registrar),
    Row("create a pod with a node label, or give a pod another node's", ANY_POD, _labelled,
        ("security/test_confinement.py::test_nobody_can_label_a_pod_with_another_nodes_name",
         "security/test_confinement.py::test_nobody_can_label_a_pod_with_the_hashed_name_of_another_node")),
    Row("bind a pod with another node's label, by `pods/binding` or `bindings`", ANY_POD, None,
        ("security/test_bindings.py::test_a_binding_cannot_carry_another_label",)),
    Row("bind a pod to a node, with that node's label", LEFT, None,
        ("security/test_bindings.py::test_a_binding_may_carry_the_label_of_its_node",)),
)  # fmt: skip


def _ours(scene: Scene) -> Iterator[Request]:
    yield from every_verb(scene.services, scene.own["metadata"]["name"])
    yield from every_verb(scene.pods, scene.own_pod["metadata"]["name"])
    yield from subresources(scene.service(), "status proxy")
    yield from subresources(scene.pod(), "exec binding status proxy")
    yield from (token(scene, each) for each in (REGISTRAR, JANITOR))


def _same_labels(scene: Scene) -> Iterator[Request]:
    meta = {"name": "mine", "labels": {**contract.AGENT_SELECTOR, **objects.node_label("node-b")}}
    spec = {"nodeName": "node-a", "containers": scene.own_pod["spec"]["containers"]}
    body = {"kind": "Pod", "metadata": meta, "spec": {**spec, "automountServiceAccountToken": False}}
    yield Request("POST", "/api/v1/namespaces/default/pods", body)


OUTSIDE = (
    Row("read or write a Service or pod of ours, get a token", RBAC, _ours),
    Row("create a pod with our labels in its own namespace: no Service of ours selects it", ALLOWED, _same_labels),
    Row("use a proxy without the label `nodeproxy/client`", NETWORK_POLICY, None,
        ("security/test_network_policy.py::test_agents_accept_only_clients_that_opted_in",
         E2E + "only_clients_that_opt_in_reach_a_proxy")),
    Row("use a proxy with that label, or without `networkPolicy.enabled`", LEFT, None,
        (E2E + "only_clients_that_opt_in_reach_a_proxy",)),
    Row("use the proxy of its own node from a pod with `hostNetwork: true`", LEFT, None,
        (E2E + "a_client_on_the_host_network_reaches_the_proxy_of_its_own_node_alone",)),
)  # fmt: skip
