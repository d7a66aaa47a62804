"""The chart's values for the janitor: both of its forms, its metrics and its Events fit each other."""

from typing import Any

import pytest

from janitor import settings
from janitor.settings import COMMAND
from tests.harness.chart import environment, render, rule_groups, template, the
from tests.harness.client import Object

LABEL = {"release": "kube-prometheus-stack"}
METRICS = {
    "podMonitor": {"enabled": True, "labels": LABEL},
    "rules": {"enabled": True, "labels": LABEL, "alertLabels": {"team": "net"}},
    "dashboard": {"enabled": True},
    "pushgateway": {"existingSecret": "nodeproxy-pushgateway"},
}
FORMS = ("CronJob", "Deployment")


def rendered(kind: str, **janitor: object) -> list[Object]:
    return render({"metrics": METRICS, "janitor": {"kind": kind, "events": True, **janitor}})


@pytest.mark.parametrize("kind", FORMS)
def test_there_is_one_janitor(kind: str) -> None:
    assert [each["kind"] for each in rendered(kind) if each["kind"] in FORMS] == [kind]


@pytest.mark.parametrize("kind", FORMS)
def test_every_variable_is_a_setting_of_the_janitor(kind: str) -> None:
    env = environment(template(rendered(kind), kind), "janitor")

    assert {*env} <= {option.env for option in COMMAND.options}
    settings.parse([], {name: value for name, value in env.items() if isinstance(value, str)})
    assert env["JANITOR_EVENTS"] == "true"
    assert env["JANITOR_PUSHGATEWAY"] == {"secretKeyRef": {"name": "nodeproxy-pushgateway", "key": "url"}}


@pytest.mark.parametrize("kind", FORMS)
def test_a_setting_of_the_users_wins(kind: str) -> None:
    objects = rendered(kind, settings={"JANITOR_LOG_FORMAT": "text", "JANITOR_GRACE_PERIOD": "24h"})
    env = environment(template(objects, kind), "janitor")

    assert (env["JANITOR_LOG_FORMAT"], env["JANITOR_GRACE_PERIOD"]) == ("text", "24h")


def secured(pod: Any) -> Any:
    """What of a pod template must not differ between the janitor's two forms."""
    [container] = pod["spec"]["containers"]
    own = {"env", "ports", "livenessProbe", "readinessProbe"}
    kept = {key: value for key, value in container.items() if key not in own}
    return {**pod["spec"], "containers": [kept], "restartPolicy": None}


def test_the_deployments_pod_is_the_cron_jobs() -> None:
    """The same image, identity, mounts and confinement: what tests/api/test_manifests.py says of the one holds."""
    cron, deployment = (secured(template(rendered(kind), kind)) for kind in FORMS)
    assert cron == deployment


@pytest.mark.parametrize("kind", FORMS)
def test_the_pod_monitor_selects_the_pods_and_their_port_has_its_name(kind: str) -> None:
    objects = rendered(kind)
    pod = template(objects, kind)
    monitor = the(objects, "PodMonitor", "nodeproxy-janitor")["spec"]
    [selected] = monitor["selector"]["matchExpressions"]
    assert pod["metadata"]["labels"][selected["key"]] in selected["values"]
    [port] = pod["spec"]["containers"][0]["ports"]
    assert port["name"] == monitor["podMetricsEndpoints"][0]["port"]
    assert str(port["containerPort"]) == environment(pod, "janitor")["JANITOR_METRICS_PORT"]


def test_monitors_and_alerts_carry_the_labels_that_a_user_names() -> None:
    objects = rendered("CronJob")
    rules = the(objects, "PrometheusRule", "nodeproxy-janitor")
    for each in (rules, the(objects, "PodMonitor", "nodeproxy-janitor")):
        assert LABEL.items() <= each["metadata"]["labels"].items()
    alerts = [rule for group in rules["spec"]["groups"] for rule in group["rules"] if "alert" in rule]
    assert {alert["labels"]["team"] for alert in alerts} == {"net"}
    assert {alert["labels"]["severity"] for alert in alerts} == {"warning"}


def test_the_rules_are_those_of_the_file() -> None:
    objects = render({"metrics": {"rules": {"enabled": True}}})
    assert the(objects, "PrometheusRule", "nodeproxy-janitor")["spec"]["groups"] == rule_groups()


def test_the_dashboard_is_where_grafanas_sidecar_looks() -> None:
    config = the(rendered("CronJob"), "ConfigMap", "nodeproxy-janitor-dashboard")
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert list(config["data"]) == ["nodeproxy-janitor.json"]
