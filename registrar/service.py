"""The objects a registrar wants, and how a live Service becomes the wanted one. Pure.

A Service that is already exact is written by server-side apply. Apply cannot remove what another manager left behind
(an editor's port, the hand-rolled stack's; kubernetes/kubernetes#99003, #131147), so if the spec differs, the same body
goes as a merge patch: it replaces ports and selector whole and removes other fields, in one request and under the same
resourceVersion.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registrar import contract
from registrar.claims import Identity
from registrar.live import LiveService, Manager
from registrar.settings import Port, Settings

Object = dict[str, Any]

_OF_OTHER_TYPES_ANNOTATIONS = ("service.beta.kubernetes.io/load-balancer-source-ranges",)


@dataclass(frozen=True)
class WantedService:
    """The Service of a node as the contract has it."""

    namespace: str
    names: contract.NodeNames
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    selector: Mapping[str, str]
    ports: Sequence[Port]
    type = "ClusterIP"

    @property
    def id(self) -> str:
        """Namespace and name, for people."""
        return f"{self.namespace}/{self.names.service}"

    def body(self) -> Object:
        """The Service for a request. What the API server fills in is never sent."""
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": self.names.service,
                "namespace": self.namespace,
                "labels": {**self.labels},
                "annotations": {**self.annotations},
            },
            "spec": {
                "type": self.type,
                "selector": {**self.selector},
                "ports": [
                    {"name": p.name, "port": p.port, "targetPort": p.target, "protocol": p.protocol} for p in self.ports
                ],
            },
        }

    def is_met_by(self, live: LiveService) -> bool:
        """Whether `live` has everything that is wanted, and no other port or selector key."""
        return (
            self.is_exact(live)
            and self.labels.items() <= live.labels.items()
            and self.annotations.items() <= live.annotations.items()
        )

    def is_exact(self, live: LiveService) -> bool:
        """Whether type, selector and ports are as wanted, with nothing else, and other fields have their defaults."""
        same_ports = sorted(live.ports, key=str) == sorted(self.ports, key=str)
        return live.type == self.type and live.selector == self.selector and same_ports and not live.changed


def wanted(settings: Settings, names: contract.NodeNames, namespace: str, pod_uid: str) -> WantedService:
    """The Service that leads to the pod with `pod_uid`."""
    return WantedService(
        namespace=namespace,
        names=names,
        labels={**contract.SERVICE_LABELS, settings.node_label: names.label},
        annotations={contract.NODE_NAME_ANNOTATION: names.node, contract.REGISTERED_BY_ANNOTATION: pod_uid},
        selector={**settings.selector, settings.node_label: names.label},
        ports=settings.port,
    )


def pod_patch(own: Identity, labels: Mapping[str, str | None]) -> Object:
    """Body of the patch that labels the own pod. Because of its uid, it can neither touch nor create another pod."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": own.pod,
            "namespace": own.namespace,
            "uid": own.uid,
            "labels": {**labels},
        },
    }


@dataclass(frozen=True)
class Apply:
    """A server-side apply."""

    body: Object
    force: bool


@dataclass(frozen=True)
class Merge:
    """A merge patch."""

    body: Object


def plan(live: LiveService | None, want: WantedService) -> Apply | Merge:
    """The write that turns `live` (None if it is absent) into `want`."""
    body = want.body()
    if live is None:
        return Apply(body, force=False)
    body["metadata"] |= {"uid": live.uid, "resourceVersion": live.resource_version}
    old_labels = _old_labels(live, want)
    too_large = any(not each.name for each in live.managers)  # managedFields were removed from the answer
    leftovers = old_labels or too_large or contract.LAST_APPLIED_ANNOTATION in live.annotations
    if want.is_exact(live) and not leftovers:
        return Apply(body, force=True)
    body["metadata"]["labels"] |= dict.fromkeys(old_labels)
    body["metadata"]["annotations"][contract.LAST_APPLIED_ANNOTATION] = None
    body["spec"]["selector"] |= {key: None for key in live.selector if key not in want.selector}
    body["spec"] = {**dict.fromkeys(live.changed), **body["spec"]}
    if live.type != want.type:
        body["metadata"]["annotations"] |= dict.fromkeys(_OF_OTHER_TYPES_ANNOTATIONS)
    if too_large:
        body["metadata"]["managedFields"] = [{}]  # otherwise the Service may be too large for any write
    elif managers := _migrated(live.managers):
        body["metadata"]["managedFields"] = managers
    return Merge(body)


def _old_labels(live: LiveService, want: WantedService) -> set[str]:
    """Labels that a registrar wrote with other settings. An apply does not remove what a merge patch has written."""
    written = {key for each in live.managers if each.name == contract.REGISTRAR_MANAGER for key in each.label_keys}
    return (written & live.labels.keys()) - want.labels.keys()


def _migrated(managers: Sequence[Manager]) -> list[Mapping[str, Any]]:
    """managedFields with client-side apply's entry handed to our manager; [] if there is nothing to hand over.

    kubectl does the same when it migrates to server-side apply (client-go's csaupgrade).
    """
    old = [each for each in managers if (each.name, each.operation) == (contract.CLIENT_SIDE_APPLY_MANAGER, "Update")]
    applied = any((each.name, each.operation) == (contract.REGISTRAR_MANAGER, "Apply") for each in managers)
    if not old or applied:
        return []
    ours = {**old[0].entry, "manager": contract.REGISTRAR_MANAGER, "operation": "Apply"}
    return [ours if each is old[0] else each.entry for each in managers]
