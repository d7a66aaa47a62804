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
SOCKS, PGBOUNCER = "project-socks", "project-pgbouncer"
START = pytest.mark.parametrize("start", SITES, ids=lambda site: f"from_{site.city}")
EXIT = pytest.mark.parametrize("exit_", SITES, ids=lambda site: f"through_{site.city}")
PASSWORD = "open-sesame"


@pytest.fixture(scope="module")
def socks(cluster: Cluster, everything: Stack, clients: dict[str, Client]) -> Stack:
    """The example, but with Debian's SOCKS server. Returns the first release."""
    values = EXAMPLES / "socks-proxy.yaml"
    release.install(cluster, "socks", SOCKS, [values], "--create-namespace", proxy={"command": ["microsocks"]})
    await_rolled_out(cluster, SOCKS, "socks-agent")
    await_ports(clients, f"socks-{{node}}.{SOCKS}", 1080)
    return everything


@pytest.fixture(scope="module")
def pgbouncer(cluster: Cluster, everything: Stack, clients: dict[str, Client]) -> Stack:
    """The example, but with Debian's pgbouncer, and a PostgreSQL server in each LAN. Returns the first release."""
    secret = PASSWORD
    for site in SITES:
        secret = database.start(clients[site.node], site, secret)
    users = f'"{database.USER}" "{secret}"'
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
    url = f"postgresql://{database.USER}:{PASSWORD}@pg-{exit_.node}.{PGBOUNCER}/{database.NAME}?connect_timeout=10"
    assert client.run(f"psql --no-align --tuples-only --command='{database.QUERY}' '{url}'") == exit_.city
    assert client.fetch(exit_.node) == exit_.city
    assert len(pgbouncer.endpoints(exit_.node)) == 1
