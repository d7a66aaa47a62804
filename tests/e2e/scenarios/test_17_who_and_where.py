"""agent.clients, enforced: who may use which node. tinyproxy.logLevel Connect: who went where."""

from collections.abc import Iterator

import pytest

from tests.e2e.client import URL, Client, proxy
from tests.e2e.cluster import Cluster
from tests.e2e.database import psql
from tests.e2e.layout import BEIJING, PRINTER, SHANGHAI, Site
from tests.e2e.stack import TIMEOUT, Stack
from tests.harness.processes import wait_until
from tests.manifests.test_connections import connections

pytestmark = pytest.mark.usefixtures("reach")


def ask(client: Client, site: Site) -> str:
    return client.run(f"curl -s --fail --max-time 2 --proxy {proxy(site.node)} {URL} || echo none")


@pytest.fixture(scope="module")
def team(cluster: Cluster) -> Iterator[Client]:
    """A client that values/reach.yaml admits to Shanghai's proxy, and that has not opted in to the others."""
    client = Client(cluster.api, "team-shanghai", BEIJING.node, labels={"team": "shanghai"})
    wait_until(lambda: ask(client, SHANGHAI) == SHANGHAI.city, TIMEOUT, "admission to Shanghai's proxy", interval=0.2)
    yield client
    client.delete()


def test_a_limited_node_admits_its_clients_alone(team: Client, clients: dict[str, Client]) -> None:
    opted_in = clients[BEIJING.node]
    assert [ask(opted_in, site) for site in (BEIJING, SHANGHAI)] == [BEIJING.city, "none"]
    assert [ask(team, site) for site in (BEIJING, SHANGHAI)] == ["none", SHANGHAI.city]


@pytest.mark.usefixtures("databases")
def test_a_destination_leads_through_a_limited_node(clients: dict[str, Client]) -> None:
    assert clients[BEIJING.node].run(psql("db-sh")) == SHANGHAI.city


def test_a_client_on_the_host_network_of_another_node_is_not_admitted(cluster: Cluster) -> None:
    """It has the address of its node, and not the labels of its pod."""
    more = {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}
    client = Client(cluster.api, "host-of-team", BEIJING.node, labels={"team": "shanghai"}, **more)
    assert ask(client, SHANGHAI) == "none"
    client.delete()


def test_the_log_leads_from_a_connection_to_the_pod_and_its_destination(
    cluster: Cluster, reach: Stack, clients: dict[str, Client]
) -> None:
    """As docs/use.md says."""
    client = clients[SHANGHAI.node]
    client.fetch(BEIJING.node, f"https://{PRINTER}/")
    pod = reach.agents()[BEIJING.node]["metadata"]["name"]
    logged = connections(reach.kubectl("logs", pod, "--container=proxy"))
    [address] = {address for address, *what in logged if what == ["CONNECT", f"{PRINTER}:443"]}
    where = ("get", "pods", "--all-namespaces", f"--field-selector=status.podIP={address}", "--output=name")
    assert cluster.api.kubectl(*where).stdout.strip() == f"pod/on-{SHANGHAI.node}"
