"""A malformed answer is a Failure that names the field; a bug of ours is not taken for one."""

import copy
import logging
from collections.abc import Callable
from typing import Any

import pytest

from registrar import resync, service
from registrar.cli.failures import Failure
from registrar.cli.probes import Health
from registrar.contract import NodeNames
from registrar.live import live_service
from registrar.register import register
from registrar.settings import parse

SETTINGS = parse(["--resync", "1s"], {"NODE_NAME": "a", "POD_NAME": "p", "POD_UID": "u", "POD_NAMESPACE": "n"})
WANT = service.wanted(SETTINGS, NodeNames.of("a"), "n", "u")


class Server:
    """Replaces a connection to an API server, which answers with what was sent."""

    token = credentials_namespace = None

    def renewed(self) -> "Server":
        return self

    def remaining(self) -> float:
        return 60

    def retry(self, _action: str, work: Callable[[], Any]) -> Any:
        return work()

    def send(self, _action: str, method: str, path: str, *, body: Any = None, **_others: Any) -> Any:
        return labelled(body) if method == "PATCH" and "/pods/" in path else live()


def labelled(pod: dict[str, Any]) -> dict[str, Any]:
    answer = copy.deepcopy(pod)
    answer["metadata"]["labels"] |= SETTINGS.selector
    return answer


def live() -> dict[str, Any]:
    body = WANT.body()
    body["metadata"] |= {"uid": "s", "resourceVersion": "7", "finalizers": ["f"]}
    body["metadata"]["managedFields"] = [
        {"manager": "nodeproxy-registrar", "operation": "Apply", "fieldsV1": {"f:spec": {"f:selector": {"f:app": {}}}}}
    ]
    return body


def test_a_complete_service_is_parsed() -> None:
    parsed = live_service("get", live())
    assert (parsed.id, parsed.uid, parsed.resource_version, parsed.deleting) == (WANT.id, "s", "7", False)
    assert (parsed.selector, parsed.ports, parsed.finalizers) == (WANT.selector, [*WANT.ports], ["f"])
    assert [(each.name, each.operation, each.selector_keys) for each in parsed.managers] == [
        ("nodeproxy-registrar", "Apply", frozenset({"app"}))
    ]


def test_optional_fields_may_be_missing() -> None:
    bare = live()
    for key in ("labels", "annotations", "managedFields", "finalizers"):
        del bare["metadata"][key]
    for key in ("selector", "ports", "type"):
        del bare["spec"][key]
    parsed = live_service("get", bare)
    assert not any([parsed.labels, parsed.annotations, parsed.selector, parsed.ports, parsed.managers])
    assert parsed.type == "ClusterIP"


@pytest.mark.parametrize("key", ["uid", "resourceVersion", "name", "namespace"])
@pytest.mark.parametrize("value", [None, 7, "missing"])
def test_a_service_without_identity_is_refused(key: str, value: object) -> None:
    spoilt = live()
    spoilt["metadata"][key] = value
    if value == "missing":
        del spoilt["metadata"][key]
    with pytest.raises(Failure, match=f"cannot get: in the answer, metadata.{key} is not a string"):
        live_service("get", spoilt)


@pytest.mark.parametrize(
    ("part", "key", "value", "path"),
    [
        ("metadata", "labels", ["x"], "metadata.labels is not an object"),
        ("metadata", "labels", {"a": 1}, "metadata.labels.a is not a string"),
        ("metadata", "managedFields", {}, "metadata.managedFields is not a list"),
        ("metadata", "managedFields", ["x"], r"metadata.managedFields\[0\] is not an object"),
        ("metadata", "managedFields", [{"fieldsV1": 1}], r"metadata.managedFields\[0\].fieldsV1 is not an object"),
        ("metadata", "finalizers", [7], r"metadata.finalizers\[0\] is not a string"),
        ("spec", "selector", {"app": None}, "spec.selector.app is not a string"),
        ("spec", "ports", [{"port": "x", "protocol": "TCP"}], r"spec.ports\[0\].port is not a number"),
        ("spec", "ports", [{"port": True, "protocol": "TCP"}], r"spec.ports\[0\].port is not a number"),
        ("spec", "ports", [{"port": 1, "targetPort": [], "protocol": "TCP"}], r"spec.ports\[0\].targetPort is not"),
        ("spec", "type", 7, "spec.type is not a string"),
    ],
)
def test_a_malformed_field_is_named(part: str, key: str, value: object, path: str) -> None:
    spoilt = live()
    spoilt[part][key] = value
    with pytest.raises(Failure, match=f"in the answer, {path}"):
        live_service("get", spoilt)


def test_the_answer_to_a_dry_run_has_no_resource_version() -> None:
    unstored = live()
    del unstored["metadata"]["resourceVersion"]
    assert live_service("create", unstored, dry_run=True).uid == "s"


def test_an_object_of_another_kind_is_refused() -> None:
    with pytest.raises(Failure, match="the answer is a Pod, not a Service"):
        live_service("get", live() | {"kind": "Pod"})


def bug(*_args: Any, **_kwargs: Any) -> Any:
    raise AttributeError("planted")


def test_a_bug_in_a_registration_is_not_blamed_on_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    server: Any = Server()
    assert register(server, SETTINGS).live.name == WANT.names.service

    monkeypatch.setattr(service, "wanted", bug)
    with pytest.raises(AttributeError, match="planted"):
        register(server, SETTINGS)


def test_a_bug_ends_a_resync_too(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    server: Any = Server()
    registered = register(server, SETTINGS)
    monkeypatch.setattr(service, "plan", bug)
    with caplog.at_level(logging.ERROR), pytest.raises(AttributeError, match="planted"):
        resync.stay(server, SETTINGS, registered.live, Health(1), wait=lambda _seconds: None)
    assert caplog.messages == []
