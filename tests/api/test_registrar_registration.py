"""A registration against a real API server, with the RBAC of install.yaml and a bound token."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from registrar import contract
from tests.harness import objects
from tests.harness.apiserver import ApiServer
from tests.harness.client import Object
from tests.harness.cluster import PODS, SERVICES, Cluster
from tests.harness.gateway import Gateway
from tests.harness.processes import wait_until

SPEC = {
    "type": "ClusterIP",
    "selector": {"app": "nodeproxy-agent", "target-node": "node-a"},
    "ports": [{"name": "http-proxy", "port": 8888, "targetPort": 8888, "protocol": "TCP"}],
}


@pytest.fixture
def pod(cluster: Cluster) -> Object:
    """An agent pod on node-a that has not registered."""
    return cluster.pod("node-a")


def version(service: Object) -> str:
    return str(service["metadata"]["resourceVersion"])


def test_a_registration_labels_the_pod_and_creates_the_service(cluster: Cluster, pod: Object) -> None:
    run = cluster.registrar(pod)

    assert run.code == 0, run.err
    assert cluster.pod_labels(pod) == {"app": "nodeproxy-agent", "target-node": "node-a"}
    service = cluster.service("nodeproxy-access-node-a")
    assert {key: service["spec"][key] for key in SPEC} == SPEC
    assert service["metadata"]["labels"] == {
        "app": "nodeproxy-system",
        "type": "access-point",
        "managed-by": "nodeproxy-daemonset",
        "target-node": "node-a",
    }
    assert service["metadata"]["annotations"] == {
        "nodeproxy/node-name": "node-a",
        "nodeproxy/registered-by": pod["metadata"]["uid"],
    }


def test_the_log_names_server_namespace_pod_and_service(cluster: Cluster, api: ApiServer, pod: Object) -> None:
    log = cluster.registrar(pod).err

    for named in (api.url, "--node-name=node-a", "project-nodeproxy", pod["metadata"]["name"]):
        assert named in log
    assert "nodeproxy-access-node-a" in log


def test_registering_the_same_pod_again_writes_nothing(cluster: Cluster, pod: Object) -> None:
    cluster.registrar(pod)
    service = cluster.service_of("node-a")
    labelled = cluster.admin.get(f"{PODS}/{pod['metadata']['name']}")

    assert cluster.registrar(pod).code == 0

    assert cluster.service_of("node-a") == service
    assert cluster.admin.get(f"{PODS}/{pod['metadata']['name']}") == labelled


def test_a_new_pod_of_the_node_writes_its_uid_and_keeps_the_cluster_ip(cluster: Cluster, pod: Object) -> None:
    cluster.registrar(pod)
    before = cluster.service_of("node-a")
    cluster.delete_pod(pod)

    newer = cluster.register_again("node-a")

    after = cluster.service_of("node-a")
    assert version(after) != version(before)
    assert after["metadata"]["annotations"]["nodeproxy/registered-by"] == newer["metadata"]["uid"]
    assert after["spec"] == before["spec"]
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


@pytest.mark.parametrize("registered_before", [False, True])
def test_a_registration_is_three_requests(
    cluster: Cluster, api: ApiServer, pod: Object, registered_before: bool
) -> None:
    if registered_before:
        cluster.register_again("node-a")
    mark = api.audit_mark()

    cluster.registrar(pod)

    asked = api.requests_since(mark, user_agent="nodeproxy-registrar")
    assert [(each.verb, each.resource) for each in asked] == [
        ("patch", "pods"),
        ("get", "services"),
        ("patch", "services"),
    ]


def test_patches_are_server_side_applies_with_our_field_manager(
    cluster: Cluster, gateway: Gateway, pod: Object
) -> None:
    cluster.registrar(pod, server=gateway.url)

    label, _read, service = gateway.requests
    assert label.headers["Content-Type"] == service.headers["Content-Type"] == "application/apply-patch+yaml"
    assert label.query == {"fieldManager": "nodeproxy-registrar", "force": "true"}
    assert service.query == {"fieldManager": "nodeproxy-registrar", "force": "false"}


def test_an_existing_service_is_force_applied_with_the_uid_and_version_that_were_read(
    cluster: Cluster, gateway: Gateway, pod: Object
) -> None:
    cluster.registrar(pod)
    service = cluster.service_of("node-a")["metadata"]

    cluster.registrar(pod, server=gateway.url)

    apply = gateway.requests[-1]
    sent = yaml.safe_load(apply.body)["metadata"]
    assert apply.query["force"] == "true"
    assert (sent["uid"], sent["resourceVersion"]) == (service["uid"], service["resourceVersion"])


def test_fields_that_the_server_fills_in_are_never_sent(cluster: Cluster, gateway: Gateway, pod: Object) -> None:
    cluster.registrar(pod, server=gateway.url)

    assert yaml.safe_load(gateway.requests[-1].body)["spec"].keys() == {"type", "selector", "ports"}


def test_a_service_is_created_again_once_its_deletion_is_complete(
    cluster: Cluster, gateway: Gateway, pod: Object
) -> None:
    cluster.registrar(pod)
    dying = cluster.service_of("node-a")
    where = f"{SERVICES}/{dying['metadata']['name']}"
    cluster.admin.patch(where, {"metadata": {"finalizers": ["example.com/hold"]}})
    cluster.admin.delete(where)

    with ThreadPoolExecutor() as pool:
        running = pool.submit(cluster.registrar, pod, server=gateway.url)
        wait_until(lambda: sum(each.method == "GET" for each in gateway.requests) > 1, 10, "the registrar asks again")
        cluster.admin.patch(where, {"metadata": {"finalizers": None}})
        run = running.result()

    assert run.code == 0, run.err
    assert "held by example.com/hold" in run.err
    assert cluster.service_of("node-a")["metadata"]["uid"] != dying["metadata"]["uid"]


def test_a_service_that_stays_in_deletion_is_a_failure_that_names_the_finalizer(cluster: Cluster, pod: Object) -> None:
    cluster.registrar(pod)
    where = f"{SERVICES}/nodeproxy-access-node-a"
    cluster.admin.patch(where, {"metadata": {"finalizers": ["example.com/hold"]}})
    cluster.admin.delete(where)

    run = cluster.registrar(pod, "--timeout", "5s")

    assert run.code == 1
    assert "nodeproxy-access-node-a: it is still being deleted (held by example.com/hold)" in run.last_line


def test_two_pods_of_one_node_register_during_a_surge(cluster: Cluster) -> None:
    old, new = cluster.pod("node-a"), cluster.pod("node-a")

    with ThreadPoolExecutor() as pool:
        runs = [*pool.map(cluster.registrar, (old, new))]

    assert [run.code for run in runs] == [0, 0], [run.err for run in runs]
    service = cluster.service_of("node-a")
    assert {key: service["spec"][key] for key in SPEC} == SPEC
    uids = {old["metadata"]["uid"], new["metadata"]["uid"]}
    assert service["metadata"]["annotations"]["nodeproxy/registered-by"] in uids


LONG = "n" * 63
LONGER = "n" * 64
LONGEST = ".".join(["x" * 62] * 3 + ["y" * 64])


@pytest.mark.parametrize("node", ["ip-10-0-1-23.ec2.internal", "10.0.0.7", "edge--7", LONG, LONGER, LONGEST])
def test_any_node_name_can_be_registered_and_is_recorded_in_full(cluster: Cluster, node: str) -> None:
    assert len(LONGEST) == 253
    pod = cluster.pod(node)

    run = cluster.registrar(pod)

    assert run.code == 0, run.err
    [service] = cluster.services().values()
    assert service["metadata"]["annotations"]["nodeproxy/node-name"] == node
    assert service["spec"]["selector"]["target-node"] == cluster.pod_labels(pod)["target-node"]


def test_an_upper_case_node_name_is_registered_in_lower_case(cluster: Cluster) -> None:
    assert cluster.registrar(cluster.pod("node-bj-01"), NODE_NAME="Node-BJ-01").code == 0

    assert cluster.service("nodeproxy-access-node-bj-01")["spec"]["selector"]["target-node"] == "node-bj-01"


@pytest.mark.parametrize(
    ("one", "other"), [("a.b", "a-b"), ("a.b.c", "a-b.c"), ("n" * 64, "n" * 65), (LONGEST, LONGEST[:-1] + "z")]
)
def test_similar_node_names_get_different_services(cluster: Cluster, one: str, other: str) -> None:
    for node in (one, other):
        assert cluster.registrar(cluster.pod(node)).code == 0

    recorded = {each["metadata"]["annotations"]["nodeproxy/node-name"] for each in cluster.services().values()}
    assert recorded == {one, other}


def test_a_node_named_like_the_hashed_form_of_another_is_refused(cluster: Cluster) -> None:
    hashed = contract.service_name("a.b").removeprefix(contract.SERVICE_PREFIX)
    cluster.registrar(cluster.pod("a.b"))
    before = cluster.service_of("a.b")

    run = cluster.registrar(cluster.pod(hashed))

    assert run.code == 1
    assert "it is the Service of node a.b" in run.last_line
    assert cluster.service_of("a.b") == before


@pytest.mark.parametrize(("node", "verdict"), [("a.b", ("delete", "deleted")), ("n" * 64, ("unknown", None))])
def test_a_service_under_an_older_name_is_reported_until_its_node_is_gone(
    cluster: Cluster, node: str, verdict: tuple[str, str | None]
) -> None:
    """The label of the long name has other digits too, so that it does not fit the annotation any more."""
    older = contract.service_name(node)[:-10] + "2e7336dc8e"
    value = node if len(node) < 64 else f"{node[:52]}-2e7336dc8e"
    cluster.admin.create(SERVICES, objects.service(node, name=older, label=value, selector=value))
    cluster.register(node)
    cluster.node("another")

    run = cluster.janitor()
    assert run.verdicts == dict.fromkeys([older, contract.service_name(node)], ("keep", None))
    assert f"no registrar maintains under these names; see docs/migration.md: {older}\n" in run.err
    cluster.lose(node)
    run = cluster.janitor("--max-delete", "100%")
    assert run.verdicts == {older: verdict, contract.service_name(node): ("delete", "deleted")}
    assert "no registrar maintains" not in run.err


def test_prefix_ports_selector_and_node_label_are_settings(cluster: Cluster) -> None:
    pod = cluster.pod("node-a", labels={"app": "pgbouncer"})
    env = {
        "REGISTRAR_SERVICE_PREFIX": "db-",
        "REGISTRAR_PORT": "postgres=5432,metrics=9127:http/TCP",
        "REGISTRAR_SELECTOR": "app=pgbouncer",
        "REGISTRAR_NODE_LABEL": "example.com/node",
    }

    run = cluster.registrar(pod, **env)

    assert run.code == 0, run.err
    spec = cluster.service("db-node-a")["spec"]
    assert spec["selector"] == {"app": "pgbouncer", "example.com/node": "node-a"}
    assert [(each["name"], each["port"], each["targetPort"]) for each in spec["ports"]] == [
        ("postgres", 5432, 5432),
        ("metrics", 9127, "http"),
    ]


def test_a_changed_port_replaces_the_old_one(cluster: Cluster, pod: Object) -> None:
    cluster.registrar(pod)

    assert cluster.registrar(pod, "--port", "http-proxy=3128").code == 0

    assert [each["port"] for each in cluster.service_of("node-a")["spec"]["ports"]] == [3128]


def test_a_dry_run_changes_nothing_and_prints_both_objects(cluster: Cluster, pod: Object) -> None:
    run = cluster.registrar(pod, "--dry-run")

    assert run.code == 0, run.err
    printed_pod, printed_service = yaml.safe_load_all(run.out)
    assert printed_pod["metadata"]["labels"]["target-node"] == "node-a"
    assert printed_service["spec"]["ports"][0]["port"] == 8888
    assert cluster.services() == {}
    assert "target-node" not in cluster.pod_labels(pod)
