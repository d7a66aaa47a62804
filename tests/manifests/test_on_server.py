"""Each component of manifests/ on a real API server: which releases of Kubernetes support it.

An API server refuses fields that it does not know, or drops them silently. A component works if the API server keeps
every field. The test checks both directions: on a release without the features it needs, a component must not work.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness.apiserver import ApiServer
from tests.harness.client import ApiError, Object
from tests.harness.cluster import NAMESPACE, PODS
from tests.harness.features import Feature, adapted
from tests.metrics import manifests
from tests.metrics.manifests import render, the

pytestmark = pytest.mark.xdist_group("components-on-server")  # these tests share a server

BASE = "base"
COMPONENTS = sorted(path.parent.name for path in manifests.COMPONENTS.glob("*/kustomization.yaml"))
NEEDS = {
    "admission": [Feature.ADMISSION_POLICY, Feature.NODE_IN_TOKEN],
    "sidecar": [Feature.SIDECAR],
    "surge": [Feature.MAX_SURGE, Feature.PRE_STOP_SLEEP],
}
TOGETHER = ("surge", "sidecar", "admission", "network-policy", "janitor-deployment", "events")
OPERATOR = "monitoring.coreos.com/v1"  # the API server alone cannot check objects of prometheus-operator


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    """A server for these tests only, because they leave objects behind."""
    with ApiServer() as server:
        yield server


def lost(applied: Any, live: Any, where: str = "") -> Iterator[str]:
    """Paths of applied fields that are missing or have another value."""
    if isinstance(applied, dict) and isinstance(live, dict):
        for key, value in applied.items():
            yield from lost(value, live.get(key), f"{where}.{key}")
    elif isinstance(applied, list) and isinstance(live, list) and len(applied) == len(live):
        for number, (one, other) in enumerate(zip(applied, live, strict=True)):
            yield from lost(one, other, f"{where}[{number}]")
    elif applied != live and (applied or live):
        yield f"{where}: {applied!r} became {live!r}"


def problems(api: ApiServer, objects: list[Object]) -> str:
    """Why the API server does not keep every field of the objects; "" if it does."""
    own = [each for each in objects if each["apiVersion"] != OPERATOR]
    text = adapted(yaml.safe_dump_all(own), api.version)
    done = api.kubectl("apply", "-f", "-", input=text, check=False)
    if done.returncode or "Warning: " in done.stderr:  # the API server warns about deprecated fields
        return done.stderr
    live = yaml.safe_load(api.kubectl("get", "-f", "-", "-o", "yaml", input=text).stdout)["items"]
    pairs = zip(yaml.safe_load_all(text), live, strict=True)
    return "\n".join(f"{one['kind']}{path}" for one, other in pairs for path in lost(one, other))


@pytest.mark.parametrize("component", [BASE, *COMPONENTS])
def test_a_component_works_exactly_on_releases_with_the_features_it_needs(
    api: ApiServer, component: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    found = problems(api, render(api, tmp_path, *([] if component == BASE else [component])))

    expected = all(api.has(feature) for feature in NEEDS.get(component, ()))
    assert (found == "") is expected, found or f"{component} works on {api.version}: correct NEEDS"
    if found:
        record_property("component that does not work", component)


@pytest.mark.needs(*(feature for features in NEEDS.values() for feature in features))
def test_all_components_work_together_in_a_namespace_that_enforces_pod_security_restricted(
    api: ApiServer, tmp_path: Path
) -> None:
    objects = render(api, tmp_path, *TOGETHER)
    the(objects, "Namespace", NAMESPACE)["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": "restricted"}
    assert problems(api, objects) == ""

    dry_run = f"{PODS}?dryRun=All"
    agent = the(objects, "DaemonSet", "nodeproxy-agent")["spec"]["template"]
    janitor = the(objects, "Deployment", "nodeproxy-janitor")["spec"]["template"]
    for template in (agent, janitor):
        api.admin.create(dry_run, {**template, "metadata": {"generateName": "pod-", **template["metadata"]}})
    greedy = {"metadata": {"name": "greedy"}, "spec": {**agent["spec"], "hostNetwork": True}}
    with pytest.raises(ApiError, match='violates PodSecurity "restricted:'):
        api.admin.create(dry_run, greedy)
