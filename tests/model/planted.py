"""Planted bugs: each takes one guard out of the real programs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

from janitor import inventory, sweep, verdict
from janitor.settings import Settings
from janitor.verdict import Cluster, Judgement, Service
from registrar import contract, service
from registrar.kube.transport import Kube
from registrar.service import WantedService


@contextmanager
def no_recheck() -> Iterator[None]:
    """The janitor does not ask for the Node once more before it deletes."""
    with mock.patch.object(sweep, "_node_is_gone", return_value=True):
        yield


@contextmanager
def no_precondition() -> Iterator[None]:
    """The janitor deletes the Service of that name, whatever has become of it."""
    real = Kube.send

    def send(self: Kube, action: str, method: str, path: str, **rest: Any) -> dict[str, Any]:
        if method == "DELETE":
            del rest["body"]["preconditions"]
        return real(self, action, method, path, **rest)

    with mock.patch.object(Kube, "send", send):
        yield


@contextmanager
def no_witness() -> Iterator[None]:
    """The janitor does not mind an agent pod of the node."""
    real = verdict.judge

    def judge(judged: Service, cluster: Cluster, **rest: Any) -> Judgement:
        return real(judged, replace(cluster, agents=frozenset()), **rest)

    with mock.patch.object(verdict, "judge", judge):
        yield


@contextmanager
def no_registered_by() -> Iterator[None]:
    """A registration does not say which pod made it, so a repeated one changes nothing."""
    real = service.wanted

    def wanted(*args: Any) -> WantedService:
        found = real(*args)
        annotations = {**found.annotations}
        del annotations[contract.REGISTERED_BY_ANNOTATION]
        return replace(found, annotations=annotations)

    with mock.patch.object(service, "wanted", wanted):
        yield


@contextmanager
def nodes_first() -> Iterator[None]:
    """The janitor judges Services by a list of Nodes that is older than theirs."""
    real = inventory.read

    def read(kube: Kube, settings: Settings, namespace: str) -> tuple[list[Service], Cluster]:
        _, cluster = real(kube, settings, namespace)
        return real(kube, settings, namespace)[0], cluster

    with mock.patch.object(inventory, "read", read):
        yield


PLANTED: Mapping[str, Callable[[], AbstractContextManager[None]]] = {
    "recheck": no_recheck,
    "precondition": no_precondition,
    "agent-pod witness": no_witness,
    "registered-by": no_registered_by,
    "order of the lists": nodes_first,
}
