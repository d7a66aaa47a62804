"""janitor.kind=Deployment and janitor.events: two janitors that run all the time."""

import json
from datetime import UTC, datetime

from registrar import contract
from tests.e2e.cluster import Cluster
from tests.e2e.stack import TIMEOUT, Stack
from tests.harness.cluster import NAMESPACE, PODS
from tests.harness.processes import wait_until

EVENTS = f"/api/v1/namespaces/{NAMESPACE}/events"
GONE = ("node-gone-11", "node-gone-12")  # as many as there are nodes: the guard refuses more


def test_two_janitors_at_once_delete_exactly_the_services_of_missing_nodes(cluster: Cluster, everything: Stack) -> None:
    """The values have two replicas, each of which runs every two seconds."""
    living, started = everything.services(), datetime.now(UTC).isoformat(timespec="seconds")
    zombies = {everything.add_zombie(node) for node in GONE}
    wait_until(lambda: not zombies & everything.services().keys(), TIMEOUT, f"the removal of {sorted(zombies)}")
    wait_until(lambda: zombies <= reported(cluster), TIMEOUT, f"an Event for each of {sorted(zombies)}")

    assert everything.services() == living
    janitors = cluster.admin.list(PODS, labelSelector="app=nodeproxy-janitor")
    assert len(janitors) == len(GONE)
    for pod in janitors:
        [status] = pod["status"]["containerStatuses"]
        log = everything.kubectl("logs", pod["metadata"]["name"], f"--since-time={started}")
        assert (status["ready"], status["restartCount"]) == (True, 0), log
        levels = {json.loads(line)["level"] for line in log.splitlines() if line.startswith("{")}
        assert "error" not in levels, log


def reported(cluster: Cluster) -> set[str]:
    """The Services that an Event of a janitor calls deleted."""
    events = cluster.admin.list(EVENTS, fieldSelector="reason=NodeGone")
    return {
        each["involvedObject"]["name"] for each in events if each["source"]["component"] == contract.JANITOR_MANAGER
    }
