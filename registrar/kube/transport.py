"""Access to one API server: credentials that are read again when they change, retries, a timeout."""

import copy
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from registrar.cli.failures import SettingsError
from registrar.kube import answers, retry
from registrar.kube.answers import JSON, ApiError, Transient
from registrar.kube.credentials import Credentials
from registrar.kube.exchange import MAX_SIZE, Answer, Request, exchange
from registrar.kube.renewal import Renewal
from registrar.kube.source import Source

APPLY_PATCH = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
_MAX_MANAGED = 64 * 1024  # bytes of managedFields of one object that are not removed; a Pod has some 10 kB

Result = TypeVar("Result")


def path(*segments: str) -> str:
    """Path of an object or list of the core API: `path("nodes", name)`. Segments are escaped."""
    return "/api/v1/" + "/".join(quote(segment, safe="") for segment in segments)


class Kube:
    """Access to one API server, until a deadline. May be used by several threads at once."""

    def __init__(
        self,
        source: Source,
        *,
        agent: str,
        timeout: float,
        relaxed: bool = False,
        observer: retry.Observer | None = None,
        pause: Callable[[float], bool] = retry.sleep,
        deadline: float | None = None,
        managed_fields: bool = True,
    ) -> None:
        """Read the credentials; nothing is sent. `agent` is the User-Agent, `pause` waits between attempts.

        Answers have empty managedFields unless `managed_fields`, and where they are far larger than usual.

        The timeout, in seconds, starts now, unless its end is given by `deadline` (monotonic). Raises SettingsError or
        Failure if there are no usable credentials.
        """
        self._source, self._agent = source, agent
        self._timeout, self._pause = timeout, pause
        self._max_managed = _MAX_MANAGED if managed_fields else 0
        self._observer, self._recovery = observer, retry.Recovery()
        self._retries = retry.Retries(timeout, observer, pause, deadline)
        self._credentials = Renewal(source, relaxed=relaxed, stopping=lambda: pause(0), deadline=self._retries.deadline)

    def renewed(self) -> "Kube":
        """The same access for the next of several runs: its timeout starts now, and it reads the credentials again.

        This one keeps its deadline: a run that was given up in a blocked thread sends nothing later.
        """
        following = copy.copy(self)
        following._retries = retry.Retries(self._timeout, self._observer, self._pause)  # noqa: SLF001 - own class
        self._credentials.expire()
        return following

    def remaining(self) -> float:
        """Seconds until the deadline."""
        return self._retries.deadline - time.monotonic()

    @property
    def server(self) -> str:
        """URL of the API server, and the proxy in front of it, if any."""
        return self._credentials.latest.server

    @property
    def token(self) -> str | None:
        """The bearer token; None if the credentials are of another kind."""
        return self._credentials.latest.token

    @property
    def credentials_namespace(self) -> str | None:
        """The namespace that the credentials name, if any."""
        return self._credentials.latest.access.namespace

    def namespace(self, setting: str | None) -> str:
        """`setting`, or else the namespace of the credentials. Raises SettingsError if there is neither."""
        namespace = setting or self.credentials_namespace
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
        max_size: int = MAX_SIZE,
    ) -> dict[str, Any]:
        """Send one request and return the object in the answer. `action` names it in errors.

        After a 401 it is sent again with credentials read anew, because tokens rotate. A 403 may pass while the API
        server recovers. Raises Transient for what may pass; ApiError, TooLarge or another Failure for what will not.
        """
        request = Request(
            action=action,
            method=method,
            path=path + (f"?{urlencode(query)}" if query else ""),
            headers={"Accept": accept, "Content-Type": content_type, "User-Agent": self._agent},
            body=json.dumps(body).encode() if body is not None else None,
            timeout=self._timeout,
            deadline=self._retries.deadline,
            max_size=max_size,
            max_managed=self._max_managed,
        )
        used = self._credentials.current(request.deadline)
        answer = self._exchange(request, used)
        if answer.status == 401:
            answer = self._exchange(request, self._credentials.current(request.deadline, refused=used))
        if answer.status >= 500:
            self._recovery.failed()
        try:
            return answers.read(action, answer.status, answer.headers, answer.body)
        except ApiError as error:
            if error.status == 403 and self._recovery.ongoing():
                raise Transient(action, error.reason, error.next_step) from error
            raise

    def _exchange(self, request: Request, used: Credentials) -> Answer:
        status = None
        try:
            answer = exchange(request, used)
            status = answer.status
        except Transient:
            self._recovery.failed()
            raise
        else:
            return answer
        finally:
            if self._observer:
                self._observer.request(request.method, used.access.server + request.path, status)
