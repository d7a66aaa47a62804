"""Whose Service it is on servers that own a selector whole (Kubernetes 1.21 and newer: `f:selector: {}`).

What tests/api proves on a server that owns it key by key has to hold there too.
"""

from typing import Any

import pytest

from registrar import ownership, service
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
    return service.wanted(given, NodeNames.of(given.node_name, given.service_prefix), "ns", uid)


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
def test_a_selector_that_a_registrar_wrote_is_another_daemonsets(selector: dict[str, str]) -> None:
    with pytest.raises(Refused, match="another DaemonSet"):
        plan(live(selector, "nodeproxy-registrar"))


def test_a_selector_that_lost_a_key_by_hand_may_be_another_daemonsets_and_is_refused() -> None:
    with pytest.raises(Refused, match="--take-over"):
        plan(live({"target-node": "node-a"}, "kubectl-edit"))


def test_without_our_annotation_no_other_selector_is_ours() -> None:
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
    assert not write.force
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
def test_an_answer_with_anything_missing_or_more_is_not_what_was_asked_for(change: dict[str, Any]) -> None:
    want = wanted("uid-1")
    answer = live(ASKED, "nodeproxy-registrar", annotations=want.body()["metadata"]["annotations"])
    assert want.is_met_by(live_service("patch", answer))

    [(part, fields)] = change.items()
    assert not want.is_met_by(live_service("patch", {**answer, part: {**answer[part], **fields}}))
