"""What is to become of each Service, and whether so many may go at once. Pure: facts in, judgements out.

Names are compared as whole strings, never by parts. Uncertain means keep.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from registrar import contract


@dataclass(frozen=True)
class MaxDelete:
    """How many Services one run may delete: a number, or a share (0 to 100) of those with a known node."""

    number: int
    percent: bool

    def of(self, known: int) -> int:
        """The limit where `known` Services have a known node. A share rounds down."""
        return known * self.number // 100 if self.percent else self.number


class Verdict(StrEnum):
    """`keep`: the node exists. `delete`: neither it nor an agent pod of it does. `wait`: it is gone, but not for
    sure or not for long enough. `unknown`: whose Service it is cannot be told; reported, never deleted."""

    KEEP = "keep"
    DELETE = "delete"
    WAIT = "wait"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Service:
    """What the janitor knows of one Service. `selector` is the selector's node, None where it lacks that key."""

    name: str
    namespace: str
    uid: str
    resource_version: str
    annotation: str | None
    label: str | None
    selector: str | None
    registered_by: str
    missing_since: str | None
    deleting: bool


@dataclass(frozen=True)
class Cluster:
    """The nodes and agent pods there are: Node names, and the node label values that pods carry."""

    nodes: frozenset[str]
    agents: frozenset[str]
    labels: frozenset[str]  # the label value of each node

    @classmethod
    def of(cls, nodes: Iterable[str], agents: Iterable[str]) -> "Cluster":
        """A cluster from Node names and the node label values of agent pods."""
        nodes = frozenset(nodes)
        return cls(nodes, frozenset(agents), frozenset(map(contract.label_value, nodes)))


@dataclass(frozen=True)
class Judgement:
    """A verdict, and why. `node` is "" where it is not known; `stamp` is what the missing-since annotation must
    become: a text, "" for removed, None for untouched."""

    service: Service
    verdict: Verdict
    reason: str
    node: str = ""
    stamp: str | None = None


def judge(service: Service, cluster: Cluster, *, grace: float, now: datetime) -> Judgement:
    """The verdict on one Service. `grace` is in seconds, `now` is aware."""
    # the node's own name first: it is the only record that a hashed label does not shorten
    node = service.annotation or service.label or service.selector or ""
    if node in cluster.nodes or {service.label, service.selector} & cluster.labels:
        stamp = "" if service.missing_since is not None else None
        return Judgement(service, Verdict.KEEP, "its node exists", node, stamp)
    if doubt := _doubt(service, node):
        return Judgement(service, Verdict.UNKNOWN, doubt)
    if service.deleting:
        return Judgement(service, Verdict.WAIT, "its node is gone, it is already being deleted", node)
    since = _missing_since(service, now)
    stamp = f"{_rfc3339(now)}/{service.registered_by}" if grace and since is None else None
    if contract.label_value(node) in cluster.agents:
        return Judgement(service, Verdict.WAIT, "its node is gone, an agent pod of it is still there", node, stamp)
    gone = now - (since or now)
    if gone < timedelta(seconds=grace):
        left = timedelta(seconds=grace) - gone
        return Judgement(
            service, Verdict.WAIT, f"its node is gone, {left.total_seconds():.0f}s of grace left", node, stamp
        )
    return Judgement(service, Verdict.DELETE, "its node is gone", node)


def _doubt(service: Service, node: str) -> str:
    """Why it cannot be told whose Service it is; "" where it can."""
    if service.selector is None:
        return "its selector lacks the node label"
    if not node:
        return "it records no node"
    if not contract.is_node_name(node):
        return "it records what is no node name"
    if not service.annotation and contract.is_hashed_label(node):
        return "it records a shortened node name only"
    if {service.label, service.selector} - {None, contract.label_value(node)}:
        return "its annotation, label and selector disagree on the node"
    return ""


def _missing_since(service: Service, now: datetime) -> datetime | None:
    """When this registration's node was first seen missing; None where no stamp says so in a way to rely on."""
    stamp, _, registration = (service.missing_since or "").partition("/")
    try:
        since = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    if since.tzinfo is None or since > now or registration != service.registered_by:
        return None
    return since


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def guard(judgements: Sequence[Judgement], cluster: Cluster, limit: MaxDelete | None) -> str | None:
    """Why nothing may be deleted at all; None where the deletions may go on."""
    if not cluster.nodes:
        return "the API server lists no nodes at all; check which server this is"
    counts = count(judgement.verdict for judgement in judgements)
    known = len(judgements) - counts.get(Verdict.UNKNOWN, 0)
    most = limit.of(known) if limit else (known + 1) // 2
    wanted = counts.get(Verdict.DELETE, 0)
    if wanted > most:
        return (
            f"{wanted} of {known} Services with a known node would go, the limit is {most}; if so, raise --max-delete"
        )
    return None


def without_service(services: Iterable[Service], cluster: Cluster) -> list[str]:
    """Live nodes to which no Service leads although an agent pod of theirs has registered, sorted.

    Nodes without an agent pod are left out: a DaemonSet need not run everywhere. A Service leads where its selector
    says; one that is being deleted will not for long, and no registration follows by itself.
    """
    stranded = cluster.agents - {service.selector for service in services if not service.deleting}
    return sorted(node for node in cluster.nodes if contract.label_value(node) in stranded)


def count(values: Iterable[str]) -> Mapping[str, int]:
    """How often each value occurs, sorted by value."""
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return dict(sorted(counts.items()))
