"""What could not be done, as one line for people: action, reason, next step."""

import logging

log = logging.getLogger(__name__)
INTERRUPTED = 130  # what a shell reports for SIGINT


class Failure(Exception):
    """An end that a person must hear of. `str()` is the one line; `exit_code` is the program's."""

    exit_code = 1

    def __init__(self, action: str, reason: str, next_step: str = "") -> None:
        """`action` is verb and object ("apply Service ns/name"), `reason` what stood in the way."""
        super().__init__(action, reason, next_step)
        self.action = action
        self.reason = reason
        self.next_step = next_step

    def __str__(self) -> str:
        line = f"cannot {self.action}: {self.reason}"
        return f"{line}; {self.next_step}" if self.next_step else line


class SettingsError(Failure):
    """A missing or bad setting: exit 2, before any request."""

    exit_code = 2

    def __str__(self) -> str:
        return f"bad setting {self.action}: {self.reason}"


def end(error: BaseException) -> int:
    """Log what ended a program as one line, with its traceback at debug level only; the exit code."""
    log.debug("where it came from", exc_info=error)
    if isinstance(error, Failure):
        log.error("%s", error)
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        log.error("cannot go on: interrupted")
        return INTERRUPTED
    if isinstance(error, ModuleNotFoundError):
        log.error("cannot go on: %s; install what nodeproxy needs: python -m pip install .", error)
        return 1
    log.error(
        "cannot go on: %s: %s; this is a bug, please report it with --log-level debug", type(error).__name__, error
    )
    return 1
