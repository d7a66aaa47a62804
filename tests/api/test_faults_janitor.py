"""Answers of gateways, as users of comparable programs report them: taken if sound, shown if not."""

import json

import pytest

from registrar import contract
from tests.harness import objects
from tests.harness.client import Object
from tests.harness.cluster import SERVICES, Cluster
from tests.harness.gateway import Gateway
from tests.harness.rules import Reply

GONE = contract.service_name("gone")
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def cluster(cluster: Cluster) -> Cluster:
    """A live node with an agent pod, and the Service of a node that is gone."""
    cluster.node("live")
    cluster.pod("live", labels=objects.node_label("live"))
    cluster.admin.create_many(SERVICES, map(objects.service, ["live", "gone"]))
    return cluster


@pytest.mark.parametrize(
    "body",
    [{}, {"ok": True}, {"kind": "Status", "status": "Failure"}, {"kind": "Service", "metadata": {"uid": "0"}}],
    ids=["empty", "no kind", "a failure", "another Service"],
)
def test_a_delete_that_the_api_server_did_not_answer_is_no_deletion(
    cluster: Cluster, gateway: Gateway, body: Object
) -> None:
    gateway.rule("DELETE", "/services/", reply=Reply(200, json.dumps(body).encode(), JSON))
    run = cluster.janitor(server=gateway.url)
    assert run.code == 1, run.out
    assert run.verdicts[GONE] == ("delete", "failed")
    assert GONE in cluster.services()


@pytest.mark.parametrize("what", ["Node", "Pod"])
def test_whole_objects_in_place_of_metadata_are_taken(cluster: Cluster, gateway: Gateway, what: str) -> None:
    """Some proxies do not negotiate (kubeedge/kubeedge#6465)."""

    def whole(body: bytes) -> bytes:
        page = json.loads(body)
        items = [{**item, "spec": {}, "status": {}} for item in page["items"] or []]
        return json.dumps({**page, "kind": f"{what}List", "apiVersion": "v1", "items": items}).encode()

    gateway.rule("GET", f"/{what.lower()}s$", rewrite=whole)
    run = cluster.janitor(server=gateway.url)
    assert run.code == 0, run.err
    assert {*cluster.services()} == {contract.service_name("live")}


def test_a_proxy_that_does_not_know_metadata_is_asked_again_plainly(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("GET", "/nodes$", reply=Reply(406, b"{}", JSON))
    run = cluster.janitor(server=gateway.url)
    assert run.code == 0, run.err
    assert {*cluster.services()} == {contract.service_name("live")}


@pytest.mark.parametrize(
    "body",
    [
        {"type": "error", "status": 403, "message": "cluster \x1b[31mis locked"},
        {"Code": {"Status": 403}, "Message": "cluster \x1b[31mis locked", "Cause": None},
        {"error": {"message": "cluster \x1b[31mis locked"}},
        {"error": "cluster \x1b[31mis locked"},
    ],
    ids=["Rancher", "Rancher's proxy", "Teleport", "plain"],
)
def test_a_gateways_own_message_is_shown_and_not_taken_for_rbac(
    cluster: Cluster, gateway: Gateway, body: Object
) -> None:
    gateway.rule("GET", "/services$", reply=Reply(403, json.dumps(body).encode(), JSON))
    run = cluster.janitor(server=gateway.url)
    assert run.code == 1
    assert "403 Forbidden: cluster \\x1b[31mis locked (this is not an answer of the API server)" in run.last_line
    assert "grant" not in run.last_line
    assert "check the API server and any proxy in front of it" in run.last_line


def test_a_gateways_message_is_shown_while_it_is_retried(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("GET", "/services$", reply=Reply(503, b'{"message": "agent is offline"}', JSON))
    run = cluster.janitor(server=gateway.url)
    assert run.code == 0
    assert "503 Service Unavailable: agent is offline" in run.err


def test_a_namespace_without_services_is_named(cluster: Cluster) -> None:
    run = cluster.run("janitor", {"KUBECONFIG": str(cluster.api.admin_kubeconfig)}, ("--dry-run", "--output", "json"))
    assert run.code == 0
    line = "no Service has managed-by=nodeproxy-daemonset in namespace default; name another namespace with --namespace"
    assert line in run.err
