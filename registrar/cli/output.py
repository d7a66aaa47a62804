"""A program's result, on standard output: the log is elsewhere (see `registrar.logs`)."""

import io
import logging
import os
import sys

from registrar.cli.failures import Failure

_UNKNOWN = 80  # columns of a terminal that does not say: a serial line, some of those in CI

log = logging.getLogger(__name__)


def width() -> int | None:
    """Columns of the terminal that standard output is; None where it is none."""
    if not (sys.stdout and sys.stdout.isatty()):
        return None
    return os.get_terminal_size(sys.stdout.fileno()).columns or _UNKNOWN


def write(text: str) -> None:
    """Write it out. Raises Failure where it cannot be, but for a reader that has gone: `| head` wants no more.

    Names come from the cluster: a letter that the terminal's encoding lacks must not cost the report of what was done.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        print(text, end="", flush=True)
    except OSError as error:
        _give_up()
        if not isinstance(error, BrokenPipeError):
            reason = str(error.strerror or error)
            raise Failure("write the result", reason, "fix where standard output goes, then run it again") from error
        log.debug("nobody reads standard output any more")


def _give_up() -> None:
    """What is still in Python's buffer would fail again at exit (as Python's documentation of SIGPIPE has it)."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
