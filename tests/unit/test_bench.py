"""The tools of `make bench`: a relay that makes a path longer, and a client that counts requests."""

import http.server
import itertools
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import traffic
from tests.bench.relay import longer_path
from tests.bench.traffic import Route

DELAY = 0.05
PAGE = b"x" * 1000


class Echo(socketserver.BaseRequestHandler):
    """Sends the bytes of a connection back, until the client has sent all."""

    def handle(self) -> None:
        while received := self.request.recv(1 << 16):
            self.request.sendall(received)


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server of `Echo`."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_a_longer_path_delays_each_exchange_and_loses_nothing(echo: int, tmp_path: Path) -> None:
    with longer_path(echo, DELAY, tmp_path) as port:
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(b"first")
            assert connection.recv(100) == b"first"
            first = time.monotonic()
            connection.sendall(b"second")
            assert connection.recv(100) == b"second"
            second = time.monotonic()
            sent = bytes(range(256)) * 4096
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            assert b"".join(iter(lambda: connection.recv(1 << 16), b"")) == sent
    assert first - began >= 4 * DELAY  # the handshake of TCP, then the exchange
    assert second - first >= 2 * DELAY


class Page(http.server.BaseHTTPRequestHandler):
    """Every third request is answered with 503."""

    protocol_version = "HTTP/1.1"
    numbers: Iterator[int]
    seen: list[int]

    def do_GET(self) -> None:
        number = next(self.numbers)
        self.seen.append(number)
        self._answer(503 if number % 3 == 0 else 200, PAGE)

    def do_CONNECT(self) -> None:
        """A tunnel that leads to this server itself."""
        self.send_response_only(200)
        self.end_headers()

    def _answer(self, code: int, body: bytes) -> None:
        self.send_response_only(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Requests are not logged."""


@pytest.fixture
def server() -> Iterator[tuple[tuple[str, int], list[int]]]:
    """The address of a server, and the requests that it has had."""
    seen: list[int] = []
    page = type("Counted", (Page,), {"seen": seen, "numbers": itertools.count(1)})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), page) as running:
        thread = threading.Thread(target=running.serve_forever, args=[0.01])
        thread.start()
        yield ("127.0.0.1", running.server_port), seen
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("keep", [False, True], ids=["a connection for each", "kept connections"])
@pytest.mark.parametrize("tunnel", [b"", b"CONNECT here:80 HTTP/1.1\r\n\r\n"], ids=["direct", "tunnel"])
def test_each_request_is_counted_as_answered_or_failed(
    server: tuple[tuple[str, int], list[int]], keep: bool, tunnel: bytes
) -> None:
    address, seen = server
    route = Route(address, b"GET / HTTP/1.1\r\n\r\n", len(PAGE), tunnel, keep)

    load = traffic.run(route, connections=3, span=0.2)

    assert len(load.seconds) + load.failed == len(seen)
    assert load.failed == len(seen) // 3 > 0
    assert len(load.seconds) - 3 <= load.in_time <= len(load.seconds)


def test_connections_that_are_refused_or_not_answered_are_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "PATIENCE", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        route = Route(silent.getsockname(), b"GET / HTTP/1.1\r\n\r\n", len(PAGE))
        assert traffic.run(route, connections=3, span=0.1).failed == 3
    refused = traffic.run(route, connections=1, span=0.1)
    assert refused.failed > 0
    assert refused.seconds == []
