"""The admission policies of a release under another name and in another namespace: the same attacks fail there."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from registrar import contract
from tests.api.test_another_daemonset import Stack
from tests.harness import chart, objects
from tests.harness.apiserver import ApiServer
from tests.harness.client import ApiClient, ApiError, Object
from tests.harness.cluster import Cluster
from tests.harness.features import Feature
from tests.harness.processes import wait_until
from tests.harness.versions import minor_of

pytestmark = [pytest.mark.needs(Feature.ADMISSION_POLICY), pytest.mark.xdist_group("confinement")]
NAMESPACE = "elsewhere"
HERE, THERE = "node-a", "node-b"
NAMES = {
    "the default name": {},
    "another name": {"name": "edge", "service": {"prefix": "edge-", "nodeLabel": "edge-node"}},
}


@pytest.fixture(scope="module", params=NAMES)
def stack(request: pytest.FixtureRequest, api: ApiServer, _cluster: Cluster) -> Iterator[Stack]:
    """A release called otherwise, in a namespace called otherwise, with two registered nodes."""
    api.ensure_namespace(NAMESPACE)
    api.wipe(NAMESPACE)  # tests of other modules leave Services in it
    values: Any = NAMES[request.param]
    objects = chart.render(values, release="release", namespace=NAMESPACE, kubernetes=minor_of(api.version))
    text = yaml.safe_dump_all(objects)
    api.kubectl("apply", "-f", "-", input=text)
    found = Stack(api, _cluster, objects, NAMESPACE)
    wait_until(lambda: denies(found), 60, "the policy on pods denies")
    wait_until(lambda: denies_services(found), 60, "the policy on Services denies")
    for node in (HERE, THERE):
        api.admin.create("/api/v1/nodes", {"kind": "Node", "metadata": {"name": node}})
    yield found
    api.kubectl("delete", "-f", "-", input=text)
    api.wipe(NAMESPACE)


def label(stack: Stack) -> str:
    return str(chart.environment(chart.template(stack.objects, "DaemonSet"), "registrar")["REGISTRAR_NODE_LABEL"])


def prefix(stack: Stack) -> str:
    return str(chart.environment(chart.template(stack.objects, "DaemonSet"), "registrar")["REGISTRAR_SERVICE_PREFIX"])


def denies(stack: Stack) -> bool:
    pod = {
        "kind": "Pod",
        "metadata": {"name": "probe", "labels": {label(stack): "another"}},
        "spec": {"nodeName": "one", "containers": [{"name": "x", "image": "x"}]},
    }
    try:
        stack.api.admin.create(f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All", pod)
    except ApiError as error:
        return error.status == 403
    return False


def denies_services(stack: Stack) -> bool:
    """Whether a registrar's token that is bound to no node is refused by the policy."""
    account = chart.template(stack.objects, "DaemonSet")["spec"]["serviceAccountName"]
    registrar = stack.api.client(stack.api.service_account_token(NAMESPACE, account))
    try:
        registrar.create(f"/api/v1/namespaces/{NAMESPACE}/services?dryRun=All", objects.service("probe"))
    except ApiError as error:
        return "-registrar-services" in error.body["message"]
    return False


def thief(stack: Stack, pod: Object) -> ApiClient:
    """Whoever took the token of this pod's registrar."""
    bound = (pod["metadata"]["name"], pod["metadata"]["uid"])
    return stack.api.client(stack.api.service_account_token(NAMESPACE, pod["spec"]["serviceAccountName"], bound))


@pytest.fixture
def agents(stack: Stack) -> Iterator[dict[str, Object]]:
    """The registered agent pod of each node."""
    pods = {node: stack.pod(node) for node in (HERE, THERE)}
    for pod in pods.values():
        run = stack.registrar(pod)
        assert run.code == 0, run.err
    yield pods
    for pod in pods.values():
        now = {"kind": "DeleteOptions", "gracePeriodSeconds": 0}
        stack.api.admin.delete(f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}", now)


def test_both_programs_work_under_the_policies(stack: Stack, agents: dict[str, Object]) -> None:
    assert stack.registrar(agents[HERE]).code == 0
    assert stack.janitor().verdicts.keys() == {f"{prefix(stack)}{node}" for node in agents}


@pytest.mark.parametrize(
    "patch",
    [{"spec": {"selector": {"app": "mine"}}}, {"metadata": {"labels": {"team": "x"}}}, {"spec": {"type": "NodePort"}}],
    ids=["selector", "label", "type"],
)
def test_a_stolen_token_writes_no_other_nodes_service(stack: Stack, agents: dict[str, Object], patch: Object) -> None:
    victim = f"/api/v1/namespaces/{NAMESPACE}/services/{prefix(stack)}{THERE}"
    with pytest.raises(ApiError, match="-registrar-services") as error:
        thief(stack, agents[HERE]).patch(victim, patch)
    assert error.value.status == 403


def test_a_stolen_token_makes_no_service_of_its_own_choice(stack: Stack, agents: dict[str, Object]) -> None:
    body = {"metadata": {"name": "mine"}, "spec": {"ports": [{"port": 80}]}}
    with pytest.raises(ApiError, match="-registrar-services"):
        thief(stack, agents[HERE]).create(f"/api/v1/namespaces/{NAMESPACE}/services", body)


@pytest.mark.parametrize("tail", [".x", "x" * 200], ids=["dots", "long"])
def test_a_stolen_token_takes_no_hashed_name_of_another_node(stack: Stack, tail: str) -> None:
    own, other = ("n" * 52 + letter + tail for letter in "ab")
    services = f"/api/v1/namespaces/{NAMESPACE}/services"
    robber = thief(stack, stack.pod(own))
    with pytest.raises(ApiError, match="-registrar-services") as error:
        robber.create(services, objects.service(own, name=contract.service_name(other, prefix(stack))))
    assert error.value.status == 403

    victim = stack.pod(other)
    assert stack.registrar(victim).code == 0
    service = f"{services}/{contract.service_name(other, prefix(stack))}"
    spec = stack.api.admin.get(service)["spec"]
    stack.api.admin.delete(service)  # the tests of this module share the namespace
    assert spec["selector"][label(stack)] == contract.label_value(other)


def test_a_stolen_token_labels_no_pod_with_another_node(stack: Stack, agents: dict[str, Object]) -> None:
    pods = f"/api/v1/namespaces/{NAMESPACE}/pods"
    robber = thief(stack, agents[HERE])
    for node, pod in agents.items():
        other = {HERE: THERE, THERE: HERE}[node]
        with pytest.raises(ApiError, match=r"-(registrar|agent)-pods"):
            robber.patch(f"{pods}/{pod['metadata']['name']}", {"metadata": {"labels": {label(stack): other}}})


def test_a_stolen_token_of_the_janitor_deletes_no_service_of_others(stack: Stack) -> None:
    services = f"/api/v1/namespaces/{NAMESPACE}/services"
    stack.api.ensure(services, {"metadata": {"name": "theirs"}, "spec": {"ports": [{"port": 80}]}})
    account = chart.template(stack.objects, "CronJob")["spec"]["serviceAccountName"]
    robber = stack.api.client(stack.api.service_account_token(NAMESPACE, account))
    with pytest.raises(ApiError, match="-janitor-services"):
        robber.delete(f"{services}/theirs")


def test_the_policies_of_another_namespace_do_not_meddle(stack: Stack, cluster: Cluster) -> None:
    """The first stack's registrar is not held by them."""
    cluster.register("node-c")
    assert cluster.service_of("node-c")["metadata"]["annotations"][contract.NODE_NAME_ANNOTATION] == "node-c"
