"""Child processes that never outlive this one, free ports, and waiting with a limit."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from images.progress import tail

T = TypeVar("T")

# The kernel sends the parent-death signal when the THREAD that started the child ends (prctl(2)), so all children are
# started by this one, which lives as long as Python does: a test may start them from a thread of its own.
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def bare_environment() -> dict[str, str]:
    """A PATH, and what coverage needs to measure a program; nothing else of the machine's environment."""
    coverage = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    return {"PATH": os.defpath, **coverage}


def wait_until(predicate: Callable[[], T], timeout: float, what: str, interval: float = 0.05) -> T:
    """The first true result of `predicate`; after `timeout` seconds an AssertionError that names `what`."""
    deadline = time.monotonic() + timeout
    while not (answer := predicate()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(interval)
    return answer


def free_ports(count: int) -> list[int]:
    """Distinct loopback ports that were free a moment ago. Another process may take one: try again then."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(each.getsockname()[1]) for each in sockets]


def die_with(parent: int) -> None:
    """For `preexec_fn`: runs in the child before its program does; the kernel kills it when its parent ends.

    Popen returns only after that, so the death of the parent cannot go unnoticed.
    """
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died before the line above
        os._exit(1)


def spawn(command: Sequence[str], **kwargs: Any) -> subprocess.Popen[bytes]:
    """As `Popen`, for a process that the kernel kills if this Python process dies in any way."""
    parent = os.getpid()

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            preexec_fn=lambda: die_with(parent),  # noqa: PLW1509 - it takes no lock
            start_new_session=True,  # Ctrl-C reaches the test, which then stops its children in order
            **kwargs,
        )

    return _SPAWNER.submit(start).result()


class Child:
    """A process with its log. The kernel kills it if this Python process dies in any way."""

    def __init__(self, command: Sequence[str], log: Path, home: Path, path: str = os.defpath) -> None:
        """Its environment has only PATH, which is `path`, and HOME, which is `home`."""
        self.name = Path(command[0]).name
        self.log = log
        with log.open("ab") as out:
            self._process = spawn(
                command,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=home,
                env={"HOME": str(home), "PATH": path},  # no proxies, no settings of the machine
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def cpu_seconds(self) -> float:
        """Processor time that it has used so far, by user and system (proc(5))."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ended(self) -> bool:
        return self._process.poll() is not None

    def log_tail(self) -> str:
        return tail(self.log)

    def stop(self, grace: float = 5) -> None:
        """Send SIGTERM, and SIGKILL after `grace` seconds. It may already have ended."""
        self._process.terminate()
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
