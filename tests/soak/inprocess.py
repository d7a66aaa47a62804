"""Run both programs inside the test's process: a thousand starts of Python would take an hour.

This leaves out what `python -m` adds: signal handlers and the exit. Read timeouts and backoffs are short, so that an
outage of seconds has the effect of one of minutes.
"""

import gc
import io
import json
import logging
import socket
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import kubernetes.client
import kubernetes.config
import tenacity

import registrar.__main__
from janitor import settings as janitor_settings
from janitor.program import Program
from registrar.cli import logs, watchdog
from registrar.cli.watchdog import Stop
from registrar.kube import exchange, retry
from tests.credentials.canaries import leaked

READ_TIMEOUT = 0.4  # seconds
CLIENT = (kubernetes.client, kubernetes.config)  # loaded now, so that the first run does not take longer
_FAST = tenacity.wait_random_exponential(multiplier=0.02, max=0.2)


@dataclass(frozen=True)
class Ended:
    """How a run ended. `complaints` are its log lines above info."""

    code: int
    out: str
    log: str
    seconds: float

    @property
    def complaints(self) -> list[str]:
        return [line for line in self.log.splitlines() if " WARNING " in line or " ERROR " in line]


def register(env: Mapping[str, str], *flags: str) -> Ended:
    """`python -m registrar`."""
    return _run(lambda: registrar.__main__.main(flags, env), env)


def clean(env: Mapping[str, str], *flags: str) -> Ended:
    """`python -m janitor`."""

    def main() -> int:
        given = janitor_settings.parse(("--output", "json", *flags), env)
        logs.configure(given.log_level, given.log_format)
        return Program(given, env, Stop()).run()

    return _run(main, env)


@contextmanager
def failing_lookups(port: int, times: int) -> Iterator[None]:
    """Name resolution for connections to this port fails temporarily, `times` times."""
    real, left = socket.getaddrinfo, [None] * times

    def getaddrinfo(host: Any, wanted: Any, *args: Any, **kwargs: Any) -> Any:
        if wanted == port and left:
            left.pop()
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real(host, wanted, *args, **kwargs)

    with mock.patch.object(socket, "getaddrinfo", getaddrinfo):
        yield


@contextmanager
def fast_motion() -> Iterator[None]:
    """Short read timeouts and backoffs."""
    changes = (
        (exchange, "READ_TIMEOUT", READ_TIMEOUT),
        (retry, "BACKOFF", _FAST),
        (watchdog, "LIMIT_GRACE", 60.0),  # it would end the tests' process; each test measures the time itself
    )
    with ExitStack() as stack:
        for change in changes:
            stack.enter_context(mock.patch.object(*change))
        yield


def _run(main: Any, env: Mapping[str, str]) -> Ended:
    """Run `main`; no part of the token in `env` may be in any output, whatever happens."""
    token = json.loads(Path(env["KUBECONFIG"]).read_text())["users"][0]["user"]["token"]
    out, log = io.StringIO(), io.StringIO()
    root = logging.getLogger()
    kept = root.handlers[:], root.level
    started = time.monotonic()
    with warnings.catch_warnings(), fast_motion(), redirect_stdout(out), redirect_stderr(log):
        warnings.simplefilter("ignore", ResourceWarning)  # of connections that the end of a process would close
        logs.configure()
        code = _code(main)
        seconds = time.monotonic() - started
        gc.collect()
    root.handlers[:], root.level = kept
    assert leaked([token], out.getvalue() + log.getvalue()) == []
    return Ended(code, out.getvalue(), log.getvalue(), seconds)


def _code(main: Any) -> int:
    """The exit code, as in both programs."""
    try:
        return int(main())
    except Exception as error:  # noqa: BLE001
        return logs.end(error)
