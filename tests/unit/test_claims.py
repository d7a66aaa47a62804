"""A registrar refuses settings that contradict its token."""

import base64
import json
from typing import Any

import pytest

from registrar import claims, settings
from registrar.cli.failures import SettingsError

SETTINGS = settings.parse([], {"NODE_NAME": "a", "POD_NAME": "agent-1", "POD_UID": "u-1"})


def token(payload: Any) -> str:
    return _signed(json.dumps(payload).encode())


def _signed(payload: bytes) -> str:
    return f"e30.{base64.urlsafe_b64encode(payload).decode().rstrip('=')}.c2ln"


def bound(**others: Any) -> str:
    return token({"kubernetes.io": {"node": {"name": "a"}, "pod": {"name": "agent-1", "uid": "u-1"}} | others})


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            bound(node={"name": "b"}),
            "bad setting NODE_NAME (--node-name): 'a', but the token is bound to node name 'b'",
        ),
        (
            bound(pod={"name": "agent-2", "uid": "u-1"}),
            "bad setting POD_NAME (--pod-name): 'agent-1', but the token is bound to pod name 'agent-2'",
        ),
        (
            bound(pod={"name": "agent-1", "uid": "u-2"}),
            "bad setting POD_UID (--pod-uid): 'u-1', but the token is bound to pod uid 'u-2'",
        ),
    ],
)
def test_another_node_or_pod_is_a_bad_setting(given: str, line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        claims.check(SETTINGS, given)
    assert str(caught.value) == line


@pytest.mark.parametrize(
    "given",
    [
        bound(),
        bound(node={"uid": "x"}),
        token({"kubernetes.io": {"pod": {"name": "agent-1", "uid": "u-1"}}}),  # before 1.29
        token({"kubernetes.io/serviceaccount/namespace": "x"}),  # of a Secret
        token({"iss": "https://accounts.example", "email": "a@b"}),  # a person's
        token({"kubernetes.io": {"node": {"name": 7}, "pod": ["x"]}}),
        token({"kubernetes.io": "x"}),
        token([]),
        _signed(b"\xff\xfe"),
        _signed(b"[" * 60_000),
        _signed(b'{"kubernetes.io": {"node": ' + b"9" * 40_000 + b"}}"),
        _signed(b'{"kubernetes.io": {"node": {"name": "b"}}}' + b" " * 100_000),
        "e30.%%%.c2ln",
        "e30.\u00e9.c2ln",
        "a.b.c.d",
        "opaque",
        "",
        None,
    ],
    ids=range(18),
)
def test_a_token_without_claims_is_accepted(given: str | None) -> None:
    claims.check(SETTINGS, given)
