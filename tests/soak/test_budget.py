"""Waits that have no timeout of their own still end within `--timeout` plus one second."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness import kubeconfig
from tests.harness.cluster import ROOT, Cluster
from tests.harness.gateway import Gateway
from tests.harness.processes import bare_environment, wait_until

BUDGET, SLACK = 5.0, 1.0  # seconds; on a busy machine imports take some of it
NAMESERVER = "127.0.0.53"
# As mount(8) does with --bind; a bare Debian has no mount(8). Arguments: source, target, command.
BIND = """\
import ctypes, os, sys
source, target, *command = sys.argv[1:]
assert ctypes.CDLL(None).mount(source.encode(), target.encode(), None, 4096, None) == 0  # MS_BIND of mount(2)
os.execv(command[0], command)
"""


def run(program: str, env: dict[str, str], *wrapper: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run a program; how it ended, and the time of its end."""
    command = [*wrapper, sys.executable, "-m", program, "--timeout", f"{BUDGET:g}s"]
    env = {**bare_environment(), **env}
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=env, timeout=60)
    return done, time.monotonic()


def start_up() -> float:
    """Seconds that Python and the imports take on this machine at this moment."""
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", "import kubernetes, tenacity, registrar.register"], check=True, cwd=ROOT)
    return time.monotonic() - started


def silenced(folder: Path) -> list[str]:
    """What to put before a command, so that it asks the silent name server."""
    settings = folder / "resolv.conf"
    settings.write_text(f"nameserver {NAMESERVER}\noptions timeout:30\n")
    return ["unshare", "--mount", sys.executable, "-ISc", BIND, str(settings), "/etc/resolv.conf"]


@contextmanager
def silent_name_server() -> Iterator[None]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # another test may use this address too
        silent.bind((NAMESERVER, 53))
        yield


@pytest.mark.parametrize("program", ["registrar", "janitor"])
def test_a_silent_name_server_ends_the_program_at_its_timeout(cluster: Cluster, tmp_path: Path, program: str) -> None:
    pod = cluster.pod("node-a")
    config = kubeconfig.write(tmp_path, "https://api.example.com", cluster.api.ca_file, "default", {"token": "x"})
    env = {**cluster.registrar_env(pod), "KUBECONFIG": str(config)}
    with silent_name_server():
        spare = start_up()
        started = time.monotonic()
        done, ended = run(program, env, *silenced(tmp_path))

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("check the name server")
    assert ended - started < BUDGET + SLACK + spare


def test_a_silent_name_server_does_not_end_a_janitor_that_keeps_running(cluster: Cluster, tmp_path: Path) -> None:
    config = kubeconfig.write(tmp_path, "https://api.example.com", cluster.api.ca_file, "default", {"token": "x"})
    env = {**bare_environment(), "HOME": str(tmp_path), "KUBECONFIG": str(config)}
    log = tmp_path / "log"
    # A run has two intervals of time. The first one has to fit the imports too.
    command = [*silenced(tmp_path), sys.executable, "-m", "janitor", "--interval", "4s"]
    with (
        silent_name_server(),
        log.open("wb") as out,
        subprocess.Popen(command, cwd=ROOT, env=env, stderr=out) as program,
    ):
        try:
            wait_until(lambda: log.read_text().count("check the name server") >= 2, 60, "two runs that failed")
            assert program.poll() is None
            program.terminate()
            assert program.wait(10) == 0
        finally:
            program.kill()


def test_a_stalled_answer_ends_the_registrar_at_its_timeout(cluster: Cluster, gateway: Gateway) -> None:
    pod = cluster.pod("node-a")
    gateway.rule("PATCH", "pods", drip=BUDGET - 0.5)  # one byte, and another just before the timeout
    env = cluster.registrar_env(pod, server=gateway.url)
    spare = start_up()
    started = time.monotonic()
    done, ended = run("registrar", env)

    assert done.returncode == 1
    assert "cannot patch Pod" in done.stderr.splitlines()[-1]  # the watchdog's line would name no action
    assert ended - started < BUDGET + SLACK + spare
