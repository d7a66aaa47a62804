"""The example stacks, run with the settings in their own files (docs/another-daemonset.md, docs/deploy.md)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

import pytest
import yaml

from tests.api import test_manifests as first
from tests.api.test_manifests import containers
from tests.harness import chart
from tests.harness.apiserver import ApiServer
from tests.harness.chart import template
from tests.harness.client import Object
from tests.harness.cluster import RBAC_KINDS, Cluster, Run, installed
from tests.harness.versions import minor_of

NODE = "node-bj-01"
EXPECTED = {
    "socks-proxy": {
        "name": "socks-node-bj-01",
        "selector": {"app": "socks-agent", "target-node": NODE},
        "ports": [("socks", 1080, "socks", "TCP")],
    },
    "pgbouncer": {
        "name": "pg-node-bj-01",
        "selector": {"app": "pgbouncer-agent", "target-node": NODE},
        "ports": [("postgres", 5432, "pgbouncer", "TCP")],
    },
    "snmp": {
        "name": "snmp-node-bj-01",
        "selector": {"app": "snmp-agent", "target-node": NODE},
        "ports": [("snmp", 161, 1161, "UDP")],
    },
    "second-namespace": {
        "name": "nodeproxy-access-node-bj-01",
        "selector": {"app": "nodeproxy-agent", "target-node": NODE},
        "ports": [("http-proxy", 8888, 8888, "TCP")],
    },
}
NAMESPACES = {
    "socks-proxy": "project-socks",
    "pgbouncer": "project-pgbouncer",
    "snmp": "project-snmp",
    "second-namespace": "project-nodeproxy-team-a",
}
SOCKS = {"app": "socks-proxy"}


@dataclass
class Stack:
    """The objects of one example, rendered by helm, on a real API server."""

    api: ApiServer
    cluster: Cluster
    objects: list[Object]
    namespace: str

    def pod(self, node: str = NODE) -> Object:
        """Create the Pod that the DaemonSet controller and the scheduler make from the template."""
        made = template(self.objects, "DaemonSet")
        meta = {**made["metadata"], "generateName": "agent-"}
        body = {"kind": "Pod", "metadata": meta, "spec": {**made["spec"], "nodeName": node}}
        return self.api.admin.create(f"/api/v1/namespaces/{self.namespace}/pods", body)

    def registrar(self, pod: Object) -> Run:
        [container] = template(self.objects, "DaemonSet")["spec"]["initContainers"]
        bound = (pod["metadata"]["name"], pod["metadata"]["uid"])
        return self._run("registrar", container, pod["spec"]["serviceAccountName"], pod, bound)

    def janitor(self) -> Run:
        spec = template(self.objects, "CronJob")["spec"]
        [container] = spec["containers"]
        return self._run("janitor", container, spec["serviceAccountName"], {}, None, "--output", "json")

    def _run(
        self, program: str, container: Any, account: str, pod: Object, bound: tuple[str, str] | None, *flags: str
    ) -> Run:
        env = {each["name"]: each.get("value") or field(pod, each) for each in container.get("env", [])}
        token = self.api.service_account_token(self.namespace, account, pod=bound)
        config = self.api.token_kubeconfig(token, self.namespace)
        return self.cluster.run(program, {**env, "KUBECONFIG": str(config)}, flags)

    def services(self) -> list[Object]:
        return self.api.admin.list(f"/api/v1/namespaces/{self.namespace}/services")


def field(pod: Object, variable: Any) -> str:
    """The value of a field such as `spec.nodeName`, as the downward API gives it."""
    path = variable["valueFrom"]["fieldRef"]["fieldPath"]
    return str(reduce(lambda found, key: found[key], path.split("."), pod))


def rendered(example: str, kubernetes: str) -> list[Object]:
    return chart.render(chart.example(example), namespace=NAMESPACES[example], kubernetes=kubernetes)


@pytest.fixture(params=EXPECTED)
def example(request: pytest.FixtureRequest) -> str:
    """An example's values file."""
    return str(request.param)


@pytest.fixture
def stack(example: str, api: ApiServer, cluster: Cluster) -> Iterator[Stack]:
    """An example's namespace with its RBAC objects and nothing else."""
    namespace = NAMESPACES[example]
    objects = rendered(example, minor_of(api.version))
    api.ensure_namespace(namespace)
    rights = [each for each in objects if each["kind"] in RBAC_KINDS]
    api.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(rights))
    api.wipe(namespace)
    yield Stack(api, cluster, objects, namespace)
    api.wipe(namespace)


def test_the_example_registers_under_its_own_name_port_and_selector(example: str, stack: Stack) -> None:
    cluster, pod = stack.cluster, stack.pod()
    cluster.node(NODE)
    run = stack.registrar(pod)
    assert run.code == 0, run.err

    [service] = stack.services()
    spec = service["spec"]
    assert {
        "name": service["metadata"]["name"],
        "selector": spec["selector"],
        "ports": [(each["name"], each["port"], each["targetPort"], each["protocol"]) for each in spec["ports"]],
    } == EXPECTED[example]


def test_the_service_leads_to_the_examples_own_pod(stack: Stack) -> None:
    """Its selector matches the labels of the pod, and its target port is a port of a container."""
    stack.cluster.node(NODE)
    pod = stack.pod()
    assert stack.registrar(pod).code == 0

    [spec] = [each["spec"] for each in stack.services()]
    where = f"/api/v1/namespaces/{stack.namespace}/pods/{pod['metadata']['name']}"
    assert spec["selector"].items() <= stack.api.admin.get(where)["metadata"]["labels"].items()
    ports = [port for each in containers(pod["spec"]) for port in each.get("ports", [])]
    reached = {port["name"] for port in ports} | {port["containerPort"] for port in ports}
    assert {each["targetPort"] for each in spec["ports"]} <= reached


def test_the_examples_janitor_deletes_the_service_only_when_node_and_pod_are_gone(example: str, stack: Stack) -> None:
    cluster, pod, name = stack.cluster, stack.pod(), EXPECTED[example]["name"]
    cluster.node(NODE)
    cluster.node("node-sh-02")  # in a cluster without nodes the janitor deletes nothing
    assert stack.registrar(pod).code == 0
    assert stack.janitor().verdicts == {name: ("keep", None)}

    cluster.delete_node(NODE)
    assert stack.janitor().verdicts == {name: ("wait", None)}

    stack.api.admin.delete(
        f"/api/v1/namespaces/{stack.namespace}/pods/{pod['metadata']['name']}",
        {"kind": "DeleteOptions", "gracePeriodSeconds": 0},
    )
    assert stack.janitor().verdicts == {name: ("delete", "deleted")}
    assert stack.services() == []


def test_the_janitor_of_project_nodeproxy_ignores_the_examples_service(stack: Stack) -> None:
    stack.cluster.node(NODE)
    assert stack.registrar(stack.pod()).code == 0

    assert stack.cluster.janitor().verdicts == {}


def test_cluster_scoped_objects_of_all_stacks_have_different_names(api: ApiServer) -> None:
    """With equal names, the stack that is applied last would take away the right to read Nodes from other janitors."""
    kubernetes = minor_of(api.version)
    stacks = [chart.render(kubernetes=kubernetes), *(rendered(example, kubernetes) for example in EXPECTED)]
    named = [
        (each["kind"], each["metadata"]["name"])
        for objects in stacks
        for each in objects
        if "namespace" not in each["metadata"]
    ]

    assert named
    assert len(named) == len(set(named))


def test_the_api_server_accepts_the_example(stack: Stack, api: ApiServer) -> None:
    for each in stack.objects:
        text = yaml.safe_dump(each)
        assert "(server dry run)" in api.kubectl("apply", "--dry-run=server", "-f", "-", input=text).stdout


@pytest.mark.parametrize("kind", ["DaemonSet", "CronJob"])
def test_the_example_is_as_safe_as_the_first_stack(stack: Stack, kind: str) -> None:
    pod = template(stack.objects, kind)["spec"]

    first.test_no_pod_gets_environment_variables_for_services(pod)
    first.test_only_our_own_container_mounts_the_token(pod)
    first.test_no_pod_opens_a_host_port(pod)
    first.test_every_container_meets_pod_security_restricted(pod)


def test_the_examples_programs_have_exactly_the_rights_of_the_first_stack(stack: Stack) -> None:
    assert rules(stack.objects) == rules(installed())


def rules(objects: list[Object]) -> list[Any]:
    return sorted((each["kind"], str(each["rules"])) for each in objects if "rules" in each)


# ---- two stacks in one namespace


def register_socks(cluster: Cluster, *flags: str) -> Object:
    """Register a pod of a second DaemonSet in the namespace of the first."""
    pod = cluster.pod(NODE, labels=SOCKS)
    run = cluster.registrar(
        pod, "--service-prefix", "socks-", "--port", "socks=1080", "--selector", "app=socks-proxy", *flags
    )
    assert run.code == 0, run.err
    return pod


@pytest.fixture
def both(cluster: Cluster) -> Cluster:
    """A cluster of two nodes, one of which has a registered agent pod."""
    cluster.node("node-sh-02")
    cluster.register(NODE)
    return cluster


def test_one_janitor_judges_the_services_of_two_stacks_with_the_same_node_label(both: Cluster) -> None:
    socks = register_socks(both)
    assert both.janitor().verdicts == {f"nodeproxy-access-{NODE}": ("keep", None), f"socks-{NODE}": ("keep", None)}

    both.delete_node(NODE)
    [first] = [each for each in both.admin.list("/api/v1/namespaces/project-nodeproxy/pods") if not same(each, socks)]
    both.delete_pod(first)
    # a pod of either stack keeps the Services of both
    assert {verdict for verdict, _ in both.janitor().verdicts.values()} == {"wait"}

    both.delete_pod(socks)
    assert set(both.janitor("--max-delete", "100%").verdicts.values()) == {("delete", "deleted")}


def test_a_missing_service_is_not_reported_while_another_stack_has_one_for_the_node(both: Cluster) -> None:
    register_socks(both)
    both.admin.delete(f"/api/v1/namespaces/project-nodeproxy/services/nodeproxy-access-{NODE}")

    assert "Nodes with an agent pod but no Service" not in both.janitor().err


def test_a_service_with_another_node_label_is_never_deleted(both: Cluster) -> None:
    register_socks(both, "--node-label", "socks-node")
    assert both.janitor().verdicts[f"socks-{NODE}"] == ("keep", None)

    both.lose(NODE)
    assert both.janitor().verdicts == {
        f"nodeproxy-access-{NODE}": ("delete", "deleted"),
        f"socks-{NODE}": ("unknown", None),
    }


def same(one: Object, other: Object) -> bool:
    return bool(one["metadata"]["uid"] == other["metadata"]["uid"])
