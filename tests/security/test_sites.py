"""Services of sites: pods carry the site of their node (Kubernetes 1.35+), and a thief cannot choose another."""

from collections.abc import Iterator

import pytest

from tests.harness import chart, objects
from tests.harness.apiserver import ApiServer
from tests.harness.client import ApiClient, ApiError, Object
from tests.harness.cluster import NAMESPACE, NODES, PODS, REGISTRAR, SERVICES, Cluster
from tests.harness.features import Feature
from tests.harness.processes import wait_until
from tests.security.in_force import BINDINGS, bind, in_force, scheduler, unscheduled
from tests.security.test_kubelet import mirror_pod

pytestmark = [pytest.mark.needs(Feature.TOPOLOGY_LABELS), pytest.mark.xdist_group("confinement")]
ZONE = "topology.kubernetes.io/zone"
OBJECTS = chart.render({"sites": ["beijing", "shanghai"]})
SITE = chart.the(OBJECTS, "Service", "nodeproxy-site-beijing")
NO_MOVE = "a kubelet does not move its node into another site"
NO_AGENT = "a kubelet creates no agent pod of a site"


@pytest.fixture(scope="module", autouse=True)
def _held(api: ApiServer, _cluster: Cluster) -> Iterator[None]:
    _cluster.wipe()
    _cluster.node("probe")
    with in_force(api, OBJECTS):
        wait_until(lambda: refuses(kubelet_of(api, "probe")), 60, "the policy of sites denies")
        yield


def refuses(kubelet: ApiClient) -> bool:
    try:
        kubelet.patch(f"{NODES}/probe?dryRun=All", zoned("beijing"))
    except ApiError as error:
        return NO_MOVE in error.body["message"]
    return False


def zoned(zone: str | None) -> Object:
    return {"metadata": {"labels": {ZONE: zone}}}


def kubelet_of(api: ApiServer, node: str) -> ApiClient:
    """Whoever took the credentials of the kubelet."""
    return ApiClient(api.url, api.ca_file, cert=api.ca.client(f"system:node:{node}", ["system:nodes"]))


@pytest.fixture
def nodes(cluster: Cluster) -> Cluster:
    """Two nodes in Beijing, one in Shanghai, and one in no site."""
    for name, site in (("bj-1", "beijing"), ("bj-2", "beijing"), ("sh-1", "shanghai"), ("nowhere", None)):
        cluster.node(name)
        cluster.admin.patch(f"{NODES}/{name}", zoned(site))
    wait_until(lambda: zone_of(cluster, "sh-1") == "shanghai", 30, "the API server knows the nodes' zones")
    return cluster


def zone_of(cluster: Cluster, node: str) -> str | None:
    """The zone that a new pod on the node has; the API server learns of Nodes by a watch."""
    meta, spec = {"name": "probe"}, {"nodeName": node, "containers": [{"name": "x", "image": "x"}]}
    pod = cluster.admin.create(f"{PODS}?dryRun=All", {"metadata": meta, "spec": spec})
    zone: str | None = pod["metadata"].get("labels", {}).get(ZONE)
    return zone


def led_to(cluster: Cluster) -> set[str]:
    """The nodes of the pods that the Service of Beijing selects."""
    selector = ",".join(f"{key}={value}" for key, value in SITE["spec"]["selector"].items())
    return {pod["spec"]["nodeName"] for pod in cluster.admin.list(PODS, labelSelector=selector)}


def thief(cluster: Cluster, pod: Object) -> ApiClient:
    """A client with the token that was stolen from this agent pod's registrar."""
    bound = (pod["metadata"]["name"], pod["metadata"]["uid"])
    return cluster.api.client(cluster.api.service_account_token(NAMESPACE, REGISTRAR, bound))


# ---- who is in a site


def test_a_site_has_the_agent_pods_that_were_bound_to_its_nodes(nodes: Cluster) -> None:
    for node in ("bj-1", "bj-2", "sh-1", "nowhere"):
        unscheduled(nodes.api, f"agent-{node}")
        bind(scheduler(nodes.api), f"agent-{node}", node)
    assert led_to(nodes) == {"bj-1", "bj-2"}


def test_a_pod_that_was_created_with_another_site_has_its_nodes_when_it_is_bound(nodes: Cluster) -> None:
    unscheduled(nodes.api, "agent", **{ZONE: "beijing"})
    bind(scheduler(nodes.api), "agent", "sh-1")
    assert led_to(nodes) == set()


def test_the_janitor_leaves_the_service_of_a_site_alone(nodes: Cluster) -> None:
    nodes.admin.create(SERVICES, SITE)
    nodes.admin.create(SERVICES, objects.service("gone-1"))
    run = nodes.janitor("--max-delete", "100%")

    assert run.code == 0, run.err
    assert run.verdicts == {"nodeproxy-access-gone-1": ("delete", "deleted")}
    assert [*nodes.services()] == ["nodeproxy-site-beijing"]


def test_the_janitor_never_deletes_it_even_if_it_has_the_labels_of_a_nodes_service(nodes: Cluster) -> None:
    """As with commonLabels: {managed-by: nodeproxy-daemonset}."""
    labels = {**SITE["metadata"]["labels"], **objects.service("x")["metadata"]["labels"]}
    nodes.admin.create(SERVICES, SITE | {"metadata": {**SITE["metadata"], "labels": labels}})
    assert nodes.janitor("--max-delete", "100%").verdicts == {"nodeproxy-site-beijing": ("unknown", None)}


# ---- a stolen token


@pytest.mark.parametrize("site", ["beijing", None], ids=["another", "none"])
def test_a_stolen_token_cannot_put_its_pod_into_another_site(nodes: Cluster, site: str | None) -> None:
    pod = nodes.register_again("sh-1")
    label = {"labels": {ZONE: site, **objects.node_label("sh-1")}}
    with pytest.raises(ApiError, match="a registrar changes no label but the node's") as refused:
        thief(nodes, pod).patch(f"{PODS}/{pod['metadata']['name']}", {"metadata": label})
    assert refused.value.status == 403
    assert nodes.pod_labels(pod)[ZONE] == "shanghai"


def test_a_stolen_token_cannot_put_its_pod_into_a_site_from_a_node_that_is_in_none(nodes: Cluster) -> None:
    pod = nodes.register_again("nowhere")
    label = {"labels": {ZONE: "beijing", **objects.node_label("nowhere")}}
    with pytest.raises(ApiError, match="a registrar changes no label but the node's"):
        thief(nodes, pod).patch(f"{PODS}/{pod['metadata']['name']}", {"metadata": label})
    assert led_to(nodes) == set()


def test_a_stolen_token_cannot_write_the_service_of_a_site(nodes: Cluster) -> None:
    client = thief(nodes, nodes.register_again("sh-1"))
    denied = "the Service's name is not that of the token's node"
    with pytest.raises(ApiError, match=denied):
        client.create(SERVICES, SITE)
    nodes.admin.create(SERVICES, SITE)
    with pytest.raises(ApiError, match=denied):
        client.patch(f"{SERVICES}/nodeproxy-site-beijing", {"spec": {"selector": {ZONE: "shanghai"}}})


# ---- a stolen node


@pytest.mark.parametrize("part", ["", "/status"], ids=["nodes", "nodes/status"])
@pytest.mark.parametrize("node", ["sh-1", "nowhere"])
def test_a_kubelet_cannot_move_its_node_into_a_site(nodes: Cluster, node: str, part: str) -> None:
    with pytest.raises(ApiError, match=NO_MOVE) as refused:
        kubelet_of(nodes.api, node).patch(f"{NODES}/{node}{part}", zoned("beijing"))
    assert refused.value.status == 403


def test_a_kubelet_works_as_ever(nodes: Cluster) -> None:
    kubelet, ready = kubelet_of(nodes.api, "sh-1"), {"type": "Ready", "status": "True"}
    assert kubelet.patch(f"{NODES}/sh-1/status", {"status": {"conditions": [ready]}})
    assert kubelet.patch(f"{NODES}/sh-1", zoned("shanghai"))
    assert kubelet.patch(f"{NODES}/sh-1", zoned("a-zone-that-is-no-site-here"))
    assert kubelet.patch(f"{NODES}/sh-1", zoned(None))
    assert nodes.admin.patch(f"{NODES}/sh-1", zoned("beijing"))["metadata"]["labels"][ZONE] == "beijing"


def test_a_kubelet_cannot_create_an_agent_pod_of_a_site(nodes: Cluster) -> None:
    """The API server gives a mirror pod the site of its node. Where the node has none, it leaves another one there."""
    node = nodes.admin.get(f"{NODES}/nowhere")
    kubelet, pod = kubelet_of(nodes.api, "nowhere"), mirror_pod(node)
    labels = {"app": "nodeproxy-agent", ZONE: "beijing"}
    with pytest.raises(ApiError, match=NO_AGENT):
        kubelet.create(PODS, {**pod, "metadata": {**pod["metadata"], "labels": labels}})
    del labels["app"]
    created = kubelet.create(PODS, {**pod, "metadata": {**pod["metadata"], "labels": labels}})
    assert created["metadata"]["labels"] == labels

    with pytest.raises(ApiError, match="cannot update labels through pod status"):
        kubelet.patch(f"{PODS}/mirror/status", {"metadata": {"labels": {"app": "nodeproxy-agent"}}})
    assert led_to(nodes) == set()


# ---- what is left open


def test_left_a_node_that_joins_chooses_its_site(nodes: Cluster) -> None:
    body = {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "liar", "labels": {ZONE: "beijing"}}}
    assert kubelet_of(nodes.api, "liar").create(NODES, body)["metadata"]["labels"][ZONE] == "beijing"


def test_left_whoever_binds_a_pod_chooses_its_site_by_the_legacy_resource(nodes: Cluster) -> None:
    unscheduled(nodes.api, "agent")
    bind(nodes.admin, "agent", "sh-1", BINDINGS, **{ZONE: "beijing"})
    assert led_to(nodes) == {"sh-1"}
