"""Both programs work under the admission policies, and a stolen token works only for its own node.

Each test runs twice: with the API server's own policies, if it has them, and, on any release, with a webhook that
evaluates the same expressions on the requests that it gets from the API server.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from registrar import contract
from tests.harness import objects
from tests.harness.apiserver import ApiServer
from tests.harness.client import ApiClient, ApiError, Object
from tests.harness.cluster import JANITOR, NAMESPACE, PODS, REGISTRAR, SERVICES, Cluster, installed
from tests.harness.features import Feature
from tests.harness.processes import wait_until
from tests.harness.reviews import NAMESPACE_LABELS, managed
from tests.harness.webhook import Webhook
from tests.security.in_force import denies, in_force
from tests.security.test_admission import POLICIES
from tests.security.writes import nested

LONG = "edge-" + "x" * 70
LONGEST = ("a-0." * 64)[:252] + "z"  # 253 characters
OWN = {"fieldManager": contract.REGISTRAR_MANAGER}
APPLY = "application/apply-patch+yaml"
pytestmark = pytest.mark.xdist_group("confinement")  # these tests share the policies


BY_POLICY = pytest.param("policy", marks=pytest.mark.needs(Feature.ADMISSION_POLICY))


@pytest.fixture(scope="module", params=[BY_POLICY, "webhook"], autouse=True)
def _held(api: ApiServer, _cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[None]:
    api.admin.patch(f"/api/v1/namespaces/{NAMESPACE}", {"metadata": {"labels": NAMESPACE_LABELS}})  # 1.20 sets none
    if request.param == "webhook":
        with Webhook(api, POLICIES, NAMESPACE_LABELS):
            wait_until(lambda: denies(api), 30, "the webhook denies")
            yield
        wait_until(lambda: not denies(api), 30, "the webhook is gone")
        return
    with in_force(api, installed()):
        yield


def _thief(cluster: Cluster, pod: Object) -> ApiClient:
    """A client with the token that was stolen from this agent pod's registrar."""
    bound = (pod["metadata"]["name"], pod["metadata"]["uid"])
    return cluster.api.client(cluster.api.service_account_token(NAMESPACE, REGISTRAR, bound))


def _refused(error: pytest.ExceptionInfo[ApiError], *words: str) -> None:
    """If several policies refuse a request, the API server gives the reason of any one of them."""
    assert error.value.status == 403
    assert [each for each in words if each in error.value.body["message"]]


@pytest.mark.parametrize(
    "node", ["node-a", "ip-10-0-1-23.ec2.internal", LONG, LONGEST], ids=["plain", "dots", "long", "longest"]
)
def test_a_registration_can_be_repeated(cluster: Cluster, node: str) -> None:
    cluster.register(node)
    pod = cluster.register_again(node)

    assert cluster.registrar(pod).code == 0
    assert cluster.registrar(pod, "--dry-run").code == 0
    assert cluster.pod_labels(pod)[contract.NODE_LABEL] == contract.label_value(node)


def test_a_service_of_the_hand_rolled_stack_is_adopted(cluster: Cluster) -> None:
    service = {"apiVersion": "v1", **objects.hand_rolled_service("node-a")}
    cluster.api.kubectl("-n", NAMESPACE, "apply", "-f", "-", input=yaml.safe_dump(service))
    cluster.register("node-a")

    assert contract.LAST_APPLIED_ANNOTATION not in cluster.service_of("node-a")["metadata"]["annotations"]


def test_a_service_with_ports_and_labels_of_others_is_repaired(cluster: Cluster) -> None:
    cluster.register("node-a")
    port = {"name": "x", "port": 1, "protocol": "TCP"}
    edit = {"metadata": {"labels": {"team": "net"}}, "spec": {"ports": [port]}}
    cluster.admin.patch(f"{SERVICES}/{contract.service_name('node-a')}", edit)
    cluster.register_again("node-a")

    assert [each["port"] for each in cluster.service_of("node-a")["spec"]["ports"]] == [8888]


def test_fields_that_others_changed_are_put_right(cluster: Cluster) -> None:
    service = cluster.register("node-a")
    edit = {
        "externalIPs": ["192.0.2.1"],
        "internalTrafficPolicy": "Local",
        "publishNotReadyAddresses": True,
        "sessionAffinity": "ClientIP",
        "trafficDistribution": "PreferClose",
        "ports": [{**service["spec"]["ports"][0], "appProtocol": "kubernetes.io/ws"}],
    }
    cluster.admin.patch(f"{SERVICES}/{service['metadata']['name']}", {"spec": edit})
    cluster.register_again("node-a")

    assert cluster.service_of("node-a")["spec"] == service["spec"]


def test_a_headless_service_is_refused_and_one_made_anew_is_not(cluster: Cluster) -> None:
    cluster.node("node-a")
    body = objects.service("node-a")
    cluster.admin.create(SERVICES, body | {"spec": {**body["spec"], "clusterIP": "None"}})
    pod = cluster.pod("node-a")

    run = cluster.registrar(pod)
    assert run.code == 1
    command = "kubectl -n project-nodeproxy delete service nodeproxy-access-node-a"
    assert run.last_line.endswith(command)
    cluster.api.kubectl(*command.split()[1:])
    assert cluster.registrar(pod).code == 0


def test_a_janitor_stamps_and_deletes(cluster: Cluster) -> None:
    for node in ("node-a", "node-b", "node-c"):
        cluster.register(node)
    cluster.lose("node-a")

    run = cluster.janitor("--grace-period", "1h")
    assert run.code == 0, run.err
    assert contract.NODE_MISSING_SINCE_ANNOTATION in cluster.service_of("node-a")["metadata"]["annotations"]
    assert cluster.janitor().verdicts[contract.service_name("node-a")] == ("delete", "deleted")


def test_a_stolen_token_cannot_write_the_service_of_another_node(cluster: Cluster) -> None:
    cluster.node("node-a")
    thief = _thief(cluster, cluster.pod("node-a"))
    victim = cluster.register("node-b")
    where = f"{SERVICES}/{victim['metadata']['name']}"

    with pytest.raises(ApiError) as merge:
        thief.patch(where, {"spec": {"selector": {contract.NODE_LABEL: "node-a"}}})
    _refused(merge, "the Service's name is not that of the token's node")
    body = {"apiVersion": "v1", "kind": "Service", **objects.service("node-b")}
    with pytest.raises(ApiError) as apply:
        thief.patch(where, body, APPLY, fieldManager="x", force="true")
    _refused(apply, "the Service's name is not that of the token's node")
    with pytest.raises(ApiError) as create:
        thief.create(SERVICES, objects.service("node-a", name="kube-dns"))
    _refused(create, "the Service's name is not that of the token's node")
    assert cluster.service_of("node-b")["spec"] == victim["spec"]


@pytest.mark.parametrize("tail", [".x", "x" * 30], ids=["dots", "long"])
def test_a_stolen_token_cannot_take_a_hashed_name_that_is_free(cluster: Cluster, tail: str) -> None:
    """Both begin alike, so that only the ten digits differ. The other node's name leads to that node or nowhere."""
    own, other = ("n" * 52 + letter + tail for letter in "ab")
    pod = cluster.pod(own)
    body = objects.service(own, name=contract.service_name(other), registered_by=pod["metadata"]["uid"])
    with pytest.raises(ApiError) as create:
        _thief(cluster, pod).create(f"{SERVICES}?fieldManager={contract.REGISTRAR_MANAGER}", body)
    _refused(create, "the Service's name is not that of the token's node")
    assert cluster.services() == {}

    service = cluster.register(other)
    assert service["metadata"]["name"] == body["metadata"]["name"]
    assert service["spec"]["selector"] == {**contract.AGENT_SELECTOR, **objects.node_label(other)}


def test_of_two_nodes_whose_names_were_chosen_to_meet_the_first_keeps_the_service(cluster: Cluster) -> None:
    """What docs/security.md leaves open: the digits are a sum. These two names took a second to find."""
    first, second = ("n" * 52 + tail for tail in ("qevdlxyvcjpy", "hwpllarbizij"))
    service = cluster.register(first)
    pod = cluster.pod(second)

    run = cluster.registrar(pod)
    assert run.code == 1
    assert f"it is the Service of node {first}, not of {second}" in run.last_line
    assert cluster.service_of(second) == service
    assert cluster.pod_labels(pod).items() >= service["spec"]["selector"].items()


def test_nobody_can_label_a_pod_with_the_hashed_name_of_another_node(cluster: Cluster) -> None:
    own, other = ("n" * 63 + letter for letter in "ab")
    with pytest.raises(ApiError) as error:
        cluster.pod(own, labels=objects.node_label(other))
    _refused(error, "must be that of the node which the pod is on")
    assert cluster.pod(own, labels=objects.node_label(own))


def test_a_stolen_token_cannot_have_a_cluster_ip_that_was_another_nodes(cluster: Cluster) -> None:
    """Clients may still have that address from DNS."""
    lost = cluster.register("node-b")
    cluster.admin.delete(f"{SERVICES}/{lost['metadata']['name']}")
    pod = cluster.pod("node-a")
    body: Any = {"apiVersion": "v1", **objects.service("node-a", registered_by=pod["metadata"]["uid"])}
    body["spec"]["clusterIP"] = lost["spec"]["clusterIP"]

    thief, words = _thief(cluster, pod), "a registrar asks for no cluster IP"
    hiding: list[Any] = [None, [], [{}], [{"manager": "x", "operation": "no"}]]  # which fields the request sets
    for entries in hiding:
        body["metadata"]["managedFields"] = entries
        with pytest.raises(ApiError) as create:
            thief.create(f"{SERVICES}?fieldManager={contract.REGISTRAR_MANAGER}", body)
        _refused(create, words)
    del body["metadata"]["managedFields"]
    with pytest.raises(ApiError) as apply:
        thief.patch(f"{SERVICES}/{body['metadata']['name']}", body, APPLY, **OWN)
    _refused(apply, words)
    assert cluster.services() == {}


def test_a_stolen_token_cannot_leave_a_service_that_is_being_deleted_for_ever(cluster: Cluster) -> None:
    """Before Kubernetes 1.37, an apply that creates a Service can store that; 1.37 leaves the field out."""
    pod = cluster.pod("node-a")
    body: Any = {"apiVersion": "v1", **objects.service("node-a", registered_by=pod["metadata"]["uid"])}
    body["metadata"]["deletionTimestamp"] = "2026-11-22T03:00:00Z"

    refusals: list[str] = []
    try:
        _thief(cluster, pod).patch(f"{SERVICES}/{body['metadata']['name']}", body, APPLY, **OWN)
    except ApiError as error:
        refusals.append(error.body["message"])
    assert all("begins no deletion" in each for each in refusals)
    assert not [each for each in cluster.services().values() if "deletionTimestamp" in each["metadata"]]


def test_a_stolen_token_cannot_remove_what_holds_its_service(cluster: Cluster) -> None:
    where = f"{SERVICES}/{cluster.register('node-a')['metadata']['name']}"
    [pod] = cluster.admin.list(PODS)
    cluster.admin.patch(where, {"metadata": {"finalizers": ["example.com/x"]}})

    with pytest.raises(ApiError) as error:
        _thief(cluster, pod).patch(where, {"metadata": {"finalizers": None}}, **OWN)
    _refused(error, "a registrar changes no finalizer, owner, generateName or selfLink, and begins no deletion")
    cluster.admin.patch(where, {"metadata": {"finalizers": None}})


DEEP: Object = {"f:metadata": {"f:labels": nested(500)}}
WIDE: Object = {"f:metadata": {"f:labels": {f"f:{number}": {} for number in range(2000)}}}


@pytest.mark.parametrize("fields", [DEEP, WIDE], ids=["deep", "wide"])
def test_a_stolen_token_cannot_fill_managed_fields(cluster: Cluster, fields: Object) -> None:
    service = cluster.register("node-a")
    [pod] = cluster.admin.list(PODS)
    registrar = (_thief(cluster, pod), contract.REGISTRAR_MANAGER)
    janitor = (cluster.api.client(cluster.api.service_account_token(NAMESPACE, JANITOR)), contract.JANITOR_MANAGER)
    for (thief, manager), where, live in (
        (registrar, SERVICES, service),
        (registrar, PODS, pod),
        (janitor, SERVICES, service),
    ):
        entries = [*live["metadata"]["managedFields"], managed(manager, fields, "Update", time="2026-11-22T03:00:00Z")]
        body = {"metadata": {"managedFields": entries}}
        with pytest.raises(ApiError) as error:
            thief.patch(f"{where}/{live['metadata']['name']}", body, fieldManager=manager)
        _refused(error, "managedFields has a field manager, or fields of one, that")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"externalIPs": ["192.0.2.1"]}, "of type ClusterIP"),
        ({"type": "NodePort"}, "of type ClusterIP"),
        ({"selector": {"app": None}}, "must select the agent pods"),
        ({"ports": [{"name": "x", "port": 443}]}, "a port that the registrar is not told"),
        pytest.param(
            {"internalTrafficPolicy": "Local"},
            "the defaults of internalTrafficPolicy",
            marks=pytest.mark.needs(Feature.INTERNAL_TRAFFIC_POLICY),
        ),
        ({"publishNotReadyAddresses": True}, "the defaults of internalTrafficPolicy"),
        ({"sessionAffinity": "ClientIP"}, "the defaults of internalTrafficPolicy"),
        pytest.param(
            {"trafficDistribution": "PreferClose"},
            "the defaults of internalTrafficPolicy",
            marks=pytest.mark.needs(Feature.TRAFFIC_DISTRIBUTION),
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_stolen_token_cannot_misuse_its_own_service(cluster: Cluster, spec: dict[str, Any], words: str) -> None:
    own = cluster.register("node-a")
    [pod] = cluster.admin.list(PODS)

    with pytest.raises(ApiError) as error:
        _thief(cluster, pod).patch(f"{SERVICES}/{own['metadata']['name']}", {"spec": spec}, **OWN)
    _refused(error, words)


def test_a_stolen_token_cannot_change_another_pod(cluster: Cluster) -> None:
    cluster.node("node-a")
    own, other = cluster.pod("node-a"), cluster.pod("node-b")
    thief = _thief(cluster, own)

    with pytest.raises(ApiError) as label:
        thief.patch(f"{PODS}/{other['metadata']['name']}", {"metadata": {"labels": objects.node_label("node-a")}})
    _refused(label, "the pod is not the one that the token is bound to", "the node which the pod is on")
    image = {"spec": {"containers": [{"name": "proxy", "image": "evil"}]}}
    with pytest.raises(ApiError) as image_of_own:
        thief.patch(f"{PODS}/{own['metadata']['name']}", image, "application/strategic-merge-patch+json")
    _refused(image_of_own, "label is not that of the token's node")


def test_nobody_can_label_a_pod_with_another_nodes_name(cluster: Cluster) -> None:
    with pytest.raises(ApiError) as error:
        cluster.pod("node-a", labels=objects.node_label("node-b"))
    _refused(error, "must be that of the node which the pod is on")
    assert cluster.pod("node-a", labels=objects.node_label("node-a"))


def test_a_stolen_janitor_token_can_only_delete_and_stamp_services_of_nodeproxy(cluster: Cluster) -> None:
    thief = cluster.api.client(cluster.api.service_account_token(NAMESPACE, JANITOR))
    own = cluster.register("node-a")["metadata"]["name"]
    bank = {"kind": "Service", "metadata": {"name": "bank"}, "spec": {"ports": [{"port": 80}]}}
    cluster.admin.create(SERVICES, bank)

    with pytest.raises(ApiError) as delete:
        thief.delete(f"{SERVICES}/bank")
    _refused(delete, "the Service is not nodeproxy's")
    with pytest.raises(ApiError) as hijack:
        thief.patch(f"{SERVICES}/{own}", {"spec": {"selector": {contract.NODE_LABEL: "node-b"}}})
    _refused(hijack, "a janitor changes nothing of a Service but its own annotation")
    with pytest.raises(ApiError) as record:
        thief.patch(f"{SERVICES}/{own}", {"metadata": {"annotations": {contract.NODE_NAME_ANNOTATION: "x"}}})
    _refused(record, "a janitor changes no annotation")


def test_a_registrar_reports_a_refusal_in_one_line(cluster: Cluster) -> None:
    cluster.node("node-a")
    pod = cluster.pod("node-a")
    unbound = cluster.api.token_kubeconfig(cluster.api.service_account_token(NAMESPACE, REGISTRAR), NAMESPACE)

    run = cluster.registrar(pod, KUBECONFIG=str(unbound))
    assert run.code == 1
    assert "the token is bound to no node" in run.last_line
    assert "attempts" not in run.last_line


def test_whoever_may_create_services_takes_a_name_that_no_node_has_registered(cluster: Cluster, api: ApiServer) -> None:
    """No policy holds other users, so docs/security.md counts them among the trusted."""
    for command in ("role maker --verb=create --resource=services", "rolebinding maker --role=maker --user=maker"):
        api.kubectl("-n", NAMESPACE, "create", *command.split(), check=False)  # it is there for the second of two runs
    cluster.node("node-b")
    name = contract.service_name("node-b")
    spec = {"selector": {"app": "evil"}, "ports": [{"port": 8888}]}
    maker = ApiClient(api.url, api.ca_file, cert=api.ca.client("maker", []))
    made = maker.create(SERVICES, {"kind": "Service", "metadata": {"name": name}, "spec": spec})

    run = cluster.registrar(cluster.pod("node-b"))
    assert run.code == 1
    assert f"{NAMESPACE}/{name}: it does not belong to nodeproxy" in run.last_line
    assert cluster.service_of("node-b")["spec"] == made["spec"]
