"""Admission policies of the chart on a real API server, which takes a moment to act on them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import yaml

from registrar import contract
from tests.harness.apiserver import ApiServer
from tests.harness.client import ApiClient, ApiError, Object
from tests.harness.cluster import NAMESPACE, PODS, REGISTRAR
from tests.harness.processes import wait_until

BINDINGS = f"/api/v1/namespaces/{NAMESPACE}/bindings"  # the legacy resource
_CONTAINERS = [{"name": "x", "image": "x"}]
# The API server takes policies and their bindings in the order in which they were made, so this one comes last.
_LAST = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: the-last-one
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  validations: [{expression: object.metadata.name != 'probe', reason: Forbidden}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: the-last-one
spec:
  policyName: the-last-one
  validationActions: [Deny]
"""


@contextmanager
def in_force(api: ApiServer, objects: Iterable[Object]) -> Iterator[None]:
    """Apply the policies among `objects`, and wait until the API server acts on them; at the end until it does not."""
    policies = [each for each in objects if "AdmissionPolicy" in each["kind"]]
    labels = any(each["metadata"]["name"].endswith("-agent-label") for each in policies)
    text = yaml.safe_dump_all([*policies, *yaml.safe_load_all(_LAST)])
    api.kubectl("apply", "-f", "-", input=text)
    wait_until(lambda: _last_denies(api), 60, "the policies deny")
    if labels:
        wait_until(lambda: _binding_labels(api), 60, "the policy labels")
    yield
    api.kubectl("delete", "-f", "-", input=text)
    wait_until(lambda: not _last_denies(api), 60, "the policies are gone")
    if labels:
        wait_until(lambda: not _binding_labels(api), 60, "the policy that labels is gone")


def denies(api: ApiServer) -> bool:
    """Whether a pod with another node's label is refused."""
    meta = {"name": "probe", "labels": {contract.NODE_LABEL: "another"}}
    return _refused(api, PODS, {"metadata": meta, "spec": {"nodeName": "one", "containers": _CONTAINERS}})


def _last_denies(api: ApiServer) -> bool:
    return _refused(api, f"/api/v1/namespaces/{NAMESPACE}/configmaps", {"metadata": {"name": "probe"}})


def _refused(api: ApiServer, path: str, body: Object) -> bool:
    try:
        api.admin.create(f"{path}?dryRun=All", body)
    except ApiError as error:
        return error.status == 403
    return False


def scheduler(api: ApiServer) -> ApiClient:
    """The identity that binds pods to nodes."""
    return ApiClient(api.url, api.ca_file, cert=api.ca.client("system:kube-scheduler", []))


def unscheduled(api: ApiServer, name: str, **labels: str) -> Object:
    """A new pod that is on no node yet, as the DaemonSet controller makes it."""
    meta = {"name": name, "labels": {**contract.AGENT_SELECTOR, **labels}}
    spec = {"serviceAccountName": REGISTRAR, "automountServiceAccountToken": False, "containers": _CONTAINERS}
    return api.admin.create(PODS, {"metadata": meta, "spec": spec})


def bind(client: ApiClient, pod: str, node: str, path: str = "", **labels: str) -> None:
    """Bind a pod, with labels for it. `path` is by default the subresource of the pod, which the scheduler uses."""
    body = {"metadata": {"name": pod, "labels": labels}, "target": {"kind": "Node", "name": node}}
    client.create(path or f"{PODS}/{pod}/binding", {"apiVersion": "v1", "kind": "Binding", **body})


def _binding_labels(api: ApiServer) -> bool:
    """Whether a pod of the DaemonSet has its node's label when it is bound."""
    name = "nodeproxy-agent-probe"
    unscheduled(api, name)
    bind(api.admin, name, "one")
    pod = api.admin.delete(f"{PODS}/{name}", {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})
    return bool(pod["metadata"]["labels"].get(contract.NODE_LABEL) == "one")
