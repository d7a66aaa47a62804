"""Judges each Service: keep, delete, wait or unknown. Pure: facts in, judgements out.

Names are compared as whole strings, never by parts. If uncertain, a Service is kept.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from registrar import contract


class Verdict(StrEnum):
    """What is to become of a Service.

    `keep`: its node exists. `delete`: neither its node nor an agent pod of it exists. `wait`: its node is gone, but not
    for long enough, or its agent pod is still there. `unknown`: its node cannot be told; it is never deleted.
    """

    KEEP = "keep"
    DELETE = "delete"
    WAIT = "wait"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Service:
    """What the janitor knows of one Service. A record of its node is None if it is missing."""

    name: str
    namespace: str
    uid: str
    resource_version: str
    node_in_annotation: str | None
    node_in_label: str | None
    node_in_selector: str | None
    registered_by: str  # uid of the pod, "" if the hand-rolled stack made the Service
    missing_since: str | None  # the annotation's text
    deleting: bool

    @property
    def id(self) -> str:
        """Namespace and name, for people."""
        return f"{self.namespace}/{self.name}"

    @property
    def node(self) -> str:
        """The recorded node, "" if there is none. The annotation comes first: it alone never shortens a long name."""
        return self.node_in_annotation or self.node_in_label or self.node_in_selector or ""


@dataclass(frozen=True)
class Cluster:
    """Which nodes and agent pods exist: the label value of each Node by its name, and the label values of pods.

    `deleting` has by label value when the deletion of a Node began that is still there.
    """

    nodes: Mapping[str, str]
    agents: frozenset[str]
    labels: frozenset[str]  # of all nodes
    deleting: Mapping[str, datetime] = field(default_factory=dict)

    @classmethod
    def of(
        cls, nodes: Iterable[str], agents: Iterable[str], deleting: Mapping[str, datetime | None] | None = None
    ) -> "Cluster":
        """A cluster from Node names, the label values of agent pods, and the time of deletion of Nodes by name."""
        by_name = {node: contract.label_value(node) for node in nodes}
        times = {by_name[node]: time for node, time in (deleting or {}).items() if time}
        return cls(by_name, frozenset(agents), frozenset(by_name.values()), times)

    def labels_of(self, service: Service) -> frozenset[str]:
        """Label values of the existing nodes that any record of `service` names."""
        return self.labels & {self.nodes.get(service.node), service.node_in_label, service.node_in_selector}


@dataclass(frozen=True)
class Stamp:
    """A change of the annotation that says since when the node is missing: its new text, or None to remove it."""

    text: str | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with its reason. `node` is None if it is not known, `stamp` is None if the annotation stays.

    `held_since` is when its node was first seen missing, or when the deletion of its Node began, if something other
    than the grace period keeps the Service.
    """

    service: Service
    verdict: Verdict
    reason: str
    node: str | None = None
    stamp: Stamp | None = None
    held_since: datetime | None = None


def judge(service: Service, cluster: Cluster, *, grace: float, now: datetime) -> Judgement:
    """The verdict on one Service. `grace` is in seconds, `now` has a time zone."""
    node = service.node
    if labels := cluster.labels_of(service):
        stamp = Stamp(None) if service.missing_since is not None else None
        if labels <= cluster.deleting.keys():
            since = min(cluster.deleting[label] for label in labels)
            return Judgement(service, Verdict.KEEP, "its node exists, but is being deleted", node, stamp, since)
        return Judgement(service, Verdict.KEEP, "its node exists", node, stamp)
    if doubt := _doubt(service, node):
        return Judgement(service, Verdict.UNKNOWN, doubt)
    return _judge_gone(service, node, cluster, grace, now)


def _judge_gone(service: Service, node: str, cluster: Cluster, grace: float, now: datetime) -> Judgement:
    """The verdict on a Service whose node is known, and gone."""
    since = _missing_since(service, now)
    stamp = None if since else Stamp(f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}/{service.registered_by}")
    holder = "it is already being deleted" if service.deleting else None
    if not holder and contract.label_value(node) in cluster.agents:
        holder = "an agent pod of it is still there"
    if holder:
        return Judgement(service, Verdict.WAIT, f"its node is gone, {holder}", node, stamp, since or now)
    left = timedelta(seconds=grace) - (now - (since or now))
    if left > timedelta(0):
        seconds = f"{left.total_seconds():.0f}s"
        return Judgement(service, Verdict.WAIT, f"its node is gone, {seconds} of grace left", node, stamp)
    return Judgement(service, Verdict.DELETE, "its node is gone", node)


def _doubt(service: Service, node: str) -> str | None:
    """Why the recorded node cannot be relied on; None if it can."""
    if service.node_in_selector is None:
        return "its selector lacks the node label"
    if not node:
        return "it records no node"
    if not contract.is_node_name(node):
        return "its recorded node is not a valid node name"
    if not service.node_in_annotation and contract.is_hashed_label(node):
        return "it records only a shortened node name"
    if {service.node_in_label, service.node_in_selector} - {None, contract.label_value(node)}:
        return "its annotation, label and selector disagree on the node"
    return None


def _missing_since(service: Service, now: datetime) -> datetime | None:
    """When this registration's node was first seen missing; None if no reliable stamp says so."""
    stamp, _, registration = (service.missing_since or "").partition("/")
    try:
        since = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    if since.tzinfo is None or since > now or registration != service.registered_by:
        return None
    return since


def without_service(services: Iterable[Service], cluster: Cluster) -> list[str]:
    """Names of live nodes that have a registered agent pod but no Service that leads to it, sorted.

    Nodes without an agent pod are left out: a DaemonSet need not run everywhere. A Service that is being deleted does
    not count, because its node does not register again by itself.
    """
    stranded = cluster.agents - {service.node_in_selector for service in services if not service.deleting}
    return sorted(node for node, label in cluster.nodes.items() if label in stranded)


def misnamed(services: Iterable[Service], cluster: Cluster) -> list[str]:
    """Names of live nodes' Services that no registrar maintains, because it calls the node's Service otherwise; sorted.

    They are kept, since clients may use them. The prefix is not known here, only how the names of a node can end.
    """
    recorded = [(service.name, service.node_in_annotation or "") for service in services]
    return sorted(
        name
        for name, node in recorded
        if node in cluster.nodes and not name.endswith(node) and not name.endswith(contract.digits(node))
    )
