"""What the pods may do to the API server and to their node."""

from typing import Any

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.layout import BEIJING, SHANGHAI
from tests.e2e.stack import Stack
from tests.harness.client import ApiClient, ApiError
from tests.harness.cluster import PODS, SERVICES

SECRETS = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME = "/var/lib/kubelet/pods/{uid}/volumes/kubernetes.io~projected/api-access/token"


def test_the_proxy_container_has_no_token(nodeproxy: Stack) -> None:
    for pod in nodeproxy.agents().values():
        name = pod["metadata"]["name"]
        find = ("find", "/run", "/var/run/", "-name", "token*")
        assert not nodeproxy.kubectl("exec", name, "--container=proxy", "--", *find)
        (registrar,) = pod["spec"]["initContainers"]
        (proxy,) = pod["spec"]["containers"]
        assert [mount["mountPath"] for mount in registrar["volumeMounts"]] == [SECRETS]
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
    """The token is read from the volume on the node, as root on that node can do."""
    agents = nodeproxy.agents()
    own, other = (agents[site.node]["metadata"] for site in (BEIJING, SHANGHAI))
    thief = cluster.api.client(cluster.nodes[BEIJING.node].run("cat", VOLUME.format(uid=own["uid"])))
    service, others_service = (f"{SERVICES}/{name}" for name in sorted(nodeproxy.services()))
    to_own_node = {"target-node": BEIJING.node}

    thief.patch(service, {"metadata": {"labels": to_own_node}})  # its own Service and pod: allowed
    thief.patch(f"{PODS}/{own['name']}", {"metadata": {"labels": to_own_node}})

    assert "'nodeproxy-registrar-services'" in denial(thief, others_service, {"spec": {"selector": to_own_node}})
    assert "'nodeproxy-registrar-services'" in denial(thief, others_service, {"metadata": {"labels": {"a": "b"}}})
    assert "'nodeproxy-registrar-pods'" in denial(
        thief, f"{PODS}/{other['name']}", {"metadata": {"labels": {"a": "b"}}}
    )
    # an attempt to get the other node's traffic: two policies refuse it, and either may answer
    drawn = denial(thief, f"{PODS}/{own['name']}", {"metadata": {"labels": {"target-node": SHANGHAI.node}}})
    assert "'nodeproxy-registrar-pods'" in drawn or "'nodeproxy-agent-pods'" in drawn


def denial(thief: ApiClient, path: str, body: Any) -> str:
    """The message with which an admission policy refuses a merge patch."""
    with pytest.raises(ApiError, match="ValidatingAdmissionPolicy ") as refused:
        thief.patch(path, body)
    assert refused.value.status == 403
    return str(refused.value)
