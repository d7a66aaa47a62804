"""Settings of the registrar: its options, read once into a frozen dataclass. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registrar import contract
from registrar.cli import common, options, parsing
from registrar.cli.common import CommonSettings
from registrar.cli.failures import SettingsError
from registrar.cli.options import Command, Kind, option, switch

_PORT = re.compile(
    r"(?P<name>[a-z0-9]([-a-z0-9]*[a-z0-9])?)=(?P<port>\d+)(:(?P<target>[-a-z0-9]+))?(/(?P<protocol>TCP|UDP|SCTP))?"
)
_MAX_PORT_NAME = 15  # characters of a container port's name


@dataclass(frozen=True)
class Port:
    """One port of the Service; `target` is a number or the name of a container's port."""

    name: str
    port: int
    target: int | str
    protocol: str

    def __str__(self) -> str:
        """The text that `port` parses."""
        target = "" if self.target == self.port else f":{self.target}"
        protocol = "" if self.protocol == "TCP" else f"/{self.protocol}"
        return f"{self.name}={self.port}{target}{protocol}"


def port(text: str) -> Port:
    """A port from `NAME=PORT[:TARGET][/PROTOCOL]`: `http-proxy=8888`, `dns=53:5353/UDP`, `socks=1080:socks`."""
    if text.startswith("tcp://"):
        raise ValueError("kubelet's link to a Service called registrar: set enableServiceLinks: false in the pod")
    match = _PORT.fullmatch(text)
    if not match or len(match["name"]) > contract.MAX_LABEL:
        raise ValueError("not of the form NAME=PORT[:TARGET][/PROTOCOL], such as http-proxy=8888")
    target = match["target"] or match["port"]
    if not target.isdigit() and (len(target) > _MAX_PORT_NAME or not re.search("[a-z]", target)):
        raise ValueError(f"{target!r} is neither a number nor a container port's name of at most 15 characters")
    number = parsing.tcp_port(match["port"])
    named = parsing.tcp_port(target) if target.isdigit() else target
    return Port(match["name"], number, named, match["protocol"] or "TCP")


def ports(text: str) -> tuple[Port, ...]:
    """Ports from texts that `port` parses, separated by commas."""
    found = tuple(port(part.strip()) for part in text.split(","))
    if len({each.name for each in found}) < len(found) or len({(p.port, p.protocol) for p in found}) < len(found):
        raise ValueError("the same name, or the same port and protocol, twice")
    return found


_POD = "Own pod"
_SERVICE = "Service"
_NODE_LABEL = "label key that holds the node, on the pod and on the Service"
_RESYNC = "keep running and register again at this interval, as a native sidecar"
_PROXY_PORT = Port("http-proxy", 8888, 8888, "TCP")
_PORTS = Kind("PORT", ports, lambda found: ",".join(map(str, found)), repeatable=True)
_KEYS = Kind("KEY", parsing.label_keys, ",".join, repeatable=True)


@dataclass(frozen=True)
class Settings(CommonSettings):
    """All settings of the registrar. What is None of its own pod stands in the pod's token (see `claims`)."""

    node_name: str | None = option(
        Kind("NAME", parsing.node_name),
        _POD,
        "name of the node",
        env="NODE_NAME",
        unset="the token's, from Kubernetes 1.30 on",
    )
    pod_name: str | None = option(
        Kind("NAME", parsing.pod_name), _POD, "name of the pod", env="POD_NAME", unset="the token's"
    )
    pod_uid: str | None = option(
        Kind("UID", parsing.pod_uid), _POD, "uid of the pod", env="POD_UID", unset="the token's"
    )
    namespace: str | None = option(
        common.NAMESPACE,
        _POD,
        "namespace of the pod",
        env="POD_NAMESPACE",
        unset="the token's, or else the credentials' namespace",
    )
    pod_labels: str | None = option(
        Kind("FILE", str),
        _POD,
        "file with the pod's labels (downward API): the node label must be there, and no request sets it",
        unset="off, the registrar labels the pod",
    )
    copy_node_label: tuple[str, ...] | None = option(
        _KEYS,
        _POD,
        "label that the pod gets from its Node; from Kubernetes 1.35 on it has zone and region anyway",
        unset="none",
    )
    service_prefix: str = option(
        Kind("PREFIX", parsing.service_prefix), _SERVICE, "prefix of its name", default=contract.SERVICE_PREFIX
    )
    port: tuple[Port, ...] = option(
        _PORTS, _SERVICE, "port of the Service: NAME=PORT[:TARGET][/PROTOCOL]", default=(_PROXY_PORT,)
    )
    selector: Mapping[str, str] = option(
        common.LABELS, _SERVICE, "label that all agent pods carry", default=contract.AGENT_SELECTOR
    )
    node_label: str = option(common.LABEL_KEY, _SERVICE, _NODE_LABEL, default=contract.NODE_LABEL)
    take_over: bool = switch(
        _SERVICE, "overwrite this node's Service even if its selector belongs to another DaemonSet"
    )
    dry_run: bool = switch(common.RUN, "send all requests with dryRun, change nothing, print the objects as YAML")
    resync: float | None = option(common.POSITIVE_DURATION, common.RUN, _RESYNC, unset="off, it registers once")
    health_port: int | None = option(
        common.TCP_PORT, common.RUN, "with --resync: serve /livez and /readyz on this port", unset="off"
    )

    def dry_run_query(self) -> dict[str, str]:
        """Query of a request that writes."""
        return {"dryRun": "All"} if self.dry_run else {}


COMMAND = Command(
    name="registrar",
    about="Labels its own pod with its node and maintains that node's ClusterIP Service.",
    settings=Settings,
    groups=(_POD, _SERVICE, common.RUN, common.SERVER, common.LOGS),
    exit_codes={
        "0": "the pod has its label, and the Service is as wanted",
        "1": "it could not be done: the log says what failed, why, and what to do",
        "2": "bad settings: nothing was tried",
        "4": "with --pod-labels: the pod has no node label, only a new pod gets one",
        "130": "interrupted by SIGINT or SIGTERM (0 with --resync, once registered)",
    },
    examples={
        "show what it would do, in a pod": "python -m registrar --dry-run",
        "two ports": "python -m registrar --port http-proxy=8888 --port socks=1080",
        "as a sidecar, every ten minutes": "python -m registrar --resync 10m --health-port 8081",
    },
)


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Settings from flags and environment. Raises SettingsError, which names the setting."""
    given = options.read(COMMAND, Settings(), argv, environ)
    if given.node_label in {*given.selector, *contract.SERVICE_LABELS}:
        raise SettingsError("--node-label (REGISTRAR_NODE_LABEL)", f"{given.node_label!r} has another meaning")
    if given.copy_node_label:
        _check_copied(given.copy_node_label, given)
    if given.resync and given.dry_run:
        raise SettingsError("--resync", "a dry run cannot be repeated")
    if given.health_port and not given.resync:
        raise SettingsError("--health-port", "there is nothing to probe without --resync")
    return given


def _check_copied(keys: tuple[str, ...], given: Settings) -> None:
    name = "--copy-node-label (REGISTRAR_COPY_NODE_LABEL)"
    if given.pod_labels:
        raise SettingsError(name, "with --pod-labels the registrar sets no label of the pod")
    if taken := {given.node_label, *given.selector} & {*keys}:
        raise SettingsError(name, f"{min(taken)!r} has another meaning")
