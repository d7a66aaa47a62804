"""A TLS server that is no API server: it answers each request with a message that quotes all of the request."""

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from tests.harness.pki import CertificateAuthority

KINDS = ("status", "gateway", "html", "list", "nothing")


class Echo:
    """`with Echo(folder) as echo:`; `echo.answer` is the HTTP status and one of KINDS. It keeps all bodies."""

    def __init__(self, folder: Path) -> None:
        self.ca = CertificateAuthority(folder / "echo")
        self.answer = (403, "status")
        self.bodies: list[bytes] = []

    def __enter__(self) -> Self:
        self._server = _Server(self)
        pair = self.ca.server("echo", ["127.0.0.1"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.cert, pair.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, args=[0.02], name="echo", daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return int(self._server.server_port)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, echo: Echo) -> None:
        self.echo = echo
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, *_args: object) -> None:
        """Clients that do not trust it break off."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.echo.bodies.append(body)
        status, kind = self.server.echo.answer
        words = f"{self.requestline} {dict(self.headers.items())} {body!r}"
        texts = {
            "status": json.dumps({"kind": "Status", "status": "Failure", "code": status, "message": words}),
            "gateway": json.dumps({"message": words}),
            "html": f"<html>{words}</html>",
            "list": json.dumps({"kind": words, "metadata": {"name": words}, "items": [words]}),
            "nothing": "",
        }
        self.send_response(status, words if kind == "nothing" else None)
        self.send_header("Content-Type", "text/html" if kind == "html" else "application/json")
        self.send_header("Content-Length", str(len(texts[kind].encode())))
        self.end_headers()
        self.wfile.write(texts[kind].encode())

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - the names http.server looks for

    def log_message(self, *_args: object) -> None:
        """Nothing of it is of interest."""
