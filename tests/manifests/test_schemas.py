"""The manifests are valid for a current Kubernetes, even if the tests run on an older API server."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from registrar import __version__
from tests.harness import assets
from tests.harness.cluster import ROOT
from tests.manifests.make_schemas import DATA, definition

MANIFESTS = ROOT / "manifests"
FOLDERS = sorted(
    path.parent for path in [MANIFESTS / "base/kustomization.yaml", *MANIFESTS.glob("*/*/kustomization.yaml")]
)
COMPONENTS = [folder for folder in FOLDERS if folder.parent.name == "components"]
SINGLE = sorted((MANIFESTS / "examples").glob("*.yaml"))


def kustomize(folder: Path) -> list[dict[str, Any]]:
    """The objects of a folder."""
    done = subprocess.run([assets.ensure().kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [*yaml.safe_load_all(done.stdout)]


def render(folder: Path, scratch: Path) -> list[dict[str, Any]]:
    """The objects of a folder. A component is applied to the base."""
    if folder not in COMPONENTS:
        return kustomize(folder)
    link = scratch / "manifests"
    link.mkdir()
    for name in ("base", "components"):
        subprocess.run(["cp", "-r", MANIFESTS / name, link], check=True)
    over = link / "over"
    over.mkdir()
    (over / "kustomization.yaml").write_text(f"resources: [../base]\ncomponents: [../components/{folder.name}]\n")
    return kustomize(over)


def faults(each: dict[str, Any]) -> list[str]:
    """The errors in this object by the published schema."""
    schema = json.loads(DATA.read_text())
    name = definition(each["apiVersion"], each["kind"])
    assert name in schema["$defs"], f"no schema of {name}: add it to make_schemas.py"
    validator = Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]})
    return [f"{each['kind']} {error.json_path}: {error.message}" for error in validator.iter_errors(each)]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_a_rendered_folder_is_valid(folder: Path, tmp_path: Path) -> None:
    assert [fault for each in render(folder, tmp_path) for fault in faults(each)] == []


@pytest.mark.parametrize("file", [*SINGLE, MANIFESTS / "install.yaml"], ids=lambda file: file.name)
def test_a_single_file_is_valid(file: Path) -> None:
    assert [fault for each in yaml.safe_load_all(file.read_text()) for fault in faults(each)] == []


def test_a_wrong_field_is_invalid() -> None:
    """Shows that the check can find an error."""
    [agent] = [each for each in kustomize(MANIFESTS / "base") if each["kind"] == "DaemonSet"]
    agent["spec"]["template"]["spec"]["containers"][0]["imagePullPolice"] = "Never"

    assert "imagePullPolice" in " ".join(faults(agent))


@pytest.mark.parametrize("folder", ["base", "examples/socks-proxy", "examples/pgbouncer"])
def test_our_images_are_pinned_to_this_version(folder: str) -> None:
    images = yaml.safe_load((MANIFESTS / folder / "kustomization.yaml").read_text())["images"]
    tags = {each["name"]: each.get("newTag") for each in images}

    assert tags["ghcr.io/nodeproxy/registrar"] == tags["ghcr.io/nodeproxy/janitor"] == __version__
    assert all(tag and tag != "latest" for tag in tags.values())


def test_surge_never_leaves_a_node_without_a_proxy(tmp_path: Path) -> None:
    [agent] = [each for each in render(MANIFESTS / "components" / "surge", tmp_path) if each["kind"] == "DaemonSet"]
    pod = agent["spec"]["template"]["spec"]
    drain = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]

    assert agent["spec"]["updateStrategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert 0 < drain < pod["terminationGracePeriodSeconds"]


def test_the_image_registry_example_replaces_every_image() -> None:
    pods = [
        each["spec"]
        for each in kustomize(MANIFESTS / "examples" / "image-registry")
        if "Set" in each["kind"] or "Cron" in each["kind"]
    ]
    text = yaml.safe_dump(pods)

    assert text.count("image: registry.example.com/") == text.count("image: ") == 3
    assert text.count("imagePullSecrets") == 2


@pytest.mark.parametrize("folder", ["base", "examples/second-namespace", "examples/socks-proxy", "examples/pgbouncer"])
def test_one_kustomize_line_changes_the_namespace(folder: str, tmp_path: Path) -> None:
    """The subjects of role bindings change too: those of the old namespace would have no rights in the new one."""
    objects = elsewhere(tmp_path, f"../{folder}")
    subjects = [subject for each in objects for subject in each.get("subjects", [])]

    assert {subject["namespace"] for subject in subjects} == {"elsewhere"}
    assert [each["metadata"]["name"] for each in objects if each["kind"] == "Namespace"] == ["elsewhere"]


@pytest.mark.parametrize("component", [folder.name for folder in COMPONENTS])
def test_components_change_their_namespace_too(component: str, tmp_path: Path) -> None:
    """Except the admission policies, whose bindings name the namespace (docs/placing.md)."""
    text = yaml.safe_dump_all(elsewhere(tmp_path, "../base", f"../components/{component}"))

    assert ("project-nodeproxy" in text) is (component == "admission")


def elsewhere(scratch: Path, resource: str, *components: str) -> list[dict[str, Any]]:
    subprocess.run(["cp", "-r", MANIFESTS, scratch], check=True)
    over = scratch / "manifests" / "over"
    over.mkdir()
    kustomization = {"namespace": "elsewhere", "resources": [resource], "components": [*components]}
    (over / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return kustomize(over)
