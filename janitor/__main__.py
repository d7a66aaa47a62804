"""`python -m janitor`: wiring and exit code. 0 done, 1 something could not be done, 2 bad settings, 3 refused."""

import io
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from janitor import settings
from registrar import __version__, failure, logs

REFUSED = 3

log = logging.getLogger("janitor")


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Read the settings and clean up; the exit code."""
    given = settings.parse(argv, environ)
    logs.configure(given.log_level, given.log_format)
    return _clean_up(given, environ)


def _clean_up(given: settings.Settings, environ: Mapping[str, str]) -> int:
    """Read, judge, guard, sweep, report."""
    from janitor import inventory, report, sweep, verdict
    from registrar import access
    from registrar.kube import Kube

    source = access.find(given.kubeconfig, given.context, environ)
    kube = Kube(source, agent=f"nodeproxy-janitor/{__version__}", timeout=given.timeout, relaxed=given.tls_relaxed)
    namespace = kube.namespace(given.namespace)
    log.info("janitor %s: server %s (%s), namespace %s", __version__, kube.server, source, namespace)

    services, cluster = inventory.read(kube, given, namespace)
    now = datetime.now(UTC)
    judgements = [verdict.judge(service, cluster, grace=given.grace_period, now=now) for service in services]
    refused = verdict.guard(judgements, cluster, given.max_delete)
    if given.dry_run or refused:
        outcomes = [sweep.Outcome(judgement) for judgement in judgements]
    else:
        outcomes = sweep.sweep(kube, judgements, parallel=given.delete_parallel)

    # names come from the cluster: one that the terminal's encoding lacks must not cost the report of what was done
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    render = report.as_json if given.output == "json" else report.as_text
    print(render(outcomes, dry_run=given.dry_run, refused=refused))
    if refused:
        log.error("cannot delete any Service: %s", refused)
        return REFUSED
    return 1 if any(outcome.result is sweep.Result.FAILED for outcome in outcomes) else 0


def run() -> int:
    """`main` with the process's own arguments; every failure becomes one line and an exit code."""
    logs.configure()
    try:
        return main(sys.argv[1:], os.environ)
    except (Exception, KeyboardInterrupt) as error:
        return failure.end(error)


if __name__ == "__main__":
    sys.exit(run())
