"""A small HTTP server for kubelet's probes and Prometheus, and the health that the probes report."""

import errno
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from registrar.cli import deadline
from registrar.cli.failures import SettingsError

_MOST = 32  # connections at the same time, each with a thread; one more closes the oldest
_LONGEST = 10.0  # seconds for a whole connection

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Page:
    """An HTTP response."""

    body: bytes
    status: int = 200
    kind: str = "text/plain; charset=utf-8"


Pages = Mapping[str, Callable[[str], Page]]  # by path; each is called with the Accept header


def probe(well: Callable[[], bool], otherwise: str) -> Callable[[str], Page]:
    """A page for kubelet: 200 if `well()`, else 503 with the reason `otherwise`."""
    return lambda _accept: Page(b"ok\n") if well() else Page(f"{otherwise}\n".encode(), 503)


@contextmanager
def serving(flag: str, port: int, pages: Pages) -> Iterator[None]:
    """Serve on all addresses while the block runs. Raises SettingsError for `flag` if the port is taken."""
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
    daemon_threads = True  # a client that hangs must not keep the process alive
    request_queue_size = 128  # the default of five makes a probe wait for a second behind a burst of others
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

    def __init__(self, port: int, pages: Pages) -> None:
        self.pages = pages
        self._free = threading.Semaphore(_MOST)
        self._open: dict[socket.socket, None] = {}  # in the order of their arrival
        super().__init__(("", port), _Handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def get_request(self) -> tuple[socket.socket, object]:
        """Accept a connection that ends at a deadline."""
        accepted, address = super().get_request()
        return deadline.limited(accepted), address

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread. If all are taken, close the oldest connection: idle ones must not stop a probe."""
        if not self._free.acquire(blocking=False):
            for oldest in [*self._open][:1]:
                with suppress(OSError):  # its thread may have closed it
                    oldest.shutdown(socket.SHUT_RDWR)
            self._free.acquire()
        self._open[request] = None
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection whose thread is done, or could not be started."""
        super().shutdown_request(request)
        self._open.pop(request, None)
        self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - socketserver's own
        """Log a page that cannot be made, but not a client that closed the connection."""
        error = sys.exception()
        log.debug("traceback of the next line", exc_info=error)
        if not isinstance(error, OSError):
            log.error("cannot answer a probe or scrape: %s: %s", type(error).__name__, error)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def handle(self) -> None:
        """Read the request and answer it, however slowly the client sends and reads."""
        with deadline.until(time.monotonic() + _LONGEST):
            super().handle()

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
        """Log nothing: scrapes and probes are frequent."""


_INTERVALS = 3  # without a finished run, until the liveness probe fails


class Health:
    """The health of one process. A single run (`interval` None) is always live: its Job limits its time."""

    def __init__(self, interval: float | None) -> None:
        self._interval = interval
        self._finished = time.monotonic()
        self._ready = False

    def finished(self, *, done: bool) -> None:
        """A run is over; `done` if it could do its work. A refusal by the guard counts as done."""
        self._finished = time.monotonic()
        self._ready = done

    def live(self) -> bool:
        """Whether a run ended within the last three intervals. It may have failed: a restart would not help."""
        return self._interval is None or time.monotonic() - self._finished < _INTERVALS * self._interval

    def ready(self) -> bool:
        """Whether the last run could do its work. So a rollout that lacks a right does not become ready."""
        return self._ready
