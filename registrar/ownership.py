"""Decides whether a live Service belongs to this node and DaemonSet, so that the registrar may write it. Pure."""

from registrar import contract
from registrar.cli.failures import Failure
from registrar.cli.parsing import label_selector
from registrar.live import LiveService
from registrar.service import WantedService
from registrar.settings import Settings


class Refused(Failure):
    """The Service belongs to somebody else."""


def check(live: LiveService, want: WantedService, settings: Settings) -> None:
    """Raise Refused unless `live` is this node's Service, with a selector that is ours or may be taken over."""
    _check_node(live, want, settings.node_label)
    if live.headless:
        raise Refused(
            f"register at Service {live.id}",
            "it is headless (clusterIP: None), which nobody can change",
            f"delete it, and the next try makes a new one: kubectl -n {live.namespace} delete service {live.name}",
        )
    if not _same_selector(live, want, settings.node_label) and not settings.take_over:
        raise Refused(
            f"register at Service {live.id}",
            f"it selects {label_selector(live.selector) or 'none'}: another DaemonSet registers under this prefix",
            "give each DaemonSet its own --service-prefix, or take this one over with --take-over",
        )


def _check_node(live: LiveService, want: WantedService, node_label: str) -> None:
    """A Service is nodeproxy's if it has our annotation, or our labels and a node in its labels or selector."""
    managed = contract.SERVICE_LABELS.items() <= live.labels.items()
    if contract.NODE_NAME_ANNOTATION in live.annotations:
        node, own = live.annotations[contract.NODE_NAME_ANNOTATION], want.names.node
    elif managed and node_label in live.labels:
        node, own = live.labels[node_label], want.names.label
    elif managed and node_label in live.selector:
        # The hand-rolled stack wrote the node name as it was given, perhaps with capitals.
        node, own = live.selector[node_label].lower(), want.names.label
    else:
        managers = ", ".join(sorted({each.name for each in live.managers if each.name})) or "unknown"
        raise Refused(
            f"register at Service {live.id}",
            f"it does not belong to nodeproxy (labels {label_selector(live.labels) or 'none'}; written by {managers})",
            "rename or delete it, or register under another --service-prefix",
        )
    if node != own:
        raise Refused(
            f"register at Service {live.id}",
            f"it is the Service of node {node}, not of {want.names.node}",
            "rename one of the two nodes, or register it under another --service-prefix",
        )


def _same_selector(live: LiveService, want: WantedService, node_label: str) -> bool:
    """Whether the selector is ours, apart from the node and from keys that people added or changed by hand.

    Only keys that a registrar wrote itself can be another DaemonSet's. If no registrar is among the managers, as after
    a restore from a backup, nothing tells who wrote the selector: it may be another's.
    """
    asked = {key: value for key, value in want.selector.items() if key != node_label}
    found = {key: value for key, value in live.selector.items() if key != node_label}
    if found == asked:
        return True
    registered = any(each.name == contract.REGISTRAR_MANAGER for each in live.managers)
    if not registered or contract.NODE_NAME_ANNOTATION not in live.annotations:
        return False
    written = {key for each in live.managers if each.name == contract.REGISTRAR_MANAGER for key in each.selector_keys}
    ours = {key: value for key, value in found.items() if key in written}
    return ours.items() <= asked.items() and asked.keys() <= found.keys()
