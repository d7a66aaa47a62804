"""What an answer of the API server means: the object, a failure that may pass, or one that will not. Pure."""

import email.utils
import json
import re
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from registrar.failure import Failure

JSON = "application/json"
_STRICT_X509 = ("Missing ", "Basic Constraints ", "CA cert does not include", "Path length", "Subject ", "Empty ")
_POOL = re.compile(r"^\w+\(host=[^)]*\): ")  # urllib3 names its own object first
_BETWEEN = "check the API server and what stands before it"
_GRANT = "grant this verb to the user (manifests/base has the Roles)"
# Advice for a 403, by a part of the API server's message. Which of several refusals it sends depends on the order in
# which its authorizer, admission plugins and policies are asked, so each kind has its own.
_FORBIDDEN = {
    '" cannot ': _GRANT,  # User "x" cannot get resource "pods"
    "AdmissionPolicy 'nodeproxy-": "docs/security.md lists what the policies of components/admission allow, "
    "and how to change a policy when you change a setting",
    "exceeded quota": "raise the quota, or delete what uses it up",
    "because it is being terminated": "create the namespace again when it is gone",
    "not yet ready to handle request": "run again when the API server has started",
}
_REFUSED = "change the admission policy, webhook or plugin that the message names, or the setting that it refuses"
_NEXT_STEP = {
    400: "check the settings and the server's version",
    401: "check that the token or client certificate is of this cluster and has not expired",
    404: "check the namespace and that the object is there",
    409: "run again",
    422: "check the settings and the server's version",
}


class ApiError(Failure):
    """The API server's own refusal, or something else's in its place: not tried again.

    `status` is the HTTP status; `kube_reason` the Status object's machine-readable reason, "" where the answer was no
    Status and so not the API server's word; `details` the Status object's.
    """

    def __init__(self, action: str, status: int, answered: Mapping[str, Any] | None) -> None:
        self.status = status
        self.kube_reason = str(answered.get("reason", "")) if answered else ""
        details = answered.get("details") if answered else None
        self.details: Mapping[str, Any] = details if isinstance(details, dict) else {}
        message = str(answered.get("message", "")) if answered else "not the API server's answer; what stands between?"
        next_step = _forbidden(answered) if status == 403 else _NEXT_STEP.get(status, "")
        super().__init__(action, f"{_status_text(status)}: {message.rstrip(' :')}", next_step)
        self.message = message

    @property
    def is_stale(self) -> bool:
        """Is the object not the one that was read: changed since, or another of the same name?

        A wrong resourceVersion is a 409; to a patch with a wrong uid Kubernetes 1.20 says 422, newer servers 409.
        """
        conflict = self.status == 409 and self.kube_reason in ("Conflict", "AlreadyExists")
        return conflict or (self.status == 422 and "metadata.uid" in self.message)

    def is_gone(self, resource: str, name: str) -> bool:
        """Is this the API server's own NotFound for this very object? A gateway answers 404 too."""
        meant = self.details.get("kind") == resource and self.details.get("name") == name
        return self.status == 404 and self.kube_reason == "NotFound" and meant


class Transient(Failure):
    """A failure that may pass. `retry_after` is what the server asked to wait, in seconds."""

    def __init__(self, action: str, reason: str, next_step: str = "", retry_after: float = 0.0) -> None:
        super().__init__(action, reason, next_step)
        self.retry_after = retry_after


def _forbidden(answered: Mapping[str, Any] | None) -> str:
    """Advice for a 403. Without a Status, not the API server but something in front of it refused."""
    if not answered:
        return _BETWEEN
    message = str(answered.get("message", ""))
    if message.rstrip(" :").endswith(" is forbidden"):
        return _GRANT  # Kubernetes 1.20 gives no reason if the right to create what an apply does not find is missing
    return next((advice for part, advice in _FORBIDDEN.items() if part in message), _REFUSED)


def read(action: str, status: int, headers: Mapping[str, str], data: bytes) -> dict[str, Any]:
    """The answered object. Raises Transient for 429, 5xx and what is no whole JSON object although it should be: any
    success, and any other answer that says it is JSON (the API server's own, cut on its way). Else ApiError."""
    answered: dict[str, Any] | None
    try:
        answered = json.loads(data, object_pairs_hook=_object, parse_constant=_no_number)
    except (ValueError, RecursionError):
        answered = None
    answered = answered if isinstance(answered, dict) else None
    success = 200 <= status < 300
    if answered is not None and success:
        return answered
    said = answered if answered is not None and answered.get("kind") == "Status" else None
    if status == 429 or status >= 500:
        message = f": {said['message']}" if said and said.get("message") else ""
        raise Transient(action, _status_text(status) + message, _BETWEEN, retry_after(headers.get("Retry-After", "")))
    kind = headers.get("Content-Type", "no type")
    if answered is None and (success or JSON in kind):
        raise Transient(action, f"the answer is no JSON object ({kind}, {len(data)} bytes)", _BETWEEN)
    raise ApiError(action, status, said)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """What has a name twice means one thing to us and another to whoever checked it."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name twice in one object")
    return found


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def retry_after(value: str) -> float:
    """Seconds to wait from a Retry-After header (RFC 9110 10.2.3: seconds or a date); 0 where it says nothing."""
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


def broken(action: str, server: str, error: Exception) -> Failure:
    """The failure behind urllib3's `error`: Transient, but for a certificate that does not verify."""
    inner = next((arg for arg in error.args if isinstance(arg, Exception)), error)
    message = getattr(inner, "verify_message", "")
    if not message:
        text = _POOL.sub("", " ".join(str(inner).split())) or type(inner).__name__
        return Transient(action, f"no answer from {server}: {text}", "check the server and the way to it")
    if message.startswith(_STRICT_X509):
        return Failure(
            action,
            f"the CA of {server} is not strictly X.509, which Python 3.13+ asks for: {message}",
            "renew the CA, or allow it with --tls-relaxed",
        )
    return Failure(action, f"the certificate of {server} does not verify: {message}", "check the CA in use")


def _status_text(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
