"""The janitor as a program: one run or one per interval, and its reports, Events, probes and metrics."""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from janitor import events, guard, inventory, report, sweep, verdict
from janitor.outcome import Ending, Outcome, Run
from janitor.settings import COMMAND, Settings
from registrar import __version__
from registrar.cli import logs, options, output, watchdog
from registrar.cli.failures import Failure
from registrar.cli.probes import Health
from registrar.cli.watchdog import Stop
from registrar.kube import source
from registrar.kube.transport import Kube

if TYPE_CHECKING:
    from janitor.metrics import Metrics

log = logging.getLogger(__name__)


def clean(kube: Kube, settings: Settings, namespace: str, stopping: Callable[[], bool]) -> Run:
    """Clean `namespace` up: read, judge, guard, sweep. Once `stopping()`, no further Service is touched.

    Raises Failure if a list cannot be read; then nothing was touched at all.
    """
    services, cluster = inventory.read(kube, settings, namespace)
    if misnamed := verdict.misnamed(services, cluster):
        log.warning(
            "Services that no registrar maintains under these names; see docs/migration.md: %s", ", ".join(misnamed)
        )
    now = datetime.now(UTC)
    judgements = [verdict.judge(service, cluster, grace=settings.grace_period, now=now) for service in services]
    refusal = guard.refusal(judgements, cluster, settings.max_delete)
    if settings.dry_run or refusal:
        outcomes = [Outcome(judgement) for judgement in judgements]
    else:
        outcomes = sweep.sweep(kube, judgements, parallel=settings.delete_parallel, stopping=stopping)
    without_service = verdict.without_service(services, cluster)
    return Run(settings.dry_run, outcomes, refusal, len(cluster.nodes), without_service)


class Program:
    """One janitor process, with its access to the API server, its probes and its metrics.

    Raises SettingsError or Failure if there is no access to an API server.
    """

    def __init__(self, given: Settings, environ: Mapping[str, str], stop: Stop, started: float | None = None) -> None:
        """The timeout of the first run begins now, or at `started` (monotonic)."""
        self._given, self._stop = given, stop
        self._metrics: Metrics | None = None
        if given.metrics_port or given.pushgateway:
            from janitor import metrics  # only on demand: the program starts faster without

            self._metrics = metrics.Metrics()
        self._health = Health(given.interval)
        origin = source.find(given.kubeconfig, given.context, environ)
        deadline = (time.monotonic() if started is None else started) + given.run_timeout
        with watchdog.limit(deadline - time.monotonic()):
            self._kube = Kube(
                origin,
                agent=f"nodeproxy-janitor/{__version__}",
                timeout=given.run_timeout,
                relaxed=given.tls_relaxed,
                observer=self._metrics,
                pause=stop.wait,
                deadline=deadline,
                managed_fields=False,
            )
        self._namespace = self._kube.namespace(given.namespace)
        server = self._kube.server
        log.info("janitor %s: server %s (%s), namespace %s", __version__, server, origin, self._namespace)
        log.info("settings: %s", options.shown(COMMAND, given))

    def run(self) -> int:
        """Run once, and return the run's exit code; or run until the program is asked to stop, and return 0."""
        with self._serving():
            if self._given.interval:
                self._stop.exit_code = 0  # also where a run is still waiting for an answer when the process has to end
                self._repeat(self._given.interval)
                return 0
            code = self._once()
            self._stop.wait(self._given.linger)
            return code

    def _repeat(self, interval: float) -> None:
        while not self._stop.requested():
            started = time.monotonic()
            self._kube = self._kube.renewed()
            self._once()
            self._stop.wait(interval - (time.monotonic() - started))

    def _once(self) -> int:
        started = time.monotonic()
        run: Run | None = None
        try:
            run = self._clean()
            code = run.ending.exit_code
            self._report(run)
        except Failure as error:
            code = logs.end(error)
        if self._stop.requested():  # a run that was cut short says nothing about the cluster, so nothing is reported
            if not self._given.interval:
                log.error("cannot continue: interrupted")
            return self._stop.exit_code or 0
        if not self._given.interval:
            self._stop.exit_code = code
        self._tell(run, time.monotonic() - started)
        return code

    def _clean(self) -> Run:
        """One run within its timeout. If a system call is blocked then, a janitor that keeps running goes on."""
        work = partial(clean, self._kube, self._given, self._namespace, self._stop.requested)
        if self._given.interval:
            return watchdog.within(self._kube.remaining(), work)
        with watchdog.limit(self._kube.remaining()):
            return work()

    def _report(self, run: Run) -> None:
        given = self._given
        if given.log_format == "json":
            for outcome in run.outcomes:
                if outcome.result is None:  # the others were logged when they happened
                    sweep.log_outcome(outcome)
        if given.output == "json":
            text = report.as_json(run)
        else:
            width = output.width()
            # List kept Services only when the output is piped: on a terminal and in a log they drown the others.
            text = report.as_text(run, width=width, brief=given.interval is not None or width is not None)
        output.write(text + "\n")
        if run.without_service:
            log.warning("Nodes with an agent pod but no Service: %s", ", ".join(run.without_service))
        if run.longest_held:
            since, held = run.longest_held
            log.info("longest held: Service %s, since %s (%s)", held.service.id, f"{since:%FT%TZ}", held.reason)
        if run.refusal:
            log.error("cannot delete any Service: %s", run.refusal)

    def _tell(self, run: Run | None, seconds: float) -> None:
        """Send Events, then update probes and metrics: in this order, so that metrics count the Events' requests."""
        given = self._given
        if run and given.events and not run.dry_run:
            work = partial(events.send, self._kube, run, self._namespace)
            try:
                watchdog.within(self._kube.remaining(), work)  # a name server that does not answer
            except Failure as failure:
                log.warning("%s (the run's result stands)", failure)
        self._health.finished(done=run is not None and run.ending is not Ending.FAILURE)
        if not self._metrics:
            return
        self._metrics.record(run, dry_run=given.dry_run, seconds=seconds)
        if given.pushgateway and not given.dry_run:
            from janitor.push import push

            push(given.pushgateway, self._metrics.registry, self._namespace, self._stop.wait)

    def _serving(self) -> AbstractContextManager[None]:
        if not (self._given.metrics_port and self._metrics):
            return nullcontext()
        from janitor.metrics import serving

        return serving(self._given.metrics_port, self._metrics, self._health)
