"""Proxies are replaced, one by one or all at once; who uses them keeps name and address."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from registrar import contract
from tests.e2e.client import Answer, Client
from tests.e2e.cluster import Cluster
from tests.e2e.figures import Figures, Stopwatch
from tests.e2e.layout import BEIJING, SHANGHAI, Site
from tests.e2e.stack import AGENT, Stack
from tests.harness.client import ApiClient

HAND_ROLLED = Path(__file__).with_name("hand-rolled.yaml")
SITES = (BEIJING, SHANGHAI)


@dataclass
class Observed:
    """What the tests here have in common."""

    admin: ApiClient
    client: Client
    figures: Figures

    @contextmanager
    def change(self, occasion: str, *renewed: Site) -> Iterator[None]:
        """While a block renews agent pods, a client asks for each city, until all proxies answer again.

        An answer is that city's or none; those that fail are counted, and the registrations timed.
        """
        with ExitStack() as stack:
            answers = {site.node: stack.enter_context(self.client.loop(site.node)) for site in SITES}
            with Stopwatch(self.admin, [site.node for site in renewed]) as watch:
                yield
        for site in SITES:
            assert {answer.text for answer in answers[site.node]} - {""} == {site.city}
        first = {node: _first(answers[node], ready) for node, ready in watch.ready.items()}
        self.figures.add_registrations(occasion, watch, first)
        for site in renewed:
            self.figures.add_loop(f"{occasion}: {site.node}", answers[site.node])


def _first(answers: Sequence[Answer], after: float) -> float:
    """When the first request succeeded after that moment."""
    return min(answer.time for answer in answers if answer.text and answer.time > after)


@pytest.fixture
def observed(cluster: Cluster, clients: dict[str, Client], figures: Figures) -> Observed:
    return Observed(cluster.admin, clients[SHANGHAI.node], figures)


def test_a_proxy_that_is_deleted_comes_back_at_the_same_address(nodeproxy: Stack, observed: Observed) -> None:
    addresses = nodeproxy.cluster_ips()
    with observed.change("a pod is deleted", BEIJING):
        nodeproxy.kubectl("delete", "pod", nodeproxy.agents()[BEIJING.node]["metadata"]["name"])
        nodeproxy.await_rolled_out()
    assert nodeproxy.cluster_ips() == addresses


def test_a_roll_out_keeps_every_address(nodeproxy: Stack, observed: Observed) -> None:
    addresses = nodeproxy.cluster_ips()
    with observed.change("roll-out", *SITES):
        nodeproxy.kubectl("rollout", "restart", AGENT)
        nodeproxy.await_rolled_out()
    assert nodeproxy.cluster_ips() == addresses


def test_the_hand_rolled_stack_is_upgraded_in_place(stack: Stack, observed: Observed) -> None:
    stack.remove()
    stack.kubectl("apply", "-f", str(HAND_ROLLED))
    stack.await_rolled_out()
    addresses = stack.cluster_ips()
    assert set(addresses) == {contract.service_name(site.node) for site in SITES}
    for site in SITES:
        observed.client.first_answer(site.node, site.city)
    with observed.change("upgrade of the hand-rolled stack", *SITES):
        stack.apply()
        stack.await_rolled_out()
    for name, service in stack.services().items():
        assert contract.NODE_NAME_ANNOTATION in service["metadata"]["annotations"], name
    stack.clean_up("after-the-upgrade")
    assert stack.cluster_ips() == addresses
    for left in ("clusterrolebinding/nodeproxy-rb", "clusterrole/nodeproxy-role", "serviceaccount/nodeproxy-manager"):
        stack.kubectl("delete", left)
