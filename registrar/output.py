"""A program's result, on standard output: the log is elsewhere (see `registrar.logs`)."""

import io
import logging
import os
import shutil
import sys

from registrar.failure import Failure

log = logging.getLogger(__name__)


def width() -> int | None:
    """Columns of the terminal that standard output is; None where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout and sys.stdout.isatty() else None


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
            raise Failure("write the result", reason, "mend where standard output goes, and run it again") from error
        log.debug("nobody reads standard output any more")


def _give_up() -> None:
    """What is still in Python's buffer would fail again at exit (as Python's documentation of SIGPIPE has it)."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
