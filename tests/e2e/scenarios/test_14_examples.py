"""docs/another-daemonset.md: the chart with other programs than tinyproxy, as further releases beside nodeproxy."""

import pytest

from tests.e2e import database, release
from tests.e2e.client import CA, URL, Client
from tests.e2e.cluster import Cluster
from tests.e2e.layout import PRINTER, Site
from tests.e2e.observed import SITES
from tests.e2e.stack import TIMEOUT, Stack
from tests.harness import chart

EXAMPLES = chart.MANIFESTS / "examples" / "values"
SOCKS, PGBOUNCER, SNMP = "project-socks", "project-pgbouncer", "project-snmp"
START = pytest.mark.parametrize("start", SITES, ids=lambda site: f"from_{site.city}")
EXIT = pytest.mark.parametrize("exit_", SITES, ids=lambda site: f"through_{site.city}")


@pytest.fixture(scope="module")
def socks(cluster: Cluster, everything: Stack, clients: dict[str, Client]) -> Stack:
    """The example, but with Debian's SOCKS server. Returns the first release."""
    values = EXAMPLES / "socks-proxy.yaml"
    release.install(cluster, "socks", SOCKS, [values], "--create-namespace", proxy={"command": ["microsocks"]})
    await_rolled_out(cluster, SOCKS, "socks-agent")
    await_ports(clients, f"socks-{{node}}.{SOCKS}", 1080)
    return everything


@pytest.fixture(scope="module")
def pgbouncer(cluster: Cluster, everything: Stack, clients: dict[str, Client], databases: str) -> Stack:
    """The example, but with Debian's pgbouncer. Returns the first release."""
    users = f'"{database.USER}" "{databases}"'
    kubectl = cluster.api.kubectl
    kubectl("create", "namespace", PGBOUNCER)
    where = f"--namespace={PGBOUNCER}"
    kubectl("create", "secret", "generic", "pgbouncer-users", f"--from-literal=userlist.txt={users}", where)
    files = chart.example("pgbouncer")["proxy"]["files"]
    moved = {name: text.replace("host=192.168.1.50", f"host={PRINTER}") for name, text in files.items()}
    release.install(cluster, "pgbouncer", PGBOUNCER, [EXAMPLES / "pgbouncer.yaml"], proxy={"files": moved})
    await_rolled_out(cluster, PGBOUNCER, "pgbouncer-agent")
    await_ports(clients, f"pg-{{node}}.{PGBOUNCER}", 5432)
    return everything


@pytest.fixture(scope="module")
def snmp(cluster: Cluster, everything: Stack, clients: dict[str, Client]) -> Stack:
    """The example, with Debian's socat and in place of SNMP a server in each LAN that answers with its city.

    Returns the first release.
    """
    for site in SITES:
        serve = f"UDP-RECVFROM:161,bind={PRINTER},fork 'SYSTEM:read -r question; echo $question {site.city}'"
        clients[site.node].run(f"socat -t5 {serve} >/dev/null 2>&1 &", network=site.lan)
    args = [each.replace("192.168.1.100", PRINTER) for each in chart.example("snmp")["proxy"]["args"]]
    release.install(cluster, "snmp", SNMP, [EXAMPLES / "snmp.yaml"], "--create-namespace", proxy={"args": args})
    await_rolled_out(cluster, SNMP, "snmp-agent")
    for site in SITES:
        for client in clients.values():
            client.run(f"until {ask_by_udp(site)} | grep -q .; do [ $SECONDS -lt {TIMEOUT:.0f} ] || exit 1; done")
    return everything


def ask_by_udp(site: Site) -> str:
    return f"echo question | timeout 5 socat -t2 - UDP:snmp-{site.node}.{SNMP}:161"


def await_rolled_out(cluster: Cluster, namespace: str, name: str) -> None:
    rollout = ("rollout", "status", f"daemonset/{name}", f"--timeout={TIMEOUT:.0f}s")
    cluster.api.kubectl(f"--namespace={namespace}", *rollout)


def await_ports(clients: dict[str, Client], host: str, port: int) -> None:
    for client in clients.values():
        for site in SITES:
            client.await_port(host.format(node=site.node), port)


@START
@EXIT
def test_socks_leads_to_the_lan_of_the_node_that_the_client_names(
    socks: Stack, clients: dict[str, Client], start: Site, exit_: Site
) -> None:
    client = clients[start.node]
    curl = f"curl -sS --fail --max-time 10 --cacert {CA} --socks5-hostname socks-{exit_.node}.{SOCKS}:1080"
    assert client.run(f"{curl} {URL}") == exit_.city
    assert client.run(f"{curl} https://{PRINTER}/") == exit_.city
    assert client.fetch(exit_.node) == exit_.city  # tinyproxy of the first release
    assert len(socks.endpoints(exit_.node)) == 1


@START
@EXIT
def test_pgbouncer_leads_to_the_database_in_the_lan_of_the_node_that_the_client_names(
    pgbouncer: Stack, clients: dict[str, Client], start: Site, exit_: Site
) -> None:
    client = clients[start.node]
    url = f"postgresql://{database.USER}:{database.PASSWORD}@pg-{exit_.node}.{PGBOUNCER}/{database.NAME}?connect_timeout=10"
    assert client.run(f"psql --no-align --tuples-only --command='{database.QUERY}' '{url}'") == exit_.city
    assert client.fetch(exit_.node) == exit_.city
    assert len(pgbouncer.endpoints(exit_.node)) == 1


@START
@EXIT
def test_a_program_that_knows_no_proxy_uses_socks_through_a_library(
    socks: Stack, databases: str, clients: dict[str, Client], start: Site, exit_: Site
) -> None:
    """psql opens a plain socket; proxychains, which is loaded into it, connects it by SOCKS."""
    assert databases
    assert len(socks.endpoints(exit_.node)) == 1
    configuration = f"/tmp/to-{exit_.node}.conf"
    lines = (
        f"address=$(getent hosts socks-{exit_.node}.{SOCKS} | cut -d' ' -f1)",
        f"printf 'strict_chain\\n[ProxyList]\\nsocks5 %s 1080\\n' $address >{configuration}",
        f"proxychains4 -q -f {configuration} {database.psql(PRINTER)}",
    )
    assert clients[start.node].run("\n".join(lines)) == exit_.city


@START
@EXIT
def test_udp_leads_to_the_lan_of_the_node_that_the_client_names(
    snmp: Stack, clients: dict[str, Client], start: Site, exit_: Site
) -> None:
    client = clients[start.node]
    assert client.run(ask_by_udp(exit_)) == f"question {exit_.city}"
    assert client.fetch(exit_.node) == exit_.city
    assert len(snmp.endpoints(exit_.node)) == 1


def test_udp_of_many_clients_gets_an_answer_each(snmp: Stack, clients: dict[str, Client]) -> None:
    site = SITES[0]
    assert len(snmp.endpoints(site.node)) == 1
    many = f"for i in $(seq 20); do {ask_by_udp(site)} & done; wait"
    assert clients[SITES[1].node].run(many).split("\n") == [f"question {site.city}"] * 20
