"""Kubernetes components and other programs built from Go modules, one folder of the cache for each release."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from images import cache
from images.progress import Job
from tests.harness import gomodules, toolchain, versions
from tests.harness.versions import Kubernetes, Tool

KUBERNETES = "k8s.io/kubernetes"
STRIPPED = "-ldflags=-s -w"  # without symbol tables
VERSION_PACKAGE = "k8s.io/component-base/version"


def tool_folder(tool: Tool) -> Path:
    return cache.cache_dir() / "tools" / f"{tool.name}-{tool.version}"


def build_tool(tool: Tool, job: Job) -> None:
    """Build a tool; needs the cache's lock. Raises UnavailableError if Go or the module cannot be had."""
    _build(tool.module, tool.version, versions.go_for_tools(), tool.binaries, tool_folder(tool), job)


def components_folder(release: Kubernetes) -> Path:
    return cache.cache_dir() / "kubernetes" / str(release.modules)


def missing_components(release: Kubernetes, names: Iterable[str]) -> list[str]:
    """Those of `names` that are missing. A link to another etcd than the pinned one counts as missing."""
    folder = components_folder(release)
    stale = ["etcd"] if "etcd" in names and _link(folder / "etcd") != _etcd_link() else []
    return [name for name in names if name in [*stale, *cache.missing(names, folder)]]


def build_components(release: Kubernetes, names: Iterable[str], job: Job) -> None:
    """As `build_tool`, for components of Kubernetes' `cmd/` and `etcd`."""
    components = {name: f"cmd/{name}" for name in names if name != "etcd"}
    if components:
        _build(KUBERNETES, str(release.modules), None, components, components_folder(release), job)
    if "etcd" in names:
        tool = versions.tool("etcd")
        if cache.missing(tool.binaries, tool_folder(tool)):
            build_tool(tool, job)
        _link_etcd(components_folder(release))


def _build(
    path: str, version: str, go_release: str | None, binaries: Mapping[str, str], folder: Path, job: Job
) -> None:
    go = toolchain.bootstrap(cache.cache_dir() / "tools", job)
    module = gomodules.download(go, path, version, job)
    # Kubernetes names the Go release that its own releases are built with
    go_release = go_release or (module.folder / ".go-version").read_text().strip()
    with cache.scratch() as scratch:
        flags = _kubernetes_flags(version) if path == KUBERNETES else [STRIPPED]
        gomodules.build(go, module, go_release, binaries, flags, scratch, job)
        for name in binaries:
            cache.install(scratch / name, folder / name)


def _kubernetes_flags(version: str) -> list[str]:
    """Set the version, which is v0.0.0-master otherwise, and leave out the cloud providers of releases before 1.31."""
    major, minor = versions.minor_of(version).split(".")
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return [
        " ".join([STRIPPED, *(f"-X {VERSION_PACKAGE}.{name}={values[name]}" for name in values)]),
        "-tags=providerless",
    ]


def _etcd_link() -> str:
    """The link's target, relative so that the cache can be moved."""
    return f"../../tools/{tool_folder(versions.tool('etcd')).name}/etcd"


def _link(path: Path) -> str | None:
    return os.readlink(path) if path.is_symlink() else None


def _link_etcd(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / "etcd.new"
    new.unlink(missing_ok=True)
    new.symlink_to(_etcd_link())
    new.rename(folder / "etcd")
