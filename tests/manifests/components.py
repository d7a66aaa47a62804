"""Parts of the chart that can be switched on or off alone: the values of each, and what they need of the cluster."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from tests.harness.features import Feature

COMPONENTS: dict[str, dict[str, Any]] = {
    "admission": {"admission": {"enabled": True}},
    "basic-auth": {"tinyproxy": {"basicAuth": {"existingSecret": "proxy-user"}}},
    "clients-of-a-node": {
        "networkPolicy": {"enabled": True},
        "agent": {"clients": [{"node": "node-bj-01", "namespaceSelector": {"matchLabels": {"team": "a"}}}]},
    },
    "destinations": {
        "destinations": [
            {"name": "printer-bj", "node": "node-bj-01", "host": "printer.lan", "port": 9100, "replicas": 2}
        ]
    },
    "events": {"janitor": {"events": True}},
    "grafana-dashboard": {"metrics": {"dashboard": {"enabled": True}}},
    "image-registry": {"images": {"registry": "registry.example.com", "pullSecrets": ["registry"]}},
    "inject": {"inject": {"enabled": True}},
    "janitor-deployment": {"janitor": {"kind": "Deployment"}},
    "label-pods": {"admission": {"labelPods": True}},
    "network-policy": {"networkPolicy": {"enabled": True}},
    "node-selector": {"agent": {"nodeSelector": {"nodeproxy": "enabled"}}},
    "pod-monitor": {"metrics": {"podMonitor": {"enabled": True}}},
    "priority-class": {"agent": {"priorityClass": {"create": True}}},
    "prometheus-rules": {"metrics": {"rules": {"enabled": True}}},
    "pushgateway": {"metrics": {"pushgateway": {"existingSecret": "nodeproxy-pushgateway"}}},
    "sidecar": {"registrar": {"resync": "10m"}},
    "sites": {"sites": ["beijing", "shanghai"]},
    "surge": {"agent": {"surge": True}},
    "time-zone": {"janitor": {"timeZone": "Asia/Shanghai"}},
    "tolerations": {"agent": {"tolerations": [{"operator": "Exists"}]}},
    "user-namespace": {"agent": {"hostUsers": False}},
}
NEEDS = {
    "admission": Feature.ADMISSION_POLICY,
    "inject": Feature.MUTATING_POLICY,
    "label-pods": Feature.MUTATING_POLICY,
    "sidecar": Feature.SIDECAR,
    "surge": Feature.PRE_STOP_SLEEP,
    "time-zone": Feature.CRONJOB_TIME_ZONE,
    "user-namespace": Feature.USER_NAMESPACE,
}
# What the chart does by itself where it can, switched off.
OFF = {"admission": {"enabled": False}, "agent": {"surge": False}}


def together(*names: str) -> dict[str, Any]:
    """The values of several components, without what is on by itself."""
    values: dict[str, Any] = {}
    for each in (OFF, *(COMPONENTS[name] for name in names)):
        merge(values, each)
    return values


def works(name: str, version: str) -> bool:
    """Does a release such as `v1.29.6` have what the component needs?"""
    return name not in NEEDS or NEEDS[name].is_in(version)


def pairs(version: str) -> Iterator[tuple[str, str]]:
    """All pairs of components that work on this release."""
    return combinations((name for name in COMPONENTS if works(name, version)), 2)


def merge(into: dict[str, Any], values: Mapping[str, Any]) -> None:
    """As helm lays values over others."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            merge(into.setdefault(key, {}), value)
        else:
            into[key] = value
