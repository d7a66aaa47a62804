"""`--linger`: a run serves its metrics for a while, and a real Prometheus finds it through the API server."""

import time
from typing import Any

import pytest
import requests

from registrar import contract
from tests.harness import chart, objects
from tests.harness.apiserver import ApiServer
from tests.harness.background import PROMPT, Background
from tests.harness.client import ApiClient, Object
from tests.harness.cluster import NAMESPACE, PODS, SERVICES, Cluster
from tests.harness.discovery import META, discovery
from tests.harness.gateway import Gateway
from tests.harness.processes import wait_until
from tests.harness.prometheus import Prometheus, promtool
from tests.harness.rules import Reply

LINGER = ("--linger", "1h")
DELETED = 'nodeproxy_janitor_last_run_deletions{result="deleted"}'


@pytest.fixture
def cluster(cluster: Cluster) -> Cluster:
    """Two nodes with their Services, of which one node is gone."""
    cluster.node("live")
    cluster.admin.create_many(SERVICES, [objects.service("live"), objects.service("gone")])
    return cluster


def prometheus_account(api: ApiServer) -> ApiClient:
    """A client with the rights of the operator's Prometheus in a namespace: to list pods."""
    api.ensure_service_account(NAMESPACE, "prometheus")
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}"
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    api.ensure(f"{rbac}/roles", {"kind": "Role", "metadata": {"name": "prometheus"}, "rules": rules})
    binding = {
        "kind": "RoleBinding",
        "metadata": {"name": "prometheus"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "prometheus"},
        "subjects": [{"kind": "ServiceAccount", "name": "prometheus", "namespace": NAMESPACE}],
    }
    api.ensure(f"{rbac}/rolebindings", binding)
    return api.client(api.service_account_token(NAMESPACE, "prometheus"))


def scrape(monitor: Any, found: dict[str, Any]) -> dict[str, Any]:
    """The scrape config that prometheus-operator makes from a PodMonitor."""
    [wanted] = monitor["spec"]["selector"]["matchExpressions"]
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    relabelled = [
        {"action": "keep", "source_labels": [f"{META}pod_label_app"], "regex": "|".join(wanted["values"])},
        {"action": "keep", "source_labels": [f"{META}pod_container_port_name"], "regex": endpoint["port"]},
        {"source_labels": [f"{META}namespace"], "target_label": "namespace"},
        {"source_labels": [f"{META}pod_name"], "target_label": "pod"},
        {"source_labels": [f"{META}pod_container_name"], "target_label": "container"},
    ]
    return {"job_name": f"{NAMESPACE}/{monitor['metadata']['name']}", "relabel_configs": relabelled, **found}


def run_as_pod(cluster: Cluster, template: Any, port: int) -> Object:
    """The pod that the CronJob would make, on this machine's loopback address, as if kubelet had started it."""
    [container] = template["spec"]["containers"]
    container["ports"][0]["containerPort"] = port
    meta = {"generateName": "nodeproxy-cleaner-", "labels": template["metadata"]["labels"]}
    spec = {**template["spec"], "nodeName": "live"}
    pod = cluster.admin.create(PODS, {"kind": "Pod", "metadata": meta, "spec": spec})
    status = {"status": {"phase": "Running", "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}}
    cluster.admin.patch(f"{PODS}/{pod['metadata']['name']}/status", status)
    return pod


def test_prometheus_finds_the_pod_through_the_api_server_and_keeps_its_samples(
    cluster: Cluster, api: ApiServer
) -> None:
    rendered = chart.render({"metrics": {"podMonitor": {"enabled": True}}})
    template = chart.template(rendered, "CronJob")
    env = chart.environment(template, "janitor")
    assert env.pop("JANITOR_METRICS_PORT") == str(template["spec"]["containers"][0]["ports"][0]["containerPort"])
    assert env == {"JANITOR_LINGER": "90s", "JANITOR_NODE_LABEL": contract.NODE_LABEL}
    monitor = chart.the(rendered, "PodMonitor", "nodeproxy-janitor")

    with (
        discovery(prometheus_account(api), NAMESPACE) as found,
        Prometheus([scrape(monitor, found)], chart.rule_groups()) as prometheus,
    ):
        with Background(cluster, **env) as janitor:
            pod = run_as_pod(cluster, template, janitor.port)
            wait_until(lambda: prometheus.value(DELETED) == 1, 20, "a scrape")
            run, took = janitor.end()
        assert run.code == 0
        assert took < PROMPT
        wait_until(lambda: prometheus.value("up") == 0, 20, "a scrape that fails")
        assert prometheus.query(DELETED) == []

        [sample] = prometheus.query(f"last_over_time({DELETED}[1h])")
        assert sample["value"][1] == "1"
        assert sample["metric"]["namespace"] == NAMESPACE
        assert sample["metric"]["pod"] == pod["metadata"]["name"]
        wait_until(lambda: prometheus.query("nodeproxy:janitor_latest_run"), 10, "the result of the recording rule")
        assert prometheus.query("ALERTS") == []


@pytest.mark.parametrize(("flags", "code", "outcome"), [((), 0, "success"), (("--max-delete", "0"), 3, "refused")])
def test_sigterm_ends_lingering_with_the_exit_code_of_the_run(
    cluster: Cluster, flags: tuple[str, ...], code: int, outcome: str
) -> None:
    with Background(cluster, *LINGER, *flags) as janitor:
        janitor.await_value(1, "last_run_outcome", outcome=outcome)
        run, took = janitor.end()

    assert run.code == code
    assert took < PROMPT


def test_lingering_ends_by_itself(cluster: Cluster) -> None:
    started = time.monotonic()
    assert cluster.janitor("--metrics-port", "0x", "--linger", "1s").code == 2
    with Background(cluster, "--linger", "1500ms") as janitor:
        janitor.await_value(1, "last_run_outcome", outcome="success")
        run, _ = janitor.ended()

    assert run.code == 0
    assert time.monotonic() - started >= 1.5


def test_a_failed_run_serves_its_metrics_too(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("GET", "/nodes$", reply=Reply(403, b'{"kind": "Status", "reason": "Forbidden", "message": "no"}'))
    with Background(cluster, *LINGER, server=gateway.url) as janitor:
        janitor.await_value(1, "last_run_outcome", outcome="failure")
        assert janitor.value("runs_total", mode="delete", outcome="failure") == 1
        assert janitor.value("last_success_timestamp_seconds", mode="delete") is None
        assert janitor.value("nodes") is None
        assert janitor.value("api_requests_total", code="403", resource="nodes", verb="list") == 1
        run, _ = janitor.end()

    assert run.code == 1
    assert len(cluster.services()) == 2


def test_the_request_metrics_match_the_audit_log(cluster: Cluster, api: ApiServer) -> None:
    mark = api.audit_mark()
    with Background(cluster, *LINGER) as janitor:
        janitor.await_value(1, "last_run_outcome", outcome="success")
        text = janitor.get("/metrics").text

    audited = [
        (each.verb, each.resource, str(each.code))
        for each in api.requests_since(mark, user_agent="nodeproxy-janitor", stage="ResponseComplete")
    ]
    expected = {
        f'nodeproxy_janitor_api_requests_total{{code="{code}",resource="{resource}",verb="{verb}"}} '
        f"{audited.count((verb, resource, code))}.0"
        for verb, resource, code in audited
    }
    assert len(expected) == 5
    assert {line for line in text.splitlines() if line.startswith("nodeproxy_janitor_api_requests_total{")} == expected


def test_retries_and_lost_answers_are_counted(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("GET", "/services$", reply=Reply(503))
    gateway.rule("GET", "/pods$", reset="before")
    with Background(cluster, *LINGER, server=gateway.url) as janitor:
        janitor.await_value(1, "last_run_outcome", outcome="success")
        assert janitor.value("api_retries_total") == 2
        assert janitor.value("api_requests_total", code="503", resource="services", verb="list") == 1
        assert janitor.value("api_requests_total", code="error", resource="pods", verb="list") == 1


def test_a_dry_run_counts_no_deletion(cluster: Cluster) -> None:
    with Background(cluster, *LINGER, "--dry-run") as janitor:
        janitor.await_value(1, "last_run_outcome", outcome="success")
        assert janitor.value("services", verdict="delete") == 1
        assert janitor.value("deletions_total", result="deleted") == 0
        assert janitor.value("last_run_timestamp_seconds", mode="delete") is None


def test_a_node_whose_service_was_deleted_is_counted_and_named(cluster: Cluster) -> None:
    cluster.register("stranded")
    cluster.admin.delete(f"{SERVICES}/{contract.service_name('stranded')}")
    with Background(cluster, *LINGER) as janitor:
        janitor.await_value(1, "nodes_without_service")
        assert janitor.value("nodes") == 2
        run, _ = janitor.end()

    assert "Nodes with an agent pod but no Service: stranded" in run.err


def test_promtool_accepts_the_metrics(cluster: Cluster) -> None:
    with Background(cluster, *LINGER) as janitor:
        janitor.await_value(1, "last_run_outcome", outcome="success")
        checked = promtool("check", "metrics", input=janitor.get("/metrics").text)

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_a_port_in_use_is_a_bad_setting_and_nothing_is_deleted(cluster: Cluster) -> None:
    with Background(cluster, *LINGER, "--dry-run") as first:
        run = cluster.janitor("--metrics-port", str(first.port))

    assert run.code == 2
    assert f"bad setting --metrics-port: {first.port}: another process listens there" in run.last_line
    assert len(cluster.services()) == 2


def test_metrics_are_served_over_ipv4_and_ipv6_and_as_openmetrics(cluster: Cluster) -> None:
    with Background(cluster, *LINGER) as janitor:
        six = requests.get(f"http://[::1]:{janitor.port}/metrics", timeout=5)
        accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
        open_metrics = requests.get(f"http://127.0.0.1:{janitor.port}/metrics", headers=accept, timeout=5)
        statuses = {path: janitor.get(path).status_code for path in ("/livez", "/", "/metrics/x")}

    assert six.ok
    assert open_metrics.text.endswith("# EOF\n")
    assert open_metrics.headers["Content-Type"].startswith("application/openmetrics-text")
    assert statuses == {"/livez": 200, "/": 404, "/metrics/x": 404}
