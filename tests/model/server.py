"""An API server in memory: Nodes, and the Pods and Services of one namespace. It keeps all its state in one mapping."""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.harness.cluster import NAMESPACE
from tests.model import api
from tests.model.api import Kept
from tests.model.calls import KINDS, Call, Refusal, Reply
from tests.model.release import Release

Key = tuple[str, str]  # resource and name
NEW = Release()
HOUR, COMPACTION = ("time", "hours"), ("time", "compactions")
_CORE, _OURS = "/api/v1/", f"/api/v1/namespaces/{NAMESPACE}/"
_METADATA = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}


@lru_cache(maxsize=100_000)
def call(method: str, url: str, body: bytes | None, content_type: str, accept: str) -> Call:
    """A request as it goes over the wire."""
    parts = urlsplit(url)
    prefix = _OURS if parts.path.startswith(_OURS) else _CORE
    resource, _, name = parts.path.removeprefix(prefix).partition("/")
    assert resource in KINDS, f"the model does not know {method} {url}"
    text = (body or b"").decode()
    return Call(method, resource, unquote(name), parts.query, text, content_type if body else "", accept)


class Server:
    """An API server. `objects` is never changed in place, so a copy of the server costs nothing."""

    def __init__(self, release: Release = NEW, objects: Mapping[Key, Kept] | None = None) -> None:
        self.release = release
        self.objects: Mapping[Key, Kept] = objects or {}

    def answer(self, asked: Call) -> Reply:
        reply = self._list(asked) if asked.method == "GET" and not asked.name else self._one(asked)
        hour = self.count(HOUR)
        return Reply(reply.status, reply.text, hour) if hour else reply

    def _one(self, asked: Call) -> Reply:
        key = asked.resource, asked.name or str(json.loads(asked.body)["metadata"]["name"])
        named = asked if asked.name else replace(asked, name=key[1])
        before = self.objects.get(key, Kept())
        kept, reply = api.answer(self.release, before, named)
        if kept is not before:
            self.objects = {**self.objects, key: kept}
        return reply

    def _list(self, asked: Call) -> Reply:
        texts = tuple(kept.text for (_, name), kept in self._of(asked.resource) if kept.text)
        return _page(self.release, texts, self.count(COMPACTION), asked)

    def count(self, what: Key) -> int:
        """How often something happened that concerns no object."""
        return self.objects.get(what, Kept()).born

    def happened(self, what: Key) -> None:
        self.objects = {**self.objects, what: Kept("", self.count(what) + 1)}

    def get(self, resource: str, name: str) -> dict[str, Any] | None:
        """The object, for those who are not programs; None if there is none."""
        kept = self.objects.get((resource, name), Kept())
        found: dict[str, Any] | None = json.loads(kept.text) if kept.text else None
        return found

    def has(self, resource: str, name: str) -> bool:
        return bool(self.objects.get((resource, name), Kept()).text)

    def uid(self, resource: str, name: str) -> str:
        found = self.get(resource, name)
        return str(found["metadata"]["uid"]) if found else ""

    def names(self, resource: str) -> list[str]:
        return [name for (_, name), kept in self._of(resource) if kept.text]

    def _of(self, resource: str) -> Iterable[tuple[Key, Kept]]:
        return sorted(each for each in self.objects.items() if each[0][0] == resource)


@lru_cache(maxsize=1_000_000)
def _page(release: Release, texts: tuple[str, ...], compactions: int, asked: Call) -> Reply:
    """A page of a list. The continue token holds the rest of the list, which is so a snapshot of one moment."""
    query = {key: values[0] for key, values in parse_qs(asked.query).items()}
    left = [json.loads(text) for text in texts]
    if "continue" in query:
        since, left = json.loads(base64.urlsafe_b64decode(query["continue"]))
        if since != compactions:
            return Refusal(410, "Expired", "The provided continue parameter is too old", asked).reply
    wanted = [pair.partition("=") for pair in query.get("labelSelector", "").split(",") if pair]
    page: list[dict[str, Any]] = []
    size = int(query.get("limit", 0)) or len(left)
    while left and len(page) < size:
        item, *left = left
        page += [item] if _matches(item, wanted) else []
    metadata = "PartialObjectMetadataList" in asked.accept
    meta: dict[str, Any] = {"resourceVersion": "1"}
    if left:
        meta["continue"] = base64.urlsafe_b64encode(json.dumps([compactions, left]).encode()).decode()
        counts = not wanted and not (metadata and release.old)
        meta |= {"remainingItemCount": len(left)} if counts else {}
    if metadata:
        kind, version = "PartialObjectMetadataList", _METADATA["apiVersion"]
        items = [{**_METADATA, "metadata": item["metadata"]} for item in page]
    else:
        kind, version, items = f"{KINDS[asked.resource]}List", "v1", [_bare(item) for item in page]
    return Reply(200, json.dumps({"kind": kind, "apiVersion": version, "metadata": meta, "items": items}))


def _bare(item: dict[str, Any]) -> dict[str, Any]:
    """Items of a list have neither kind nor apiVersion."""
    return {key: value for key, value in item.items() if key not in ("kind", "apiVersion")}


def _matches(item: dict[str, Any], wanted: list[tuple[str, str, str]]) -> bool:
    labels = item["metadata"].get("labels", {})
    return all(labels.get(key) == value if equals else key in labels for key, equals, value in wanted)
