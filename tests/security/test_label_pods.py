"""`admission.labelPods`: a policy labels agent pods at binding, and the registrar works without any right on pods."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from registrar import contract
from registrar.pod import Unlabelled
from tests.harness import chart
from tests.harness.apiserver import ApiServer
from tests.harness.client import ApiError, Object
from tests.harness.cluster import NAMESPACE, NODES, PODS, RBAC_KINDS, REGISTRAR, ROOT, SERVICES, Cluster
from tests.harness.features import Feature
from tests.harness.processes import bare_environment, wait_until
from tests.security.in_force import BINDINGS, bind, in_force, scheduler, unscheduled

pytestmark = [pytest.mark.needs(Feature.MUTATING_POLICY), pytest.mark.xdist_group("confinement")]
DAEMONSETS = f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets"
AGENT = "nodeproxy-agent-x7k2p"  # a name as the DaemonSet controller makes it
OBJECTS = chart.render({"admission": {"labelPods": True}})


@pytest.fixture(scope="module", autouse=True)
def _held(api: ApiServer, _cluster: Cluster) -> Iterator[None]:
    api.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(each for each in OBJECTS if each["kind"] in RBAC_KINDS))
    _cluster.await_right(REGISTRAR, "patch", "pods", allowed=False)
    with in_force(api, OBJECTS):
        yield
    _cluster.apply_rbac()
    _cluster.await_right(REGISTRAR, "patch", "pods", allowed=True)


@pytest.fixture
def bound(cluster: Cluster) -> Callable[..., Object]:
    """Creates a pod and binds it as the scheduler does; the pod."""

    def created(node: str, name: str = AGENT, **labels: str) -> Object:
        unscheduled(cluster.api, name)
        bind(scheduler(cluster.api), name, node, **labels)
        return cluster.admin.get(f"{PODS}/{name}")

    return created


@pytest.fixture
def podinfo(tmp_path: Path) -> Path:
    """The file in which kubelet writes the labels of the pod."""
    return tmp_path / "labels"


def write(podinfo: Path, pod: Object, **changed: str | None) -> str:
    """Write the labels of `pod` as kubelet does; None leaves one out. Returns the path."""
    labels = {**pod["metadata"]["labels"], **changed}
    lines = [f'{key}="{value}"' for key, value in sorted(labels.items()) if value is not None]
    podinfo.write_text("\n".join(lines))
    return str(podinfo)


# ---- the policy


def test_a_pod_of_the_daemonset_is_bound_with_its_nodes_label(bound: Callable[..., Object]) -> None:
    pod = bound("ip-10-0-1-23.ec2.internal")
    assert pod["spec"]["nodeName"] == "ip-10-0-1-23.ec2.internal"
    assert pod["metadata"]["labels"] == {"app": "nodeproxy-agent", "target-node": "ip-10-0-1-23.ec2.internal"}


def test_whoever_binds_it_chooses_no_other_label(bound: Callable[..., Object]) -> None:
    assert bound("node-a", **{contract.NODE_LABEL: "node-b"})["metadata"]["labels"][contract.NODE_LABEL] == "node-a"


@pytest.mark.parametrize(
    "name", ["nodeproxy-cleaner-29391840-x7k2p", "nodeproxy-agent-x7k2p-1", "my-nodeproxy-agent-x7k2p"]
)
def test_a_pod_that_is_not_the_daemonsets_is_left_alone(bound: Callable[..., Object], name: str) -> None:
    assert contract.NODE_LABEL not in bound("node-a", name)["metadata"]["labels"]


def test_a_pod_of_another_namespace_is_left_alone(cluster: Cluster) -> None:
    pods = "/api/v1/namespaces/default/pods"
    cluster.api.ensure_service_account("default", "default")
    spec = {"containers": [{"name": "x", "image": "x"}]}
    cluster.admin.create(pods, {"metadata": {"name": AGENT, "labels": contract.AGENT_SELECTOR}, "spec": spec})
    try:
        bind(scheduler(cluster.api), AGENT, "node-a", f"{pods}/{AGENT}/binding")
        assert contract.NODE_LABEL not in cluster.admin.get(f"{pods}/{AGENT}")["metadata"]["labels"]
    finally:
        cluster.admin.delete(f"{pods}/{AGENT}", {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})


@pytest.mark.parametrize("size", [63, 64, 253])
def test_a_long_node_name_gives_the_label_value_of_the_contract(
    cluster: Cluster, bound: Callable[..., Object], size: int
) -> None:
    node = "n" * size
    assert bound(node)["metadata"]["labels"][contract.NODE_LABEL] == contract.label_value(node)
    # An invalid label value would block every later update.
    assert cluster.admin.patch(f"{PODS}/{AGENT}", {"metadata": {"annotations": {"x": "y"}}})


# ---- the registrar


def test_a_registration_is_two_requests(
    cluster: Cluster, api: ApiServer, bound: Callable[..., Object], podinfo: Path
) -> None:
    pod = bound("node-a")
    mark = api.audit_mark()

    run = cluster.registrar(pod, REGISTRAR_POD_LABELS=write(podinfo, pod))

    assert run.code == 0, run.err
    asked = api.requests_since(mark, user_agent="nodeproxy-registrar")
    assert [(each.verb, each.resource) for each in asked] == [("get", "services"), ("patch", "services")]
    assert cluster.service_of("node-a")["spec"]["selector"].items() <= pod["metadata"]["labels"].items()


def test_its_token_cannot_touch_a_pod(cluster: Cluster, api: ApiServer, bound: Callable[..., Object]) -> None:
    meta = bound("node-a")["metadata"]
    thief = api.client(api.service_account_token(NAMESPACE, REGISTRAR, (meta["name"], meta["uid"])))
    with pytest.raises(ApiError, match='cannot patch resource "pods"'):
        thief.patch(f"{PODS}/{meta['name']}", {"metadata": {"labels": {contract.NODE_LABEL: "node-a"}}})


@pytest.mark.parametrize("label", [None, "node-b"], ids=["none", "another node's"])
def test_a_pod_without_its_nodes_label_is_exit_4_before_any_request(
    cluster: Cluster, api: ApiServer, bound: Callable[..., Object], podinfo: Path, label: str | None
) -> None:
    pod = bound("node-a")
    mark = api.audit_mark()

    run = cluster.registrar(pod, REGISTRAR_POD_LABELS=write(podinfo, pod, **{contract.NODE_LABEL: label}))

    assert run.code == 4
    assert run.last_line.endswith(
        f"cannot register Pod project-nodeproxy/{AGENT}: it does not have the label target-node=node-a, "
        "which an admission policy gives to a pod when it is bound to its node; "
        "delete the pod: its DaemonSet creates a new one; "
        "if that has no label either, set admission.labelPods=false in the chart"
    )
    assert not api.requests_since(mark, user_agent="nodeproxy-registrar")


def test_a_pod_without_a_label_of_the_selector_is_named_before_any_request(
    cluster: Cluster, api: ApiServer, bound: Callable[..., Object], podinfo: Path
) -> None:
    pod = bound("node-a")
    mark = api.audit_mark()

    run = cluster.registrar(pod, REGISTRAR_POD_LABELS=write(podinfo, pod, app="other"))

    assert run.code == 1
    assert "does not have the label app=nodeproxy-agent, so no Service can lead to it" in run.last_line
    assert not api.requests_since(mark, user_agent="nodeproxy-registrar")


def test_a_file_that_cannot_be_read_is_a_bad_setting(cluster: Cluster, bound: Callable[..., Object]) -> None:
    run = cluster.registrar(bound("node-a"), REGISTRAR_POD_LABELS="/nowhere/labels")
    assert run.code == 2
    assert "bad setting --pod-labels (REGISTRAR_POD_LABELS): cannot read /nowhere/labels: No such file" in run.last_line


def test_a_dry_run_prints_the_service(cluster: Cluster, bound: Callable[..., Object], podinfo: Path) -> None:
    pod = bound("node-a")
    run = cluster.registrar(pod, "--dry-run", REGISTRAR_POD_LABELS=write(podinfo, pod))
    assert [each["kind"] for each in yaml.safe_load_all(run.out)] == ["Service"]
    assert cluster.services() == {}


def test_a_resync_is_two_requests_and_sees_a_label_that_is_gone(
    cluster: Cluster, api: ApiServer, bound: Callable[..., Object], podinfo: Path, tmp_path: Path
) -> None:
    pod, log = bound("node-a"), tmp_path / "log"
    env = {**bare_environment(), **cluster.registrar_env(pod), "REGISTRAR_POD_LABELS": write(podinfo, pod)}
    command = [sys.executable, "-m", "registrar", "--resync", "1s"]
    mark = api.audit_mark()
    with ExitStack() as stack:
        out = stack.enter_context(log.open("wb"))
        program = stack.enter_context(subprocess.Popen(command, cwd=ROOT, env=env, stderr=out))
        stack.callback(program.terminate)
        wait_until(lambda: "leads to node node-a" in log.read_text(), 30, "the first registration")
        cluster.admin.delete(f"{SERVICES}/{contract.service_name('node-a')}")
        wait_until(lambda: "it is restored" in log.read_text(), 30, "the Service again")
        write(podinfo, pod, **{contract.NODE_LABEL: None})
        wait_until(lambda: "next try within 1s" in log.read_text(), 30, "a failed interval")
        assert program.poll() is None
    asked = [each.resource for each in api.requests_since(mark, user_agent="nodeproxy-registrar")]
    assert {*asked} == {"services"}


# ---- pods that were bound before the policy was in force


@pytest.fixture
def daemonset(cluster: Cluster, api: ApiServer) -> Iterator[Object]:
    """The chart's DaemonSet, with its real controller, on a node."""
    daemonset: Object = chart.the(OBJECTS, "DaemonSet", "nodeproxy-agent")
    cluster.admin.create(NODES, {"metadata": {"name": "node-a", "labels": {"kubernetes.io/os": "linux"}}})
    cluster.admin.patch(f"{NODES}/node-a", {"spec": {"taints": None}})  # not-ready, which a new Node gets
    cluster.admin.create(DAEMONSETS, daemonset)
    with api.controller("daemonset-controller"):
        yield daemonset
    cluster.admin.delete(f"{DAEMONSETS}/nodeproxy-agent", {"kind": "DeleteOptions", "propagationPolicy": "Orphan"})


def next_pod(cluster: Cluster, before: str = "") -> Object:
    """The pod that the controller creates in place of `before`, by name."""

    def others() -> list[Object]:
        return [each for each in cluster.admin.list(PODS) if each["metadata"]["name"] != before]

    wait_until(others, 60, "a pod of the DaemonSet")
    [pod] = others()
    return pod


def test_a_pod_that_was_bound_too_early_fails_and_is_replaced_by_one_with_the_label(
    cluster: Cluster, daemonset: Object, podinfo: Path
) -> None:
    """The policy does not act on the legacy resource. kubelet, which sets the phase, is not a part of this test."""
    early = next_pod(cluster)["metadata"]["name"]
    bind(cluster.admin, early, "node-a", BINDINGS)
    pod = cluster.admin.get(f"{PODS}/{early}")
    assert cluster.registrar(pod, REGISTRAR_POD_LABELS=write(podinfo, pod)).code == Unlabelled.exit_code

    [container] = daemonset["spec"]["template"]["spec"]["initContainers"]
    others = {"operator": "NotIn", "values": [Unlabelled.exit_code]}
    assert container["restartPolicy"] == "Never"
    assert container["restartPolicyRules"] == [{"action": "Restart", "exitCodes": others}]
    cluster.admin.patch(f"{PODS}/{early}/status", {"status": {"phase": "Failed"}})

    late = next_pod(cluster, early)["metadata"]["name"]
    bind(scheduler(cluster.api), late, "node-a")
    pod = cluster.admin.get(f"{PODS}/{late}")
    assert cluster.registrar(pod, REGISTRAR_POD_LABELS=write(podinfo, pod)).code == 0
