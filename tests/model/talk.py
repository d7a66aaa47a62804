"""Sequences of requests to one API server, and its answers in a form in which two servers can be compared."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from tests.model.calls import Call, Reply
from tests.model.moves import FIRST, NOTHING, WRONG, Move

_UID_MISMATCH = "uid mismatch: the provided object specified uid"
_WRONG = {"uid": "00000000-0000-4000-8000-000000000009", "resourceVersion": "9"}


class Peer(Protocol):
    """An API server."""

    def answer(self, asked: Call) -> Reply: ...


class Talk:
    """A sequence of requests to one API server, and what it has said about each object."""

    def __init__(self, peer: Peer, *, pod_versions: bool = True) -> None:
        """`pod_versions`: the resourceVersions of Pods are compared."""
        self._peer, self._pod_versions = peer, pod_versions
        self._known: dict[tuple[str, str], list[dict[str, str]]] = {}
        self._versions: dict[tuple[str, str], list[str]] = {}
        self._uids: list[str] = []

    def answers(self, move: Move) -> list[dict[str, Any]]:
        """The answers to a move, several if it is a list of several pages."""
        asked = self._asked(move)
        found = [self._peer.answer(asked)]
        while move.pages and (token := found[-1].json["metadata"].get("continue")):
            found.append(self._peer.answer(replace(asked, query=f"{asked.query}&continue={token}")))
        if move.call.method == "DELETE" and move.call.resource == "pods" and found[0].status == 200:
            return [{"http": 200}]  # see docs/model.md
        return [self._comparable(move.call.resource, reply) for reply in found]

    def _asked(self, move: Move) -> Call:
        """The call with the uid and version that this API server has given the object."""
        known = self._known.get((move.call.resource, move.call.name), [])
        says = {
            key: known[0 if how == FIRST else -1][key] if known and how != WRONG else _WRONG[key]
            for key, how in (("uid", move.uid), ("resourceVersion", move.version))
            if how != NOTHING
        }
        body = {**move.body}
        if move.call.method == "DELETE" and says:
            body["preconditions"] = says
        elif says:
            body["metadata"] = {**body["metadata"], **says}
        return replace(move.call, body=json.dumps(body) if body else "")

    def _comparable(self, resource: str, reply: Reply) -> dict[str, Any]:
        """The answer without times and addresses, with numbers in place of uids and versions."""
        answer = reply.json
        if answer.get("kind") == "Status":
            details = {key: answer.get("details", {}).get(key) for key in ("name", "kind")}
            fields = [each.get("field") for each in answer.get("details", {}).get("causes") or []]
            about = _UID_MISMATCH in answer.get("message", "") or "metadata.uid" in fields
            said = {key: answer.get(key) or None for key in ("status", "reason")}
            return {"http": reply.status, **said, "details": details, "about the uid": about}
        if "items" in answer:
            meta = {key: value for key, value in answer["metadata"].items() if key == "remainingItemCount"}
            items = [self._object(resource, item) for item in answer["items"] or []]
            more = "continue" in answer["metadata"]
            return {"http": reply.status, "kind": answer["kind"], **meta, "more": more, "items": items}
        return {"http": reply.status, "kind": answer["kind"], **self._object(resource, answer)}

    def _object(self, resource: str, obj: Mapping[str, Any]) -> dict[str, Any]:
        meta = {**obj["metadata"]}
        key = resource, meta["name"]
        self._known.setdefault(key, []).append({each: meta[each] for each in ("uid", "resourceVersion")})
        meta["uid"] = _number(self._uids, meta["uid"])
        meta["resourceVersion"] = _number(self._versions.setdefault(key, []), meta["resourceVersion"])
        for each in ("creationTimestamp", "deletionTimestamp"):
            if each in meta:
                meta[each] = "a time"
        meta["managedFields"] = _managed(resource, meta.get("managedFields", []))
        if resource != "services" or "spec" not in obj:
            left_out = {"generation"} if resource != "pods" or self._pod_versions else {"generation", "resourceVersion"}
            return {"metadata": {key: value for key, value in meta.items() if key not in left_out}}
        spec = {**obj["spec"], "clusterIP": "address", "clusterIPs": ["address"]}
        return {"metadata": meta, "spec": spec, "status": obj["status"]}


def _number(known: list[str], value: str) -> int:
    if value not in known:
        known.append(value)
    return known.index(value)


def _managed(resource: str, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Managers and their fields. Of Pods and Nodes, those of our programs only: the model leaves out the rest."""
    ours = [each for each in entries if resource == "services" or each["manager"].startswith("nodeproxy-registrar")]
    timeless = [{key: value for key, value in each.items() if key != "time"} for each in ours]
    return sorted(timeless, key=lambda each: (each["manager"], each["operation"]))
