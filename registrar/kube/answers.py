"""What an answer of the API server means: an object, a failure that may pass, or one that will not. Pure."""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from registrar.cli.failures import Failure
from registrar.cli.text import cut, escape

JSON = "application/json"
_FOREIGN = "this is not an answer of the API server"
_PROXY = "check the API server and any proxy in front of it"
_GRANT = "grant this verb to the user (manifests/install.yaml has the Roles)"
# A denial by a policy of the chart. `name` and the namespace change the outer parts of its name, which is also the
# binding's.
_OUR_POLICY = (
    r"ValidatingAdmissionPolicy "
    r"'([^']+-(?:agent-pods|kubelet-pods|registrar-pods|registrar-services|registrar-sites|janitor-services)[^']*)' "
    r"with binding '\1' denied request"
)
# Advice for a 403, by a pattern in the API server's message. Which of several refusals it sends depends on the order in
# which its authorizer, admission plugins and policies are asked, so each kind has its own.
_FORBIDDEN = {
    '" cannot ': _GRANT,  # User "x" cannot get resource "pods"
    _OUR_POLICY: "docs/security.md lists what the admission policies allow, "
    "and how to change a policy when you change a setting",
    "exceeded quota": "raise the quota, or delete what uses it up",
    "because it is being terminated": "create the namespace again when it is gone",
    "not yet ready to handle request": "run again when the API server has started",
}
_REFUSED = "change the admission policy, webhook or plugin that the message names, or the setting that it refuses"
NEXT_STEPS = {
    400: "check the settings and the server's version",
    401: "check that the token or client certificate is of this cluster and has not expired",
    404: "check the namespace and that the object is there",
    409: "run again",
    422: "check the settings and the server's version",
}


class ApiError(Failure):
    """A refusal by the API server, or by a proxy in its place: it is not retried.

    `status` is the HTTP status. `kube_reason` is the machine-readable reason of the Status object, "" if the answer is
    not a Status and so not from the API server; then `gateway` is what it says.
    """

    def __init__(self, action: str, status: int, answered: Mapping[str, Any] | None, gateway: str = "") -> None:
        self.status = status
        self.kube_reason = str(answered.get("reason", "")) if answered else ""
        details = answered.get("details") if answered else None
        self.details: Mapping[str, Any] = details if isinstance(details, dict) else {}
        foreign = f"{gateway} (this is not an answer of the API server)" if gateway else _FOREIGN
        message = str(answered.get("message", "")) if answered else foreign
        next_step = _forbidden(answered) if status == 403 else NEXT_STEPS.get(status, "") if answered else _PROXY
        super().__init__(action, f"{_status_text(status)}: {message.rstrip(' :')}", next_step)
        self.message = message

    @property
    def is_stale(self) -> bool:
        """Whether the object is not the one that was read: it was changed, replaced or created since.

        A wrong resourceVersion is a 409. A patch with a wrong uid is a 422 on Kubernetes 1.20, a 409 on newer servers.
        """
        conflict = self.status == 409 and self.kube_reason in ("Conflict", "AlreadyExists")
        return conflict or self.is_uid_mismatch

    @property
    def is_uid_mismatch(self) -> bool:
        """Whether a patch was refused because the object has another uid than the patch.

        The message does not tell: a name or the words of an admission policy may have "uid" in them.
        """
        causes = self.details.get("causes")
        fields = [each.get("field") for each in causes if isinstance(each, dict)] if isinstance(causes, list) else []
        return self.status == 422 and "metadata.uid" in fields

    def is_gone(self, resource: str, name: str) -> bool:
        """Whether this is the API server's own NotFound for this object. A gateway may answer 404 too."""
        same = self.details.get("kind") == resource and self.details.get("name") == name
        return self.status == 404 and self.kube_reason == "NotFound" and same


class Transient(Failure):
    """A failure that may pass. `retry_after` is the Retry-After header of the answer."""

    def __init__(self, action: str, reason: str, next_step: str = "", retry_after: str = "") -> None:
        super().__init__(action, reason, next_step)
        self.retry_after = retry_after


class Unfinished(Transient):
    """An answer that broke off or took too long. A smaller page of a list may arrive."""


class TimeIsOver(Failure):
    """A request that was not sent, because the timeout of the run is over."""


class TooLarge(Failure):
    """An answer of more bytes than were allowed. A smaller page of a list may have fewer."""


def _forbidden(answered: Mapping[str, Any] | None) -> str:
    """Advice for a 403. Without a Status, not the API server but something in front of it refused."""
    if not answered:
        return _PROXY
    message = str(answered.get("message", ""))
    if message.rstrip(" :").endswith(" is forbidden"):
        return _GRANT  # Kubernetes 1.20 gives no reason if the right to create what an apply does not find is missing
    return next((advice for pattern, advice in _FORBIDDEN.items() if re.search(pattern, message)), _REFUSED)


def read(action: str, status: int, headers: Mapping[str, str], data: bytes) -> dict[str, Any]:
    """The object in an answer.

    Raises Transient for 429, 5xx, a success that is not a JSON object, and another refusal that should be JSON but is
    cut. Raises ApiError for any other refusal.
    """
    whole = True
    try:
        value = json.loads(data, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        value, whole = None, False
    answered: dict[str, Any] | None = value if isinstance(value, dict) else None
    success = 200 <= status < 300
    if answered is not None and success:
        return answered
    said = answered if answered is not None and answered.get("kind") == "Status" else None
    gateway = _gateway_message(answered) if answered is not None and not said else ""
    if status == 429 or status >= 500:
        message = str(said.get("message") or "") if said else gateway
        reason = _status_text(status) + (f": {message}" if message else "")
        raise (Unfinished if status == 504 else Transient)(action, reason, _PROXY, headers.get("Retry-After", ""))
    kind = headers.get("Content-Type", "no type")
    if success or (not whole and JSON in kind):
        refusal = "" if success else f"{_status_text(status)}: "
        raise Transient(action, f"{refusal}the answer is not a JSON object ({kind}, {len(data)} bytes)", _PROXY)
    raise ApiError(action, status, said, gateway)


def _gateway_message(answered: Mapping[str, Any]) -> str:
    """What a gateway says in JSON of its own, such as Rancher's `message`, or the `error` of Teleport and others."""
    words = {str(key).lower(): value for key, value in answered.items()}
    found = words.get("message") or words.get("error_description") or words.get("detail") or words.get("error")
    if isinstance(found, dict):
        return _gateway_message({"message": found.get("message"), "detail": found.get("reason")})
    return escape(cut(found)) if isinstance(found, str) else ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Reject duplicate keys: two JSON parsers may read them differently."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key twice in one object")
    return found


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _status_text(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
