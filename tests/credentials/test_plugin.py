"""A credentials plugin: its prompt is seen while it waits, it ends with the timeout, and leaves nothing behind."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.credentials.world import single
from tests.harness.cluster import ROOT
from tests.harness.processes import bare_environment, wait_until

POD = {"NODE_NAME": "a", "POD_NAME": "b", "POD_UID": "c"}
FOREVER = 300  # seconds; no test waits for it
PROGRAMS = pytest.mark.parametrize("program", ["registrar", "janitor"])


def environment(folder: Path, script: str, **fields: Any) -> dict[str, str]:
    """A kubeconfig with a plugin, a shell script."""
    plugin = folder / "plugin"
    plugin.write_text(f"#!/bin/sh\n{script}\n")
    plugin.chmod(0o755)
    spec = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "IfAvailable"}
    config = folder / "config"
    config.write_text(yaml.safe_dump(single({"exec": spec | fields}, {"server": "https://127.0.0.1:1"})))
    return bare_environment() | POD | {"KUBECONFIG": str(config), "HOME": str(folder), "PYTHONPATH": str(ROOT)}


@contextmanager
def started(program: str, env: Mapping[str, str], *flags: str, **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", program, "--timeout", f"{FOREVER}s", *flags]
    with subprocess.Popen(command, env=env, cwd=env["HOME"], **streams) as process:
        try:
            yield process
        finally:
            process.kill()


def alive(pid_file: Path) -> bool:
    """Whether the process that wrote its id there still runs."""
    stat = Path(f"/proc/{pid_file.read_text().strip()}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@PROGRAMS
@pytest.mark.parametrize("style", ["text", "json"])
def test_a_prompt_is_in_the_log_while_the_plugin_waits(program: str, style: str, tmp_path: Path) -> None:
    env = environment(tmp_path, f"printf 'Open https://login.test and enter ABCD: ' >&2; exec sleep {FOREVER}")
    log = tmp_path / "log"
    with log.open("wb") as out, started(program, env, "--log-format", style, stdin=subprocess.DEVNULL, stderr=out):
        wait_until(lambda: "Open https://login.test and enter ABCD:" in log.read_text(), 60, "the prompt")
    if style == "json":
        assert [json.loads(line)["level"] for line in log.read_text().splitlines()] == ["warning"]


@PROGRAMS
def test_a_terminal_shows_the_prompt_as_it_is_and_answers_it(program: str, tmp_path: Path) -> None:
    env = environment(
        tmp_path, 'printf "Name: " >&2; read name; echo "$name" > answer; exit 3', interactiveMode="Always"
    )
    ours, theirs = pty.openpty()
    shown = b""
    with started(program, env, stdin=theirs, stderr=theirs) as process:
        os.close(theirs)
        while b"Name: " not in shown:
            shown += os.read(ours, 1024)
        os.write(ours, b"somebody\n")
        while b"exit code 3" not in shown:
            shown += os.read(ours, 1024)
        assert process.wait(60) == 1
    os.close(ours)
    assert shown.startswith(b"Name: ")
    assert (tmp_path / "answer").read_text() == "somebody\n"


@PROGRAMS
def test_a_plugin_that_outlasts_the_timeout_is_ended_with_its_children(program: str, tmp_path: Path) -> None:
    env = environment(tmp_path, f"echo $$ > parent\nsh -c 'echo $$ > child; exec sleep {FOREVER}'\n:")
    log = tmp_path / "log"
    with (
        log.open("wb") as out,
        started(program, env, "--timeout", "2s", stdin=subprocess.DEVNULL, stderr=out) as process,
    ):
        assert process.wait(60) == 1
    assert "it did not end within the timeout" in log.read_text()
    wait_until(lambda: not alive(tmp_path / "parent") and not alive(tmp_path / "child"), 10, "the end of the plugin")


@PROGRAMS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_plugin_too(program: str, number: int, tmp_path: Path) -> None:
    env = environment(tmp_path, f"echo $$ > parent\nsh -c 'echo $$ > child; exec sleep {FOREVER}'\n:")
    with started(program, env, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text(), 60, "the plugin")
        process.send_signal(number)
        assert process.wait(60) in (130, 143)
    wait_until(lambda: not alive(tmp_path / "parent") and not alive(tmp_path / "child"), 10, "the end of the plugin")


@PROGRAMS
def test_the_reason_of_a_failing_plugin_has_no_secret(program: str, tmp_path: Path) -> None:
    script = 'echo "no such user $NAME, password $PASS, secret $2" >&2; exit 4'
    env = environment(
        tmp_path,
        script,
        args=["--client-secret", "canary-of-args"],
        env=[{"name": "NAME", "value": "canary-of-name"}, {"name": "PASS", "value": "canary-of-pass"}],
    )
    with started(program, env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    reason = "it failed with exit code 4: no such user (secret), password (secret), secret (secret); log in again"
    assert reason in said.decode().splitlines()[-1]
    assert b"canary" not in said
