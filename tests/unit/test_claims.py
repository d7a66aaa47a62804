"""A registrar knows its pod and node from its token; settings that contradict the token are refused."""

import base64
import json
from typing import Any

import pytest

from registrar import settings
from registrar.claims import Identity, identity
from registrar.cli.failures import SettingsError

ENV = {"NODE_NAME": "a", "POD_NAME": "agent-1", "POD_UID": "u-1"}
SETTINGS = settings.parse([], ENV)


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
        identity(SETTINGS, given, "ns")
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
    assert identity(SETTINGS, given, "ns") == Identity("a", "agent-1", "u-1", "ns")


def test_a_bound_token_is_enough() -> None:
    unset = settings.parse([], {})
    given = token({"kubernetes.io": {"namespace": "n", "node": {"name": "b"}, "pod": {"name": "p", "uid": "u"}}})
    assert identity(unset, given, "of the credentials") == Identity("b", "p", "u", "n")


@pytest.mark.parametrize("name", ["NODE_NAME", "POD_NAME", "POD_UID"])
@pytest.mark.parametrize("given", [None, "opaque", token({"kubernetes.io": {"namespace": "n"}})])
def test_what_neither_settings_nor_token_say_is_a_bad_setting(name: str, given: str | None) -> None:
    env = {"NODE_NAME": "a", "POD_NAME": "agent-1", "POD_UID": "u-1"} | {name: ""}
    with pytest.raises(SettingsError, match=rf"^bad setting {name} \(--[a-z-]+\): it is not set; downward API") as told:
        identity(settings.parse([], env), given, "ns")
    assert told.value.exit_code == 2


def test_the_namespace_of_other_credentials_counts_last() -> None:
    with pytest.raises(SettingsError, match=r"POD_NAMESPACE \(--namespace\): it is not set"):
        identity(SETTINGS, None, None)
    assert identity(settings.parse(["--namespace", "x"], ENV), None, "ns").namespace == "x"


def test_a_namespace_other_than_that_of_the_bound_pod_is_a_bad_setting() -> None:
    given = bound(namespace="n")
    with pytest.raises(SettingsError, match="'x', but the token is bound to a pod of namespace 'n'"):
        identity(settings.parse(["--namespace", "x"], ENV), given, "n")
