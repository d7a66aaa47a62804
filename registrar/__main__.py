"""`python -m registrar`: wiring and exit code. Exit 0 only when pod label and Service are as they should be."""

import logging
import os
import sys
from collections.abc import Mapping, Sequence

from registrar import __version__, failure, logs, settings

log = logging.getLogger("registrar")


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Read the settings and register; the exit code."""
    given = settings.parse(argv, environ)
    logs.configure(given.log_level, given.log_format)
    return _register(given, environ)


def _register(given: settings.Settings, environ: Mapping[str, str]) -> int:
    from registrar import access
    from registrar.kube import Kube
    from registrar.register import register

    source = access.find(given.kubeconfig, given.context, environ)
    kube = Kube(source, agent=f"nodeproxy-registrar/{__version__}", timeout=given.timeout, relaxed=given.tls_relaxed)
    namespace = kube.namespace(given.namespace)
    log.info("registrar %s: server %s (%s), namespace %s", __version__, kube.server, source, namespace)
    objects = register(kube, given)
    if given.dry_run:
        import yaml

        for each in objects:
            each["metadata"].pop("managedFields", None)  # as kubectl leaves them out
        yaml.safe_dump_all(objects, sys.stdout, sort_keys=False, allow_unicode=True)
    return 0


def run() -> int:
    """`main` with the process's own arguments; every failure becomes one line and an exit code."""
    logs.configure()
    try:
        return main(sys.argv[1:], os.environ)
    except (Exception, KeyboardInterrupt) as error:
        return failure.end(error)


if __name__ == "__main__":
    sys.exit(run())
