"""Reads the fields of an entry of a kubeconfig, such as one user. Errors name files and fields, never values."""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registrar.cli.failures import SettingsError
from registrar.kube import unsupported


@dataclass(frozen=True)
class Entry:
    """A section of a kubeconfig, such as one user. `where` names it in errors; `folder` is that of its file.

    A field that is not known is refused, because it may change the server or the user.
    """

    where: str
    folder: str
    value: Mapping[str, Any]

    def error(self, reason: str) -> SettingsError:
        """What to raise if the entry cannot be used."""
        return unusable(self.where, reason)

    def only(self, *known: str) -> None:
        """Refuse any field but `known`, `extensions` and those that are null."""
        for key in self.value:
            if key not in (*known, "extensions"):
                name = key if re.fullmatch("[-A-Za-z]{1,40}", str(key)) else "a field"
                raise unsupported.UNKNOWN._replace(field=name).error(self.where)

    def text(self, key: str) -> str:
        """A string; "" if it is missing or null."""
        return str(self._typed(key, str, "a string") or "")

    def flag(self, key: str) -> bool:
        """A boolean; False if it is missing or null."""
        return bool(self._typed(key, bool, "true or false"))

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings; empty if it is missing or null."""
        found = self._typed(key, list, "a list") or []
        if not all(isinstance(each, str) for each in found):
            raise self.error(f"{key} is not a list of strings")
        return tuple(found)

    def inner(self, key: str) -> "Entry | None":
        """A map; None if it is missing or null."""
        found = self._typed(key, dict, "a map")
        return None if found is None else Entry(f"{self.where}: {key}", self.folder, found)

    def entries(self, key: str) -> "list[Entry]":
        """A list of maps; empty if it is missing or null."""
        found = self._typed(key, list, "a list") or []
        return [Entry(f"{self.where}: {key}", self.folder, each) for each in found if self._is_map(key, each)]

    def path(self, key: str) -> str:
        """A path, relative to the folder of the file; "" if it is missing or null."""
        path = self.text(key)
        return os.path.join(self.folder, path) if path else ""

    def pem(self, key: str) -> bytes | None:
        """What `key` names a file of, or `key`-data has in base64; None if there is neither."""
        path, encoded = self.path(key), self.text(f"{key}-data")
        if path and encoded:
            raise self.error(f"both {key} and {key}-data are set")
        if not encoded:
            return self.read(key) if path else None
        try:
            return base64.b64decode("".join(encoded.split()), validate=True)
        except (binascii.Error, ValueError):
            raise self.error(f"{key}-data is not base64") from None

    def read(self, key: str) -> bytes:
        """The content of the file that `key` names."""
        path = self.path(key)
        try:
            with open(path, "rb") as file:
                return file.read()
        except (OSError, ValueError) as error:
            raise self.error(f"cannot read {key} {path}: {getattr(error, 'strerror', None) or 'bad path'}") from None

    def _typed(self, key: str, kind: type, name: str) -> Any:
        value = self.value.get(key)
        if value is not None and not isinstance(value, kind):
            raise self.error(f"{key} is not {name}")
        return value

    def _is_map(self, key: str, value: object) -> bool:
        if not isinstance(value, dict):
            raise self.error(f"{key} is not a list of maps")
        return True


def unusable(where: str, reason: str) -> SettingsError:
    """A kubeconfig that kubectl refuses too."""
    return SettingsError("--kubeconfig", f"cannot use {where}: {reason}; try `kubectl config view`")
