"""Writes a program's result to standard output; the log goes to standard error (see `registrar.cli.logs`)."""

import io
import logging
import os
import sys

from registrar.cli.failures import Failure

_NEXT_STEP = "fix where standard output goes, then run it again"
_DEFAULT_WIDTH = 80  # columns of a terminal that does not tell: a serial line, some in CI

log = logging.getLogger(__name__)


def width() -> int | None:
    """Columns of the terminal; None if standard output is not a terminal."""
    if not (sys.stdout and sys.stdout.isatty()):
        return None
    return os.get_terminal_size(sys.stdout.fileno()).columns or _DEFAULT_WIDTH


def write(text: str) -> None:
    """Write `text` to standard output. Raises Failure if that fails, but not for a closed pipe, as with `| head`.

    Letters that the terminal's encoding lacks are escaped, so that a name from the cluster cannot prevent the report.
    """
    if sys.stdout is None:  # Python's way to say that the process was started with it closed
        raise Failure("write the result", "standard output is closed", _NEXT_STEP)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        _give_up()
        if not isinstance(error, BrokenPipeError):
            reason = str(error.strerror or error)
            raise Failure("write the result", reason, _NEXT_STEP) from error
        log.debug("the reader of standard output is gone")


def _give_up() -> None:
    """Redirect the rest of Python's buffer, which would fail again at exit (see Python's documentation of SIGPIPE)."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
