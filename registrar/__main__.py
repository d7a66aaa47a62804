"""`python -m registrar`: reads the settings, registers, and turns every end into an exit code."""

import gc
import logging
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from registrar import __version__, settings
from registrar.cli import help as help_text
from registrar.cli import logs, options, watchdog

if TYPE_CHECKING:
    from registrar.kube.transport import Kube
    from registrar.register import Registration

log = logging.getLogger("registrar")


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Read the settings and register; the exit code."""
    started = time.monotonic()  # imports that follow, and reading credentials, are a part of the timeout
    if argv and (text := help_text.requested(settings.COMMAND, argv)):
        from registrar.cli import output

        output.write(text)
        return 0
    given = settings.parse(argv, environ)
    logs.configure(given.log_level, given.log_format)
    return _register(given, environ, started + given.timeout)


def _register(given: settings.Settings, environ: Mapping[str, str], deadline: float) -> int:
    from registrar import claims
    from registrar.kube import source
    from registrar.kube.transport import Kube

    origin = source.find(given.kubeconfig, given.context, environ)
    agent = f"nodeproxy-registrar/{__version__}"
    with watchdog.limit(deadline - time.monotonic()):
        kube = Kube(origin, agent=agent, timeout=given.timeout, relaxed=given.tls_relaxed, deadline=deadline)
    own = claims.identity(given, kube.token, kube.credentials_namespace)
    log.info("registrar %s: server %s (%s), namespace %s", __version__, kube.server, origin, own.namespace)
    log.info("settings: %s", options.shown(settings.COMMAND, given))
    if given.resync:
        return _stay(kube, given)
    registration = _register_once(kube, given)
    if given.dry_run:
        from registrar.cli import output
        from registrar.show import as_yaml

        output.write(as_yaml(filter(None, [registration.pod, registration.service])))
    return 0


def _register_once(kube: "Kube", given: settings.Settings) -> "Registration":
    from registrar.register import register

    with watchdog.limit(kube.remaining()):
        registration = register(kube, given)
    gc.freeze()  # what is in memory now stays there: no later collection looks at it, nor does the one at exit
    gc.enable()
    return registration


def _stay(kube: "Kube", given: settings.Settings) -> int:
    """Register, and repeat it until the process is asked to stop; once registered, that is success."""
    from contextlib import nullcontext

    from registrar import resync
    from registrar.cli import probes

    # Against an API server that is down, a try lasts until its timeout. That is no hang, and a restart would not help.
    health = probes.Health(max(given.resync or 0.0, given.timeout))
    pages = {
        "/livez": probes.probe(health.live, "no try has ended for three times the longer of --resync and --timeout"),
        "/readyz": probes.probe(health.ready, "not registered yet, or the last try failed"),
    }
    registered = False
    with probes.serving("--health-port", given.health_port, pages) if given.health_port else nullcontext():
        try:
            registration = _register_once(kube, given)  # later ones that fail do not end the program
            registered = True
            health.finished(done=True)
            resync.stay(kube, given, registration.live, health)
        except KeyboardInterrupt:
            if not registered:
                raise
    log.info("received a signal, stopping")
    return 0


if __name__ == "__main__":
    # As process 1 of a container, Python ignores SIGTERM unless it has a handler, and a deleted pod would hang.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Nearly all that a start creates stays in memory, so looking for garbage takes a tenth of it and finds little.
    gc.disable()
    sys.exit(logs.run(main))
