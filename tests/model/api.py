"""What the API server does with one object: create, patch, apply, delete. Pure: an object in, an object and reply out.

Objects are JSON texts, so that they can be keys of a dictionary, and every result is remembered.
"""

import json
import uuid
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from registrar.kube.transport import APPLY_PATCH, MERGE_PATCH
from tests.model import ownership
from tests.model.calls import KINDS, Call, Refusal, Reply
from tests.model.ownership import TIME, Object
from tests.model.release import Release


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
            raise Refusal(404, "NotFound", f'{call.resource} "{call.name}" not found', call)
        return {"GET": _get, "POST": _create, "PATCH": _patch, "DELETE": _delete}[call.method](release, kept, call)
    except Refusal as refusal:
        return kept, refusal.reply


def identity(resource: str, name: str, born: int = 1) -> str:
    """The uid of the object that is the `born`th of its name."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{resource}/{name}/{born}"))


def _get(_release: Release, kept: Kept, _call: Call) -> tuple[Kept, Reply]:
    return kept, Reply(200, kept.text)


def _create(release: Release, kept: Kept, call: Call) -> tuple[Kept, Reply]:
    if kept.text:
        raise Refusal(409, "AlreadyExists", f'{call.resource} "{call.name}" already exists', call)
    new = release.whole(json.loads(call.body), call)
    return _added(release, kept, ownership.update(release.schema, _empty(call), new, call.manager), call)


def _patch(release: Release, kept: Kept, call: Call) -> tuple[Kept, Reply]:
    body = json.loads(call.body)
    live = json.loads(kept.text) if kept.text else None
    says = body.get("metadata", {})
    new = _patched(release, live or _empty(call), body, call)
    if live is None:
        release.check_new(says, call)
        return _added(release, kept, new, call)
    new = release.stored(new)
    release.check(live, new, says, call)
    return _updated(kept, live, new)


def _patched(release: Release, live: Object, body: Object, call: Call) -> Object:
    """The object as the patch wants it."""
    if call.content_type == MERGE_PATCH:
        return ownership.update(release.schema, live, release.whole(_merge(live, body), call), call.manager)
    try:
        force = "force=true" in call.query
        return release.whole(ownership.apply(release.schema, live, body, call.manager, force=force), call)
    except ownership.Conflict as conflict:
        raise Refusal(409, "Conflict", "Apply failed with conflicts", call, "") from conflict


def _delete(release: Release, kept: Kept, call: Call) -> tuple[Kept, Reply]:
    live = json.loads(kept.text)
    meta = live["metadata"]
    conditions = json.loads(call.body or "{}").get("preconditions") or {}
    for field, name in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        if conditions.get(field) not in (None, meta[field]):
            message = f"Precondition failed: {name} in precondition"
            raise Refusal(409, "Conflict", message, call, KINDS[call.resource])
    if meta.get("finalizers"):
        marks = {"deletionTimestamp": TIME, "deletionGracePeriodSeconds": 0}
        after, reply = _updated(kept, live, {**live, "metadata": {**meta, **marks}})
    else:
        after, reply = Kept("", kept.born), Reply(200, _text(_next_version(live)))
    return after, reply if call.resource == "services" and not release.old else _success(live, call)


def _success(live: Object, call: Call) -> Reply:
    details = {"name": call.name, "kind": call.resource, "uid": live["metadata"]["uid"]}
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
    return Reply(200, _text(status))


def _added(release: Release, kept: Kept, new: Object, call: Call) -> tuple[Kept, Reply]:
    release.check_rules(None, new, call)
    born = kept.born + 1
    uid = identity(call.resource, call.name, born)
    meta = {**new["metadata"], "uid": uid, "creationTimestamp": TIME, "resourceVersion": f"{born}00"}
    text = _text(release.stored({**new, "metadata": meta}))
    return Kept(text, born), Reply(201, text)


def _updated(kept: Kept, live: Object, new: Object) -> tuple[Kept, Reply]:
    if new == live:
        return kept, Reply(200, kept.text)
    if "deletionTimestamp" in new["metadata"] and not new["metadata"].get("finalizers"):
        return Kept("", kept.born), Reply(200, _text(new))  # it is deleted without having been stored
    text = _text(_next_version(new))
    return Kept(text, kept.born), Reply(200, text)


def _next_version(obj: Object) -> Object:
    meta = obj["metadata"]
    return {**obj, "metadata": {**meta, "resourceVersion": str(int(meta["resourceVersion"]) + 1)}}


def _empty(call: Call) -> Object:
    """What a new object differs from."""
    return {"metadata": {}, "spec": {}, "status": {"loadBalancer": {}} if call.resource == "services" else {}}


def _merge(live: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    base = live if isinstance(live, dict) else {}
    merged = {**base, **{key: _merge(base.get(key), value) for key, value in patch.items()}}
    return {key: value for key, value in merged.items() if value is not None}


def _text(obj: Object) -> str:
    return json.dumps(obj, sort_keys=True)
