"""Reads fields of objects that the API server sends. A missing or malformed field is a Failure. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from registrar.cli.failures import Failure

CHECK_PROXY = "check for a proxy in front of the API server that changes its answers"
_NAMES: dict[type[Any], str] = {str: "a string", int: "a number", dict: "an object", list: "a list"}


@dataclass(frozen=True)
class Fields:
    """A JSON object in an answer. `action` and `path` tell a Failure what was done and where the object is."""

    action: str
    value: Mapping[str, Any]
    path: str = ""

    def require_kind(self, kind: str) -> None:
        """Raise Failure if the answer is an object of another kind."""
        if self.value.get("kind") != kind:
            raise Failure(self.action, f"the answer is a {self.value.get('kind')}, not a {kind}", CHECK_PROXY)

    def text(self, key: str) -> str:
        """A string that has to be there."""
        return str(self._typed(key, str))

    def text_or_none(self, key: str) -> str | None:
        """A string; None if it is missing or null."""
        return None if self.value.get(key) is None else self.text(key)

    def time_or_none(self, key: str) -> datetime | None:
        """A time with its zone; None if it is missing or null."""
        text = self.text_or_none(key)
        try:
            return None if text is None else datetime.fromisoformat(text).astimezone(UTC)
        except ValueError:
            raise Failure(self.action, f"in the answer, {self.path}{key} is not a time", CHECK_PROXY) from None

    def number(self, key: str) -> int:
        """A whole number that has to be there."""
        return int(self._typed(key, int))

    def inner(self, key: str) -> "Fields":
        """An object that has to be there."""
        return Fields(self.action, self._typed(key, dict), f"{self.path}{key}.")

    def inner_or_empty(self, key: str) -> "Fields":
        """An object; an empty one if it is missing or null."""
        return self.inner(key) if self.value.get(key) is not None else Fields(self.action, {}, f"{self.path}{key}.")

    def texts(self, key: str) -> Mapping[str, str]:
        """A map of strings, such as labels; empty if it is missing or null."""
        inner = self.inner_or_empty(key)
        return {each: inner.text(each) for each in inner.value}

    def objects(self, key: str) -> "list[Fields]":
        """A list of objects that has to be there. Null is an empty list: Kubernetes 1.36 sends it."""
        items = self._items(key)
        return [items.inner(each) for each in items.value]

    def objects_or_empty(self, key: str) -> "list[Fields]":
        """A list of objects; empty if it is missing or null."""
        return self.objects(key) if key in self.value else []

    def strings_or_empty(self, key: str) -> list[str]:
        """A list of strings; empty if it is missing or null."""
        if key not in self.value:
            return []
        items = self._items(key)
        return [items.text(each) for each in items.value]

    def _items(self, key: str) -> "Fields":
        empty = key in self.value and self.value[key] is None
        items = [] if empty else self._typed(key, list)
        return Fields(self.action, {f"{key}[{number}]": item for number, item in enumerate(items)}, self.path)

    def _typed(self, key: str, kind: type[Any]) -> Any:
        value = self.value.get(key)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise Failure(self.action, f"in the answer, {self.path}{key} is not {_NAMES[kind]}", CHECK_PROXY)
        return value
