"""An option is one typed attribute: mypy refuses one whose kind, default or field disagree."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import janitor.settings
import registrar.settings
from registrar.cli import common, options
from tests.harness.cluster import ROOT

PLANTED = """
from dataclasses import dataclass

from registrar.cli import common, options, parsing
from registrar.cli.common import CommonSettings
from registrar.cli.options import Kind, option, switch


@dataclass(frozen=True)
class Good(CommonSettings):
    seconds: float = option(common.DURATION, "G", "m", default=1.0)
    number: int | None = option(common.TCP_PORT, "G", "m", unset="off")
    name: str | None = option(common.NAMESPACE, "G", "m", unset="off", env="NAME")


@dataclass(frozen=True)
class Bad(CommonSettings):
    kind: float = option(common.NAMESPACE, "G", "m", unset="off", env="KIND")  # bad
    default: float = option(common.DURATION, "G", "m", default="1s")  # bad
    both: str = option(common.DURATION, "G", "m", default=1.0)  # bad
    unset: int = option(common.TCP_PORT, "G", "m", unset="off")  # bad
    none: int = option(common.TCP_PORT, "G", "m", default=None)  # bad
    shown: int = option(Kind("N", parsing.tcp_port, parsing.label_selector), "G", "m", default=1)  # bad
    switched: str = switch("G", "m")  # bad
    nothing: int = option(common.TCP_PORT, "G", "m")  # bad


@dataclass(frozen=True, kw_only=True)
class Unfilled(CommonSettings):
    port: int


options.read(options.Command("x", "", Good, [], {}, {}), Good(), [], {})
options.read(options.Command("x", "", Unfilled, [], {}, {}), Unfilled(), [], {})  # bad
"""


def test_mypy_refuses_an_option_of_another_type_and_a_field_without_an_option(tmp_path: Path) -> None:
    file = tmp_path / "planted.py"
    file.write_text(PLANTED)
    command = [sys.executable, "-m", "mypy", "--strict", f"--cache-dir={ROOT}/.mypy_cache/planted", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)

    refused = {int(line) for line in re.findall(r"planted\.py:(\d+): error", done.stdout)}
    bad = {number for number, line in enumerate(PLANTED.splitlines(), 1) if line.endswith("# bad")}
    assert refused == bad, done.stdout + done.stderr


@pytest.mark.parametrize("program", [registrar.settings, janitor.settings], ids=["registrar", "janitor"])
def test_the_log_shows_every_effective_setting_as_a_flag(program: object) -> None:
    env = {"NODE_NAME": "node-a", "POD_NAME": "agent-1", "POD_UID": "0-1-2"}
    argv = ["--tls-relaxed", "--timeout", "90s"]
    settings = program.parse(argv, env)  # type: ignore[attr-defined]
    shown = options.shown(program.COMMAND, settings).split()  # type: ignore[attr-defined]

    assert {"--tls-relaxed", "--timeout=90s", "--log-level=info", "--node-label=target-node"} <= {*shown}
    assert not any(word.startswith(("--dry-run", "--context")) for word in shown)
    assert program.parse(shown, {}) == settings  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["0s", "0.5s", "120s", "3600s", "316224000s"])
def test_a_duration_is_shown_as_it_can_be_given(text: str) -> None:
    assert common.DURATION.show(common.DURATION.parse(text)) == text


def test_the_log_shows_zero() -> None:
    assert "--grace-period=0s" in options.shown(janitor.settings.COMMAND, janitor.settings.parse([], {}))


def test_the_log_never_shows_a_secret() -> None:
    settings = janitor.settings.parse(["--pushgateway", "http://user:secret@gateway:9091"], {})
    shown = options.shown(janitor.settings.COMMAND, settings)

    assert "--pushgateway=(secret)" in shown
    assert "user" not in shown
