"""registrar.resync: the registrar keeps running and restores its node's Service."""

import os
import signal

from registrar import contract
from tests.e2e import containers
from tests.e2e.client import Client
from tests.e2e.cluster import Cluster
from tests.e2e.figures import Figures
from tests.e2e.layout import BEIJING, SHANGHAI
from tests.e2e.stack import TIMEOUT, Stack
from tests.e2e.traffic import loop, tunnel
from tests.harness.cluster import SERVICES
from tests.harness.processes import wait_until

INTERVAL = 5.0  # seconds, as tests/e2e/values sets it
SLACK = 5.0  # seconds that the requests may take on a busy machine

DELETED, EDITED = (contract.service_name(site.node) for site in (BEIJING, SHANGHAI))


def test_a_service_deleted_or_edited_by_hand_is_restored_within_an_interval(
    cluster: Cluster, everything: Stack, clients: dict[str, Client], figures: Figures
) -> None:
    right = everything.registered()
    cluster.admin.delete(f"{SERVICES}/{DELETED}")
    hijacked = {"selector": {contract.NODE_LABEL: BEIJING.node}, "ports": [{"name": "x", "port": 9999}]}
    cluster.admin.patch(f"{SERVICES}/{EDITED}", {"spec": hijacked, "metadata": {"labels": {"type": None}}})
    took = everything.await_registered(right)
    figures.add("sidecar: a Service deleted, another edited", "Services right again, s", took)
    assert took < INTERVAL + SLACK
    for site in (BEIJING, SHANGHAI):
        clients[BEIJING.node].first_answer(site.node, site.city)


def test_a_killed_registrar_is_restarted_and_the_proxy_keeps_working(
    cluster: Cluster, everything: Stack, clients: dict[str, Client], figures: Figures
) -> None:
    right, name, client = everything.registered(), SHANGHAI.node, clients[BEIJING.node]
    pod = everything.agents()[name]
    with tunnel(client, name) as opened, loop(client, name) as answers:
        os.kill(containers.main_process(pod, "registrar"), signal.SIGKILL)
        cluster.admin.patch(f"{SERVICES}/{EDITED}", {"metadata": {"labels": {"type": "edited"}}})
        took = everything.await_registered(right)
        uid, restarts = pod["metadata"]["uid"], {"registrar": 1, "proxy": 0}
        wait_until(lambda: everything.restarts(name) == (uid, restarts), TIMEOUT, "the restart of the registrar")
        wait_until(lambda: everything.endpoints(name), TIMEOUT, "a ready endpoint")
        assert opened.is_open()
    assert {each.text for each in answers} - {""} == {SHANGHAI.city}
    figures.add_loop("sidecar: the registrar is killed", answers)
    figures.add("sidecar: the registrar is killed", "Services right again, s", took)
    assert took < INTERVAL + SLACK
