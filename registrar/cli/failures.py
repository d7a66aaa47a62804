"""What could not be done, as one line for people: action, reason, next step. Pure."""

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
