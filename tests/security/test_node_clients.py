"""agent.clients and the clients of a destination: who may use which node, by the network policies together."""

from typing import Any

import pytest

from tests.harness import chart
from tests.harness.client import Object
from tests.security.test_network_policy import CLIENT, ENABLED, admits, matches

LIMITED: dict[str, Any] = {
    **ENABLED,
    "agent": {
        "clients": [
            {"node": "node-bj-01", "namespaceSelector": {"matchLabels": {"team": "a"}}},
            {"node": "node-bj-01", "podSelector": {"matchLabels": {"job": "print"}}},
            {
                "node": "node-sh-02",
                "namespaceSelector": {"matchLabels": {"team": "a"}},
                "podSelector": {"matchLabels": {"job": "print"}},
            },
        ]
    },
    "destinations": [
        {"name": "printer", "node": "node-bj-01", "host": "192.168.1.100", "port": 9100, "namespace": "team-b"},
    ],
}
TUNNEL = {"app": "nodeproxy-destination", "nodeproxy/destination": "printer"}
TEAM_A, TEAM_B = ({"team": each, "kubernetes.io/metadata.name": f"team-{each}"} for each in "ab")
PRINT = {"job": "print"}


def let_in(objects: list[Object], node: str | None, pod: dict[str, str], namespace: dict[str, str]) -> bool:
    """May the client connect to the proxy of the node? None is an agent pod that has not registered yet."""
    agent = {"app": "nodeproxy-agent", **({"target-node": node} if node else {})}
    policies = [each for each in objects if each["kind"] == "NetworkPolicy"]
    chosen = [each for each in policies if matches(each["spec"]["podSelector"], agent)]
    assert chosen  # a pod that no policy selects accepts everybody
    return any(admits(each, pod, namespace, 8888) for each in chosen)


@pytest.mark.parametrize(
    ("node", "pod", "namespace", "admitted"),
    [
        ("node-bj-01", {}, TEAM_A, True),
        ("node-bj-01", PRINT, TEAM_B, True),
        ("node-bj-01", CLIENT, TEAM_B, False),
        ("node-bj-01", {}, CLIENT, False),
        ("node-bj-01", TUNNEL, TEAM_B, True),
        ("node-bj-01", TUNNEL, {"kubernetes.io/metadata.name": "team-c"}, False),
        ("node-sh-02", PRINT, TEAM_A, True),
        ("node-sh-02", {}, TEAM_A, False),
        ("node-sh-02", PRINT, TEAM_B, False),
        ("node-sh-02", TUNNEL, TEAM_B, False),
        ("node-gz-03", CLIENT, TEAM_A, True),
        ("node-gz-03", PRINT, TEAM_A, False),
        (None, PRINT, {**TEAM_A, **CLIENT}, False),
    ],
)
def test_the_proxy_of_a_limited_node_accepts_its_clients_alone(
    node: str | None, pod: dict[str, str], namespace: dict[str, str], admitted: bool
) -> None:
    assert let_in(chart.render(LIMITED), node, pod, namespace) is admitted


def test_a_limited_node_reaches_no_more_than_others() -> None:
    policies = [each for each in chart.render(LIMITED) if each["kind"] == "NetworkPolicy"]
    agents = [
        each["spec"]
        for each in policies
        if each["spec"]["podSelector"].get("matchLabels") == {"app": "nodeproxy-agent"}
    ]
    assert [spec["policyTypes"] for spec in agents if "egress" in spec] == [["Ingress", "Egress"]]


def test_a_destination_admits_those_that_opted_in_or_its_own_clients() -> None:
    destination = {**LIMITED["destinations"][0], "name": "db", "clients": [{"podSelector": {"matchLabels": PRINT}}]}
    objects = chart.render({**LIMITED, "destinations": [*LIMITED["destinations"], destination]})
    printer, database = (chart.the(objects, "NetworkPolicy", name)["spec"] for name in ("printer", "db"))
    for spec in (printer, database):
        assert spec["policyTypes"] == ["Ingress"]
        [rule] = spec["ingress"]
        rule["ports"] = [{"port": 8080, "protocol": "TCP"}]
    assert admits({"spec": printer}, CLIENT, TEAM_A, 8080)
    assert not admits({"spec": printer}, PRINT, TEAM_A, 8080)
    assert admits({"spec": database}, PRINT, TEAM_A, 8080)
    assert not admits({"spec": database}, CLIENT, TEAM_A, 8080)


def test_clients_of_a_node_without_network_policies_are_refused() -> None:
    with pytest.raises(chart.RefusedError, match=r"agent\.clients has no effect unless networkPolicy\.enabled is true"):
        chart.render({"agent": LIMITED["agent"]})
