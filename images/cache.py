"""The cache of binaries: outside the checkout, so that a fresh clone builds nothing again."""

import fcntl
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_dir() -> Path:
    """NODEPROXY_CACHE, or the folder `nodeproxy` where the user's caches are."""
    own = os.environ.get("NODEPROXY_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own) if own else Path(base) / "nodeproxy"


def missing(names: Iterable[str], folder: Path) -> list[str]:
    """Those of `names` that are no executable file in `folder`."""
    return [name for name in names if not os.access(folder / name, os.X_OK)]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time. The others print that they wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another process (lock: {path})", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder on the cache's file system, so that a rename installs from it. For the holder of the lock."""
    folder = cache_dir() / "build"
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def install(binary: Path, target: Path) -> None:
    """One rename on the same file system: other processes see no binary, or a whole one."""
    target.parent.mkdir(parents=True, exist_ok=True)
    binary.chmod(0o755)
    binary.rename(target)
