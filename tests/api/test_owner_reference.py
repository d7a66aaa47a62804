"""Shows why a Service has no owner reference to its Node (docs/architecture.md), with the real garbage collector."""

from tests.harness.apiserver import ApiServer
from tests.harness.cluster import NODES, PODS, SERVICES, Cluster
from tests.harness.objects import service
from tests.harness.processes import wait_until


def test_a_service_owned_by_its_node_is_deleted_although_the_node_comes_back() -> None:
    with ApiServer() as api:  # a server of its own, because the collector looks at all objects
        cluster = Cluster(api)
        node = cluster.node("node-a")
        owner = {"apiVersion": "v1", "kind": "Node", "name": "node-a", "uid": node["metadata"]["uid"]}
        owned = service("node-a", name="owned")
        owned["metadata"]["ownerReferences"] = [owner]
        api.admin.create_many(SERVICES, [owned, service("node-a")])
        cluster.pod("node-a")

        cluster.delete_node("node-a")
        cluster.node("node-a")
        with api.controller("garbagecollector"):
            wait_until(lambda: "owned" not in cluster.services(), 60, "the collector deletes the owned Service")

        assert cluster.exists(f"{NODES}/node-a")
        assert len(api.admin.list(PODS)) == 1
        assert cluster.janitor().verdicts == {"nodeproxy-access-node-a": ("keep", None)}
