"""Proxies are replaced, one by one or all at once; who uses them keeps name and address."""

from contextlib import ExitStack
from pathlib import Path

from registrar import contract
from tests.e2e.client import Answer, Client
from tests.e2e.cluster import Cluster
from tests.e2e.figures import Figures
from tests.e2e.layout import BEIJING, SHANGHAI
from tests.e2e.stack import AGENT, Stack

HAND_ROLLED = Path(__file__).with_name("hand-rolled.yaml")
SITES = (BEIJING, SHANGHAI)


class Loops:
    """A client asks for each city all the while; each answer must be that city's, or none."""

    def __init__(self, clients: dict[str, Client]) -> None:
        self._client = clients[BEIJING.node]

    def __enter__(self) -> dict[str, list[Answer]]:
        with ExitStack() as stack:
            self._answers = {site.node: stack.enter_context(self._client.loop(site.node)) for site in SITES}
            self._stack = stack.pop_all()
        return self._answers

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()
        for site in SITES:
            assert {answer.text for answer in self._answers[site.node]} <= {site.city, ""}


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
    with Loops(clients) as answers:
        nodeproxy.kubectl("rollout", "restart", AGENT)
        nodeproxy.await_rolled_out()
    assert nodeproxy.cluster_ips() == addresses
    for node, loop in answers.items():
        figures.add_loop(f"roll-out: {node}", loop)
        assert loop[-1].text


def test_the_hand_rolled_stack_is_upgraded_in_place(
    cluster: Cluster, stack: Stack, clients: dict[str, Client], figures: Figures
) -> None:
    stack.remove()
    stack.kubectl("apply", "-f", str(HAND_ROLLED))
    stack.await_rolled_out()
    addresses = stack.cluster_ips()
    assert set(addresses) == {contract.service_name(site.node) for site in SITES}
    with Loops(clients) as answers:
        stack.apply()
        stack.await_rolled_out()
    for node, loop in answers.items():
        figures.add_loop(f"upgrade of the hand-rolled stack: {node}", loop)
        assert loop[-1].text
    assert stack.cluster_ips() == addresses
    for name, service in stack.services().items():
        assert contract.NODE_NAME_ANNOTATION in service["metadata"]["annotations"], name
    assert stack.clean_up("after-the-upgrade")
    assert stack.cluster_ips() == addresses
    for left in ("clusterrolebinding/nodeproxy-rb", "clusterrole/nodeproxy-role", "serviceaccount/nodeproxy-manager"):
        stack.kubectl("delete", left)
