"""Who owns a Service: one of ours is made exact, any other is never written."""

from typing import Any

import pytest
import yaml

from registrar import contract
from tests.harness import objects
from tests.harness.apiserver import ApiServer
from tests.harness.client import Object
from tests.harness.cluster import NAMESPACE, SERVICES, Cluster

WHERE = f"{SERVICES}/nodeproxy-access-node-a"
OURS = {"app": "nodeproxy-agent", "target-node": "node-a"}
PORTS = [("http-proxy", 8888)]


@pytest.fixture
def pod(cluster: Cluster) -> Object:
    """An agent pod on node-a that has not registered."""
    return cluster.pod("node-a")


@pytest.fixture
def registered(cluster: Cluster, pod: Object) -> Object:
    """The Service of node-a."""
    assert cluster.registrar(pod).code == 0
    return cluster.service_of("node-a")


def ports(service: Object) -> list[tuple[str, int]]:
    return [(each.get("name", ""), each["port"]) for each in service["spec"]["ports"]]


def edit(cluster: Cluster, change: Any) -> None:
    """Change the Service as `kubectl edit` does, under its field manager."""
    cluster.admin.patch(WHERE, change, fieldManager="kubectl-edit")


def hand_rolled(node: str = "node-a", selector: str = "nodeproxy-agent", port: int = 8888, name: str = "") -> str:
    """The Service that the hand-rolled stack's script writes."""
    spec = {
        "type": "ClusterIP",
        "selector": {"app": selector, "target-node": node},
        "ports": [{"port": port, "targetPort": port, "protocol": "TCP"} | ({"name": name} if name else {})],
    }
    labels = {"app": "nodeproxy-system", "type": "access-point", "managed-by": "nodeproxy-daemonset"}
    meta = {"name": f"nodeproxy-access-{node.lower()}", "namespace": NAMESPACE, "labels": labels}
    return str(yaml.safe_dump({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}))


EDITS = {
    "a port": {
        "spec": {
            "ports": [
                {"name": "http-proxy", "port": 8888, "targetPort": 8888},
                {"name": "extra", "port": 9999, "targetPort": 9999},
            ]
        }
    },
    "another port number": {"spec": {"ports": [{"name": "http-proxy", "port": 3128, "targetPort": 8888}]}},
    "a selector key": {"spec": {"selector": {"tier": "edge"}}},
    "another selector": {"spec": {"selector": {"app": "other"}}},
    "the node of the selector": {"spec": {"selector": {"target-node": "node-b"}}},
    "another type": {"spec": {"type": "NodePort"}},
    "no labels": {"metadata": {"labels": None}},
    "another node's label": {"metadata": {"labels": {"target-node": "node-b"}}},
}


@pytest.mark.parametrize("change", EDITS.values(), ids=EDITS.keys())
def test_a_change_by_kubectl_edit_is_reverted_in_three_requests(
    cluster: Cluster, api: ApiServer, pod: Object, registered: Object, change: Any
) -> None:
    edit(cluster, change)
    mark = api.audit_mark()

    run = cluster.registrar(pod)

    assert run.code == 0, run.err
    service = cluster.service_of("node-a")
    assert service["spec"] == registered["spec"]
    assert service["metadata"]["labels"] == registered["metadata"]["labels"]
    assert len(api.requests_since(mark, user_agent="nodeproxy-registrar")) == 3


def test_labels_and_annotations_of_others_are_kept(cluster: Cluster, pod: Object, registered: Object) -> None:
    edit(cluster, {"metadata": {"labels": {"team": "net"}, "annotations": {"example.com/note": "keep"}}})
    edit(cluster, EDITS["a port"])

    cluster.registrar(pod)

    meta = cluster.service_of("node-a")["metadata"]
    assert meta["labels"]["team"] == "net"
    assert meta["annotations"]["example.com/note"] == "keep"


def test_a_repaired_service_is_managed_by_apply_again(cluster: Cluster, pod: Object, registered: Object) -> None:
    edit(cluster, EDITS["a port"])
    for _ in range(2):
        cluster.registrar(pod)
    service = cluster.service_of("node-a")

    assert cluster.registrar(pod).code == 0
    assert cluster.service_of("node-a") == service
    operations = {(m["manager"], m["operation"]) for m in service["metadata"]["managedFields"]}
    assert (contract.REGISTRAR_MANAGER, "Apply") in operations


def test_another_daemonset_under_the_same_prefix_is_refused(cluster: Cluster, registered: Object) -> None:
    run = cluster.registrar(cluster.pod("node-a", labels={"app": "pgbouncer"}), "--selector", "app=pgbouncer")

    assert run.code == 1
    assert "another DaemonSet registers under this prefix" in run.last_line
    assert "--take-over" in run.last_line
    assert "--service-prefix" in run.last_line
    assert cluster.service_of("node-a") == registered


@pytest.mark.parametrize("selector", ["app=nodeproxy-agent,tier=edge", "tier=edge"])
def test_a_daemonset_with_more_or_other_selector_keys_is_refused(
    cluster: Cluster, registered: Object, selector: str
) -> None:
    pod = cluster.pod("node-a", labels={"tier": "edge"})
    assert cluster.registrar(pod, "--selector", selector).code == 1
    assert cluster.service_of("node-a") == registered


def test_a_daemonset_with_fewer_selector_keys_is_refused(cluster: Cluster) -> None:
    pod = cluster.pod("node-a", labels={"tier": "edge"})
    cluster.registrar(pod, "--selector", "app=nodeproxy-agent,tier=edge")
    before = cluster.service_of("node-a")

    assert cluster.registrar(pod).code == 1
    assert cluster.service_of("node-a") == before


def test_take_over_allows_another_selector(cluster: Cluster, registered: Object) -> None:
    pod = cluster.pod("node-a", labels={"app": "pgbouncer"})
    run = cluster.registrar(pod, "--selector", "app=pgbouncer", "--take-over")

    assert run.code == 0, run.err
    spec = cluster.service_of("node-a")["spec"]
    assert spec["selector"] == {"app": "pgbouncer", "target-node": "node-a"}
    assert spec["clusterIP"] == registered["spec"]["clusterIP"]


@pytest.mark.parametrize(("port", "name"), [(8888, ""), (3128, ""), (8888, "http-proxy")])
def test_the_hand_rolled_stacks_service_is_adopted_and_keeps_its_cluster_ip(
    cluster: Cluster, api: ApiServer, pod: Object, port: int, name: str
) -> None:
    api.kubectl("apply", "-f", "-", input=hand_rolled(port=port, name=name))
    before = cluster.service_of("node-a")

    run = cluster.registrar(pod)

    assert run.code == 0, run.err
    after = cluster.service_of("node-a")
    assert ports(after) == PORTS
    assert after["spec"]["clusterIP"] == before["spec"]["clusterIP"]
    assert after["spec"]["selector"] == OURS
    assert after["metadata"]["labels"]["target-node"] == "node-a"
    assert contract.LAST_APPLIED_ANNOTATION not in after["metadata"]["annotations"]
    managers = {each["manager"] for each in after["metadata"]["managedFields"]}
    assert managers == {contract.REGISTRAR_MANAGER}


def test_a_changed_port_replaces_that_of_the_hand_rolled_stack(cluster: Cluster, api: ApiServer, pod: Object) -> None:
    api.kubectl("apply", "-f", "-", input=hand_rolled())
    cluster.registrar(pod)

    assert cluster.registrar(pod, "--port", "http-proxy=3128").code == 0
    assert ports(cluster.service_of("node-a")) == [("http-proxy", 3128)]


def test_the_hand_rolled_stacks_service_with_another_selector_is_refused(
    cluster: Cluster, api: ApiServer, pod: Object
) -> None:
    api.kubectl("apply", "-f", "-", input=hand_rolled(selector="socks"))
    before = cluster.service_of("node-a")

    assert cluster.registrar(pod).code == 1
    assert cluster.service_of("node-a") == before
    assert cluster.registrar(pod, "--take-over").code == 0
    assert cluster.service_of("node-a")["spec"]["selector"] == OURS


FOREIGN = {
    "no labels": {},
    "with some of our labels": {"app": "nodeproxy-system", "managed-by": "helm"},
    "managed by us, without a node": {"managed-by": "nodeproxy-daemonset"},
}


@pytest.mark.parametrize("flags", [(), ("--take-over",)])
@pytest.mark.parametrize("labels", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_service_of_somebody_else_is_refused_and_its_writer_is_named(
    cluster: Cluster, pod: Object, labels: dict[str, str], flags: tuple[str, ...]
) -> None:
    body = {
        "metadata": {"name": "nodeproxy-access-node-a", "labels": labels},
        "spec": {"selector": {"app": "shop"}, "ports": [{"port": 80, "protocol": "TCP"}]},
    }
    cluster.admin.patch(WHERE, {"kind": "Service", "apiVersion": "v1", **body}, APPLY, fieldManager="shop-deployer")
    before = cluster.service_of("node-a")

    run = cluster.registrar(pod, *flags)

    assert run.code == 1
    assert "it does not belong to nodeproxy" in run.last_line
    assert "shop-deployer" in run.last_line
    assert cluster.service_of("node-a") == before


APPLY = "application/apply-patch+yaml"


@pytest.mark.parametrize("flags", [(), ("--take-over",)])
@pytest.mark.parametrize("record", ["annotation", "label", "selector"])
def test_another_nodes_service_is_refused_by_any_record_of_the_node(
    cluster: Cluster, api: ApiServer, pod: Object, record: str, flags: tuple[str, ...]
) -> None:
    api.kubectl("apply", "-f", "-", input=hand_rolled("Node-A"))
    changes = {
        "annotation": {"metadata": {"annotations": {"nodeproxy/node-name": "node-b"}}},
        "label": {"metadata": {"labels": {"target-node": "node-b"}}},
        "selector": {"spec": {"selector": {"target-node": "node-b"}}},
    }
    edit(cluster, changes[record])
    before = cluster.service_of("node-a")

    run = cluster.registrar(pod, *flags)

    assert run.code == 1
    assert "it is the Service of node node-b" in run.last_line
    assert cluster.service_of("node-a") == before


@pytest.mark.parametrize(
    "records",
    [
        {"annotation": "gone-1", "label": "gone-2", "selector": "gone-3"},
        {"annotation": "gone", "selector": None},
        {"annotation": None, "label": None, "selector": None},
        {"annotation": "No Node's Name", "label": "x", "selector": "x"},
    ],
)
def test_a_service_that_the_janitor_calls_unknown_has_to_be_deleted_by_hand(
    cluster: Cluster, pod: Object, records: dict[str, str | None]
) -> None:
    """A new agent pod alone does not repair it, as docs/runbook.md and docs/troubleshooting.md say."""
    cluster.node("node-a")
    cluster.admin.create(SERVICES, objects.service("x", name="nodeproxy-access-node-a", **records))
    assert cluster.janitor().verdicts == {"nodeproxy-access-node-a": ("unknown", None)}
    assert cluster.registrar(pod).code == 1

    cluster.admin.delete(WHERE)
    assert cluster.registrar(pod).code == 0
    assert cluster.janitor().verdicts == {"nodeproxy-access-node-a": ("keep", None)}
