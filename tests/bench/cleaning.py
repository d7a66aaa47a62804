"""The janitor in clusters of a thousand nodes and more, compared with the script and with bare requests."""

import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from images.progress import counted
from janitor.inventory import METADATA_ONLY
from tests.bench import handrolled
from tests.bench.measure import Program, Sample, ratio, spread
from tests.bench.programs import Access, HostPython, ImagePython
from tests.harness import objects
from tests.harness.client import Object
from tests.harness.cluster import JANITOR, NAMESPACE, NODES, SERVICES, Cluster
from tests.harness.gateway import Gateway

SCRIPT, LOOP = "hand-rolled script, kubectl", "raw HTTPS loop, four connections"
IMAGES = 50  # in each node's status, as kubelet reports them


@dataclass
class Crowd:
    """A growing cluster: `grow` adds nodes with their Services, `lose` adds Services whose node is gone."""

    cluster: Cluster
    size: int = 0

    def grow(self, size: int) -> None:
        names = [f"n-{number:05}" for number in range(self.size, size)]
        self.cluster.admin.create_many(NODES, map(_node, names))
        self.cluster.admin.create_many(SERVICES, map(objects.service, names))
        self.size = size

    def lose(self, number: int) -> None:
        there = self.cluster.services()
        gone = [objects.service(f"gone-{each:04}") for each in range(number)]
        missing = [each for each in gone if each["metadata"]["name"] not in there]
        self.cluster.admin.create_many(SERVICES, missing)


def _node(name: str) -> Object:
    images = [
        {"names": [f"registry.example.com/team/{name}/app-{each}:v1.{each}.0"], "sizeBytes": 10**8}
        for each in range(IMAGES)
    ]
    return {**objects.node(name), "status": {"images": images}}


class Cleaning:
    """Runs the programs in turns on the same cluster."""

    def __init__(self, crowd: Crowd, runs: int, pythons: Sequence[HostPython | ImagePython], folder: Path) -> None:
        self._crowd, self._runs, self._pythons, self._folder = crowd, runs, pythons, folder
        self._api = crowd.cluster.api
        self._busy: dict[str, list[Sample]] = {}  # of the last table

    def table(self, gone: int, against: str) -> list[str]:
        """Compare ours with `against` (SCRIPT or LOOP); each run has `gone` Services to delete."""
        samples: dict[str, list[Sample]] = {against: [], **{python.name: [] for python in self._pythons}}
        servers: dict[str, list[float]] = {name: [] for name in samples}
        for _ in counted("run", range(self._runs)):
            for name, taken in samples.items():
                self._crowd.lose(gone)
                before = self._api.cpu_seconds()
                taken.append(self._run(name))
                servers[name].append(self._api.cpu_seconds() - before)
        self._busy = samples
        head = f"{self._crowd.size:,} nodes, {gone} gone"
        rows = [f"| {head} | requests | wall, s | CPU, s | peak, MB | CPU of API server and etcd, s |"]
        rows.append("|---|---|---|---|---|---|")
        for name, taken in samples.items():
            paired = f"; {ratio(taken, samples[against], 'wall'):.2f}x" if name != against else ""
            cells = (
                spread([each.requests for each in taken], 0),
                spread([each.wall for each in taken]) + paired,
                spread([each.cpu for each in taken]),
                spread([each.peak for each in taken], 0, 1e6),
                spread(servers[name]),
            )
            rows.append(f"| {name} | {' | '.join(cells)} |")
        return rows

    def idle(self) -> dict[str, list[Sample]]:
        """Runs with nothing to delete, which show how reading and judging grow."""
        return {
            python.name: [self._run(python.name) for _ in counted("idle run", range(self._runs))]
            for python in self._pythons
        }

    def of_deletions(self, gone: int, idle: Mapping[str, list[Sample]]) -> str:
        """The CPU time of the last table's `gone` deletions: what those runs needed more than `idle` ones."""
        median = {name: statistics.median(each.cpu for each in taken) for name, taken in self._busy.items()}
        cpu = {name: median[name] - statistics.median(each.cpu for each in taken) for name, taken in idle.items()}
        texts = (f"{seconds / gone * 100:.2f} s ({name})" for name, seconds in cpu.items())
        return f"{self._crowd.size:,} nodes, {gone} gone: own CPU time of 100 deletions {', '.join(texts)}."

    def _run(self, name: str) -> Sample:
        mark = self._api.audit_mark()
        user = f"system:serviceaccount:{NAMESPACE}:{handrolled.ACCOUNT if name == SCRIPT else JANITOR}"
        return self._program(name).run(lambda: len(self._api.requests_since(mark, user=user)))

    def _program(self, name: str) -> Program:
        access = self._access(handrolled.ACCOUNT if name == SCRIPT else JANITOR)
        if name == SCRIPT:
            kubectl = {"KUBECTL": str(self._api.assets.kubectl), "KUBECONFIG": str(access.kubeconfig(self._folder))}
            return Program(["sh", "-c", handrolled.CLEAN], kubectl)
        if name == LOOP:
            where = [access.server, str(access.ca_file), access.token, NAMESPACE]
            return Program([sys.executable, "-m", "tests.bench.rawloop", *where], {})
        [python] = [each for each in self._pythons if each.name == name]
        return python.program("janitor", access, {})

    def _access(self, account: str) -> Access:
        token = self._api.service_account_token(NAMESPACE, account)
        return Access(self._api.url, self._api.ca_file, token)

    def bytes_per_node(self) -> str:
        """What the janitor reads about each node, compared with one metadata-only list of the nodes."""
        read: list[int] = []

        def count(body: bytes) -> bytes:
            read.append(len(body))
            return body

        with Gateway(self._api) as gateway:
            gateway.rule("GET", "/nodes$", times=None, rewrite=count)
            run = self._crowd.cluster.janitor("--dry-run", server=gateway.url)
            assert run.code == 0, run.err
            ours, size = sum(read), self._crowd.size
            read.clear()
            self._list(gateway)
        return (
            f"{size:,} nodes with {IMAGES} images each: the janitor reads {ours / size:.0f} bytes a node, "
            f"{ours / sum(read):.2f}x of one metadata-only list."
        )

    def _list(self, gateway: Gateway) -> Any:
        token = self._api.service_account_token(NAMESPACE, JANITOR)
        headers = {"Authorization": f"Bearer {token}", "Accept": METADATA_ONLY}
        return requests.get(f"{gateway.url}/api/v1/nodes", headers=headers, verify=str(self._api.ca_file), timeout=60)
