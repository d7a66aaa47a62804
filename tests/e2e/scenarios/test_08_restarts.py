"""The API server and kubelet are restarted while nodeproxy works."""

from tests.e2e.client import Client
from tests.e2e.cluster import Cluster
from tests.e2e.figures import Figures
from tests.e2e.layout import BEIJING, SHANGHAI
from tests.e2e.observed import SITES
from tests.e2e.stack import TIMEOUT, Stack
from tests.e2e.traffic import loop
from tests.harness.processes import wait_until

LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


def test_a_rollout_during_which_the_api_server_restarts_completes(
    cluster: Cluster, stack: Stack, whole_stack: Stack, clients: dict[str, Client], figures: Figures
) -> None:
    """The rollout is the one that adds all components, so the API server dies between two of its pods."""
    addresses, old = stack.cluster_ips(), {pod["metadata"]["uid"] for pod in stack.agents().values()}
    with loop(clients[BEIJING.node], BEIJING.node) as first, loop(clients[SHANGHAI.node], SHANGHAI.node) as second:
        whole_stack.apply()
        wait_until(lambda: new_pods(whole_stack, old), TIMEOUT, "the first new agent pod")
        assert len(new_pods(whole_stack, old)) < len(SITES)  # else the rollout is over
        cluster.api.stop(grace=0)
        cluster.api.start()
        whole_stack.await_rolled_out()
    assert len(new_pods(whole_stack, old)) == len(SITES)
    assert whole_stack.cluster_ips() == addresses
    for site, answers in ((BEIJING, first), (SHANGHAI, second)):
        assert {each.text for each in answers} - {""} == {site.city}
        figures.add_loop(f"roll-out with a restart of the API server: {site.node}", answers)


def new_pods(stack: Stack, old: set[str]) -> set[str]:
    return {pod["metadata"]["uid"] for pod in stack.agents().values()} - old


def test_a_restart_of_kubelet_replaces_no_pod(
    cluster: Cluster, everything: Stack, clients: dict[str, Client], figures: Figures
) -> None:
    name, lease = SHANGHAI.node, f"{LEASE}/{SHANGHAI.node}"
    before = everything.restarts(name)
    with loop(clients[BEIJING.node], name) as answers:
        with cluster.nodes[name].without_kubelet():
            renewed = cluster.admin.get(lease)["spec"]["renewTime"]
        wait_until(lambda: cluster.admin.get(lease)["spec"]["renewTime"] > renewed, TIMEOUT, "kubelet's new lease")
        wait_until(lambda: everything.endpoints(name), TIMEOUT, "a ready endpoint")
    figures.add_loop("kubelet restarts", answers)
    assert {each.text for each in answers} - {""} == {SHANGHAI.city}
    assert everything.restarts(name) == before
