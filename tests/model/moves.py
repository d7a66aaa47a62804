"""Random sequences of requests, for two API servers whose answers are compared."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from registrar import contract
from registrar.kube.transport import APPLY_PATCH, MERGE_PATCH
from tests.model.calls import Call

JSON = "application/json"
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
NAMES = {"nodes": ("n1", "n2"), "pods": ("p1", "p2"), "services": ("s1", "s2")}
MANAGERS = (contract.REGISTRAR_MANAGER, contract.JANITOR_MANAGER, "kubectl-edit")
# What a request says about the object that it is meant for.
NOTHING, CURRENT, FIRST, WRONG = "nothing", "current", "first", "wrong"


@dataclass(frozen=True)
class Move:
    """A request in which `uid` and `version` stand for those that this API server has given the object."""

    call: Call
    body: Mapping[str, Any] = field(default_factory=dict)
    uid: str = NOTHING
    version: str = NOTHING
    pages: bool = False

    def __str__(self) -> str:
        call = self.call
        says = "".join(
            f" {name}={value}" for name, value in (("uid", self.uid), ("version", self.version)) if value != NOTHING
        )
        return (
            f"{call.method} {call.resource}/{call.name}?{call.query} {call.content_type} {json.dumps(self.body)}{says}"
        )


# ---- what sequences consist of

_KEYS = st.sampled_from(("app", "note", "target-node"))
_MAPS = st.dictionaries(_KEYS, st.sampled_from(("x", "y")), min_size=1, max_size=2)
_PORTS = st.lists(
    st.sampled_from(
        (
            {"name": "one", "port": 1, "protocol": "TCP"},
            {"name": "two", "port": 2, "protocol": "TCP", "targetPort": 22},
            {"name": "one", "port": 3, "protocol": "UDP"},
        )
    ),
    min_size=1,
    max_size=2,
    unique_by=lambda port: str(port["name"]),
)
_SAYS = st.sampled_from((NOTHING, NOTHING, NOTHING, CURRENT, CURRENT, FIRST, WRONG))


def _name(resource: str) -> st.SearchStrategy[str]:
    return st.sampled_from(NAMES[resource])


def _metadata(nulls: bool) -> st.SearchStrategy[dict[str, Any]]:
    values = st.dictionaries(_KEYS, st.none() | st.sampled_from(("x", "y")), max_size=2) if nulls else _MAPS
    finalizers = st.sampled_from((["example.com/a"], ["example.com/b"], ["example.com/a", "example.com/b"]))
    return st.fixed_dictionaries(
        {},
        optional={
            "labels": values,
            "annotations": values,
            "finalizers": finalizers | st.none() if nulls else finalizers,
        },
    )


@st.composite
def _applies(draw: st.DrawFn) -> Move:
    name, manager = draw(_name("services")), draw(st.sampled_from(MANAGERS))
    force = draw(st.sampled_from(("", "&force=true", "&force=false")))
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, **draw(_metadata(nulls=False))},
        "spec": {"ports": draw(_PORTS), **draw(st.fixed_dictionaries({}, optional={"selector": _MAPS}))},
    }
    call = Call("PATCH", "services", name, f"fieldManager={manager}{force}", "", APPLY_PATCH)
    return Move(call, body, draw(_SAYS), draw(_SAYS))


@st.composite
def _merges(draw: st.DrawFn) -> Move:
    name, manager = draw(_name("services")), draw(st.sampled_from(MANAGERS))
    selector = st.dictionaries(_KEYS, st.none() | st.sampled_from(("x", "y")), max_size=2)
    spec = draw(st.fixed_dictionaries({}, optional={"ports": _PORTS, "selector": selector}))
    body = {"metadata": draw(_metadata(nulls=True)), **({"spec": spec} if spec else {})}
    call = Call("PATCH", "services", name, f"fieldManager={manager}", "", MERGE_PATCH)
    return Move(call, body, draw(_SAYS), draw(_SAYS))


@st.composite
def _creates(draw: st.DrawFn) -> Move:
    resource = draw(st.sampled_from(tuple(NAMES)))
    name = draw(_name(resource))
    labels = {"labels": draw(_MAPS)} if draw(st.booleans()) else {}
    body: dict[str, Any] = {"metadata": {"name": name, **labels}}
    if resource == "services":
        body["spec"] = {"ports": draw(_PORTS), "selector": draw(_MAPS)}
    elif resource == "pods":
        body["spec"] = {"nodeName": draw(_name("nodes")), "containers": [{"name": "proxy", "image": "tinyproxy"}]}
    return Move(Call("POST", resource, "", "", "", JSON), body)


@st.composite
def _labels_pod(draw: st.DrawFn) -> Move:
    """As the registrar does; a merge patch is its second choice."""
    name, value = draw(_name("pods")), draw(st.sampled_from(("x", "y")))
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {contract.NODE_LABEL: value}}}
    manager = f"fieldManager={contract.REGISTRAR_MANAGER}"
    applies = draw(st.booleans())
    query, content_type = (f"{manager}&force=true", APPLY_PATCH) if applies else (manager, MERGE_PATCH)
    uid = draw(st.sampled_from((CURRENT, CURRENT, FIRST, WRONG)))  # without one, an apply would create a pod
    return Move(Call("PATCH", "pods", name, query, "", content_type), body, uid)


@st.composite
def _deletes(draw: st.DrawFn) -> Move:
    resource = draw(st.sampled_from(tuple(NAMES)))
    call = Call("DELETE", resource, draw(_name(resource)), "", "", JSON)
    body = {"kind": "DeleteOptions", "apiVersion": "v1"}
    if resource == "pods":
        return Move(call, {**body, "gracePeriodSeconds": 0}, draw(_SAYS))
    return Move(call, body, draw(_SAYS), draw(_SAYS))


@st.composite
def _reads(draw: st.DrawFn) -> Move:
    resource = draw(st.sampled_from(tuple(NAMES)))
    if draw(st.booleans()):
        return Move(Call("GET", resource, draw(_name(resource)), accept=JSON))
    query = draw(
        st.sampled_from(("limit=1", "limit=1&labelSelector=app", "limit=2&labelSelector=app%3Dx", "limit=500"))
    )
    accept = draw(st.sampled_from((JSON, METADATA_ONLY)))
    return Move(Call("GET", resource, "", query, accept=accept), pages=True)


SEQUENCES = st.lists(
    st.one_of(_applies(), _applies(), _merges(), _creates(), _labels_pod(), _deletes(), _reads()),
    min_size=4,
    max_size=14,
)
