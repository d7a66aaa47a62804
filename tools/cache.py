"""The cache outside the checkout: what is built once and used by every clone."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_dir() -> Path:
    """Folder of the cache: NODEPROXY_CACHE, or `nodeproxy` in the user's cache folder."""
    own = os.environ.get("NODEPROXY_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own) if own else Path(base) / "nodeproxy"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file. A process that has to wait for it says so."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another process that builds (lock: {path})", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
