"""The whole control plane is away for a minute."""

import time
from contextlib import ExitStack

import pytest

from tests.e2e.client import Client
from tests.e2e.cluster import Cluster
from tests.e2e.figures import Figures
from tests.e2e.layout import Site
from tests.e2e.observed import SITES
from tests.e2e.stack import Stack
from tests.e2e.traffic import Answer, failures, loop
from tests.harness.cluster import SERVICES
from tests.harness.processes import wait_until

AWAY = 60.0  # seconds
# The interval, and what is left of a try that was under way when the API server came back: see tests/e2e/values.
INTERVAL, BUDGET = 5.0, 15.0


@pytest.fixture(scope="module")
def outage(cluster: Cluster, everything: Stack, new_client: Client, figures: Figures) -> dict[str, list[Answer]]:
    """Requests through each node, by node, that ended while the control plane was away.

    The requests go on until the Services are right again; the figures count these too.
    """
    right = everything.registered()
    pods = {site.node: everything.restarts(site.node) for site in SITES}
    before = {site.node: failed_tries(site) for site in SITES}
    with ExitStack() as stack:
        answers = {site.node: stack.enter_context(loop(new_client, site.node, patience=10)) for site in SITES}
        began = time.monotonic()
        with cluster.api.away():
            wait_until(lambda: time.monotonic() - began > AWAY and tried(before), 3 * AWAY, "tries that failed", 0.5)
            end = time.time()
        for name in right:
            cluster.admin.patch(f"{SERVICES}/{name}", {"metadata": {"labels": {"type": "edited"}}})
        took = everything.await_registered(right)
    figures.add("the control plane is away for a minute", "Services right again, s", took)
    for node, each in answers.items():
        figures.add_requests(f"the control plane is away for a minute: {node}", each)
    assert took < INTERVAL + BUDGET
    assert {site.node: everything.restarts(site.node) for site in SITES} == pods
    return {node: [answer for answer in each if answer.time < end] for node, each in answers.items()}


def tried(before: dict[str, int]) -> bool:
    """Has the registrar of each node used up its budget once more than before, without success?"""
    return all(failed_tries(site) > before[site.node] for site in SITES)


def failed_tries(site: Site) -> int:
    """How often registrars on the node have used up their budget without success, by their logs."""
    logs = (site.folder / "log" / "pods").glob("project-nodeproxy_nodeproxy-agent-*/registrar/*.log")
    return sum(log.read_text().count("next try within") for log in logs)


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.city)
def test_traffic_goes_on_while_the_control_plane_is_away(outage: dict[str, list[Answer]], site: Site) -> None:
    assert failures(outage[site.node]) == []
    assert {each.text for each in outage[site.node]} == {site.city}
