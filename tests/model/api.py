"""What the API server does with one object: create, patch, apply, delete. Pure: an object in, an object and answer out.

Objects are JSON texts, so that they can be keys of a dictionary, and every result is remembered.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from registrar.kube.transport import APPLY_PATCH, MERGE_PATCH
from tests.model import ownership
from tests.model.fields import Schema
from tests.model.ownership import TIME, Object

SERVICE_DEFAULTS = {
    "clusterIP": "address",
    "clusterIPs": ["address"],
    "internalTrafficPolicy": "Cluster",
    "ipFamilies": ["IPv4"],
    "ipFamilyPolicy": "SingleStack",
    "sessionAffinity": "None",
    "type": "ClusterIP",
}
KINDS = {"nodes": "Node", "pods": "Pod", "services": "Service"}


@dataclass(frozen=True)
class Release:
    """What differs between releases of Kubernetes."""

    old: bool = False  # 1.20

    @property
    def schema(self) -> Schema:
        return Schema(atomic_selector=not self.old)


@dataclass(frozen=True)
class Call:
    """A request for one object, or for a list if `name` is empty."""

    method: str
    resource: str
    name: str = ""
    query: str = ""
    body: str = ""
    content_type: str = ""
    accept: str = ""

    @property
    def is_write(self) -> bool:
        return self.method != "GET"


@dataclass(frozen=True)
class Reply:
    """An answer: HTTP status, JSON text, and how many hours had passed."""

    status: int
    text: str
    hour: int = 0

    @property
    def json(self) -> Object:
        found: Object = json.loads(self.text)
        return found


class Refusal(Exception):
    """The API server's own refusal."""

    def __init__(self, code: int, reason: str, message: str, call: Call) -> None:
        super().__init__(message)
        details = {"name": call.name, "kind": call.resource} if call.name else {}
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message}
        self.reply = Reply(code, _text({**status, "reason": reason, "details": details, "code": code}))


@dataclass(frozen=True)
class Kept:
    """An object of a name. `born` counts the objects that this name has had; `text` is empty if there is none now."""

    text: str = ""
    born: int = 0


@lru_cache(maxsize=1_000_000)
def answer(release: Release, kept: Kept, call: Call) -> tuple[Kept, Reply]:
    """What is kept after `call`, and the reply."""
    try:
        if call.method != "POST" and not kept.text and call.content_type != APPLY_PATCH:
            message = f'{call.resource} "{call.name}" not found'
            raise Refusal(404, "NotFound", message, call)
        return {"GET": _get, "POST": _create, "PATCH": _patch, "DELETE": _delete}[call.method](release, kept, call)
    except Refusal as refusal:
        return kept, refusal.reply


def _get(_release: Release, kept: Kept, _call: Call) -> tuple[Kept, Reply]:
    return kept, Reply(200, kept.text)


def _create(release: Release, kept: Kept, call: Call) -> tuple[Kept, Reply]:
    if kept.text:
        raise Refusal(409, "AlreadyExists", f'{call.resource} "{call.name}" already exists', call)
    new = _whole(json.loads(call.body), call)
    return _stored(kept, ownership.update(release.schema, _empty(call), new, _manager(call)), None, call)


def _patch(release: Release, kept: Kept, call: Call) -> tuple[Kept, Reply]:
    body = json.loads(call.body)
    live = json.loads(kept.text) if kept.text else None
    _require_same(release, live, body.get("metadata", {}), call)
    if call.content_type == MERGE_PATCH:
        assert live is not None
        new = ownership.update(release.schema, live, _whole(_merge(live, body), call), _manager(call))
        return _stored(kept, new, live, call)
    force = "force=true" in call.query
    try:
        new = ownership.apply(release.schema, live or _empty(call), body, _manager(call), force=force)
    except ownership.Conflict as conflict:
        count = f"{len(conflict.managers)} conflict" + "s" * (len(conflict.managers) > 1)
        raise Refusal(409, "Conflict", f"Apply failed with {count}", call) from conflict
    return _stored(kept, _whole(new, call), live, call)


def _delete(release: Release, kept: Kept, call: Call) -> tuple[Kept, Reply]:
    live = json.loads(kept.text)
    conditions = json.loads(call.body or "{}").get("preconditions") or {}
    for field, name in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        if conditions.get(field) not in (None, live["metadata"][field]):
            raise Refusal(409, "Conflict", f"Precondition failed: {name} in precondition", call)
    if live["metadata"].get("finalizers"):
        if "deletionTimestamp" in live["metadata"]:
            return kept, Reply(200, kept.text)
        marks = {"deletionTimestamp": TIME, "deletionGracePeriodSeconds": 0}
        return _stored(kept, {**live, "metadata": {**live["metadata"], **marks}}, live, call)
    gone = Kept("", kept.born)
    if call.resource == "services" and not release.old:
        return gone, Reply(200, kept.text)
    details = {"name": call.name, "kind": call.resource, "uid": live["metadata"]["uid"]}
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
    return gone, Reply(200, _text(status))


def _require_same(release: Release, live: Object | None, meta: Mapping[str, Any], call: Call) -> None:
    """An object that names a uid or resourceVersion is that very object, or none."""
    uid, version = meta.get("uid"), meta.get("resourceVersion")
    if live is None:
        if uid:
            raise Refusal(409, "Conflict", f"uid mismatch: the provided object specified uid {uid}", call)
        return
    if uid and uid != live["metadata"]["uid"]:
        if release.old:
            raise Refusal(422, "Invalid", "metadata.uid: Invalid value: field is immutable", call)
        raise Refusal(409, "Conflict", "Precondition failed: UID in precondition", call)
    if version and version != live["metadata"]["resourceVersion"]:
        raise Refusal(409, "Conflict", "the object has been modified", call)


def _stored(kept: Kept, new: Object, live: Object | None, call: Call) -> tuple[Kept, Reply]:
    """`new` with a uid and resourceVersion of its own; `live` is what it was, None if it was absent."""
    if new == live:
        return kept, Reply(200, kept.text)
    if live is None:
        born = kept.born + 1
        uid = identity(call.resource, call.name, born)
        meta = {**new["metadata"], "uid": uid, "creationTimestamp": TIME, "resourceVersion": f"{born}00"}
        text = _text({**new, "metadata": meta})
        return Kept(text, born), Reply(201, text)
    meta = {**new["metadata"], "resourceVersion": str(int(live["metadata"]["resourceVersion"]) + 1)}
    text = _text({**new, "metadata": meta})
    held = "deletionTimestamp" not in meta or meta.get("finalizers")
    return Kept(text if held else "", kept.born), Reply(200, text)


def identity(resource: str, name: str, born: int = 1) -> str:
    """The uid of the object that is the `born`th of its name."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{resource}/{name}/{born}"))


def _empty(call: Call) -> Object:
    """What a new object differs from."""
    return {"metadata": {}, "spec": {}, "status": {"loadBalancer": {}} if call.resource == "services" else {}}


def _whole(obj: Object, call: Call) -> Object:
    """The object with the API server's defaults, and without empty maps and lists."""
    meta = {key: value for key, value in obj["metadata"].items() if value not in ({}, [], None)}
    meta["name"] = call.name
    if call.resource != "nodes":
        meta["namespace"] = "project-nodeproxy"
    whole = {**obj, "apiVersion": "v1", "kind": KINDS[call.resource], "metadata": meta}
    if call.resource == "services":
        spec = {key: value for key, value in obj.get("spec", {}).items() if value not in ({}, [], None)}
        if "ports" in spec:
            spec["ports"] = [{"protocol": "TCP", "targetPort": each["port"], **each} for each in spec["ports"]]
        whole |= {"spec": {**SERVICE_DEFAULTS, **spec}, "status": {"loadBalancer": {}}}
    return whole


def _manager(call: Call) -> str:
    given = [each.removeprefix("fieldManager=") for each in call.query.split("&") if each.startswith("fieldManager=")]
    return given[0] if given else "nodeproxy-harness"


def _merge(live: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    base = live if isinstance(live, dict) else {}
    merged = {**base, **{key: _merge(base.get(key), value) for key, value in patch.items()}}
    return {key: value for key, value in merged.items() if value is not None}


def _text(obj: Object) -> str:
    return json.dumps(obj, sort_keys=True)
