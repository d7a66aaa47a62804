"""Who owns which field of an object: server-side apply, and what an update takes from other managers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.model.fields import Difference, Schema, Set, decode, encode

Object = dict[str, Any]
Manager = tuple[str, str]  # name and operation
Managers = dict[Manager, Set]
TIME = "2026-01-01T00:00:00Z"  # there is no clock: all that happens in a sequence happens at once


@dataclass(frozen=True)
class Conflict(Exception):
    """An apply without force would change fields of these managers."""

    managers: tuple[Manager, ...]


def read(obj: Mapping[str, Any]) -> Managers:
    entries = obj["metadata"].get("managedFields") or []
    return {(each["manager"], each["operation"]): decode(each["fieldsV1"]) for each in entries}


def write(obj: Object, managers: Managers) -> Object:
    """`obj` with these managers."""
    entries = [
        {
            "manager": name,
            "operation": operation,
            "apiVersion": "v1",
            "time": TIME,
            "fieldsType": "FieldsV1",
            "fieldsV1": encode(fields),
        }
        for (name, operation), fields in sorted(managers.items(), key=lambda each: each[0][::-1])
    ]
    rest = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return {**obj, "metadata": {**rest, **({"managedFields": entries} if entries else {})}}


def update(schema: Schema, live: Object, new: Object, manager: str) -> Object:
    """`new`, in which `manager` owns every field that it changed."""
    who = (manager, "Update")
    change = Difference.of(schema, live, new)
    managers = _taken(read(new), change, who)
    managers[who] = (managers.get(who, frozenset()) - change.removed) | change.modified | change.added
    return write(new, {key: fields for key, fields in managers.items() if fields})


def apply(schema: Schema, live: Object, config: Mapping[str, Any], manager: str, *, force: bool) -> Object:
    """`live` with what `config` sets, and without what `manager` set before and nobody owns any more."""
    who = (manager, "Apply")
    before = read(live)
    merged = schema.merged(live, config)
    managers = {**before, who: schema.set_by(config)}
    owned = {path[:length] for fields in managers.values() for path in fields for length in range(1, len(path) + 1)}
    merged = schema.without(merged, before.get(who, frozenset()) - owned)
    change = Difference.of(schema, live, merged)
    conflicts = [key for key, fields in managers.items() if key != who and fields & (change.modified | change.added)]
    if conflicts and not force:
        raise Conflict(tuple(sorted(conflicts)))
    managers = _taken(managers, change, who)
    return write(merged, {key: fields for key, fields in managers.items() if fields})


def _taken(managers: Managers, change: Difference, who: Manager) -> Managers:
    """The managers, of which only `who` keeps what was changed."""
    changed = change.modified | change.added | change.removed
    return {key: fields if key == who else fields - changed for key, fields in managers.items()}
