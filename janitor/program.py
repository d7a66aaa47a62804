"""The janitor as a program: one run or one after the other, and whoever watches is told."""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from janitor import events, inventory, report, sweep, verdict
from janitor.outcome import Outcome, Run, say
from janitor.settings import Settings
from registrar import __version__
from registrar.cli import logs, output, watchdog
from registrar.cli.failures import Failure
from registrar.cli.probes import Health
from registrar.cli.watchdog import Stop
from registrar.kube import credentials
from registrar.kube.transport import Kube

if TYPE_CHECKING:
    from janitor.metrics import Metrics

log = logging.getLogger(__name__)


class Program:
    """Raises SettingsError or Failure where there is no way to an API server."""

    def __init__(self, given: Settings, environ: Mapping[str, str], stop: Stop) -> None:
        self._given, self._stop = given, stop
        self._metrics = _metrics() if given.metrics_port or given.pushgateway else None
        self._health = Health(given.interval)
        source = credentials.find(given.kubeconfig, given.context, environ)
        agent = f"nodeproxy-janitor/{__version__}"
        self._kube = Kube(source, agent=agent, timeout=given.run_timeout, relaxed=given.tls_relaxed)
        if self._metrics:
            self._kube.observer = self._metrics
        self._namespace = self._kube.namespace(given.namespace)
        log.info("server %s (%s), namespace %s", self._kube.server, source, self._namespace)

    def run(self) -> int:
        """Do all that is to be done; the exit code is the run's. A janitor that stays ends by being asked to: 0."""
        with self._serving():
            if self._given.interval:
                self._repeat(self._given.interval)
                return 0
            code = self._once()
            self._stop.wait(self._given.linger)
            return code

    def _repeat(self, interval: float) -> None:
        while not self._stop.requested():
            started = time.monotonic()
            self._once()
            self._stop.wait(interval - (time.monotonic() - started))

    def _once(self) -> int:
        started = time.monotonic()
        self._kube.renew()
        done: Run | None = None
        try:
            with watchdog.limit(self._given.run_timeout):
                done = run(self._kube, self._given, self._namespace, self._stop.requested)
            code = done.exit_code
            self._report(done)
        except Failure as error:
            code = logs.end(error)
        if self._stop.requested():  # a run that was cut short says nothing of the cluster: nobody is told of it
            return self._interrupted()
        if not self._given.interval:
            self._stop.exit_code = code
        self._tell(done, time.monotonic() - started)
        return code

    def _interrupted(self) -> int:
        if not self._given.interval:
            log.error("cannot go on: interrupted")
        return self._stop.exit_code or 0

    def _report(self, done: Run) -> None:
        given = self._given
        if given.log_format == "json":
            for outcome in done.outcomes:
                if outcome.result is None:  # the others were logged when it happened
                    say(outcome)
        if given.output == "json":
            text = report.as_json(done.outcomes, dry_run=done.dry_run, refused=done.refused)
        else:
            width = output.width()
            brief = given.interval is not None or width is not None  # whoever pipes it looks for something
            text = report.as_text(done.outcomes, dry_run=done.dry_run, refused=done.refused, width=width, brief=brief)
        output.write(text + "\n")
        if done.without_service:
            log.warning("Nodes with an agent pod but no Service: %s", ", ".join(done.without_service))
        if done.refused:
            log.error("cannot delete any Service: %s", done.refused)

    def _tell(self, done: Run | None, seconds: float) -> None:
        """Events, probes, metrics: in this order, so that the metrics know of the Events' requests."""
        given = self._given
        if done and given.events and not done.dry_run:
            events.send(self._kube, done, self._namespace)
        self._health.finished(done=done is not None and done.exit_code != 1)
        if not self._metrics:
            return
        self._metrics.record(done, dry_run=given.dry_run, seconds=seconds)
        if given.pushgateway and not given.dry_run:
            from janitor.push import push

            push(given.pushgateway, self._metrics.registry, self._namespace)

    def _serving(self) -> AbstractContextManager[None]:
        if not (self._given.metrics_port and self._metrics):
            return nullcontext()
        from janitor.metrics import serving

        return serving(self._given.metrics_port, self._metrics, self._health)


def _metrics() -> "Metrics":
    """Imported where somebody asks for it: the others start faster without."""
    from janitor.metrics import Metrics

    return Metrics()


def run(kube: Kube, settings: Settings, namespace: str, stopping: Callable[[], bool]) -> Run:
    """Clean `namespace` up; once `stopping()`, no further Service is touched. Raises Failure where a list cannot be
    had, and then nothing was touched at all."""
    services, cluster = inventory.read(kube, settings, namespace)
    now = datetime.now(UTC)
    judgements = [verdict.judge(service, cluster, grace=settings.grace_period, now=now) for service in services]
    refused = verdict.guard(judgements, cluster, settings.max_delete)
    if settings.dry_run or refused:
        outcomes = [Outcome(judgement) for judgement in judgements]
    else:
        outcomes = sweep.sweep(kube, judgements, parallel=settings.delete_parallel, stopping=stopping)
    without_service = verdict.without_service(services, cluster)
    return Run(settings.dry_run, outcomes, refused, len(cluster.nodes), without_service)
