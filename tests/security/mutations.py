"""Mutations of an API object, drawn from the API server's own OpenAPI schema, and the requests that carry them."""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from tests.harness.client import Object

Path = tuple[str | int, ...]
REMOVED = None  # a merge patch removes a field by null, and null in a body counts as absent
TYPES = {
    "apply": "application/apply-patch+yaml",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}
_QUOTED = re.compile(r"[\"'`]([A-Za-z][\w./-]+)[\"'`]")  # a description quotes the values that a field may have
MOST_FIELDS = 4  # levels below the object


@dataclass(frozen=True)
class Mutation:
    """One field set to another value, or removed."""

    path: Path
    value: Any

    def into(self, body: Object) -> None:
        """Set the field. Lists and objects on the way to it are made; what is neither stays."""
        place: Any = body
        for step, following in pairwise((*self.path, None)):
            value = copy.deepcopy(self.value) if following is None else [] if isinstance(following, int) else {}
            if isinstance(place, list):
                if following is None or not place:
                    place.append(value)
                place = place[-1]
            elif isinstance(place, dict):
                if following is None or place.get(step) is None:
                    place[step] = value
                place = place[step]


def pointer(*path: str) -> str:
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in path)


def mutated(body: Object, mutations: list[Mutation]) -> Object:
    body = copy.deepcopy(body)
    for each in mutations:
        each.into(body)
    return body


def operations(body: Object, mutations: list[Mutation]) -> Iterator[Object]:
    """JSON patches with the same result on `body`. Each replaces a field of metadata, spec or status as a whole."""
    after = mutated(body, mutations)
    for each in mutations:
        part, *rest = map(str, each.path)
        whole = after[part]
        if rest and isinstance(whole, dict) and rest[0] in whole:
            yield {"op": "add", "path": pointer(part, rest[0]), "value": whole[rest[0]]}
        else:
            yield {"op": "add", "path": pointer(part), "value": whole}


class Schema:
    """The fields of a kind, by its OpenAPI schema, with values that fit and `words` in place of any text."""

    def __init__(self, components: Object, kind: str, words: list[str]) -> None:
        self._schemas = components["schemas"]
        self._words = words
        parts = self._resolved({"$ref": f"/io.k8s.api.core.v1.{kind}"})["properties"]
        self._groups: dict[Path, list[tuple[Path, Object]]] = {}  # by the field of metadata, spec or status
        for part in ("spec", "metadata", "status"):
            for path, node in self._fields((part,), parts[part], MOST_FIELDS):
                self._groups.setdefault(path[:2], []).append((path, node))

    def mutations(self) -> st.SearchStrategy[Mutation]:
        """Of each field equally many, however many are below it, but half of all in the metadata, which pods allow."""
        metadata = [fields for path, fields in self._groups.items() if path[0] == "metadata"]
        groups = st.sampled_from(metadata) | st.sampled_from([*self._groups.values()])
        return groups.flatmap(lambda fields: st.sampled_from(fields[:1]) | st.sampled_from(fields)).flatmap(
            lambda field: st.builds(Mutation, st.just(field[0]), self._values(field[1], 3) | st.just(REMOVED))
        )

    def _resolved(self, node: Object) -> Object:
        reference = node.get("$ref") or next((each["$ref"] for each in node.get("allOf", ())), "")
        return dict(self._schemas[reference.rpartition("/")[2]] if reference else node)

    def _fields(self, path: Path, node: Object, depth: int) -> Iterator[tuple[Path, Object]]:
        """A node and all below it; of a list the first item, and of a map each of the words."""
        node = self._resolved(node)
        yield path, node
        if not depth:
            return
        for name, inner in node.get("properties", {}).items():
            yield from self._fields((*path, name), inner, depth - 1)
        if node.get("type") == "array":
            yield from self._fields((*path, 0), node["items"], depth - 1)
        if "additionalProperties" in node:
            for word in self._words:
                yield (*path, word), self._resolved(node["additionalProperties"])

    def _values(self, node: Object, depth: int) -> st.SearchStrategy[Any]:
        node = self._resolved(node)
        words = st.sampled_from(self._words) | st.text("ab0-./: \u3164", max_size=9)
        if valid := [*node.get("enum", ()), *_QUOTED.findall(node.get("description", ""))]:
            words = st.sampled_from(valid) | st.sampled_from(valid) | words
        numbers = st.sampled_from([8888, -1, 0, 1, 22, 53, 443, 30000, 65536, 2**63 - 1])
        if node.get("type") == "array":
            return st.lists(self._values(node["items"], depth), max_size=2)
        if "additionalProperties" in node:
            return st.dictionaries(words, self._values(node["additionalProperties"], 0), max_size=2)
        if node.get("properties") and depth:
            return self._objects(node, depth)
        dates = st.just("2026-11-22T03:00:00Z") if node.get("format") == "date-time" else words
        fields: st.SearchStrategy[Any] = st.just({"f:spec": {"f:type": {}}, "f:metadata": {"f:labels": {}}})
        plain = {"string": dates, "integer": numbers, "boolean": st.booleans(), "object": st.just({}) | fields}
        return plain.get(node.get("type", ""), words | numbers)

    def _objects(self, node: Object, depth: int) -> st.SearchStrategy[Any]:
        """The fields that are required, and up to two others: few objects with all of them are valid."""
        inner, required = node["properties"], {*node.get("required", ())}
        return st.lists(st.sampled_from(sorted(inner)), max_size=2).flatmap(
            lambda names: st.fixed_dictionaries(
                {name: self._values(inner[name], depth - 1) for name in sorted({*names} | required)}
            )
        )
