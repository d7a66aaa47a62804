"""Registrations by the registrar's own code in threads, which begin at the same moment."""

import itertools
import resource
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from registrar.cli.failures import Failure
from registrar.kube.source import Source
from registrar.kube.transport import Kube
from registrar.register import register
from registrar.settings import parse
from tests.harness.client import parallel
from tests.harness.cluster import Cluster

AGENT = "nodeproxy-registrar/load"


@dataclass(frozen=True)
class Outcome:
    """How registrations went: seconds of each that succeeded, the failures, and the retries if they are known."""

    seconds: Sequence[float]
    failures: Sequence[str] = ()
    retries: int | None = None


class Retries:
    """An Observer that counts retries."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def request(self, method: str, url: str, status: int | None) -> None:
        """Not counted here, because the audit log has the requests."""

    def retry(self) -> None:
        next(self._numbers)  # atomic, unlike `+= 1`

    def total(self) -> int:
        return next(self._numbers)


def prepare(cluster: Cluster, number: int, at_once: int, server: str) -> Callable[[], Outcome]:
    """Registrations that are ready to begin: the first `at_once` of them do so at the same moment."""
    pods = parallel(lambda each: cluster.pod(f"load-{each}"), range(number))
    envs = parallel(lambda pod: cluster.registrar_env(pod, server=server), pods)
    settings = [parse((), env) for env in envs]
    agents = [f"{AGENT}-{each}" for each in range(number)]
    retries = Retries()
    kubes = [
        Kube(Source(env["KUBECONFIG"]), agent=agent, timeout=each.timeout, observer=retries)
        for env, agent, each in zip(envs, agents, settings, strict=True)
    ]

    def run() -> Outcome:
        moment = 0.0

        def begin() -> None:
            nonlocal moment
            moment = time.monotonic()

        together = threading.Barrier(at_once, begin)

        def one(index: int) -> float | str:
            if index < at_once:
                together.wait()
            began = moment if index < at_once else time.monotonic()
            try:
                register(kubes[index], settings[index])
            except Failure as failure:
                return str(failure)
            return time.monotonic() - began

        with ThreadPoolExecutor(at_once) as pool:
            ended = [*pool.map(one, range(number))]
        seconds = [each for each in ended if isinstance(each, float)]
        return Outcome(seconds, [each for each in ended if isinstance(each, str)], retries.total())

    return run


def raise_limit_of_files() -> None:
    """A thousand connections have a thousand open files, at both ends of the relay."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
