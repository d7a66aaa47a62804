"""Registrations that an overloaded API server refuses, by its own priority and fairness."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.bench.together import AGENT, prepare
from tests.harness.apiserver import ApiServer
from tests.harness.client import Object
from tests.harness.cluster import Cluster
from tests.harness.features import Feature
from tests.harness.processes import wait_until

pytestmark = pytest.mark.needs(Feature.FLOW_CONTROL)

LEVEL = "workload-low"  # the priority level of ServiceAccounts
WHERE = f"/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations/{LEVEL}"
NUMBER = 30


@pytest.fixture
def overloaded(api: ApiServer) -> Iterator[Callable[[], None]]:
    """An API server that serves few requests of ServiceAccounts at a time, and answers 429 to the others.

    The function ends that.
    """
    default, seats = api.admin.get(WHERE)["spec"]["limited"], _seats(api)
    refuse = {"type": "Reject", "queuing": None}

    def configure(limited: Object, by_server: str, expected: int) -> None:
        meta = {"annotations": {"apf.kubernetes.io/autoupdate-spec": by_server}}
        api.admin.patch(WHERE, {"metadata": meta, "spec": {"limited": limited}})
        wait_until(lambda: _seats(api) == expected, 30, f"{expected} seats for {LEVEL}")

    def restore() -> None:
        configure({"borrowingLimitPercent": None, **default}, "true", seats)

    try:
        none = {"nominalConcurrencyShares": 0, "borrowingLimitPercent": 0, "limitResponse": refuse}
        configure(none, "false", 0)
        yield restore
    finally:
        restore()


def _seats(api: ApiServer) -> int:
    line = rf'^apiserver_flowcontrol_nominal_limit_seats{{priority_level="{LEVEL}"}} (\d+)$'
    [seats] = re.findall(line, api.admin.text("/metrics"), re.MULTILINE)
    return int(seats)


def test_refused_registrations_succeed_later_and_send_nothing_but_retries(
    api: ApiServer, cluster: Cluster, overloaded: Callable[[], None]
) -> None:
    run, mark = prepare(cluster, NUMBER, NUMBER, api.url), api.audit_mark()

    def of_each(stage: str, code: int | None) -> Counter[str]:
        events = api.requests_since(mark, user_agent=AGENT, stage=stage)
        return Counter(event.user_agent for event in events if event.code == code)

    with ThreadPoolExecutor(1) as pool:
        registering = pool.submit(run)
        wait_until(lambda: of_each("ResponseComplete", 429), 60, "a refusal")
        overloaded()
        outcome = registering.result()

    assert outcome.failures == []
    assert len(cluster.services()) == NUMBER
    sent, refused = of_each("RequestReceived", None), of_each("ResponseComplete", 429)
    # A registrar whose write of the Service was refused reads the Service again first.
    assert all(3 + refused[agent] <= count <= 3 + 2 * refused[agent] for agent, count in sent.items())
    assert outcome.retries == refused.total()
