"""Each component of manifests/, applied on a real API server: which releases of Kubernetes take it whole.

Servers refuse what they do not know, or drop it without a word. So a component works where the API server takes every
field of it, and the test holds both ways: on a release without its features, it must not work.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness.apiserver import ApiServer
from tests.harness.client import Object
from tests.harness.features import Feature, adapted
from tests.metrics import manifests
from tests.metrics.manifests import render

pytestmark = pytest.mark.xdist_group("components-on-server")  # the server is shared

BASE = "base"
COMPONENTS = sorted(path.parent.name for path in manifests.COMPONENTS.glob("*/kustomization.yaml"))
NEEDS = {
    "admission": [Feature.ADMISSION_POLICY, Feature.NODE_IN_TOKEN],
    "sidecar": [Feature.SIDECAR],
    "surge": [Feature.MAX_SURGE, Feature.PRE_STOP_SLEEP],
}
OPERATOR = {"PodMonitor": "podmonitors", "PrometheusRule": "prometheusrules"}


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    """A server of its own, which knows the kinds of prometheus-operator."""
    with ApiServer() as server:
        server.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(map(definition, OPERATOR)))
        server.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
        yield server


def definition(kind: str) -> Object:
    """A CustomResourceDefinition that takes any field: here only Kubernetes' own kinds are tested."""
    group, plural = "monitoring.coreos.com", OPERATOR[kind]
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def lost(applied: Any, live: Any, where: str = "") -> Iterator[str]:
    """Paths of fields that were applied and are not there, or have another value."""
    if isinstance(applied, dict) and isinstance(live, dict):
        for key, value in applied.items():
            yield from lost(value, live.get(key), f"{where}.{key}")
    elif isinstance(applied, list) and isinstance(live, list) and len(applied) == len(live):
        for number, (one, other) in enumerate(zip(applied, live, strict=True)):
            yield from lost(one, other, f"{where}[{number}]")
    elif applied != live and (applied or live):
        yield f"{where}: {applied!r} became {live!r}"


def problems(api: ApiServer, objects: list[Object]) -> str:
    """Why the API server does not take the objects whole; "" where it does."""
    text = adapted(yaml.safe_dump_all(objects), api.version)
    done = api.kubectl("apply", "-f", "-", input=text, check=False)
    try:
        if done.returncode:
            return done.stderr
        live = yaml.safe_load(api.kubectl("get", "-f", "-", "-o", "yaml", input=text).stdout)["items"]
        applied = [*yaml.safe_load_all(text)]
        return "\n".join(
            f"{one['kind']}{path}" for one, other in zip(applied, live, strict=True) for path in lost(one, other)
        )
    finally:
        # without its controller a namespace is never gone
        others = yaml.safe_dump_all(each for each in yaml.safe_load_all(text) if each["kind"] != "Namespace")
        api.kubectl("delete", "--ignore-not-found", "-f", "-", input=others)


@pytest.mark.parametrize("component", [BASE, *COMPONENTS])
def test_a_component_works_on_releases_that_have_what_it_needs(
    api: ApiServer, component: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    found = problems(api, render(api, tmp_path, *([] if component == BASE else [component])))

    expected = all(api.has(feature) for feature in NEEDS.get(component, ()))
    assert (found == "") is expected, found or f"{component} works on {api.version}: correct NEEDS"
    if found:
        record_property("component that does not work", component)
