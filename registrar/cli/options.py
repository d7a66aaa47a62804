"""Options of both programs: a flag for hands, an environment variable for YAML. One table is all there is. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from registrar.cli.failures import SettingsError
from registrar.cli.parsing import boolean, one_of, positive_duration


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


@dataclass(frozen=True)
class Common:
    """The fields of both programs' settings. `timeout` is in seconds."""

    timeout: float
    kubeconfig: str | None
    context: str | None
    tls_relaxed: bool
    log_level: str
    log_format: str


def timeout(prefix: str) -> Option:
    """The budget; `prefix` is that of the environment variables ("REGISTRAR_")."""
    return Option("timeout", prefix + "TIMEOUT", positive_duration, "budget for the whole run", "DURATION", "120s")


def common_groups(prefix: str) -> tuple[Group, ...]:
    """The way to the API server, and logs; `prefix` as in `timeout`."""
    return (
        Group(
            "the way to the API server",
            (
                Option(
                    "kubeconfig",
                    prefix + "KUBECONFIG",
                    str,
                    "kubeconfig file",
                    "FILE",
                    unset="KUBECONFIG, then in-cluster, then ~/.kube/config",
                ),
                Option(
                    "context",
                    prefix + "CONTEXT",
                    str,
                    "context of the kubeconfig",
                    "NAME",
                    unset="the kubeconfig's current one",
                ),
                Option(
                    "tls-relaxed",
                    prefix + "TLS_RELAXED",
                    boolean,
                    "accept a CA that Python 3.13+ refuses as not strictly X.509; it is still verified",
                    default="false",
                ),
            ),
        ),
        Group("logs, to standard error", (_log_level(prefix), _log_format(prefix))),
    )


def _log_level(prefix: str) -> Option:
    parse = one_of("debug", "info", "warning", "error")
    return Option("log-level", prefix + "LOG_LEVEL", parse, "debug, info, warning or error", "LEVEL", "info")


def _log_format(prefix: str) -> Option:
    return Option("log-format", prefix + "LOG_FORMAT", one_of("text", "json"), "text or json", "FORMAT", "text")
