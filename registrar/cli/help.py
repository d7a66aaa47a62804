"""The command line of a program, from its table: the parser, and a `--help` that fits 80 columns. Pure but for that."""

import argparse
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from registrar import __version__
from registrar.cli import output
from registrar.cli.failures import SettingsError
from registrar.cli.options import Option, Program

_RULES = "Every option is a flag and an environment variable; the flag wins. Durations are\n90s, 10m or 24h."
_COLUMN = 28  # where the explanations begin: after most flags


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError("of the command line", f"{message}; see {self.prog} --help")

    def print_help(self, file: Any = None) -> None:  # noqa: ARG002 - argparse's own signature
        """The only place it is asked for is `--help`, whose reader may go away too."""
        output.write(self.format_help())


class _Help(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str, **kwargs: Any) -> None:
        super().__init__(prog, max_help_position=_COLUMN, **kwargs)

    def _split_lines(self, text: str, width: int) -> list[str]:
        """Keeps line breaks, and whatever one may want to copy: no break at a dash."""
        return [part for line in text.splitlines() for part in textwrap.wrap(line, width, break_on_hyphens=False)]


def arguments(program: Program, argv: Sequence[str]) -> dict[str, Any]:
    """What `argv` says, for `options.values`. `--help` and `--version` print and raise SystemExit(0)."""
    return vars(_parser(program).parse_args(argv))


def _parser(program: Program) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=program.command,
        usage="%(prog)s [options]",
        description=f"{program.about}\n\n{_RULES}",
        epilog="\n".join(_epilog(program)),
        formatter_class=_Help,
        allow_abbrev=False,
        add_help=False,
    )
    for group in program.groups:
        section = parser.add_argument_group(group.title)
        for option in group.options:
            section.add_argument(f"--{option.name}", dest=option.key, help=_explained(option), **_kind(option))
    others = parser.add_argument_group("about itself")
    others.add_argument("-h", "--help", action="help", help="this")
    version = f"{program.name} {__version__}"
    others.add_argument("--version", action="version", version=version, help="the program's name and version")
    return parser


def _kind(option: Option) -> dict[str, Any]:
    if option.metavar is None:
        return {"action": "store_const", "const": "true"}
    return {"action": "append" if option.repeatable else "store", "metavar": option.metavar}


def _explained(option: Option) -> str:
    more = "; repeatable, by commas in the environment" if option.repeatable else ""
    default = option.otherwise if option.required else f"default {option.otherwise}"
    return f"{option.help}{more}\n[env {option.env}; {default}]".replace("%", "%%")


def _epilog(program: Program) -> Iterator[str]:
    yield "exit codes:"
    width = max(map(len, program.exit_codes))
    for code, meaning in program.exit_codes.items():
        yield f"  {code:{width}}  {meaning}"
    yield "\nexamples:"
    for purpose, command in program.examples.items():
        yield f"  # {purpose}"
        yield f"  {command}"
