"""`python -m janitor`: reads the settings, cleans up, and turns every end into an exit code."""

import sys
from collections.abc import Mapping, Sequence

from janitor import settings
from registrar.cli import help as help_text
from registrar.cli import logs
from registrar.cli.watchdog import Stop


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Read the settings and clean up; the exit code."""
    if argv and (text := help_text.requested(settings.COMMAND, argv)):
        from registrar.cli import output

        output.write(text)
        return 0
    given = settings.parse(argv, environ)
    logs.configure(given.log_level, given.log_format)
    stop = Stop()
    stop.listen()

    from janitor.program import Program

    return Program(given, environ, stop).run()


if __name__ == "__main__":
    sys.exit(logs.run(main))
