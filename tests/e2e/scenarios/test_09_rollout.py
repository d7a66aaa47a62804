"""A rollout with surge and a sidecar: the old pod works on until the new one is ready."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from tests.e2e.client import Client
from tests.e2e.cluster import Cluster
from tests.e2e.figures import Figures
from tests.e2e.layout import SHANGHAI
from tests.e2e.observed import SITES
from tests.e2e.stack import TIMEOUT, Stack
from tests.e2e.traffic import Answer, failures, loop, tunnel
from tests.harness.client import ApiClient, Object
from tests.harness.cluster import PODS

DRAIN, GRACE = 6.0, 20.0  # seconds, as tests/e2e/values sets the first; the chart makes 21 of the second
REQUESTS = 1000
PAUSE = 1.0  # seconds by which observations may be late on a busy machine


@dataclass
class Ending:
    """When an old pod was asked to end, when it was gone, and the exit codes of its containers."""

    asked: float
    gone: float = 0.0
    codes: dict[str, int] = field(default_factory=dict)


@dataclass
class Rollout:
    """What was observed of one rollout, by node."""

    answers: dict[str, list[Answer]]
    tunnel: list[Answer]
    endings: dict[str, Ending]


@pytest.fixture(scope="module")
def rollout(cluster: Cluster, everything: Stack, new_client: Client) -> Rollout:
    """All agent pods are replaced, under traffic through both nodes and with a tunnel through one."""
    everything.await_network(new_client, SHANGHAI)
    old = {pod["metadata"]["uid"]: node for node, pod in everything.agents().items()}
    with ExitStack() as stack:
        opened = stack.enter_context(tunnel(new_client, SHANGHAI.node))
        answers = {site.node: stack.enter_context(loop(new_client, site.node, rate=100, patience=10)) for site in SITES}
        watching = stack.enter_context(ThreadPoolExecutor()).submit(follow, cluster.admin, old)
        everything.restart_agents()
        everything.await_rolled_out()
        endings, through_tunnel = watching.result(), opened.answers()
    return Rollout(answers, through_tunnel, endings)


def follow(admin: ApiClient, old: dict[str, str]) -> dict[str, Ending]:
    """Watch the old pods, given as node by uid, until all are gone."""
    endings: dict[str, Ending] = {}
    for event in admin.watch(PODS, round(TIMEOUT)):
        pod = event["object"]
        node = old.get(pod["metadata"]["uid"])
        if node and "deletionTimestamp" in pod["metadata"]:
            ending = endings.setdefault(node, Ending(time.time()))
            ending.codes.update(exit_codes(pod))
            if event["type"] == "DELETED":
                ending.gone = time.time()
            if len(endings) == len(old) and all(each.gone for each in endings.values()):
                return endings
    raise TimeoutError(f"not all old pods are gone: {endings}")


def exit_codes(pod: Object) -> dict[str, int]:
    statuses = [*pod["status"].get("initContainerStatuses", ()), *pod["status"].get("containerStatuses", ())]
    ended = {each["name"]: each["state"].get("terminated") for each in statuses}
    return {name: state["exitCode"] for name, state in ended.items() if state}


def test_no_request_fails_during_a_rollout_with_surge(rollout: Rollout, figures: Figures) -> None:
    for node, answers in rollout.answers.items():
        figures.add_requests(f"roll-out with surge and sidecar: {node}", answers)
    for site in SITES:
        assert failures(rollout.answers[site.node]) == []
        assert {each.text for each in rollout.answers[site.node]} == {site.city}
    assert sum(map(len, rollout.answers.values())) >= REQUESTS


def test_an_open_tunnel_lives_for_the_drain_time(rollout: Rollout, figures: Figures) -> None:
    lived = rollout.tunnel[-1].time - rollout.endings[SHANGHAI.node].asked
    figures.add("roll-out with surge and sidecar", "an open tunnel outlives the request to end, s", lived)
    assert {each.text for each in rollout.tunnel} == {SHANGHAI.city}
    assert lived > DRAIN - PAUSE


def test_an_old_pod_ends_by_sigterm_within_its_grace_period(rollout: Rollout) -> None:
    for node, ending in rollout.endings.items():
        assert ending.codes == {"registrar": 0, "proxy": 0}, node
        assert DRAIN - PAUSE < ending.gone - ending.asked < GRACE, node
