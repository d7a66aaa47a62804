"""A live Service, parsed once from the API server's answer. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registrar.kube.objects import Fields
from registrar.settings import Port

# Fields of a spec that a registered Service has as the API server sets them by default, and no other way: what somebody
# else set there would break or redirect its traffic. The admission policy on Services demands the same. A ClusterIP
# Service may not have some of them, and the API server does not remove them all when the type changes
# (kubernetes/kubernetes#36784).
_DEFAULTS = {
    "allocateLoadBalancerNodePorts": None,
    "externalIPs": None,
    "externalName": None,
    "externalTrafficPolicy": None,
    "healthCheckNodePort": None,
    "internalTrafficPolicy": "Cluster",
    "loadBalancerClass": None,
    "loadBalancerIP": None,
    "loadBalancerSourceRanges": None,
    "publishNotReadyAddresses": False,
    "sessionAffinity": "None",
    "sessionAffinityConfig": None,
    "trafficDistribution": None,
}


@dataclass(frozen=True)
class Manager:
    """A field manager of a live Service, with the labels and selector keys that it owns.

    `entry` is what the API server sent.
    """

    name: str
    operation: str
    selector_keys: frozenset[str]
    label_keys: frozenset[str]
    entry: Mapping[str, Any]


@dataclass(frozen=True)
class LiveService:
    """A Service as the API server has it."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    deleting: bool
    finalizers: Sequence[str]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    type: str
    selector: Mapping[str, str]
    ports: Sequence[Port]
    headless: bool
    changed: frozenset[str]  # fields of the spec that are not as the API server sets them by default
    managers: Sequence[Manager]

    @property
    def id(self) -> str:
        """Namespace and name, for people."""
        return f"{self.namespace}/{self.name}"


def live_service(action: str, answer: Mapping[str, Any], *, dry_run: bool = False) -> LiveService:
    """The Service in an answer. Raises Failure if it is malformed or of another kind.

    The answer to a `dry_run` may lack the resourceVersion, because nothing was stored.
    """
    top = Fields(action, answer)
    top.require_kind("Service")
    meta, spec = top.inner("metadata"), top.inner("spec")
    selector = spec.texts("selector")
    return LiveService(
        namespace=meta.text("namespace"),
        name=meta.text("name"),
        uid=meta.text("uid"),
        resource_version=(meta.text_or_none("resourceVersion") or "") if dry_run else meta.text("resourceVersion"),
        deleting=meta.text_or_none("deletionTimestamp") is not None,
        finalizers=meta.strings_or_empty("finalizers"),
        labels=meta.texts("labels"),
        annotations=meta.texts("annotations"),
        type=spec.text_or_none("type") or "ClusterIP",
        selector=selector,
        ports=[_port(each) for each in spec.objects_or_empty("ports")],
        headless=spec.value.get("clusterIP") == "None",
        changed=_changed(spec),
        managers=[_manager(each, selector) for each in meta.objects_or_empty("managedFields")],
    )


def _changed(spec: Fields) -> frozenset[str]:
    """`ports` counts if a port has a field that the registrar does not send; the other fields of ports are in Port."""
    changed = {key for key, default in _DEFAULTS.items() if spec.value.get(key) not in (default, None)}
    extended = any(port.value.get("appProtocol") for port in spec.objects_or_empty("ports"))
    return frozenset(changed | ({"ports"} if extended else set()))


def _port(port: Fields) -> Port:
    number = port.number("port")
    target = port.text("targetPort") if isinstance(port.value.get("targetPort"), str) else port.number("targetPort")
    return Port(port.text_or_none("name") or "", number, target, port.text("protocol"))


def _manager(entry: Fields, selector: Mapping[str, str]) -> Manager:
    """Servers from 1.21 on own a selector as a whole, `f:selector: {}`; older ones own it key by key."""
    fields = entry.inner_or_empty("fieldsV1")
    spec, labels = fields.inner_or_empty("f:spec"), fields.inner_or_empty("f:metadata").inner_or_empty("f:labels")
    keys = {key.removeprefix("f:") for key in spec.inner_or_empty("f:selector").value} or {*selector}
    owned = frozenset(keys if "f:selector" in spec.value else ())
    return Manager(
        name=entry.text_or_none("manager") or "",
        operation=entry.text_or_none("operation") or "",
        selector_keys=owned,
        label_keys=frozenset(key.removeprefix("f:") for key in labels.value if key != "."),
        entry=entry.value,
    )
