"""The guard: a run that would delete the Services of too many nodes, or that sees no nodes, deletes nothing."""

import pytest

from registrar import contract
from tests.harness import objects
from tests.harness.cluster import NODES, SERVICES, Cluster, Run


def populate(cluster: Cluster, live: int, gone: int) -> None:
    """Create Services of `live` existing and of `gone` missing nodes, and one node without a Service."""
    nodes = [f"live-{number}" for number in range(live)]
    cluster.admin.create_many(NODES, map(objects.node, ["bystander", *nodes]))
    cluster.admin.create_many(SERVICES, map(objects.service, [*nodes, *(f"gone-{number}" for number in range(gone))]))


def refused(cluster: Cluster, *flags: str) -> Run:
    """A run that must be refused and change nothing."""
    before = cluster.services()
    run = cluster.janitor(*flags)
    assert run.code == 3, run.err
    assert cluster.services() == before
    assert {row["result"] for row in run.json["services"]} <= {None}
    assert run.last_line.endswith(f"ERROR cannot delete any Service: {run.json['refused']}")
    return run


@pytest.mark.parametrize(("live", "gone"), [(0, 1), (1, 1), (1, 2)])
def test_half_of_a_small_clusters_services_rounded_up_may_be_deleted(cluster: Cluster, live: int, gone: int) -> None:
    populate(cluster, live, gone)
    run = cluster.janitor()
    assert (run.code, run.json["refused"]) == (0, None)
    assert len(cluster.services()) == live


@pytest.mark.parametrize(("live", "gone"), [(0, 2), (0, 3)])
def test_deleting_all_services_of_a_small_cluster_is_refused(cluster: Cluster, live: int, gone: int) -> None:
    populate(cluster, live, gone)
    run = refused(cluster)
    limit = (gone + 1) // 2
    names = ", ".join(f"gone-{number}" for number in range(gone))
    said = f"the Services of {gone} of {gone} nodes would be deleted, the limit is {limit} ({names}); "
    assert run.json["refused"] == said + "if that is right, raise --max-delete"
    assert run.json["counts"] == {"verdict": {"delete": gone}, "result": {}}  # all are reported


def test_a_run_that_sees_no_nodes_is_refused(cluster: Cluster) -> None:
    cluster.admin.create(SERVICES, objects.service("only"))
    run = refused(cluster, "--max-delete", "100%")
    assert "no nodes at all" in run.json["refused"]


def test_max_delete_can_be_a_number(cluster: Cluster) -> None:
    populate(cluster, live=5, gone=3)
    assert "the limit is 2" in refused(cluster, "--max-delete", "2").json["refused"]
    assert cluster.janitor("--max-delete", "3").code == 0
    assert len(cluster.services()) == 5


def test_max_delete_as_a_percentage_is_rounded_down(cluster: Cluster) -> None:
    populate(cluster, live=5, gone=2)
    assert "the limit is 1" in refused(cluster, "--max-delete", "28%").json["refused"]  # 1.96 of 7
    assert cluster.janitor("--max-delete", "29%").code == 0  # 2.03 of 7
    assert len(cluster.services()) == 5


def test_services_of_unknown_nodes_do_not_raise_the_limit(cluster: Cluster) -> None:
    populate(cluster, live=1, gone=3)
    unknown = [objects.service("x", name=f"unknown-{number}", selector=None) for number in range(4)]
    cluster.admin.create_many(SERVICES, unknown)
    said = "the Services of 3 of 4 nodes would be deleted, the limit is 2 "
    assert refused(cluster).json["refused"].startswith(said)


def test_many_services_of_one_gone_node_are_deleted_at_once(cluster: Cluster) -> None:
    populate(cluster, live=1, gone=1)
    made_up = [objects.service("gone-0", name=f"made-up-{number}") for number in range(30)]
    cluster.admin.create_many(SERVICES, made_up)
    run = cluster.janitor()
    assert run.code == 0, run.err
    assert list(cluster.services()) == [contract.service_name("live-0")]


def test_a_refused_run_writes_no_stamp(cluster: Cluster) -> None:
    populate(cluster, live=0, gone=1)
    overdue = f"2020-01-01T00:00:00Z/{objects.FIRST_POD}"
    cluster.admin.create(SERVICES, objects.service("overdue", missing_since=overdue))
    cluster.admin.create(SERVICES, objects.service("bystander", missing_since=overdue))
    run = refused(cluster, "--grace-period", "1h", "--max-delete", "0")
    assert run.verdicts == {
        contract.service_name("overdue"): ("delete", None),
        contract.service_name("gone-0"): ("wait", None),
        contract.service_name("bystander"): ("keep", None),
    }


def test_a_dry_run_reports_the_refusal(cluster: Cluster) -> None:
    populate(cluster, live=0, gone=2)
    run = refused(cluster, "--dry-run")
    assert run.json["mode"] == "dry-run"
