"""What an answer means: the object, a failure that may pass, or one that will not."""

import datetime
import email.utils
import json
import ssl

import pytest
import urllib3

from registrar import answer
from registrar.answer import ApiError, Transient
from registrar.failure import Failure


def status(code: int, reason: str = "") -> bytes:
    return json.dumps({"kind": "Status", "code": code, "reason": reason, "message": "because"}).encode()


def test_a_success_is_its_object() -> None:
    assert answer.read("get", 200, {}, b'{"kind": "Pod"}') == {"kind": "Pod"}


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"kind": "Po', b"[]", b"null", b'"x"', b"[" * 100_000, b"\xff"])
def test_a_success_that_is_no_object_may_pass(body: bytes) -> None:
    with pytest.raises(Transient, match="no JSON object"):
        answer.read("get", 200, {}, body)


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504, 599])
@pytest.mark.parametrize("body", [b"<html>", b"", None])
def test_429_and_5xx_may_pass_whoever_says_so(code: int, body: bytes | None) -> None:
    with pytest.raises(Transient, match=str(code)):
        answer.read("get", code, {}, status(code) if body is None else body)


@pytest.mark.parametrize("code", [301, 400, 401, 403, 404, 409, 410, 422])
def test_other_refusals_will_not_pass(code: int) -> None:
    with pytest.raises(ApiError, match=f"{code} .*because") as told:
        answer.read("get Pod x", code, {}, status(code, "Why"))
    assert (told.value.status, told.value.kube_reason) == (code, "Why")
    assert str(told.value).startswith("cannot get Pod x: ")


@pytest.mark.parametrize("body", [b"<html>404</html>", b"{}", b'{"kind": "Node", "reason": "NotFound"}', b"[]"])
def test_only_a_status_object_has_a_reason(body: bytes) -> None:
    with pytest.raises(ApiError, match="not the API server's answer") as told:
        answer.read("get", 404, {}, body)
    assert told.value.kube_reason == ""


@pytest.mark.parametrize("code", [401, 404, 409])
@pytest.mark.parametrize("body", [b'{"kind": "Sta', b""])
def test_a_refusal_that_was_cut_on_its_way_may_pass(code: int, body: bytes) -> None:
    with pytest.raises(Transient, match="no JSON object"):
        answer.read("get", code, {"Content-Type": "application/json"}, body)
    with pytest.raises(ApiError):  # a gateway's own page
        answer.read("get", code, {"Content-Type": "text/html"}, body)


def test_retry_after_is_seconds_or_a_date() -> None:
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=90)

    assert answer.retry_after("7") == 7
    assert 80 < answer.retry_after(email.utils.format_datetime(later, usegmt=True)) <= 90
    for nothing in ("", "soon", "-5", "²", "Sun, 06 Nov 1994 08:49:37 GMT"):
        assert answer.retry_after(nothing) == 0


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("Missing Authority Key Identifier", "--tls-relaxed"),
        ("CA cert does not include key usage extension", "--tls-relaxed"),
        ("self-signed certificate in certificate chain", "check the CA"),
        ("certificate has expired", "check the CA"),
    ],
)
def test_only_a_ca_that_is_not_strictly_x509_is_told_of_tls_relaxed(message: str, hint: str) -> None:
    cause = ssl.SSLCertVerificationError(1, message)
    cause.verify_message = message

    failure = answer.broken("get", "https://s", urllib3.exceptions.SSLError(cause))

    assert not isinstance(failure, Transient)
    assert message in str(failure)
    assert hint in failure.next_step


def test_a_broken_connection_may_pass_and_is_told_plainly() -> None:
    error = urllib3.exceptions.ProtocolError(
        "Connection aborted.", ConnectionResetError(104, "Connection reset by peer")
    )

    failure = answer.broken("get", "https://s", error)

    assert isinstance(failure, Transient)
    assert failure.reason == "no answer from https://s: [Errno 104] Connection reset by peer"


def test_a_failure_is_one_line_of_action_reason_and_next_step() -> None:
    assert str(Failure("get Pod x", "it is gone", "look")) == "cannot get Pod x: it is gone; look"


@pytest.mark.parametrize("body", [b'{"a": 1, "a": 2}', b'{"b": {"a": 1, "a": 1}}', b'{"a": NaN}', b'{"a": -Infinity}'])
def test_what_two_readers_may_read_in_two_ways_is_no_object(body: bytes) -> None:
    with pytest.raises(Transient, match="no JSON object"):
        answer.read("get", 200, {}, body)


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ('services "x" is forbidden: User "u" cannot get resource "services" in the namespace "n"', "grant this verb"),
        ('services "x" is forbidden: ', "grant this verb"),
        (
            "services \"x\" is forbidden: ValidatingAdmissionPolicy 'nodeproxy-registrar-services' with binding "
            "'nodeproxy-registrar-services' denied request: the token is bound to no node",
            r"docs/security\.md",
        ),
        (
            "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'team-labels' with binding 'b' denied request: no",
            "change the admission policy, webhook or plugin",
        ),
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
        "another policy",
        "webhook",
        "quota",
        "terminating namespace",
        "starting API server",
    ],
)
def test_a_403_is_followed_by_advice_that_fits_who_refused(message: str, advice: str) -> None:
    body = json.dumps({"kind": "Status", "reason": "Forbidden", "message": message}).encode()
    with pytest.raises(ApiError, match=f"; .*{advice}"):
        answer.read("patch", 403, {}, body)


def test_a_403_that_is_not_the_api_servers_is_no_matter_of_rights() -> None:
    with pytest.raises(ApiError, match="check the API server and what stands before it"):
        answer.read("patch", 403, {"Content-Type": "text/html"}, b"<html>403</html>")


@pytest.mark.parametrize("value", ["9" * 400, "Fri, 31 Dec 99999999999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_an_absurd_time_to_wait_is_no_error(value: str) -> None:
    assert answer.retry_after(value) >= 0
