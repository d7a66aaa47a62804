"""`make demo` shows the main job and leaves nothing behind, even if it is interrupted."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.cluster import ROOT

DEMO = [sys.executable, "-m", "tests.demo"]


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Sets a temporary folder for each test. Its path also identifies the demo's processes."""
    yield {**os.environ, "TMPDIR": str(tmp_path)}
    left = [path.parent for path in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path) in command_line(path)]
    assert not left
    assert not list(tmp_path.iterdir())


def command_line(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # the process has ended
        return ""


def test_the_demo_shows_the_main_job(env: dict[str, str]) -> None:
    run = subprocess.run(DEMO, capture_output=True, text=True, cwd=ROOT, env=env, timeout=120, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    for shown in (
        "$ NODE_NAME=node-bj-01 POD_NAME=nodeproxy-agent-",
        "INFO Service project-nodeproxy/nodeproxy-access-node-sh-01 leads to node node-sh-01",
        "$ python -m janitor --dry-run\n",
        "dry run, nothing changed",
        "INFO Service project-nodeproxy/nodeproxy-access-node-sh-01: deleted (its node is gone)",
    ):
        assert shown in run.stdout
    left = run.stdout.rpartition("# What is left")[2]
    assert "nodeproxy-access-node-bj-01" in left
    assert "node-sh-01" not in left
    assert max(map(len, run.stdout.splitlines())) <= 120
    assert "\nNext: " in run.stdout.rpartition("Done in ")[2]


def test_an_interrupted_demo_leaves_nothing_running(env: dict[str, str]) -> None:
    with subprocess.Popen(
        DEMO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=env, start_new_session=True
    ) as demo:
        assert demo.stdout
        for line in demo.stdout:
            if "python -m registrar" in line:
                os.killpg(demo.pid, signal.SIGINT)  # like Ctrl-C, which reaches the programs too
                break
        said = demo.stdout.read()
    assert demo.returncode == 130
    assert said.endswith("interrupted; nothing is left running\n")
    assert "Traceback" not in said
