"""sites: a Service that leads to the proxies of all nodes of a site. inject: pods that ask are given its address."""

import time
from collections.abc import Iterator

import pytest

from tests.e2e.client import CLIENTS, OPT_IN, URL, Client
from tests.e2e.cluster import Cluster
from tests.e2e.figures import Figures
from tests.e2e.layout import BEIJING, BEIJING_TOO, SHANGHAI
from tests.e2e.node import Node
from tests.e2e.server import NODE_GRACE
from tests.e2e.stack import TIMEOUT, Stack
from tests.e2e.traffic import failures, loop_of
from tests.harness.cluster import NAMESPACE, NODES
from tests.harness.processes import wait_until

SITE = "nodeproxy-site-beijing"
VIA = {"nodeproxy/via": SITE}
SETTLING = 15  # seconds until the kube-proxy of a busy node has forgotten an endpoint
QUIET = 5  # seconds after that without a failure
# curl with the variables of the pod's container: a Client's scripts have their own environment
CURL = f"env $(tr '\\0' '\\n' </proc/1/environ | grep -i _proxy=) curl -sS --fail --max-time 10 {URL}"


@pytest.fixture(scope="module")
def sites(cluster: Cluster, clients: dict[str, Client]) -> Stack:
    """The chart with all that it can do, and what tests/e2e/values/sites.yaml adds."""
    assert clients  # their namespace exists
    stack = Stack(cluster, "everything", "sites")
    stack.apply()
    return stack


@pytest.fixture(scope="module")
def second(cluster: Cluster, sites: Stack) -> Iterator[Node]:
    """A second node in the LAN of Beijing, with its proxy."""
    node = cluster.add(BEIJING_TOO)
    sites.await_rolled_out()
    await_nodes(sites, BEIJING.node, BEIJING_TOO.node)
    yield node
    cluster.remove(BEIJING_TOO)
    cluster.admin.delete(f"{NODES}/{BEIJING_TOO.node}")


def await_nodes(sites: Stack, *names: str) -> float:
    """Wait until the site's Service leads to the proxies of these nodes and no other; the time then."""
    wait_until(
        lambda: sorted(each["nodeName"] for each in sites.endpoints_of(SITE)) == sorted(names),
        TIMEOUT,
        f"the endpoints of {', '.join(names)}",
        interval=0.2,
    )
    return time.time()


def test_requests_go_on_through_the_other_node_of_a_site(
    cluster: Cluster, sites: Stack, second: Node, new_client: Client, figures: Figures
) -> None:
    """Until Kubernetes takes the node for lost, half of the new connections still go there."""
    new_client.first_answer_of(SITE, BEIJING.city)
    with loop_of(new_client, SITE, patience=5) as answers, second.cut_off():  # on a busy machine an answer may be slow
        began = time.time()
        withdrawn = await_nodes(sites, BEIJING.node)
        wait_until(lambda: time.time() > withdrawn + SETTLING + QUIET, TIMEOUT, "some seconds more", interval=0.5)
        end = time.time()
    failed = failures(answers)

    occasion = "a node of a site is cut off"
    figures.add_requests(occasion, answers)
    last = max((answer.time for answer in failed), default=began)
    figures.add(occasion, "until the last failed request, s", last - began)
    assert {answer.text for answer in answers if answer.text} == {BEIJING.city}
    assert [answer for answer in answers if withdrawn + SETTLING < answer.time < end]
    assert not [answer for answer in failed if answer.time > withdrawn + SETTLING]
    assert withdrawn - began < NODE_GRACE + 10
    cluster.await_node(BEIJING_TOO.node, ready=True)
    await_nodes(sites, BEIJING.node, BEIJING_TOO.node)


@pytest.mark.usefixtures("second")
def test_a_site_has_no_other_nodes(sites: Stack) -> None:
    assert SHANGHAI.node in sites.agents()
    await_nodes(sites, BEIJING.node, BEIJING_TOO.node)
    assert SITE not in sites.services()  # which the janitor judges


def test_a_pod_that_asks_is_given_the_proxy_and_needs_no_other_setting(cluster: Cluster, sites: Stack) -> None:
    sites.kubectl("label", "namespace", CLIENTS, "nodeproxy/inject=true", "--overwrite")
    pods = f"/api/v1/namespaces/{CLIENTS}/pods?dryRun=All"
    probe = {
        "metadata": {"name": "probe", "labels": VIA},
        "spec": {"containers": [{"name": "x", "image": "x"}]},
    }
    wait_until(
        lambda: cluster.admin.create(pods, probe)["spec"]["containers"][0].get("env"), TIMEOUT, "the policy acts"
    )
    client = Client(cluster.api, "asks-for-a-proxy", SHANGHAI.node, labels={**OPT_IN, **VIA})
    for site in (BEIJING, BEIJING_TOO):  # until a node's kube-router knows the new pod, it refuses it
        client.first_answer(site.node, BEIJING.city)
    client.first_answer_of(SITE, BEIJING.city)
    assert client.run(CURL) == BEIJING.city
    assert f"http_proxy=http://{SITE}.{NAMESPACE}:8888" in client.run("tr '\\0' '\\n' </proc/1/environ").splitlines()
    client.delete()
