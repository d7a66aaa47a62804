"""What the pods may do to the API server and to their node."""

from typing import Any

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.layout import BEIJING, SHANGHAI
from tests.e2e.observed import SITES, Observed
from tests.e2e.stack import Stack
from tests.harness.client import ApiClient, ApiError
from tests.harness.cluster import PODS, SERVICES

LABELS = "/etc/podinfo"
SECRETS = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME = "/var/lib/kubelet/pods/{uid}/volumes/kubernetes.io~projected/api-access/token"


def test_the_proxy_container_has_no_token(nodeproxy: Stack) -> None:
    for pod in nodeproxy.agents().values():
        name = pod["metadata"]["name"]
        find = ("find", "/run", "/var/run/", "-name", "token*")
        assert not nodeproxy.kubectl("exec", name, "--container=proxy", "--", *find)
        (registrar,) = pod["spec"]["initContainers"]
        (proxy,) = pod["spec"]["containers"]
        assert [mount["mountPath"] for mount in registrar["volumeMounts"]] == [SECRETS, LABELS]
        assert SECRETS not in [mount["mountPath"] for mount in proxy["volumeMounts"]]


def test_all_pods_start_in_a_namespace_that_enforces_pod_security_restricted(
    cluster: Cluster, nodeproxy: Stack
) -> None:
    """The label is on the namespace from the start, so all pods of all scenarios are admitted under it."""
    nodeproxy.clean_up("under-pod-security")
    assert nodeproxy.agents()
    pod = {"metadata": {"name": "greedy"}, "spec": {"hostNetwork": True, "containers": [{"name": "x", "image": "x"}]}}
    with pytest.raises(ApiError, match='violates PodSecurity "restricted:'):
        cluster.admin.create(PODS, pod)


def test_a_token_taken_from_one_node_is_refused_for_another(cluster: Cluster, nodeproxy: Stack) -> None:
    thief, own = thief_of(cluster, nodeproxy)
    to_own_node = {"metadata": {"labels": {"target-node": BEIJING.node}}}
    service, others_service = (f"{SERVICES}/{name}" for name in sorted(nodeproxy.services()))

    thief.patch(service, to_own_node)  # its own Service: allowed

    hijack = {"spec": {"selector": to_own_node["metadata"]["labels"]}}
    assert "'nodeproxy-registrar-services'" in denial(thief, others_service, hijack)
    assert "'nodeproxy-registrar-services'" in denial(thief, others_service, {"metadata": {"labels": {"a": "b"}}})
    with pytest.raises(ApiError, match='cannot patch resource "pods"'):
        thief.patch(f"{PODS}/{own}", to_own_node)


def test_labelling_by_policy_is_switched_off_and_on_in_a_running_cluster(
    cluster: Cluster, nodeproxy: Stack, observed: Observed
) -> None:
    own_label = Stack(cluster, "own-label")
    for stack, occasion in ((own_label, "registrars label their pods"), (nodeproxy, "a policy labels the pods")):
        with observed.change(occasion, *SITES):
            stack.apply()
            stack.await_rolled_out()
        labels = {node: pod["metadata"]["labels"]["target-node"] for node, pod in stack.agents().items()}
        assert labels == {site.node: site.node for site in SITES}
        if stack is own_label:
            a_stolen_token_labels_only_its_own_pod(cluster, own_label)


def a_stolen_token_labels_only_its_own_pod(cluster: Cluster, stack: Stack) -> None:
    thief, own = thief_of(cluster, stack)
    other = stack.agents()[SHANGHAI.node]["metadata"]["name"]

    thief.patch(f"{PODS}/{own}", {"metadata": {"labels": {"target-node": BEIJING.node}}})

    assert "'nodeproxy-registrar-pods'" in denial(thief, f"{PODS}/{other}", {"metadata": {"labels": {"a": "b"}}})
    # an attempt to get the other node's traffic: two policies refuse it, and either may answer
    drawn = denial(thief, f"{PODS}/{own}", {"metadata": {"labels": {"target-node": SHANGHAI.node}}})
    assert "'nodeproxy-registrar-pods'" in drawn or "'nodeproxy-agent-pods'" in drawn


def thief_of(cluster: Cluster, stack: Stack) -> tuple[ApiClient, str]:
    """A client with the token of Beijing's agent pod, read from its volume as root on that node can do; and the pod."""
    own = stack.agents()[BEIJING.node]["metadata"]
    token = cluster.nodes[BEIJING.node].run("cat", VOLUME.format(uid=own["uid"]))
    return cluster.api.client(token), own["name"]


def denial(thief: ApiClient, path: str, body: Any) -> str:
    """The message with which an admission policy refuses a merge patch."""
    with pytest.raises(ApiError, match="ValidatingAdmissionPolicy ") as refused:
        thief.patch(path, body)
    assert refused.value.status == 403
    return str(refused.value)
