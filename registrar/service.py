"""The wanted objects, and how a live Service becomes the wanted one. Pure.

A live Service that is ours is written by server-side apply. Apply cannot remove what another manager left behind (an
editor's port, the hand-rolled stack's; kubernetes/kubernetes#99003, #131147), so where ports or selector differ the
same body goes as a merge patch, which replaces them whole, in one request and under the same resourceVersion.
"""

from dataclasses import dataclass

from registrar import contract, ownership
from registrar.ownership import Object, selector_of
from registrar.settings import Settings


@dataclass(frozen=True)
class Write:
    """One patch. `apply` False: a merge patch; `force` is apply's."""

    body: Object
    apply: bool
    force: bool = False


def pod_patch(settings: Settings, namespace: str) -> Object:
    """Apply body that labels the own pod. With its uid no other pod can be touched, nor one created."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": settings.pod_name,
            "namespace": namespace,
            "uid": settings.pod_uid,
            "labels": {settings.node_label: contract.label_value(settings.node_name)},
        },
    }


def wanted(settings: Settings, namespace: str, pod_uid: str) -> Object:
    """The node's Service as the contract has it. What the API server fills in is never sent."""
    label = contract.label_value(settings.node_name)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": contract.service_name(settings.node_name, settings.service_prefix),
            "namespace": namespace,
            "labels": {**contract.SERVICE_LABELS, settings.node_label: label},
            "annotations": {
                contract.NODE_NAME_ANNOTATION: settings.node_name,
                contract.REGISTERED_BY_ANNOTATION: pod_uid,
            },
        },
        "spec": {
            "type": "ClusterIP",
            "selector": {**settings.selector, settings.node_label: label},
            "ports": [
                {"name": p.name, "port": p.port, "targetPort": p.target, "protocol": p.protocol} for p in settings.port
            ],
        },
    }


def plan(live: Object | None, want: Object, settings: Settings) -> Write:
    """How `live` (None: absent) becomes `want`. Raises Refused where it is not this registrar's to write."""
    if live is None:
        return Write(want, apply=True)
    ownership.check(live, want, settings)
    meta = live["metadata"]
    pinned = {**want["metadata"], "uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
    if _exact(live, want) and contract.LAST_APPLIED_ANNOTATION not in (meta.get("annotations") or {}):
        return Write({**want, "metadata": pinned}, apply=True, force=True)
    gone = {key: None for key in selector_of(live) if key not in want["spec"]["selector"]}
    pinned["annotations"] = {**pinned["annotations"], contract.LAST_APPLIED_ANNOTATION: None}
    if managers := _migrated(meta.get("managedFields") or []):
        pinned["managedFields"] = managers
    spec = {**want["spec"], "selector": {**want["spec"]["selector"], **gone}}
    return Write({**want, "metadata": pinned, "spec": spec}, apply=False)


def holds(live: Object, want: Object) -> bool:
    """Is `live` all that `want` asks for, with no port and no selector key more?"""
    meta, asked = live.get("metadata") or {}, want["metadata"]
    return (
        _exact(live, want)
        and asked["labels"].items() <= (meta.get("labels") or {}).items()
        and asked["annotations"].items() <= (meta.get("annotations") or {}).items()
    )


def _exact(live: Object, want: Object) -> bool:
    spec = live.get("spec") or {}
    ports = [
        {key: port.get(key) for key in ("name", "port", "targetPort", "protocol")} for port in spec.get("ports") or []
    ]
    by_port = sorted(ports, key=lambda port: (port["port"], str(port["protocol"])))
    return (
        spec.get("type") == want["spec"]["type"]
        and selector_of(live) == want["spec"]["selector"]
        and by_port == sorted(want["spec"]["ports"], key=lambda port: (port["port"], port["protocol"]))
    )


def _migrated(managers: list[Object]) -> list[Object]:
    """Client-side apply's ownership handed to our manager, as `kubectl` does it on the way to server-side apply
    (client-go's csaupgrade); [] where there is nothing to hand over."""
    old = [
        m for m in managers if m.get("manager") == contract.CLIENT_SIDE_APPLY_MANAGER and m.get("operation") == "Update"
    ]
    applied = any(m.get("manager") == contract.REGISTRAR_MANAGER and m.get("operation") == "Apply" for m in managers)
    if not old or applied:
        return []
    ours = {**old[0], "manager": contract.REGISTRAR_MANAGER, "operation": "Apply"}
    return [ours if manager is old[0] else manager for manager in managers]
