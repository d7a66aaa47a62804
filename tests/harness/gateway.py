"""A TLS reverse proxy in front of the real API server that makes, by rule, the faults of real networks and gateways.

TLS ends here: token kubeconfigs work through it, client certificates do not. An answer is read completely before it is
forwarded, so watches do not work. If the API server is down, the client's connection breaks.
"""

import contextlib
import http.client
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from tests.harness.controlplane import ControlPlane
from tests.harness.endless import EVERY
from tests.harness.pki import CertificateAuthority
from tests.harness.rules import Reply, Request, Rule

# Headers that are not forwarded: they concern one connection or are set again, or they would compress the body.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "accept-encoding", "host"}


class Gateway:
    """`with Gateway(api) as gateway:`, then `gateway.rule(...)`, and `api.token_kubeconfig(..., server=gateway.url)`.

    An exception of a rule's function is raised again when the block ends. With `ca` the gateway's own certificate comes
    from another authority than the server's.
    """

    def __init__(self, api: ControlPlane, ca: CertificateAuthority | None = None) -> None:
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._api = api
        self._ca = ca or api.ca

    def __enter__(self) -> Self:
        self._server = _Server(self)
        pair = self._ca.server("gateway", ["127.0.0.1", "localhost"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.cert, pair.key)
        # The handshake waits for the connection's own thread: a slow client must not stop others from connecting.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._trust = ssl.create_default_context(cafile=str(self._api.ca_file))
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], name="gateway")
        self._thread.start()
        return self

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.break_connections()
        self._server.server_close()  # waits for the connections' threads
        if self._server.errors and not error:
            raise self._server.errors[0]

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._server.server_port}"

    def rule(self, method: str, path: str, **what: Any) -> Rule:
        """Add a rule; `what` has the other fields of Rule."""
        rule = Rule(method, path, **what)
        self._rules.append(rule)
        return rule

    def unfired(self) -> list[Rule]:
        return [rule for rule in self._rules if not rule.fired]

    def clear(self) -> None:
        """Forget the rules and the requests."""
        self._rules.clear()
        self.requests.clear()

    def record(self, request: Request) -> list[Rule]:
        """Record a request; the rules that fire for it."""
        with self._lock:
            self.requests.append(request)
            return [rule for rule in self._rules if rule.fires(request)]

    def forward(self, request: Request, target: str) -> Reply:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        upstream = http.client.HTTPSConnection("127.0.0.1", self._api.port, context=self._trust, timeout=60)
        with contextlib.closing(upstream):
            upstream.request(request.method, target, request.body or None, headers)
            answer = upstream.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}
            return Reply(answer.status, answer.read(), kept)


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.errors: list[BaseException] = []
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def break_connections(self) -> None:
        for connection in tuple(self.connections):
            with contextlib.suppress(OSError):  # its thread may have closed it
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_args: object) -> None:
        error = sys.exception()
        if error and not isinstance(error, OSError | http.client.HTTPException):  # those are broken connections
            self.errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes: 40 ms between them otherwise
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def log_message(self, *_args: object) -> None:
        """Requests are not logged: Gateway.requests has them."""

    def _serve(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = Request(self.command, url.path, dict(parse_qsl(url.query)), self.headers, body)
        self._carry_out(request, self.server.gateway.record(request))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the names http.server looks for

    def _carry_out(self, request: Request, rules: Sequence[Rule]) -> None:
        gateway = self.server.gateway
        for rule in rules:
            rule.before()
        if any(rule.hang for rule in rules):
            gateway.closing.wait()
        if gateway.closing.is_set() or any(rule.reset == "before" for rule in rules):
            self._reset()
            return
        if never := next((rule.endless for rule in rules if rule.endless), None):
            self._send_for_ever(*never)
            return
        answer = next((rule.reply for rule in rules if rule.reply), None) or gateway.forward(request, self.path)
        for rule in rules:
            rule.after()
        if any(rule.reset == "after" for rule in rules):
            self._reset()
            return
        answer = next((rule.instead for rule in rules if rule.instead), answer)
        for rule in rules:
            answer = replace(answer, body=rule.rewrite(answer.body))
        length = min((rule.truncate for rule in rules if rule.truncate is not None), default=None)
        self._send(answer, length, max((rule.drip for rule in rules), default=0))

    def _send(self, answer: Reply, length: int | None, drip: float) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        body = answer.body[:length]
        step = 1 if drip else len(body) or 1
        for start in range(0, len(body), step):
            self.wfile.write(body[start : start + step])
            if drip and self.server.gateway.closing.wait(drip):
                break
        self.close_connection = self.close_connection or length is not None

    def _send_for_ever(self, first: bytes, again: bytes) -> None:
        self.close_connection = True
        self.wfile.write(first)
        while not self.server.gateway.closing.wait(EVERY):
            self.wfile.write(again)

    def _reset(self) -> None:
        """Close with RST, as a crashed peer or a firewall does: no TLS goodbye, no FIN.

        With OpenSSL 3 a Python client reports an end of file all the same: "closed connection without response".
        """
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.close(self.connection.detach())  # close() would wait for files that use the socket
