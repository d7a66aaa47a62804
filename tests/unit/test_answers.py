"""How an answer is classified: object, transient failure, or final failure."""

import datetime
import email.utils
import json
import ssl

import pytest
import urllib3

from registrar.cli.failures import Failure
from registrar.kube import answers, broken, retry
from registrar.kube.answers import ApiError, Transient


def status(code: int, reason: str = "") -> bytes:
    return json.dumps({"kind": "Status", "code": code, "reason": reason, "message": "because"}).encode()


def test_a_success_returns_the_object() -> None:
    assert answers.read("get", 200, {}, b'{"kind": "Pod"}') == {"kind": "Pod"}


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"kind": "Po', b"[]", b"null", b'"x"', b"[" * 100_000, b"\xff"])
def test_a_success_without_an_object_is_transient(body: bytes) -> None:
    with pytest.raises(Transient, match="not a JSON object"):
        answers.read("get", 200, {}, body)


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504, 599])
@pytest.mark.parametrize("body", [b"<html>", b"", None])
def test_429_and_5xx_are_transient_with_any_body(code: int, body: bytes | None) -> None:
    with pytest.raises(Transient, match=str(code)):
        answers.read("get", code, {}, status(code) if body is None else body)


@pytest.mark.parametrize("code", [301, 400, 401, 403, 404, 409, 410, 422])
def test_other_refusals_are_final(code: int) -> None:
    with pytest.raises(ApiError, match=f"{code} .*because") as told:
        answers.read("get Pod x", code, {}, status(code, "Why"))
    assert (told.value.status, told.value.kube_reason) == (code, "Why")
    assert str(told.value).startswith("cannot get Pod x: ")


@pytest.mark.parametrize("body", [b"<html>404</html>", b"{}", b'{"kind": "Node", "reason": "NotFound"}', b"[]"])
def test_only_a_status_object_has_a_reason(body: bytes) -> None:
    with pytest.raises(ApiError, match="not an answer of the API server") as told:
        answers.read("get", 404, {}, body)
    assert told.value.kube_reason == ""


@pytest.mark.parametrize("code", [401, 404, 409])
@pytest.mark.parametrize("body", [b'{"kind": "Sta', b""])
def test_a_truncated_refusal_is_transient(code: int, body: bytes) -> None:
    with pytest.raises(Transient, match=f"{code} .*: the answer is not a JSON object"):
        answers.read("get", code, {"Content-Type": "application/json"}, body)
    with pytest.raises(ApiError):  # a gateway's own page
        answers.read("get", code, {"Content-Type": "text/html"}, body)


@pytest.mark.parametrize("body", [b'"forbidden"', b"null", b"[]", b"7"])
def test_a_refusal_in_json_that_is_no_object_is_final(body: bytes) -> None:
    with pytest.raises(ApiError, match="403 Forbidden: this is not an answer of the API server") as told:
        answers.read("get", 403, {"Content-Type": "application/json"}, body)
    assert (told.value.status, told.value.kube_reason) == (403, "")


def test_retry_after_is_seconds_or_a_date() -> None:
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=90)

    assert retry.retry_after("7") == 7
    assert 80 < retry.retry_after(email.utils.format_datetime(later, usegmt=True)) <= 90
    for nothing in ("", "soon", "-5", "²", "Sun, 06 Nov 1994 08:49:37 GMT"):
        assert retry.retry_after(nothing) == 0


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("Missing Authority Key Identifier", "--tls-relaxed"),
        ("CA cert does not include key usage extension", "--tls-relaxed"),
        ("self-signed certificate in certificate chain", "check the CA"),
        ("certificate has expired", "check the CA"),
    ],
)
def test_only_a_ca_that_is_not_strictly_x509_gets_advice_about_tls_relaxed(message: str, hint: str) -> None:
    cause = ssl.SSLCertVerificationError(1, message)
    cause.verify_message = message

    failure = broken.failure("get", "https://s", urllib3.exceptions.SSLError(cause))

    assert not isinstance(failure, Transient)
    assert message in str(failure)
    assert hint in failure.next_step


def test_a_broken_connection_is_transient_and_described_plainly() -> None:
    error = urllib3.exceptions.ProtocolError(
        "Connection aborted.", ConnectionResetError(104, "Connection reset by peer")
    )

    failure = broken.failure("get", "https://s", error)

    assert isinstance(failure, Transient)
    assert failure.reason == "no answer from https://s: [Errno 104] Connection reset by peer"


def test_a_failure_is_one_line_of_action_reason_and_next_step() -> None:
    assert str(Failure("get Pod x", "it is gone", "look")) == "cannot get Pod x: it is gone; look"


@pytest.mark.parametrize("body", [b'{"a": 1, "a": 2}', b'{"b": {"a": 1, "a": 1}}', b'{"a": NaN}', b'{"a": -Infinity}'])
def test_json_with_duplicate_keys_or_nan_is_refused(body: bytes) -> None:
    with pytest.raises(Transient, match="not a JSON object"):
        answers.read("get", 200, {}, body)


def denied(policy: str, binding: str) -> str:
    """The API server's message where a ValidatingAdmissionPolicy denies a request."""
    return f"pods \"x\" is forbidden: ValidatingAdmissionPolicy '{policy}' with binding '{binding}' denied request: no"


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ('services "x" is forbidden: User "u" cannot get resource "services" in the namespace "n"', "grant this verb"),
        ('services "x" is forbidden: ', "grant this verb"),
        (denied("nodeproxy-registrar-services", "nodeproxy-registrar-services"), r"docs/security\.md"),
        (denied("socks-agent-pods-project-socks", "socks-agent-pods-project-socks"), r"docs/security\.md"),
        (denied("team-labels", "team-labels"), "change the admission policy, webhook or plugin"),
        (denied("team-agent-pods", "in-production"), "change the admission policy, webhook or plugin"),
        ('admission webhook "validate.example" denied the request: no', "change the admission policy, webhook"),
        ('services "x" is forbidden: exceeded quota: few, requested: services=1, used: services=9', "raise the quota"),
        (
            'services "x" is forbidden: unable to create new content in namespace n because it is being terminated',
            "create the namespace again",
        ),
        ('pods "x" is forbidden: not yet ready to handle request', "run again when the API server has started"),
    ],
    ids=[
        "RBAC",
        "RBAC of Kubernetes 1.20",
        "our policy",
        "our policy under another name and namespace",
        "another policy",
        "another policy with a similar name",
        "webhook",
        "quota",
        "terminating namespace",
        "starting API server",
    ],
)
def test_a_403_is_followed_by_advice_that_fits_who_refused(message: str, advice: str) -> None:
    body = json.dumps({"kind": "Status", "reason": "Forbidden", "message": message}).encode()
    with pytest.raises(ApiError, match=f"; .*{advice}"):
        answers.read("patch", 403, {}, body)


def test_a_403_of_a_gateway_gets_no_advice_about_rbac() -> None:
    with pytest.raises(ApiError, match="check the API server and any proxy in front of it"):
        answers.read("patch", 403, {"Content-Type": "text/html"}, b"<html>403</html>")


@pytest.mark.parametrize("value", ["9" * 400, "Fri, 31 Dec 99999999999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_an_absurd_retry_after_is_not_an_error(value: str) -> None:
    assert retry.retry_after(value) >= 0
