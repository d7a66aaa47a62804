"""An HTTP proxy that tunnels (CONNECT) to loopback, whatever the name or address asked for; only the port counts."""

import base64
import contextlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

SECONDS = 20  # without a byte, until a tunnel is closed


class ConnectProxy:
    """`with ConnectProxy() as proxy:`; with `login` ("user:password") it answers 407 to anybody else."""

    def __init__(self, login: str = "") -> None:
        self.targets: list[str] = []  # host:port, as they were asked for
        self.expected = f"Basic {base64.b64encode(login.encode()).decode()}" if login else ""

    def __enter__(self) -> Self:
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, args=[0.02], name="proxy", daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: ConnectProxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_args: object) -> None:
        """Connections that break are what proxies see all day."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_CONNECT(self) -> None:
        proxy = self.server.proxy
        proxy.targets.append(self.path)
        if proxy.expected and self.headers.get("Proxy-Authorization") != proxy.expected:
            self.send_error(407)
            return
        port = int(self.path.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), SECONDS) as upstream:
            self.connection.settimeout(SECONDS)
            self.send_response_only(200)
            self.end_headers()
            back = threading.Thread(target=_copy, args=(upstream, self.connection), daemon=True)
            back.start()
            _copy(self.connection, upstream)
            back.join()

    def log_message(self, *_args: object) -> None:
        """What was asked for is in ConnectProxy.targets."""


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(1 << 16):
            sink.sendall(part)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
