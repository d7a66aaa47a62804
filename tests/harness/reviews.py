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


def stored(body: Object, old: Object | None = None, manager: str = contract.REGISTRAR_MANAGER) -> Object:
    """The object after `manager`'s patch: `body` merged into `old`. Null removes a field, and lists are replaced.

    An apply or merge patch of the registrar or janitor has the same result. Fields that the API server adds are set.
    """
    new = merged(old or {}, body)
    meta = new["metadata"]
    meta.setdefault("uid", uid(meta["name"]))
    others = [each for each in meta.get("managedFields", ()) if each["manager"] != manager]
    parts = {key: value for key, value in body.items() if key in ("metadata", "spec")}
    meta["managedFields"] = [*others, managed(manager, _fields(parts))]
    if new["kind"] == "Service":
        new["spec"] = {"clusterIP": "198.19.0.9", "sessionAffinity": "None", **new["spec"]}
    return new


def managed(manager: str, fields: Object, operation: str = "Apply", **more: str) -> Object:
    """An entry of managedFields."""
    how = {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1"}
    return {**how, "fieldsV1": fields, **more}


def seed_service(node: str) -> Object:
    """The Service of the hand-rolled stack, as `kubectl apply` leaves it."""
    service = hand_rolled_service(node)
    service["metadata"]["annotations"] = {contract.LAST_APPLIED_ANNOTATION: "{}"}
    service = stored({"apiVersion": "v1", "metadata": {"namespace": NAMESPACE, "resourceVersion": "3"}}, service)
    fields = _fields({"spec": service["spec"]})
    service["metadata"]["managedFields"] = [managed(contract.CLIENT_SIDE_APPLY_MANAGER, fields, "Update")]
    return service


def judged(live: Object, stamp: Stamp) -> Judgement:
    """The janitor's judgement that makes it stamp `live`."""
    meta = live["metadata"]
    seen = Service(meta["name"], NAMESPACE, meta["uid"], "3", None, None, None, "", None, deleting=False)
    return Judgement(seen, Verdict.WAIT, "", "gone", stamp)


def _fields(body: Object) -> Object:
    """The fieldsV1 of whoever applied `body`, without the records of the object itself and of managers."""
    left_out = ("name", "namespace", "uid", "resourceVersion", "managedFields")
    return {
        f"f:{key}": _fields(value) if isinstance(value, dict) else {}
        for key, value in body.items()
        if key not in left_out and value is not None
    }


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> Object:
    result = copy.deepcopy(dict(old))
    for key, value in new.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merged(result.get(key) or {}, value)
        else:
            result[key] = copy.deepcopy(value)
    return result
