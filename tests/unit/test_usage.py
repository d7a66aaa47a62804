"""What `--help` says: all there is, in groups, with defaults and exit codes, on a terminal of 80 columns."""

import shlex

import pytest

import janitor.settings
import registrar.settings
from registrar import __version__
from registrar.cli.failures import SettingsError
from registrar.cli.help import arguments
from registrar.cli.options import Group, Option, Program
from registrar.cli.parsing import boolean

POD = {"NODE_NAME": "node-a", "POD_NAME": "agent-1", "POD_NAMESPACE": "project-nodeproxy", "POD_UID": "0-1-2"}
PARSE = {"registrar": registrar.settings.parse, "janitor": janitor.settings.parse}
PROGRAMS = pytest.mark.parametrize(
    "program", [registrar.settings.PROGRAM, janitor.settings.PROGRAM], ids=lambda each: each.name
)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, program: Program) -> str:
    """The help of a program on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    with pytest.raises(SystemExit) as told:
        arguments(program, ["--help"])
    assert told.value.code == 0
    return capsys.readouterr().out


@PROGRAMS
def test_it_fits_80_columns(said: str) -> None:
    assert max(map(len, said.splitlines())) <= 80


@PROGRAMS
def test_each_option_stands_in_its_group_with_variable_and_default(program: Program, said: str) -> None:
    for group in program.groups:
        section = said.partition(f"\n{group.title}:\n")[2].partition("\n\n")[0]
        words = " ".join(section.split())
        for option in group.options:
            assert f"--{option.name} {option.metavar or ''}".rstrip() in words
            assert f"[env {option.env}; {'' if option.required else 'default '}{option.otherwise}]" in words


@PROGRAMS
def test_every_option_says_what_holds_without_it(program: Program) -> None:
    assert [option.name for option in program.options if not option.otherwise] == []


@PROGRAMS
def test_exit_codes_are_a_list(program: Program, said: str) -> None:
    listed = said.partition("exit codes:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split("  ")[1] for line in listed] == [*program.exit_codes]


def test_the_guards_exit_code_is_the_janitors_alone() -> None:
    assert "3" in janitor.settings.PROGRAM.exit_codes
    assert "3" not in registrar.settings.PROGRAM.exit_codes


@PROGRAMS
def test_examples_are_commands_that_the_program_takes(program: Program, said: str) -> None:
    for example in program.examples.values():
        assert f"  {example}\n" in said
        python, module, name, *argv = shlex.split(example)
        assert (python, module, name) == ("python", "-m", program.name)
        PARSE[program.name](argv, POD)


@PROGRAMS
def test_version_is_the_one_there_is(program: Program, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as told:
        arguments(program, ["--version"])
    assert (told.value.code, capsys.readouterr().out) == (0, f"{program.name} {__version__}\n")


def test_what_may_be_copied_is_not_broken_at_a_dash(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    default = "managed-by=" + "-".join(["nodeproxy"] * 4)
    odd = Option("odd", "X_ODD", str, "100% of it " * 5, "X", default)
    on = Option("on", "X_ON", boolean, "a switch that is on", default="true")
    program = Program("x", "About.", (Group("all", (odd, on)),), {"0": "done"}, {})
    with pytest.raises(SystemExit):
        arguments(program, ["--help"])
    said = capsys.readouterr().out
    assert default in said
    assert "100% of it" in said
    assert "[env X_ON; default on]" in said


@PROGRAMS
def test_a_bad_command_line_is_one_line_and_points_here(program: Program) -> None:
    with pytest.raises(SettingsError, match=f"see python -m {program.name} --help") as told:
        arguments(program, ["--bogus"])
    assert "\n" not in str(told.value)
