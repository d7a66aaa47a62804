"""The janitor's verdict on each kind of Service, on a real API server.

One cluster has Services of all kinds. A dry run and a real run judge them, and each test examines a part of the result.
"""

import copy
from dataclasses import dataclass

import pytest

from registrar import contract
from tests.harness import objects
from tests.harness.apiserver import ApiServer
from tests.harness.client import Object
from tests.harness.cluster import NODES, SERVICES, Cluster, Run

pytestmark = pytest.mark.xdist_group("janitor-verdicts")  # these tests share two runs

ELSEWHERE = "elsewhere"
OTHERS = f"/api/v1/namespaces/{ELSEWHERE}/services"
LONG, LONG_GONE = "edge." * 20 + "live", "edge." * 20 + "gone"
LIVE = ["live", "zz-1-b", "a-b", "not-ready", "unreachable", "seeded", LONG]


def named(name: str, node: str = "gone-node", **records: str | None) -> Object:
    return objects.service(node, name=name, **records)


MADE = [
    objects.service("live"),
    objects.service("gone"),
    objects.service("zz-1"),
    objects.service("zz-1-b"),
    objects.service("a.b"),
    objects.service("a-b"),
    objects.service("not-ready"),
    objects.service("unreachable"),
    objects.service("pod-left"),
    objects.service(LONG),
    objects.service(LONG_GONE),
    named("label-and-selector-disagree", label="gone-one", selector="gone-two", annotation=None),
    named("annotation-disagrees", annotation="gone-one"),
    named("annotation-gone-one-label-live", label="live"),
    named("annotation-gone-one-selector-live", selector="live"),
    named("selector-lacks-the-key", selector=None),
    named("selector-lacks-the-key-of-live", "live", selector=None),
    named("hashed-label-alone", LONG_GONE, annotation=None),
    named("hashed-label-alone-of-live", LONG, annotation=None),
    named("label-alone", annotation=None),
    named("no-node-recorded", annotation=None, label=None, selector=None),
    named("no-node-name", annotation="Not a node's name", label=None, selector=""),
    named("foreign-letters", "live", annotation="北京"),
    objects.hand_rolled_service("seeded"),
    objects.hand_rolled_service("seeded-gone"),
    objects.hand_rolled_service("seeded-pod-left"),
]


def foreign() -> Object:
    """A Service of somebody else with a name like ours."""
    service = objects.service("gone-foreign")
    del service["metadata"]["labels"]["managed-by"]
    return service


def held() -> Object:
    service = objects.service("held")
    service["metadata"]["finalizers"] = ["example.com/held"]
    return service


@dataclass(frozen=True)
class Seen:
    """All Services before and after the dry run and after the real run, and the reports of both runs."""

    before: dict[str, Object]
    dry: Run
    between: dict[str, Object]
    real: Run
    after: dict[str, Object]

    def row(self, name: str) -> Object:
        (row,) = (row for row in self.real.json["services"] if row["name"] == name)
        return dict(row)

    def kept_untouched(self, name: str) -> bool:
        return self.after.get(name) == self.before[name]

    def only_stamped(self, name: str) -> bool:
        """Is the Service the same after the real run but for the stamp?"""
        before, after = copy.deepcopy(self.before[name]), copy.deepcopy(self.after[name])
        stamp = after["metadata"]["annotations"].pop(contract.NODE_MISSING_SINCE_ANNOTATION)
        for service in (before, after):
            service["metadata"].setdefault("annotations", {})
            for key in ("resourceVersion", "managedFields"):
                service["metadata"].pop(key, None)
        return bool(stamp) and before == after


@pytest.fixture(scope="module")
def seen(_cluster: Cluster, api: ApiServer) -> Seen:
    cluster = _cluster
    cluster.wipe()
    api.ensure_namespace(ELSEWHERE)
    api.wipe(ELSEWHERE)
    api.admin.create_many(NODES, map(objects.node, LIVE))
    for name, status in (("not-ready", "False"), ("unreachable", "Unknown")):
        ready = {"status": {"conditions": [{"type": "Ready", "status": status}]}}
        api.admin.patch(f"{NODES}/{name}/status", ready, "application/strategic-merge-patch+json")
    for node in ("pod-left", "seeded-pod-left"):
        cluster.pod(node, labels=objects.node_label(node))
    api.admin.create_many(SERVICES, [*MADE, foreign(), held()])
    api.admin.delete(f"{SERVICES}/{contract.service_name('held')}")
    api.admin.create(OTHERS, objects.service("gone"))

    before = cluster.services()
    dry = cluster.janitor("--dry-run", "--max-delete", "100%")
    between = cluster.services()
    real = cluster.janitor("--max-delete", "100%")
    assert (dry.code, real.code) == (0, 0), dry.err + real.err
    return Seen(before, dry, between, real, cluster.services())


def test_the_service_of_an_existing_node_is_not_changed(seen: Seen) -> None:
    name = contract.service_name("live")
    said = {"node": "live", "verdict": "keep", "reason": "its node exists", "result": None}
    assert seen.row(name) == {"name": name, "namespace": "project-nodeproxy", **said}
    assert seen.kept_untouched(name)


def test_the_service_of_a_missing_node_is_deleted(seen: Seen) -> None:
    name = contract.service_name("gone")
    said = {"node": "gone", "verdict": "delete", "reason": "its node is gone", "result": "deleted"}
    assert seen.row(name) == {"name": name, "namespace": "project-nodeproxy", **said}
    assert name not in seen.after


def test_the_service_of_zz_1_is_deleted_although_node_zz_1_b_exists(seen: Seen) -> None:
    assert contract.service_name("zz-1") not in seen.after
    assert seen.kept_untouched(contract.service_name("zz-1-b"))


def test_the_service_of_a_dot_b_is_deleted_although_node_a_dash_b_exists(seen: Seen) -> None:
    assert contract.service_name("a.b") not in seen.after
    assert seen.kept_untouched(contract.service_name("a-b"))


@pytest.mark.parametrize("node", ["not-ready", "unreachable"])
def test_a_node_that_is_not_ready_keeps_its_service(seen: Seen, node: str) -> None:
    assert seen.real.verdicts[contract.service_name(node)] == ("keep", None)
    assert seen.kept_untouched(contract.service_name(node))


def test_a_missing_node_whose_agent_pod_still_exists_keeps_its_service(seen: Seen) -> None:
    row = seen.row(contract.service_name("pod-left"))
    assert (row["verdict"], row["reason"]) == ("wait", "its node is gone, an agent pod of it is still there")
    assert seen.only_stamped(contract.service_name("pod-left"))


def test_long_node_names_are_compared_in_full(seen: Seen) -> None:
    assert seen.kept_untouched(contract.service_name(LONG))
    assert contract.service_name(LONG_GONE) not in seen.after


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("label-and-selector-disagree", "its annotation, label and selector disagree on the node"),
        ("annotation-disagrees", "its annotation, label and selector disagree on the node"),
        ("selector-lacks-the-key", "its selector lacks the node label"),
        ("hashed-label-alone", "it records only a shortened node name"),
        ("no-node-recorded", "its selector lacks the node label"),
        ("no-node-name", "its recorded node is not a valid node name"),
    ],
)
def test_a_service_whose_node_is_uncertain_is_reported_and_kept(seen: Seen, name: str, reason: str) -> None:
    row = seen.row(name)
    assert (row["verdict"], row["reason"], row["node"], row["result"]) == ("unknown", reason, None, None)
    assert seen.kept_untouched(name)


@pytest.mark.parametrize(
    "name",
    [
        "annotation-gone-one-label-live",
        "annotation-gone-one-selector-live",
        "selector-lacks-the-key-of-live",
        "hashed-label-alone-of-live",
        "foreign-letters",
    ],
)
def test_a_service_that_names_an_existing_node_anywhere_is_kept(seen: Seen, name: str) -> None:
    assert seen.real.verdicts[name] == ("keep", None)
    assert seen.kept_untouched(name)


def test_the_label_names_the_node_if_the_annotation_is_missing(seen: Seen) -> None:
    assert seen.real.verdicts["label-alone"] == ("delete", "deleted")
    assert "label-alone" not in seen.after


def test_a_service_of_the_hand_rolled_stack_is_judged_by_its_selector(seen: Seen) -> None:
    assert seen.kept_untouched("nodeproxy-access-seeded")
    assert seen.row("nodeproxy-access-seeded-gone")["node"] == "seeded-gone"
    assert "nodeproxy-access-seeded-gone" not in seen.after
    assert seen.real.verdicts["nodeproxy-access-seeded-pod-left"] == ("wait", None)
    assert seen.only_stamped("nodeproxy-access-seeded-pod-left")


def test_a_service_without_our_label_is_ignored(seen: Seen) -> None:
    name = contract.service_name("gone-foreign")
    assert name not in seen.real.verdicts
    assert seen.kept_untouched(name)


def test_a_service_in_another_namespace_is_not_deleted(seen: Seen, api: ApiServer) -> None:
    assert api.admin.get(f"{OTHERS}/{contract.service_name('gone')}")


def test_a_service_that_is_being_deleted_is_not_deleted_again(seen: Seen) -> None:
    row = seen.row(contract.service_name("held"))
    assert (row["verdict"], row["reason"]) == ("wait", "its node is gone, it is already being deleted")
    assert seen.only_stamped(contract.service_name("held"))


def test_a_dry_run_changes_nothing_and_reports_what_the_real_run_does(seen: Seen) -> None:
    assert seen.between == seen.before  # including each resourceVersion
    foretold, done = (
        {row["name"]: (row["verdict"], row["reason"], row["node"]) for row in run.json["services"]}
        for run in (seen.dry, seen.real)
    )
    assert foretold == done
    assert {row["result"] for row in seen.dry.json["services"]} == {None}
    assert (seen.dry.json["mode"], seen.real.json["mode"]) == ("dry-run", "delete")


def test_exactly_the_services_reported_as_deleted_are_gone(seen: Seen) -> None:
    deleted = {name for name, (_, result) in seen.real.verdicts.items() if result == "deleted"}
    assert set(seen.before) - set(seen.after) == deleted
    assert seen.real.json["counts"]["result"] == {"deleted": len(deleted)}
