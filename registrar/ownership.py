"""Whose a live Service is: this node's, and so the registrar's to write, or not. Pure."""

from collections.abc import Mapping
from typing import Any

from registrar import contract
from registrar.cli.failures import Failure
from registrar.settings import Settings

Object = dict[str, Any]


class Refused(Failure):
    """The Service is not this registrar's to write."""


def check(live: Object, want: Object, settings: Settings) -> None:
    """Raise Refused unless `live` is this node's Service, with a selector that is ours or may be taken over."""
    _check_node(live, settings)
    if not _same_selector(live, want, settings) and not settings.take_over:
        raise Refused(
            f"register at Service {_id(live)}",
            f"it selects {_labels(selector_of(live))}: another DaemonSet registers under this prefix",
            "give each DaemonSet its own --service-prefix, or take this one over with --take-over",
        )


def _check_node(live: Object, settings: Settings) -> None:
    """Ours are: what carries our annotation, our labels, or the hand-rolled stack's labels and selector."""
    meta = live["metadata"]
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    label = contract.label_value(settings.node_name)
    managed = contract.SERVICE_LABELS.items() <= labels.items()
    if contract.NODE_NAME_ANNOTATION in annotations:
        node, own = annotations[contract.NODE_NAME_ANNOTATION], settings.node_name
    elif managed and settings.node_label in labels:
        node, own = labels[settings.node_label], label
    elif managed and settings.node_label in selector_of(live):
        node, own = selector_of(live)[settings.node_label].lower(), label  # the hand-rolled stack wrote it as given
    else:
        managers = sorted({str(entry.get("manager")) for entry in meta.get("managedFields") or []})
        raise Refused(
            f"register at Service {_id(live)}",
            f"it is not nodeproxy's (labels {_labels(labels)}; written by {', '.join(managers) or 'unknown'})",
            "rename or delete it, or register under another --service-prefix",
        )
    if node != own:
        raise Refused(
            f"register at Service {_id(live)}",
            f"it is the Service of node {node}, not of {settings.node_name}",
            "rename one of the two nodes, or register it under another --service-prefix",
        )


def _same_selector(live: Object, want: Object, settings: Settings) -> bool:
    """Is the selector ours, but for the node and for what people changed by hand in a Service that was ours?

    What a registrar wrote itself tells another DaemonSet's Service from an edited one.
    """
    asked = {key: value for key, value in want["spec"]["selector"].items() if key != settings.node_label}
    found = {key: value for key, value in selector_of(live).items() if key != settings.node_label}
    if found == asked:
        return True
    if contract.NODE_NAME_ANNOTATION not in (live["metadata"].get("annotations") or {}):
        return False
    registered = {key: found[key] for key in _registered_keys(live) if key in found}
    return registered.items() <= asked.items() and asked.keys() <= found.keys()


def _registered_keys(live: Object) -> set[str]:
    """Selector keys that a registrar wrote. Servers from 1.21 on own a selector whole (`f:selector: {}`)."""
    keys: set[str] = set()
    for entry in live["metadata"].get("managedFields") or []:
        fields = (entry.get("fieldsV1") or {}).get("f:spec", {}).get("f:selector")
        if entry.get("manager") == contract.REGISTRAR_MANAGER and fields is not None:
            keys.update(field.removeprefix("f:") for field in fields or selector_of(live))
    return keys


def selector_of(live: Object) -> dict[str, str]:
    """The selector of a Service; empty where it has none."""
    return dict((live.get("spec") or {}).get("selector") or {})


def _id(live: Object) -> str:
    return f"{live['metadata']['namespace']}/{live['metadata']['name']}"


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "none"
