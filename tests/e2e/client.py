"""A pod that uses the proxies with curl, as any pod of the cluster may."""

import shlex
import subprocess
from collections.abc import Mapping
from typing import Any

from registrar import contract
from tests.e2e import containers
from tests.e2e.layout import PRINTER
from tests.e2e.network import run
from tests.e2e.parts import TOOLBOX
from tests.e2e.server import PATH, Server
from tests.harness.cluster import NAMESPACE

CLIENTS = "clients"  # the clients' namespace, which is not that of the proxies
CA = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"  # it has signed the printers' certificates
URL = f"http://{PRINTER}/"
PATIENCE = 120  # seconds that a client waits for a proxy
OPT_IN = {"nodeproxy/client": "true"}  # the label that networkPolicy.enabled requires


def host(node: str) -> str:
    """The host name of a node's proxy, as in the README."""
    return f"{contract.service_name(node)}.{NAMESPACE}"


def proxy(node: str) -> str:
    return f"http://{host(node)}:8888"


class Client:
    """A sleeping pod on `node`; `spec` is the rest of its pod spec.

    Scripts enter the pod's namespaces without kubectl, so they also run while the API server or kubelet is away.
    """

    def __init__(self, api: Server, name: str, node: str, labels: Mapping[str, str] = OPT_IN, **spec: Any) -> None:
        self._api = api
        self._path = f"/api/v1/namespaces/{CLIENTS}/pods/{name}"
        container = {"name": "client", "image": TOOLBOX, "command": ["sleep", "infinity"]}
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels},
            "spec": {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [container], **spec},
        }
        api.admin.create(self._path.rpartition("/")[0], body)
        api.kubectl("wait", "--for=condition=Ready", f"pod/{name}", f"--namespace={CLIENTS}", "--timeout=120s")
        self._pid = containers.main_process(api.admin.get(self._path), "client")

    def run(self, script: str, network: str = "") -> str:
        """Standard output of a shell script in the pod. One that fails raises RuntimeError.

        `network` names another network namespace than the pod's, such as a LAN's.
        """
        return run(*self._command(script, network)).strip()

    def start(self, script: str) -> "subprocess.Popen[bytes]":
        """Start a shell script in the pod; its standard input and output are pipes."""
        return subprocess.Popen(self._command(script), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def fetch(self, node: str, url: str = URL) -> str:
        """What `url` answers through the proxy of `node`."""
        return self.run(f"curl -sS --fail --max-time 10 --cacert {CA} --proxy {proxy(node)} {url}")

    def first_answer(self, node: str, city: str) -> float:
        """When (seconds since the epoch) the first answer came through `node`, whose proxy may not be there yet."""
        return self.first_answer_of(contract.service_name(node), city)

    def first_answer_of(self, service: str, city: str) -> float:
        """As `first_answer`, through any Service of our namespace that leads to a proxy."""
        ask = f"curl -s --max-time 2 --proxy http://{service}.{NAMESPACE}:8888 {URL}"
        again = f"[ $SECONDS -lt {PATIENCE} ] || {{ echo no answer from {city} >&2; exit 1; }}; sleep 0.05"
        return float(self.run(f'until [ "$({ask})" = {city} ]; do {again}; done; echo $EPOCHREALTIME'))

    def await_port(self, host: str, port: int) -> None:
        """Wait until a connection to a new Service succeeds.

        After a restart of the API server, DNS and kube-proxy may watch nothing for half a minute (Stack.await_network).
        """
        again = f"[ $SECONDS -lt {PATIENCE} ] || {{ echo no connection to {host} >&2; exit 1; }}; sleep 0.2"
        self.run(f"until timeout 2 bash -c '</dev/tcp/{host}/{port}' 2>/dev/null; do {again}; done")

    def program(self, name: str) -> str:
        """A shell script that runs this program in the pod with the script's arguments."""
        command = shlex.join([*self._command('exec "$@"'), "bash", name])
        return f'#!/bin/sh\nexec {command} "$@"\n'

    def delete(self) -> None:
        self._api.admin.delete(self._path)

    def _command(self, script: str, network: str = "") -> list[str]:
        environment = ("env", "-i", f"PATH={PATH}", "bash", "-c", script)
        net = f"--net=/run/netns/{network}" if network else "--net"
        return ["nsenter", f"--target={self._pid}", "--mount", net, "--uts", "--", *environment]
