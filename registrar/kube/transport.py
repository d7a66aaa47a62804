"""Sends requests to the API server, with the official client's configuration and connection pool.

Answers are read raw: the client's models cost start-up time and memory and differ between its releases (37.0.2 refuses
the Status with which Kubernetes 1.20 answers the DELETE of a Service). The client is used for what is hard to do right:
kubeconfigs, exec plugins, rotated tokens, TLS.
"""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import urllib3

from registrar.cli.failures import Failure, SettingsError
from registrar.kube import answers, credentials, retry
from registrar.kube.answers import JSON, ApiError, Transient

APPLY_PATCH = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
READ_TIMEOUT = 15.0  # seconds without a byte

_CONNECT_TIMEOUT = 5.0  # seconds
_MAX_ANSWER = 64 * 1024 * 1024  # bytes; a page of 500 large objects is far smaller

Result = TypeVar("Result")


def path(*segments: str) -> str:
    """Path of an object or list of the core API: `path("nodes", name)`. Segments are escaped."""
    return "/api/v1/" + "/".join(quote(segment, safe="") for segment in segments)


class Kube:
    """Access to one API server, until a deadline."""

    def __init__(
        self,
        source: credentials.Source,
        *,
        agent: str,
        timeout: float,
        relaxed: bool = False,
        observer: retry.Observer | None = None,
        pause: Callable[[float], bool] = retry.sleep,
    ) -> None:
        """Read the credentials; nothing is sent. `agent` is the User-Agent, `pause` waits between attempts.

        The timeout, in seconds, starts now. Raises SettingsError or Failure if there are no usable credentials.
        """
        self._source, self._agent, self._relaxed = source, agent, relaxed
        self._timeout, self._pause = timeout, pause
        self._observer, self._recovery = observer, retry.Recovery()
        self.renew()
        self._load()

    def renew(self) -> None:
        """Start the timeout again, for the next of several runs."""
        self._retries = retry.Retries(self._timeout, self._observer, self._pause)

    def remaining(self) -> float:
        """Seconds until the deadline."""
        return self._retries.deadline - time.monotonic()

    def _load(self) -> None:
        self._configuration, self._namespace = credentials.load(self._source)
        self._pool = credentials.pool(self._configuration, relaxed=self._relaxed)

    @property
    def server(self) -> str:
        """URL of the API server."""
        return str(self._configuration.host)

    @property
    def token(self) -> str | None:
        """The bearer token; None if the credentials are of another kind."""
        return credentials.bearer_token(self._configuration)

    def namespace(self, setting: str | None) -> str:
        """`setting`, or else the namespace of the credentials. Raises SettingsError if there is neither."""
        namespace = setting or self._namespace
        if not namespace:
            raise SettingsError("--namespace", f"it is not set, and {self._source} names none")
        return namespace

    def request(self, action: str, method: str, path: str, **kwargs: Any) -> dict[str, Any]:
        """Send one request, with retries."""
        return self.retry(action, lambda: self.send(action, method, path, **kwargs))

    def retry(self, action: str, work: Callable[[], Result]) -> Result:
        """Call `work`, with retries (see `Retries.run`)."""
        return self._retries.run(action, work)

    def send(
        self,
        action: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> dict[str, Any]:
        """Send one request and return the object in the answer. `action` names it in errors.

        After a 401 it is sent again with credentials read anew, because tokens rotate. A 403 may pass while the API
        server recovers. Raises Transient for what may pass, ApiError or Failure for what will not.
        """
        url = self.server + path + (f"?{urlencode(query)}" if query else "")
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Accept": accept, "Content-Type": content_type, "User-Agent": self._agent}
        response, text = self._exchange(action, method, url, headers, data)
        if response.status == 401:
            self._load()
            response, text = self._exchange(action, method, url, headers, data)
        if response.status >= 500:
            self._recovery.failed()
        try:
            return answers.read(action, response.status, response.headers, text)
        except ApiError as error:
            if error.status == 403 and self._recovery.ongoing():
                raise Transient(action, error.reason, error.next_step) from error
            raise

    def _exchange(
        self, action: str, method: str, url: str, headers: Mapping[str, str], data: bytes | None
    ) -> tuple[urllib3.BaseHTTPResponse, bytes]:
        remaining = self.remaining()
        if remaining <= 0:
            raise Failure(action, f"the timeout of {self._timeout:g}s is over", "raise --timeout")
        authorization = {auth["key"]: auth["value"] for auth in self._configuration.auth_settings().values()}
        limits = urllib3.Timeout(total=remaining, connect=_CONNECT_TIMEOUT, read=READ_TIMEOUT)
        status = None
        try:
            response = self._pool.request(
                method,
                url,
                body=data,
                headers={**headers, **authorization},
                timeout=limits,
                preload_content=False,
                decode_content=False,  # no compression was asked for, and a few bytes could unpack to gigabytes
                retries=False,  # and no redirects: `Retries` is the only policy
            )
            text = self._read(action, response)
            status = response.status
        except urllib3.exceptions.HTTPError as error:
            self._recovery.failed()
            raise answers.broken(action, self.server, error) from error
        else:
            return response, text
        finally:
            if self._observer:
                self._observer.request(method, url, status)

    def _read(self, action: str, response: urllib3.BaseHTTPResponse) -> bytes:
        """The whole body. Neither a flood nor a trickle of bytes may outlast the timeout."""
        parts, size = [], 0
        try:
            while part := self._next_part(response):
                parts.append(part)
                size += len(part)
                if size > _MAX_ANSWER or self.remaining() < 0:
                    break
            else:
                return b"".join(parts)
        except urllib3.exceptions.ReadTimeoutError:
            if self.remaining() > 0:
                raise
        response.close()
        reason = f"the answer did not end after {size} bytes and within the timeout of {self._timeout:g}s"
        raise Failure(action, reason, "check the server and the network path to it")

    def _next_part(self, response: urllib3.BaseHTTPResponse) -> bytes:
        """The next bytes. urllib3 keeps the limit of the request's start, so lower it to the time that remains."""
        remaining = self.remaining()
        socket = getattr(response.connection, "sock", None)  # None if the server closes the connection
        if socket and remaining > 0:
            socket.settimeout(min(READ_TIMEOUT, remaining))
        return response.read1(1 << 16)
