"""Kubernetes Events, with the rights that janitor.events adds and without."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from registrar import contract
from tests.harness import chart, objects
from tests.harness.apiserver import ApiServer
from tests.harness.cluster import JANITOR, NAMESPACE, RBAC_KINDS, ROOT, SERVICES, Cluster
from tests.harness.gateway import Gateway
from tests.harness.processes import bare_environment

EVENTS = f"/api/v1/namespaces/{NAMESPACE}/events"
GONE = contract.service_name("gone")


@pytest.fixture
def cluster(cluster: Cluster) -> Cluster:
    """Two nodes with their Services, of which one node is gone; no Events yet."""
    cluster.admin.delete(EVENTS)
    cluster.node("live")
    cluster.admin.create_many(SERVICES, [objects.service("live"), objects.service("gone")])
    return cluster


@pytest.fixture
def rights(cluster: Cluster, api: ApiServer) -> Iterator[None]:
    """Grants the rights that janitor.events adds."""
    rendered = chart.render({"janitor": {"events": True}})
    assert chart.environment(chart.template(rendered, "CronJob"), "janitor")["JANITOR_EVENTS"] == "true"
    rbac = [each for each in rendered if each["kind"] in RBAC_KINDS]
    api.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(rbac))
    cluster.await_right(JANITOR, "create", "events", allowed=True)
    yield
    cluster.apply_rbac()
    cluster.await_right(JANITOR, "create", "events", allowed=False)


def recorded(api: ApiServer) -> list[Any]:
    """The janitor's Events, as `kubectl get events` lists them. The API server records some of its own."""
    answer = json.loads(api.kubectl("-n", NAMESPACE, "get", "events", "-o", "json").stdout)
    return [each for each in answer["items"] if each["source"].get("component") == "nodeproxy-janitor"]


@pytest.mark.usefixtures("rights")
def test_a_deletion_is_an_event_of_its_service(cluster: Cluster, api: ApiServer) -> None:
    uid = cluster.service(GONE)["metadata"]["uid"]
    run = cluster.janitor("--events")

    assert run.code == 0, run.err
    assert "WARNING" not in run.err
    [event] = recorded(api)
    assert (event["type"], event["reason"], event["message"]) == ("Normal", "NodeGone", "Deleted: its node is gone")
    assert event["involvedObject"]["uid"] == uid
    said = api.kubectl("-n", NAMESPACE, "get", "events").stdout
    assert f"service/{GONE}" in said
    assert "<unknown>" not in said


@pytest.mark.usefixtures("rights")
def test_a_deletion_is_an_event_if_standard_output_is_closed(cluster: Cluster, api: ApiServer) -> None:
    command = ["sh", "-c", 'exec "$0" -m janitor --events >&-', sys.executable]
    env = {**bare_environment(), **cluster.janitor_env()}
    run = subprocess.run(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True, check=False, timeout=150)

    assert run.returncode == 1
    assert "cannot write the result: standard output is closed" in run.stderr
    assert [event["reason"] for event in recorded(api)] == ["NodeGone"]


@pytest.mark.usefixtures("rights")
def test_a_refused_run_is_one_event_of_the_namespace(cluster: Cluster, api: ApiServer) -> None:
    run = cluster.janitor("--events", "--max-delete", "0")

    assert run.code == 3
    [event] = recorded(api)
    assert (event["type"], event["reason"]) == ("Warning", "DeletionRefused")
    assert event["message"] == f"Nothing deleted: {run.json['refused']}"
    assert f"namespace/{NAMESPACE}" in api.kubectl("-n", NAMESPACE, "get", "events").stdout


@pytest.mark.usefixtures("rights")
def test_a_dry_run_and_a_run_without_the_flag_record_no_event(cluster: Cluster, api: ApiServer) -> None:
    assert cluster.janitor("--events", "--dry-run").code == 0
    assert cluster.janitor("--events", "--dry-run", "--max-delete", "0").code == 3
    assert cluster.janitor().code == 0

    assert recorded(api) == []


@pytest.mark.usefixtures("rights")
def test_an_event_whose_answer_is_lost_is_recorded_once(cluster: Cluster, api: ApiServer, gateway: Gateway) -> None:
    gateway.rule("POST", "/events$", reset="after")
    run = cluster.janitor("--events", server=gateway.url)

    assert run.code == 0, run.err
    assert "not recorded" not in run.err
    assert len(recorded(api)) == 1


def test_a_missing_right_is_one_warning_and_does_not_change_the_exit_code(cluster: Cluster, api: ApiServer) -> None:
    cluster.admin.create_many(SERVICES, map(objects.service, ["gone-2", "gone-3"]))
    run = cluster.janitor("--events", "--max-delete", "3")

    assert (run.code, run.json["counts"]["result"]) == (0, {"deleted": 3})
    [warning] = [line for line in run.err.splitlines() if " WARNING " in line]
    assert "3 of 3 Events are not recorded: cannot create Event" in warning
    assert "403 Forbidden" in warning
    assert recorded(api) == []
