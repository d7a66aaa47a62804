"""Runs a program from its start with recorded answers, up to its next request: a pure function of the answers.

The program is the real one, with everything above HTTP. `exchange`, which sends a request, takes the next recorded
answer; where there is none, it records the request and abandons the run.
"""

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

from janitor import program
from registrar.cli.failures import Failure
from registrar.kube import transport
from registrar.kube.answers import Transient
from registrar.kube.credentials import Credentials
from registrar.kube.exchange import Answer, Request
from registrar.kube.source import Source
from registrar.kube.transport import Kube
from tests.harness import kubeconfig
from tests.harness.pki import CertificateAuthority
from tests.model import server
from tests.model.calls import Call, Reply

T = TypeVar("T")
FOR_EVER = 1e9  # seconds: no timeout ends, see `docs/model.md`
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_HEADERS = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Asks:
    """The program's next request. `action` names it for people."""

    action: str
    call: Call


@dataclass(frozen=True)
class Again:
    """The program waited and began anew: nothing of what it learned after its first `answers` answers counts."""

    answers: int


@dataclass(frozen=True)
class Ended:
    """The program's result, or the failure that ended it."""

    result: Any = None
    failure: Failure | None = None


Next = Asks | Again | Ended
LOST = None  # the answer to a request that was carried out, or will be
Program = Callable[[Kube], Any]


class _Abandoned(BaseException):
    """Ends a run whose next request is known. No program catches it."""


class _Run:
    """One run with recorded answers."""

    def __init__(self, answers: Sequence[Reply | None]) -> None:
        self._answers, self._taken = answers, 0
        self._begun: list[int] = []  # answers that had been taken when each retried piece of work began
        self.hour = 0
        self.again: Again | None = None
        self.asks: Asks | None = None

    def exchange(self, request: Request, _credentials: Credentials) -> Answer:
        if self.asks:  # another thread of an abandoned run
            raise _Abandoned
        if self._taken == len(self._answers):
            headers = request.headers
            called = server.call(request.method, request.path, request.body, headers["Content-Type"], headers["Accept"])
            self.asks = Asks(request.action, called)
            raise _Abandoned
        reply = self._answers[self._taken]
        self._taken += 1
        self.hour = reply.hour if reply else self.hour
        if reply is LOST:
            raise Transient(request.action, "no answer")
        return Answer(reply.status, _HEADERS, reply.text.encode())

    @contextmanager
    def work(self) -> Iterator[None]:
        self._begun.append(self._taken)
        try:
            yield
        finally:
            self._begun.pop()

    def pause(self, _seconds: float) -> bool:
        if self._taken == len(self._answers) and not self.again:
            self.again = Again(self._begun[-1])
        return False


class Replayer:
    """Replays programs. All share one connection to a server that does not exist."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ca = CertificateAuthority(folder).ca_file
        path = kubeconfig.write(folder, "https://model.invalid", ca, "default", {"token": "model"})
        self._run = _Run(())
        self._kube = _Kube(self, path)

    def next(self, runs: Program, answers: Sequence[Reply | None]) -> Next:
        """What `runs` does after it has received `answers`."""
        run = self._run = _Run(answers)
        clock = mock.Mock(now=lambda _zone: EPOCH + timedelta(hours=run.hour))
        with mock.patch.object(transport, "exchange", run.exchange), mock.patch.object(program, "datetime", clock):
            try:
                found: Next = Ended(runs(self._kube))
            except _Abandoned:
                assert run.asks
                found = run.asks
            except Failure as failure:
                found = Ended(failure=failure)
        if not run.again:
            return found
        # What follows has to be the same as if the work were new: only then may the story be forgotten.
        assert self.next(runs, answers[: run.again.answers]) == found, run.again
        return run.again

    def current(self) -> _Run:
        return self._run


class _Kube(Kube):
    """The real access to the API server. It tells the run where a retried piece of work begins."""

    def __init__(self, replayer: Replayer, path: Path) -> None:
        super().__init__(
            Source(str(path)), agent="model", timeout=FOR_EVER, pause=lambda seconds: replayer.current().pause(seconds)
        )
        self._replayer = replayer

    def retry(self, action: str, work: Callable[[], T]) -> T:
        with self._replayer.current().work():
            return super().retry(action, work)


@contextmanager
def replayer() -> Iterator[Replayer]:
    """A Replayer; the programs log nothing meanwhile."""
    logging.disable()
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield Replayer(Path(folder))
    finally:
        logging.disable(logging.NOTSET)
