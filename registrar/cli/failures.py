"""Failures that end a program: one line of action, reason and next step, and an exit code. Pure."""

from registrar.cli.secrets import mask
from registrar.cli.text import cut

_LONGEST = 10_000  # characters of a failure; a gateway's answer may hold a megabyte


class Failure(Exception):
    """Something that could not be done. `str()` is its line for people, `exit_code` is for the program."""

    exit_code = 1

    def __init__(self, action: str, reason: str, next_step: str = "") -> None:
        """`action` is a verb and an object ("patch Service ns/name"), `reason` says why it failed."""
        super().__init__(action, reason, next_step)
        self.action = action
        self.reason = reason
        self.next_step = next_step

    def __str__(self) -> str:
        line = f"cannot {self.action}: {self.reason}"
        return _shown(f"{line}; {self.next_step}" if self.next_step else line)


class SettingsError(Failure):
    """A missing or bad setting: exit 2, before any request."""

    exit_code = 2

    def __str__(self) -> str:
        return _shown(f"bad setting {self.action}: {self.reason}")


def _shown(line: str) -> str:
    return mask(cut(line, _LONGEST))
