"""Between judging and deleting the cluster moves on: each delete is pinned to what was judged, and asks again."""

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
    """A live node and a gone one, each with its Service."""
    populate(cluster, live=["live"], gone=["gone"])
    return cluster


def populate(cluster: Cluster, live: list[str], gone: list[str]) -> None:
    cluster.admin.create_many(NODES, map(objects.node, live))
    cluster.admin.create_many(SERVICES, map(objects.service, [*live, *gone]))


def replace_service(cluster: Cluster) -> None:
    cluster.admin.delete(f"{SERVICES}/{GONE}")
    cluster.admin.create(SERVICES, objects.service("gone"))


# ---- the node comes back


def test_node_that_returns_before_the_recheck_keeps_its_service(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("GET", "/nodes/gone$", before=partial(cluster.node, "gone"))
    run = cluster.janitor(server=gateway.url)
    assert run.code == 0, run.err
    assert run.verdicts[GONE] == ("delete", "changed")
    assert f"Service project-nodeproxy/{GONE}: changed (its node is back)" in run.err
    assert cluster.service(GONE)
    assert not [request for request in gateway.requests if request.method == "DELETE"]


def test_node_that_returns_while_a_delete_is_retried_keeps_its_service(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("DELETE", GONE_PATH, before=partial(cluster.node, "gone"), reply=Reply(503))
    run = cluster.janitor(server=gateway.url)
    assert (run.code, run.verdicts[GONE]) == (0, ("delete", "changed"))
    assert cluster.service(GONE)


# ---- a 404 that is not the API server's word on that node


def not_found(name: str, kind: str = "nodes", reason: str = "NotFound") -> bytes:
    details = {"name": name, "kind": kind} if name else {}
    return json.dumps({"kind": "Status", "reason": reason, "details": details}).encode()


def test_404_of_a_gateway_on_the_recheck_deletes_nothing(cluster: Cluster, gateway: Gateway) -> None:
    replies = {
        "html": Reply(404, NOT_OURS, {"Content-Type": "text/html"}),
        "json": Reply(404, b'{"error": "no route"}', {"Content-Type": "application/json"}),
        "path": Reply(404, not_found("")),  # of the path, not of an object
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


# ---- the Service is another than the one that was judged


def test_service_registered_again_before_its_delete_is_kept(cluster: Cluster, gateway: Gateway) -> None:
    """By the registrar itself, as another pod of that node would: its node is away for a moment only."""
    gateway.rule("DELETE", GONE_PATH, before=lambda: cluster.register_again("gone"))
    run = cluster.janitor(server=gateway.url)
    assert run.code == 0, run.err
    assert run.verdicts[GONE] == ("delete", "changed")
    assert "changed (it changed since it was judged)" in run.err
    assert cluster.service(GONE)["metadata"]["annotations"][contract.REGISTERED_BY_ANNOTATION] != objects.FIRST_POD


def test_service_made_anew_under_its_name_is_kept(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("DELETE", GONE_PATH, before=partial(replace_service, cluster))
    run = cluster.janitor(server=gateway.url)
    assert (run.code, run.verdicts[GONE]) == (0, ("delete", "changed"))
    assert cluster.service(GONE)


def test_delete_carries_uid_and_resource_version_of_what_was_judged(cluster: Cluster, gateway: Gateway) -> None:
    judged = cluster.service(GONE)["metadata"]
    gateway.rule("DELETE", GONE_PATH, times=None)
    assert cluster.janitor(server=gateway.url).code == 0
    (sent,) = [request for request in gateway.requests if request.method == "DELETE"]
    pinned = f'"preconditions": {{"uid": "{judged["uid"]}", "resourceVersion": "{judged["resourceVersion"]}"}}'
    assert pinned in sent.body.decode()


def test_service_that_is_already_deleted_is_fine(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("DELETE", GONE_PATH, before=lambda: cluster.admin.delete(f"{SERVICES}/{GONE}"))
    run = cluster.janitor(server=gateway.url)
    assert (run.code, run.verdicts[GONE]) == (0, ("delete", "gone"))
    assert "gone (it was already deleted)" in run.err


def test_404_of_a_gateway_on_the_delete_is_no_success(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("DELETE", GONE_PATH, reply=Reply(404, NOT_OURS, {"Content-Type": "text/html"}))
    run = cluster.janitor(server=gateway.url)
    assert (run.code, run.verdicts[GONE]) == (1, ("delete", "failed"))
    assert cluster.service(GONE)


def test_service_held_by_a_finalizer_is_deleted_once_and_then_waited_for(cluster: Cluster) -> None:
    cluster.admin.patch(f"{SERVICES}/{GONE}", {"metadata": {"finalizers": ["example.com/held"]}})
    assert cluster.janitor().verdicts[GONE] == ("delete", "deleted")
    held = cluster.service(GONE)
    run = cluster.janitor()
    assert (run.code, run.verdicts[GONE]) == (0, ("wait", None))
    assert cluster.service(GONE) == held


# ---- answers that are lost or fail


def test_lost_answer_to_a_delete_ends_well(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("DELETE", GONE_PATH, reset="after")
    run = cluster.janitor(server=gateway.url)
    assert run.code == 0, run.err
    assert run.verdicts[GONE] == ("delete", "gone")
    assert list(cluster.services()) == [contract.service_name("live")]


def test_lost_answer_to_a_delete_spares_a_service_made_anew(cluster: Cluster, gateway: Gateway) -> None:
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
def test_every_request_that_fails_for_a_moment_is_tried_again(cluster: Cluster, gateway: Gateway, shift: int) -> None:
    """The first attempt at each kind of request fails; in the end all is as it would have been without."""
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


def test_server_that_asks_for_more_time_than_there_is_ends_the_run_at_once(cluster: Cluster, gateway: Gateway) -> None:
    before = cluster.services()
    until_tomorrow = Reply(503, headers={"Retry-After": "86400"})
    gateway.rule("GET", "/nodes/gone$", times=None, reply=until_tomorrow)
    run = cluster.janitor("--timeout", "60s", server=gateway.url)
    assert run.code == 1
    assert run.verdicts[GONE] == ("delete", "failed")
    assert f"cannot delete Service project-nodeproxy/{GONE}: 503 Service Unavailable" in run.last_line
    assert "(1 attempts within the timeout of 60s)" in run.last_line
    assert cluster.services() == before


# ---- many


def test_delete_forbidden_for_one_of_many_goes_on_with_the_rest(cluster: Cluster) -> None:
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
def test_deletes_all_whatever_goes_on_at_a_time(cluster: Cluster, parallel: str) -> None:
    populate(cluster, live=[], gone=[f"n{number}" for number in range(39)])
    run = cluster.janitor("--max-delete", "40", "--delete-parallel", parallel)
    assert (run.code, run.json["counts"]["result"]) == (0, {"deleted": 40})
    assert "WARNING" not in run.err  # the connection pool has room for all of them
    assert list(cluster.services()) == [contract.service_name("live")]


def test_deletes_as_many_at_a_time_as_told(cluster: Cluster, gateway: Gateway) -> None:
    populate(cluster, live=[], gone=[f"n{number}" for number in range(8)])
    meeting, seats = Barrier(3), Semaphore(3)

    def sit_down() -> None:
        assert seats.acquire(blocking=False), "a fourth at the same time"

    gateway.rule("GET", "/nodes/", times=None, before=sit_down)
    gateway.rule("GET", "/nodes/", times=3, before=partial(meeting.wait, 20))  # breaks where fewer come
    gateway.rule("DELETE", "/services/", times=None, after=seats.release)
    run = cluster.janitor("--max-delete", "100%", "--delete-parallel", "3", server=gateway.url)
    assert (run.code, run.json["counts"]["result"]) == (0, {"deleted": 9})


def test_interrupt_stops_at_once_with_nothing_begun_anew(cluster: Cluster, gateway: Gateway) -> None:
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


def test_an_outage_while_deleting_fills_no_log(cluster: Cluster, gateway: Gateway) -> None:
    cluster.node("there")
    cluster.admin.create_many(SERVICES, [objects.service(f"gone-{number:02}") for number in range(39)])
    gateway.rule("DELETE", "services", reply=Reply(503), times=None)

    run = cluster.janitor("--timeout", "4s", "--max-delete", "100%", server=gateway.url)

    assert run.code == 1
    assert run.json["counts"]["result"] == {"failed": 40}
    assert len(run.err.splitlines()) <= 20, run.err
    assert "and 32 more Services could not be written" in run.last_line
