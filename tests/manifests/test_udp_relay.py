"""The example of a UDP relay with a real socat, run as in the pod."""

import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from images import debian
from images.progress import Job
from tests.harness import chart
from tests.harness.processes import Child, wait_until

CLIENTS = 50


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def printer() -> Iterator[int]:
    """The port of a server that sends every packet back, and has seen no empty one at the end."""
    end, empty = b"end", []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def answer() -> None:
            while (received := server.recvfrom(1000))[0] != end:
                server.sendto(*received)
                empty.extend([received] * (not received[0]))

        thread = Thread(target=answer)
        thread.start()
        yield server.getsockname()[1]
        server.sendto(end, server.getsockname())
        thread.join()
    assert not empty


@pytest.fixture
def relay(printer: int, tmp_path: Path) -> Iterator[int]:
    """The port of the example's relay."""
    debian.require_tools(["socat"], Job(tmp_path / "tools.log", "install it"), "no other way")
    [container] = chart.template(chart.render(chart.example("snmp")), "DaemonSet")["spec"]["containers"]
    port = free_port()
    moved = {":1161,": f":{port},", "192.168.1.100:161": f"127.0.0.1:{printer}"}
    child = Child(
        ["setpriv", "--reuid=65532", "--clear-groups", "--", *command(container, moved)], tmp_path / "log", tmp_path
    )
    probe = [part.replace(":0489", f":{port:04X}") for part in container["readinessProbe"]["exec"]["command"]]
    try:
        wait_until(
            lambda: child.ended() or subprocess.run(probe, check=False).returncode == 0, 10, "a relay that receives"
        )
        assert not child.ended(), child.log_tail()
        yield port
    finally:
        child.stop()
    # in a pod, the processes that still wait for answers end with the first one
    wait_until(lambda: subprocess.run(probe, check=False).returncode != 0, 10, "a probe that fails")


def command(container: Any, moved: dict[str, str]) -> list[str]:
    words = [*container["command"], *container["args"]]
    for old, new in moved.items():
        words = [word.replace(old, new) for word in words]
    return words


def test_every_client_gets_its_own_answer_at_the_first_try(relay: int) -> None:
    def ask(number: int) -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            client.connect(("127.0.0.1", relay))
            client.send(b"%d" % number)
            return client.recv(1000)

    one_after_the_other = [ask(number) for number in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        together = [*pool.map(ask, range(CLIENTS))]
    assert one_after_the_other == together == [b"%d" % number for number in range(CLIENTS)]
