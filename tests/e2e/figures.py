"""Figures that scenarios measure, such as the time of a registration. They are printed at the end of a run."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from registrar import contract
from tests.e2e.stack import SLICES, TIMEOUT
from tests.e2e.traffic import Answer, failures
from tests.harness.client import ApiClient, Object
from tests.harness.cluster import PODS

REMOVED = "old pod removed, s"  # since it was asked to end
READY = "Service ready, s"  # since the new pod was scheduled
FIRST_BYTE = "first proxied byte, s"
REQUESTS = "requests"
FAILED = "requests failed"
SPAN = "from the first failed to the last, s"


@dataclass
class Figures:
    """The numbers measured on each occasion, by what they measure."""

    rows: dict[str, dict[str, float]] = field(default_factory=dict)

    def add(self, occasion: str, what: str, number: float) -> None:
        self._row(occasion)[what] = number

    def add_registrations(self, occasion: str, watch: "Stopwatch", first_answers: Mapping[str, float]) -> None:
        """A row of times: until the old pod is gone, and until the new pod's Service and first proxied byte."""
        for node, scheduled in sorted(watch.scheduled.items()):
            row = self._row(f"{occasion}: {node}")
            if node in watch.removed:
                row[REMOVED] = watch.removed[node] - watch.ending[node]
            row.update({READY: watch.ready[node] - scheduled, FIRST_BYTE: first_answers[node] - scheduled})

    def add_loop(self, occasion: str, answers: Sequence[Answer]) -> None:
        """How many requests of a loop failed, and the time from the first to the last of them."""
        failed = [each.time for each in failures(answers)]
        self._row(occasion).update({FAILED: len(failed), SPAN: max(failed) - min(failed) if failed else 0})

    def add_requests(self, occasion: str, answers: Sequence[Answer]) -> None:
        """How many requests there were, and how many of them failed."""
        self._row(occasion).update({REQUESTS: len(answers), FAILED: len(failures(answers))})

    def table(self) -> list[str]:
        """A line for each occasion."""
        width = max(map(len, self.rows), default=0)
        return [
            f"{occasion:{width}}  " + "; ".join(f"{what} {number:.1f}" for what, number in row.items())
            for occasion, row in self.rows.items()
        ]

    def _row(self, occasion: str) -> dict[str, float]:
        return self.rows.setdefault(occasion, {})


class Stopwatch:
    """Notes when agent pods go, when new ones are scheduled, and when their Services lead to them, from watches.

    `with Stopwatch(admin, nodes) as watch:` waits for all of them at the end of the block, or raises TimeoutError.
    """

    def __init__(self, admin: ApiClient, nodes: Iterable[str]) -> None:
        self._admin = admin
        self._nodes = frozenset(nodes)
        self.ending: dict[str, float] = {}
        self.removed: dict[str, float] = {}
        self.scheduled: dict[str, float] = {}
        self.ready: dict[str, float] = {}

    def __enter__(self) -> "Stopwatch":
        old = [pod for pod in self._admin.list(PODS) if contract.NODE_LABEL in (pod["metadata"].get("labels") or {})]
        self._old = {pod["metadata"]["uid"]: str(pod["spec"].get("nodeName", "")) for pod in old}
        self._pool = ThreadPoolExecutor(3)
        self._watches = [
            self._pool.submit(self._follow_removals),
            self._pool.submit(self._follow, PODS, self.scheduled, self._scheduled_on),
            self._pool.submit(self._follow, SLICES, self.ready, self._leads_to),
        ]
        return self

    def __exit__(self, error: object, *_rest: object) -> None:
        if not error:
            for watch in self._watches:
                watch.result(TIMEOUT)
        self._pool.shutdown(wait=False)

    def _follow(self, path: str, moments: dict[str, float], node_of: Callable[[Object], str]) -> None:
        for event in self._admin.watch(path, round(TIMEOUT)):
            if (node := node_of(event["object"])) in self._nodes:
                moments.setdefault(node, time.time())
            if moments.keys() == self._nodes:
                return
        raise TimeoutError(f"expected {sorted(self._nodes)}, but only {sorted(moments)} came")

    def _follow_removals(self) -> None:
        expected = self._nodes & {*self._old.values()}
        if not expected:
            return
        for event in self._admin.watch(PODS, round(TIMEOUT)):
            meta = event["object"]["metadata"]
            if (node := self._old.get(meta["uid"], "")) not in expected:
                continue
            if meta.get("deletionTimestamp"):
                self.ending.setdefault(node, time.time())
            if event["type"] == "DELETED":
                self.removed[node] = time.time()
            if self.removed.keys() == expected:
                return
        raise TimeoutError(
            f"expected the old pods of {sorted(expected)} to go, but only those of {sorted(self.removed)} did"
        )

    def _scheduled_on(self, pod: Object) -> str:
        """The node of a new agent pod that has one, else ""."""
        labels = pod["metadata"].get("labels") or {}
        new = contract.AGENT_SELECTOR.items() <= labels.items() and pod["metadata"]["uid"] not in self._old
        return str(pod["spec"].get("nodeName", "")) if new else ""

    def _leads_to(self, part: Object) -> str:
        """The node of a Service's EndpointSlice that has the ready endpoint of a new pod, else ""."""
        ready = [each for each in part["endpoints"] or [] if each["conditions"]["ready"]]
        pods = {each["targetRef"]["uid"] for each in ready}
        name = str((part["metadata"].get("labels") or {}).get("kubernetes.io/service-name", ""))
        return name.removeprefix(contract.SERVICE_PREFIX) if pods - self._old.keys() else ""
