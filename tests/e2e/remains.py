"""Find what a cluster has left on the machine. It should leave nothing."""

import json
import math
import os
import socket
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.e2e import cgroups
from tests.e2e.layout import CGROUP, RESULTS, SITES, STATE

TRACES = RESULTS / "traces.json"  # of the last run of the scenarios
KINDS = ("pid", "mnt", "net", "uts", "ipc")
# Where container software keeps its files. A machine may have them already.
PLACES = (
    "/etc/cni",
    "/etc/containerd",
    "/opt/containerd",
    "/run/containerd",
    "/run/netns",
    "/run/nri",
    "/run/xtables.lock",
    "/usr/libexec/kubernetes",
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
FIREWALL = (("iptables-save",), ("nft", "list", "ruleset"), ("ipset", "save"))


@dataclass(frozen=True)
class Traces:
    """Identifies a cluster's processes: by their namespaces (such as `net:[4026531840]`) and by an earlier start."""

    namespaces: frozenset[str]
    taken: float  # seconds since the machine's start

    @classmethod
    def of(cls, processes: Iterable[str | int]) -> "Traces":
        """The traces of processes in a sandbox, which shares none of these namespaces with the machine."""
        names = frozenset(name for pid in processes for name in _namespaces_of(str(pid)))
        return cls(names, float(Path("/proc/uptime").read_text().split()[0]))

    @classmethod
    def load(cls) -> "Traces":
        names, taken = json.loads(TRACES.read_text())
        return cls(frozenset(names), taken)

    def save(self) -> None:
        TRACES.write_text(json.dumps([sorted(self.namespaces), self.taken]))

    def are_of(self, pid: str) -> bool:
        """Is this one of them? The kernel reuses the numbers of namespaces, so the start counts too."""
        return _started(pid) < self.taken and not self.namespaces.isdisjoint(_namespaces_of(pid))


def all_processes() -> list[str]:
    return [name for name in os.listdir("/proc") if name.isdigit()]


def surroundings() -> dict[str, object]:
    """What a run must leave as it was: files, kernel settings, and the firewall of the machine's own namespace."""
    places: dict[str, object] = {place: Path(place).exists() for place in PLACES}
    settings = (Path("/proc/sys", setting) for setting in SETTINGS)
    firewall = {" ".join(command): _answer(*command) for command in FIREWALL}
    return places | {str(setting): setting.read_text() for setting in settings if setting.exists()} | firewall


def found(traces: Traces) -> list[str]:
    """What is left of a cluster, one line each. A namespace is left if a process or a mount holds it."""
    processes = [f"process {pid} {_read(pid, 'cmdline')}" for pid in all_processes() if traces.are_of(pid)]
    return [*processes, *_mounts(traces), *_cgroups(), *_devices(), *([str(STATE)] if STATE.exists() else [])]


def _answer(*command: str) -> list[str]:
    """The output of a command, without comments (they hold the time) and packet counts."""
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.partition(" [")[0] for line in out.splitlines() if not line.startswith("#")]


def _mounts(traces: Traces) -> Iterator[str]:
    """Mounts from our folder, in any mount namespace, and namespaces that are bound to a file on the machine."""
    everywhere = {line for pid in all_processes() for line in _read(pid, "mountinfo").splitlines()}
    yield from (f"mount {line}" for line in everywhere if str(STATE) in line)
    for line in _read("self", "mountinfo").splitlines():
        if any(name in line for name in traces.namespaces):
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
    except OSError:  # the process has ended
        return []


def _started(pid: str) -> float:
    """Start in seconds since the machine's start (proc(5), field 22); infinity for a process that has ended."""
    _, _, fields = _read(pid, "stat").rpartition(") ")
    return int(fields.split()[19]) / os.sysconf("SC_CLK_TCK") if fields else math.inf


def _read(pid: str, file: str) -> str:
    try:
        return Path("/proc", pid, file).read_text(errors="replace").replace("\0", " ").strip()
    except OSError:
        return ""
