"""What a registration makes of a Service that a backup restored, that has another type, or labels of older settings."""

from typing import Any

import pytest

from registrar import contract, ownership, service
from registrar.contract import NodeNames
from registrar.live import live_service
from registrar.ownership import Refused
from registrar.service import Apply, Merge, WantedService
from registrar.settings import Settings, parse


def settings(*flags: str) -> Settings:
    return parse(flags, {"NODE_NAME": "node-a", "POD_NAME": "agent-1", "POD_NAMESPACE": "ns", "POD_UID": "uid-1"})


def wanted(*flags: str) -> WantedService:
    return service.wanted(settings(*flags), NodeNames.of("node-a"), "ns", "uid-1")


def live(*, labels: dict[str, str] | None = None, written: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A registered Service; `written` are the fields of a registrar's merge patch, None if no registrar wrote it."""
    body = wanted().body()
    managers = [{"manager": "kubectl-create", "operation": "Update", "fieldsV1": {"f:spec": {"f:selector": {}}}}]
    if written is not None:
        managers.append({"manager": "nodeproxy-registrar", "operation": "Update", "fieldsV1": written})
    meta = body["metadata"] | {"uid": "u", "resourceVersion": "7", "managedFields": managers}
    meta["labels"] |= labels or {}
    return {**body, "metadata": meta, "spec": {**body["spec"], **spec}}


def plan(found: dict[str, Any], *flags: str) -> Apply | Merge:
    parsed, want = live_service("get", found), wanted(*flags)
    ownership.check(parsed, want, settings(*flags))
    return service.plan(parsed, want)


OTHERS = {"app": "socks-agent", "target-node": "node-a"}


def test_another_selector_that_no_registrar_explains_is_refused() -> None:
    with pytest.raises(Refused, match="another DaemonSet"):
        plan(live(selector=OTHERS))
    assert isinstance(plan(live(selector=OTHERS), "--take-over"), Merge)
    assert isinstance(plan(live(selector=OTHERS, written={})), Merge)  # a registrar wrote it, and somebody edited it


def test_a_restored_service_with_our_selector_is_applied() -> None:
    assert isinstance(plan(live()), Apply)


def test_labels_that_a_registrar_wrote_with_other_settings_are_removed() -> None:
    labels: dict[str, Any] = {"f:old": {}, "f:app": {}, "f:gone": {}, ".": {}}
    write = plan(live(labels={"old": "node-a", "others": "x"}, written={"f:metadata": {"f:labels": labels}}))
    assert isinstance(write, Merge)
    assert write.body["metadata"]["labels"] == wanted().body()["metadata"]["labels"] | {"old": None}


def test_the_first_registrar_with_labels_of_its_own_is_applied() -> None:
    assert isinstance(plan(live(labels={"others": "x"}, written={"f:metadata": {"f:labels": {"f:app": {}}}})), Apply)


LOAD_BALANCER: dict[str, Any] = {
    "type": "LoadBalancer",
    "allocateLoadBalancerNodePorts": True,
    "externalTrafficPolicy": "Local",
    "healthCheckNodePort": 30001,
    "internalTrafficPolicy": "Cluster",
    "loadBalancerClass": "example/x",
    "loadBalancerIP": "192.0.2.1",
    "loadBalancerSourceRanges": ["192.0.2.0/24"],
}


def removed(write: Apply | Merge) -> set[str]:
    assert isinstance(write, Merge)
    assert wanted().body()["spec"].items() <= write.body["spec"].items()
    return {key for key, value in write.body["spec"].items() if value is None}


def test_fields_of_another_type_are_removed() -> None:
    write = plan(live(**LOAD_BALANCER, written={}))
    assert removed(write) == LOAD_BALANCER.keys() - {"type", "internalTrafficPolicy"}
    annotations = write.body["metadata"]["annotations"]
    assert annotations["service.beta.kubernetes.io/load-balancer-source-ranges"] is None
    assert annotations[contract.NODE_NAME_ANNOTATION] == "node-a"


@pytest.mark.parametrize(
    "spec",
    [
        {"externalIPs": ["192.0.2.1"]},
        {"internalTrafficPolicy": "Local"},
        {"publishNotReadyAddresses": True},
        {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 1}}},
        {"trafficDistribution": "PreferSameNode"},
    ],
    ids=lambda spec: next(iter(spec)),
)
def test_fields_that_others_changed_get_their_defaults(spec: dict[str, Any]) -> None:
    assert removed(plan(live(**spec, written={}))) == spec.keys()


def test_the_default_of_every_field_is_no_reason_for_a_merge_patch() -> None:
    defaults: dict[str, Any] = {
        "internalTrafficPolicy": "Cluster",
        "publishNotReadyAddresses": False,
        "sessionAffinity": "None",
    }
    given: dict[str, Any] = {"clusterIP": "198.19.0.9", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}
    assert isinstance(plan(live(**defaults, **given, written={})), Apply)


def test_an_application_protocol_of_a_port_is_removed() -> None:
    ports = [{**wanted().body()["spec"]["ports"][0], "appProtocol": "kubernetes.io/ws"}]
    write = plan(live(ports=ports, written={}))
    assert removed(write) == set()
    assert "appProtocol" not in write.body["spec"]["ports"][0]


def test_a_headless_service_is_refused_with_the_command_that_helps() -> None:
    with pytest.raises(Refused, match=r"headless.*kubectl -n ns delete service nodeproxy-access-node-a"):
        plan(live(clusterIP="None", written={}))


def test_fields_of_another_type_are_left_alone_in_a_service_of_ours() -> None:
    write = plan(live(ports=[{"port": 1, "targetPort": 1, "protocol": "TCP"}], written={}))
    assert isinstance(write, Merge)
    assert None not in write.body["spec"].values()
    assert "service.beta.kubernetes.io/load-balancer-source-ranges" not in write.body["metadata"]["annotations"]
