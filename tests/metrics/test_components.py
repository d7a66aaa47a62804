"""manifests/components: they work together, and a real API server accepts them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from janitor import settings
from janitor.settings import COMMAND
from tests.harness.apiserver import ApiServer
from tests.harness.client import Object
from tests.harness.cluster import NAMESPACE, base
from tests.metrics import manifests
from tests.metrics.manifests import environment, janitor_pod, render, the

NAMES = sorted(path.parent.name for path in manifests.COMPONENTS.glob("*/kustomization.yaml"))
OTHERS = ["events", "grafana-dashboard", "pod-monitor", "prometheus-rules", "pushgateway"]
FOREIGN = ("PodMonitor", "PrometheusRule")  # prometheus-operator's: the API server does not know them


@pytest.fixture
def deployed(api: ApiServer, tmp_path: Path) -> list[Object]:
    """The base with all components, including the Deployment."""
    return render(api, tmp_path, "janitor-deployment", *OTHERS)


def test_each_component_works_with_the_base_alone(api: ApiServer, tmp_path: Path) -> None:
    for name in NAMES:
        folder = tmp_path / name
        folder.mkdir()
        names = {(each["kind"], each["metadata"]["name"]) for each in render(api, folder, name)}
        assert ("DaemonSet", "nodeproxy-agent") in names
        assert (("CronJob", "nodeproxy-cleaner") in names) is (name != "janitor-deployment")


def test_the_api_server_accepts_the_components(api: ApiServer, deployed: list[Object]) -> None:
    api.ensure_namespace(NAMESPACE)
    added = [each for each in deployed if each["kind"] not in FOREIGN]
    assert "CronJob" not in {each["kind"] for each in added}
    assert all(each["metadata"].get("namespace", NAMESPACE) == NAMESPACE for each in added)
    api.kubectl("apply", "--dry-run=server", "-f", "-", input=yaml.safe_dump_all(added))


def test_every_variable_is_a_setting_of_the_janitor(api: ApiServer, deployed: list[Object], tmp_path: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    job = environment(janitor_pod(render(api, folder, *OTHERS)))
    stays = environment(the(deployed, "Deployment", "nodeproxy-janitor")["spec"]["template"])

    assert {*job, *stays} <= {option.env for option in COMMAND.options}
    for environ in (job, stays):
        settings.parse([], {name: value for name, value in environ.items() if isinstance(value, str)})
    assert job["JANITOR_EVENTS"] == stays["JANITOR_EVENTS"] == "true"
    assert job["JANITOR_PUSHGATEWAY"] == {"secretKeyRef": {"name": "nodeproxy-pushgateway", "key": "url"}}


def secured(pod: Any) -> Any:
    """The parts of a pod template that must be the same in the CronJob and in the Deployment."""
    [container] = pod["spec"]["containers"]
    own = {"env", "ports", "livenessProbe", "readinessProbe"}
    kept = {key: value for key, value in container.items() if key not in own}
    return {**pod["spec"], "containers": [kept], "restartPolicy": None}


def test_the_deployments_pod_is_restricted_like_the_cron_jobs(api: ApiServer, deployed: list[Object]) -> None:
    """Image, identity, mounts and restrictions are the same, so tests/api/test_manifests.py holds for both."""
    pod = the(deployed, "Deployment", "nodeproxy-janitor")["spec"]["template"]
    assert secured(pod) == secured(janitor_pod(base(api)))


def test_the_pod_monitor_selects_both_and_their_ports_have_its_name(
    api: ApiServer, deployed: list[Object], tmp_path: Path
) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    deployment = the(deployed, "Deployment", "nodeproxy-janitor")["spec"]["template"]
    monitor = the(deployed, "PodMonitor", "nodeproxy-janitor")["spec"]
    [selected] = monitor["selector"]["matchExpressions"]
    for pod in (janitor_pod(render(api, folder, "pod-monitor")), deployment):
        assert pod["metadata"]["labels"][selected["key"]] in selected["values"]
        [port] = pod["spec"]["containers"][0]["ports"]
        assert port["name"] == monitor["podMetricsEndpoints"][0]["port"]
        assert str(port["containerPort"]) == environment(pod)["JANITOR_METRICS_PORT"]


def test_grafanas_sidecar_finds_the_dashboard(deployed: list[Object]) -> None:
    config = the(deployed, "ConfigMap", "nodeproxy-janitor-dashboard")
    assert config["metadata"]["labels"] == {"grafana_dashboard": "1"}
    assert list(config["data"]) == ["nodeproxy-janitor.json"]
