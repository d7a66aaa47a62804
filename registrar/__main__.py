"""`python -m registrar`: wiring and exit code. Exit 0 only when pod label and Service are as they should be."""

import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from registrar import __version__, settings
from registrar.cli import logs, watchdog

if TYPE_CHECKING:
    from registrar.kube.transport import Kube

log = logging.getLogger("registrar")


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Read the settings and register; the exit code."""
    given = settings.parse(argv, environ)
    logs.configure(given.log_level, given.log_format)
    return _register(given, environ)


def _register(given: settings.Settings, environ: Mapping[str, str]) -> int:
    from registrar import claims
    from registrar.kube import credentials
    from registrar.kube.transport import Kube
    from registrar.register import register

    source = credentials.find(given.kubeconfig, given.context, environ)
    agent = f"nodeproxy-registrar/{__version__}"
    with watchdog.limit(given.timeout):
        kube = Kube(source, agent=agent, timeout=given.timeout, relaxed=given.tls_relaxed)
    claims.check(given, kube.token)
    namespace = kube.namespace(given.namespace)
    log.info("registrar %s: server %s (%s), namespace %s", __version__, kube.server, source, namespace)
    if given.resync:
        return _stay(kube, given)
    with watchdog.limit(given.timeout):
        objects = register(kube, given)
    if given.dry_run:
        from registrar.cli import output
        from registrar.show import as_yaml

        output.write(as_yaml(objects))
    return 0


def _stay(kube: "Kube", given: settings.Settings) -> int:
    """Register, and again and again until the process is asked to end: that is success."""
    from contextlib import nullcontext

    from registrar import resync
    from registrar.cli import probes
    from registrar.cli.probes import Health
    from registrar.register import register

    health = Health(given.resync)
    pages = {
        "/livez": probes.probe(health.live, "no registration has been tried for three intervals"),
        "/readyz": probes.probe(health.ready, "not registered yet, or the last try failed"),
    }
    with probes.serving("--health-port", given.health_port, pages) if given.health_port else nullcontext():
        try:
            with watchdog.limit(given.timeout):  # later ones are no reason to end: see `resync`
                _pod, service = register(kube, given)
            health.finished(done=True)
            resync.stay(kube, given, service, health)
        except KeyboardInterrupt:
            if not health.ready():
                raise
    log.info("asked to end")
    return 0


def run() -> int:
    """`main` with the process's own arguments; every failure becomes one line and an exit code."""
    logs.configure()
    # A container's first process does not end by a SIGTERM that it has no handler for: a deleted pod would hang.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return main(sys.argv[1:], os.environ)
    except (Exception, KeyboardInterrupt) as error:
        return logs.end(error)


if __name__ == "__main__":
    sys.exit(run())
