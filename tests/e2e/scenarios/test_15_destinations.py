"""destinations: Services that each lead to one destination as plain TCP, with the databases of two LANs."""

import os
import signal
import statistics
import time

import pytest

from tests.e2e import containers
from tests.e2e.client import CLIENTS, Client
from tests.e2e.cluster import Cluster
from tests.e2e.database import psql
from tests.e2e.figures import Figures
from tests.e2e.layout import BEIJING, LAN_NAME, PRINTER, SHANGHAI, Site
from tests.e2e.observed import SITES
from tests.e2e.stack import TIMEOUT, Stack
from tests.e2e.traffic import Answer
from tests.harness.client import Object
from tests.harness.cluster import NAMESPACE
from tests.harness.processes import wait_until

DATABASES = {BEIJING: "db-bj", SHANGHAI: "db-sh"}
PODS = f"/api/v1/namespaces/{CLIENTS}/pods"
SIZE = 100 * (1 << 20)  # bytes of the large result: a hundred lines
LARGE = f"COPY (SELECT repeat('x', {SIZE // 100 - 1}) FROM generate_series(1, 100)) TO STDOUT"
REPEAT = 50
WAYS = {"directly": PRINTER, "by a Service for it": f"printer-bj.{NAMESPACE}"}
# Ask the database until the test ends, one connection after the other. Whatever psql says is one line.
LOOP = "until read -t 0.05 -r end; do {psql} 2>&1 </dev/null | tr '\\n' ' '; echo; done; exit 0"


@pytest.fixture(scope="module", autouse=True)
def answering(reach: Stack, databases: str, clients: dict[str, Client]) -> Stack:
    """The stack, once both databases answer by their Services: network plugins admit new pods after a while."""
    assert databases
    for client in clients.values():
        for name in DATABASES.values():
            again = f"[ $SECONDS -lt {TIMEOUT:.0f} ] || {{ echo no answer from {name} >&2; exit 1; }}; sleep 0.2"
            client.run(f"until {psql(name)} >/dev/null 2>&1; do {again}; done")
    return reach


def pods(cluster: Cluster, name: str) -> list[Object]:
    """The pods of a destination that are not being deleted."""
    found = cluster.admin.list(PODS, labelSelector=f"nodeproxy/destination={name}")
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


@pytest.mark.parametrize("start", SITES, ids=lambda site: f"from_{site.city}")
@pytest.mark.parametrize("exit_", SITES, ids=lambda site: f"through_{site.city}")
def test_psql_by_the_name_of_a_service_reaches_the_database_of_that_lan(
    clients: dict[str, Client], start: Site, exit_: Site
) -> None:
    client = clients[start.node]
    assert client.run(psql(DATABASES[exit_])) == exit_.city
    encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    assert client.run(psql(f"{DATABASES[exit_]}.{CLIENTS}", encrypted)) == "t"


def test_a_destination_may_be_a_name_of_the_lan(clients: dict[str, Client]) -> None:
    asked = clients[SHANGHAI.node].run(f"curl -sS --fail --max-time 10 http://printer-bj.{NAMESPACE}/")
    assert asked == BEIJING.city
    assert LAN_NAME not in clients[SHANGHAI.node].run(f"getent hosts {LAN_NAME} || true")  # the client does not know it


def test_a_result_of_100_mb_comes_whole(clients: dict[str, Client], figures: Figures) -> None:
    for way, host in (("directly", PRINTER), ("by a Service for it", "db-bj")):
        began = time.monotonic()
        assert clients[BEIJING.node].run(f"{psql(host, LARGE)} | wc -c") == str(SIZE)
        figures.add(f"a destination, {way}", "MB/s of one result", SIZE / 1e6 / (time.monotonic() - began))


def test_a_connection_takes_some_milliseconds_more(clients: dict[str, Client], figures: Figures) -> None:
    medians = {}
    for way, host in WAYS.items():
        for what, header in (
            ("new connection and answer, ms", "close"),
            ("answer on an open connection, ms", "keep-alive"),
        ):
            curl = f"curl -sS --fail --max-time 10 -H 'Connection: {header}' -o /dev/null -w '%{{time_total}} '"
            seconds = clients[BEIJING.node].run(f"{curl} 'http://{host}/?[1-{REPEAT}]'").split()
            assert len(seconds) == REPEAT
            medians[way, header] = statistics.median(map(float, seconds))
            figures.add(f"a destination, {way}", what, 1000 * medians[way, header])
    assert medians["by a Service for it", "close"] - medians["directly", "close"] < 0.5


def test_new_connections_succeed_after_the_nodes_proxy_was_replaced(
    reach: Stack, new_client: Client, figures: Figures
) -> None:
    with new_client.start(LOOP.format(psql=psql("db-bj"))) as process:
        try:
            reach.restart_agents()
            reach.await_rolled_out()
            assert new_client.run(psql("db-bj")) == BEIJING.city
            answers = [line.decode().strip() for line in process.communicate(b"end\n", timeout=60)[0].splitlines()]
        finally:
            process.kill()
    failed = [answer for answer in answers if answer != BEIJING.city]
    observed = [Answer(0, answer if answer == BEIJING.city else "") for answer in answers]
    figures.add_requests("a destination, its node's proxy is replaced", observed)
    assert SHANGHAI.city not in failed
    assert answers[-1] == BEIJING.city


def test_an_open_connection_lives_on_while_its_tunnel_is_replaced(cluster: Cluster, clients: dict[str, Client]) -> None:
    """For tunnel.drainSeconds; meanwhile a new pod takes new connections."""
    [old] = pods(cluster, "db-sh")
    client = clients[BEIJING.node]
    slow = psql("db-sh", "SELECT city FROM office, pg_sleep(3)")
    with client.start(f"{slow} & sleep 1; echo; wait") as process:
        assert process.stdout
        process.stdout.readline()  # psql has had a second to connect
        cluster.admin.delete(f"{PODS}/{old['metadata']['name']}")
        assert process.communicate(timeout=TIMEOUT)[0].decode().strip() == SHANGHAI.city
    [new] = pods(cluster, "db-sh")
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    client.await_port("db-sh", 5432)


def test_a_socat_that_died_is_started_again(cluster: Cluster, clients: dict[str, Client]) -> None:
    def is_ready(restarts: int) -> bool:
        [status] = pods(cluster, "db-sh")[0]["status"].get("containerStatuses") or [{}]
        return bool(status.get("ready") and status["restartCount"] == restarts)

    wait_until(lambda: is_ready(0), TIMEOUT, "the tunnel that takes the place of the one before")
    [pod] = pods(cluster, "db-sh")
    os.kill(containers.main_process(pod, "tunnel"), signal.SIGKILL)
    wait_until(lambda: is_ready(1), TIMEOUT, "the restart of the tunnel")
    clients[BEIJING.node].await_port("db-sh", 5432)
    assert clients[BEIJING.node].run(psql("db-sh")) == SHANGHAI.city


def test_a_destination_admits_only_clients_that_opt_in(cluster: Cluster) -> None:
    stranger = Client(cluster.api, "stranger-to-databases", BEIJING.node, labels={})
    assert stranger.run(f"{psql('db-sh')} 2>/dev/null || echo none") == "none"
    stranger.delete()
