"""Options of a program: each is one typed field of its settings, a flag and an environment variable. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Generic, TypeVar, overload

from registrar.cli import parsing
from registrar.cli.failures import SettingsError

_FLAG = re.compile("--?[a-z][-a-z]{0,30}")  # any other word may be a secret that went astray: it is not shown

T = TypeVar("T")
S = TypeVar("S")


@dataclass(frozen=True)
class Kind(Generic[T]):
    """A kind of value: how its text is parsed and shown, and its placeholder in `--help` ("" for a switch)."""

    metavar: str
    parse: Callable[[str], T]  # raises ValueError with the reason
    show: Callable[[T], str] = str
    repeatable: bool = False  # several flags mean the same as one with commas


@dataclass(frozen=True)
class Option:
    """One setting. Either it has a default, or `unset` says what holds without it."""

    name: str  # of the field
    env: str
    kind: Kind[Any]
    group: str
    meaning: str
    default: Any = None
    unset: str = ""
    secret: bool = False  # may hold a password: never printed

    @property
    def flag(self) -> str:
        """The flag, with its dashes."""
        return "--" + self.name.replace("_", "-")

    @property
    def fallback(self) -> str:
        """What holds if the option is not given."""
        return self.unset or self.kind.show(self.default)


@overload
def option(kind: Kind[T], group: str, meaning: str, *, default: T) -> T: ...
@overload
def option(kind: Kind[T], group: str, meaning: str, *, unset: str, env: str = "", secret: bool = False) -> T | None: ...
def option(kind: Kind[Any], group: str, meaning: str, **details: Any) -> Any:
    """Declare a field of a settings dataclass as an option; `read` fills it.

    `env` is for names that others set; without it, it is the program's prefix and the flag's name.
    """
    return field(init=False, metadata={"kind": kind, "group": group, "meaning": meaning, **details})


_SWITCH = Kind("", parsing.boolean, {True: "on", False: "off"}.__getitem__)


def switch(group: str, meaning: str) -> bool:
    """Declare an option that is off unless it is given."""
    return option(_SWITCH, group, meaning, default=False)


@dataclass(frozen=True)
class Command:
    """A program's command line. `settings` is its dataclass; `groups` are headings of `--help`, in their order."""

    name: str
    about: str
    settings: type[Any]
    groups: Sequence[str]
    exit_codes: Mapping[str, str]
    examples: Mapping[str, str]  # purpose: command line

    @property
    def options(self) -> list[Option]:
        """All options, in the order of their fields."""
        prefix = f"{self.name.upper()}_"
        return [
            Option(**{"name": each.name, "env": prefix + each.name.upper(), **each.metadata})
            for each in fields(self.settings)
        ]


def read(command: Command, settings: S, argv: Sequence[str], environ: Mapping[str, str]) -> S:
    """Fill the fields of `settings`, a new object of `command.settings`.

    A flag wins over the environment variable, which wins over the default; an empty variable counts as unset. Raises
    SettingsError, which names the setting.
    """
    options = command.options
    flags = _flags(command, {each.flag: each for each in options}, argv) if argv else {}
    for each in options:
        object.__setattr__(settings, each.name, _value(each, flags.get(each.flag), environ.get(each.env, "")))
    return settings


def shown(command: Command, settings: object) -> str:
    """The effective settings as flags, for the log. Secrets are left out."""
    texts = []
    for each in command.options:
        value = getattr(settings, each.name)
        if value is not None and value is not False:
            text = "(secret)" if each.secret else each.kind.show(value)
            texts.append(f"{each.flag}={text}" if each.kind.metavar else each.flag)
    return " ".join(texts)


def _flags(command: Command, options: Mapping[str, Option], argv: Sequence[str]) -> dict[str, str]:
    """The text of each flag in `argv`."""
    texts: dict[str, str] = {}
    words = enumerate(argv, 1)
    for position, word in words:
        flag, equals, text = word.partition("=")
        known = options.get(flag)
        if not known:
            shown = flag if _FLAG.fullmatch(flag) else f"argument {position}"
            raise SettingsError(shown, f"there is no such option; see python -m {command.name} --help")
        if not known.kind.metavar and equals:
            raise SettingsError(flag, f"it takes no value; see python -m {command.name} --help")
        if not equals:
            text = next(words, (0, "-"))[1] if known.kind.metavar else "true"
        if not equals and text.startswith("-"):
            raise SettingsError(flag, f"its value is missing; see python -m {command.name} --help")
        texts[flag] = f"{texts[flag]},{text}" if known.kind.repeatable and flag in texts else text
    return texts


def _value(option: Option, flag: str | None, env: str) -> Any:
    text, source = (env, option.env) if flag is None else (flag, option.flag)
    if flag is None and not env:
        return option.default
    try:
        return option.kind.parse(text)
    except ValueError as error:
        raise SettingsError(source, str(error) if option.secret else f"{text!r}: {error}") from error
