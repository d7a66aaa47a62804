"""The chart on a real API server, which keeps every field of every component, alone and in pairs.

An API server refuses fields that it does not know, or drops them silently. So the tests compare what they applied with
the objects on the server. On a release without the features that a component needs, the chart refuses it.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from tests.harness import chart
from tests.harness.apiserver import ApiServer
from tests.harness.chart import NAMESPACE, template
from tests.harness.client import ApiError, Object, parallel
from tests.harness.cluster import PODS
from tests.harness.features import Feature
from tests.harness.versions import minor_of
from tests.manifests.components import COMPONENTS, pairs, together, works

pytestmark = pytest.mark.xdist_group("chart-on-server")  # these tests share a server

OPERATOR = "monitoring.coreos.com/v1"  # the API server alone cannot check objects of prometheus-operator
BACKGROUND = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
EXAMPLES = sorted(path.stem for path in (chart.MANIFESTS / "examples" / "values").glob("*.yaml"))


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    """A server for these tests only, because they leave objects behind."""
    with ApiServer() as server:
        server.ensure_namespace(NAMESPACE)
        yield server


def render(api: ApiServer, values: Any) -> list[Object]:
    return chart.render(values, kubernetes=minor_of(api.version))


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


def where(each: Object) -> str:
    """The object's path on the server."""
    group, _, version = each["apiVersion"].rpartition("/")
    kind = each["kind"].lower()
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}es" if kind.endswith("s") else f"{kind}s"
    namespace = each["metadata"].get("namespace")
    scope = f"/namespaces/{namespace}" if namespace else ""
    return f"/{f'apis/{group}' if group else 'api'}/{version}{scope}/{plural}/{each['metadata']['name']}"


def problems(api: ApiServer, objects: list[Object]) -> list[str]:
    """The fields that the API server does not keep."""

    def create(each: Object) -> list[str]:
        try:
            api.admin.delete(where(each), BACKGROUND)  # the object of an earlier test
        except ApiError as error:
            if error.status != 404:
                raise
        live = api.admin.create(where(each).rpartition("/")[0], each)
        return [f"{each['kind']}{path}" for path in lost(each, live)]

    own = [each for each in objects if each["apiVersion"] != OPERATOR]
    return [line for lines in parallel(create, own) for line in lines]


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_server_keeps_every_field_of_a_component_or_the_chart_refuses_it(
    api: ApiServer, component: str, record_property: Callable[[str, object], None]
) -> None:
    if works(component, api.version):
        assert problems(api, render(api, together(component))) == []
        return
    record_property("component that does not work", component)
    with pytest.raises(chart.RefusedError, match=r"needs Kubernetes 1\.\d+ or newer; this cluster has v1\.\d+"):
        render(api, together(component))


def test_the_server_keeps_every_field_of_the_defaults_without_a_warning(api: ApiServer) -> None:
    assert problems(api, render(api, {})) == []  # takes the place of an earlier test's objects
    text = yaml.safe_dump_all(render(api, {}))
    apply = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-")
    done = api.kubectl(*apply, input=text)
    assert "Warning" not in done.stderr


def test_the_server_keeps_every_field_of_all_pairs_of_components(api: ApiServer) -> None:
    found = {pair: problems(api, render(api, together(*pair))) for pair in pairs(api.version)}
    assert {pair: lines for pair, lines in found.items() if lines} == {}


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_server_keeps_every_field_of_an_example(api: ApiServer, example: str) -> None:
    assert problems(api, render(api, chart.example(example))) == []


def test_all_components_work_together_in_a_namespace_that_enforces_pod_security_restricted(api: ApiServer) -> None:
    all_that_work = [name for name in COMPONENTS if works(name, api.version)]
    objects = render(api, together(*all_that_work))
    assert problems(api, objects) == []
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    api.admin.patch(f"/api/v1/namespaces/{NAMESPACE}", {"metadata": {"labels": level}})

    dry_run = f"{PODS}?dryRun=All"
    agent = template(objects, "DaemonSet")
    for pod in (agent, *(each["spec"]["template"] for each in objects if each["kind"] == "Deployment")):
        api.admin.create(dry_run, {**pod, "metadata": {"generateName": "pod-", **pod["metadata"]}})
    if api.has(Feature.POD_SECURITY):
        greedy = {"metadata": {"name": "greedy"}, "spec": {**agent["spec"], "hostUsers": True, "hostNetwork": True}}
        with pytest.raises(ApiError, match='violates PodSecurity "restricted:'):
            api.admin.create(dry_run, greedy)
