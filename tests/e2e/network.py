"""The network: a bridge that connects the nodes, and a LAN of its own behind each node. Runs inside the sandbox.

The sandbox's own network namespace is the control plane's: server and tests are at 198.18.0.1, on the bridge. There is
no route out of it.
"""

import socket
import subprocess
from collections.abc import Iterable, Sequence

from tests.e2e.layout import (
    LAN_MASK,
    METADATA,
    NODE_MASK,
    PRINTER,
    SERVER,
    SERVICE_RANGE,
    Site,
)


def run(*command: str) -> str:
    """Run a command; its standard output. A failure raises RuntimeError with the command's output."""
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def accepts(address: str, port: int) -> bool:
    """Does a server accept TCP connections there?"""
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def within(namespace: str) -> list[str]:
    """The beginning of a command line that runs a command in this network namespace."""
    return ["nsenter", f"--net=/run/netns/{namespace}", "--"]


def make_bridge() -> None:
    run("ip", "link", "add", "nodes", "type", "bridge")
    run("ip", "addr", "add", f"{SERVER}/{NODE_MASK}", "dev", "nodes")
    run("ip", "link", "set", "nodes", "up")


def shares_lan(site: Site, others: Iterable[Site]) -> bool:
    """Is one of the others in the same LAN?"""
    return any(other.lan == site.lan for other in others)


def join(site: Site, others: Sequence[Site]) -> None:
    """Connect a node to the bridge and to its LAN, with routes from and to the pods of `others`."""
    run("ip", "netns", "add", site.node)
    if not shares_lan(site, others):
        _make_lan(site)
    run("ip", "link", "add", site.node, "type", "veth", "peer", "name", "eth0", "netns", site.node)
    run("ip", "link", "set", site.node, "master", "nodes", "up")
    plug = f"node-{site.number}"
    run("ip", "link", "add", "lan0", "netns", site.node, "type", "veth", "peer", "name", plug, "netns", site.lan)
    run("ip", "-n", site.lan, "link", "set", plug, "master", "lan", "up")
    _address(site.node, "eth0", f"{site.address}/{NODE_MASK}")
    _address(site.node, "lan0", f"{site.lan_address}/{LAN_MASK}")
    run("ip", "-n", site.node, "route", "add", METADATA, "dev", "lan0")
    # the node's own programs need a route to Services, although kube-proxy then rewrites the address
    run("ip", "-n", site.node, "route", "add", SERVICE_RANGE, "via", SERVER)
    run("ip", "route", "replace", site.pod_range, "via", site.address)
    for other in others:
        run("ip", "-n", other.node, "route", "replace", site.pod_range, "via", site.address)
        run("ip", "-n", site.node, "route", "replace", other.pod_range, "via", other.address)
    run(*within(site.node), "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
    # machines in the LAN have no route to pods, so packets of pods get the node's address (NAT)
    masquerade = ("POSTROUTING", "-s", site.pod_range, "-o", "lan0", "-j", "MASQUERADE")
    run(*within(site.node), "iptables", "-t", "nat", "-A", *masquerade)


def leave(site: Site, others: Iterable[Site]) -> None:
    """Disconnect a node, and end its LAN unless one of `others` is in it. Namespaces end with their last process."""
    run("ip", "link", "delete", site.node)
    run("ip", "netns", "delete", site.node)
    if not shares_lan(site, others):
        run("ip", "netns", "delete", site.lan)


def _make_lan(site: Site) -> None:
    """A switch, with the printer at it."""
    run("ip", "netns", "add", site.lan)
    run("ip", "-n", site.lan, "link", "add", "lan", "type", "bridge")
    for address in (f"{PRINTER}/{LAN_MASK}", f"{site.named}/{LAN_MASK}", f"{METADATA}/32"):
        _address(site.lan, "lan", address)


def _address(namespace: str, device: str, address: str) -> None:
    run("ip", "-n", namespace, "link", "set", "lo", "up")
    run("ip", "-n", namespace, "addr", "add", address, "dev", device)
    run("ip", "-n", namespace, "link", "set", device, "up")
