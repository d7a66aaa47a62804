"""Text of `--help` and `--version`. Pure."""

import textwrap
from collections.abc import Iterator, Sequence

from registrar import __version__
from registrar.cli.options import Command, Option

_WIDTH = 80
_COLUMN = 28  # of the explanations
_RULES = "Every option is a flag and an environment variable; the flag wins. Durations are 90s, 10m or 24h."


def requested(command: Command, argv: Sequence[str]) -> str | None:
    """What to print if `argv` asks for the help or the version; None if it does not."""
    if "--version" in argv:
        return f"{command.name} {__version__}\n"
    return "\n".join(_lines(command)) + "\n" if {"--help", "-h"} & {*argv} else None


def _lines(command: Command) -> Iterator[str]:
    yield f"usage: python -m {command.name} [options]\n"
    yield command.about + "\n"
    yield textwrap.fill(_RULES, _WIDTH)
    for group in command.groups:
        yield f"\n{group}:"
        for option in command.options:
            if option.group == group:
                yield from _entry(option)
    yield "\nOther:"
    yield f"{'  -h, --help':{_COLUMN}}print this help"
    yield f"{'  --version':{_COLUMN}}print the program's name and version"
    yield "\nExit codes:"
    width = max(map(len, command.exit_codes))
    yield from (f"  {code:{width}}  {meaning}" for code, meaning in command.exit_codes.items())
    yield "\nExamples:"
    yield from (f"  # {purpose}\n  {example}" for purpose, example in command.examples.items())


def _entry(option: Option) -> Iterator[str]:
    repeatable = "; repeatable, or separated by commas" if option.kind.repeatable else ""
    texts = (option.meaning + repeatable, f"[env {option.env}; default {option.fallback}]")
    explained = [
        " " * _COLUMN + line
        for text in texts
        for line in textwrap.wrap(text, _WIDTH - _COLUMN, break_on_hyphens=False, break_long_words=False)
    ]
    head = f"  {option.flag} {option.kind.metavar}".rstrip()
    if len(head) < _COLUMN:
        explained[0] = head + explained[0][len(head) :]
    else:
        yield head
    yield from explained
