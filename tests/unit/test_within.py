"""A blocked system call ends one registration of a program that stays, and not the program."""

import threading

import pytest

from registrar.cli import watchdog
from registrar.cli.failures import Failure


def test_a_result_and_an_exception_come_back() -> None:
    assert watchdog.within(60, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        watchdog.within(60, lambda: 1 // 0)


def test_what_outlasts_the_timeout_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "LIMIT_GRACE", 0)
    blocked = threading.Event()
    try:
        with pytest.raises(Failure, match="a system call is still blocked; check the name server"):
            watchdog.within(0.01, lambda: blocked.wait(60))
    finally:
        blocked.set()
