"""`--help` shows every option in its group, with default and environment variable, on a terminal of 80 columns."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

import janitor.__main__
import janitor.settings
import registrar.__main__
import registrar.settings
from registrar import __version__
from registrar.cli import parsing
from registrar.cli.failures import SettingsError
from registrar.cli.help import requested
from registrar.cli.options import Command, Kind, option

POD = {"NODE_NAME": "node-a", "POD_NAME": "agent-1", "POD_NAMESPACE": "project-nodeproxy", "POD_UID": "0-1-2"}
Parse = Callable[[Sequence[str], Mapping[str, str]], Any]
COMMANDS = pytest.mark.parametrize(
    ("command", "parse"),
    [(module.COMMAND, module.parse) for module in (registrar.settings, janitor.settings)],
    ids=["registrar", "janitor"],
)


def printed(command: Command) -> str:
    text = requested(command, ["--help"])
    assert text
    return text


@COMMANDS
def test_help_fits_80_columns(command: Command, parse: Parse) -> None:
    assert max(map(len, printed(command).splitlines())) <= 80


@COMMANDS
def test_each_option_is_in_its_group_with_variable_and_default(command: Command, parse: Parse) -> None:
    for each in command.options:
        section = printed(command).partition(f"\n{each.group}:\n")[2].partition("\n\n")[0]
        words = " ".join(section.split())
        assert f"{each.flag} {each.kind.metavar}".rstrip() in words
        assert each.meaning in words
        assert f"[env {each.env}; default {each.fallback}]" in words


@COMMANDS
def test_every_option_says_what_holds_without_it(command: Command, parse: Parse) -> None:
    assert [each.name for each in command.options if not each.fallback] == []


@COMMANDS
def test_exit_codes_are_listed(command: Command, parse: Parse) -> None:
    listed = printed(command).partition("Exit codes:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split("  ")[1] for line in listed] == [*command.exit_codes]


@COMMANDS
def test_examples_are_commands_that_the_program_accepts(command: Command, parse: Parse) -> None:
    for example in command.examples.values():
        assert f"  {example}\n" in printed(command)
        python, module, name, *argv = shlex.split(example)
        assert (python, module, name) == ("python", "-m", command.name)
        parse(argv, POD)


@pytest.mark.parametrize("main", [registrar.__main__.main, janitor.__main__.main], ids=["registrar", "janitor"])
@pytest.mark.parametrize("flag", ["--help", "-h", "--version"])
def test_help_and_version_exit_0_regardless_of_other_arguments(
    main: Callable[..., int], flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--bogus", flag], {}) == 0
    assert capsys.readouterr().out


@COMMANDS
def test_version_is_the_package_version(command: Command, parse: Parse) -> None:
    assert requested(command, ["--version"]) == f"{command.name} {__version__}\n"


@COMMANDS
def test_a_bad_command_line_is_one_line_that_names_help(command: Command, parse: Parse) -> None:
    with pytest.raises(SettingsError, match=f"see python -m {command.name} --help") as caught:
        parse(["--bogus"], {})
    assert "\n" not in str(caught.value)


def test_a_default_is_not_broken_at_a_dash() -> None:
    default = "managed-by=" + "-".join(["nodeproxy"] * 4)

    @dataclass(frozen=True)
    class Odd:
        text: str = option(Kind("X", str), "All", "100% of it " * 5, default=default)
        on: bool = option(Kind("", parsing.boolean, lambda _on: "on"), "All", "a switch that is on", default=True)
        wider_than_its_column: str = option(Kind("TEXT", str), "All", "a long name", default="x")

    said = requested(Command("x", "About.", Odd, ["All"], {"0": "done"}, {}), ["-h"]) or ""
    assert default in said
    assert "100% of it" in said
    assert "[env X_ON; default on]" in said
    assert f"\n  --wider-than-its-column TEXT\n{' ' * 28}a long name\n" in said
