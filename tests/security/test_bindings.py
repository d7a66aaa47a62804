"""Whoever binds a pod cannot label it with another node.

A Binding's labels are copied to its pod (Kubernetes 1.35+). Here a cluster administrator binds: of others, few may.
"""

from collections.abc import Iterator

import pytest

from registrar import contract
from tests.harness import objects
from tests.harness.apiserver import ApiServer
from tests.harness.client import ApiError
from tests.harness.cluster import PODS, Cluster, installed
from tests.harness.features import Feature
from tests.security.in_force import BINDINGS, bind, in_force, scheduler, unscheduled

pytestmark = [pytest.mark.needs(Feature.ADMISSION_POLICY), pytest.mark.xdist_group("confinement")]
SUBRESOURCE = ""
DENIED = "the label target-node must be that of the node which the pod is on"


@pytest.fixture(scope="module", autouse=True)
def _held(api: ApiServer, _cluster: Cluster) -> Iterator[None]:
    with in_force(api, installed()):
        yield


def label_of(cluster: Cluster, pod: str) -> str | None:
    labels: dict[str, str] = cluster.admin.get(f"{PODS}/{pod}")["metadata"]["labels"]
    return labels.get(contract.NODE_LABEL)


@pytest.mark.parametrize("path", [SUBRESOURCE, BINDINGS], ids=["pods/binding", "bindings"])
@pytest.mark.parametrize("label", ["node-b", ""], ids=["another node", "empty"])
def test_a_binding_cannot_carry_another_label(cluster: Cluster, path: str, label: str) -> None:
    unscheduled(cluster.api, "agent")
    with pytest.raises(ApiError, match=DENIED) as refused:
        bind(cluster.admin, "agent", "node-a", path, **{contract.NODE_LABEL: label})
    assert refused.value.status == 403
    assert "nodeName" not in cluster.admin.get(f"{PODS}/agent")["spec"]


@pytest.mark.needs(Feature.BINDING_LABELS)
@pytest.mark.parametrize("path", [SUBRESOURCE, BINDINGS], ids=["pods/binding", "bindings"])
def test_a_binding_may_carry_the_label_of_its_node(cluster: Cluster, path: str) -> None:
    """Shows that these requests would reach the pod."""
    unscheduled(cluster.api, "agent")
    bind(cluster.admin, "agent", "node-a", path, **objects.node_label("node-a"))
    assert label_of(cluster, "agent") == "node-a"


def test_the_scheduler_binds_as_ever(cluster: Cluster) -> None:
    unscheduled(cluster.api, "agent")
    bind(scheduler(cluster.api), "agent", "node-a")
    assert cluster.admin.get(f"{PODS}/agent")["spec"]["nodeName"] == "node-a"
    assert label_of(cluster, "agent") is None


@pytest.mark.parametrize("label", ["node-a", ""], ids=["a node's", "empty"])
def test_a_pod_that_is_on_no_node_has_no_node_label(cluster: Cluster, label: str) -> None:
    with pytest.raises(ApiError, match=DENIED):
        unscheduled(cluster.api, "agent", **{contract.NODE_LABEL: label})
    unscheduled(cluster.api, "agent")
    with pytest.raises(ApiError, match=DENIED):
        cluster.admin.patch(f"{PODS}/agent", {"metadata": {"labels": {contract.NODE_LABEL: label}}})
