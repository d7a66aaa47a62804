"""agent.dnsPolicy: Default: the proxies resolve names of their own LAN, and no names of the cluster."""

from collections.abc import Iterator

import pytest

from tests.e2e.client import OPT_IN, Client, host, proxy
from tests.e2e.cluster import Cluster
from tests.e2e.layout import BEIJING, LAN_NAME, Site
from tests.e2e.observed import SITES
from tests.e2e.stack import Stack

URL = f"http://{LAN_NAME}/"


@pytest.fixture(scope="module")
def client(cluster: Cluster, reach: Stack) -> Iterator[Client]:
    """A client of all proxies, those of Shanghai too (tests/e2e/values/reach.yaml)."""
    assert reach
    labels = {**OPT_IN, "team": "shanghai"}
    found = Client(cluster.api, "of-lan-names", BEIJING.node, labels=labels)
    for site in SITES:
        found.first_answer(site.node, site.city)
    yield found
    found.delete()


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.city)
def test_a_name_is_an_address_of_the_proxys_own_lan(client: Client, reach: Stack, site: Site) -> None:
    pod = reach.agents()[site.node]["metadata"]["name"]
    resolved = reach.kubectl("exec", pod, "--container=proxy", "--", "getent", "hosts", LAN_NAME)
    assert resolved.split()[0] == site.named
    assert client.fetch(site.node, URL) == site.city


def test_a_name_of_the_cluster_is_not_proxied(client: Client) -> None:
    """The client resolves the proxy's name itself. The proxy cannot resolve that of another proxy's Service."""
    other = f"http://{host(SITES[1].node)}:8888/"
    status = client.run(f"curl -s -o /dev/null --max-time 10 -w '%{{http_code}}' --proxy {proxy(BEIJING.node)} {other}")
    assert status == "500"  # Unable to connect
