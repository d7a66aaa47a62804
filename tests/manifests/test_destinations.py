"""Services for one destination: their objects, and values that are refused. test_tunnel.py runs their programs."""

import re
from typing import Any

import pytest

from tests.harness.chart import RefusedError, render, the
from tests.harness.client import Object
from tests.manifests.components import merge

PRINTER: dict[str, Any] = {"name": "printer-bj", "node": "node-bj-01", "host": "127.0.0.1", "port": 9100}


def with_destination(more: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """Values with one destination; None leaves a field out."""
    entry = {key: value for key, value in {**PRINTER, **fields}.items() if value is not None}
    values: dict[str, Any] = {"destinations": [entry]}
    merge(values, more or {})
    return values


def container(objects: list[Object]) -> Any:
    [found] = the(objects, "Deployment", "printer-bj")["spec"]["template"]["spec"]["containers"]
    return found


# ---- objects


def test_without_destinations_there_is_nothing_of_them() -> None:
    objects = render({"networkPolicy": {"enabled": True}})
    assert not [each for each in objects if "destination" in each["metadata"]["labels"]["app.kubernetes.io/component"]]
    added = {each["kind"] for each in render(with_destination())} - {each["kind"] for each in objects}
    assert added == {"Deployment", "Service"}


def test_the_objects_are_in_the_destinations_namespace_and_lead_to_its_pods() -> None:
    values = with_destination({"networkPolicy": {"enabled": True}}, namespace="team-a", replicas=2)
    objects = [each for each in render(values) if each["metadata"]["name"] == "printer-bj"]
    kinds = {each["kind"]: each for each in objects}
    assert set(kinds) == {"Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service"}
    assert {each["metadata"]["namespace"] for each in objects} == {"team-a"}

    pod = kinds["Deployment"]["spec"]["template"]
    labels = pod["metadata"]["labels"].items()
    service = kinds["Service"]["spec"]
    assert service["selector"].items() <= labels
    assert [port["port"] for port in service["ports"]] == [9100]
    assert [port["targetPort"] for port in service["ports"]] == [port["name"] for port in container(objects)["ports"]]
    for selector in (
        kinds["Deployment"]["spec"]["selector"],
        kinds["PodDisruptionBudget"]["spec"]["selector"],
        kinds["NetworkPolicy"]["spec"]["podSelector"],
    ):
        assert selector["matchLabels"] == service["selector"]
    assert ("nodeproxy/client", "true") in labels


def test_two_destinations_have_selectors_of_their_own() -> None:
    values = {"destinations": [PRINTER, {**PRINTER, "name": "printer-sh", "node": "node-sh-02"}]}
    one, other = (each["spec"]["selector"] for each in render(values) if each["kind"] == "Service")
    assert one != other


def test_one_replica_has_no_disruption_budget() -> None:
    """With one pod, a budget would only stop every drain of its node."""
    assert "PodDisruptionBudget" not in {each["kind"] for each in render(with_destination(replicas=1))}


def test_a_pod_outlives_its_drain_time() -> None:
    pod = the(render(with_destination({"tunnel": {"drainSeconds": 7}})), "Deployment", "printer-bj")["spec"]["template"]
    [container] = pod["spec"]["containers"]
    assert container["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "7"]
    assert pod["spec"]["terminationGracePeriodSeconds"] > 7


@pytest.mark.parametrize(
    ("fields", "argument"),
    [
        ({}, "PROXY:nodeproxy-access-node-bj-01.project-nodeproxy:127.0.0.1:9100,proxyport=8888,"),
        ({"host": "printer.lan"}, "PROXY:nodeproxy-access-node-bj-01.project-nodeproxy:printer.lan:9100,"),
        ({"host": "fd00::7"}, "PROXY:nodeproxy-access-node-bj-01.project-nodeproxy:[fd00::7]:9100,"),
        ({"node": None, "service": "proxies"}, "PROXY:proxies.project-nodeproxy:127.0.0.1:9100,"),
    ],
    ids=str,
)
def test_the_tunnel_leads_through_the_service_of_the_node(fields: dict[str, Any], argument: str) -> None:
    assert container(render(with_destination(**fields)))["args"][-1].startswith(argument)


# ---- what is refused


@pytest.mark.parametrize(
    ("fields", "more", "said"),
    [
        ({"port": 0}, {}, "at '/destinations/0/port'"),
        ({"name": "Printer"}, {}, "at '/destinations/0/name'"),
        ({"host": "printer,proxyport=1"}, {}, "at '/destinations/0/host'"),
        ({"host": None}, {}, "at '/destinations/0'"),
        ({"node": None}, {}, "at '/destinations/0'"),
        ({"service": "x"}, {}, "at '/destinations/0'"),
        ({"clients": [{}]}, {}, "at '/destinations/0/clients/0'"),
        ({"prot": 1}, {}, "at '/destinations/0': additional properties 'prot' not allowed"),
        ({"node": "a.b"}, {}, "destinations: printer-bj: the Service of node a.b has a hashed name"),
        ({"node": "a" * 47}, {}, "destinations: printer-bj: the Service of node aaa"),
        (
            {"name": "nodeproxy-access-x"},
            {},
            "destinations: nodeproxy-access-x: names that begin with",
        ),
        (
            {"clients": [{"podSelector": {}}]},
            {},
            "destinations: printer-bj: clients has no effect unless",
        ),
        ({}, {"tinyproxy": {"enabled": False}}, "destinations: printer-bj: the tunnel leads through tinyproxy"),
        (
            {},
            {"tinyproxy": {"connectPorts": [443]}},
            "destinations: printer-bj: tinyproxy.connectPorts lacks",
        ),
    ],
    ids=str,
)
def test_a_destination_that_cannot_work_is_refused_by_name(
    fields: dict[str, Any], more: dict[str, Any], said: str
) -> None:
    with pytest.raises(RefusedError, match=re.escape(said)):
        render(with_destination(more, **fields))


def test_a_name_may_be_used_once_in_a_namespace() -> None:
    with pytest.raises(RefusedError, match="destinations: printer-bj: this name is there twice in namespace project-"):
        render({"destinations": [PRINTER, {**PRINTER, "port": 515}]})
    render({"destinations": [PRINTER, {**PRINTER, "namespace": "team-a"}]})


def test_an_allowed_port_is_enough() -> None:
    assert render(with_destination({"tinyproxy": {"connectPorts": [443, 9100]}}))
