"""`--interval`: a janitor that keeps running, reports its health, and ends when it is asked to."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from registrar import contract
from tests.harness import objects
from tests.harness.background import PROMPT, Background
from tests.harness.cluster import NODES, SERVICES, Cluster
from tests.harness.gateway import Gateway
from tests.harness.processes import wait_until
from tests.harness.rules import Reply

OFTEN = ("--interval", "1s")
SUCCESS = {"mode": "delete", "outcome": "success"}
FAILURE = {"mode": "delete", "outcome": "failure"}


@pytest.fixture
def cluster(cluster: Cluster) -> Cluster:
    """Two live nodes with their Services."""
    populate(cluster, live=["live", "other"])
    return cluster


def populate(cluster: Cluster, live: list[str] = [], gone: list[str] = []) -> None:  # noqa: B006 - not changed
    cluster.admin.create_many(NODES, map(objects.node, live))
    cluster.admin.create_many(SERVICES, map(objects.service, [*live, *gone]))


def test_the_janitor_runs_repeatedly_and_each_run_has_its_own_timeout(cluster: Cluster) -> None:
    with Background(cluster, *OFTEN) as janitor:  # each run has a timeout of 2 s
        janitor.await_value(3, "runs_total", **SUCCESS)
        populate(cluster, gone=["gone"])
        janitor.await_value(1, "deletions_total", result="deleted")
        assert janitor.value("runs_total", **FAILURE) == 0
        assert (janitor.get("/livez").status_code, janitor.get("/readyz").status_code) == (200, 200)
        run, took = janitor.end()

    assert run.code == 0
    assert took < PROMPT
    assert set(cluster.services()) == {contract.service_name(node) for node in ("live", "other")}
    assert f"{contract.service_name('live')}" not in run.out  # kept Services are not listed again in each run


def test_the_janitor_survives_an_outage_and_stays_live(cluster: Cluster, gateway: Gateway) -> None:
    outage = gateway.rule("GET", "/services$", times=None, reply=Reply(503))
    with Background(cluster, *OFTEN, server=gateway.url) as janitor:
        janitor.await_value(3, "runs_total", **FAILURE)  # more than three intervals
        assert (janitor.get("/livez").status_code, janitor.get("/readyz").status_code) == (200, 503)
        outage.times = outage.fired
        janitor.await_value(1, "runs_total", **SUCCESS)
        assert (janitor.get("/livez").status_code, janitor.get("/readyz").status_code) == (200, 200)


@dataclass(frozen=True)
class HangingPlugin:
    """A credentials plugin that gives a token once, and then never answers; `pids` is a file of its process IDs."""

    kubeconfig: Path
    pids: Path


@pytest.fixture
def hanging(cluster: Cluster, gateway: Gateway, tmp_path: Path) -> HangingPlugin:
    config = json.loads(Path(cluster.janitor_env(gateway.url)["KUBECONFIG"]).read_text())
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    token, pids = tmp_path / "token", tmp_path / "pids"
    token.write_text(json.dumps({**credential, "status": {"token": config["users"][0]["user"]["token"]}}))
    script = f"cat {token}; rm {token} 2>/dev/null || {{ echo $$ >> {pids}; exec sleep 60; }}"
    plugin = {"command": "sh", "args": ["-c", script], "interactiveMode": "Never"}
    config["users"][0]["user"] = {"exec": {"apiVersion": credential["apiVersion"], **plugin}}
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    return HangingPlugin(path, pids)


def test_a_plugin_that_hangs_ends_with_its_run_and_the_janitor_stays_live(
    cluster: Cluster, gateway: Gateway, hanging: HangingPlugin
) -> None:
    gateway.rule("GET", "/services$", nth=2, times=None, reply=Reply(401, b'{"kind": "Status"}'))
    with Background(cluster, *OFTEN, KUBECONFIG=str(hanging.kubeconfig)) as janitor:
        janitor.await_value(3, "runs_total", **FAILURE)  # more than three intervals
        assert janitor.get("/livez").status_code == 200
        _, took = janitor.end()

    assert took < PROMPT
    pids = hanging.pids.read_text().split()
    assert len(pids) >= 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_sigterm_ends_the_janitor_promptly_while_the_server_hangs(cluster: Cluster, gateway: Gateway) -> None:
    hang = gateway.rule("GET", "/nodes$", times=None, hang=True)
    with Background(cluster, "--interval", "10m", server=gateway.url) as janitor:
        wait_until(lambda: hang.fired, 10, "a run")
        run, took = janitor.end()

    assert took < PROMPT
    assert run.code == 0


@pytest.mark.parametrize("flags", [("--interval", "10m"), ("--linger", "1h")])
def test_after_sigterm_a_rechecked_service_is_still_deleted(
    cluster: Cluster, gateway: Gateway, flags: tuple[str, ...]
) -> None:
    gone = [f"gone-{number}" for number in range(10)]
    populate(cluster, gone=gone)
    janitor = Background(cluster, *flags, "--max-delete", "100%", "--delete-parallel", "1", server=gateway.url)
    gateway.rule("GET", "/nodes/gone-", nth=3, after=janitor.terminate_and_wait)
    with janitor:
        run, took = janitor.ended()

    asked = [(each.method, each.path.rpartition("/")[2]) for each in gateway.requests if "gone-" in each.path]
    assert [method for method, _ in asked] == ["GET", "DELETE"] * 3
    assert len(cluster.services()) == 2 + 7
    assert took < PROMPT
    assert run.code == (0 if "--interval" in flags else 128 + signal.SIGTERM)
    assert run.out.count(" deleted ") == 3  # the report lists the deletions that were made


def test_after_sigterm_started_deletions_end_and_no_other_starts(cluster: Cluster, gateway: Gateway) -> None:
    populate(cluster, gone=[f"gone-{number}" for number in range(20)])
    janitor = Background(cluster, "--interval", "10m", "--max-delete", "100%", server=gateway.url)
    gateway.rule("DELETE", "/services/", nth=6, times=None, before=janitor.terminate_and_wait)
    with janitor:
        run, _ = janitor.ended()

    assert "cannot" not in run.err  # deletions that did not start have not failed
    asked = [(each.method, each.path.rpartition("gone-")[2]) for each in gateway.requests if "gone-" in each.path]
    rechecked, deleted = ({name for method, name in asked if method == wanted} for wanted in ("GET", "DELETE"))
    assert rechecked == deleted
    assert len(deleted) < 20


def test_two_janitors_at_the_same_time_delete_each_service_once(cluster: Cluster) -> None:
    live = [f"live-{number}" for number in range(10)]
    gone = [f"gone-{number}" for number in range(10)]
    populate(cluster, live=[*live, *gone])
    kept = {name: each for name, each in cluster.services().items() if "gone-" not in name}
    flags = ("--interval", "3s")  # a run then has 6 seconds, of which a busy machine may need more than 2
    with Background(cluster, *flags) as one, Background(cluster, *flags) as two:
        for janitor in (one, two):
            janitor.await_value(1, "runs_total", **SUCCESS)
        with ThreadPoolExecutor() as pool:
            [*pool.map(cluster.delete_node, gone)]
        wait_until(lambda: cluster.services().keys() == kept.keys(), 20, "a clean cluster")
        for janitor in (one, two):
            janitor.await_value((janitor.value("runs_total", **SUCCESS) or 0) + 2, "runs_total", **SUCCESS)
        counts = {
            result: sum(janitor.value("deletions_total", result=result) or 0 for janitor in (one, two))
            for result in ("deleted", "failed")
        }
        ends = [janitor.end()[0].code for janitor in (one, two)]

    assert cluster.services() == kept
    assert counts == {"deleted": 10, "failed": 0}
    assert ends == [0, 0]
