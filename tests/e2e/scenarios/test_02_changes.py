"""Agent pods are replaced; clients keep using the same names and addresses."""

from tests.e2e.layout import BEIJING
from tests.e2e.observed import SITES, Observed
from tests.e2e.stack import Stack


def test_a_deleted_agent_pod_comes_back_at_the_same_address(nodeproxy: Stack, observed: Observed) -> None:
    addresses = nodeproxy.cluster_ips()
    with observed.change("a pod is deleted", BEIJING):
        nodeproxy.kubectl("delete", "pod", nodeproxy.agents()[BEIJING.node]["metadata"]["name"])
        nodeproxy.await_rolled_out()
    assert nodeproxy.cluster_ips() == addresses


def test_a_rollout_keeps_every_address(nodeproxy: Stack, observed: Observed) -> None:
    addresses = nodeproxy.cluster_ips()
    with observed.change("roll-out", *SITES):
        nodeproxy.restart_agents()
        nodeproxy.await_rolled_out()
    assert nodeproxy.cluster_ips() == addresses
