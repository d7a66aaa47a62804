"""A registrar cannot reach the API server."""

from registrar import contract
from tests.e2e.client import Client
from tests.e2e.cluster import Cluster
from tests.e2e.layout import BEIJING, SERVER, SHANGHAI
from tests.e2e.stack import TIMEOUT, Stack
from tests.harness.cluster import NAMESPACE
from tests.harness.processes import wait_until

BUDGET = "15s"  # as tests/e2e/values sets it


def test_a_registrar_that_is_cut_off_reports_it_and_registers_once_connected_again(
    cluster: Cluster, nodeproxy: Stack, clients: dict[str, Client]
) -> None:
    node, name = cluster.nodes[SHANGHAI.node], SHANGHAI.node
    old = nodeproxy.agents()[name]["metadata"]
    with node.pods_cut_off(SERVER, cluster.api.port):
        nodeproxy.kubectl("delete", "pod", old["name"])
        wait_until(lambda: nodeproxy.agents().get(name), TIMEOUT, "a new agent pod")
        pod = nodeproxy.agents()[name]["metadata"]["name"]
        wait_until(lambda: nodeproxy.last_message(pod), TIMEOUT, "the registrar's end", interval=0.2)
        log = nodeproxy.kubectl("logs", pod, "--container=registrar", "--previous")
        described = nodeproxy.kubectl("describe", "pod", pod)

    assert "attempt 1, next in" in log
    (line,) = [each for each in log.splitlines() if f"within the timeout of {BUDGET}" in each]
    assert "ERROR cannot " in line
    assert f"Service {NAMESPACE}/{contract.service_name(name)}" in line
    _, _, last_state = described.partition("Last State:")
    assert line in last_state

    wait_until(lambda: nodeproxy.endpoints(name), TIMEOUT, "a ready endpoint")
    service = nodeproxy.services()[contract.service_name(name)]["metadata"]
    agent = nodeproxy.agents()[name]["metadata"]
    assert agent["name"] == pod
    assert service["annotations"][contract.REGISTERED_BY_ANNOTATION] == agent["uid"]
    clients[BEIJING.node].first_answer(name, SHANGHAI.city)
