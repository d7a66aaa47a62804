"""Whoever stole a registrar's token and sends a registration with any field changed stores nothing but a registration.

Each example changes a few fields of a legitimate request, drawn from the API server's own schema. If the server takes
the request, then what it would store equals what the registrar itself would have stored, but for the fields below.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from registrar import contract
from tests.harness.apiserver import ApiServer
from tests.harness.client import ApiError, Object
from tests.harness.cluster import Cluster, installed
from tests.harness.features import Feature
from tests.security.in_force import in_force
from tests.security.mutations import TYPES, Mutation, Schema, mutated, operations
from tests.security.targets import Target, found

pytestmark = [pytest.mark.needs(Feature.ADMISSION_POLICY), pytest.mark.xdist_group("confinement")]
# In `make soak` two for each seed.
SEEDS = os.environ.get("SEEDS", "")
EXAMPLES = 2 * int(SEEDS) if SEEDS.isdecimal() else 100
WORDS = [
    "node-a", "node-b", "nodeproxy-access-node-b", "bank", "x/y", "198.19.0.10", "192.0.2.1", "http-proxy", "None",
    "Local", "Cluster", "ClusterIP", "NodePort", "LoadBalancer", "ExternalName", "ClientIP", "PreferClose", "TCP",
    "UDP", "SingleStack", "PreferDualStack", "IPv4", "IPv6", "v1", "app", "managed-by", "nodeproxy-agent",
    contract.NODE_LABEL, contract.NODE_NAME_ANNOTATION, contract.REGISTERED_BY_ANNOTATION,
    contract.NODE_MISSING_SINCE_ANNOTATION, contract.LAST_APPLIED_ANNOTATION, contract.REGISTRAR_MANAGER,
    "Apply", "Update",
]  # fmt: skip

# What may differ from a registration: what a policy holds to a form, or the server chooses, or nothing reads in a
# Service (its generation); of a new Service also its identity; what is left as it was where a registration removes it.
ALWAYS = {("metadata", "managedFields"), ("metadata", "resourceVersion"), ("metadata", "generation")}
OF_A_NEW_ONE = {
    ("metadata", "uid"), ("metadata", "creationTimestamp"), ("spec", "clusterIP"), ("spec", "clusterIPs"),
}  # fmt: skip
LEFT = {("metadata", "annotations", contract.LAST_APPLIED_ANNOTATION)}
SENT = {"metadata": ("labels", "annotations"), "spec": ("type", "selector", "ports")}
REGISTRATION = [(part, field) for part, fields in SENT.items() for field in fields]
WITHOUT_SHRINKING = [Phase.explicit, Phase.reuse, Phase.generate]  # it takes minutes, and a request is short enough
MOST_BYTES = 100_000  # of managedFields


@pytest.fixture(scope="module")
def targets(api: ApiServer, _cluster: Cluster) -> Iterator[dict[str, Target]]:
    with in_force(api, installed()):
        yield found(_cluster)
        _cluster.wipe()


@pytest.fixture(scope="module")
def schemas(api: ApiServer) -> dict[str, Schema]:
    components = api.admin.get("/openapi/v3/api/v1")["components"]
    return {kind: Schema(components, kind, WORDS) for kind in ("Service", "Pod")}


@dataclass(frozen=True)
class Request:
    """One request of the thief."""

    method: str
    path: str
    body: Any
    content_type: str
    params: dict[str, str]

    def send(self, target: Target) -> Object:
        return target.thief.call(self.method, self.path, self.body, self.content_type, **self.params)


@st.composite
def requests(draw: st.DrawFn, target: Target, schema: Schema) -> Request:
    """A registration with up to three changes, or the changes alone, in every form that a client can write."""
    changes = draw(st.lists(schema.mutations(), min_size=1, max_size=draw(st.sampled_from([1, 1, 3]))))
    forms = ["apply", "merge", "strategic", "json"] * 3 if target.live else ["apply", "create"] * 3
    how = draw(st.sampled_from([*forms, "put"]))
    manager = draw(st.sampled_from([contract.REGISTRAR_MANAGER] * 5 + ["x"]))
    params = {"fieldManager": manager, "fieldValidation": draw(st.sampled_from(["Ignore", "Strict"]))}
    if draw(st.integers(0, 9)):
        params["dryRun"] = "All"
    if how == "put":
        return Request("PUT", target.path, mutated(target.legitimate, changes), "", params)
    if how == "create":
        return Request("POST", target.path.rpartition("/")[0], mutated(target.body, changes), "", params)
    alone = target.live is not None and how != "apply" and draw(st.booleans())
    if how == "json":
        base = target.live if alone else target.legitimate
        unchanged = [] if alone else [Mutation(path, _at(base, path)) for path in REGISTRATION if _at(base, path)]
        return Request("PATCH", target.path, [*operations(base or {}, [*unchanged, *changes])], TYPES[how], params)
    if how == "apply":
        params["force"] = draw(st.sampled_from(["true", "true", "false"]))
    return Request("PATCH", target.path, mutated({} if alone else target.body, changes), TYPES[how], params)


def differences(one: Any, other: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths at which two objects differ. A list is one value."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            yield from differences(one.get(key), other.get(key), (*path, key))
    elif one != other:
        yield path


def test_a_stolen_token_stores_nothing_but_a_registration(
    targets: dict[str, Target], schemas: dict[str, Schema], api: ApiServer
) -> None:
    answers: Counter[str] = Counter()

    @settings(max_examples=EXAMPLES, suppress_health_check=[*HealthCheck], phases=WITHOUT_SHRINKING)
    @given(data=st.data())
    def send(data: st.DataObject) -> None:
        target = targets[data.draw(st.sampled_from([*targets, "pod"]))]
        request = data.draw(requests(target, schemas["Pod" if "/pods/" in target.path else "Service"]))
        try:
            stored = request.send(target)
        except ApiError as error:
            answers[str(error.status)] += 1
            return
        answers["accepted"] += 1
        if "dryRun" not in request.params:
            answers["stored"] += 1
            stored = target.now(api.admin) or stored
            target.restore(api.admin)
        assert unexpected(target, stored) == []

    send()
    print(*(f"{answer}: {count}" for answer, count in sorted(answers.items())), sep=", ")
    assert answers["accepted"]
    assert answers["403"]


def unexpected(target: Target, stored: Object) -> list[tuple[str, ...]]:
    """Where the object is neither what a registration leaves nor one of the exceptions."""
    kept = {path for path in LEFT if target.live and _at(stored, path) == _at(target.live, path)}
    allowed = ALWAYS | kept | (set() if target.live else OF_A_NEW_ONE)
    wrong = [path for path in differences(stored, target.legitimate) if path not in allowed]
    if len(json.dumps(stored["metadata"].get("managedFields"))) > MOST_BYTES:
        wrong.append(("metadata", "managedFields"))
    return wrong


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        value = value.get(step, {})
    return value
