"""The janitor's lists: if one is not complete or not what was requested, the run ends and deletes nothing."""

import copy
import json
from collections.abc import Callable

import pytest

from registrar import contract
from tests.harness import objects
from tests.harness.cluster import NODES, SERVICES, Cluster
from tests.harness.gateway import Gateway
from tests.harness.rules import Reply

GONE = contract.service_name("gone")
HTML = {"Content-Type": "text/html"}
LISTS = {"Services": "/services$", "Nodes": "/nodes$", "Pods": "/pods$"}


@pytest.fixture
def cluster(cluster: Cluster) -> Cluster:
    """Services of a node that exists, of one that is gone, and of one that is gone while its agent pod exists."""
    cluster.node("live")
    cluster.pod("pod-left", labels=objects.node_label("pod-left"))
    cluster.admin.create_many(SERVICES, map(objects.service, ["live", "gone", "pod-left"]))
    return cluster


def fails_with_nothing_deleted(cluster: Cluster, gateway: Gateway, *flags: str) -> str:
    """Run a janitor that must fail and change nothing; the last line of its log."""
    before = cluster.services()
    run = cluster.janitor(*flags, server=gateway.url)
    assert run.code == 1, run.err
    assert run.out == ""  # nothing was judged, so there is no report
    assert cluster.services() == before
    assert not [request for request in gateway.requests if request.method != "GET"]
    return run.last_line


@pytest.mark.parametrize("what", LISTS)
def test_nothing_is_deleted_if_a_list_is_of_another_kind(cluster: Cluster, gateway: Gateway, what: str) -> None:
    def other_kind(body: bytes) -> bytes:
        return json.dumps({**json.loads(body), "kind": "SecretList"}).encode()

    gateway.rule("GET", LISTS[what], rewrite=other_kind)
    line = fails_with_nothing_deleted(cluster, gateway)
    assert f"cannot list {what}: the answer is a SecretList, not a " in line


def without(body: bytes, key: str) -> bytes:
    return json.dumps({name: value for name, value in json.loads(body).items() if name != key}).encode()


def items_without(body: bytes, key: str) -> bytes:
    page = json.loads(body)
    page["items"] = [{name: value for name, value in item.items() if name != key} for item in page["items"]]
    return json.dumps(page).encode()


@pytest.mark.parametrize(
    ("what", "spoil"),
    [
        ("Services", lambda body: items_without(body, "spec")),
        ("Nodes", lambda body: items_without(body, "metadata")),
        ("Nodes", lambda body: without(body, "items")),
        ("Nodes", lambda body: without(body, "metadata")),
    ],
    ids=["service-without-spec", "node-without-metadata", "no-items", "no-metadata"],
)
def test_nothing_is_deleted_if_a_list_is_malformed(
    cluster: Cluster, gateway: Gateway, what: str, spoil: Callable[[bytes], bytes]
) -> None:
    gateway.rule("GET", LISTS[what], rewrite=spoil)
    line = fails_with_nothing_deleted(cluster, gateway)
    assert f"cannot list {what}: in the answer, " in line


def test_nothing_is_deleted_if_a_gateway_refuses_a_list(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("GET", "/nodes$", reply=Reply(404, b"<html>404</html>", HTML))
    line = fails_with_nothing_deleted(cluster, gateway)
    assert "cannot list Nodes: 404 Not Found: this is not an answer of the API server" in line


def test_nothing_is_deleted_if_a_list_is_a_login_page(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("GET", "/nodes$", times=None, reply=Reply(200, b"<html>log in</html>", HTML))
    line = fails_with_nothing_deleted(cluster, gateway, "--timeout", "5s")
    assert "cannot list Nodes: the answer is not a JSON object (text/html" in line


@pytest.mark.parametrize("spoilt", [{"truncate": 40}, {"reset": "after"}], ids=["truncated", "reset"])
def test_a_truncated_list_is_read_again(cluster: Cluster, gateway: Gateway, spoilt: dict[str, object]) -> None:
    for where in LISTS.values():
        gateway.rule("GET", where, **spoilt)
    run = cluster.janitor(server=gateway.url)
    assert run.code == 0, run.err
    assert GONE not in cluster.services()
    assert len(cluster.services()) == 2


# ---- changes while the lists are read


def test_a_node_that_joins_between_two_lists_keeps_its_service(cluster: Cluster, gateway: Gateway) -> None:
    """Its Service may be created after the Services are listed or, as here, just before. Its Node must be seen."""

    def join() -> None:
        cluster.node("joins")
        cluster.node("gone")

    cluster.admin.create(SERVICES, objects.service("joins"))
    gateway.rule("GET", "/services$", after=join)
    run = cluster.janitor(server=gateway.url)
    assert run.code == 0, run.err
    assert run.verdicts[contract.service_name("joins")] == ("keep", None)
    assert run.verdicts[GONE] == ("keep", None)


def test_a_service_created_after_the_services_were_listed_is_not_touched(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("GET", "/services$", after=lambda: cluster.register("late"))
    run = cluster.janitor(server=gateway.url)
    assert contract.service_name("late") not in run.verdicts
    assert cluster.service_of("late")


def test_an_agent_pod_created_after_the_nodes_were_listed_is_seen(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("GET", "/nodes$", after=lambda: cluster.pod("gone", labels=objects.node_label("gone")))
    assert cluster.janitor(server=gateway.url).verdicts[GONE] == ("wait", None)


# ---- the requests


def test_lists_are_paged_metadata_only_and_of_the_latest_state(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("GET", "/nodes$")
    assert cluster.janitor("--dry-run", server=gateway.url).code == 0
    metadata_only = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    seen = [(each.method, each.path, each.query, each.headers["accept"]) for each in gateway.requests]
    namespace, ours = "/api/v1/namespaces/project-nodeproxy", "managed-by=nodeproxy-daemonset"
    # without resourceVersion: for 0 the API server would answer from its cache, which may be out of date
    assert seen == [
        ("GET", f"{namespace}/services", {"labelSelector": ours, "limit": "500"}, "application/json"),
        ("GET", NODES, {"limit": "500"}, metadata_only),
        ("GET", f"{namespace}/pods", {"labelSelector": "target-node", "limit": "500"}, metadata_only),
    ]
    assert all(each.headers["user-agent"].startswith("nodeproxy-janitor/") for each in gateway.requests)


def test_selector_and_node_label_are_settings(cluster: Cluster, gateway: Gateway) -> None:
    service = objects.service("gone", name="renamed", annotation=None, label=None)
    service["metadata"]["labels"] = {"team": "edge"}
    service["spec"]["selector"]["edge/node"] = service["spec"]["selector"].pop("target-node")
    waiting = copy.deepcopy(service)
    waiting["metadata"]["name"], waiting["spec"]["selector"]["edge/node"] = "waiting", "another"
    cluster.admin.create_many(SERVICES, [service, waiting])
    cluster.pod("another", labels={"edge/node": "another"})
    gateway.rule("GET", "/pods$")
    run = cluster.janitor("--selector", "team=edge", "--node-label", "edge/node", server=gateway.url)
    assert run.verdicts == {"renamed": ("delete", "deleted"), "waiting": ("wait", None)}
    assert len(cluster.services()) == 4
    assert [each.query.get("labelSelector") for each in gateway.requests[:3]] == ["team=edge", None, "edge/node"]
