"""Sets of fields, as field managers own them: what an object sets, how two objects differ, fieldsV1. Pure.

A field is a path such as `("f:spec", "f:ports", 'k:{"port":8888,"protocol":"TCP"}', "f:name")`: the elements of
fieldsV1. The rules are those of https://github.com/kubernetes-sigs/structured-merge-diff.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

Path = tuple[str, ...]
Set = frozenset[Path]


class Kind(Enum):
    """How a value is merged. MAP and STRUCT differ in who owns the value itself; LEAF is replaced as a whole."""

    STRUCT = auto()
    MAP = auto()
    LIST = auto()  # of objects with keys
    SET = auto()
    LEAF = auto()


_KINDS: dict[Path, Kind] = {
    (): Kind.STRUCT,
    ("f:metadata",): Kind.STRUCT,
    ("f:metadata", "f:labels"): Kind.MAP,
    ("f:metadata", "f:annotations"): Kind.MAP,
    ("f:metadata", "f:finalizers"): Kind.SET,
    ("f:spec",): Kind.STRUCT,
    ("f:spec", "f:ports"): Kind.LIST,
    ("f:status",): Kind.STRUCT,
}
SELECTOR: Path = ("f:spec", "f:selector")
_IDENTITY = "name", "namespace", "uid", "resourceVersion", "creationTimestamp", "managedFields"
# Fields that nobody owns.
_NOBODYS = {
    ("f:apiVersion",),
    ("f:kind",),
    *(("f:metadata", f"f:{each}") for each in _IDENTITY),
    ("f:metadata", "f:deletionTimestamp"),
    ("f:metadata", "f:deletionGracePeriodSeconds"),
}


@dataclass(frozen=True)
class Schema:
    """How the fields of a Service are merged, since Kubernetes 1.21 or before (`old`)."""

    old: bool = False

    def kind(self, path: Path) -> Kind:
        if path == SELECTOR:
            return Kind.MAP if self.old else Kind.LEAF  # one owner, or one for each key
        return Kind.STRUCT if path[-1:] and path[-1].startswith("k:") else _KINDS.get(path, Kind.LEAF)

    def children(self, value: Any, path: Path) -> dict[str, Any]:
        """The parts of `value` by path element; empty if it has none."""
        kind = self.kind(path)
        if kind is Kind.LIST:
            return {_key(item): item for item in value or ()}
        if kind is Kind.SET:
            return {f"v:{json.dumps(item)}": item for item in value or ()}
        return {} if kind is Kind.LEAF else {f"f:{key}": part for key, part in (value or {}).items()}

    def joined(self, parts: Mapping[str, Any], path: Path) -> Any:
        """The opposite of `children`."""
        if self.kind(path) in (Kind.LIST, Kind.SET):
            return [*parts.values()]
        return {key.removeprefix("f:"): part for key, part in parts.items()}

    def set_by(self, value: Any, path: Path = ()) -> Set:
        """The fields that `value` sets."""
        parts = self.children(value, path)
        found = {each for key, part in parts.items() for each in self.set_by(part, (*path, key))}
        if path and (not parts or path[-1].startswith("k:")):
            found.add(path)
        return frozenset(found - _NOBODYS)

    def merged(self, live: Any, config: Any, path: Path = ()) -> Any:
        """`live` with everything that `config` sets."""
        old, new = self.children(live, path), self.children(config, path)
        if live is None or not (old or new):
            return config
        parts = {key: self.merged(old.get(key), new[key], (*path, key)) for key in new}
        return self.joined({key: parts.get(key, old.get(key)) for key in self._order([*old], [*new])}, path)

    def _order(self, old: Sequence[str], new: Sequence[str]) -> list[str]:
        """The keys of both in the order of `new`; what only `old` has comes before what follows it there."""
        if self.old:
            return [*old, *(key for key in new if key not in old)]
        left, found = list(old), []
        for key in new:
            while left and (left[0] not in new or left[0] in found):
                each = left.pop(0)
                found += [] if each in found else [each]
            found.append(key)
        return found + [each for each in left if each not in found]

    def without(self, value: Any, fields: Set, path: Path = ()) -> Any:
        """`value` without `fields`; None if nothing is left of it."""
        parts = self.children(value, path)
        if path in fields or not parts:
            return None if path in fields else value
        left = {key: self.without(part, fields, (*path, key)) for key, part in parts.items()}
        left = {key: part for key, part in left.items() if part is not None}
        return self.joined(left, path) if left else None


@dataclass
class Difference:
    """The fields in which a new object differs from an old one."""

    added: set[Path] = field(default_factory=set)
    modified: set[Path] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)

    @classmethod
    def of(cls, schema: Schema, old: Any, new: Any) -> "Difference":
        found = cls()
        found._compare(schema, old, new, ())
        return cls(found.added - _NOBODYS, found.modified - _NOBODYS, found.removed - _NOBODYS)

    def _compare(self, schema: Schema, old: Any, new: Any, path: Path) -> None:
        left, right = schema.children(old, path), schema.children(new, path)
        for key in left.keys() | right.keys():
            self._compare(schema, left.get(key), right.get(key), (*path, key))
        if old is None:
            self.added.add(path)
        elif new is None:
            self.removed.add(path)
        elif not (left or right) and old != new:
            self.modified.add(path)


def encode(fields: Iterable[Path]) -> dict[str, Any]:
    """`fields` as fieldsV1."""
    tree: dict[str, Any] = {}
    for path in sorted(fields):
        inner = tree
        for key in path:
            inner = inner.setdefault(key, {})
        inner["."] = {}
    return _pruned(tree)


def decode(tree: Mapping[str, Any], path: Path = ()) -> Set:
    """The fields in fieldsV1."""
    if not tree and path:
        return frozenset({path})
    found = {path} if "." in tree else set()
    return frozenset(found.union(*(decode(part, (*path, key)) for key, part in tree.items() if key != ".")))


def _pruned(tree: dict[str, Any]) -> dict[str, Any]:
    if tree.keys() == {"."}:
        return {}
    return {key: _pruned(part) if key != "." else {} for key, part in tree.items()}


def _key(port: Mapping[str, Any]) -> str:
    key = {"port": port.get("port"), "protocol": port.get("protocol", "TCP")}
    return f"k:{json.dumps(key, separators=(',', ':'))}"
