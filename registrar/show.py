"""Objects of the API server as YAML, for `--dry-run`: nothing in them can trick a terminal or fill it. Pure."""

from collections.abc import Iterable
from typing import Any

import yaml

from registrar.cli.text import cut

_MOST = 200  # entries of a list or map
_DEEPEST = 20  # a Pod is some twelve deep


def as_yaml(objects: Iterable[dict[str, Any]]) -> str:
    """One document each, without managedFields (as kubectl leaves them out); what is beyond ASCII is escaped."""
    documents = [_cut({**each, "metadata": _without_managers(each.get("metadata"))}) for each in objects]
    return yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=False)


def _without_managers(metadata: Any) -> Any:
    if not isinstance(metadata, dict):
        return metadata
    return {key: value for key, value in metadata.items() if key != "managedFields"}


def _cut(value: Any, depth: int = 0) -> Any:
    if isinstance(value, str):
        return cut(value)
    if isinstance(value, dict | list) and depth == _DEEPEST:
        return "... (deeper)"
    if isinstance(value, dict):
        kept = {_cut(key): _cut(each, depth + 1) for key, each in [*value.items()][:_MOST]}
        return kept if len(value) <= _MOST else kept | {"...": f"{len(value)} entries"}
    if isinstance(value, list):
        kept_items = [_cut(each, depth + 1) for each in value[:_MOST]]
        return kept_items if len(value) <= _MOST else [*kept_items, f"... ({len(value)} entries)"]
    return value
