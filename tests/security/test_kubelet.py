"""What a kubelet's credentials can do to pods here and to its Node, with NodeRestriction and the Node authorizer."""

from collections.abc import Iterator

import pytest

from registrar import contract
from tests.harness.apiserver import ApiServer
from tests.harness.client import ApiClient, ApiError, Object
from tests.harness.cluster import NODES, PODS, Cluster, installed
from tests.harness.features import Feature
from tests.security.in_force import in_force

pytestmark = [pytest.mark.needs(Feature.ADMISSION_POLICY), pytest.mark.xdist_group("confinement")]
HOLD = {"metadata": {"finalizers": ["example.com/hold"]}}
DENIED = "'nodeproxy-kubelet-pods' denied request: a kubelet neither adds nor removes a finalizer of a pod"


@pytest.fixture(scope="module", autouse=True)
def _held(api: ApiServer, _cluster: Cluster) -> Iterator[None]:
    with in_force(api, installed()):
        yield


@pytest.fixture
def node(cluster: Cluster) -> Object:
    return cluster.node("node-a")


@pytest.fixture
def kubelet(cluster: Cluster, node: Object) -> ApiClient:
    """Whoever took the credentials of the kubelet on node-a."""
    cert = cluster.api.ca.client(f"system:node:{node['metadata']['name']}", ["system:nodes"])
    return ApiClient(cluster.api.url, cluster.api.ca_file, cert=cert)


def mirror_pod(node: Object) -> Object:
    owner = {"apiVersion": "v1", "kind": "Node", "controller": True}
    meta = {
        "name": "mirror",
        "annotations": {"kubernetes.io/config.mirror": "x"},
        "ownerReferences": [owner | {key: node["metadata"][key] for key in ("name", "uid")}],
    }
    spec = {"nodeName": node["metadata"]["name"], "containers": [{"name": "x", "image": "x"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def test_it_reports_the_status_of_a_pod_and_cannot_hold_it(cluster: Cluster, kubelet: ApiClient) -> None:
    where = f"{PODS}/{cluster.pod('node-a')['metadata']['name']}/status"
    with pytest.raises(ApiError, match=DENIED) as refused:
        kubelet.patch(where, HOLD)
    assert refused.value.status == 403
    assert kubelet.patch(where, {"status": {"phase": "Running"}})["status"]["phase"] == "Running"


def test_it_reports_the_status_of_a_pod_that_others_hold_and_cannot_release_it(
    cluster: Cluster, kubelet: ApiClient
) -> None:
    where = f"{PODS}/{cluster.pod('node-a')['metadata']['name']}"
    cluster.admin.patch(where, HOLD)
    with pytest.raises(ApiError, match=DENIED):
        kubelet.patch(f"{where}/status", {"metadata": {"finalizers": None}})
    assert kubelet.patch(f"{where}/status", {"status": {"phase": "Running"}})["status"]["phase"] == "Running"


def test_it_creates_a_mirror_pod_and_cannot_hold_it(kubelet: ApiClient, node: Object) -> None:
    pod = mirror_pod(node)
    with pytest.raises(ApiError, match=DENIED):
        kubelet.create(PODS, {**pod, "metadata": pod["metadata"] | HOLD["metadata"]})
    assert kubelet.create(PODS, pod)["spec"]["nodeName"] == "node-a"


def test_node_restriction_denies_what_no_policy_of_ours_does(cluster: Cluster, kubelet: ApiClient) -> None:
    own, other = (f"{PODS}/{cluster.pod(name)['metadata']['name']}" for name in ("node-a", "node-b"))
    for where, body, words in (
        (f"{own}/status", {"metadata": {"labels": {"app": "other"}}}, "cannot update labels through pod status"),
        (f"{other}/status", {"status": {"phase": "Running"}}, "can only update pod status for pods with spec.nodeName"),
    ):
        with pytest.raises(ApiError, match=words) as refused:
            kubelet.patch(where, body)
        assert refused.value.status == 403
    with pytest.raises(ApiError, match='cannot patch resource "pods"'):
        kubelet.patch(own, HOLD)


def test_left_it_holds_its_own_node_and_so_the_nodes_service(
    cluster: Cluster, kubelet: ApiClient, node: Object
) -> None:
    """A Node belongs to no namespace. A policy for it would hold every kubelet of the cluster."""
    pod = cluster.register_again("node-a")
    kubelet.patch(f"{NODES}/node-a", HOLD)
    cluster.delete_node("node-a")
    cluster.delete_pod(pod)

    assert cluster.admin.get(f"{NODES}/node-a")["metadata"]["uid"] == node["metadata"]["uid"]
    assert cluster.janitor().verdicts == {contract.service_name("node-a"): ("keep", None)}
