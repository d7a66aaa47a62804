"""The cluster's cgroups: one for the daemons, one per node for its pods, in every hierarchy (cgroup v1 or v2)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.e2e.layout import CGROUP
from tests.harness.processes import wait_until

MOUNT = Path("/sys/fs/cgroup")
DAEMONS = "daemons"
CONTROLLERS = {"cpu", "cpuset", "memory", "pids"}  # what kubelet looks for in v2
ENDING = 30.0  # seconds in which killed processes end


def make(names: Sequence[str]) -> None:
    """Create this cluster's cgroups, with `names` below them."""
    for root in hierarchies():
        _open(root)
        for folder in (root / CGROUP, *(root / CGROUP / name for name in (DAEMONS, *names))):
            folder.mkdir()
            _open(folder)


def remove() -> None:
    """Remove this cluster's cgroups once they are empty. It kills nothing: their processes end with the sandbox."""
    wait_until(lambda: not processes(), ENDING, f"the end of all processes in cgroup {CGROUP}: {processes()}")
    for root in hierarchies():
        for folder in sorted(_below(root), reverse=True):
            folder.rmdir()


def processes() -> set[int]:
    """Ids of all processes in this cluster's cgroups."""
    files = (folder / "cgroup.procs" for root in hierarchies() for folder in _below(root))
    return {int(line) for file in files for line in file.read_text().split()}


def hierarchies() -> list[Path]:
    """Where cgroups are mounted: one place with v2, one per controller with v1."""
    places = [MOUNT, *(place for place in sorted(MOUNT.iterdir()) if place.is_dir())]
    if (MOUNT / "cgroup.controllers").exists():
        return places[:1]
    return [place for place in places if (place / "cgroup.procs").exists()]


def _below(root: Path) -> Iterator[Path]:
    if (root / CGROUP).is_dir():
        yield root / CGROUP
        yield from (folder for folder in (root / CGROUP).rglob("*") if folder.is_dir())


def _open(folder: Path) -> None:
    """Let it take processes (a v1 cpuset has no CPUs at first), and enable its controllers for its children (v2)."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        file = folder / name
        if (folder / "tasks").exists() and file.exists() and not file.read_text().strip():
            file.write_text((folder.parent / name).read_text())
    # a v2 cgroup with processes cannot enable controllers for its children
    if folder.name != DAEMONS and (folder / "cgroup.controllers").exists():
        controllers = {*(folder / "cgroup.controllers").read_text().split()} & CONTROLLERS
        (folder / "cgroup.subtree_control").write_text(" ".join(f"+{each}" for each in sorted(controllers)))
