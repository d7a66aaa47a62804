"""Which Services of live nodes are reported because a registrar of another version named them."""

import pytest

from janitor.verdict import Cluster, Service, misnamed
from registrar import contract

LONG = "n" * 64


def service(name: str, node: str | None) -> Service:
    return Service(name, "n", "uid", "1", node, None, None, "", None, deleting=False)


@pytest.mark.parametrize("prefix", [contract.SERVICE_PREFIX, "x-"])
@pytest.mark.parametrize("node", ["a", "a.b", LONG])
def test_the_service_of_a_node_has_a_name_of_the_contract_under_any_prefix(node: str, prefix: str) -> None:
    assert misnamed([service(contract.service_name(node, prefix), node)], Cluster.of([node], [])) == []


def test_a_service_with_other_digits_is_reported_while_its_node_exists() -> None:
    services = [service("nodeproxy-access-a-b-2e7336dc8e", "a.b"), service(contract.service_name("a.b"), "a.b")]
    assert misnamed(services, Cluster.of(["a.b"], [])) == ["nodeproxy-access-a-b-2e7336dc8e"]
    assert misnamed(services, Cluster.of(["a"], [])) == []


def test_a_service_that_records_no_node_is_not_reported() -> None:
    assert misnamed([service("nodeproxy-access-a", None)], Cluster.of(["a"], [])) == []
