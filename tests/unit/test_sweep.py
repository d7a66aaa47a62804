"""A sweep during which an unexpected exception is raised, or the program is asked to stop."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from janitor.outcome import Result
from janitor.sweep import sweep
from janitor.verdict import Judgement, Service, Verdict


class Broken:
    """A connection with a bug: its first request raises an exception, and the second does so after a while."""

    def __init__(self) -> None:
        self.requests = 0

    def retry(self, _action: str, _work: Callable[[], Any]) -> Any:
        self.requests += 1
        if self.requests == 1:
            raise ZeroDivisionError
        threading.Event().wait(0.3)
        raise ZeroDivisionError


class Unreachable:
    """A Kube that has no request to give."""

    def retry(self, _action: str, work: Callable[[], Any]) -> Any:
        return work()


def judgement(name: str) -> Judgement:
    service = Service(
        name=name,
        namespace="default",
        uid=name,
        resource_version="1",
        node_in_annotation=name,
        node_in_label=name,
        node_in_selector=name,
        registered_by="",
        missing_since=None,
        deleting=False,
    )
    return Judgement(service, Verdict.DELETE, "its node is gone", name)


def test_a_bug_in_one_deletion_cancels_those_that_have_not_started() -> None:
    kube = Broken()
    with pytest.raises(ZeroDivisionError):
        sweep(kube, [judgement(f"n-{number}") for number in range(20)], parallel=1, stopping=lambda: False)  # type: ignore[arg-type]

    assert kube.requests <= 2


def test_no_attempt_begins_once_the_program_was_asked_to_stop() -> None:
    stopping = iter([False, True])  # asked after this deletion had begun, before its first request
    [outcome] = sweep(Unreachable(), [judgement("n")], parallel=1, stopping=lambda: next(stopping))  # type: ignore[arg-type]

    assert outcome.result is Result.FAILED
    assert outcome.reason == "cannot delete Service default/n: the program was asked to stop"
