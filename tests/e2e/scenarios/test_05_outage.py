"""An agent's way to the API server is cut."""

from collections.abc import Iterator

import pytest

from registrar import contract
from tests.e2e.client import Client
from tests.e2e.cluster import Cluster
from tests.e2e.layout import BEIJING, SERVER, SHANGHAI
from tests.e2e.stack import TIMEOUT, Stack
from tests.harness.cluster import NAMESPACE
from tests.harness.processes import wait_until

BUDGET = "15s"  # instead of two minutes, which nobody has to wait for here


@pytest.fixture
def impatient(nodeproxy: Stack) -> Iterator[Stack]:
    """nodeproxy whose next pods have a registrar that gives up early; those that are there stay."""
    nodeproxy.patch_agent("OnDelete", {"name": "REGISTRAR_TIMEOUT", "value": BUDGET})
    yield nodeproxy
    nodeproxy.patch_agent("RollingUpdate", {"name": "REGISTRAR_TIMEOUT", "$patch": "delete"})
    nodeproxy.await_rolled_out()


def test_a_registrar_that_is_cut_off_says_so_and_registers_when_the_way_is_back(
    cluster: Cluster, impatient: Stack, clients: dict[str, Client]
) -> None:
    node, name = cluster.nodes[SHANGHAI.node], SHANGHAI.node
    old = impatient.agents()[name]["metadata"]
    with node.pods_cut_off(SERVER, cluster.api.port):
        impatient.kubectl("delete", "pod", old["name"])
        wait_until(lambda: impatient.agents().get(name), TIMEOUT, "a new agent pod")
        pod = impatient.agents()[name]["metadata"]["name"]
        wait_until(lambda: impatient.last_words(pod), TIMEOUT, "the registrar's end", interval=0.2)
        log = impatient.kubectl("logs", pod, "--container=registrar", "--previous")
        described = impatient.kubectl("describe", "pod", pod)

    assert "attempt 1, next in" in log
    (line,) = [each for each in log.splitlines() if f"within the timeout of {BUDGET}" in each]
    assert "ERROR cannot " in line
    assert f"Pod {NAMESPACE}/{pod}" in line
    _, _, last_state = described.partition("Last State:")
    assert line in last_state

    wait_until(lambda: impatient.endpoints(name), TIMEOUT, "a ready endpoint")
    service = impatient.services()[contract.service_name(name)]["metadata"]
    agent = impatient.agents()[name]["metadata"]
    assert agent["name"] == pod
    assert service["annotations"][contract.REGISTERED_BY_ANNOTATION] == agent["uid"]
    assert clients[BEIJING.node].fetch(name) == SHANGHAI.city
