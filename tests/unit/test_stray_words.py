"""A word on the command line that is no flag may be a secret that went astray: no error shows it."""

import pytest

import janitor.settings
import registrar.settings
from registrar.cli.failures import SettingsError


@pytest.mark.parametrize("program", [registrar.settings, janitor.settings], ids=["registrar", "janitor"])
@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["http://user:canary@push:9091"], "argument 1"),
        (["--timeout", "5s", "canary"], "argument 3"),
        (["--canary9"], "argument 1"),
        (["canary=x"], "argument 1"),
        (["--token=canary"], "--token"),
        (["--password", "canary"], "--password"),
        (["-p", "canary"], "-p"),
    ],
)
def test_a_stray_word_is_named_by_its_position(program: object, argv: list[str], named: str) -> None:
    with pytest.raises(SettingsError) as told:
        program.parse(argv, {})  # type: ignore[attr-defined]
    assert str(told.value).startswith(f"bad setting {named}: there is no such option; see python -m ")
    assert "canary" not in str(told.value)
