"""Options of both programs: a flag for hands, an environment variable for YAML. One table is all there is. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from registrar.failure import SettingsError


@dataclass(frozen=True)
class Option:
    """One setting. `default` is text, parsed like any other; None means the setting may stay unset (None)."""

    name: str  # the flag without its dashes
    env: str
    parse: Callable[[str], Any]  # raises ValueError with the reason
    help: str
    metavar: str | None = None  # None: a switch
    default: str | None = None
    unset: str = ""  # for people: what holds where it has no default and stays unset
    repeatable: bool = False  # a tuple; in the environment separated by commas
    required: str = ""  # where it comes from, for the line that says it is missing
    secret: bool = False  # may hold a password: never shown

    @property
    def key(self) -> str:
        """Name of the field in the settings' dataclass."""
        return self.name.replace("-", "_")

    @property
    def otherwise(self) -> str:
        """What holds where nobody says anything, for people."""
        if self.required:
            return "required"
        text = self.unset if self.default is None else self.default
        return text if self.metavar else {"false": "off", "true": "on"}[text]


@dataclass(frozen=True)
class Group:
    """Options that belong together, under a title for people."""

    title: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class Program:
    """What a program takes and what it answers: for its parser, its `--help` and docs/configuration.md."""

    name: str
    about: str
    groups: tuple[Group, ...]
    exit_codes: Mapping[str, str]
    examples: Mapping[str, str]  # what for: command line

    @property
    def command(self) -> str:
        """As a shell starts it."""
        return f"python -m {self.name}"

    @property
    def options(self) -> tuple[Option, ...]:
        """Those of all groups."""
        return tuple(chain.from_iterable(group.options for group in self.groups))


def values(
    options: Sequence[Option], flags: Mapping[str, str | list[str] | None], environ: Mapping[str, str]
) -> dict[str, Any]:
    """The value of each option, by `Option.key`. A flag wins over the environment, which wins over the default.

    `flags` has them by the same keys, where any is given. An empty environment variable counts as unset. Raises
    SettingsError (one line that names the setting).
    """
    return {option.key: _value(option, flags.get(option.key), environ.get(option.env, "")) for option in options}


def _value(option: Option, flag: str | list[str] | None, env: str) -> Any:
    given: str | list[str] | None = flag
    source = f"--{option.name}"
    if flag is None and env:
        given, source = env, option.env
    elif flag is None:
        given = option.default
    if given is None:
        if option.required:
            raise SettingsError(f"{option.env} (--{option.name})", f"it is not set; {option.required}")
        return None
    try:
        if not option.repeatable:
            return option.parse(str(given))
        items = given if isinstance(given, str) else ",".join(given)
        return tuple(option.parse(item.strip()) for item in items.split(","))
    except ValueError as error:
        raise SettingsError(source, str(error) if option.secret else f"{given!r}: {error}") from error
