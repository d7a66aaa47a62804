"""Load on the API server: many registrations at the same moment, near and far, and the hand-rolled script."""

import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.bench import handrolled, registrations
from tests.bench.measure import spread
from tests.bench.programs import HostPython, ImagePython
from tests.bench.relay import longer_path
from tests.bench.together import AGENT, Outcome, prepare, raise_limit_of_files
from tests.harness.apiserver import ApiServer
from tests.harness.audit import AuditEvent
from tests.harness.cluster import Cluster
from tests.harness.processes import wait_until

ROUND_TRIP = 0.04  # seconds, of the longer path
ROLLOUT, SCRIPTS = 50, 10  # registrations, and scripts, at the same time
REQUESTS = 3  # of a registration
IDLE = 3.0  # seconds in which the API server has nothing to do
HEAD = (
    "load",
    "failed",
    "requests of each",
    "of them refused (429)",
    "requests that no 429 explains",
    "retries of the clients",
    "median, s",
    "p99, s",
    "all in, s",
    "p99 of a request in the API server, ms",
    "CPU of API server and etcd, ms each",
)


class Load:
    """Measures one kind of load after the other, and collects what the page says of it."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster, self._api, self._folder = cluster, cluster.api, folder
        self.rows = [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
        self.notes: list[str] = []
        raise_limit_of_files()
        before = self._api.cpu_seconds()
        time.sleep(IDLE)
        self._idle = (self._api.cpu_seconds() - before) / IDLE

    def registrations(self, name: str, number: int, at_once: int, server: str) -> None:
        """The registrar's own code in threads, each with its own connection and the token of its pod."""
        run = prepare(self._cluster, number, at_once, server)
        passed = dispatched(self._api)
        self._measure(name, run, number, user_agent=AGENT)
        if dispatched(self._api) == passed:
            raise SystemExit("priority and fairness is off in this API server: with it the figures may be others")

    def scripts(self, name: str, number: int, server: str) -> None:
        def run() -> Outcome:
            with ThreadPoolExecutor(SCRIPTS) as pool:
                samples = pool.map(lambda _: registrations.script(self._cluster, self._folder, server), range(number))
                return Outcome([each.wall for each in samples])

        self._measure(name, run, number, user=handrolled.user())

    def _measure(self, name: str, run: Callable[[], Outcome], number: int, **who: str) -> None:
        """Add a row."""
        mark, cpu, began = self._api.audit_mark(), self._api.cpu_seconds(), time.monotonic()
        outcome = run()
        took = time.monotonic() - began
        used = self._api.cpu_seconds() - cpu - self._idle * took
        received = self._api.requests_since(mark, **who)
        answered = wait_until(lambda: self._answers(mark, len(received), **who), 10, "all answers in the audit log")
        sent = Counter(event.user_agent for event in received)
        refused = Counter(event.user_agent for event in answered if event.code == 429)
        # After a 429 to the write of the Service, the registrar reads it again first.
        unexplained = sum(max(0, count - REQUESTS - 2 * refused[agent]) for agent, count in sent.items())
        ours = outcome.retries is not None  # then each registration has a User-Agent of its own
        cells = (
            name,
            f"{len(outcome.failures)}",
            spread([*sent.values()], 0) if ours else f"{len(received) / number:.1f}",
            f"{refused.total()}",
            f"{unexplained}" if ours else "-",
            f"{outcome.retries}" if ours else "-",
            f"{statistics.median(outcome.seconds):.2f}",
            f"{_p99(outcome.seconds):.2f}",
            f"{took:.1f}",
            f"{_p99([event.seconds for event in answered]) * 1e3:.0f}",
            f"{used / number * 1e3:.1f}",
        )
        self.rows.append(f"| {' | '.join(cells)} |")
        self.notes += [f"- {name}, for example: {failure}" for failure in outcome.failures[:1]]
        self._cluster.wipe()

    def _answers(self, mark: int, number: int, **who: str) -> list[AuditEvent]:
        answers = self._api.requests_since(mark, stage="ResponseComplete", **who)
        return answers if len(answers) >= number else []


def section(
    cluster: Cluster, at_once: int, rollout: int, runs: int, pythons: Sequence[HostPython | ImagePython], folder: Path
) -> list[str]:
    """The section of the page: both kinds of load, near and far, and one registration far away."""
    api, scripts, far = cluster.api, max(SCRIPTS, at_once // 10), f"{ROUND_TRIP * 1e3:.0f} ms away"
    load = Load(cluster, folder)
    load.registrations(f"{rollout} registrations, {ROLLOUT} at a time", rollout, min(ROLLOUT, rollout), api.url)
    load.registrations(f"{at_once:,} registrations at once", at_once, at_once, api.url)
    load.scripts(f"the script {scripts} times, {SCRIPTS} at a time", scripts, api.url)
    with longer_path(api.port, ROUND_TRIP / 2, folder) as port:
        server = f"https://127.0.0.1:{port}"
        load.registrations(f"{at_once:,} registrations at once, {far}", at_once, at_once, server)
        load.scripts(f"the script {scripts} times, {SCRIPTS} at a time, {far}", scripts, server)
        one = registrations.one(cluster, runs, pythons, folder, server)
    notes = ["", "Failures:", "", *load.notes] if load.notes else []
    return [*load.rows, *notes, "", f"One registration, alone, {far}:", "", *one]


def dispatched(api: ApiServer) -> int:
    """How many requests of ServiceAccounts priority and fairness has let pass so far."""
    line = r'^apiserver_flowcontrol_dispatched_requests_total\{.*"service-accounts".*\} (\S+)$'
    return int(sum(map(float, re.findall(line, api.admin.text("/metrics"), re.MULTILINE))))


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]
