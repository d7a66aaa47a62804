"""Serves /metrics, /livez and /readyz over HTTP."""

import errno
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client.exposition import choose_encoder

from janitor.health import Health
from janitor.metrics import Metrics
from registrar.failure import SettingsError


@contextmanager
def serving(port: int, metrics: Metrics, health: Health) -> Iterator[None]:
    """Serve on all addresses, IPv4 and IPv6, while the block runs. Raises SettingsError where the port is taken."""
    try:
        server = _Server(port, metrics, health)
    except OSError as error:
        reason = "another process listens there" if error.errno == errno.EADDRINUSE else str(error)
        raise SettingsError("--metrics-port", f"{port}: {reason}") from error
    thread = threading.Thread(target=server.serve_forever, args=[0.05], name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # a client that hangs must not keep the process
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

    def __init__(self, port: int, metrics: Metrics, health: Health) -> None:
        self.metrics, self.health = metrics, health
        super().__init__(("", port), _Handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10  # seconds for a client to say what it wants

    def do_GET(self) -> None:
        """Answer a scrape or a probe."""
        path = self.path.partition("?")[0]
        health = self.server.health
        if path == "/metrics":
            encode, kind = choose_encoder(self.headers.get("Accept", ""))
            self._answer(200, encode(self.server.metrics.registry), kind)
        elif path == "/livez":
            self._say(health.live(), "no run has finished for three intervals")
        elif path == "/readyz":
            self._say(health.ready(), "no run has finished yet, or the last one failed")
        else:
            self._answer(404, b"there are /metrics, /livez and /readyz\n")

    def log_message(self, *_args: object) -> None:
        """Scrapes and probes are not worth a line."""

    def _say(self, well: bool, otherwise: str) -> None:
        self._answer(200 if well else 503, f"{'ok' if well else otherwise}\n".encode())

    def _answer(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
