"""`python -m janitor`: reads the settings, cleans up, and turns every end into an exit code."""

import logging
import sys
import time
from collections.abc import Mapping, Sequence

from janitor import settings
from registrar.cli import help as help_text
from registrar.cli import logs
from registrar.cli.failures import Failure
from registrar.cli.watchdog import Stop

log = logging.getLogger("janitor")


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Read the settings and clean up; the exit code."""
    started = time.monotonic()  # imports that follow, and reading credentials, are a part of the timeout
    if argv and (text := help_text.requested(settings.COMMAND, argv)):
        from registrar.cli import output

        output.write(text)
        return 0
    given = settings.parse(argv, environ)
    logs.configure(given.log_level, given.log_format)
    stop = Stop()
    stop.listen()

    from janitor.program import Program

    try:
        return Program(given, environ, stop, started).run()
    except Failure:
        if stop.exit_code is None or not stop.requested():
            raise
        log.error("cannot continue: interrupted")  # noqa: TRY400 - a signal needs no traceback
        return stop.exit_code


if __name__ == "__main__":
    sys.exit(logs.run(main))
