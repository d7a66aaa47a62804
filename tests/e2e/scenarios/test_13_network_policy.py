"""networkPolicy.enabled, enforced: who can reach the proxies, and what the proxies can reach."""

from collections.abc import Iterator

import pytest

from tests.e2e.client import URL, Client, proxy
from tests.e2e.cluster import Cluster
from tests.e2e.layout import BEIJING, METADATA, METADATA_NAME, SHANGHAI
from tests.e2e.stack import TIMEOUT, Stack
from tests.harness.processes import wait_until

NODE = SHANGHAI.node
# No answer, for whatever reason, is "none"; the printer's answer is its city.
ASK = "curl -s --fail --max-time 2 {options} {url} || echo none"


@pytest.fixture(scope="module")
def stranger(cluster: Cluster) -> Iterator[Client]:
    """A client without the label that opts in, on another node than the proxy's."""
    client = Client(cluster.api, "stranger", BEIJING.node, labels={})
    yield client
    client.delete()


def ask(client: Client, url: str, node: str = NODE) -> str:
    """What `url` answers through the proxy of a node."""
    return client.run(ASK.format(options=f"--proxy {proxy(node)}", url=url))


def from_the_proxy(stack: Stack, url: str) -> str:
    """What `url` answers to the proxy's own container, which no filter of tinyproxy stops."""
    pod = stack.agents()[NODE]["metadata"]["name"]
    script = ASK.format(options="", url=url)
    return stack.kubectl("exec", pod, "--container=proxy", "--", "bash", "-c", script).strip()


@pytest.fixture(scope="module")
def enforced(cluster: Cluster, everything: Stack, stranger: Client) -> Stack:
    """Enforce the policies, remove them, and add them again: only the policies block what works without them."""
    for node in cluster.nodes.values():
        node.enforce_policies()
    wait_until(lambda: ask(stranger, URL) == "none", TIMEOUT, "the start of enforcement", interval=0.2)
    everything.kubectl("delete", "networkpolicy", "--all")
    wait_until(lambda: ask(stranger, URL) == SHANGHAI.city, TIMEOUT, "an answer without policies", interval=0.2)
    assert ask(stranger, f"http://{METADATA_NAME}/") == SHANGHAI.city
    assert from_the_proxy(everything, f"http://{METADATA}/") == SHANGHAI.city
    everything.apply()
    wait_until(lambda: ask(stranger, URL) == "none", TIMEOUT, "the policies' enforcement", interval=0.2)
    return everything


def test_only_clients_that_opt_in_reach_a_proxy(enforced: Stack, stranger: Client, clients: dict[str, Client]) -> None:
    assert enforced.endpoints(NODE)
    assert clients[BEIJING.node].fetch(NODE) == SHANGHAI.city
    assert ask(stranger, URL) == "none"


def test_a_client_on_the_host_network_reaches_the_proxy_of_its_own_node_alone(
    cluster: Cluster, enforced: Stack
) -> None:
    """It has the address of its node, so its label has no effect; a node always reaches its own pods."""
    client = Client(cluster.api, "on-the-host", BEIJING.node, hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet")
    assert ask(client, URL) == "none"
    assert ask(client, URL, BEIJING.node) == BEIJING.city
    client.delete()


def test_link_local_addresses_cannot_be_reached_by_address_or_by_name(
    enforced: Stack, clients: dict[str, Client]
) -> None:
    client = clients[BEIJING.node]
    assert ask(client, f"http://{METADATA_NAME}/") == "none"
    assert ask(client, f"http://{METADATA}/") == "none"
    assert from_the_proxy(enforced, f"http://{METADATA}/") == "none"
    assert from_the_proxy(enforced, URL) == SHANGHAI.city
