"""A small HTTP server for probes and metrics: a few pages, asked for by kubelet and Prometheus."""

import errno
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from registrar.cli.failures import SettingsError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Page:
    """An answer."""

    body: bytes
    status: int = 200
    kind: str = "text/plain; charset=utf-8"


Pages = Mapping[str, Callable[[str], Page]]  # by path; each takes the Accept header


def probe(well: Callable[[], bool], otherwise: str) -> Callable[[str], Page]:
    """A page for kubelet: 200, or 503 with the reason."""
    return lambda _accept: Page(b"ok\n") if well() else Page(f"{otherwise}\n".encode(), 503)


@contextmanager
def serving(flag: str, port: int, pages: Pages) -> Iterator[None]:
    """Serve on all addresses while the block runs. Raises SettingsError (of `flag`) where the port is taken."""
    try:
        server = _Server(port, pages)
    except OSError as error:
        reason = "another process listens there" if error.errno == errno.EADDRINUSE else str(error)
        raise SettingsError(flag, f"{port}: {reason}") from error
    thread = threading.Thread(target=server.serve_forever, args=[0.05], name="serve", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # a client that hangs must not keep the process
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

    def __init__(self, port: int, pages: Pages) -> None:
        self.pages = pages
        super().__init__(("", port), _Handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - socketserver's own
        """A client that went away is not worth a line, a page that cannot be made is worth one."""
        error = sys.exception()
        log.debug("where it came from", exc_info=error)
        if not isinstance(error, OSError):
            log.error("cannot answer a probe or scrape: %s: %s", type(error).__name__, error)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10  # seconds for a client to say what it wants

    def do_GET(self) -> None:
        """Answer a scrape or a probe."""
        pages = self.server.pages
        make = pages.get(self.path.partition("?")[0])
        known = f"there are {', '.join(pages)}\n".encode()
        page = make(self.headers.get("Accept", "")) if make else Page(known, 404)
        self.send_response(page.status)
        self.send_header("Content-Type", page.kind)
        self.send_header("Content-Length", str(len(page.body)))
        self.end_headers()
        self.wfile.write(page.body)

    def log_message(self, *_args: object) -> None:
        """Scrapes and probes are not worth a line."""


_INTERVALS = 3  # that may pass without a finished run


class Health:
    """Of one process. A single run (`interval` None) is always live: its Job watches over it."""

    def __init__(self, interval: float | None) -> None:
        self._interval = interval
        self._finished = time.monotonic()
        self._ready = False

    def finished(self, *, done: bool) -> None:
        """A run is over; `done` if it could do its work, be it that the guard refused."""
        self._finished = time.monotonic()
        self._ready = done

    def live(self) -> bool:
        """Has a run ended, well or not, within the last three intervals? One that failed is no reason to restart."""
        return self._interval is None or time.monotonic() - self._finished < _INTERVALS * self._interval

    def ready(self) -> bool:
        """Could the last run do its work? So a rollout without the rights it needs does not become ready."""
        return self._ready
