"""`--resync`: the registrar keeps running and restores its Service, if deleted or edited, within an interval."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.harness.apiserver import ApiServer
from tests.harness.client import Object
from tests.harness.cluster import PODS, ROOT, SERVICES, Cluster
from tests.harness.endless import ANSWERS
from tests.harness.gateway import Gateway
from tests.harness.processes import bare_environment, free_ports, wait_until
from tests.harness.rules import Reply

WHERE = f"{SERVICES}/nodeproxy-access-node-a"
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def pod(cluster: Cluster) -> Object:
    """An agent pod on node-a that has not registered."""
    return cluster.pod("node-a")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The registrar's log file."""
    return tmp_path / "log"


@pytest.fixture
def start(cluster: Cluster, pod: Object, log: Path) -> Iterator[Start]:
    """Starts the registrar of `pod` with `--resync 1s`; it is killed when the test ends."""
    with ExitStack() as stack:

        def run(*flags: str, server: str | None = None) -> subprocess.Popen[bytes]:
            env = {**bare_environment(), **cluster.registrar_env(pod, server=server)}
            command = [sys.executable, "-m", "registrar", "--resync", "1s", *flags]
            out = stack.enter_context(log.open("wb"))
            program = stack.enter_context(subprocess.Popen(command, cwd=ROOT, env=env, stderr=out))
            stack.callback(program.kill)
            stack.callback(program.wait, 30)  # a killed process writes no coverage
            stack.callback(program.terminate)
            return program

        yield run


@pytest.fixture
def staying(cluster: Cluster, start: Start, log: Path) -> subprocess.Popen[bytes]:
    """A registrar that has registered and keeps running."""
    program = start()
    wait_until(lambda: "leads to node node-a" in log.read_text(), 20, "the first registration")
    return program


EDITS = {
    "a port added": {"spec": {"ports": [{"name": "http-proxy", "port": 8888}, {"name": "extra", "port": 9999}]}},
    "a selector key changed": {"spec": {"selector": {"app": "other"}}},
    "a label removed": {"metadata": {"labels": {"managed-by": None}}},
}


@pytest.mark.parametrize("change", EDITS.values(), ids=EDITS.keys())
def test_an_edited_service_is_restored(
    cluster: Cluster, staying: subprocess.Popen[bytes], log: Path, change: Any
) -> None:
    before = cluster.service_of("node-a")
    cluster.admin.patch(WHERE, change, fieldManager="kubectl-edit")

    def right() -> bool:
        now = cluster.service_of("node-a")
        return bool(now["spec"] == before["spec"] and now["metadata"]["labels"] == before["metadata"]["labels"])

    wait_until(right, 10, "the Service as it was")
    wait_until(lambda: "was changed or deleted" in log.read_text(), 10, "a log line about it")
    assert staying.poll() is None


def test_a_deleted_service_is_restored(cluster: Cluster, staying: subprocess.Popen[bytes]) -> None:
    cluster.admin.delete(WHERE)

    wait_until(lambda: cluster.exists(WHERE), 10, "the Service")
    assert staying.poll() is None


def test_an_interval_without_changes_is_three_requests_and_no_write(
    cluster: Cluster, api: ApiServer, staying: subprocess.Popen[bytes]
) -> None:
    before = cluster.service_of("node-a")
    mark = api.audit_mark()

    def asked() -> list[str]:
        return [each.verb for each in api.requests_since(mark, user_agent="nodeproxy-registrar")]

    wait_until(lambda: len(asked()) >= 6, 10, "two more registrations")
    assert asked()[:6] in (["patch", "get", "patch"] * 2, ["get", "patch", "patch"] * 2, ["patch", "patch", "get"] * 2)
    assert cluster.service_of("node-a") == before


def test_the_registrar_logs_an_outage_and_survives_it(
    cluster: Cluster, gateway: Gateway, start: Start, log: Path
) -> None:
    program = start("--timeout", "8s", server=gateway.url)
    wait_until(lambda: "leads to node node-a" in log.read_text(), 20, "the first registration")
    down = gateway.rule("PATCH", "pods", reply=Reply(503), times=None)
    cluster.admin.delete(WHERE)
    wait_until(lambda: log.read_text().count("next try within 1s") >= 2, 60, "two failed intervals")
    down.times = down.fired

    wait_until(lambda: cluster.exists(WHERE), 10, "the Service")
    assert program.poll() is None


def test_an_outage_is_no_hang(gateway: Gateway, start: Start, log: Path) -> None:
    """A try lasts as long as the timeout, which is more than three intervals here."""
    [port] = free_ports(1)
    start("--timeout", "6s", "--health-port", str(port), server=gateway.url)
    wait_until(lambda: "leads to node node-a" in log.read_text(), 20, "the first registration")
    gateway.rule("PATCH", "pods", hang=True, times=None)
    pages: set[str] = set()

    def failed() -> bool:
        pages.add(requests.get(f"http://127.0.0.1:{port}/livez", timeout=5).text)
        return log.read_text().count("next try within 1s") >= 2

    wait_until(failed, 60, "two failed intervals")
    assert pages == {"ok\n"}


@pytest.mark.parametrize("answer", ["one header", "100 Continue", "body", "trailers"])
def test_an_answer_without_an_end_holds_no_registration_beyond_its_timeout(
    cluster: Cluster, gateway: Gateway, start: Start, log: Path, answer: str
) -> None:
    program = start("--timeout", "8s", server=gateway.url)
    wait_until(lambda: "leads to node node-a" in log.read_text(), 60, "the first registration")
    threads = Path(f"/proc/{program.pid}/task")
    before = len([*threads.iterdir()])
    endless = gateway.rule("PATCH", "pods", endless=ANSWERS[answer])
    cluster.admin.delete(WHERE)

    wait_until(lambda: cluster.exists(WHERE), 30, "the Service")
    assert endless.fired == 1
    [said] = [line for line in log.read_text().splitlines() if "next try within 1s" in line]
    assert "cannot patch Pod" in said
    assert "within the timeout of 8s" in said
    wait_until(lambda: len([*threads.iterdir()]) <= before, 10, "the end of all threads")
    assert program.poll() is None


def test_a_failed_first_registration_ends_the_registrar(gateway: Gateway, start: Start) -> None:
    gateway.rule("PATCH", "pods", reply=Reply(403, b'{"kind": "Status", "reason": "Forbidden"}'))

    assert start(server=gateway.url).wait(20) == 1


@pytest.mark.parametrize("replaced", [False, True])
def test_the_registrar_ends_if_its_pod_is_gone_or_replaced(
    cluster: Cluster, api: ApiServer, pod: Object, log: Path, replaced: bool
) -> None:
    env = cluster.registrar_env(pod) | {**bare_environment(), "KUBECONFIG": str(api.admin_kubeconfig)}
    command = [
        sys.executable,
        "-m",
        "registrar",
        "--resync",
        "1s",
    ]  # as admin: a bound token is invalid without its pod
    with log.open("wb") as out, subprocess.Popen(command, cwd=ROOT, env=env, stderr=out) as program:
        try:
            wait_until(lambda: "leads to node node-a" in log.read_text(), 20, "the first registration")
            cluster.delete_pod(pod)
            if replaced:
                cluster.pod("node-b", pod["metadata"]["name"])
            assert program.wait(20) == 1
        finally:
            program.kill()
    assert "cannot patch Pod" in log.read_text()
    assert "next try" not in log.read_text().splitlines()[-1]
    assert (
        not replaced
        or "target-node" not in cluster.admin.get(f"{PODS}/{pod['metadata']['name']}")["metadata"]["labels"]
    )


@pytest.mark.parametrize(("code", "reason"), [(409, "Conflict"), (422, "Invalid")])
def test_a_refusal_that_has_uid_in_a_word_is_survived(
    gateway: Gateway, start: Start, log: Path, code: int, reason: str
) -> None:
    program = start("--timeout", "4s", server=gateway.url)
    wait_until(lambda: "leads to node node-a" in log.read_text(), 20, "the first registration")
    status = {"kind": "Status", "reason": reason, "message": "it violates the security guidelines"}
    gateway.rule("PATCH", "pods", reply=Reply(code, json.dumps(status).encode()), times=None)

    wait_until(lambda: "guidelines" in log.read_text() and "next try within 1s" in log.read_text(), 20, "a failed try")
    assert program.poll() is None


def test_sigterm_ends_the_registrar_within_a_second(staying: subprocess.Popen[bytes], log: Path) -> None:
    staying.terminate()

    assert staying.wait(1) == 0
    assert log.read_text().splitlines()[-1].endswith("received a signal, stopping")


def test_sigterm_after_a_failed_repetition_is_exit_0(gateway: Gateway, start: Start, log: Path) -> None:
    """The Service is registered, so a failed repetition does not make the end a failure."""
    program = start(server=gateway.url)
    wait_until(lambda: "leads to node node-a" in log.read_text(), 60, "the first registration")
    gateway.rule("PATCH", "pods", reply=Reply(403, b'{"kind": "Status", "reason": "Forbidden"}'), times=None)
    wait_until(lambda: "next try within 1s" in log.read_text(), 60, "a failed interval")
    program.terminate()

    assert program.wait(10) == 0
    assert "ERROR cannot continue" not in log.read_text()


def test_the_readiness_probe_succeeds_after_the_first_registration(
    cluster: Cluster, gateway: Gateway, start: Start
) -> None:
    [port] = free_ports(1)
    hold = gateway.rule("PATCH", "pods", reply=Reply(503), times=None)
    start("--health-port", str(port), server=gateway.url)

    def status(page: str) -> int:
        try:
            return requests.get(f"http://127.0.0.1:{port}{page}", timeout=5).status_code
        except requests.ConnectionError:
            return 0

    wait_until(lambda: hold.fired and status("/readyz") == 503, 20, "a probe before the first registration")
    hold.times = hold.fired
    wait_until(lambda: status("/readyz") == 200, 20, "a probe after it")
    assert status("/livez") == 200
    assert status("/elsewhere") == 404
