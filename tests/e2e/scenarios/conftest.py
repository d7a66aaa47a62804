"""One cluster for all scenarios, in which each test finds nodeproxy installed. Runs inside the sandbox only."""

import os
import sys
import time
from collections.abc import Iterator

import pytest

from images.progress import Job
from tests.e2e import database, page, remains
from tests.e2e.client import CLIENTS, Client
from tests.e2e.cluster import Cluster
from tests.e2e.figures import Figures
from tests.e2e.layout import BEIJING, RESULTS, SHANGHAI, STATE
from tests.e2e.observed import Observed
from tests.e2e.sandbox import INSIDE
from tests.e2e.stack import JANITOR, TIMEOUT, Stack
from tests.harness.cluster import NAMESPACE

FIGURES = Figures()
DESTINATIONS = [(CLIENTS, "db-bj", 5432), (CLIENTS, "db-sh", 5432), (NAMESPACE, "printer-bj", 80)]  # values/reach.yaml


def pytest_sessionstart() -> None:
    if INSIDE not in os.environ:
        pytest.exit("these tests need a sandbox around them: make e2e", returncode=1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    load, _, _ = os.getloadavg()
    terminalreporter.section(f"figures ({os.cpu_count()} cores, load {load:.0f})")
    for line in FIGURES.table():
        terminalreporter.line(line)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Record the figures of a green run of all scenarios."""
    reporter = session.config.pluginmanager.getplugin("terminalreporter")
    if exitstatus == 0 and not reporter.stats.get("deselected"):
        page.record(FIGURES.rows)


@pytest.fixture(scope="session")
def figures() -> Figures:
    return FIGURES


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:  # replaces that of tests/conftest.py
    capture = request.config.pluginmanager.getplugin("capturemanager")
    job, started = Job(STATE / "up.log", ""), time.monotonic()

    def say(text: str) -> None:
        with capture.global_and_fixture_disabled():
            job.say(text)

    with capture.global_and_fixture_disabled():
        print("\nbringing up the cluster", file=sys.stderr)
    with Cluster(say, RESULTS / "logs") as cluster:
        FIGURES.add("the cluster starts", "both nodes Ready, s", time.monotonic() - started)
        yield cluster
        remains.Traces.of(remains.all_processes()).save()


@pytest.fixture(scope="session")
def stack(cluster: Cluster) -> Stack:
    """The chart with short times. Tests that use this fixture install it themselves."""
    return Stack(cluster)


@pytest.fixture(scope="session")
def whole_stack(cluster: Cluster) -> Stack:
    """The chart with all that it can do. Tests that use this fixture install it themselves."""
    return Stack(cluster, "everything")


@pytest.fixture(scope="module")
def nodeproxy(stack: Stack) -> Stack:
    """The chart with short times, rolled out on all nodes."""
    stack.apply()
    stack.await_rolled_out()
    return stack


@pytest.fixture(scope="module")
def everything(whole_stack: Stack) -> Stack:
    """The chart with all that it can do, rolled out on all nodes."""
    whole_stack.apply()
    whole_stack.await_rolled_out()
    whole_stack.kubectl("rollout", "status", JANITOR, f"--timeout={TIMEOUT:.0f}s")
    return whole_stack


@pytest.fixture(scope="module")
def reach(cluster: Cluster, clients: dict[str, Client]) -> Stack:
    """The chart with all that it can do, and what tests/e2e/values/reach.yaml adds; network policies are enforced."""
    assert clients  # their namespace exists
    for node in cluster.nodes.values():
        node.enforce_policies()
    stack = Stack(cluster, "everything", "reach")
    stack.apply()
    stack.await_rolled_out()
    for namespace, name, _ in DESTINATIONS:
        stack.kubectl(
            "rollout", "status", f"deployment/{name}", f"--namespace={namespace}", f"--timeout={TIMEOUT:.0f}s"
        )
    for client in clients.values():
        for namespace, name, port in DESTINATIONS:
            client.await_port(f"{name}.{namespace}", port)
    return stack


@pytest.fixture(scope="session")
def databases(clients: dict[str, Client]) -> str:
    """A PostgreSQL server in each LAN; what they keep of the password."""
    secret = database.PASSWORD
    for site in (BEIJING, SHANGHAI):
        secret = database.start(clients[site.node], site, secret)
    return secret


@pytest.fixture(scope="session")
def zombie(stack: Stack) -> str:
    """Name of a Service whose node is gone. It is created early: the CronJob, which runs every minute, removes it."""
    stack.apply()
    return stack.add_zombie("node-gone-00")


@pytest.fixture(scope="module")
def by_hand_only(nodeproxy: Stack) -> Stack:
    """nodeproxy whose janitor runs only when a test starts it."""
    nodeproxy.suspend_cleaner()
    return nodeproxy


@pytest.fixture(scope="session")
def clients(cluster: Cluster) -> dict[str, Client]:
    """A client pod on each node, by the node's name."""
    cluster.api.kubectl("create", "namespace", CLIENTS)
    cluster.await_default_account(CLIENTS)
    return {site.node: Client(cluster.api, f"on-{site.node}", site.node) for site in (BEIJING, SHANGHAI)}


@pytest.fixture(scope="module")
def new_client(cluster: Cluster, clients: dict[str, Client], request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client pod on Beijing's node that has sent no request before.

    The pods in `clients` have sent requests to agent pods that are gone. Linux keeps the NAT of such an unanswered
    connection attempt for 120 seconds (nf_conntrack_tcp_timeout_syn_sent). If the client uses the same source port
    again in that time, the new connection also goes to the pod that is gone.
    """
    assert clients  # their namespace exists
    client = Client(cluster.api, request.module.__name__.rpartition(".")[2].replace("_", "-"), BEIJING.node)
    yield client
    client.delete()


@pytest.fixture
def observed(cluster: Cluster, clients: dict[str, Client], figures: Figures) -> Observed:
    return Observed(cluster.admin, clients[SHANGHAI.node], figures)
