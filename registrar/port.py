"""A port of the Service, and how a setting says one. Pure."""

import re
from dataclasses import dataclass

from registrar import contract
from registrar.values import tcp_port

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
    number = tcp_port(match["port"])
    return Port(match["name"], number, tcp_port(target) if target.isdigit() else target, match["protocol"] or "TCP")
