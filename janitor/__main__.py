"""`python -m janitor`: wiring and exit code. 0 done, 1 something could not be done, 2 bad settings, 3 refused."""

import os
import sys
from collections.abc import Mapping, Sequence

from janitor import settings
from registrar.cli import logs
from registrar.cli.watchdog import Stop


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Read the settings and clean up; the exit code."""
    given = settings.parse(argv, environ)
    logs.configure(given.log_level, given.log_format)
    stop = Stop()
    stop.listen()

    from janitor.program import Program

    return Program(given, environ, stop).run()


def run() -> int:
    """`main` with the process's own arguments; every failure becomes one line and an exit code."""
    logs.configure()
    try:
        return main(sys.argv[1:], os.environ)
    except (Exception, KeyboardInterrupt) as error:
        return logs.end(error)


if __name__ == "__main__":
    sys.exit(run())
