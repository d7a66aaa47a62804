"""An API server that has just started answers 403 until its RBAC caches are filled: both programs wait for it."""

import json
from collections.abc import Callable

import pytest

from tests.harness import objects
from tests.harness.cluster import SERVICES, Cluster, Run
from tests.harness.gateway import Gateway
from tests.harness.rules import Reply

REASON = 'is forbidden: User "system:serviceaccount:x" cannot do it'
FORBIDDEN = Reply(403, json.dumps({"kind": "Status", "reason": "Forbidden", "message": REASON}).encode())

Program = Callable[..., Run]


@pytest.fixture(params=["registrar", "janitor"])
def program(request: pytest.FixtureRequest, cluster: Cluster, gateway: Gateway) -> Program:
    """Runs one program through the gateway: the registrar of a new pod, or a janitor with a Service to delete."""
    cluster.node("live")
    if request.param == "janitor":
        cluster.admin.create(SERVICES, objects.service("gone"))
        return lambda *flags: cluster.janitor(*flags, server=gateway.url)
    pod = cluster.pod("live")
    return lambda *flags: cluster.registrar(pod, *flags, server=gateway.url)


@pytest.mark.parametrize(
    "outage", [{"reset": "before"}, {"reply": Reply(503)}], ids=["connection reset", "503 from a load balancer"]
)
def test_a_403_after_an_outage_is_retried(
    cluster: Cluster, gateway: Gateway, program: Program, outage: dict[str, object]
) -> None:
    gateway.rule(".*", "", **outage)
    gateway.rule(".*", "", nth=2, times=2, reply=FORBIDDEN)

    run = program()

    assert run.code == 0, run.err
    assert f"403 Forbidden: {REASON}" in run.err
    assert [*cluster.services()] in (["nodeproxy-access-live"], [])


@pytest.mark.parametrize("program", ["registrar"], indirect=True)
def test_a_403_that_stays_after_an_outage_is_reported(gateway: Gateway, program: Program) -> None:
    gateway.rule(".*", "", reset="before")
    gateway.rule(".*", "", nth=2, times=None, reply=FORBIDDEN)

    run = program("--timeout", "10s")

    assert run.code == 1
    assert f"403 Forbidden: {REASON}" in run.last_line
    assert "attempts within the timeout of 10s" in run.last_line
    assert "grant this verb" in run.last_line


def test_a_403_of_a_healthy_server_is_not_retried(gateway: Gateway, program: Program) -> None:
    gateway.rule(".*", "", reply=FORBIDDEN)

    run = program()

    assert run.code == 1
    assert f"403 Forbidden: {REASON}" in run.last_line
    assert len(gateway.requests) == 1
