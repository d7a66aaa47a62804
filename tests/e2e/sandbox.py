"""The sandbox in which everything runs: namespaces of process ids, mounts and networks that end with one process.

The kernel undoes what is done in there, however it ends. What is left to remove is a folder and cgroups.
"""

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.e2e import cgroups
from tests.e2e.layout import CGROUP, SITES, STATE

SCRIPT = Path(__file__).with_name("sandbox.sh")
INSIDE = "NODEPROXY_E2E_SANDBOX"  # set in there
NAMESPACES = ("--pid", "--mount", "--mount-proc", "--net", "--uts", "--ipc")
ENTER = ("setpriv", "--pdeathsig=KILL", "unshare", *NAMESPACES, "--fork", "--kill-child", "bash")
ENDING = 30.0  # seconds for the tests' own clean-up after Ctrl-C, and for the kernel's


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run `command` in a new sandbox, and remove all that is left of it; the exit code, 130 after Ctrl-C."""
    with _only_one(), _bridge_filter():
        remove_remains()
        try:
            STATE.mkdir(mode=0o700)
            cgroups.make([site.node for site in SITES])
            return _run(command, environment)
        finally:
            remove_remains()


def remove_remains() -> None:
    """What a run has left, be it ours or an earlier one that was killed."""
    cgroups.remove()
    if STATE.exists():
        shutil.rmtree(STATE)


@contextmanager
def _bridge_filter() -> Iterator[None]:
    """A Service whose proxy is on the client's own node works only if the node's bridge asks iptables.

    That is a kernel module, so the whole machine's business: unloaded again if it was not there.
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
        subprocess.run([modprobe, "--remove", "br_netfilter"], check=False)


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    # --pdeathsig and --kill-child: whoever is killed, the sandbox ends
    inner = subprocess.Popen(
        [*ENTER, str(SCRIPT), str(STATE), CGROUP, *command],
        env={**environment, INSIDE: "yes"},
    )
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        return inner.wait()
    except KeyboardInterrupt:
        # a terminal's Ctrl-C has reached the tests too: let them say what they were at
        _await_end(inner)
        return 130
    finally:
        inner.kill()
        inner.wait()
        signal.signal(signal.SIGTERM, previous)


def _await_end(inner: "subprocess.Popen[bytes]") -> None:
    try:
        inner.wait(ENDING)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        return


def _interrupt(*_args: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def _only_one() -> Iterator[None]:
    """An abstract socket (unix(7)) is a lock that leaves no file, and that goes with its process."""
    with socket.socket(socket.AF_UNIX) as lock:
        try:
            lock.bind(f"\0{CGROUP}")
        except OSError:
            raise SystemExit("another `make e2e` is running on this machine") from None
        yield
