"""manifests/base: accepted by a real API server, and safe by default."""

from typing import Any

import pytest
import yaml

from tests.harness.apiserver import ApiServer
from tests.harness.client import Object
from tests.harness.cluster import ROOT, base
from tests.harness.features import adapted


def template(objects: list[Object], kind: str) -> Any:
    """The pod template of the one object of `kind`."""
    [spec] = [each["spec"] for each in objects if each["kind"] == kind]
    return (spec["jobTemplate"]["spec"] if kind == "CronJob" else spec)["template"]


@pytest.fixture(params=["DaemonSet", "CronJob"])
def pod(request: pytest.FixtureRequest, api: ApiServer) -> Any:
    """The pod spec of the DaemonSet, then of the CronJob."""
    return template(base(api), request.param)["spec"]


def containers(pod: Any) -> list[Any]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def test_the_api_server_accepts_the_base(api: ApiServer) -> None:
    for each in base(api):
        if each["kind"] == "Namespace":  # a dry run does not create it, and objects in it need it
            api.ensure_namespace(each["metadata"]["name"])
        text = adapted(yaml.safe_dump(each), api.version)
        done = api.kubectl("apply", "--dry-run=server", "-f", "-", input=text)
        assert "(server dry run)" in done.stdout


def test_objects_are_named_as_in_the_hand_rolled_stack(api: ApiServer) -> None:
    named = {(each["kind"], each["metadata"]["name"]): each for each in base(api)}

    assert ("Namespace", "project-nodeproxy") in named
    agent = named["DaemonSet", "nodeproxy-agent"]
    assert agent["spec"]["selector"] == {"matchLabels": {"app": "nodeproxy-agent"}}  # immutable
    cleaner = named["CronJob", "nodeproxy-cleaner"]
    assert (cleaner["apiVersion"], cleaner["spec"]["schedule"]) == ("batch/v1", "0 3 * * 1")


def test_no_pod_gets_environment_variables_for_services(pod: Any) -> None:
    assert pod["enableServiceLinks"] is False


def test_only_our_own_container_mounts_the_token(pod: Any) -> None:
    assert pod["automountServiceAccountToken"] is False
    [volume] = [each["name"] for each in pod["volumes"] if "serviceAccountToken" in str(each.get("projected"))]
    mounting = [
        each["name"] for each in containers(pod) if volume in {mount["name"] for mount in each.get("volumeMounts", [])}
    ]
    assert mounting in (["registrar"], ["janitor"])


def test_no_pod_opens_a_host_port(pod: Any) -> None:
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert not [port for each in containers(pod) for port in each.get("ports", []) if "hostPort" in port]


def test_every_container_meets_pod_security_restricted(pod: Any) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted."""
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for each in containers(pod):
        context = each["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["readOnlyRootFilesystem"] is True


def test_each_program_has_its_own_service_account(api: ApiServer) -> None:
    accounts = [template(base(api), kind)["spec"]["serviceAccountName"] for kind in ("DaemonSet", "CronJob")]
    assert accounts == ["nodeproxy-registrar", "nodeproxy-janitor"]


def test_the_host_network_example_can_resolve_the_services_name() -> None:
    pod = yaml.safe_load((ROOT / "manifests/examples/hostnetwork-client.yaml").read_text())

    assert pod["spec"]["hostNetwork"] is True
    assert pod["spec"]["dnsPolicy"] == "ClusterFirstWithHostNet"
