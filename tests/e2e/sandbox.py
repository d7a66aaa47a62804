"""The sandbox in which everything runs: namespaces of process ids, mounts and networks that end with one process.

The kernel undoes everything that happens in there, however it ends. A folder and cgroups are left to remove.
"""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from tests.e2e import cgroups
from tests.e2e.layout import CGROUP, NAME, SITES, STATE

SCRIPT = Path(__file__).with_name("sandbox.sh")
INSIDE = "NODEPROXY_E2E_SANDBOX"  # this variable is set inside the sandbox
NAMESPACES = ("--pid", "--mount", "--mount-proc", "--net", "--uts", "--ipc")
ENTER = (
    *("setpriv", "--pdeathsig=KILL"),  # the sandbox ends when this process is killed
    *("unshare", *NAMESPACES, "--fork", "--kill-child"),
    *("env", "--default-signal=INT"),  # a shell starts background jobs with SIGINT ignored, and programs inherit that
    *("bash", str(SCRIPT)),
)
SIGNALS = (signal.SIGINT, signal.SIGTERM)
LOCKS = "nodeproxy-e2e-run/"


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run `command` in a new sandbox, and remove all that is left of it; the command's exit code.

    SIGINT and SIGTERM reach the command as SIGINT, and the sandbox ends when the command has ended.
    """
    with _only_one(), _bridge_filter():
        remove_remains()
        try:
            STATE.mkdir(mode=0o700)
            cgroups.make([site.node for site in SITES])
            return _run(command, environment)
        finally:
            remove_remains()


def remove_remains() -> None:
    """Remove what a run of this name has left: this one, or an earlier one that was killed."""
    cgroups.remove()
    if STATE.exists():
        shutil.rmtree(STATE)


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    with _passed_on() as processes:
        inner = subprocess.Popen(
            [*ENTER, str(STATE), CGROUP, *command],
            env={**environment, INSIDE: "yes"},
            process_group=0,  # a terminal's Ctrl-C reaches this process alone, which passes it on once
        )
        processes.append(inner)
        try:
            return inner.wait()
        finally:
            inner.kill()
            inner.wait()


@contextmanager
def _passed_on() -> Iterator["list[subprocess.Popen[bytes]]"]:
    """Send SIGINT to the process groups of the listed processes where this process is sent SIGINT or SIGTERM."""
    processes: list[subprocess.Popen[bytes]] = []

    def pass_on(_number: int, _frame: FrameType | None) -> None:
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)

    previous = [signal.signal(number, pass_on) for number in SIGNALS]
    try:
        yield processes
    finally:
        for number, handler in zip(SIGNALS, previous, strict=True):
            signal.signal(number, handler)


@contextmanager
def _bridge_filter() -> Iterator[None]:
    """Load the kernel module br_netfilter if it is missing, and unload it unless another run still uses it.

    With it, packets on a bridge pass iptables. Otherwise a client cannot use a Service whose proxy is on the client's
    own node. A run changes nothing else on the machine itself.
    """
    if Path("/proc/sys/net/bridge").exists():
        yield
        return
    modprobe = shutil.which("modprobe")
    if not modprobe or subprocess.run([modprobe, "br_netfilter"], check=False).returncode:
        raise SystemExit(
            "the nodes need the kernel module br_netfilter: load it on the machine, then run `make e2e` again"
        )
    try:
        yield
    finally:
        if not _others():
            subprocess.run([modprobe, "--remove", "br_netfilter"], check=False)


@contextmanager
def _only_one() -> Iterator[None]:
    """One run of a name at a time. The lock is an abstract socket (unix(7)): no file, and it ends with its process."""
    with socket.socket(socket.AF_UNIX) as lock:
        try:
            lock.bind(f"\0{LOCKS}{NAME}")
        except OSError:
            raise SystemExit(
                f"another run of the name {NAME} is active on this machine: wait for its end, "
                "or set NODEPROXY_E2E_NAME to another name"
            ) from None
        yield


def _others() -> bool:
    """Is a run of another name active on this machine?"""
    names = {line.split("@")[-1] for line in Path("/proc/net/unix").read_text().splitlines() if f"@{LOCKS}" in line}
    return bool(names - {LOCKS + NAME})
