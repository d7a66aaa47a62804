"""manifests/install.yaml: named as the stack that it replaces, and safe by default."""

from typing import Any

import pytest
import yaml

from tests.harness.chart import template
from tests.harness.cluster import ROOT, installed


@pytest.fixture(params=["DaemonSet", "CronJob"])
def pod(request: pytest.FixtureRequest) -> Any:
    """The pod spec of the DaemonSet, then of the CronJob."""
    return template(installed(), request.param)["spec"]


def containers(pod: Any) -> list[Any]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def test_objects_are_named_as_in_the_hand_rolled_stack() -> None:
    named = {(each["kind"], each["metadata"]["name"]): each for each in installed()}

    assert ("Namespace", "project-nodeproxy") in named
    agent = named["DaemonSet", "nodeproxy-agent"]
    assert agent["spec"]["selector"] == {"matchLabels": {"app": "nodeproxy-agent"}}  # immutable
    cleaner = named["CronJob", "nodeproxy-cleaner"]
    assert (cleaner["apiVersion"], cleaner["spec"]["schedule"]) == ("batch/v1", "0 3 * * *")


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


def test_each_program_has_its_own_service_account() -> None:
    accounts = [template(installed(), kind)["spec"]["serviceAccountName"] for kind in ("DaemonSet", "CronJob")]
    assert accounts == ["nodeproxy-registrar", "nodeproxy-janitor"]


def test_the_host_network_example_can_resolve_the_services_name() -> None:
    pod = yaml.safe_load((ROOT / "manifests/examples/clients/hostnetwork-client.yaml").read_text())

    assert pod["spec"]["hostNetwork"] is True
    assert pod["spec"]["dnsPolicy"] == "ClusterFirstWithHostNet"


def test_the_namespace_enforces_pod_security_restricted() -> None:
    [namespace] = [each for each in installed() if each["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}


def test_a_rollout_never_leaves_a_node_without_a_proxy() -> None:
    [agent] = [each["spec"] for each in installed() if each["kind"] == "DaemonSet"]
    pod = agent["template"]["spec"]
    drain = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]

    assert agent["updateStrategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": "10%"}
    assert 0 < drain < pod["terminationGracePeriodSeconds"]
    assert agent["minReadySeconds"] > 0


def test_bad_settings_and_a_refusal_are_not_tried_again() -> None:
    [cleaner] = [each["spec"]["jobTemplate"]["spec"] for each in installed() if each["kind"] == "CronJob"]

    [rule] = cleaner["podFailurePolicy"]["rules"]
    assert (rule["action"], rule["onExitCodes"]["values"]) == ("FailJob", [2, 3])
    assert cleaner["ttlSecondsAfterFinished"] > 24 * 3600  # the history is kept until the next run


def test_labels_are_on_all_objects_and_pods_and_in_no_selector() -> None:
    """A selector is immutable, and a NetworkPolicy's decides who may connect."""
    ours = [each for each in installed() if each["kind"] != "Namespace"]
    for each in [*ours, *(template(ours, kind) for kind in ("DaemonSet", "CronJob"))]:
        assert each["metadata"]["labels"]["app.kubernetes.io/name"] == "nodeproxy"
    selectors = [each["spec"]["selector"] for each in ours if "selector" in each.get("spec", {})]
    assert "app.kubernetes.io" not in str(selectors)
