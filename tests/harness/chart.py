"""The chart, rendered as `helm template` does for a user. `python -m tests.harness.chart` runs the pinned helm."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from tests.harness import assets, versions
from tests.harness.client import Object

MANIFESTS = Path(__file__).parents[2] / "manifests"
CHART = MANIFESTS / "chart"
RULES, DASHBOARD = CHART / "files" / "rules.yaml", CHART / "files" / "dashboard.json"
RELEASE, NAMESPACE = "nodeproxy", "project-nodeproxy"


class RefusedError(Exception):
    """helm refused the values, or the chart did; its message."""


def program() -> Path:
    """The pinned helm. The first use builds it."""
    return assets.ensure_tool("helm") / "helm"


def helm(*args: str, stdin: str | None = None) -> str:
    """Run helm with no settings of this machine; its standard output. Raises RefusedError."""
    command = [str(program()), *args]
    with TemporaryDirectory() as home:
        env = {"PATH": os.defpath, "HOME": home}
        done = subprocess.run(command, input=stdin, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RefusedError(done.stderr)
    return done.stdout


def text(
    values: Mapping[str, Any] | None = None,
    release: str = RELEASE,
    namespace: str = NAMESPACE,
    kubernetes: str = versions.minors()[0],
) -> str:
    """The YAML for these values and a cluster of this version."""
    where = (f"--namespace={namespace}", f"--kube-version={kubernetes}")
    return helm("template", release, str(CHART), *where, "--values=-", stdin=json.dumps(values or {}))


def render(
    values: Mapping[str, Any] | None = None,
    release: str = RELEASE,
    namespace: str = NAMESPACE,
    kubernetes: str = versions.minors()[0],
) -> list[Object]:
    """The objects for these values and a cluster of this version."""
    return [*_render(json.dumps(values or {}), release, namespace, kubernetes)]


@cache
def _rendered(values: str, release: str, namespace: str, kubernetes: str) -> str:
    return text(json.loads(values), release, namespace, kubernetes)


def _render(values: str, release: str, namespace: str, kubernetes: str) -> Iterator[Object]:
    """New objects each time: tests change them."""
    return filter(None, yaml.safe_load_all(_rendered(values, release, namespace, kubernetes)))


def rule_groups() -> list[Any]:
    """The recording rule and the alerts, as Prometheus itself reads them."""
    groups: list[Any] = yaml.safe_load(RULES.read_text())["groups"]
    return groups


def example(name: str) -> Object:
    """The values of one of the examples."""
    values: Object = yaml.safe_load((MANIFESTS / "examples" / "values" / f"{name}.yaml").read_text())
    return values


def the(objects: list[Object], kind: str, name: str) -> Any:
    """The one object of that kind and name."""
    [found] = [each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def template(objects: list[Object], kind: str) -> Any:
    """The pod template of the one object of `kind`."""
    [spec] = [each["spec"] for each in objects if each["kind"] == kind]
    return (spec["jobTemplate"]["spec"] if kind == "CronJob" else spec)["template"]


def environment(pod: Any, container: str) -> dict[str, Any]:
    """The environment of a container of a pod template; a reference in place of a value stays one."""
    containers = [*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]]
    [found] = [each for each in containers if each["name"] == container]
    return {each["name"]: each.get("value") or each["valueFrom"] for each in found.get("env", ())}


if __name__ == "__main__":
    os.execv(program(), ["helm", *sys.argv[1:]])
