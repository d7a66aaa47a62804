"""An HTTP server on loopback with envtest's index and archives, which can cut an answer off as networks do."""

import hashlib
import io
import random
import tarfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import yaml

from tests.harness.envtest import BINARIES, FOLDER
from tests.harness.toolchain import system

# scripts in place of the programs, with random bytes that do not compress, so that a download takes several reads
SCRIPTS = {
    name: f"#!/bin/sh\necho Kubernetes v1.37.0\nexit\n#{name} ".encode() + random.Random(name).randbytes(1 << 18)
    for name in BINARIES
}


def archive(members: Mapping[str, bytes]) -> bytes:
    """A .tar.gz of regular files: name, content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


class Mirror:
    """A context manager. `index` is the address for ENVTEST_INDEX; change the attributes to make it misbehave."""

    def __init__(self, version: str, members: Mapping[str, bytes] | None = None) -> None:
        self.archive = archive(members or {f"{FOLDER}/{name}": content for name, content in SCRIPTS.items()})
        self.digest = hashlib.sha512(self.archive).hexdigest()
        self.cuts: list[int] = []  # the next answers are cut off after so many bytes
        self.ranges = True  # whether it answers requests for the rest of an archive
        self.archive_status = 200
        self.requests: list[str] = []  # the Range header of each request for the archive
        self._version = version
        self._file = f"envtest-{version}-{'-'.join(system())}.tar.gz"

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def index(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/envtest-releases.yaml"

    def _index(self) -> bytes:
        entry = {"hash": self.digest, "selfLink": self.index.replace("envtest-releases.yaml", self._file)}
        return yaml.safe_dump({"releases": {self._version: {self._file: entry}}}).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.endswith(".yaml"):
                    self.answer(200, mirror._index())
                    return
                wanted = self.headers.get("Range", "")
                mirror.requests.append(wanted)
                begin = int(wanted.removeprefix("bytes=").rstrip("-") or 0) if mirror.ranges else 0
                status = mirror.archive_status
                if status == 200 and begin:
                    status = 206 if begin < len(mirror.archive) else 416
                self.answer(status, mirror.archive[begin:], mirror.cuts.pop(0) if mirror.cuts else None)

            def answer(self, status: int, body: bytes, cut: int | None = None) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with suppress(BrokenPipeError):  # whoever gives up a download closes the connection
                    self.wfile.write(body[:cut])
                self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
                pass

        return Handler
