"""Whatever ends a cluster, nothing of it is left. Runs outside of the sandbox, after the scenarios."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e import cgroups, remains, sandbox, stay
from tests.e2e.remains import Traces
from tests.harness.cluster import ROOT
from tests.harness.processes import wait_until

UP, DOWN = 300.0, 60.0  # seconds


def test_nothing_is_left_of_the_scenarios() -> None:
    traces = Traces.load()
    assert len(traces.namespaces) > len(remains.KINDS)  # nodes and pods had their own
    assert remains.found(traces) == []


@contextmanager
def running() -> Iterator["subprocess.Popen[bytes]"]:
    """A cluster with nodeproxy on it, up and running, in a process group of its own."""
    cluster = subprocess.Popen([sys.executable, "-m", "tests.e2e.stay"], cwd=ROOT, start_new_session=True)
    try:
        wait_until(lambda: stay.READY.exists() or cluster.poll() is not None, UP, "a cluster", interval=0.5)
        assert cluster.poll() is None
        yield cluster
    finally:
        cluster.kill()
        cluster.wait()


def test_nothing_is_left_after_ctrl_c() -> None:
    before = remains.surroundings()
    with running() as cluster:
        traces = Traces.of(cgroups.processes())
        assert remains.found(traces)
        os.killpg(cluster.pid, signal.SIGINT)  # as a terminal does
        assert cluster.wait(DOWN) == 130
    assert remains.found(traces) == []
    assert remains.surroundings() == before


def test_nothing_is_left_after_a_kill_and_the_next_run() -> None:
    """The kernel takes down what runs; the next run removes what lies about."""
    before = remains.surroundings()
    with running() as cluster:
        traces = Traces.of(cgroups.processes())
        cluster.kill()
    wait_until(lambda: not cgroups.processes(), DOWN, "the end of all its processes")
    assert not [each for each in remains.found(traces) if each.startswith(("process", "mount", "network"))]
    assert sandbox.run(["true"], os.environ) == 0
    assert remains.found(traces) == []
    assert remains.surroundings() == before


@pytest.mark.parametrize("code", [0, 3])
def test_a_sandbox_ends_with_its_commands_exit_code(code: int) -> None:
    assert sandbox.run(["sh", "-c", f"exit {code}"], os.environ) == code
