"""Prints objects of the API server as YAML, for `--dry-run`, so that no content can trick or flood a terminal. Pure."""

from collections.abc import Iterable
from typing import Any

import yaml

from registrar.cli.text import cut

_MAX_ENTRIES = 200  # of a list or map
_MAX_DEPTH = 20  # a Pod has about twelve levels


def as_yaml(objects: Iterable[dict[str, Any]]) -> str:
    """One YAML document for each object, without managedFields, as kubectl does it. Non-ASCII text is escaped."""
    documents = [_cut({**each, "metadata": _without_managers(each.get("metadata"))}) for each in objects]
    return yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=False)


def _without_managers(metadata: Any) -> Any:
    if not isinstance(metadata, dict):
        return metadata
    return {key: value for key, value in metadata.items() if key != "managedFields"}


def _cut(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return cut(value)
    if isinstance(value, dict | list) and depth == _MAX_DEPTH:
        return "... (deeper)"
    if isinstance(value, dict):
        kept = {_cut(key): _cut(each, depth + 1) for key, each in [*value.items()][:_MAX_ENTRIES]}
        return kept if len(value) <= _MAX_ENTRIES else kept | {"...": f"{len(value)} entries"}
    if isinstance(value, list):
        kept_items = [_cut(each, depth + 1) for each in value[:_MAX_ENTRIES]]
        return kept_items if len(value) <= _MAX_ENTRIES else [*kept_items, f"... ({len(value)} entries)"]
    return value
