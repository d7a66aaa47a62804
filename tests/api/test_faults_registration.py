"""Registrations that users of comparable programs report as broken (restored Services, odd pods, changed settings)."""

import json
from typing import Any

import pytest

from registrar import contract
from tests.harness.client import Object
from tests.harness.cluster import NAMESPACE, PODS, REGISTRAR, SERVICES, Cluster
from tests.harness.features import Feature
from tests.harness.gateway import Gateway
from tests.harness.rules import Reply

WHERE = f"{SERVICES}/nodeproxy-access-node-a"
OURS = {"app": "nodeproxy-agent", "target-node": "node-a"}
IDENTITY = ("NODE_NAME", "POD_NAME", "POD_NAMESPACE", "POD_UID")


@pytest.fixture
def pod(cluster: Cluster) -> Object:
    """An agent pod on node-a that has not registered."""
    cluster.node("node-a")
    return cluster.pod("node-a")


@pytest.fixture
def registered(cluster: Cluster, pod: Object) -> Object:
    """The Service of node-a."""
    assert cluster.registrar(pod).code == 0
    return cluster.service_of("node-a")


# ---- whose Service it is


def restored(registered: Object, **selector: str) -> Object:
    """What a backup tool or `kubectl create` makes of the Service: without the history of its fields."""
    spec = {key: registered["spec"][key] for key in ("type", "ports")}
    meta = {key: registered["metadata"][key] for key in ("name", "labels", "annotations")}
    return {"kind": "Service", "metadata": meta, "spec": {**spec, "selector": {**OURS, **selector}}}


def test_a_restored_service_with_another_selector_is_taken_over_only_if_asked(
    cluster: Cluster, registered: Object, pod: Object
) -> None:
    cluster.admin.delete(WHERE)
    cluster.admin.create(SERVICES, restored(registered, app="socks-agent"))

    refused = cluster.registrar(pod)
    assert (refused.code, "another DaemonSet registers under this prefix" in refused.last_line) == (1, True)
    assert cluster.service_of("node-a")["spec"]["selector"]["app"] == "socks-agent"

    run = cluster.registrar(pod, "--take-over")
    assert run.code == 0, run.err
    assert cluster.service_of("node-a")["spec"]["selector"] == OURS


def test_a_restored_service_with_our_selector_is_registered_again(
    cluster: Cluster, registered: Object, pod: Object
) -> None:
    cluster.admin.delete(WHERE)
    cluster.admin.create(SERVICES, restored(registered))
    run = cluster.registrar(pod)
    assert run.code == 0, run.err


# ---- who the registrar is


def run_with(cluster: Cluster, pod: Object, *names: str, **others: str) -> Any:
    """Run the registrar with only these variables of its pod."""
    env = cluster.registrar_env(pod)
    kept = {key: value for key, value in env.items() if key in names or key not in IDENTITY}
    return cluster.run("registrar", kept | others)


def test_the_two_variables_of_the_hand_rolled_stack_are_enough(cluster: Cluster, pod: Object) -> None:
    run = run_with(cluster, pod, "NODE_NAME", "POD_NAME")
    assert run.code == 0, run.err
    service = cluster.service_of("node-a")
    assert service["metadata"]["annotations"][contract.REGISTERED_BY_ANNOTATION] == pod["metadata"]["uid"]


@pytest.mark.needs(Feature.NODE_IN_TOKEN)
def test_no_variable_is_needed_where_the_token_names_the_node(cluster: Cluster, pod: Object) -> None:
    run = run_with(cluster, pod)
    assert run.code == 0, run.err
    assert cluster.service_of("node-a")["spec"]["selector"] == OURS


def test_a_namespace_that_contradicts_the_token_is_refused(cluster: Cluster, pod: Object) -> None:
    run = run_with(cluster, pod, "NODE_NAME", POD_NAMESPACE="default")
    assert run.code == 2
    assert "'default', but the token is bound to a pod of namespace 'project-nodeproxy'" in run.last_line


def test_without_a_bound_token_what_is_not_set_is_a_bad_setting(cluster: Cluster, pod: Object) -> None:
    unbound = cluster.api.token_kubeconfig(cluster.api.service_account_token(NAMESPACE, REGISTRAR), NAMESPACE)
    run = run_with(cluster, pod, "NODE_NAME", "POD_NAME", KUBECONFIG=str(unbound))
    assert run.code == 2
    assert "bad setting POD_UID (--pod-uid): it is not set; downward API: fieldRef metadata.uid" in run.last_line


# ---- the pod


def test_a_pod_without_a_label_of_the_selector_is_named(cluster: Cluster) -> None:
    """Kustomize's commonLabels change the DaemonSet and its pods, and not our settings."""
    run = cluster.registrar(cluster.pod("node-a", labels={"app": "x"}))
    assert run.code == 1
    assert "the pod does not have the label app=nodeproxy-agent, so no Service can lead to it" in run.last_line
    assert cluster.services() == {}


def test_a_pod_that_lists_something_twice_registers(cluster: Cluster) -> None:
    """Before Kubernetes 1.29 no apply succeeds on such a pod (kubernetes/kubernetes#118261)."""
    pod = cluster.admin.create(
        PODS,
        {
            "kind": "Pod",
            "metadata": {"name": "twice", "labels": contract.AGENT_SELECTOR},
            "spec": {
                "nodeName": "node-a",
                "serviceAccountName": REGISTRAR,
                "automountServiceAccountToken": False,
                "imagePullSecrets": [{"name": "a"}, {"name": "a"}],
                "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["a"]}, {"ip": "192.0.2.1", "hostnames": ["b"]}],
                "containers": [
                    {"name": "c", "image": "x", "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}
                ],
            },
        },
    )
    run = cluster.registrar(pod)
    assert run.code == 0, run.err
    assert cluster.pod_labels(pod) == OURS


def test_an_apply_that_such_a_pod_prevents_is_a_merge_patch_at_once(
    cluster: Cluster, gateway: Gateway, pod: Object
) -> None:
    message = 'failed to create manager: .spec.containers[name="c"].env: duplicate entries for key [name="A"]'
    status = {"kind": "Status", "status": "Failure", "message": message, "code": 500}
    gateway.rule("PATCH", "/pods/", reply=Reply(500, json.dumps(status).encode(), {"Content-Type": "application/json"}))
    run = cluster.registrar(pod, server=gateway.url)
    assert run.code == 0, run.err
    assert "attempt" not in run.err
    assert cluster.pod_labels(pod) == OURS


def test_such_a_merge_patch_cannot_label_another_pod(cluster: Cluster, gateway: Gateway, pod: Object) -> None:
    env = cluster.registrar_env(pod, server=gateway.url)
    env["KUBECONFIG"] = str(
        cluster.api.token_kubeconfig(cluster.api.service_account_token(NAMESPACE, REGISTRAR), server=gateway.url)
    )
    cluster.delete_pod(pod)
    newer = cluster.pod("node-a", pod["metadata"]["name"])
    status = {"kind": "Status", "status": "Failure", "message": "duplicate entries for key [name]", "code": 500}
    gateway.rule("PATCH", "/pods/", reply=Reply(500, json.dumps(status).encode(), {"Content-Type": "application/json"}))
    run = cluster.run("registrar", env)
    assert run.code == 1
    assert "it was replaced, the new one registers itself" in run.last_line or "there is no pod" in run.last_line
    assert "target-node" not in cluster.pod_labels(newer)


# ---- what others left behind

RANGES = {"loadBalancerSourceRanges": ["192.0.2.0/24"]}
OTHER_TYPES: dict[str, Object] = {
    "LoadBalancer with source ranges": {"spec": {"type": "LoadBalancer", **RANGES}},
    "LoadBalancer with source ranges in an annotation": {
        "metadata": {"annotations": {"service.beta.kubernetes.io/load-balancer-source-ranges": "192.0.2.0/24"}},
        "spec": {"type": "LoadBalancer"},
    },
    "LoadBalancer with all it may have": {
        "spec": {
            "type": "LoadBalancer",
            "externalTrafficPolicy": "Local",
            "loadBalancerIP": "192.0.2.7",
            **RANGES,
        }
    },
    "NodePort": {"spec": {"type": "NodePort", "externalTrafficPolicy": "Local"}},
    "ExternalName": {"spec": {"type": "ExternalName", "externalName": "example.test", "clusterIP": None}},
}


@pytest.mark.parametrize("edit", OTHER_TYPES.values(), ids=[*OTHER_TYPES])
def test_a_service_that_was_given_another_type_is_put_right(
    cluster: Cluster, registered: Object, pod: Object, edit: Object
) -> None:
    cluster.admin.patch(WHERE, edit, fieldManager="kubectl-edit")
    run = cluster.registrar(pod)
    assert run.code == 0, run.err
    spec = cluster.service_of("node-a")["spec"]
    assert (spec["type"], spec["selector"], [each["port"] for each in spec["ports"]]) == ("ClusterIP", OURS, [8888])
    assert not {"loadBalancerSourceRanges", "loadBalancerIP", "externalName", "externalTrafficPolicy"} & spec.keys()


@pytest.mark.parametrize("edited", [False, True], ids=["by apply", "by merge patch"])
def test_another_node_label_replaces_the_old_one(
    cluster: Cluster, registered: Object, pod: Object, edited: bool
) -> None:
    if edited:  # then the next registration is a merge patch, which has another entry in managedFields
        cluster.admin.patch(WHERE, {"spec": {"selector": {"tier": "edge"}}}, fieldManager="kubectl-edit")
        assert cluster.registrar(pod).code == 0
    cluster.admin.patch(WHERE, {"metadata": {"labels": {"by-hand": "x"}}}, fieldManager="kubectl-edit")

    run = cluster.registrar(pod, "--node-label", "node", "--take-over")
    assert run.code == 0, run.err
    service = cluster.service_of("node-a")
    assert service["metadata"]["labels"] == {**contract.SERVICE_LABELS, "node": "node-a", "by-hand": "x"}
    assert service["spec"]["selector"] == {"app": "nodeproxy-agent", "node": "node-a"}
