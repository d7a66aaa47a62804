"""Sends one HTTP request to the API server and reads the whole answer, within a deadline.

Answers are read raw: the client's models cost start-up time and memory and differ between its releases (37.0.2 refuses
the Status with which Kubernetes 1.20 answers the DELETE of a Service).
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import urllib3

from registrar.cli import deadline
from registrar.cli.failures import Failure
from registrar.kube import broken
from registrar.kube.answers import TimeIsOver, TooLarge
from registrar.kube.credentials import Credentials
from registrar.kube.managed import Remover

READ_TIMEOUT = 15.0  # seconds without a byte

CHECK = "check the server and the network path to it"

_CONNECT_TIMEOUT = 5.0  # seconds, for each address of a name
MAX_SIZE = 64 * 1024 * 1024  # bytes of an answer; the API server stores no object that is as large


@dataclass(frozen=True)
class Request:
    """A request, without credentials. `action` names it in errors; `deadline` (monotonic) is the end of `timeout`.

    The answer may have `max_size` bytes, without managedFields of over `max_managed` bytes: they are removed.
    """

    action: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None
    timeout: float
    deadline: float
    max_size: int
    max_managed: int

    def remaining(self) -> float:
        """Seconds until the deadline."""
        return self.deadline - time.monotonic()


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def exchange(request: Request, credentials: Credentials) -> Answer:
    """Send `request`. Raises Transient if there is no answer, Failure if there can be none."""
    remaining = request.remaining()
    if remaining <= 0:
        raise TimeIsOver(request.action, f"the timeout of {request.timeout:g}s is over", "raise --timeout")
    headers = urllib3.HTTPHeaderDict(request.headers)
    for name, value in credentials.headers:  # a name may be there several times: Impersonate-Group
        headers.add(name, value)
    try:
        with deadline.until(request.deadline):
            response = credentials.pool.request(
                request.method,
                credentials.access.server + request.path,
                body=request.body,
                headers=headers,
                timeout=urllib3.Timeout(total=remaining, connect=_CONNECT_TIMEOUT, read=READ_TIMEOUT),
                preload_content=False,
                decode_content=False,  # no compression was asked for, and a few bytes could unpack to gigabytes
                retries=False,  # and no redirects: `Retries` is the only policy
            )
            return Answer(response.status, response.headers, _read(request, response))
    except urllib3.exceptions.HTTPError as error:
        unfinished = isinstance(error, urllib3.exceptions.ProtocolError | urllib3.exceptions.ReadTimeoutError)
        raise broken.failure(request.action, credentials.server, error, unfinished=unfinished) from error


def _read(request: Request, response: urllib3.BaseHTTPResponse) -> bytes:
    """The whole body. One without an end is a Failure, at the deadline or beyond `max_size`."""
    body, remover = bytearray(), Remover(request.max_managed)
    try:
        while part := response.read1(1 << 16):
            body += remover.feed(part)
            if len(body) > request.max_size:
                break
        else:
            body += remover.end()
            return bytes(body)
    except urllib3.exceptions.ReadTimeoutError:
        if request.remaining() > 0:
            raise
    response.close()
    if len(body) > request.max_size:
        raise TooLarge(request.action, f"the answer has over {request.max_size} bytes", CHECK)
    reason = f"the answer did not end after {len(body)} bytes and within the timeout of {request.timeout:g}s"
    raise Failure(request.action, reason, CHECK)
