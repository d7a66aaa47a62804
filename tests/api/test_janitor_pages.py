"""Lists of a cluster with 1,500 nodes: they are read in pages, and no page may be missing."""

import json
from collections.abc import Iterator

import pytest

from registrar import contract
from tests.harness import objects
from tests.harness.apiserver import ApiServer
from tests.harness.cluster import JANITOR, NODES, SERVICES, Cluster
from tests.harness.gateway import Gateway
from tests.harness.rules import Reply

pytestmark = pytest.mark.xdist_group("janitor-pages")  # these tests share one cluster

CROWD = [f"n-{number:04}" for number in range(1500)]
GONE = [f"gone-{number:02}" for number in range(20)]
NOT_RETRIED = Reply(503, headers={"Retry-After": "3600"})  # longer than any timeout, so there is no second attempt
KEPT = CROWD[::100]  # some nodes of each page


@pytest.fixture(scope="module")
def crowd(_cluster: Cluster) -> Iterator[Cluster]:
    _cluster.wipe()
    _cluster.admin.create_many(NODES, map(objects.node, CROWD))
    yield _cluster
    _cluster.wipe()


@pytest.fixture
def cluster(crowd: Cluster) -> Cluster:
    """1,500 nodes, with the Services of some of them and of 20 nodes that are gone."""
    there = crowd.services()
    for node in [*KEPT, *GONE]:
        if contract.service_name(node) not in there:
            crowd.admin.create(SERVICES, objects.service(node))
    return crowd


def only_kept_services_are_left(cluster: Cluster) -> bool:
    return set(cluster.services()) == set(map(contract.service_name, KEPT))


def test_1500_nodes_take_three_pages_and_each_deletion_two_requests(cluster: Cluster, api: ApiServer) -> None:
    mark = api.audit_mark()
    run = cluster.janitor("--max-delete", "20")
    assert run.code == 0, run.err
    assert run.json["counts"] == {"verdict": {"delete": 20, "keep": 15}, "result": {"deleted": 20}}
    assert only_kept_services_are_left(cluster)
    asked = api.requests_since(mark, user_agent="nodeproxy-janitor")
    verbs = [(event.verb, event.resource) for event in asked]
    assert verbs[:5] == [("list", "services"), *[("list", "nodes")] * 3, ("list", "pods")]
    assert sorted(verbs[5:]) == [("delete", "services")] * 20 + [("get", "nodes")] * 20
    for node in GONE:  # each Node is read before its Service is deleted
        own = [event.verb for event in asked if event.name in (node, contract.service_name(node))]
        assert own == ["get", "delete"]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(403, b'{"kind": "Status", "reason": "Forbidden", "message": "no more"}'), "403 Forbidden: no more"),
        (NOT_RETRIED, "503 Service Unavailable"),
    ],
    ids=["refused", "broken"],
)
def test_nothing_is_deleted_if_the_second_page_fails(
    cluster: Cluster, gateway: Gateway, reply: Reply, said: str
) -> None:
    before = cluster.services()
    gateway.rule("GET", "/nodes$", nth=2, times=None, reply=reply)
    run = cluster.janitor("--max-delete", "100%", server=gateway.url)
    assert run.code == 1
    assert f"cannot list Nodes: {said}" in run.last_line
    assert cluster.services() == before


def test_a_page_that_fails_once_is_requested_again(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("GET", "/nodes$", nth=2, reply=Reply(503))
    run = cluster.janitor("--max-delete", "20", server=gateway.url)
    assert run.code == 0, run.err
    assert only_kept_services_are_left(cluster)
    assert len([each for each in gateway.requests if each.path == NODES]) == 4


def test_nothing_is_deleted_if_the_second_page_is_of_another_kind(cluster: Cluster, gateway: Gateway) -> None:
    before = cluster.services()
    gateway.rule("GET", "/nodes$", nth=2, rewrite=lambda body: body.replace(b'"PartialObjectMetadataList"', b'"Table"'))
    run = cluster.janitor("--max-delete", "100%", server=gateway.url)
    assert run.code == 1
    assert "cannot list Nodes: the answer is a Table, not a PartialObjectMetadataList" in run.last_line
    assert cluster.services() == before


def test_a_page_whose_continue_token_leads_to_itself_ends_the_run(cluster: Cluster, gateway: Gateway) -> None:
    def to_itself(body: bytes) -> bytes:
        page = json.loads(body)
        page["metadata"]["continue"] = gateway.requests[-1].query["continue"]
        return json.dumps(page).encode()

    before = cluster.services()
    gateway.rule("GET", "/nodes$", nth=2, times=None, rewrite=to_itself)
    run = cluster.janitor("--max-delete", "100%", server=gateway.url)
    assert (run.code, "a page continues with itself" in run.last_line) == (1, True)
    assert cluster.services() == before


def test_an_expired_continue_token_restarts_that_list(cluster: Cluster, gateway: Gateway, api: ApiServer) -> None:
    """etcd forgets the revision after the first page. Only a new list has the node that joined meanwhile."""

    def expire() -> None:
        cluster.node("a-joined")  # belongs on the first page, which has been read already
        api.expire_continue_tokens()
        for resource in ("services", "nodes"):
            cluster.await_right(JANITOR, "list", resource, allowed=True)

    cluster.admin.create(SERVICES, objects.service("a-joined"))
    gateway.rule("GET", "/nodes$", after=expire)
    run = cluster.janitor("--max-delete", "20", server=gateway.url)
    cluster.delete_node("a-joined")
    assert run.code == 0, run.err
    assert run.verdicts[contract.service_name("a-joined")] == ("keep", None)
    cluster.admin.delete(f"{SERVICES}/{contract.service_name('a-joined')}")
    assert only_kept_services_are_left(cluster)
    again = ["continue" in each.query for each in gateway.requests if each.path == NODES]
    assert again == [False, True, False, True, True, True]
    assert "its continue token expired between two pages" in run.err
