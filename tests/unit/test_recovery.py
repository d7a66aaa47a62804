"""A 403 may pass for a few seconds after the API server failed to answer, and only then."""

import pytest

from registrar.kube import retry


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock: a list whose only item is the time."""
    now = [1000.0]
    monkeypatch.setattr("registrar.kube.retry.time.monotonic", lambda: now[0])
    return now


def test_a_server_that_has_not_failed_is_not_recovering(clock: list[float]) -> None:
    assert not retry.Recovery().ongoing()


def test_a_server_recovers_for_a_few_seconds_after_its_last_failure(clock: list[float]) -> None:
    recovery = retry.Recovery()
    for _ in range(2):
        recovery.failed()
        clock[0] += 12  # longer than the longest wait between two attempts
        assert recovery.ongoing()
    clock[0] += 5
    assert not recovery.ongoing()
