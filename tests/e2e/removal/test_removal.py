"""Nothing is left of a cluster, however it ends. Runs outside of the sandbox, after the scenarios."""

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
    assert len(traces.namespaces) > len(remains.KINDS)  # nodes and pods had namespaces of their own
    assert remains.found(traces) == []


@contextmanager
def running(*before: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A cluster with nodeproxy installed. The command that starts it is prefixed with `before`."""
    cluster = subprocess.Popen([*before, sys.executable, "-m", "tests.e2e.stay"], cwd=ROOT)
    try:
        wait_until(lambda: stay.READY.exists() or cluster.poll() is not None, UP, "a cluster", interval=0.5)
        assert cluster.poll() is None
        yield cluster
    finally:
        cluster.kill()
        cluster.wait()


@pytest.mark.parametrize(
    ("before", "number"),
    [
        pytest.param([], signal.SIGTERM, id="sigterm"),
        # a shell starts background jobs with SIGINT ignored; for a job in the foreground Ctrl-C sends the same signal
        pytest.param(["env", "--ignore-signal=INT"], signal.SIGINT, id="sigint_in_the_background"),
    ],
)
def test_a_cluster_that_is_asked_to_end_exits_0_and_leaves_nothing(before: list[str], number: signal.Signals) -> None:
    surroundings = remains.surroundings()
    with running(*before) as cluster:
        traces = Traces.of(cgroups.processes())
        assert remains.found(traces)
        cluster.send_signal(number)
        assert cluster.wait(DOWN) == 0
    assert remains.found(traces) == []
    assert remains.surroundings() == surroundings


def test_nothing_is_left_after_a_kill_and_the_next_run() -> None:
    """The kernel ends the processes, and the next run removes files and cgroups."""
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
