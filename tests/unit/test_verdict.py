"""Verdicts, over thousands of generated cases."""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from janitor.verdict import Cluster, Judgement, Service, Stamp, Verdict, judge
from registrar import contract

NOW = datetime(2026, 5, 4, 3, 0, tzinfo=UTC)
HOUR = 3600.0
POD = "00000000-0000-4000-8000-000000000001"
LONG, LONG_TWIN = "edge." * 20 + "a", "edge." * 20 + "b"  # over 63 characters, alike but for the last one

# few, and alike: parts of each other, one another's hashed form, over 63 characters
NAMES = ["zz-1", "zz-1-b", "b", "a.b", "a-b", LONG, LONG_TWIN, contract.label_value(LONG), "n" * 63]
RECORDS = ["node_in_annotation", "node_in_label", "node_in_selector"]
names = st.sampled_from(NAMES)
clusters = st.builds(Cluster.of, st.sets(names), st.sets(names.map(contract.label_value)))
stamps = st.none() | st.sampled_from(["", "nonsense", f"2026-05-04T02:00:00Z/{POD}", "2020-01-01T00:00:00Z/another"])
values = st.none() | names | names.map(contract.label_value) | st.text(max_size=3)
graces = st.sampled_from([0.0, 1.0, HOUR])


def registered(node: str) -> Service:
    """The Service that the registrar leaves."""
    value = contract.label_value(node)
    return Service(contract.service_name(node), "ns", "uid", "1", node, value, value, POD, None, deleting=False)


def spoilt(node: str, **records: Any) -> Service:
    """The same with other records."""
    return replace(registered(node), **records)


def stamped(node: str, stamp: str | None) -> Service:
    return spoilt(node, missing_since=stamp)


@st.composite
def services(draw: st.DrawFn) -> Service:
    """A registered Service with any of its records spoilt."""
    whole = registered(draw(names))
    return replace(
        whole,
        node_in_annotation=draw(st.just(whole.node_in_annotation) | values),
        node_in_label=draw(st.just(whole.node_in_label) | values),
        node_in_selector=draw(st.just(whole.node_in_selector) | values),
        registered_by=draw(st.sampled_from(["", POD])),
        missing_since=draw(stamps),
        deleting=draw(st.booleans()),
    )


def verdict(service: Service, nodes: list[str], agents: Sequence[str] = (), grace: float = 0) -> Verdict:
    return judge(service, Cluster.of(nodes, agents), grace=grace, now=NOW).verdict


# ---- never


@given(services(), clusters, graces)
def test_a_service_that_names_an_existing_node_anywhere_is_never_deleted(
    service: Service, cluster: Cluster, grace: float
) -> None:
    if (
        service.node_in_annotation in cluster.nodes
        or {service.node_in_label, service.node_in_selector} & cluster.labels
    ):
        assert judge(service, cluster, grace=grace, now=NOW).verdict is Verdict.KEEP


@given(
    names,
    clusters,
    st.sampled_from(RECORDS),
    values,
    stamps,
    graces,
)
def test_the_service_of_an_existing_node_is_kept_even_if_a_record_is_wrong(
    node: str, cluster: Cluster, record: str, value: str | None, stamp: str | None, grace: float
) -> None:
    cluster = Cluster.of({*cluster.nodes, node}, cluster.agents)
    service = spoilt(node, **{record: value}, missing_since=stamp)
    assert judge(service, cluster, grace=grace, now=NOW).verdict is Verdict.KEEP


@given(services(), clusters, graces)
def test_a_deleted_service_has_consistent_records_of_a_missing_node(
    service: Service, cluster: Cluster, grace: float
) -> None:
    judged = judge(service, cluster, grace=grace, now=NOW)
    if judged.verdict is not Verdict.DELETE:
        return
    assert judged.node
    value = contract.label_value(judged.node)
    assert judged.node not in cluster.nodes
    assert value not in cluster.agents
    assert service.node_in_selector == value
    assert service.node_in_label in (None, value)
    assert service.node_in_annotation in (None, "", judged.node)
    assert not service.deleting


@given(services(), clusters, graces)
def test_every_judgement_says_why_and_never_stamps_what_it_deletes_or_does_not_know(
    service: Service, cluster: Cluster, grace: float
) -> None:
    judged = judge(service, cluster, grace=grace, now=NOW)
    assert judged.reason
    assert judged.service is service
    if judged.verdict in (Verdict.DELETE, Verdict.UNKNOWN):
        assert judged.stamp is None


@given(names, clusters)
def test_a_registered_service_is_judged_only_by_its_node_and_pod(node: str, cluster: Cluster) -> None:
    value = contract.label_value(node)
    expected = Verdict.DELETE
    if node in cluster.nodes or value in cluster.labels:  # where a node is called like another's hashed form
        expected = Verdict.KEEP
    elif value in cluster.agents:
        expected = Verdict.WAIT
    assert judge(registered(node), cluster, grace=0, now=NOW).verdict is expected


# ---- case by case


@pytest.mark.parametrize(("gone", "live"), [("zz-1", "zz-1-b"), ("b", "zz-1-b"), ("a.b", "a-b"), (LONG, LONG_TWIN)])
def test_a_node_with_a_similar_name_does_not_prevent_deletion(gone: str, live: str) -> None:
    assert verdict(registered(gone), [live]) is Verdict.DELETE
    assert verdict(registered(live), [live]) is Verdict.KEEP


def test_a_node_named_like_anothers_hashed_form_keeps_both_services() -> None:
    assert verdict(registered(LONG), [contract.label_value(LONG)]) is Verdict.KEEP


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ({"node_in_selector": None}, "its selector lacks the node label"),
        ({"node_in_annotation": None, "node_in_label": None, "node_in_selector": ""}, "it records no node"),
        ({"node_in_annotation": "", "node_in_label": "", "node_in_selector": ""}, "it records no node"),
        ({"node_in_annotation": "Not a name"}, "its recorded node is not a valid node name"),
        (
            {"node_in_annotation": None, "node_in_label": "UPPER", "node_in_selector": "UPPER"},
            "its recorded node is not a valid node name",
        ),
        ({"node_in_label": "other"}, "its annotation, label and selector disagree on the node"),
        ({"node_in_selector": "other"}, "its annotation, label and selector disagree on the node"),
        ({"node_in_selector": ""}, "its annotation, label and selector disagree on the node"),
        ({"node_in_annotation": "other"}, "its annotation, label and selector disagree on the node"),
    ],
)
def test_a_service_whose_node_is_uncertain_is_unknown(records: dict[str, str | None], reason: str) -> None:
    judged = judge(spoilt("gone", **records), Cluster.of(["live"], []), grace=0, now=NOW)
    assert (judged.verdict, judged.reason, judged.node) == (Verdict.UNKNOWN, reason, None)


def test_a_shortened_name_alone_is_not_sufficient() -> None:
    judged = judge(spoilt(LONG, node_in_annotation=None), Cluster.of(["live"], []), grace=0, now=NOW)
    assert (judged.verdict, judged.reason) == (Verdict.UNKNOWN, "it records only a shortened node name")


@pytest.mark.parametrize(
    "missing",
    [{"node_in_annotation": None}, {"node_in_label": None}, {"node_in_annotation": None, "node_in_label": None}],
)
def test_the_selector_and_any_other_record_are_sufficient(missing: dict[str, None]) -> None:
    assert verdict(spoilt("gone", **missing), ["live"]) is Verdict.DELETE


def test_an_agent_pod_counts_by_its_exact_label_value() -> None:
    assert verdict(registered("gone"), ["live"], agents=["gone"]) is Verdict.WAIT
    assert verdict(registered("gone"), ["live"], agents=["gone-1", "one"]) is Verdict.DELETE
    assert verdict(registered(LONG), ["live"], agents=[contract.label_value(LONG)]) is Verdict.WAIT


def test_a_service_that_is_being_deleted_is_not_deleted_again() -> None:
    judged = judge(spoilt("gone", deleting=True), Cluster.of(["live"], []), grace=0, now=NOW)
    assert (judged.verdict, judged.reason) == (Verdict.WAIT, "its node is gone, it is already being deleted")


def test_a_judgement_names_the_node_and_the_reason() -> None:
    cluster = Cluster.of(["live"], ["waiting"])
    for node, expected, reason in (
        ("live", Verdict.KEEP, "its node exists"),
        ("waiting", Verdict.WAIT, "its node is gone, an agent pod of it is still there"),
        ("gone", Verdict.DELETE, "its node is gone"),
    ):
        service = registered(node)
        judged = judge(service, cluster, grace=0, now=NOW)
        assert replace(judged, stamp=None, held_since=None) == Judgement(service, expected, reason, node)


# ---- how long something holds a Service


@pytest.mark.parametrize(("deleting", "agents"), [(False, ["gone"]), (True, [])], ids=["agent-pod", "finalizer"])
@pytest.mark.parametrize("grace", [0, HOUR])
def test_the_time_of_a_hold_counts_from_the_first_run_that_saw_it(
    deleting: bool, agents: list[str], grace: float
) -> None:
    cluster = Cluster.of(["live"], agents)
    first = judge(spoilt("gone", deleting=deleting), cluster, grace=grace, now=NOW)
    assert (first.stamp, first.held_since) == (Stamp(f"2026-05-04T03:00:00Z/{POD}"), NOW)
    assert first.stamp
    service = spoilt("gone", deleting=deleting, missing_since=first.stamp.text)
    later = judge(service, cluster, grace=grace, now=NOW + timedelta(days=7))
    assert (later.verdict, later.stamp, later.held_since) == (Verdict.WAIT, None, NOW)


def test_a_node_whose_deletion_is_held_up_keeps_its_service_and_tells_since_when() -> None:
    cluster = Cluster.of(["held", "live", LONG], [], {"held": NOW, "live": None, LONG: NOW})
    for node in ("held", LONG):
        judged = judge(registered(node), cluster, grace=0, now=NOW)
        assert (judged.verdict, judged.held_since) == (Verdict.KEEP, NOW)
        assert judged.reason == "its node exists, but is being deleted"
    assert judge(registered("live"), cluster, grace=0, now=NOW).held_since is None
    assert judge(spoilt("held", node_in_label="live"), cluster, grace=0, now=NOW).held_since is None


def test_what_the_grace_period_keeps_is_not_held() -> None:
    assert judge(registered("gone"), Cluster.of(["live"], []), grace=HOUR, now=NOW).held_since is None


# ---- grace


def since(seconds: float, by: str = POD) -> str:
    return f"{(NOW - timedelta(seconds=seconds)).isoformat()}/{by}"


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        (since(0), Verdict.WAIT),
        (since(HOUR - 1), Verdict.WAIT),
        (since(HOUR), Verdict.DELETE),
        (since(HOUR * 24), Verdict.DELETE),
        (f"2026-05-04T01:59:59Z/{POD}", Verdict.DELETE),
        (f"2026-05-04T03:30:00+02:00/{POD}", Verdict.DELETE),  # another zone, 90 minutes ago
    ],
)
def test_a_grace_period_counts_from_its_stamp(stamp: str, expected: Verdict) -> None:
    judged = judge(stamped("gone", stamp), Cluster.of(["live"], []), grace=HOUR, now=NOW)
    assert (judged.verdict, judged.stamp) == (expected, None)


@pytest.mark.parametrize(
    "stamp",
    [
        None,
        "",
        "nonsense",
        since(HOUR * 24, by="another-pod"),
        since(HOUR * 24, by=""),
        since(HOUR * 24).removesuffix(f"/{POD}"),
        since(-60),  # in the future
        f"2026-05-04T01:00:00/{POD}",  # of no time zone
        f"2026-13-40T99:00:00Z/{POD}",
    ],
)
def test_an_unreliable_stamp_restarts_the_grace_period(stamp: str | None) -> None:
    judged = judge(stamped("gone", stamp), Cluster.of(["live"], []), grace=HOUR, now=NOW)
    assert (judged.verdict, judged.stamp) == (Verdict.WAIT, Stamp(f"2026-05-04T03:00:00Z/{POD}"))
    assert (judged.reason, judged.node) == ("its node is gone, 3600s of grace left", "gone")


def test_a_written_stamp_is_read_back_as_the_same_time() -> None:
    first = judge(registered("gone"), Cluster.of(["live"], []), grace=HOUR, now=NOW)
    assert first.stamp
    later = judge(
        stamped("gone", first.stamp.text), Cluster.of(["live"], []), grace=HOUR, now=NOW + timedelta(seconds=HOUR)
    )
    assert (later.verdict, later.stamp) == (Verdict.DELETE, None)


def test_a_stamp_is_in_utc_in_any_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        judged = judge(registered("gone"), Cluster.of(["live"], []), grace=HOUR, now=NOW)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert judged.stamp == Stamp(f"2026-05-04T03:00:00Z/{POD}")


def test_without_a_grace_period_a_service_that_is_deleted_gets_no_stamp() -> None:
    judged = judge(registered("gone"), Cluster.of(["live"], []), grace=0, now=NOW)
    assert (judged.verdict, judged.stamp) == (Verdict.DELETE, None)


def test_a_stamp_is_removed_when_the_node_is_back() -> None:
    for stamp in (since(60), "", "nonsense"):
        judged = judge(stamped("back", stamp), Cluster.of(["back"], []), grace=0, now=NOW)
        assert (judged.verdict, judged.stamp) == (Verdict.KEEP, Stamp(None))
    assert judge(registered("back"), Cluster.of(["back"], []), grace=HOUR, now=NOW).stamp is None


def test_the_grace_period_runs_while_the_agent_pod_still_exists() -> None:
    cluster = Cluster.of(["live"], ["gone"])
    first = judge(registered("gone"), cluster, grace=HOUR, now=NOW)
    assert (first.verdict, first.stamp) == (Verdict.WAIT, Stamp(f"2026-05-04T03:00:00Z/{POD}"))
    assert judge(stamped("gone", since(HOUR * 2)), cluster, grace=HOUR, now=NOW).verdict is Verdict.WAIT


def test_the_longest_grace_period_does_not_overflow() -> None:
    assert verdict(registered("gone"), ["live"], grace=10 * 366 * 24 * HOUR) is Verdict.WAIT
