"""Known secrets are masked, and nothing else."""

import io
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrar.cli import logs, secrets
from registrar.cli.failures import Failure, SettingsError
from registrar.cli.secrets import Secrets


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("", ""),
        ("nothing", "nothing"),
        ("canary-0123456789", "(secret)"),
        ("a canary-0123456789, a canary-0123 c", "a (secret), a (secret) c"),
        ("canary-", "canary-"),  # a part that is too short to help
        ("canary-0canary-01234", "(secret)"),
        ("p%2Fss%3Aword", "(secret)"),
        ("p/ss:word", "(secret)"),
    ],
)
def test_parts_of_a_secret_are_masked(text: str, masked: str) -> None:
    known = Secrets()
    known.add("canary-0123456789", b"p/ss:word", None, "", "short")
    assert known.mask(text) == masked


@given(st.text(min_size=8), st.text(), st.text())
def test_no_eight_characters_of_a_secret_stay(secret: str, before: str, after: str) -> None:
    known = Secrets()
    known.add(secret)
    masked = known.mask(before + secret + after)
    left = masked.replace("(secret)", "\0" * 8)
    assert not [at for at in range(len(secret) - 7) if secret[at : at + 8] in left and "\0" not in secret]


@given(st.text(), st.text())
def test_without_a_common_part_nothing_changes(secret: str, text: str) -> None:
    known = Secrets()
    known.add(secret)
    if known.mask(text) != text:
        parts = {form[at : at + 8] for form in (secret,) for at in range(len(form) - 7)}
        assert any(part in text for part in parts) or "%" in secret + text


def test_a_program_that_runs_for_months_does_not_collect_tokens() -> None:
    known = Secrets()
    for number in range(1000):
        known.add(f"token-of-hour-{number:04}")
    assert known.mask("token-of-hour-0999") == "(secret)"
    assert len(known._joined) < 2000  # noqa: SLF001 - its memory


def test_failures_are_masked() -> None:
    secrets.add("canary-of-failures")
    assert str(Failure("get x", "no canary-of-failures", "canary-of-failures")) == "cannot get x: no (secret); (secret)"
    assert str(SettingsError("--x", "canary-of-failures")) == "bad setting --x: (secret)"


@pytest.mark.parametrize("style", ["text", "json"])
def test_log_lines_and_tracebacks_are_masked(style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets.add("canary-of-logs")
    root, stream = logging.getLogger(), io.StringIO()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("debug", style)
    try:
        raise ValueError("canary-of-logs")
    except ValueError:
        root.exception("no %s", "canary-of-logs")
    said = stream.getvalue()
    assert said.count("(secret)") == 3  # the message, and in the traceback the source line and the exception
    assert "canary-of" not in said
