"""Settings of the registrar: its options, and what they say, checked. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registrar import contract
from registrar.cli import options, parsing
from registrar.cli.failures import SettingsError
from registrar.cli.help import arguments
from registrar.cli.options import Common, Group, Option, Program

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


def port(text: str) -> Port:
    """A port from `NAME=PORT[:TARGET][/PROTOCOL]`: `http-proxy=8888`, `dns=53:5353/UDP`, `socks=1080:socks`."""
    if text.startswith("tcp://"):
        raise ValueError("kubelet's link to a Service called registrar: set enableServiceLinks: false in the pod")
    match = _PORT.fullmatch(text)
    if not match or len(match["name"]) > contract.MAX_LABEL:
        raise ValueError("not of the form NAME=PORT[:TARGET][/PROTOCOL], such as http-proxy=8888")
    target = match["target"] or match["port"]
    if not target.isdigit() and (len(target) > 15 or not re.search("[a-z]", target)):
        raise ValueError(f"{target!r} is neither a number nor a container port's name of at most 15 characters")
    number = parsing.tcp_port(match["port"])
    return Port(
        match["name"], number, parsing.tcp_port(target) if target.isdigit() else target, match["protocol"] or "TCP"
    )


_FROM = "downward API: fieldRef "
_WHO = Group(
    "who it is",
    (
        Option(
            "node-name",
            "NODE_NAME",
            parsing.node_name,
            "name of the node",
            "NAME",
            required=_FROM + "spec.nodeName",
        ),
        Option("pod-name", "POD_NAME", parsing.pod_name, "own pod", "NAME", required=_FROM + "metadata.name"),
        Option("pod-uid", "POD_UID", parsing.pod_uid, "own pod's uid", "UID", required=_FROM + "metadata.uid"),
        Option(
            "namespace",
            "POD_NAMESPACE",
            parsing.namespace,
            "own pod's namespace",
            "NAME",
            unset="the credentials' own",
        ),
    ),
)
_WHAT = Group(
    "the Service it keeps",
    (
        Option(
            "service-prefix",
            "REGISTRAR_SERVICE_PREFIX",
            parsing.service_prefix,
            "start of the Service's name",
            "PREFIX",
            contract.SERVICE_PREFIX,
        ),
        Option(
            "port",
            "REGISTRAR_PORT",
            port,
            "port of the Service: NAME=PORT[:TARGET][/PROTOCOL]",
            "PORT",
            "http-proxy=8888",
            repeatable=True,
        ),
        Option(
            "selector",
            "REGISTRAR_SELECTOR",
            parsing.label_pair,
            "label that all agent pods carry",
            "KEY=VALUE",
            ",".join(f"{key}={value}" for key, value in contract.AGENT_SELECTOR.items()),
            repeatable=True,
        ),
        Option(
            "node-label",
            "REGISTRAR_NODE_LABEL",
            parsing.label_key,
            "label key that holds the node, on the pod and on the Service",
            "KEY",
            contract.NODE_LABEL,
        ),
        Option(
            "take-over",
            "REGISTRAR_TAKE_OVER",
            parsing.boolean,
            "also where this node's Service has another selector (another DaemonSet's)",
            default="false",
        ),
    ),
)
_HOW = Group(
    "how it runs",
    (
        Option(
            "dry-run",
            "REGISTRAR_DRY_RUN",
            parsing.boolean,
            "let the API server try it, change nothing, print both objects as YAML",
            default="false",
        ),
        Option(
            "resync",
            "REGISTRAR_RESYNC",
            parsing.positive_duration,
            "stay, and register again as often, for a native sidecar",
            "DURATION",
            unset="off, it registers once",
        ),
        Option(
            "health-port",
            "REGISTRAR_HEALTH_PORT",
            parsing.tcp_port,
            "with --resync: serve /livez and /readyz on this port",
            "PORT",
            unset="off",
        ),
        options.timeout("REGISTRAR_"),
    ),
)
PROGRAM = Program(
    name="registrar",
    about="Labels its own pod with its node and keeps that node's ClusterIP Service.",
    groups=(_WHO, _WHAT, _HOW, *options.common_groups("REGISTRAR_")),
    exit_codes={
        "0": "done: pod label and Service are as they should be",
        "1": "it could not be done: the log says what, why and what to do next",
        "2": "bad settings: nothing was tried",
        "130": "interrupted by SIGINT or SIGTERM (0 with --resync, once registered)",
    },
    examples={
        "what it would do, in a pod that has its four variables": "python -m registrar --dry-run",
        "two ports": "python -m registrar --port http-proxy=8888 --port socks=1080",
        "as a sidecar: again every ten minutes": "python -m registrar --resync 10m --health-port 8081",
    },
)


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


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Settings from flags and environment. Raises SettingsError, naming what is missing or bad."""
    flags = arguments(PROGRAM, argv) if argv else {}  # YAML gives none, and argparse takes its time
    given = options.values(PROGRAM.options, flags, environ)
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
