"""Settings of the registrar, read once into a frozen dataclass. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registrar import __version__, contract, options, values
from registrar.failure import SettingsError
from registrar.options import Common, Option

_ABOUT = "Labels its own pod with its node and keeps that node's ClusterIP Service."
_PORT = re.compile(
    r"(?P<name>[a-z0-9]([-a-z0-9]*[a-z0-9])?)=(?P<port>\d+)(:(?P<target>[-a-z0-9]+))?(/(?P<protocol>TCP|UDP|SCTP))?"
)


@dataclass(frozen=True)
class Port:
    """One port of the Service; `target` is a number or the name of a container's port."""

    name: str
    port: int
    target: int | str
    protocol: str


@dataclass(frozen=True)
class Settings(Common):
    """Everything the registrar is told. Times are in seconds; `namespace` None means the credentials' own."""

    node_name: str
    pod_name: str
    pod_uid: str
    namespace: str | None
    service_prefix: str
    port: tuple[Port, ...]
    selector: Mapping[str, str]
    node_label: str
    take_over: bool
    dry_run: bool
    resync: float | None
    health_port: int | None


def port(text: str) -> Port:
    """A port from `NAME=PORT[:TARGET][/PROTOCOL]`: `http-proxy=8888`, `dns=53:5353/UDP`, `socks=1080:socks`."""
    if text.startswith("tcp://"):
        raise ValueError("kubelet's link to a Service called registrar: set enableServiceLinks: false in the pod")
    match = _PORT.fullmatch(text)
    if not match or len(match["name"]) > contract.MAX_LABEL:
        raise ValueError("not of the form NAME=PORT[:TARGET][/PROTOCOL], such as http-proxy=8888")
    number = _port_number(match["port"])
    target = match["target"] or match["port"]
    if not target.isdigit() and (len(target) > 15 or not re.search("[a-z]", target)):
        raise ValueError(f"{target!r} is neither a number nor a container port's name of at most 15 characters")
    return Port(match["name"], number, _port_number(target) if target.isdigit() else target, match["protocol"] or "TCP")


def _port_number(text: str) -> int:
    if not 1 <= int(text) <= 65535:
        raise ValueError(f"{text} is not a port from 1 to 65535")
    return int(text)


OPTIONS = (
    Option(
        "node-name",
        "NODE_NAME",
        values.node_name,
        "name of the node",
        "NAME",
        required="downward API: fieldRef spec.nodeName",
    ),
    Option("pod-name", "POD_NAME", values.pod_name, "own pod", "NAME", required="downward API: fieldRef metadata.name"),
    Option(
        "pod-uid", "POD_UID", values.pod_uid, "own pod's uid", "UID", required="downward API: fieldRef metadata.uid"
    ),
    Option(
        "namespace", "POD_NAMESPACE", values.namespace, "own pod's namespace (default: the credentials' own)", "NAME"
    ),
    Option(
        "service-prefix",
        "REGISTRAR_SERVICE_PREFIX",
        values.service_prefix,
        "start of the Service's name",
        "PREFIX",
        contract.SERVICE_PREFIX,
    ),
    Option(
        "port",
        "REGISTRAR_PORT",
        port,
        "port of the Service, repeatable: NAME=PORT[:TARGET][/PROTOCOL]",
        "PORT",
        "http-proxy=8888",
        repeatable=True,
    ),
    Option(
        "selector",
        "REGISTRAR_SELECTOR",
        values.label_pair,
        "label that all agent pods carry, repeatable",
        "KEY=VALUE",
        ",".join(f"{key}={value}" for key, value in contract.AGENT_SELECTOR.items()),
        repeatable=True,
    ),
    Option(
        "node-label",
        "REGISTRAR_NODE_LABEL",
        values.label_key,
        "label key that holds the node, on the pod and on the Service",
        "KEY",
        contract.NODE_LABEL,
    ),
    Option(
        "take-over",
        "REGISTRAR_TAKE_OVER",
        values.boolean,
        "also where this node's Service has another selector (another DaemonSet's)",
        default="false",
    ),
    Option(
        "dry-run",
        "REGISTRAR_DRY_RUN",
        values.boolean,
        "let the API server try it, change nothing, print both objects as YAML",
        default="false",
    ),
    Option(
        "resync",
        "REGISTRAR_RESYNC",
        values.positive_duration,
        "stay, and register again as often, for a native sidecar (default: once)",
        "DURATION",
    ),
    Option(
        "health-port",
        "REGISTRAR_HEALTH_PORT",
        values.tcp_port,
        "with --resync: serve /livez and /readyz on this port",
        "PORT",
    ),
    *options.common("REGISTRAR_"),
)


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Settings from flags and environment. Raises SettingsError, naming what is missing or bad."""
    given = options.read("python -m registrar", __version__, _ABOUT, OPTIONS, argv, environ)
    selector = dict(given["selector"])
    if len(selector) < len(given["selector"]):
        raise SettingsError("--selector (REGISTRAR_SELECTOR)", "the same key twice")
    if given["node_label"] in {*selector, *contract.SERVICE_LABELS}:
        raise SettingsError("--node-label (REGISTRAR_NODE_LABEL)", f"{given['node_label']!r} has another meaning")
    ports: tuple[Port, ...] = given["port"]
    if len({p.name for p in ports}) < len(ports) or len({(p.port, p.protocol) for p in ports}) < len(ports):
        raise SettingsError("--port (REGISTRAR_PORT)", "the same name, or the same port and protocol, twice")
    if given["resync"] and given["dry_run"]:
        raise SettingsError("--resync", "a dry run has nothing to stay for")
    if given["health_port"] and not given["resync"]:
        raise SettingsError("--health-port", "there is nothing to probe without --resync")
    return Settings(**{**given, "selector": selector})
