"""Objects as in the contract, for tests in which it does not matter who created them."""

from typing import Any

from registrar import contract
from tests.harness.client import Object

FIRST_POD = "00000000-0000-4000-8000-000000000001"  # uid of the pod that a Service records by default


def node(name: str) -> Object:
    return {"kind": "Node", "metadata": {"name": name}}


def service(node: str, *, name: str = "", **records: str | None) -> Object:
    """The Service that the registrar makes for `node`.

    `records` replaces its records of the node: annotation, label, selector, registered_by, missing_since. None leaves
    one out.
    """
    value = contract.label_value(node)
    says = {"annotation": node, "label": value, "selector": value, "registered_by": FIRST_POD, **records}
    annotations = {
        contract.NODE_NAME_ANNOTATION: says["annotation"],
        contract.REGISTERED_BY_ANNOTATION: says["registered_by"],
        contract.NODE_MISSING_SINCE_ANNOTATION: says.get("missing_since"),
    }
    labels = {**contract.SERVICE_LABELS, contract.NODE_LABEL: says["label"]}
    selector = {**contract.AGENT_SELECTOR, contract.NODE_LABEL: says["selector"]}
    return {
        "kind": "Service",
        "metadata": {
            "name": name or contract.service_name(node),
            "labels": _said(labels),
            "annotations": _said(annotations),
        },
        "spec": {
            "type": "ClusterIP",
            "selector": _said(selector),
            "ports": [{"name": "http-proxy", "port": 8888, "targetPort": 8888, "protocol": "TCP"}],
        },
    }


def hand_rolled_service(node: str) -> Object:
    """The Service that the hand-rolled stack makes, which names its node only in its selector."""
    return {
        "kind": "Service",
        "metadata": {"name": f"{contract.SERVICE_PREFIX}{node}", "labels": dict(contract.SERVICE_LABELS)},
        "spec": {
            "type": "ClusterIP",
            "selector": {**contract.AGENT_SELECTOR, contract.NODE_LABEL: node},
            "ports": [{"port": 8888, "targetPort": 8888, "protocol": "TCP"}],
        },
    }


def node_label(node: str) -> dict[str, str]:
    """The label that the registrar adds to its pod."""
    return {contract.NODE_LABEL: contract.label_value(node)}


def _said(values: dict[str, Any]) -> dict[str, str]:
    return {key: value for key, value in values.items() if value is not None}
