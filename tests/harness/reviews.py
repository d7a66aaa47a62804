"""Admission requests as the API server makes them from the bodies sent: with the objects as they would be stored."""

import copy
import uuid
from collections.abc import Mapping
from typing import Any

from janitor.verdict import Judgement, Service, Stamp, Verdict
from registrar import contract, settings
from tests.harness.objects import hand_rolled_service

Object = dict[str, Any]
NAMESPACE = "project-nodeproxy"
NAMESPACE_LABELS = {"kubernetes.io/metadata.name": NAMESPACE}
REGISTRAR, JANITOR = (f"system:serviceaccount:{NAMESPACE}:nodeproxy-{name}" for name in ("registrar", "janitor"))
CLAIM = "authentication.kubernetes.io/"


def uid(name: str) -> str:
    """A uid that depends only on the name."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def registrar_settings(node: str, *flags: str) -> settings.Settings:
    """The settings of the agent pod on `node`, as the DaemonSet sets them."""
    pod = f"agent-on-{node}"
    return settings.parse(flags, {"NODE_NAME": node, "POD_NAME": pod, "POD_UID": uid(pod), "POD_NAMESPACE": NAMESPACE})


def by_registrar(node: str, **claims: str | None) -> Object:
    """userInfo of the token that the pod on `node` has; a claim that is None is left out."""
    bound = {"node_name": node, "pod_name": f"agent-on-{node}", "pod_uid": uid(f"agent-on-{node}"), **claims}
    extra = {CLAIM + key.replace("_", "-"): [value] for key, value in bound.items() if value is not None}
    return {"username": REGISTRAR, "groups": ["system:serviceaccounts"]} | ({"extra": extra} if extra else {})


def request(operation: str, resource: str, user: Object, new: Object | None, old: Object | None = None) -> Object:
    """An AdmissionReview's request; `resource` may name a subresource."""
    kind, _, sub = resource.partition("/")
    meta = (new or old or {}).get("metadata", {})
    return {
        "uid": uid("request"),
        "resource": {"group": "", "version": "v1", "resource": kind},
        "name": meta.get("name", ""),
        "namespace": NAMESPACE,
        "operation": operation,
        "userInfo": user,
        "object": new,
        "oldObject": old,
        "dryRun": False,
    } | ({"subResource": sub} if sub else {})


def agent_pod(node: str, **labels: str) -> Object:
    """The DaemonSet's pod on `node` before it has registered."""
    name = f"agent-on-{node}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": uid(name),
            "resourceVersion": "7",
            "labels": {**contract.AGENT_SELECTOR, **labels},
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "nodeproxy-agent", "uid": uid("agent")}
            ],
        },
        "spec": {"nodeName": node, "containers": [{"name": "proxy", "image": "tinyproxy"}]},
        "status": {"phase": "Pending"},
    }


def stored(body: Object, old: Object | None = None) -> Object:
    """The object after a patch: `body` merged into `old`. Null removes a field, and lists are replaced.

    An apply or merge patch of the registrar or janitor has the same result. Fields that the API server adds are set.
    """
    new = _merged(old or {}, body)
    meta = new["metadata"]
    meta.setdefault("uid", uid(meta["name"]))
    meta["managedFields"] = [{"manager": "somebody", "operation": "Apply", "apiVersion": "v1"}]
    if new["kind"] == "Service":
        new["spec"] = {"clusterIP": "198.19.0.9", "sessionAffinity": "None", **new["spec"]}
    return new


def seed_service(node: str) -> Object:
    """The Service of the hand-rolled stack, as `kubectl apply` leaves it."""
    service = hand_rolled_service(node)
    service["metadata"]["annotations"] = {contract.LAST_APPLIED_ANNOTATION: "{}"}
    service["metadata"]["managedFields"] = [
        {"manager": contract.CLIENT_SIDE_APPLY_MANAGER, "operation": "Update", "apiVersion": "v1", "fieldsV1": {}}
    ]
    return stored({"apiVersion": "v1", "metadata": {"namespace": NAMESPACE, "resourceVersion": "3"}}, service) | {
        "apiVersion": "v1"
    }


def judged(live: Object, stamp: Stamp) -> Judgement:
    """The janitor's judgement that makes it stamp `live`."""
    meta = live["metadata"]
    seen = Service(meta["name"], NAMESPACE, meta["uid"], "3", None, None, None, "", None, deleting=False)
    return Judgement(seen, Verdict.WAIT, "", "gone", stamp)


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> Object:
    result = copy.deepcopy(dict(old))
    for key, value in new.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = _merged(result.get(key) or {}, value)
        else:
            result[key] = copy.deepcopy(value)
    return result
