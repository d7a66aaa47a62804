"""After `helm install`, each node's proxy can be reached by its name from anywhere in the cluster."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from registrar import contract
from tests.e2e.client import URL, Client, proxy
from tests.e2e.cluster import Cluster
from tests.e2e.figures import Figures, Stopwatch
from tests.e2e.layout import BEIJING, PRINTER, SHANGHAI, Site
from tests.e2e.stack import Stack

SITES = (BEIJING, SHANGHAI)


def test_apply_gives_each_node_a_service_with_its_one_proxy(
    cluster: Cluster, stack: Stack, clients: dict[str, Client], figures: Figures
) -> None:
    """Installs into an empty cluster and measures the time."""
    nodes = [site.node for site in SITES]
    with ThreadPoolExecutor() as pool, Stopwatch(cluster.admin, nodes) as watch:
        other = {BEIJING.node: SHANGHAI.node, SHANGHAI.node: BEIJING.node}
        first = {site.node: pool.submit(clients[other[site.node]].first_answer, site.node, site.city) for site in SITES}
        stack.apply()
    stack.await_rolled_out()
    figures.add_registrations("apply", watch, {node: answer.result() for node, answer in first.items()})

    agents = stack.agents()
    assert set(agents) == set(nodes)
    assert set(stack.services()) == {contract.service_name(node) for node in nodes}
    for node in nodes:
        (endpoint,) = stack.endpoints(node)
        assert endpoint["nodeName"] == node
        assert endpoint["targetRef"]["uid"] == agents[node]["metadata"]["uid"]


@pytest.mark.usefixtures("zombie")  # during these tests the CronJob can remove it: test_03_janitor.py
@pytest.mark.parametrize("start", SITES, ids=lambda site: f"from_{site.city}")
@pytest.mark.parametrize("exit_", SITES, ids=lambda site: f"through_{site.city}")
def test_traffic_leaves_through_the_node_that_the_client_names(
    nodeproxy: Stack, clients: dict[str, Client], start: Site, exit_: Site
) -> None:
    client = clients[start.node]
    assert client.fetch(exit_.node) == exit_.city
    assert client.fetch(exit_.node, f"https://{PRINTER}/") == exit_.city  # CONNECT: TLS from end to end
    assert client.run(f"http_proxy={proxy(exit_.node)} curl -sS --fail --max-time 10 {URL}") == exit_.city


def test_no_port_of_a_node_is_opened(cluster: Cluster, nodeproxy: Stack) -> None:
    for site in SITES:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((site.address, 8888), timeout=5)
        listening = cluster.nodes[site.node].run("ss", "--listening", "--tcp", "--udp", "--numeric", "--no-header")
        assert ":8888 " not in listening
    for pod in nodeproxy.agents().values():
        assert not pod["spec"].get("hostNetwork")
        assert not [port for each in pod["spec"]["containers"] for port in each.get("ports", []) if "hostPort" in port]
    for service in nodeproxy.services().values():
        assert service["spec"]["type"] == "ClusterIP"
        assert not [port for port in service["spec"]["ports"] if "nodePort" in port]


def test_a_client_on_the_host_network_reaches_the_proxies_by_name(cluster: Cluster, nodeproxy: Stack) -> None:
    client = Client(cluster.api, "host-network", BEIJING.node, hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet")
    assert client.run("hostname -I").split()[0] == BEIJING.address
    assert [client.fetch(site.node) for site in SITES] == [site.city for site in SITES]
    client.delete()
