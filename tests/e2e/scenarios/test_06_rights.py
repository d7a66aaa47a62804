"""What the pods may do, to the API server and to their node."""

from collections.abc import Iterator

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.stack import Stack
from tests.harness.client import Object
from tests.harness.cluster import NAMESPACE

# https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def test_the_proxy_has_no_token(nodeproxy: Stack) -> None:
    for pod in nodeproxy.agents().values():
        name = pod["metadata"]["name"]
        find = ("find", "/run", "/var/run/", "-name", "token*")
        assert not nodeproxy.kubectl("exec", name, "--container=proxy", "--", *find)
        (registrar,) = pod["spec"]["initContainers"]
        (proxy,) = pod["spec"]["containers"]
        secrets = "/var/run/secrets/kubernetes.io/serviceaccount"
        assert [mount["mountPath"] for mount in registrar["volumeMounts"]] == [secrets]
        assert secrets not in [mount["mountPath"] for mount in proxy["volumeMounts"]]


def test_all_pods_keep_to_the_restricted_pod_security_standard(cluster: Cluster, nodeproxy: Stack) -> None:
    """Judged from the live objects: this server is older than Pod Security admission."""
    nodeproxy.clean_up("to-be-judged")
    pods = cluster.admin.list(f"/api/v1/namespaces/{NAMESPACE}/pods")
    assert {pod["metadata"]["labels"]["app"] for pod in pods} >= {"nodeproxy-agent", "nodeproxy-cleaner"}
    for pod in pods:
        assert [*violations(pod["spec"])] == [], pod["metadata"]["name"]


def violations(spec: Object) -> Iterator[str]:
    """What the standard's level `restricted` forbids, baseline included."""
    yield from (field for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field))
    for volume in spec.get("volumes", []):
        yield from (f"volume {kind}" for kind in volume.keys() - {"name"} - VOLUMES)
    for container in spec.get("initContainers", []) + spec["containers"]:
        context = {**spec.get("securityContext", {}), **container.get("securityContext", {})}
        rules = {
            "privileged": not context.get("privileged"),
            "escalation": context.get("allowPrivilegeEscalation") is False,
            "root": context.get("runAsNonRoot") is True and context.get("runAsUser") != 0,
            "seccomp": context.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"),
            "capabilities": context.get("capabilities", {}).get("drop") == ["ALL"]
            and set(context["capabilities"].get("add", [])) <= {"NET_BIND_SERVICE"},
            "hostPort": not any("hostPort" in port for port in container.get("ports", [])),
            "procMount": context.get("procMount", "Default") == "Default",
            "sysctls": not spec.get("securityContext", {}).get("sysctls"),
        }
        yield from (f"{container['name']}: {rule}" for rule, kept in rules.items() if not kept)


@pytest.mark.parametrize("broken", [{"hostNetwork": True}, {"containers": [{"name": "bare"}]}])
def test_the_judge_itself_sees_violations(broken: Object) -> None:
    assert [*violations({"containers": [], **broken})]
