"""The one way to the API server: requests through the official client's configuration and pool, one retry policy.

Answers are read raw: the client's models cost start-up and memory, and differ between its releases (37.0.2 refuses the
Status with which Kubernetes 1.20 answers a delete of a Service). What is taken from the client is what is hard:
kubeconfigs, exec plugins, rotated tokens, TLS.
"""

import itertools
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import tenacity
import urllib3

from registrar import access, answer, backoff
from registrar import body as answer_body
from registrar.answer import JSON, ApiError, Transient
from registrar.failure import Failure, SettingsError
from registrar.observer import Observer, Unobserved

__all__ = ["APPLY_PATCH", "JSON", "MERGE_PATCH", "ApiError", "Kube", "Transient", "path"]

APPLY_PATCH = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"

_CONNECT_TIMEOUT = 5.0  # seconds

Result = TypeVar("Result")


def path(*segments: str) -> str:
    """Path of an object or list of the core API: `path("nodes", name)`. Segments are escaped."""
    return "/api/v1/" + "/".join(quote(segment, safe="") for segment in segments)


class Kube:
    """A connection to one API server that ends at its deadline."""

    observer: Observer = Unobserved()  # may be set to another

    def __init__(self, source: access.Source, *, agent: str, timeout: float, relaxed: bool = False) -> None:
        """`agent` is the User-Agent, `timeout` the budget for everything that follows, in seconds.

        Raises SettingsError or Failure where there are no usable credentials. Sends nothing.
        """
        self._source, self._agent, self._relaxed = source, agent, relaxed
        self.timeout = timeout
        self._recovery = backoff.Recovery()
        self.renew()
        self._load()

    def renew(self) -> None:
        """The whole budget again, for the next of several runs."""
        self.deadline = time.monotonic() + self.timeout
        self._failures = itertools.count(1)  # of this run: threads that meet the same outage share one log

    def _load(self) -> None:
        self._configuration, self._namespace = access.load(self._source)
        self._pool = access.pool(self._configuration, relaxed=self._relaxed)

    @property
    def server(self) -> str:
        """URL of the API server."""
        return str(self._configuration.host)

    @property
    def token(self) -> str | None:
        """The bearer token; None where the credentials are others."""
        return access.bearer_token(self._configuration)

    def namespace(self, setting: str | None) -> str:
        """`setting`, else the namespace of the credentials. Raises SettingsError where neither is there."""
        namespace = setting or self._namespace
        if not namespace:
            raise SettingsError("--namespace", f"it is not set, and {self._source} names none")
        return namespace

    def request(self, action: str, method: str, path: str, **kwargs: Any) -> dict[str, Any]:
        """`send`, under `retry`."""
        return self.retry(action, lambda: self.send(action, method, path, **kwargs))

    def retry(self, action: str, work: Callable[[], Result]) -> Result:
        """What `work()` returns; it is done again, with back-off and full jitter, as long as it raises Transient.

        `work` may send several requests that belong together, so that a write is never repeated without the read it
        rests on. Any other Failure ends it at once; the budget's end raises the last one's Failure.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Transient),
            wait=backoff.wait,
            stop=self._over_budget,
            before_sleep=self._again,
            reraise=True,
        )
        try:
            return retrying(work)
        except Transient as error:
            attempts = retrying.statistics["attempt_number"]
            raise Failure(
                action, f"{error.reason} ({attempts} attempts in a budget of {self.timeout:g}s)", error.next_step
            ) from error

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
        """The object that the API server answers one request with. `action` says in words what is done, for errors.

        A 401 is tried again once with credentials read anew, since tokens rotate. Raises Transient for what may pass,
        ApiError or Failure for what will not. A 403 may pass while the API server recovers.
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
            return answer.read(action, response.status, response.headers, text)
        except ApiError as error:
            if error.status == 403 and self._recovery.ongoing():
                raise Transient(action, error.reason, error.next_step) from error
            raise

    def _exchange(
        self, action: str, method: str, url: str, headers: Mapping[str, str], data: bytes | None
    ) -> tuple[urllib3.BaseHTTPResponse, bytes]:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise Failure(action, f"the budget of {self.timeout:g}s is over", "give more with --timeout")
        credentials = {auth["key"]: auth["value"] for auth in self._configuration.auth_settings().values()}
        limits = urllib3.Timeout(total=left, connect=_CONNECT_TIMEOUT, read=answer_body.READ_TIMEOUT)
        status = None
        try:
            response = self._pool.request(
                method,
                url,
                body=data,
                headers={**headers, **credentials},
                timeout=limits,
                preload_content=False,
                decode_content=False,  # none was asked for; a few bytes could unpack to gigabytes
                retries=False,  # nor redirects: `retry` is the one policy
            )
            text = answer_body.read(action, response, deadline=self.deadline, budget=self.timeout)
            status = response.status
            return response, text
        except urllib3.exceptions.HTTPError as error:
            self._recovery.failed()
            raise answer.broken(action, self.server, error) from error
        finally:
            self.observer.request(method, url, status)

    def _over_budget(self, state: tenacity.RetryCallState) -> bool:
        return time.monotonic() + state.upcoming_sleep >= self.deadline

    def _again(self, state: tenacity.RetryCallState) -> None:
        self.observer.retry()
        backoff.say(state, next(self._failures))
