"""Attacks with a stolen token of the registrar."""

from collections.abc import Iterator

from registrar import contract
from tests.harness import objects
from tests.harness.client import Object
from tests.security.attacks import (
    ALLOWED,
    API_SERVER,
    RBAC,
    Request,
    Row,
    Scene,
    applied,
    every_verb,
    patches,
    policy,
    reads,
    subresources,
    writes,
)
from tests.security.mutations import TYPES

OWN_SERVICE, OWN_POD = policy("registrar-services"), policy("registrar-pods")
OF_PODS = f"{OWN_POD}, {policy('agent-pods')}"
DEFAULT = "/api/v1/namespaces/default"
POD_PARTS = "attach binding ephemeralcontainers eviction exec log portforward proxy resize status"
OTHER_KINDS = (
    "/api/v1/namespaces/{n}/configmaps", "/api/v1/namespaces/{n}/endpoints", "/api/v1/namespaces/{n}/events",
    "/api/v1/namespaces/{n}/secrets", "/api/v1/namespaces/{n}/serviceaccounts", "/api/v1/namespaces",
    "/apis/discovery.k8s.io/v1/namespaces/{n}/endpointslices", "/apis/apps/v1/namespaces/{n}/daemonsets",
    "/apis/batch/v1/namespaces/{n}/cronjobs", "/apis/networking.k8s.io/v1/namespaces/{n}/networkpolicies",
    "/apis/rbac.authorization.k8s.io/v1/namespaces/{n}/rolebindings",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "/apis/certificates.k8s.io/v1/certificatesigningrequests",
)  # fmt: skip
HARMFUL: tuple[Object, ...] = (
    {"spec": {"selector": {"app": "bank"}}},
    {"spec": {"selector": {contract.NODE_LABEL: "node-b"}}},
    {"spec": {"type": "NodePort"}},
    {"spec": {"externalIPs": ["192.0.2.1"]}},
    {"spec": {"publishNotReadyAddresses": True}},
    {"spec": {"internalTrafficPolicy": "Local"}},
    {"spec": {"sessionAffinity": "ClientIP"}},
    {"spec": {"trafficDistribution": "PreferClose"}},
    {"metadata": {"labels": {contract.NODE_LABEL: "node-b"}}},
    {"metadata": {"labels": {"expose": "true"}}},
    {"metadata": {"annotations": {contract.NODE_NAME_ANNOTATION: "node-b"}}},
    {"metadata": {"annotations": {"external-dns.alpha.kubernetes.io/hostname": "bank.example"}}},
    {"metadata": {"finalizers": ["example.com/x"]}},
    {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "x"}]}},
)


def _registrations(scene: Scene) -> Iterator[Request]:
    own = applied(scene.own)
    yield from patches(scene.service(), scene.own, {"metadata": {"labels": own["metadata"]["labels"]}}, scene.manager)


def _harmful(scene: Scene) -> Iterator[Request]:
    for change in HARMFUL:
        yield from patches(scene.service(), scene.own, change, scene.manager)


def _others(scene: Scene) -> Iterator[Request]:
    for live in (scene.other, scene.foreign):
        for change in (HARMFUL[0], {"metadata": {"labels": {"x": "y"}}}):
            yield from patches(scene.service(live["metadata"]["name"]), live, change, scene.manager)


def _new(scene: Scene) -> Iterator[Request]:
    """Under any name, by create and by apply."""
    mine = {"fieldManager": scene.manager}
    for name in ("bank-2", "kube-dns", contract.service_name("node-z"), contract.service_name("n" * 60)):
        body = under(applied(scene.own), name)
        yield Request("POST", scene.services, body, "", mine)
        yield Request("PATCH", scene.service(name), body, TYPES["apply"], mine)
    generated = applied(scene.own)
    generated["metadata"] |= {"name": "", "generateName": "nodeproxy-access-"}
    yield Request("POST", scene.services, generated, "", mine)


def under(body: Object, name: str) -> Object:
    return {**body, "metadata": {**body["metadata"], "name": name}}


def _own_label(scene: Scene) -> Iterator[Request]:
    label = {"metadata": {"labels": objects.node_label("node-a")}}
    yield from patches(scene.pod(), scene.own_pod, label, scene.manager)


def _own_pod(scene: Scene) -> Iterator[Request]:
    [container] = scene.own_pod["spec"]["containers"]
    for change in (
        {"metadata": {"labels": {contract.NODE_LABEL: "node-b"}}},
        {"metadata": {"labels": {"app": "bank"}}},
        {"metadata": {"labels": {"x": "y"}}},
        {"metadata": {"annotations": {"x": "y"}}},
        {"metadata": {"finalizers": ["example.com/x"]}},
        {"spec": {"containers": [{**container, "image": "evil"}]}},
    ):
        yield from patches(scene.pod(), scene.own_pod, change, scene.manager)


def _spec(scene: Scene) -> Iterator[Request]:
    for change in ({"hostNetwork": True}, {"serviceAccountName": "default"}, {"nodeName": "node-b"}):
        yield from patches(scene.pod(), scene.own_pod, {"spec": change}, scene.manager)


def _other_pods(scene: Scene) -> Iterator[Request]:
    name = scene.other_pod["metadata"]["name"]
    for label in ("node-a", "node-b"):
        change = {"metadata": {"labels": {contract.NODE_LABEL: label}}}
        yield from patches(scene.pod(name), scene.other_pod, change, scene.manager)


def _pod_verbs(scene: Scene) -> Iterator[Request]:
    yield from (each for each in every_verb(scene.pods, scene.pod().rpartition("/")[2]) if each.method != "PATCH")
    meta = {"name": "new", "labels": objects.node_label("node-a")}
    spec = {key: scene.own_pod["spec"][key] for key in ("containers", "securityContext")}
    new = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
    yield Request("PATCH", scene.pod("new"), new, TYPES["apply"], {"fieldManager": scene.manager})


def everything_else(scene: Scene) -> Iterator[Request]:
    namespace = scene.services.split("/")[4]
    for path in OTHER_KINDS:
        yield from every_verb(path.format(n=namespace))
    for account in ("nodeproxy-registrar", "nodeproxy-janitor", "default"):
        yield Request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", {"spec": {}})


def elsewhere(_scene: Scene) -> Iterator[Request]:
    for kind in ("services", "pods", "secrets"):
        yield from every_verb(f"{DEFAULT}/{kind}")
    for kind in ("services", "pods", "secrets"):
        yield Request("GET", f"/api/v1/{kind}")


def _reads_services(scene: Scene) -> Iterator[Request]:
    for live in (scene.own, scene.other, scene.foreign):
        yield Request("GET", scene.service(live["metadata"]["name"]))


def _updates(scene: Scene) -> Iterator[Request]:
    for live in (scene.own, scene.other, scene.foreign):
        yield Request("PUT", scene.service(live["metadata"]["name"]), live)


def _removals(scene: Scene) -> Iterator[Request]:
    yield from writes(scene.service(), methods="DELETE")
    yield from writes(scene.service(scene.other["metadata"]["name"]), methods="DELETE")
    yield Request("DELETE", scene.services)


CONFINED = "security/test_confinement.py::test_"
REGISTRAR = (
    Row("register its node: create the Service, apply it again, or patch it to the same by any type of patch", ALLOWED,
        _registrations, (CONFINED + "a_registration_can_be_repeated",)),
    Row("get any Service of the namespace", ALLOWED, _reads_services),
    Row("list or watch Services", RBAC, lambda scene: reads(scene.services)),
    Row("create or apply a Service under any other name: free, another node's, a hashed one, a generated one",
        OWN_SERVICE, _new, (CONFINED + "a_stolen_token_cannot_take_a_hashed_name_that_is_free",)),
    Row("in its own Service, another selector, type, field, label, annotation, finalizer or owner, by any patch",
        OWN_SERVICE, _harmful, ("security/test_fuzz.py::test_a_stolen_token_stores_nothing_but_a_registration",)),
    Row("any type of patch of another node's Service, or of one that is not nodeproxy's", OWN_SERVICE, _others),
    Row("remove a finalizer that somebody else set in its own Service", OWN_SERVICE, None,
        (CONFINED + "a_stolen_token_cannot_remove_what_holds_its_service",)),
    Row("have the cluster IP that another node's Service had", OWN_SERVICE, None,
        (CONFINED + "a_stolen_token_cannot_have_a_cluster_ip_that_was_another_nodes",)),
    Row("fill `managedFields` of its own Service", OWN_SERVICE, None,
        (CONFINED + "a_stolen_token_cannot_fill_managed_fields",)),
    Row("update (PUT) any Service", RBAC, _updates),
    Row("delete Services, one or all", RBAC, _removals),
    Row("`services/status` and `services/proxy`, by every verb", RBAC,
        lambda scene: subresources(scene.service(), "status proxy")),
    Row("label its own pod with its node", ALLOWED, _own_label),
    Row("in its own pod, another node label, label, annotation, finalizer or image, by any type of patch",
        OF_PODS, _own_pod, (CONFINED + "a_stolen_token_cannot_fill_managed_fields",)),
    Row("in its own pod, host network, ServiceAccount or node", API_SERVER, _spec),
    Row("any type of patch of another pod",
        OF_PODS, _other_pods, (CONFINED + "a_stolen_token_cannot_change_another_pod",)),
    Row("get, list, watch, create, update or delete pods", RBAC, _pod_verbs),
    Row("every subresource of a pod, such as `pods/exec` and `pods/binding`, by every verb", RBAC,
        lambda scene: subresources(scene.pod(), POD_PARTS)),
    Row("any pod, with `admission.labelPods`",
        RBAC, None, ("security/test_label_pods.py::test_its_token_cannot_touch_a_pod",)),
    Row("nodes, by every verb", RBAC, lambda _scene: every_verb("/api/v1/nodes", "node-a")),
    Row("Secrets, ConfigMaps, Events, EndpointSlices, DaemonSets, RBAC, policies, ServiceAccount tokens, by every verb",
        RBAC, everything_else,
        ("security/test_rights.py::test_each_service_account_has_exactly_the_documented_rights",)),
    Row("anything in another namespace, or in all", RBAC, elsewhere),
    Row("impersonate another user", RBAC, None, ("security/test_attacks.py::test_a_stolen_token_impersonates_nobody",)),
    Row("write a Service with a token that is bound to no node", OWN_SERVICE, None,
        (CONFINED + "a_registrar_reports_a_refusal_in_one_line",)),
)  # fmt: skip
