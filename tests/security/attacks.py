"""The form of the attack table in docs/security.md: what is tried, what stops it, and what shows it."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from registrar import contract
from tests.harness.client import ApiClient, Object
from tests.harness.reviews import merged
from tests.security.mutations import TYPES, pointer

# The outcomes of the table, with what the API server says then. The others are in WITHOUT_REQUESTS.
ALLOWED, LEFT = "allowed", "left"
RBAC = "RBAC"
NODE_AUTHORIZER = "Node authorizer"
NODE_RESTRICTION = "NodeRestriction"
API_SERVER = "API server"
_POLICY = "ValidatingAdmissionPolicy"
SAYS = {
    ALLOWED: "$",
    LEFT: "$",
    RBAC: r'HTTP 403: .* cannot \w+ resource "',
    NODE_AUTHORIZER: r'HTTP 403: .*"system:node:\S+" cannot \w+ resource "',
    NODE_RESTRICTION: rf"HTTP 403: (?!.*{_POLICY})(?!.* cannot \w+ resource)",
    API_SERVER: r"HTTP (405|422): ",
}
FILTER, NETWORK_POLICY, TLS = "tinyproxy's filter", "NetworkPolicy", "TLS"
PROGRAM, CHART = "the program", "the chart"
WITHOUT_REQUESTS = {FILTER, NETWORK_POLICY, TLS, PROGRAM, CHART}


def policy(name: str) -> str:
    return f"`nodeproxy-{name}`"


def says(outcome: str) -> str:
    """A pattern of the API server's message for this outcome; a policy may be any of several."""
    names = "|".join(each.strip("`") for each in outcome.split(", "))
    return SAYS.get(outcome, rf"HTTP 403: .*{_POLICY} '({names})'")


@dataclass(frozen=True)
class Request:
    """A request, which is sent with `dryRun` where it writes."""

    method: str
    path: str
    body: Any = None
    content_type: str = ""
    params: Mapping[str, str] = field(default_factory=dict)

    def send(self, client: ApiClient) -> Object:
        dry = {} if self.method == "GET" else {"dryRun": "All"}
        return client.call(self.method, self.path, self.body, self.content_type, **{**dry, **self.params})


Requests = Callable[["Scene"], Iterable[Request]]


@dataclass(frozen=True)
class Row:
    """A line of the table. `requests` all end so; `tests` show it too or instead, as FILE::TEST below tests/."""

    attack: str
    outcome: str
    requests: Requests | None = None
    tests: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scene:
    """Two registered nodes, with the paths and objects that attackers use.

    `manager` is the field manager of the program whose token is stolen.
    """

    services: str
    pods: str
    own: Object
    other: Object
    foreign: Object
    own_pod: Object
    other_pod: Object
    node: Object
    manager: str = ""

    def service(self, name: str = "") -> str:
        return f"{self.services}/{name or self.own['metadata']['name']}"

    def pod(self, name: str = "") -> str:
        return f"{self.pods}/{name or self.own_pod['metadata']['name']}"


def patches(path: str, live: Object, change: Object, manager: str) -> Iterator[Request]:
    """A change of a live object by each type of patch. A registrar's apply says everything that it set before, too."""
    mine = {"fieldManager": manager}
    yield Request("PATCH", path, change, TYPES["merge"], mine)
    yield Request("PATCH", path, change, TYPES["strategic"], mine)
    steps = [
        {"op": "add", "path": pointer(part, key), "value": merged({key: live[part].get(key)}, {key: value}).get(key)}
        for part, fields in change.items()
        for key, value in fields.items()
    ]
    yield Request("PATCH", path, steps, TYPES["json"], mine)
    whole = applied(live)
    if manager != contract.REGISTRAR_MANAGER:
        whole = {key: whole[key] for key in ("apiVersion", "kind")} | {"metadata": {"name": live["metadata"]["name"]}}
    yield Request("PATCH", path, merged(whole, change), TYPES["apply"], {**mine, "force": "true"})


def applied(live: Object) -> Object:
    """What a program's apply of this object says."""
    fields = {"metadata": ("name", "labels", "annotations"), "spec": ("type", "selector", "ports")}
    if live["kind"] == "Pod":
        fields = {"metadata": ("name", "uid", "labels")}
    said = {part: {key: live[part][key] for key in keys if key in live[part]} for part, keys in fields.items()}
    return {"apiVersion": "v1", "kind": live["kind"], **copy.deepcopy(said)}


def writes(path: str, kind: str = "x", methods: str = "POST PUT PATCH DELETE") -> Iterator[Request]:
    """Each method on an object or subresource. Who may not is refused before the body is read."""
    for method in methods.split():
        body = None if method == "DELETE" else {"kind": kind, "metadata": {"name": path.rpartition("/")[2]}}
        yield Request(method, path, body, TYPES["merge"] if method == "PATCH" else "")


def every_verb(collection: str, name: str = "x") -> Iterator[Request]:
    """get, list, watch, create, update, patch, delete, deletecollection."""
    yield Request("GET", f"{collection}/{name}")
    yield from reads(collection)
    yield Request("POST", collection, {"metadata": {"name": name}})
    yield from writes(f"{collection}/{name}", methods="PUT PATCH DELETE")
    yield Request("DELETE", collection)


def reads(collection: str) -> Iterator[Request]:
    """list and watch."""
    yield Request("GET", collection)
    yield Request("GET", collection, params={"watch": "true", "timeoutSeconds": "1"})


def subresources(path: str, names: str) -> Iterator[Request]:
    """Each method on each subresource of an object."""
    for name in names.split():
        yield Request("GET", f"{path}/{name}")
        yield from writes(f"{path}/{name}")
