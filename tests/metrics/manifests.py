"""The components of manifests/, as kustomize renders them on top of the base."""

from pathlib import Path
from typing import Any

import yaml

from tests.harness.apiserver import ApiServer
from tests.harness.client import Object
from tests.harness.cluster import ROOT

COMPONENTS = ROOT / "manifests" / "components"


def render(api: ApiServer, folder: Path, *components: str) -> list[Object]:
    """The base with these components; `folder` is a new one below tests' temporary folder."""
    above = Path("../" * len(folder.resolve().parts[1:])) / "."
    config = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [str(above / str(ROOT / "manifests/base").lstrip("/"))],
        "components": [str(above / str(COMPONENTS / each).lstrip("/")) for each in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(config))
    return [*yaml.safe_load_all(api.kubectl("kustomize", str(folder)).stdout)]


def the(objects: list[Object], kind: str, name: str) -> Any:
    """The one object of that kind and name."""
    [found] = [each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def janitor_pod(objects: list[Object]) -> Any:
    """The CronJob's pod template."""
    return the(objects, "CronJob", "nodeproxy-cleaner")["spec"]["jobTemplate"]["spec"]["template"]


def environment(pod: Any) -> dict[str, Any]:
    """The environment of the janitor's container."""
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in pod["spec"]["containers"][0]["env"]}


def rule_groups() -> list[Any]:
    """The groups of components/prometheus-rules, as Prometheus itself reads them."""
    groups: list[Any] = yaml.safe_load((COMPONENTS / "prometheus-rules/rules.yaml").read_text())["spec"]["groups"]
    return groups
