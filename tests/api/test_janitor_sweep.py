"""Deletions: the janitor reads the Node again and then deletes only the very Service that it has judged."""

import json
import signal
import subprocess
import sys
from functools import partial
from threading import Barrier, Semaphore

import pytest

from registrar import contract
from tests.harness import objects
from tests.harness.cluster import NODES, ROOT, SERVICES, Cluster
from tests.harness.gateway import Gateway
from tests.harness.processes import bare_environment
from tests.harness.rules import Reply

GONE = contract.service_name("gone")
GONE_PATH = f"/services/{GONE}$"
NOT_OURS = b"<html><body><h1>404 Not Found</h1><hr>nginx</body></html>"


@pytest.fixture
def cluster(cluster: Cluster) -> Cluster:
    """One node that exists and one that is gone, each with its Service."""
    populate(cluster, live=["live"], gone=["gone"])
    return cluster


def populate(cluster: Cluster, live: list[str], gone: list[str]) -> None:
    cluster.admin.create_many(NODES, map(objects.node, live))
    cluster.admin.create_many(SERVICES, map(objects.service, [*live, *gone]))


def replace_service(cluster: Cluster) -> None:
    cluster.admin.delete(f"{SERVICES}/{GONE}")
    cluster.admin.create(SERVICES, objects.service("gone"))


# ---- the node comes back


def test_a_node_that_returns_before_the_recheck_keeps_its_service(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("GET", "/nodes/gone$", before=partial(cluster.node, "gone"))
    run = cluster.janitor(server=gateway.url)
    assert run.code == 0, run.err
    assert run.verdicts[GONE] == ("delete", "changed")
    assert f"Service project-nodeproxy/{GONE}: changed (its node is back)" in run.err
    assert cluster.service(GONE)
    assert not [request for request in gateway.requests if request.method == "DELETE"]


def test_a_node_that_returns_while_a_deletion_is_retried_keeps_its_service(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("DELETE", GONE_PATH, before=partial(cluster.node, "gone"), reply=Reply(503))
    run = cluster.janitor(server=gateway.url)
    assert (run.code, run.verdicts[GONE]) == (0, ("delete", "changed"))
    assert cluster.service(GONE)


# ---- a 404 that does not mean that the node is gone


def not_found(name: str, kind: str = "nodes", reason: str = "NotFound") -> bytes:
    details = {"name": name, "kind": kind} if name else {}
    return json.dumps({"kind": "Status", "reason": reason, "details": details}).encode()


def test_only_the_api_servers_own_404_for_the_node_leads_to_a_deletion(cluster: Cluster, gateway: Gateway) -> None:
    replies = {
        "html": Reply(404, NOT_OURS, {"Content-Type": "text/html"}),
        "json": Reply(404, b'{"error": "no route"}', {"Content-Type": "application/json"}),
        "path": Reply(404, not_found("")),  # for the path, not for an object
        "another-node": Reply(404, not_found("gone")),
        "another-reason": Reply(404, not_found("another-reason", reason="Unknown")),
        "another-status": Reply(410, not_found("another-status")),
        "another-kind": Reply(404, not_found("another-kind", kind="namespaces")),
    }
    cluster.admin.delete(f"{SERVICES}/{GONE}")
    populate(cluster, live=[], gone=list(replies))
    before = cluster.services()
    for node, reply in replies.items():
        gateway.rule("GET", f"/nodes/{node}$", times=None, reply=reply)
    run = cluster.janitor("--max-delete", "100%", server=gateway.url)
    assert run.code == 1
    assert run.json["counts"]["result"] == {"failed": len(replies)}
    assert all(f"cannot read Node {node}: " in run.err for node in replies)
    assert cluster.services() == before


# ---- the Service has changed since it was judged


def test_a_service_registered_again_before_its_deletion_is_kept(cluster: Cluster, gateway: Gateway) -> None:
    """A new pod of the node registers: the Node was missing only for a moment."""
    gateway.rule("DELETE", GONE_PATH, before=lambda: cluster.register_again("gone"))
    run = cluster.janitor(server=gateway.url)
    assert run.code == 0, run.err
    assert run.verdicts[GONE] == ("delete", "changed")
    assert "changed (it changed since it was judged)" in run.err
    assert cluster.service(GONE)["metadata"]["annotations"][contract.REGISTERED_BY_ANNOTATION] != objects.FIRST_POD


def test_a_service_recreated_before_its_deletion_is_kept(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("DELETE", GONE_PATH, before=partial(replace_service, cluster))
    run = cluster.janitor(server=gateway.url)
    assert (run.code, run.verdicts[GONE]) == (0, ("delete", "changed"))
    assert cluster.service(GONE)


def test_a_deletion_has_uid_and_resource_version_of_the_judged_service_as_preconditions(
    cluster: Cluster, gateway: Gateway
) -> None:
    judged = cluster.service(GONE)["metadata"]
    gateway.rule("DELETE", GONE_PATH, times=None)
    assert cluster.janitor(server=gateway.url).code == 0
    (sent,) = [request for request in gateway.requests if request.method == "DELETE"]
    pinned = f'"preconditions": {{"uid": "{judged["uid"]}", "resourceVersion": "{judged["resourceVersion"]}"}}'
    assert pinned in sent.body.decode()


def test_a_service_that_is_already_deleted_is_no_failure(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("DELETE", GONE_PATH, before=lambda: cluster.admin.delete(f"{SERVICES}/{GONE}"))
    run = cluster.janitor(server=gateway.url)
    assert (run.code, run.verdicts[GONE]) == (0, ("delete", "gone"))
    assert "gone (it was already deleted)" in run.err


def test_a_gateways_404_for_a_deletion_is_a_failure(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("DELETE", GONE_PATH, reply=Reply(404, NOT_OURS, {"Content-Type": "text/html"}))
    run = cluster.janitor(server=gateway.url)
    assert (run.code, run.verdicts[GONE]) == (1, ("delete", "failed"))
    assert cluster.service(GONE)


def test_a_service_held_by_a_finalizer_is_deleted_only_once(cluster: Cluster) -> None:
    cluster.admin.patch(f"{SERVICES}/{GONE}", {"metadata": {"finalizers": ["example.com/held"]}})
    assert cluster.janitor().verdicts[GONE] == ("delete", "deleted")
    begun = cluster.service(GONE)["metadata"]["deletionTimestamp"]
    assert cluster.janitor().verdicts[GONE] == ("wait", None)  # stamped
    held = cluster.service(GONE)
    assert held["metadata"]["deletionTimestamp"] == begun
    run = cluster.janitor()
    assert (run.code, run.verdicts[GONE]) == (0, ("wait", None))
    assert cluster.service(GONE) == held


# ---- answers that are lost or fail


def test_a_deletion_whose_answer_is_lost_is_no_failure(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("DELETE", GONE_PATH, reset="after")
    run = cluster.janitor(server=gateway.url)
    assert run.code == 0, run.err
    assert run.verdicts[GONE] == ("delete", "gone")
    assert list(cluster.services()) == [contract.service_name("live")]


def test_a_deletion_whose_answer_is_lost_does_not_delete_a_recreated_service(
    cluster: Cluster, gateway: Gateway
) -> None:
    anew = partial(cluster.admin.create, SERVICES, objects.service("gone"))
    gateway.rule("DELETE", GONE_PATH, after=anew, reset="after")
    run = cluster.janitor(server=gateway.url)
    assert (run.code, run.verdicts[GONE]) == (0, ("delete", "changed"))
    assert cluster.service(GONE)


PASSING = [
    Reply(429, headers={"Retry-After": "1"}),
    Reply(500, b'{"kind": "Status", "message": "etcdserver: leader changed"}'),
    Reply(502, b"<html>bad gateway</html>", {"Content-Type": "text/html"}),
    Reply(503),
    Reply(504),
    Reply(200, b"<html>please log in</html>", {"Content-Type": "text/html"}),
]


@pytest.mark.parametrize("shift", [0, 3])
def test_every_request_that_fails_once_is_retried(cluster: Cluster, gateway: Gateway, shift: int) -> None:
    """The first attempt at each kind of request fails. The result is the same as without failures."""
    overdue = f"2020-01-01T00:00:00Z/{objects.FIRST_POD}"
    cluster.admin.create(SERVICES, objects.service("overdue", missing_since=overdue))
    kinds = (
        ("GET", "/services$"),
        ("GET", "/nodes$"),
        ("GET", "/pods$"),
        ("GET", "/nodes/overdue$"),
        ("DELETE", "/services/"),
        ("PATCH", GONE_PATH),
    )
    for (method, where), reply in zip(kinds, PASSING[shift:] + PASSING[:shift], strict=True):
        gateway.rule(method, where, reply=reply)
    run = cluster.janitor("--grace-period", "1h", server=gateway.url)
    assert run.code == 0, run.err
    assert run.verdicts == {
        contract.service_name("overdue"): ("delete", "deleted"),
        contract.service_name("live"): ("keep", None),
        GONE: ("wait", None),
    }
    assert sorted(cluster.services()) == sorted([GONE, contract.service_name("live")])
    assert contract.NODE_MISSING_SINCE_ANNOTATION in cluster.service(GONE)["metadata"]["annotations"]


def test_a_retry_after_beyond_the_timeout_ends_the_run_at_once(cluster: Cluster, gateway: Gateway) -> None:
    before = cluster.services()
    until_tomorrow = Reply(503, headers={"Retry-After": "86400"})
    gateway.rule("GET", "/nodes/gone$", times=None, reply=until_tomorrow)
    run = cluster.janitor("--timeout", "60s", server=gateway.url)
    assert run.code == 1
    assert run.verdicts[GONE] == ("delete", "failed")
    assert f"cannot delete Service project-nodeproxy/{GONE}: 503 Service Unavailable" in run.last_line
    assert "(1 attempts within the timeout of 60s)" in run.last_line
    assert cluster.services() == before


# ---- many Services


def test_a_forbidden_deletion_does_not_stop_the_others(cluster: Cluster) -> None:
    populate(cluster, live=["live-2", "live-3"], gone=["first", "last"])
    gone = [contract.service_name(node) for node in ("first", "last")]
    cluster.change_role(
        "Role",
        "nodeproxy-janitor",
        [
            {"apiGroups": [""], "resources": ["services"], "verbs": ["list"]},
            {"apiGroups": [""], "resources": ["services"], "verbs": ["delete"], "resourceNames": gone},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        ],
    )
    try:
        cluster.await_right("nodeproxy-janitor", "delete", "services", allowed=False)
        run = cluster.janitor()
    finally:
        cluster.apply_rbac()
        cluster.await_right("nodeproxy-janitor", "delete", "services", allowed=True)
    assert run.code == 1
    assert {name: result for name, (verdict, result) in run.verdicts.items() if verdict == "delete"} == {
        gone[0]: "deleted",
        gone[1]: "deleted",
        GONE: "failed",
    }
    assert run.json["counts"]["result"] == {"deleted": 2, "failed": 1}
    assert set(cluster.services()) == {GONE, *(contract.service_name(f"live{tail}") for tail in ("", "-2", "-3"))}


@pytest.mark.parametrize("parallel", ["1", "64"])
def test_all_services_are_deleted_with_any_number_at_a_time(cluster: Cluster, parallel: str) -> None:
    populate(cluster, live=[], gone=[f"n{number}" for number in range(39)])
    run = cluster.janitor("--max-delete", "40", "--delete-parallel", parallel)
    assert (run.code, run.json["counts"]["result"]) == (0, {"deleted": 40})
    assert "WARNING" not in run.err  # the connection pool has room for all of them
    assert list(cluster.services()) == [contract.service_name("live")]


def test_delete_parallel_limits_simultaneous_deletions(cluster: Cluster, gateway: Gateway) -> None:
    populate(cluster, live=[], gone=[f"n{number}" for number in range(8)])
    meeting, seats = Barrier(3), Semaphore(3)

    def sit_down() -> None:
        assert seats.acquire(blocking=False), "a fourth at the same time"

    gateway.rule("GET", "/nodes/", times=None, before=sit_down)
    gateway.rule("GET", "/nodes/", times=3, before=partial(meeting.wait, 20))  # fails if fewer than three come
    gateway.rule("DELETE", "/services/", times=None, after=seats.release)
    run = cluster.janitor("--max-delete", "100%", "--delete-parallel", "3", server=gateway.url)
    assert (run.code, run.json["counts"]["result"]) == (0, {"deleted": 9})


def test_an_interrupted_janitor_starts_no_further_deletion(cluster: Cluster, gateway: Gateway) -> None:
    populate(cluster, live=[], gone=[f"n{number}" for number in range(39)])
    env = {**bare_environment(), **cluster.janitor_env(gateway.url)}
    command = [sys.executable, "-m", "janitor", "--max-delete", "100%", "--delete-parallel", "1"]
    with subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True) as program:
        gateway.rule("DELETE", "/services/", nth=3, before=partial(program.send_signal, signal.SIGINT))
        _, err = program.communicate(timeout=30)
    assert program.returncode == 130
    assert err.splitlines()[-1].endswith("ERROR cannot continue: interrupted")
    assert len(cluster.services()) > 30


def test_nothing_to_do_is_a_success(cluster: Cluster) -> None:
    cluster.wipe()
    cluster.node("live")
    run = cluster.janitor()
    assert (run.code, run.json["services"]) == (0, [])


def test_an_outage_while_deleting_does_not_flood_the_log(cluster: Cluster, gateway: Gateway) -> None:
    cluster.node("there")
    cluster.admin.create_many(SERVICES, [objects.service(f"gone-{number:02}") for number in range(39)])
    gateway.rule("DELETE", "services", reply=Reply(503), times=None)

    run = cluster.janitor("--timeout", "8s", "--max-delete", "100%", server=gateway.url)

    assert run.code == 1
    assert run.json["counts"]["result"] == {"failed": 40}
    assert len(run.err.splitlines()) <= 20, run.err
    assert "and 32 more Services could not be written" in run.last_line
