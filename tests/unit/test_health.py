"""Liveness and readiness of a program that keeps running."""

import pytest

from registrar.cli.probes import Health


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock: a list whose only item is the time."""
    now = [1000.0]
    monkeypatch.setattr("registrar.cli.probes.time.monotonic", lambda: now[0])
    return now


def test_liveness_fails_after_three_intervals_without_a_finished_run(clock: list[float]) -> None:
    watched = Health(10)
    clock[0] += 29
    assert watched.live()
    watched.finished(done=True)
    clock[0] += 29
    assert watched.live()
    clock[0] += 1
    assert not watched.live()
    watched.finished(done=True)
    assert watched.live()


def test_a_failed_run_counts_for_liveness_but_not_for_readiness(clock: list[float]) -> None:
    watched = Health(10)
    assert not watched.ready()
    watched.finished(done=True)
    assert watched.ready()
    clock[0] += 29
    watched.finished(done=False)
    clock[0] += 29
    assert (watched.live(), watched.ready()) == (True, False)


def test_a_single_run_is_always_live(clock: list[float]) -> None:
    watched = Health(None)
    clock[0] += 10**6
    assert watched.live()
