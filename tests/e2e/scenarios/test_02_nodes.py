"""Nodes join, fall silent, leave and come back."""

from concurrent.futures import ThreadPoolExecutor

from registrar import contract
from tests.e2e.client import Client
from tests.e2e.cluster import Cluster
from tests.e2e.figures import Figures, Stopwatch
from tests.e2e.layout import BEIJING, GUANGZHOU, SHANGHAI
from tests.e2e.stack import TIMEOUT, Stack
from tests.harness.cluster import NODES
from tests.harness.processes import wait_until


def test_a_node_joins_without_anybodys_help_and_leaves_nothing_behind(
    cluster: Cluster, nodeproxy: Stack, clients: dict[str, Client], figures: Figures
) -> None:
    name = contract.service_name(GUANGZHOU.node)
    others = nodeproxy.services()
    with ThreadPoolExecutor() as pool, Stopwatch(cluster.admin, [GUANGZHOU.node]) as watch:
        answer = pool.submit(clients[BEIJING.node].first_answer, GUANGZHOU.node, GUANGZHOU.city)
        cluster.add(GUANGZHOU)
    figures.add_registrations("a node joins", watch, {GUANGZHOU.node: answer.result()})
    assert set(nodeproxy.services()) == {*others, name}

    nodeproxy.kubectl("drain", GUANGZHOU.node, "--ignore-daemonsets", "--force", f"--timeout={TIMEOUT:.0f}s")
    cluster.remove(GUANGZHOU)
    cluster.admin.delete(f"{NODES}/{GUANGZHOU.node}")
    wait_until(lambda: GUANGZHOU.node not in nodeproxy.agents(), TIMEOUT, "the removal of its pod", interval=1)
    said = nodeproxy.clean_up("after-a-node-left")
    assert nodeproxy.services() == others, said


def test_a_silent_node_keeps_its_service_even_if_its_node_object_goes_and_comes_back(
    cluster: Cluster, nodeproxy: Stack, clients: dict[str, Client]
) -> None:
    """The hand-rolled stack loses it: the old pod, which lives on, registers only when it starts."""
    node, client = cluster.nodes[SHANGHAI.node], clients[BEIJING.node]
    services, pod = nodeproxy.services(), nodeproxy.agents()[node.name]["metadata"]["uid"]
    with node.without_kubelet():
        cluster.await_node(node.name, ready=False)
        said = nodeproxy.clean_up("while-not-ready")
        assert nodeproxy.services() == services, said

        cluster.admin.delete(f"{NODES}/{node.name}")
        said = nodeproxy.clean_up("while-gone")
        assert nodeproxy.agents()[node.name]["metadata"]["uid"] == pod  # else this would prove nothing
        assert nodeproxy.services() == services, said

    cluster.await_node(node.name, ready=True)
    wait_until(lambda: nodeproxy.endpoints(node.name), TIMEOUT, "a ready endpoint")
    assert nodeproxy.agents()[node.name]["metadata"]["uid"] == pod
    assert nodeproxy.services() == services
    assert client.fetch(node.name) == SHANGHAI.city
