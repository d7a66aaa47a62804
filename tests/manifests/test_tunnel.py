"""Destinations with real programs: socat, run as in the pod, tunnels through a tinyproxy."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from images import debian
from images.progress import Job
from tests.harness import chart
from tests.harness.chart import render
from tests.harness.client import Object
from tests.harness.cluster import ROOT
from tests.harness.processes import Child, free_ports, wait_until
from tests.harness.tinyproxy import serve
from tests.manifests.components import merge
from tests.manifests.test_destinations import container, with_destination

SECRET = {"username": "alice", "password": "s3cret-._"}
PASSWORD = {"tinyproxy": {"basicAuth": {"existingSecret": "proxy-user"}}}
# The destinations of these tests are on this machine.
OPEN = {"tinyproxy": {"filter": {"defaults": False}, "logLevel": "Connect"}}


class Tunnel:
    """The container of a destination's pod, as a process of this machine."""

    def __init__(self, objects: list[Object], port: int, folder: Path, secret: dict[str, str]) -> None:
        self.port = port
        self._secret = secret
        self.log = folder / "tunnel.log"
        self._container = container(objects)
        command = [*self._container["command"], *map(self._moved, self._container["args"])]
        self.child = Child(["setpriv", "--reuid=65532", "--clear-groups", "--", *command], self.log, folder)

    def is_ready(self) -> bool:
        probe = self._container["readinessProbe"]["exec"]["command"]
        command = [part.replace(":1F90", f":{self.port:04X}") for part in probe]
        return subprocess.run(command, check=False).returncode == 0

    def _moved(self, argument: str) -> str:
        """With the addresses of this machine, and the variables expanded as kubelet does."""
        for name, value in self._secret.items():
            argument = argument.replace(f"$(PROXY_{name.upper()})", value)
        argument = argument.replace("TCP-LISTEN:8080,", f"TCP-LISTEN:{self.port},")
        return argument.replace("nodeproxy-access-node-bj-01.project-nodeproxy", "127.0.0.1")

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)


@contextmanager
def tunnel(
    tmp_path: Path, destination: int, more: dict[str, Any] | None = None, secret: dict[str, str] = SECRET
) -> Iterator[Tunnel]:
    """A tunnel to a port of this machine; `secret` is what the destination's namespace has."""
    debian.require_tools(["socat"], Job(tmp_path / "tools.log", "install it"), "no other way")
    proxy, port = free_ports(2)
    values = with_destination(OPEN, port=destination)
    merge(values, {"proxy": {"port": proxy}, "service": {"ports": [{"name": "http-proxy", "port": proxy}]}})
    merge(values, more or {})
    objects = render(values)
    with serve(objects, proxy, SECRET):
        found = Tunnel(objects, port, tmp_path, secret)
        try:
            wait_until(lambda: found.child.ended() or found.is_ready(), 10, "a tunnel that listens")
            assert not found.child.ended(), found.child.log_tail()
            yield found
        finally:
            found.child.stop()


@contextmanager
def destination(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """The port of a server that answers one connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)

        def accept() -> None:
            connection, _ = server.accept()
            with connection:
                answer(connection)

        thread = Thread(target=accept)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def test_bytes_go_both_ways_and_the_log_names_the_client(tmp_path: Path) -> None:
    def echo(connection: socket.socket) -> None:
        while received := connection.recv(100):
            connection.sendall(received.upper())

    with destination(echo) as port, tunnel(tmp_path, port) as opened, opened.connect() as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"HELLO"
        own = client.getsockname()[1]
        assert f"accepting connection from AF=2 127.0.0.1:{own} " in opened.log.read_text()


def test_a_client_that_has_finished_sending_gets_its_answer(tmp_path: Path) -> None:
    """tinyproxy alone would end the tunnel at once."""

    def answer_late(connection: socket.socket) -> None:
        connection.recv(100)
        time.sleep(1)
        connection.sendall(b"answer")

    with destination(answer_late) as port, tunnel(tmp_path, port) as opened, opened.connect() as client:
        client.sendall(b"question")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"answer"


def test_a_print_job_arrives_whole_although_the_printer_reports_its_state_meanwhile(tmp_path: Path) -> None:
    """tinyproxy alone would close a connection with unread bytes, and so discard what it has not sent yet."""
    job, printed = bytes(20_000_000), []

    def print_slowly(connection: socket.socket) -> None:
        size = 0
        while received := connection.recv(1 << 16):
            size += len(received)
            connection.sendall(b"printing\n")
            time.sleep(0.005)
        printed.append(size)

    with destination(print_slowly) as port, tunnel(tmp_path, port) as opened, opened.connect() as client:
        client.sendall(job)
        client.shutdown(socket.SHUT_WR)
        read_all(client)
    assert printed == [len(job)]


def test_the_probe_opens_no_connection_and_notices_that_nobody_listens(tmp_path: Path) -> None:
    with tunnel(tmp_path, 9) as opened:  # nobody listens at the destination either
        assert opened.is_ready()
        assert "accepting connection" not in opened.log.read_text()
        opened.child.stop()
        assert not opened.is_ready()


@pytest.mark.parametrize(
    ("more", "secret", "reason"),
    [
        ({}, SECRET, "Unable to connect"),
        ({"tinyproxy": {"filter": {"defaults": True}}}, SECRET, "Filtered"),
        (PASSWORD, {**SECRET, "password": "another"}, "Unauthorized"),
    ],
    ids=["away", "filtered", "another-password"],
)
def test_a_tunnel_that_fails_ends_the_connection_and_logs_a_reason_that_the_docs_have(
    tmp_path: Path, more: dict[str, Any], secret: dict[str, str], reason: str
) -> None:
    [nobody] = free_ports(1)
    with tunnel(tmp_path, nobody, more, secret) as opened, opened.connect() as client:
        assert client.recv(100) == b""
        wait_until(lambda: f": {reason}\n" in opened.log.read_text(), 10, "the reason in the log")
    assert f"`{reason}`" in (ROOT / "docs" / "troubleshooting.md").read_text()


def test_the_tunnel_gives_the_password_and_prints_it_nowhere(tmp_path: Path) -> None:
    with (
        destination(lambda connection: connection.sendall(b"ready")) as port,
        tunnel(tmp_path, port, PASSWORD) as opened,
    ):
        with opened.connect() as client:
            assert client.recv(100) == b"ready"
        assert "s3cret" not in opened.log.read_text()
    [deployment] = [each for each in render(with_destination(PASSWORD)) if each["kind"] == "Deployment"]
    assert chart.environment(deployment["spec"]["template"], "tunnel") == {
        f"PROXY_{key.upper()}": {"secretKeyRef": {"name": "proxy-user", "key": key}} for key in SECRET
    }
