"""What a cluster has left on the machine, where it should have left nothing."""

import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.e2e import cgroups
from tests.e2e.layout import CGROUP, SITES, STATE
from tests.harness.cluster import ROOT

NAMESPACES = ROOT / "build" / "e2e" / "namespaces"  # of the last run of the scenarios
KINDS = ("pid", "mnt", "net", "uts", "ipc")
# Where container software leaves its things. A machine may have them already.
PLACES = (
    "/etc/cni",
    "/opt/containerd",
    "/run/containerd",
    "/run/netns",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
)
SETTINGS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
    "net/ipv4/ip_forward",
    "net/netfilter/nf_conntrack_max",
)


def namespaces(processes: Iterable[str | int]) -> set[str]:
    """The namespaces of these processes that the sandbox does not share with the machine, as `net:[4026531840]`."""
    return {name for pid in processes for name in _namespaces_of(str(pid))}


def all_processes() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdigit()]


def surroundings() -> dict[str, object]:
    """What a run must leave as it was."""
    places: dict[str, object] = {place: Path(place).exists() for place in PLACES}
    settings = (Path("/proc/sys", setting) for setting in SETTINGS)
    return places | {str(setting): setting.read_text() for setting in settings if setting.exists()}


def found(own: set[str]) -> list[str]:
    """What is left of a cluster whose namespaces were `own`, a line each."""
    return [*_processes(own), *_mounts(own), *_cgroups(), *_devices(), *([str(STATE)] if STATE.exists() else [])]


def _processes(own: set[str]) -> Iterator[str]:
    for pid in all_processes():
        if own.intersection(_namespaces_of(pid)):
            yield f"process {pid} {_read(pid, 'cmdline')}"


def _mounts(own: set[str]) -> Iterator[str]:
    """Of any process: what is mounted from our folder, and namespaces that are bound to a file."""
    lines = {line for pid in all_processes() for line in _read(pid, "mountinfo").splitlines()}
    for line in lines:
        if str(STATE) in line or any(name in line for name in own):
            yield f"mount {line}"


def _cgroups() -> Iterator[str]:
    for root in cgroups.hierarchies():
        if (root / CGROUP).exists():
            yield f"cgroup {root / CGROUP}"


def _devices() -> Iterator[str]:
    ours = {"nodes", *(site.node for site in SITES)}
    yield from (f"network device {name}" for _, name in socket.if_nameindex() if name in ours)


def _namespaces_of(pid: str) -> list[str]:
    try:
        return [os.readlink(f"/proc/{pid}/ns/{kind}") for kind in KINDS]
    except OSError:  # it has ended
        return []


def _read(pid: str, file: str) -> str:
    try:
        return Path("/proc", pid, file).read_text(errors="replace").replace("\0", " ").strip()
    except OSError:
        return ""
