"""Options of both programs: a flag for hands, an environment variable for YAML, one table for both. Pure."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from registrar.failure import SettingsError
from registrar.values import boolean, one_of, positive_duration

EXIT_CODES = "exit codes: 0 done; 1 it could not be done; 2 bad settings; 3 refused by the guard (janitor)"


@dataclass(frozen=True)
class Option:
    """One setting. `default` is text, parsed like any other; None means the setting may stay unset (None)."""

    name: str  # the flag without its dashes
    env: str
    parse: Callable[[str], Any]  # raises ValueError with the reason
    help: str
    metavar: str | None = None  # None: a switch
    default: str | None = None
    repeatable: bool = False  # a tuple; in the environment separated by commas
    required: str = ""  # where it comes from, for the line that says it is missing
    secret: bool = False  # may hold a password: never shown

    @property
    def key(self) -> str:
        """Name of the field in the settings' dataclass."""
        return self.name.replace("-", "_")


@dataclass(frozen=True)
class Common:
    """What both programs are told (see `common`). `timeout` is in seconds."""

    timeout: float
    kubeconfig: str | None
    context: str | None
    tls_relaxed: bool
    log_level: str
    log_format: str


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError("of the command line", f"{message}; see {self.prog} --help")


def common(prefix: str) -> tuple[Option, ...]:
    """Options of both programs; `prefix` is that of the environment variables ("REGISTRAR_")."""
    return (
        Option("timeout", prefix + "TIMEOUT", positive_duration, "budget for the whole run", "DURATION", "120s"),
        Option(
            "kubeconfig",
            prefix + "KUBECONFIG",
            str,
            "kubeconfig file (default: KUBECONFIG, then in-cluster, then ~/.kube/config)",
            "FILE",
        ),
        Option("context", prefix + "CONTEXT", str, "context of the kubeconfig (default: its current one)", "NAME"),
        Option(
            "tls-relaxed",
            prefix + "TLS_RELAXED",
            boolean,
            "accept a CA that Python 3.13+ refuses as not strictly X.509; it is still verified",
            default="false",
        ),
        Option(
            "log-level",
            prefix + "LOG_LEVEL",
            one_of("debug", "info", "warning", "error"),
            "debug, info, warning or error",
            "LEVEL",
            "info",
        ),
        Option("log-format", prefix + "LOG_FORMAT", one_of("text", "json"), "text or json", "FORMAT", "text"),
    )


def read(
    program: str, version: str, about: str, options: Iterable[Option], argv: Sequence[str], environ: Mapping[str, str]
) -> dict[str, Any]:
    """The value of each option, by `Option.key`. A flag wins over the environment, which wins over the default.

    An empty environment variable counts as unset. Raises SettingsError (one line that names the setting); `--help` and
    `--version` print and raise SystemExit(0), as argparse does.
    """
    options = tuple(options)
    flags = vars(_parser(program, version, about, options).parse_args(argv))
    return {option.key: _value(option, flags[option.key], environ.get(option.env, "")) for option in options}


def _parser(program: str, version: str, about: str, options: tuple[Option, ...]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=program,
        description=about,
        epilog=EXIT_CODES,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{program.rpartition(' ')[2]} {version}")
    for option in options:
        text = f"{option.help} [env {option.env}" + (f"; default {option.default}]" if option.default else "]")
        kind: dict[str, Any] = {"action": "store_const", "const": "true"}
        if option.metavar:
            kind = {"action": "append" if option.repeatable else "store", "metavar": option.metavar}
        parser.add_argument(f"--{option.name}", dest=option.key, default=None, help=text.replace("%", "%%"), **kind)
    return parser


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
