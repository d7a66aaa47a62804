"""Proxies are replaced, one by one or all at once; who uses them keeps name and address."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from registrar import contract
from tests.e2e.client import Client
from tests.e2e.cluster import Cluster
from tests.e2e.figures import Figures
from tests.e2e.layout import BEIJING, SHANGHAI
from tests.e2e.stack import AGENT, Stack

HAND_ROLLED = Path(__file__).with_name("hand-rolled.yaml")
SITES = (BEIJING, SHANGHAI)


@contextmanager
def asking(clients: dict[str, Client], figures: Figures, occasion: str) -> Iterator[None]:
    """A client asks for each city all the while, and until all proxies answer again.

    An answer is that city's or none; those that fail are counted.
    """
    client = clients[BEIJING.node]
    with ExitStack() as stack:
        answers = {site: stack.enter_context(client.loop(site.node)) for site in SITES}
        yield
        for site in SITES:
            client.first_answer(site.node, site.city)
    for site in SITES:
        assert {answer.text for answer in answers[site]} - {""} == {site.city}
        figures.add_loop(f"{occasion}: {site.node}", answers[site])


def test_a_proxy_that_is_deleted_comes_back_at_the_same_address(
    cluster: Cluster, nodeproxy: Stack, clients: dict[str, Client]
) -> None:
    addresses = nodeproxy.cluster_ips()
    old = nodeproxy.agents()[BEIJING.node]["metadata"]
    nodeproxy.kubectl("delete", "pod", old["name"])
    nodeproxy.await_rolled_out()
    assert nodeproxy.agents()[BEIJING.node]["metadata"]["uid"] != old["uid"]
    assert nodeproxy.cluster_ips() == addresses
    assert clients[SHANGHAI.node].fetch(BEIJING.node) == BEIJING.city


def test_a_roll_out_keeps_every_address(nodeproxy: Stack, clients: dict[str, Client], figures: Figures) -> None:
    addresses = nodeproxy.cluster_ips()
    with asking(clients, figures, "roll-out"):
        nodeproxy.kubectl("rollout", "restart", AGENT)
        nodeproxy.await_rolled_out()
    assert nodeproxy.cluster_ips() == addresses


def test_the_hand_rolled_stack_is_upgraded_in_place(
    cluster: Cluster, stack: Stack, clients: dict[str, Client], figures: Figures
) -> None:
    stack.remove()
    stack.kubectl("apply", "-f", str(HAND_ROLLED))
    stack.await_rolled_out()
    addresses = stack.cluster_ips()
    assert set(addresses) == {contract.service_name(site.node) for site in SITES}
    with asking(clients, figures, "upgrade of the hand-rolled stack"):
        stack.apply()
        stack.await_rolled_out()
    for name, service in stack.services().items():
        assert contract.NODE_NAME_ANNOTATION in service["metadata"]["annotations"], name
    stack.clean_up("after-the-upgrade")
    assert stack.cluster_ips() == addresses
    for left in ("clusterrolebinding/nodeproxy-rb", "clusterrole/nodeproxy-role", "serviceaccount/nodeproxy-manager"):
        stack.kubectl("delete", left)
