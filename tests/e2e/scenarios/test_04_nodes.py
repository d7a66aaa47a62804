"""Nodes join, are replaced, leave, and fall silent."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from registrar import contract
from tests.e2e.client import Client
from tests.e2e.cluster import Cluster
from tests.e2e.figures import Figures, Stopwatch
from tests.e2e.layout import BEIJING, GUANGZHOU, GUANGZHOU_AGAIN, SHANGHAI, Site
from tests.e2e.observed import SITES
from tests.e2e.stack import TIMEOUT, Stack
from tests.harness.client import Object
from tests.harness.cluster import NODES
from tests.harness.processes import wait_until

NAME = contract.service_name(GUANGZHOU.node)


@pytest.fixture(scope="module")
def third_node(cluster: Cluster, by_hand_only: Stack, clients: dict[str, Client], figures: Figures) -> Site:
    """A node that joins. The tests below replace it and let it leave."""
    with ThreadPoolExecutor() as pool, Stopwatch(cluster.admin, [GUANGZHOU.node]) as watch:
        answer = pool.submit(clients[BEIJING.node].first_answer, GUANGZHOU.node, GUANGZHOU.city)
        cluster.add(GUANGZHOU)
    figures.add_registrations("a node joins", watch, {GUANGZHOU.node: answer.result()})
    return GUANGZHOU


def leave(cluster: Cluster, nodeproxy: Stack, site: Site) -> None:
    """Drain a node, switch its machine off for good, and delete its Node object."""
    nodeproxy.kubectl("drain", site.node, "--ignore-daemonsets", "--force", f"--timeout={TIMEOUT:.0f}s")
    cluster.remove(site)
    cluster.admin.delete(f"{NODES}/{site.node}")


def kept(nodeproxy: Stack) -> dict[str, Object]:
    """The Services of the nodes that stay, without the janitor's annotation of a node that is missing."""
    found = nodeproxy.services()
    services = {name: found[name] for name in (contract.service_name(site.node) for site in SITES)}
    for service in services.values():
        service["metadata"]["annotations"].pop(contract.NODE_MISSING_SINCE_ANNOTATION, None)
        for changes_with_it in ("resourceVersion", "managedFields"):
            del service["metadata"][changes_with_it]
    return services


def test_a_node_joins_and_is_registered(nodeproxy: Stack, third_node: Site) -> None:
    assert set(nodeproxy.services()) == {contract.service_name(site.node) for site in (*SITES, third_node)}


def test_a_node_that_comes_back_at_another_address_is_reached_by_its_old_name(
    cluster: Cluster, nodeproxy: Stack, clients: dict[str, Client], third_node: Site
) -> None:
    """It is drained, deleted, and set up again under the same name before Kubernetes deletes its old pod."""
    leave(cluster, nodeproxy, third_node)
    cluster.add(GUANGZHOU_AGAIN)
    clients[BEIJING.node].first_answer(third_node.node, third_node.city)
    network, _, _ = GUANGZHOU_AGAIN.pod_range.rpartition(".")
    (endpoint,) = wait_until(lambda: nodeproxy.endpoints(third_node.node), TIMEOUT, "a ready endpoint")
    assert endpoint["addresses"][0].startswith(f"{network}.")
    clients[SHANGHAI.node].first_answer(third_node.node, third_node.city)


def test_a_silent_node_keeps_its_service_even_if_its_node_object_goes_and_comes_back(
    cluster: Cluster, by_hand_only: Stack, clients: dict[str, Client], third_node: Site
) -> None:
    """With the hand-rolled stack the Service is lost: the old pod, which lives on, registers only when it starts.

    Meanwhile Kubernetes deletes the pod of the third node, which leaves first.
    """
    nodeproxy = by_hand_only
    leave(cluster, nodeproxy, GUANGZHOU_AGAIN)
    node, client = cluster.nodes[SHANGHAI.node], clients[BEIJING.node]
    services, pod = kept(nodeproxy), nodeproxy.agents()[node.name]["metadata"]["uid"]
    with node.without_kubelet():
        cluster.await_node(node.name, ready=False)
        said = nodeproxy.clean_up("while-not-ready")
        assert kept(nodeproxy) == services, said

        cluster.admin.delete(f"{NODES}/{node.name}")
        said = nodeproxy.clean_up("while-gone")
        assert nodeproxy.agents()[node.name]["metadata"]["uid"] == pod  # otherwise the next line proves nothing
        assert kept(nodeproxy) == services, said

    cluster.await_node(node.name, ready=True)
    wait_until(lambda: nodeproxy.endpoints(node.name), TIMEOUT, "a ready endpoint")
    assert nodeproxy.agents()[node.name]["metadata"]["uid"] == pod
    assert kept(nodeproxy) == services
    client.first_answer(node.name, SHANGHAI.city)


def test_nothing_is_left_of_a_node_that_left(by_hand_only: Stack) -> None:
    others = kept(by_hand_only)
    wait_until(lambda: GUANGZHOU.node not in by_hand_only.agents(), TIMEOUT, "the removal of its pod", interval=1)
    said = by_hand_only.clean_up("after-a-node-left")
    assert by_hand_only.services().keys() == others.keys(), said
    assert kept(by_hand_only) == others, said
