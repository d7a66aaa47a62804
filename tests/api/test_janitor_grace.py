"""The grace period, which a stamp on the Service carries from one run of the CronJob to the next."""

import json
import re
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from registrar import contract
from tests.harness import objects
from tests.harness.cluster import NODES, SERVICES, Cluster
from tests.harness.gateway import Gateway
from tests.harness.processes import wait_until

STAMP = contract.NODE_MISSING_SINCE_ANNOTATION
GONE, LIVE = contract.service_name("gone"), contract.service_name("live")
HOUR = ("--grace-period", "1h")


@pytest.fixture
def cluster(cluster: Cluster) -> Cluster:
    """One node that exists and one that is gone, each with its Service."""
    cluster.node("live")
    cluster.admin.create_many(SERVICES, map(objects.service, ["live", "gone"]))
    return cluster


def ago(minutes: float, by: str = objects.FIRST_POD) -> str:
    """The stamp that a janitor wrote so many minutes ago."""
    return f"{datetime.now(UTC) - timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}/{by}"


def set_stamp(cluster: Cluster, value: str) -> None:
    cluster.admin.patch(f"{SERVICES}/{GONE}", {"metadata": {"annotations": {STAMP: value}}})


def stamp(cluster: Cluster, name: str = GONE) -> str | None:
    value: str | None = cluster.service(name)["metadata"].get("annotations", {}).get(STAMP)
    return value


def is_fresh(value: str | None, by: str = objects.FIRST_POD) -> bool:
    """Is the stamp at most a minute old, in RFC 3339, and does it name the pod `by`?"""
    match = re.fullmatch(rf"(\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ)/{by}", value or "")
    return match is not None and abs(datetime.now(UTC) - datetime.fromisoformat(match[1])) < timedelta(minutes=1)


def test_a_service_is_deleted_by_the_first_run_after_its_grace_period(cluster: Cluster) -> None:
    live = cluster.service_of("live")
    first = cluster.janitor(*HOUR)
    assert (first.code, first.verdicts[GONE]) == (0, ("wait", None))
    assert is_fresh(stamp(cluster))

    set_stamp(cluster, ago(minutes=50))
    between = cluster.service(GONE)
    second = cluster.janitor(*HOUR)
    assert (second.code, second.verdicts[GONE]) == (0, ("wait", None))
    assert cluster.service(GONE) == between  # not stamped again: otherwise each run would restart the grace period

    set_stamp(cluster, ago(minutes=61))
    third = cluster.janitor(*HOUR)
    assert (third.code, third.verdicts[GONE]) == (0, ("delete", "deleted"))
    assert list(cluster.services()) == [contract.service_name("live")]
    assert cluster.service_of("live") == live


def test_the_grace_period_counts_from_the_stamp(cluster: Cluster) -> None:
    flags = ("--grace-period", "2s")
    assert cluster.janitor(*flags).verdicts[GONE] == ("wait", None)
    over = datetime.fromisoformat((stamp(cluster) or "").partition("/")[0]) + timedelta(seconds=2)
    wait_until(lambda: datetime.now(UTC) > over, 5, "the end of the grace period")
    assert cluster.janitor(*flags).verdicts[GONE] == ("delete", "deleted")


def test_the_stamp_is_removed_when_the_node_is_back(cluster: Cluster) -> None:
    cluster.janitor(*HOUR)
    cluster.node("gone")
    run = cluster.janitor(*HOUR)
    assert (run.code, run.verdicts[GONE]) == (0, ("keep", None))
    service = cluster.service(GONE)
    assert service["metadata"]["annotations"] == objects.service("gone")["metadata"]["annotations"]
    assert cluster.janitor(*HOUR).code == 0
    assert cluster.service(GONE) == service  # a run with nothing to do writes nothing


def test_the_stamp_is_removed_even_by_a_run_without_a_grace_period(cluster: Cluster) -> None:
    set_stamp(cluster, ago(minutes=1))
    cluster.node("gone")
    assert cluster.janitor().code == 0
    assert stamp(cluster) is None


@pytest.mark.parametrize(
    "value",
    [ago(minutes=6000, by="another-pod"), ago(minutes=-60), "last Monday", ""],
    ids=["of-another-registration", "in-the-future", "unreadable", "empty"],
)
def test_an_unreliable_stamp_is_replaced(cluster: Cluster, value: str) -> None:
    set_stamp(cluster, value)
    run = cluster.janitor(*HOUR)
    assert (run.code, run.verdicts[GONE]) == (0, ("wait", None))
    assert is_fresh(stamp(cluster))


def test_a_new_registration_restarts_the_grace_period(cluster: Cluster) -> None:
    """The node came back, registered and went away again, and no janitor ran in between."""
    set_stamp(cluster, ago(minutes=6000))
    cluster.node("gone")
    pod = cluster.register_again("gone")
    cluster.lose("gone")
    assert cluster.janitor(*HOUR).verdicts[GONE] == ("wait", None)
    assert is_fresh(stamp(cluster), by=pod["metadata"]["uid"])


def test_the_grace_period_runs_while_the_agent_pod_still_exists(cluster: Cluster) -> None:
    pod = cluster.pod("gone", labels=objects.node_label("gone"))
    assert cluster.janitor(*HOUR).verdicts[GONE] == ("wait", None)
    assert is_fresh(stamp(cluster))
    set_stamp(cluster, ago(minutes=61))
    assert cluster.janitor(*HOUR).verdicts[GONE] == ("wait", None)
    cluster.delete_pod(pod)
    assert cluster.janitor(*HOUR).verdicts[GONE] == ("delete", "deleted")


def test_a_held_service_is_stamped_without_a_grace_period_too(cluster: Cluster) -> None:
    pod = cluster.pod("gone", labels=objects.node_label("gone"))
    assert cluster.janitor().verdicts[GONE] == ("wait", None)
    assert is_fresh(stamp(cluster))
    set_stamp(cluster, ago(minutes=3000))
    stamped = cluster.service(GONE)
    run = cluster.janitor()
    since = (stamp(cluster) or "").partition("/")[0]
    assert f"longest held: Service project-nodeproxy/{GONE}, since {since} (its node is gone, an agent pod" in run.err
    assert cluster.service(GONE) == stamped
    cluster.delete_pod(pod)
    assert cluster.janitor().verdicts[GONE] == ("delete", "deleted")


def test_a_node_that_a_finalizer_holds_keeps_its_service_and_is_reported(cluster: Cluster) -> None:
    cluster.admin.patch(f"{NODES}/live", {"metadata": {"finalizers": ["example.com/held"]}})
    cluster.delete_node("live")
    since = cluster.admin.get(f"{NODES}/live")["metadata"]["deletionTimestamp"]
    run = cluster.janitor()
    assert (run.code, run.verdicts[LIVE]) == (0, ("keep", None))
    assert f"longest held: Service project-nodeproxy/{LIVE}, since {since} (its node exists, but is being" in run.err


def test_a_dry_run_writes_no_stamp(cluster: Cluster) -> None:
    cluster.admin.create(SERVICES, objects.service("back", missing_since=ago(minutes=1)))
    cluster.node("back")
    before = cluster.services()
    run = cluster.janitor(*HOUR, "--dry-run")
    assert (run.code, run.verdicts[GONE]) == (0, ("wait", None))
    assert cluster.services() == before


def test_a_service_that_changed_since_it_was_judged_is_not_stamped(cluster: Cluster, gateway: Gateway) -> None:
    edit = {"metadata": {"annotations": {"edited": "meanwhile"}}}
    gateway.rule("PATCH", GONE, before=lambda: cluster.admin.patch(f"{SERVICES}/{GONE}", edit))
    run = cluster.janitor(*HOUR, server=gateway.url)
    assert (run.code, run.verdicts[GONE]) == (0, ("wait", "changed")), run.err
    assert stamp(cluster) is None


def test_a_recreated_service_is_not_stamped(cluster: Cluster, gateway: Gateway) -> None:
    def replace() -> None:
        cluster.admin.delete(f"{SERVICES}/{GONE}")
        cluster.admin.create(SERVICES, objects.service("gone"))

    gateway.rule("PATCH", GONE, before=replace)
    run = cluster.janitor(*HOUR, server=gateway.url)
    assert (run.code, run.verdicts[GONE]) == (0, ("wait", "changed")), run.err
    assert stamp(cluster) is None


def test_stamping_does_not_recreate_a_deleted_service(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("PATCH", GONE, before=partial(cluster.admin.delete, f"{SERVICES}/{GONE}"))
    run = cluster.janitor(*HOUR, server=gateway.url)
    assert (run.code, run.verdicts[GONE]) == (0, ("wait", "gone"))
    assert GONE not in cluster.services()


def test_a_stamp_is_a_merge_patch_of_one_annotation(cluster: Cluster, gateway: Gateway) -> None:
    judged = cluster.service(GONE)
    gateway.rule("PATCH", GONE)
    cluster.janitor(*HOUR, server=gateway.url)
    (sent,) = [each for each in gateway.requests if each.method == "PATCH"]
    assert sent.headers["content-type"] == "application/merge-patch+json"
    assert sent.query == {"fieldManager": "nodeproxy-janitor"}
    pinned = {key: judged["metadata"][key] for key in ("uid", "resourceVersion")}
    written = {STAMP: stamp(cluster)}
    assert json.loads(sent.body) == {"metadata": {**pinned, "annotations": written}}
    stamped = cluster.service(GONE)
    del stamped["metadata"]["annotations"][STAMP]
    for service in (judged, stamped):
        for key in ("resourceVersion", "managedFields"):
            service["metadata"].pop(key, None)
    assert stamped == judged
