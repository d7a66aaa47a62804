"""The network policies allow what docs/security.md says. tests/e2e shows that a network plugin enforces them."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
import yaml

from tests.docs.languages import in_chinese_only
from tests.harness import chart
from tests.harness.client import Object
from tests.harness.cluster import NAMESPACE, Cluster

CLIENT = {"nodeproxy/client": "true"}
ENABLED = {"networkPolicy": {"enabled": True}}


@pytest.fixture(scope="module")
def rendered() -> list[Object]:
    return chart.render(ENABLED)


def matches(selector: Any, labels: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels", {})
    return wanted.items() <= labels.items() and all(
        _holds(each, labels.get(each["key"])) for each in selector.get("matchExpressions", ())
    )


def _holds(expression: Any, value: str | None) -> bool:
    operator, values = expression["operator"], expression.get("values", ())
    return {"In": value in values, "NotIn": value not in values, "Exists": value is not None}[operator]


def _port(rule: Any, port: int, protocol: str) -> bool:
    return "ports" not in rule or {"port": port, "protocol": protocol} in rule["ports"]


def admits(policy: Any, pod: dict[str, str], namespace: dict[str, str], port: int) -> bool:
    """May a pod with these labels, in a namespace with those labels, connect to this port?"""
    return any(
        _port(rule, port, "TCP")
        and any(
            matches(peer["namespaceSelector"], namespace) and matches(peer.get("podSelector", {}), pod)
            for peer in rule.get("from", [{"namespaceSelector": {}}])
        )
        for rule in policy["spec"]["ingress"]
    )


def reaches(policy: Any, address: str, port: int, protocol: str = "TCP") -> bool:
    """May the policy's pods connect to this address outside the pods' network?"""
    return any(
        _port(rule, port, protocol)
        and any(_within(peer["ipBlock"], address) for peer in rule.get("to", [{"ipBlock": None}]) if "ipBlock" in peer)
        for rule in policy["spec"]["egress"]
    )


def _within(block: Any, address: str) -> bool:
    if block is None:
        return True
    ip = ip_address(address)
    return ip in ip_network(block["cidr"]) and not any(ip in ip_network(each) for each in block.get("except", ()))


def test_each_policy_selects_its_pods(rendered: list[Object]) -> None:
    agent, cron = (chart.template(rendered, kind)["metadata"]["labels"] for kind in ("DaemonSet", "CronJob"))
    others = chart.render({"janitor": {"kind": "Deployment"}})
    stays = chart.template(others, "Deployment")["metadata"]["labels"]

    for name, chosen, other in (("nodeproxy-agent", [agent], cron), ("nodeproxy-janitor", [cron, stays], agent)):
        policy = chart.the(rendered, "NetworkPolicy", name)
        assert policy["metadata"]["namespace"] == NAMESPACE
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
        assert all(matches(policy["spec"]["podSelector"], labels) for labels in chosen)
        assert not matches(policy["spec"]["podSelector"], other)


@pytest.mark.parametrize(
    ("pod", "namespace", "port", "admitted"),
    [
        (CLIENT, {}, 8888, True),
        ({}, CLIENT, 8888, True),
        ({}, {}, 8888, False),
        ({"nodeproxy/client": "false"}, {"team": "net"}, 8888, False),
        (CLIENT, CLIENT, 22, False),
    ],
)
def test_agents_accept_only_clients_that_opted_in(
    rendered: list[Object], pod: dict[str, str], namespace: dict[str, str], port: int, admitted: bool
) -> None:
    assert admits(chart.the(rendered, "NetworkPolicy", "nodeproxy-agent"), pod, namespace, port) is admitted


@pytest.mark.parametrize(
    ("address", "reached"),
    [
        ("192.168.1.100", True),
        ("10.96.0.1", True),
        ("2001:db8::1", True),
        ("169.254.169.254", False),
        ("169.254.0.1", False),
        ("100.100.100.200", False),
        ("168.63.129.16", False),
        ("192.0.0.192", False),
        ("fe80::1", False),
        ("fd00:ec2::254", False),
        ("fd00:c1::a9fe:a9fe", False),
        ("fd20:ce::254", False),
        ("fd00:a9fe:a9fe::1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("64:ff9b::6464:64c8", False),
        ("64:ff9b::a83f:8110", False),
        ("64:ff9b::c000:c0", False),
        ("64:ff9b::c0a8:164", True),
    ],
)
def test_agents_reach_everything_but_where_clouds_serve_credentials(
    rendered: list[Object], address: str, reached: bool
) -> None:
    policy = chart.the(rendered, "NetworkPolicy", "nodeproxy-agent")
    assert reaches(policy, address, 443) is reaches(policy, address, 80) is reached


def test_the_policy_for_yurthub_in_the_chinese_pages_opens_its_port_and_no_other(rendered: list[Object]) -> None:
    texts = [text for each in in_chinese_only() for kind, text in each.blocks if kind == "yaml"]
    [added] = [each for each in map(yaml.safe_load, texts) if each.get("kind") == "NetworkPolicy"]
    policy = chart.the(rendered, "NetworkPolicy", "nodeproxy-agent")

    assert added["metadata"]["namespace"] == NAMESPACE
    assert added["spec"]["podSelector"] == policy["spec"]["podSelector"]
    yurthub = "169.254.2.1"
    assert (reaches(policy, yurthub, 10268), reaches(added, yurthub, 10268)) == (False, True)
    assert not reaches(added, yurthub, 10261)
    assert not reaches(added, "169.254.169.254", 10268)


def test_agents_reach_dns_at_every_address(rendered: list[Object]) -> None:
    """Azure serves it at 168.63.129.16, Google and Oracle at 169.254.169.254, a node-local cache at 169.254.20.10."""
    policy = chart.the(rendered, "NetworkPolicy", "nodeproxy-agent")
    for address in ("10.96.0.10", "169.254.20.10", "168.63.129.16", "fd00:ec2::253"):
        assert reaches(policy, address, 53, "UDP")
        assert reaches(policy, address, 53, "TCP")


@pytest.mark.parametrize(
    ("port", "protocol", "reached"),
    [
        (6443, "TCP", True),
        (443, "TCP", True),
        (53, "UDP", True),
        (53, "TCP", True),
        (9091, "TCP", True),
        (8888, "TCP", False),
        (80, "TCP", False),
    ],
)
def test_a_janitor_reaches_the_api_server_dns_and_the_pushgateway(
    rendered: list[Object], port: int, protocol: str, reached: bool
) -> None:
    assert reaches(chart.the(rendered, "NetworkPolicy", "nodeproxy-janitor"), "198.18.0.1", port, protocol) is reached


def test_a_janitor_accepts_connections_only_for_its_metrics(rendered: list[Object]) -> None:
    policy = chart.the(rendered, "NetworkPolicy", "nodeproxy-janitor")
    assert admits(policy, {}, {}, 8080)
    assert not admits(policy, CLIENT, CLIENT, 8888)


def test_a_real_api_server_accepts_the_policies(rendered: list[Object], cluster: Cluster) -> None:
    policies = [each for each in rendered if each["kind"] == "NetworkPolicy"]
    answer = cluster.api.kubectl("apply", "--dry-run=server", "-f", "-", input=yaml.safe_dump_all(policies)).stdout
    assert answer.count("created") == len(policies) == 2


def test_the_ports_are_values() -> None:
    ports = {"apiServerPorts": [8443], "pushgatewayPort": 443}
    socks = chart.example("socks-proxy")
    objects = chart.render({**socks, "networkPolicy": {"enabled": True, **ports}})

    janitor = chart.the(objects, "NetworkPolicy", "socks-janitor")
    assert reaches(janitor, "198.18.0.1", 8443)
    assert not reaches(janitor, "198.18.0.1", 6443)
    [rule] = chart.the(objects, "NetworkPolicy", "socks-agent")["spec"]["ingress"]
    assert rule["ports"] == [{"port": "socks", "protocol": "TCP"}]
