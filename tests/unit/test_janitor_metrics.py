"""What a run records in the metrics."""

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from janitor.metrics import Metrics, code, verb_and_resource
from janitor.outcome import Outcome, Result, Run
from janitor.verdict import Judgement, Service, Verdict
from registrar.kube.transport import path

SERVICE = Service("s", "n", "uid", "1", "node", "node", "node", "", None, deleting=False)


def outcome(verdict: Verdict, result: Result | None = None) -> Outcome:
    return Outcome(Judgement(SERVICE, verdict, "a reason", "node"), result)


def finished(*outcomes: Outcome, dry_run: bool = False, refused: str | None = None) -> Run:
    return Run(dry_run, outcomes, refused, nodes=7, without_service=["a", "b"])


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"nodeproxy_janitor_{name}", labels)


def recorded(*runs: Run | None, dry_run: bool = False) -> CollectorRegistry:
    metrics = Metrics()
    for run in runs:
        metrics.record(run, dry_run=dry_run, seconds=1.5)
    return metrics.registry


def test_names_types_and_labels_are_those_that_rules_and_dashboards_use() -> None:
    metrics = Metrics()
    metrics.request("GET", "https://x/api/v1/nodes", 200)
    metrics.record(finished(outcome(Verdict.KEEP)), dry_run=False, seconds=1)
    found = {
        (sample.name.removeprefix("nodeproxy_janitor_"), *sorted(sample.labels))
        for family in metrics.registry.collect()
        for sample in family.samples
    }
    assert found == {
        ("services", "verdict"),
        ("nodes",),
        ("nodes_without_service",),
        ("node_missing_seconds",),
        ("deletions_total", "result"),
        ("runs_total", "mode", "outcome"),
        ("last_run_timestamp_seconds", "mode"),
        ("last_success_timestamp_seconds", "mode"),
        ("last_run_deletions", "result"),
        ("last_run_outcome", "outcome"),
        ("run_duration_seconds",),
        ("api_requests_total", "code", "resource", "verb"),
        ("api_retries_total",),
        ("guard_refusals_total",),
        ("build_info", "python", "version"),
    }


def test_deletions_are_counted_by_result() -> None:
    results = [Result.DELETED, Result.DELETED, Result.GONE, Result.CHANGED, Result.FAILED]
    run = finished(*(outcome(Verdict.DELETE, each) for each in results))
    registry = recorded(run, run)

    for result, number in (("deleted", 2), ("gone", 1), ("changed", 1), ("failed", 1)):
        assert value(registry, "last_run_deletions", result=result) == number
        assert value(registry, "deletions_total", result=result) == 2 * number


def test_a_dry_run_is_never_counted_as_a_deletion() -> None:
    registry = recorded(finished(outcome(Verdict.DELETE), dry_run=True), dry_run=True)

    assert [value(registry, "deletions_total", result=result) for result in Result] == [0, 0, 0, 0]
    assert [value(registry, "last_run_deletions", result=result) for result in Result] == [0, 0, 0, 0]
    assert value(registry, "runs_total", mode="dry-run", outcome="success") == 1
    assert value(registry, "runs_total", mode="delete", outcome="success") == 0
    assert value(registry, "services", verdict="delete") == 1


def test_a_failed_stamp_is_not_counted_as_a_deletion() -> None:
    registry = recorded(finished(outcome(Verdict.WAIT, Result.FAILED)))

    assert value(registry, "deletions_total", result="failed") == 0
    assert value(registry, "last_run_outcome", outcome="failure") == 1


@pytest.mark.parametrize(
    ("run", "ending"),
    [
        (finished(outcome(Verdict.KEEP)), "success"),
        (finished(outcome(Verdict.DELETE, Result.FAILED)), "failure"),
        (finished(outcome(Verdict.DELETE), refused="too many"), "refused"),
        (None, "failure"),
    ],
)
def test_the_outcome_of_the_last_run_is_one_of_three(run: Run | None, ending: str) -> None:
    registry = recorded(finished(outcome(Verdict.KEEP)), run)

    outcomes = {each: value(registry, "last_run_outcome", outcome=each) for each in ("success", "failure", "refused")}
    assert outcomes == {"success": 0, "failure": 0, "refused": 0} | {ending: 1}
    assert value(registry, "guard_refusals_total") == (ending == "refused")


def test_last_success_is_the_time_of_the_last_successful_run() -> None:
    assert value(recorded(None), "last_success_timestamp_seconds", mode="delete") is None
    assert value(recorded(None), "last_run_timestamp_seconds", mode="delete")

    registry = recorded(finished())
    success = value(registry, "last_success_timestamp_seconds", mode="delete")
    assert success == value(registry, "last_run_timestamp_seconds", mode="delete")


@pytest.mark.parametrize("verdict", [Verdict.WAIT, Verdict.KEEP])
def test_the_longest_hold_is_recorded_until_there_is_none(verdict: Verdict) -> None:
    def held(hours: int) -> Outcome:
        since = datetime.now(UTC) - timedelta(hours=hours)
        return Outcome(Judgement(SERVICE, verdict, "a reason", "node", held_since=since))

    run = finished(outcome(Verdict.KEEP), held(1), held(48), held(2))
    assert value(recorded(run), "node_missing_seconds") == pytest.approx(48 * 3600, abs=60)
    assert value(recorded(run, finished(outcome(verdict))), "node_missing_seconds") == 0
    assert value(recorded(None), "node_missing_seconds") is None


def test_unknown_values_have_no_series() -> None:
    registry = recorded(None)

    assert value(registry, "nodes") is None
    assert value(registry, "nodes_without_service") is None
    assert value(registry, "services", verdict="keep") is None


def test_every_verdict_has_a_series_even_at_zero() -> None:
    registry = recorded(finished(outcome(Verdict.KEEP)), finished())

    assert [value(registry, "services", verdict=verdict) for verdict in Verdict] == [0, 0, 0, 0]


@pytest.mark.parametrize("server", ["https://1.2.3.4:6443", "https://rancher/k8s/clusters/c-1"])
@pytest.mark.parametrize(
    ("method", "where", "expected"),
    [
        ("GET", path("nodes") + "?limit=500&continue=/api/v1/pods", ("list", "nodes")),
        ("GET", path("nodes", "services"), ("get", "nodes")),
        ("GET", path("namespaces", "nodes", "services") + "?limit=500", ("list", "services")),
        ("GET", path("namespaces", "n", "pods"), ("list", "pods")),
        ("DELETE", path("namespaces", "n", "services", "x"), ("delete", "services")),
        ("PATCH", path("namespaces", "n", "services", "x") + "?fieldManager=y", ("patch", "services")),
        ("POST", path("namespaces", "n", "events"), ("create", "events")),
        ("GET", path("namespaces", "n", "secrets"), ("other", "other")),
        ("GET", "/version", ("other", "other")),
        ("BREW", path("nodes"), ("other", "other")),
    ],
)
def test_requests_are_labelled_with_verb_and_resource_as_in_rbac(
    server: str, method: str, where: str, expected: tuple[str, str]
) -> None:
    assert verb_and_resource(method, server + where) == expected


@pytest.mark.parametrize(
    ("status", "label"), [(200, "200"), (404, "404"), (None, "error"), (799, "other"), (0, "other")]
)
def test_the_code_label_is_a_known_status_or_other_or_error(status: int | None, label: str) -> None:
    assert code(status) == label
