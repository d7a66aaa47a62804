"""Cut schemas.json, the test data, out of a published package: `python -m tests.manifests.make_schemas`.

The package kubernetes-validate ships the JSON schemas of each Kubernetes release, made from its OpenAPI document, in a
strict form that knows no other fields. Of these 70 MB the tests need the kinds below and what they refer to. Those of
the Prometheus Operator's resources come from cloudcoil-models-prometheus-operator, models made from its CRDs.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

PACKAGE, VERSION = "kubernetes-validate", "1.37.0"
RELEASE = "v1.37.0"
DATA = Path(__file__).parent / "schemas.json"
KINDS = {
    "v1": ["ConfigMap", "Namespace", "Pod", "Secret", "Service", "ServiceAccount"],
    "admissionregistration.k8s.io/v1": [
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ],
    "apps/v1": ["DaemonSet", "Deployment"],
    "batch/v1": ["CronJob", "Job"],
    "networking.k8s.io/v1": ["NetworkPolicy"],
    "policy/v1": ["PodDisruptionBudget"],
    "rbac.authorization.k8s.io/v1": ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"],
    "scheduling.k8s.io/v1": ["PriorityClass"],
}
OPERATOR, OPERATOR_VERSION = "cloudcoil-models-prometheus-operator", "0.80.1.0"
OPERATOR_API, OPERATOR_KINDS = "monitoring.coreos.com/v1", ["PodMonitor", "PrometheusRule"]
_MODELS = """
import json, sys
from cloudcoil.models.prometheus_operator import v1
print(json.dumps([getattr(v1, kind).model_json_schema(by_alias=True) for kind in sys.argv[1:]]))
"""
_ROOT = "io.k8s.api"


def definition(api_version: str, kind: str) -> str:
    """Name of the definition of a kind in the OpenAPI document."""
    group, _, version = api_version.rpartition("/")
    return f"{_ROOT}.{group.split('.')[0] or 'core'}.{version}.{kind}"


def cut(everything: dict[str, Any]) -> dict[str, Any]:
    """The definitions of KINDS and of all that they refer to, without prose."""
    all_kinds = {**KINDS, OPERATOR_API: OPERATOR_KINDS}
    wanted = [definition(api_version, kind) for api_version, kinds in all_kinds.items() for kind in kinds]
    taken: dict[str, Any] = {}
    while wanted:
        name = wanted.pop()
        if name not in taken:
            taken[name] = _bare(everything[name], wanted)
    return dict(sorted(taken.items()))


def _bare(schema: Any, references: list[str]) -> Any:
    """A schema without descriptions; what it refers to is added to `references`."""
    if isinstance(schema, list):
        return [_bare(each, references) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(reference := schema.get("$ref"), str):
        name = reference.rpartition("/")[2]
        references.append(name)
        return {"$ref": f"#/$defs/{name}"}
    bare = {key: _bare(value, references) for key, value in schema.items() if key not in ("description", "properties")}
    if "properties" in schema:  # whose keys are names of fields: one is called description
        bare["properties"] = {key: _bare(value, references) for key, value in schema["properties"].items()}
    return bare


def operator(folder: str) -> dict[str, Any]:
    """The Prometheus Operator's definitions, under names like those of Kubernetes' own, as strict as those."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", f"--target={folder}", f"{OPERATOR}=={OPERATOR_VERSION}"]
    subprocess.run(pip, check=True)
    models = [sys.executable, "-c", _MODELS, *OPERATOR_KINDS]
    printed = subprocess.run(
        models, env={**os.environ, "PYTHONPATH": folder}, check=True, capture_output=True, text=True
    ).stdout
    definitions: dict[str, Any] = {}
    for schema in json.loads(printed.replace('"#/$defs/', f'"#/$defs/{definition(OPERATOR_API, "")}')):
        nested = schema.pop("$defs")
        for name, each in {**nested, schema["title"]: schema}.items():
            if "properties" in each:
                each.setdefault("additionalProperties", False)
            definitions[definition(OPERATOR_API, name)] = each
    return definitions


def main() -> None:
    """Fetch the package and write the test data."""
    with TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"--dest={folder}"]
        subprocess.run([*pip, f"{PACKAGE}=={VERSION}"], check=True)
        [wheel] = Path(folder).glob("*.whl")
        with ZipFile(wheel) as package:
            inside = f"kubernetes_validate/kubernetes-json-schema/{RELEASE}-local-strict/_definitions.json"
            everything = json.loads(package.read(inside))["$defs"]
        everything |= operator(folder)
    source = (
        f"{PACKAGE} {VERSION} of PyPI (Apache-2.0), from Kubernetes {RELEASE}'s OpenAPI document (Apache-2.0); "
        f"{OPERATOR} {OPERATOR_VERSION} of PyPI (Apache-2.0), from the CRDs of prometheus-operator (Apache-2.0)"
    )
    DATA.write_text(json.dumps({"$comment": source, "$defs": cut(everything)}, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
