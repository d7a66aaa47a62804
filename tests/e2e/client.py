"""A pod that uses the proxies, as any pod of the cluster may: with curl."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from registrar import contract
from tests.e2e.layout import PRINTER
from tests.e2e.parts import TOOLBOX
from tests.e2e.server import Server
from tests.harness.cluster import NAMESPACE

CLIENTS = "clients"  # their namespace: another than the proxies'
CA = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"  # it has signed the printers' certificates
URL = f"http://{PRINTER}/"


def proxy(node: str) -> str:
    """The name under which the README has users reach a node's proxy."""
    return f"http://{contract.service_name(node)}.{NAMESPACE}:8888"


@dataclass(frozen=True)
class Answer:
    """One request of a loop: when it ended (seconds since the epoch), and what came ("" for a failure)."""

    time: float
    text: str


class Client:
    """A sleeping pod on `node`; `spec` is the rest of its pod spec."""

    def __init__(self, api: Server, name: str, node: str, **spec: Any) -> None:
        self._api = api
        self._name = name
        container = {"name": "client", "image": TOOLBOX, "command": ["sleep", "infinity"]}
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name},
            "spec": {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [container], **spec},
        }
        api.admin.create(f"/api/v1/namespaces/{CLIENTS}/pods", body)
        api.kubectl("wait", "--for=condition=Ready", f"pod/{name}", f"--namespace={CLIENTS}", "--timeout=120s")

    def run(self, script: str) -> str:
        """Standard output of a shell script in the pod. One that fails raises RuntimeError."""
        return self._api.kubectl(*self._exec(script)).stdout.strip()

    def fetch(self, node: str, url: str = URL) -> str:
        """What `url` answers by way of `node`."""
        return self.run(f"curl -sS --fail --max-time 10 --cacert {CA} --proxy {proxy(node)} {url}")

    def first_answer(self, node: str, city: str) -> float:
        """When (seconds since the epoch) the first answer came by way of `node`, which may not be there yet."""
        ask = f"curl -s --max-time 2 --proxy {proxy(node)} {URL}"
        return float(self.run(f'until [ "$({ask})" = {city} ]; do sleep 0.05; done; date +%s.%N'))

    @contextmanager
    def loop(self, node: str) -> Iterator[list[Answer]]:
        """Request after request by way of `node`, from before the block's begin until one succeeds after its end.

        The list is filled when the block ends. A proxy that does not come back raises subprocess.TimeoutExpired.
        """
        answers: list[Answer] = []
        ask = f"curl -s --fail --max-time 2 --proxy {proxy(node)} {URL}"
        script = (
            f'until [ "$end" ] && [ "$text" ]; do text=$({ask}); echo $(date +%s.%N) $text;'
            ' [ "$end" ] || read -t 0.05 -r end; done'
        )
        with subprocess.Popen(
            [self._api.assets.kubectl, f"--kubeconfig={self._api.admin_kubeconfig}", *self._exec(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"HOME": str(self._api.folder), "PATH": os.defpath},  # a home in which kubectl may write
            bufsize=0,  # so that nothing is read ahead of the first line
        ) as asking:
            assert asking.stdout
            try:
                lines = [asking.stdout.readline()]
                yield answers
                out, _ = asking.communicate(b"end\n", timeout=60)
                lines += out.splitlines()
                moments = (line.decode().strip().partition(" ") for line in lines)
                answers += [Answer(float(moment), text) for moment, _, text in moments]
            finally:
                asking.kill()

    def _exec(self, script: str) -> list[str]:
        return ["exec", "--stdin", f"--namespace={CLIENTS}", self._name, "--", "bash", "-c", script]
