"""The manifests are valid for a current Kubernetes, even if the tests run on an older API server."""

import json
import re
import subprocess
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from registrar import __version__
from tests.docs.languages import in_chinese_only
from tests.harness import assets, chart
from tests.harness.chart import MANIFESTS, template
from tests.harness.cluster import installed
from tests.manifests.components import COMPONENTS, together
from tests.manifests.make_schemas import DATA, definition

EXAMPLES = sorted(path.stem for path in (MANIFESTS / "examples" / "values").glob("*.yaml"))
OF_OPERATOR = {"pod-monitor", "prometheus-rules"}  # no API server of the tests checks their objects
CLIENTS = sorted((MANIFESTS / "examples" / "clients").glob("*.yaml"))


@cache
def validator(name: str) -> Draft202012Validator:
    schema = json.loads(DATA.read_text())
    assert name in schema["$defs"], f"no schema of {name}: add it to make_schemas.py"
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]})


def faults(each: dict[str, Any]) -> list[str]:
    """The errors in this object by the published schema."""
    found = validator(definition(each["apiVersion"], each["kind"])).iter_errors(each)
    return [f"{each['kind']} {error.json_path}: {error.message}" for error in found]


def all_faults(objects: list[dict[str, Any]]) -> list[str]:
    return [fault for each in objects for fault in faults(each)]


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_is_valid_and_changes_something(component: str) -> None:
    objects = chart.render(together(component))

    assert all_faults(objects) == []
    assert objects != chart.render(together())


def test_all_pairs_with_objects_of_prometheus_operator_are_valid() -> None:
    """test_on_server.py has all other pairs."""
    pairs = [pair for pair in combinations(COMPONENTS, 2) if OF_OPERATOR & {*pair}]
    found = {pair: all_faults(chart.render(together(*pair))) for pair in pairs}
    assert {pair: lines for pair, lines in found.items() if lines} == {}


@pytest.mark.parametrize("pair", [("events", "janitor-deployment"), ("image-registry", "surge")])
def test_a_component_does_the_same_beside_another(pair: tuple[str, str]) -> None:
    """The components of kustomize that the chart replaces dropped settings, depending on their order."""
    alone = [set(lines(chart.render(together(name)))) - set(lines(chart.render(together()))) for name in pair]
    both = set(lines(chart.render(together(*pair))))
    assert alone[1] <= both
    env = chart.environment(template(chart.render(together("events", "janitor-deployment")), "Deployment"), "janitor")
    assert env["JANITOR_EVENTS"] == "true"


def lines(objects: list[dict[str, Any]]) -> list[str]:
    return yaml.safe_dump_all(objects).splitlines()


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_valid(example: str) -> None:
    assert all_faults(chart.render(chart.example(example))) == []


@pytest.mark.parametrize("file", [*CLIENTS, MANIFESTS / "install.yaml"], ids=lambda file: file.name)
def test_a_single_file_is_valid(file: Path) -> None:
    assert all_faults([*yaml.safe_load_all(file.read_text())]) == []


def test_a_wrong_field_is_invalid() -> None:
    """Shows that the check can find an error."""
    [agent] = [each for each in chart.render() if each["kind"] == "DaemonSet"]
    agent["spec"]["template"]["spec"]["containers"][0]["imagePullPolice"] = "Never"

    assert "imagePullPolice" in " ".join(faults(agent))


def images(objects: list[dict[str, Any]], *kinds: str) -> list[str]:
    pods = [template(objects, kind)["spec"] for kind in ("DaemonSet", "CronJob", *kinds)]
    return [each["image"] for pod in pods for each in [*pod.get("initContainers", []), *pod["containers"]]]


@pytest.mark.parametrize("example", [None, "socks-proxy", "pgbouncer"])
def test_our_images_are_pinned_to_this_version(example: str | None) -> None:
    registrar, proxy, janitor = images(chart.render(chart.example(example) if example else {}))

    assert registrar == f"ghcr.io/nodeproxy/registrar:{__version__}"
    assert janitor == f"ghcr.io/nodeproxy/janitor:{__version__}"
    assert not proxy.endswith(":latest")


def test_the_mirror_example_replaces_every_image_and_gives_credentials() -> None:
    objects = chart.render(chart.example("air-gapped-mirror"))

    assert [each.split("/")[0] for each in images(objects)] == ["registry.example.com"] * 3
    for kind in ("DaemonSet", "CronJob"):
        assert template(objects, kind)["spec"]["imagePullSecrets"] == [{"name": "registry"}]


def chinese_yaml() -> list[dict[str, Any]]:
    return [yaml.safe_load(text) for each in in_chinese_only() for kind, text in each.blocks if kind == "yaml"]


def test_the_objects_in_the_chinese_pages_are_valid() -> None:
    objects = [each for each in chinese_yaml() if "apiVersion" in each]

    assert objects
    assert all_faults(objects) == []


def test_the_values_for_harbor_in_the_chinese_pages_replace_every_image() -> None:
    [values] = [each for each in chinese_yaml() if "apiVersion" not in each]
    destinations = [{"name": "a", "node": "b", "host": "c", "port": 1}]
    found = images(chart.render({**values, "destinations": destinations}), "Deployment")

    ours, others = "harbor.example.com/ghcr/nodeproxy", "harbor.example.com/dockerhub"
    assert {each.rpartition(":")[0] for each in found} == {
        *(f"{ours}/{name}" for name in ("registrar", "janitor")),
        *(f"{others}/{name}" for name in ("kalaksi/tinyproxy", "alpine/socat")),
    }


def test_a_digest_wins_over_the_tag() -> None:
    digest = f"sha256:{'a' * 64}"
    values = {name: {"image": {"digest": digest}} for name in ("registrar", "proxy", "janitor")}

    assert [each.split("@")[1] for each in images(chart.render(values))] == [digest] * 3


def test_all_objects_and_subjects_are_in_the_releases_namespace() -> None:
    """A subject in another namespace would have no rights there."""
    everything = [name for name in COMPONENTS if name != "janitor-deployment"]
    for names in (everything, ["janitor-deployment"]):
        objects = chart.render(together(*names), namespace="elsewhere")
        assert "Namespace" not in {each["kind"] for each in objects}
        assert NAMESPACE_NAME not in yaml.safe_dump_all(objects)
        subjects = [subject for each in objects for subject in each.get("subjects", [])]
        assert {subject["namespace"] for subject in subjects} == {"elsewhere"}


NAMESPACE_NAME = "project-nodeproxy"


def test_another_name_is_on_all_objects() -> None:
    """Two stacks in one namespace must not share an object: uninstalling one would delete it.

    Destinations have the names that the user gives them, and helm refuses those that another release has.
    """
    objects = chart.render({"name": "edge", **together(*COMPONENTS), "destinations": []})

    assert [each["metadata"]["name"] for each in objects if not each["metadata"]["name"].startswith("edge-")] == []
    text = yaml.safe_dump_all(each for each in objects if each["kind"] != "PrometheusRule")
    assert "app: nodeproxy-agent" not in text
    # as a name or in one; the field manager, which some policies quote, is the same in every stack
    assert not re.search(r": ?nodeproxy-registrar", text)


def test_kustomize_takes_install_yaml() -> None:
    command = [str(assets.wheel_kubectl()), "kustomize", str(MANIFESTS)]
    rendered = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    one, other = (
        sorted(json.dumps(each, sort_keys=True) for each in objects)
        for objects in (yaml.safe_load_all(rendered), installed())
    )
    assert one == other


def test_install_yaml_is_the_version_of_the_programs() -> None:
    assert images(installed()) == images(chart.render())
