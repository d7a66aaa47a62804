"""Ownership of a Service on servers that track a selector as a whole (Kubernetes 1.21 and newer: `f:selector: {}`).

It must be the same as on older servers, which track each key of a selector.
"""

from typing import Any

import pytest

from registrar import ownership, service
from registrar.claims import Identity
from registrar.contract import NodeNames
from registrar.live import live_service
from registrar.ownership import Refused
from registrar.service import Apply, Merge, WantedService
from registrar.settings import Settings, parse

ENV = {"NODE_NAME": "node-a", "POD_NAME": "agent-1", "POD_NAMESPACE": "ns", "POD_UID": "uid-1"}
ASKED = {"app": "nodeproxy-agent", "target-node": "node-a"}


def settings(*flags: str) -> Settings:
    return parse(flags, ENV)


def wanted(uid: str, *flags: str) -> WantedService:
    given = settings(*flags)
    return service.wanted(given, NodeNames.of("node-a", given.service_prefix), "ns", uid)


def live(selector: dict[str, str], writer: str, **changes: Any) -> dict[str, Any]:
    """A registered Service whose selector `writer` wrote last, as a newer server's managedFields tell it."""
    want = wanted("uid-0").body()
    managers = [
        {"manager": "nodeproxy-registrar", "operation": "Apply", "fieldsV1": {"f:spec": {"f:type": {}}}},
        {"manager": writer, "operation": "Update", "fieldsV1": {"f:spec": {"f:selector": {}}}},
    ]
    meta = {**want["metadata"], "uid": "u", "resourceVersion": "7", "managedFields": managers, **changes}
    return {**want, "metadata": meta, "spec": {**want["spec"], "selector": selector}}


def plan(found: dict[str, Any], *flags: str) -> Apply | Merge:
    parsed, want = live_service("get", found), wanted("uid-1", *flags)
    ownership.check(parsed, want, settings(*flags))
    return service.plan(parsed, want)


@pytest.mark.parametrize(
    "selector", [{**ASKED, "tier": "edge"}, {**ASKED, "app": "other"}, {**ASKED, "target-node": "node-b"}]
)
def test_an_edited_selector_is_replaced_whole(selector: dict[str, str]) -> None:
    write = plan(live(selector, "kubectl-edit"))

    assert isinstance(write, Merge)
    merged = {**selector, **write.body["spec"]["selector"]}
    assert {key: value for key, value in merged.items() if value is not None} == ASKED


@pytest.mark.parametrize("selector", [{**ASKED, "tier": "edge"}, {**ASKED, "app": "other"}, {"target-node": "node-a"}])
def test_a_different_selector_that_a_registrar_wrote_belongs_to_another_daemonset(selector: dict[str, str]) -> None:
    with pytest.raises(Refused, match="another DaemonSet"):
        plan(live(selector, "nodeproxy-registrar"))


def test_a_selector_without_one_of_our_keys_is_refused() -> None:
    with pytest.raises(Refused, match="--take-over"):
        plan(live({"target-node": "node-a"}, "kubectl-edit"))


def test_without_our_annotation_a_different_selector_is_refused() -> None:
    with pytest.raises(Refused, match="another DaemonSet"):
        plan(live({**ASKED, "tier": "edge"}, "kubectl-edit", annotations=None))


def test_an_exact_service_is_applied_forced_and_pinned() -> None:
    write = plan(live(ASKED, "nodeproxy-registrar"))

    assert isinstance(write, Apply)
    assert write.force
    assert (write.body["metadata"]["uid"], write.body["metadata"]["resourceVersion"]) == ("u", "7")


def test_an_absent_service_is_applied_not_forced_and_not_pinned() -> None:
    write = service.plan(None, wanted("uid-1"))

    assert isinstance(write, Apply)
    assert write.force is False
    assert not {"uid", "resourceVersion"} & write.body["metadata"].keys()


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"labels": {}}},
        {"metadata": {"annotations": {}}},
        {"spec": {"selector": {**ASKED, "x": "y"}}},
        {"spec": {"ports": []}},
        {"spec": {"type": "NodePort"}},
    ],
)
def test_an_answer_that_lacks_or_adds_anything_does_not_meet_the_wanted_service(change: dict[str, Any]) -> None:
    want = wanted("uid-1")
    answer = live(ASKED, "nodeproxy-registrar", annotations=want.body()["metadata"]["annotations"])
    assert want.is_met_by(live_service("patch", answer))

    [(part, fields)] = change.items()
    assert not want.is_met_by(live_service("patch", {**answer, part: {**answer[part], **fields}}))


# ---- whose Service it is

LABELS = {"app": "nodeproxy-system", "type": "access-point", "managed-by": "nodeproxy-daemonset"}


def unannotated(labels: dict[str, str], selector: dict[str, str]) -> dict[str, Any]:
    """A Service without our annotation, made by the hand-rolled stack or by somebody else."""
    return live(selector, "kubectl-client-side-apply", annotations=None, labels=labels)


@pytest.mark.parametrize(
    "found",
    [
        unannotated({**LABELS, "target-node": "node-a"}, ASKED),
        unannotated({**LABELS, "extra": "x"}, ASKED),
        unannotated(LABELS, {**ASKED, "target-node": "Node-A"}),
    ],
    ids=["label", "selector", "selector with capitals"],
)
def test_a_service_with_our_labels_and_node_is_ours(found: dict[str, Any]) -> None:
    assert isinstance(plan(found), Apply | Merge)


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (
            unannotated({"app": "bank"}, ASKED),
            "it does not belong to nodeproxy (labels app=bank; written by kubectl-client-side-apply, "
            "nodeproxy-registrar); rename or delete it, or register under another --service-prefix",
        ),
        (
            unannotated({}, {}) | {"metadata": {**unannotated({}, {})["metadata"], "managedFields": []}},
            "it does not belong to nodeproxy (labels none; "
            "written by unknown); rename or delete it, or register under another --service-prefix",
        ),
        (
            unannotated({"target-node": "node-a"}, ASKED),
            "it does not belong to nodeproxy (labels "
            "target-node=node-a; written by kubectl-client-side-apply, nodeproxy-registrar); rename or delete it, or "
            "register under another --service-prefix",
        ),
        (
            unannotated({**LABELS, "target-node": "node-b"}, ASKED),
            "it is the Service of node node-b, not of node-a; "
            "rename one of the two nodes, or register it under another --service-prefix",
        ),
        (
            live({"app": "other", "target-node": "node-a"}, "nodeproxy-registrar"),
            "it selects app=other,target-node=node-a: another DaemonSet registers under this prefix; give each "
            "DaemonSet its own --service-prefix, or take this one over with --take-over",
        ),
        (
            live({}, "nodeproxy-registrar"),
            "it selects none: another DaemonSet registers under "
            "this prefix; give each DaemonSet its own --service-prefix, or take this one over with --take-over",
        ),
    ],
    ids=["stranger", "without anything", "node label alone", "another node", "another selector", "no selector"],
)
def test_a_service_of_somebody_else_is_refused_with_its_owner_and_the_way_out(found: dict[str, Any], line: str) -> None:
    with pytest.raises(Refused) as caught:
        plan(found)
    assert str(caught.value) == f"cannot register at Service ns/nodeproxy-access-node-a: {line}"


def test_take_over_overwrites_another_selector_but_not_another_node() -> None:
    assert isinstance(
        plan(live({"app": "other", "target-node": "node-a"}, "nodeproxy-registrar"), "--take-over"), Merge
    )
    with pytest.raises(Refused, match="it is the Service of node"):
        plan(unannotated({**LABELS, "target-node": "node-b"}, ASKED), "--take-over")


def test_a_key_that_somebody_added_beside_ours_is_removed() -> None:
    """Servers before 1.21 track each key of a selector."""
    managers = [
        {"manager": "nodeproxy-registrar", "operation": "Apply", "fieldsV1": {"f:spec": {"f:selector": {"f:app": {}}}}},
        {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {"f:selector": {"f:tier": {}}}}},
    ]
    write = plan(live({**ASKED, "tier": "edge"}, "kubectl-edit", managedFields=managers))
    assert isinstance(write, Merge)
    assert write.body["spec"]["selector"]["tier"] is None


# ---- what is written


def test_the_pods_patch_names_the_pod_and_nothing_but_its_labels() -> None:
    assert service.pod_patch(Identity("node-a", "agent-1", "uid-1", "ns"), {"target-node": "node-a"}) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "agent-1", "namespace": "ns", "uid": "uid-1", "labels": {"target-node": "node-a"}},
    }


def test_the_service_body_follows_the_contract() -> None:
    assert wanted("uid-1", "--service-prefix", "socks-", "--port", "b=2:3", "--port", "a=1:web/UDP").body() == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "socks-node-a",
            "namespace": "ns",
            "labels": {**LABELS, "target-node": "node-a"},
            "annotations": {"nodeproxy/node-name": "node-a", "nodeproxy/registered-by": "uid-1"},
        },
        "spec": {
            "type": "ClusterIP",
            "selector": ASKED,
            "ports": [
                {"name": "b", "port": 2, "targetPort": 3, "protocol": "TCP"},
                {"name": "a", "port": 1, "targetPort": "web", "protocol": "UDP"},
            ],
        },
    }


def test_the_order_of_ports_does_not_matter() -> None:
    want = wanted("uid-1", "--port", "b=2", "--port", "a=1", "--port", "c=1:x/UDP")
    body = want.body()
    body["metadata"] |= {"uid": "u", "resourceVersion": "7"}
    body["spec"]["ports"] = body["spec"]["ports"][::-1]
    assert want.is_met_by(live_service("get", body))


CLIENT_SIDE = {"manager": "kubectl-client-side-apply", "operation": "Update", "time": "then"}
EDIT = {"manager": "kubectl-client-side-apply", "operation": "Apply"}
OURS = {"manager": "nodeproxy-registrar", "operation": "Apply"}


def merged(*managers: dict[str, str]) -> dict[str, Any]:
    """The metadata of the write over a Service that the hand-rolled stack made with `kubectl apply`."""
    meta = {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}, "managedFields": [*managers]}
    write = plan(live(ASKED, "x", labels=LABELS, **meta))
    assert isinstance(write, Merge)
    return dict(write.body["metadata"])


def test_client_side_apply_hands_its_fields_over_to_us() -> None:
    written = merged(EDIT, CLIENT_SIDE, CLIENT_SIDE | {"time": "later"})
    assert written["managedFields"] == [EDIT, CLIENT_SIDE | OURS, CLIENT_SIDE | {"time": "later"}]
    assert written["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] is None


@pytest.mark.parametrize("managers", [[EDIT], [OURS, CLIENT_SIDE], []])
def test_field_managers_stay_if_there_is_nothing_to_hand_over(managers: list[dict[str, str]]) -> None:
    assert "managedFields" not in merged(*managers)


def test_field_managers_are_reset_if_they_were_too_large_to_be_read() -> None:
    write = plan(live(ASKED, "", labels=LABELS))
    assert isinstance(write, Merge)
    assert write.body["metadata"]["managedFields"] == [{}]
