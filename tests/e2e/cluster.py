"""The whole cluster: control plane, image registry, DNS, two nodes with a LAN each, and room for a third."""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from tests.e2e import containers, network, printer
from tests.e2e.dns import Dns, start_in_lan
from tests.e2e.layout import BEIJING, PRINTER, SHANGHAI, STATE, Site
from tests.e2e.node import Node
from tests.e2e.registry import Registry
from tests.e2e.server import PATH, Server
from tests.harness.client import parallel
from tests.harness.cluster import NODES
from tests.harness.processes import Child, wait_until

READY = 120.0  # seconds for a node to register and to become Ready


class Cluster:
    """`with Cluster(say, logs) as cluster:`, inside the sandbox.

    `say` is called at each stage. At the end the folder `logs` has the logs of all programs.
    """

    def __init__(self, say: Callable[[str], None], logs: Path) -> None:
        self.nodes: dict[str, Node] = {}
        self._say = say
        self._logs = logs

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            network.make_bridge()
            self.api = stack.enter_context(Server())
            self.admin = self.api.admin
            stack.callback(self._save_logs)
            self._say(f"API server {self.api.version}, controller-manager and scheduler run")
            stack.enter_context(Dns(self.api))
            self.registry = stack.enter_context(Registry(self.api.folder))
            self._say("DNS server and image registry run")
            self._stack = stack
            for site in (BEIJING, SHANGHAI):
                self._wire(site)
            parallel(self._boot, self.nodes.values())
            for node in self.nodes.values():
                self.await_node(node.name, ready=True)
            self._say("both nodes are Ready")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def add(self, site: Site) -> Node:
        """Add a new node and wait until it is Ready."""
        node = self._wire(site)
        self._boot(node)
        self.await_node(site.node, ready=True)
        return node

    def remove(self, site: Site) -> None:
        """Switch a node's machine off for good. Its Node object stays."""
        node = self.nodes.pop(site.node)
        node.stop_all()
        for pid in containers.processes_of(site.node):
            with suppress(ProcessLookupError):  # it may have ended together with another one
                os.kill(pid, signal.SIGKILL)
        network.leave(site, [each.site for each in self.nodes.values()])

    def await_node(self, name: str, ready: bool) -> None:
        wait_until(
            lambda: self._is_ready(name) is ready,
            READY,
            f"node {name} {'Ready' if ready else 'NotReady'}",
            interval=0.2,
        )

    def await_default_account(self, namespace: str) -> None:
        """Wait for the ServiceAccount that kube-controller-manager creates. Pods cannot be created without it."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        wait_until(lambda: self.admin.list(path), READY, f"the default ServiceAccount of {namespace}")

    def _wire(self, site: Site) -> Node:
        others = [node.site for node in self.nodes.values()]
        network.join(site, others)
        node = self.nodes[site.node] = Node(site, self.api)
        self._stack.callback(node.stop_all)
        if not network.shares_lan(site, others):
            self._start_lan(site)
        return node

    def _boot(self, node: Node) -> None:
        node.boot()
        self._say(f"{node.name}: containerd, kubelet and kube-proxy run")

    def _is_ready(self, name: str) -> bool | None:
        """None if there is no such node."""
        for node in self.admin.list(NODES):
            if node["metadata"]["name"] == name:
                conditions = node.get("status", {}).get("conditions", [])
                return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
        return None

    def _start_lan(self, site: Site) -> None:
        """A printer, and a resolver that knows its name."""
        pair = self.api.ca.server(site.lan, [PRINTER])
        script = str(Path(printer.__file__))
        command = [*network.within(site.lan), sys.executable, "-I", script, site.city, str(pair.cert), str(pair.key)]
        child = Child(command, self.api.folder / f"{site.lan}.log", self.api.folder, PATH)
        self._stack.callback(child.stop, grace=0)
        self._stack.callback(start_in_lan(site, self.api.folder).stop, grace=0)

    def _save_logs(self) -> None:
        shutil.rmtree(self._logs, ignore_errors=True)
        for log in filter(Path.is_file, STATE.rglob("*.log")):  # not the dangling links of /var/log/containers
            kept = self._logs / log.relative_to(STATE)
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(log, kept)
