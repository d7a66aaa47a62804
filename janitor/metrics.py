"""Metrics of the janitor, and the pages that serve them. docs/metrics.md explains each.

Counters are for a janitor that keeps running. A single run leaves one sample of them, from which no rate can be
computed; the gauges of the last run have the same numbers. A gauge appears with the first run that knows its value, so
that 0 never means "not known".
"""

import platform
import re
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from http import HTTPStatus

from prometheus_client import CollectorRegistry, Counter, Gauge, Info, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from janitor.outcome import Ending, Result, Run
from janitor.verdict import Verdict
from registrar import __version__
from registrar.cli import probes
from registrar.cli.probes import Health, Page, probe

PREFIX = "nodeproxy_janitor"
MODES = ("delete", "dry-run")

_OBJECT = re.compile(r"/api/v1/(?:namespaces/[^/?]+/)?(services|nodes|pods|events)(/[^/?]+)?(?:\?|$)")
_VERBS = {"GET": ("list", "get"), "POST": ("create", "create"), "PATCH": ("patch", "patch"), "DELETE": ("delete",) * 2}
_STATUSES = frozenset(int(status) for status in HTTPStatus)


class Metrics:
    """Metrics of all runs of this process; an Observer of its exchanges with the API server."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter
        self.registry = CollectorRegistry()
        self._runs = self._counter("runs", "Runs that ended, by mode and outcome.", "mode", "outcome")
        self._deletions = self._counter("deletions", "Deletions that were tried, by what came of them.", "result")
        self._refusals = self._counter("guard_refusals", "Runs in which the guard refused to delete anything.")
        text = "Exchanges with the API server; code is the HTTP status or error."
        self._requests = self._counter("api_requests", text, "verb", "resource", "code")
        self._retries = self._counter("api_retries", "Failed exchanges that were tried again.")
        build = Info("build", "Versions of the janitor and of Python.", namespace=PREFIX, registry=self.registry)
        build.info({"version": __version__, "python": platform.python_version()})
        self._gauges: dict[str, Gauge] = {}
        for mode in MODES:
            for ending in Ending:
                self._runs.labels(mode, ending)
        for result in Result:
            self._deletions.labels(result)

    def request(self, method: str, url: str, status: int | None) -> None:
        """Count an exchange with the API server."""
        self._requests.labels(*verb_and_resource(method, url), code(status)).inc()

    def retry(self) -> None:
        """Count a failed exchange that will be retried."""
        self._retries.inc()

    def record(self, run: Run | None, *, dry_run: bool, seconds: float) -> None:
        """Count a run that is over; None is a run that could not read all lists."""
        mode, now = MODES[dry_run], time.time()
        ending = run.ending if run else Ending.FAILURE
        self._runs.labels(mode, ending).inc()
        self._refusals.inc(ending is Ending.REFUSED)
        outcomes = run.outcomes if run else ()
        # Stamps do not count, and a dry run tries nothing.
        tried = _count(Result, [each.result for each in outcomes if each.judgement.verdict is Verdict.DELETE])
        for result, number in tried.items():
            self._deletions.labels(result).inc(number)

        self._gauge("last_run_timestamp_seconds", "When the last run ended.", "mode").labels(mode).set(now)
        if ending is Ending.SUCCESS:
            text = "When the last run ended in which all was done."
            self._gauge("last_success_timestamp_seconds", text, "mode").labels(mode).set(now)
        self._gauge("run_duration_seconds", "How long the last run took.").set(seconds)
        self._set("last_run_outcome", "1 for the outcome of the last run, else 0.", "outcome", _count(Ending, [ending]))
        self._set("last_run_deletions", "Deletions that the last run tried, by what came of them.", "result", tried)
        if run:
            verdicts = _count(Verdict, [each.judgement.verdict for each in outcomes])
            self._set("services", "Services that the last run judged, by verdict.", "verdict", verdicts)
            self._gauge("nodes", "Nodes that the last run found.").set(run.nodes)
            missing = now - run.longest_held[0].timestamp() if run.longest_held else 0
            text = "How long the node of the Service that is held the longest has been missing; 0 if none is held."
            self._gauge("node_missing_seconds", text).set(max(missing, 0))
            text = "Live nodes with a registered agent pod to which no Service leads."
            self._gauge("nodes_without_service", text).set(len(run.without_service))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=PREFIX, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        if name not in self._gauges:
            self._gauges[name] = Gauge(name, text, labels, namespace=PREFIX, registry=self.registry)
        return self._gauges[name]

    def _set(self, name: str, text: str, label: str, numbers: dict[str, int]) -> None:
        for value, number in numbers.items():
            self._gauge(name, text, label).labels(value).set(number)


def verb_and_resource(method: str, url: str) -> tuple[str, str]:
    """Verb and resource as in RBAC; `other` for requests that the janitor does not send."""
    found = _OBJECT.search(url)
    if not found or method not in _VERBS:
        return "other", "other"
    return _VERBS[method][found[2] is not None], found[1]


def code(status: int | None) -> str:
    """The status as a label value. A proxy may send any number, and each would be a new series."""
    if status is None:
        return "error"
    return str(status) if status in _STATUSES else "other"


def _count(values: Iterable[str], found: Sequence[str | None]) -> dict[str, int]:
    """How often each of `values` was found, 0 included: a series that comes and goes breaks queries."""
    return {str(value): found.count(value) for value in values}


def page(metrics: Metrics, accept: str) -> Page:
    """/metrics in the format that the header `accept` asks for; in text if the header makes no sense."""
    try:
        encode, kind = choose_encoder(accept)
    except (TypeError, ValueError):  # a version that is no number
        encode, kind = choose_encoder("")
    return Page(encode(metrics.registry), kind=kind)


def serving(port: int, metrics: Metrics, health: Health) -> AbstractContextManager[None]:
    """Serve /metrics and probes while the block runs. Raises SettingsError if the port is taken."""
    pages: probes.Pages = {
        "/metrics": partial(page, metrics),
        "/livez": probe(health.live, "no run has finished for three intervals"),
        "/readyz": probe(health.ready, "no run has finished yet, or the last one failed"),
    }
    return probes.serving("--metrics-port", port, pages)
