"""The API server and kubelet are restarted while nodeproxy works."""

from tests.e2e.client import Client
from tests.e2e.cluster import Cluster
from tests.e2e.figures import Figures
from tests.e2e.layout import BEIJING, SHANGHAI
from tests.e2e.stack import TIMEOUT, Stack
from tests.e2e.traffic import loop, tunnel
from tests.harness.processes import wait_until


def test_a_rollout_completes_although_the_api_server_restarts(
    cluster: Cluster, nodeproxy: Stack, whole_stack: Stack, clients: dict[str, Client], figures: Figures
) -> None:
    """The rollout is the one that adds all components. The API server is killed between its first pod and its last."""
    addresses, old = nodeproxy.cluster_ips(), uids(nodeproxy)
    client = clients[
        BEIJING.node
    ]  # at the end this node's kube-proxy follows the API server again, before other tests begin
    with loop(client, BEIJING.node) as first, loop(client, SHANGHAI.node) as second:
        whole_stack.apply()
        wait_until(lambda: uids(whole_stack) - old, TIMEOUT, "the first new agent pod")
        assert uids(whole_stack) & old  # the rollout is not over
        cluster.api.stop(grace=0)
        cluster.api.start()
        whole_stack.await_rolled_out()
    assert not uids(whole_stack) & old
    assert whole_stack.cluster_ips() == addresses
    for site, answers in ((BEIJING, first), (SHANGHAI, second)):
        assert {each.text for each in answers} - {""} == {site.city}
        figures.add_loop(f"roll-out with a restart of the API server: {site.node}", answers)


def uids(stack: Stack) -> set[str]:
    return {pod["metadata"]["uid"] for pod in stack.agent_pods()}


def test_a_restart_of_kubelet_replaces_no_pod(
    cluster: Cluster, everything: Stack, clients: dict[str, Client], figures: Figures
) -> None:
    name = SHANGHAI.node
    before = everything.restarts(name)
    with tunnel(clients[BEIJING.node], name) as opened, loop(clients[BEIJING.node], name) as answers:
        with cluster.nodes[name].without_kubelet():
            pass
        Client(cluster.api, "after-the-restart", name).delete()  # kubelet works again
        wait_until(lambda: everything.endpoints(name), TIMEOUT, "a ready endpoint")
        assert opened.is_open()
    figures.add_loop("kubelet restarts", answers)
    assert {each.text for each in answers} - {""} == {SHANGHAI.city}
    assert everything.restarts(name) == before
