"""Reads kubeconfig files and merges them as kubectl does: the context in use, with its cluster and its user.

https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from registrar.kube import unsupported
from registrar.kube.entry import Entry, unusable

_SECTIONS = {"context": "contexts", "cluster": "clusters", "user": "users"}


class _Loader(yaml.SafeLoader):
    """Go's YAML has no dates: a name such as 2026-01-31 is a string."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class Chosen:
    """The context in use, with its cluster and its user."""

    context: Entry
    cluster: Entry
    user: Entry


def choose(paths: Sequence[str], context: str | None, *, required: bool) -> Chosen:
    """The entries of `context`, or else of the current context. The first file that has an entry or value wins.

    Files that do not exist are skipped, unless they are `required`.
    """
    files = [file for path in paths if (file := _load(path, required=required))]
    if not files:
        raise unsupported.FILES.error(f"kubeconfig {':'.join(paths)}")
    name = context or next(filter(None, (file.text("current-context") for file in files)), "")
    where = f"kubeconfig {':'.join(paths)}"
    if not name:
        raise unsupported.CURRENT_CONTEXT.error(where)
    merged = {kind: _merge(files, kind) for kind in _SECTIONS}
    if name not in merged["context"]:
        raise unusable(where, f"there is no context {name!r}")
    found = merged["context"][name]
    pair = {kind: merged[kind].get(found.text(kind)) for kind in ("cluster", "user")}
    for kind, entry in pair.items():
        if entry is None:
            raise unusable(found.where, f"its {kind} {found.text(kind)!r} does not exist")
    return Chosen(found, pair["cluster"] or found, pair["user"] or found)


def _load(path: str, *, required: bool) -> Entry | None:
    """The content of a file; None for one that does not exist."""
    where = f"kubeconfig {path}"
    try:
        with open(path, "rb") as file:
            value = yaml.load(file.read(), _Loader)  # noqa: S506 - a SafeLoader
    except FileNotFoundError:
        if required:
            raise unusable(where, "there is no such file") from None
        return None
    except OSError as error:
        raise unusable(where, error.strerror or "it cannot be read") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # their texts quote the file
        mark = getattr(error, "problem_mark", None)
        raise unusable(where, "it is not YAML" + (f" (line {mark.line + 1})" if mark else "")) from None
    if not isinstance(value, dict | None):
        raise unusable(where, "it is not a map")
    top = Entry(where, os.path.dirname(os.path.abspath(path)), value or {})
    if top.text("kind") not in ("", "Config") or top.text("apiVersion") not in ("", "v1"):
        raise unusable(where, "it is not of kind Config, apiVersion v1")
    return top


def _merge(files: Sequence[Entry], kind: str) -> dict[str, Entry]:
    """All entries of this kind by name."""
    merged: dict[str, Entry] = {}
    for file in files:
        named: dict[str, Entry] = {}
        for each in file.entries(_SECTIONS[kind]):
            name = each.text("name")
            if name in named:
                raise unusable(file.where, f"two {_SECTIONS[kind]} are called {name!r}")
            inner = each.inner(kind)
            named[name] = Entry(f"{file.where}, {kind} {name}", file.folder, inner.value if inner else {})
        merged = named | merged
    return merged
