"""Which live nodes are reported as lacking a Service."""

from dataclasses import replace

import pytest

from janitor.verdict import Cluster, Service, without_service
from registrar import contract

LONG = "n" * 64


def service(node: str, selector: str | None = None, *, deleting: bool = False) -> Service:
    value = contract.label_value(node) if selector is None else selector
    return Service(node, "n", "uid", "1", node, value, value, "", None, deleting)


def cluster(*nodes: str, agents: tuple[str, ...] | None = None) -> Cluster:
    return Cluster.of(nodes, map(contract.label_value, nodes if agents is None else agents))


@pytest.mark.parametrize("node", ["a", "a.b", LONG])
def test_a_live_node_with_a_registered_agent_but_no_service_is_reported(node: str) -> None:
    assert without_service([], cluster(node)) == [node]
    assert without_service([service(node)], cluster(node)) == []


def test_a_node_without_a_registered_agent_is_ignored() -> None:
    assert without_service([], cluster("control-plane", agents=())) == []


def test_the_agent_of_a_missing_node_is_ignored() -> None:
    assert without_service([], cluster("a", agents=("b",))) == []


def test_a_service_of_another_node_does_not_count() -> None:
    services = [
        service("b"),
        service("a-b"),
        replace(service("a"), node_in_selector="b"),
        replace(service("a"), node_in_selector=None),
    ]
    assert without_service(services, cluster("a", "b")) == ["a"]


def test_a_service_that_is_being_deleted_does_not_count() -> None:
    assert without_service([service("a", deleting=True)], cluster("a")) == ["a"]
