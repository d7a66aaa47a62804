"""Compares ways to a destination: directly, through tinyproxy, through Squid, over a growing number of connections."""

import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from images.progress import counted
from tests.bench import servers, traffic
from tests.bench.measure import spread
from tests.bench.traffic import Route
from tests.harness.processes import Child

WARM_UP = 0.3  # seconds
DESTINATION = ("198.51.100.100", 8080)  # the filter refuses loopback addresses
TINYPROXY, SQUID = ("127.0.0.1", 8888), ("127.0.0.1", servers.PORT)
_HOST = ":".join(map(str, DESTINATION))
_ONE = f"GET / HTTP/1.1\r\nHost: {_HOST}\r\nConnection: close\r\n\r\n".encode()
_OF_MANY = f"GET / HTTP/1.1\r\nHost: {_HOST}\r\n\r\n".encode()
_PROXIED = f"GET http://{_HOST}/ HTTP/1.1\r\nHost: {_HOST}\r\nConnection: close\r\n\r\n".encode()
_CONNECT = f"CONNECT {_HOST} HTTP/1.1\r\nHost: {_HOST}\r\n\r\n".encode()
# Each case: the route without a proxy, and through one.
CASES: Mapping[str, tuple[Route, Callable[[tuple[str, int]], Route]]] = {
    "GET, a new connection for each request": (
        Route(DESTINATION, _ONE, servers.BODY),
        lambda proxy: Route(proxy, _PROXIED, servers.BODY),
    ),
    "CONNECT, a new tunnel for each request": (
        Route(DESTINATION, _ONE, servers.BODY),
        lambda proxy: Route(proxy, _ONE, servers.BODY, tunnel=_CONNECT),
    ),
    "CONNECT, many requests in each tunnel": (
        Route(DESTINATION, _OF_MANY, servers.BODY, keep=True),
        lambda proxy: Route(proxy, _OF_MANY, servers.BODY, tunnel=_CONNECT, keep=True),
    ),
}


@dataclass(frozen=True)
class Sample:
    """One measurement: requests a second, p99 (seconds), failed requests, and processor time as a share of one core."""

    rate: float
    p99: float
    failed: int
    proxy: float
    others: float

    @property
    def cost(self) -> float:
        """Processor time of the proxy for one request, in seconds."""
        return self.proxy / self.rate if self.rate else float("nan")


@dataclass(frozen=True)
class Way:
    """A proxy that runs, and where it listens."""

    address: tuple[str, int]
    child: Child


class Comparison:
    """Measures while destination and proxies run. A proxy has one core; client and destination share another."""

    def __init__(self, destination: Child, proxies: Mapping[str, Way]) -> None:
        self._destination, self._proxies = destination, proxies
        cores = sorted(os.sched_getaffinity(0))
        pinned = {0: cores[0], destination.pid: cores[0], **{each.child.pid: cores[-1] for each in proxies.values()}}
        for pid, core in pinned.items():
            os.sched_setaffinity(pid, {core})

    def table(self, case: str, runs: int, seconds: float, connections: Sequence[int]) -> list[str]:
        routes = ["direct", *self._proxies]
        samples: dict[tuple[str, int], list[Sample]] = {(via, count): [] for count in connections for via in routes}
        for _ in counted(case, range(runs)):
            for (via, count), taken in samples.items():
                taken.append(self._measure(case, via, count, seconds))
        head = [f"{via}{', requests/s | p99, ms' + (' | CPU, µs' if via in self._proxies else '')}" for via in routes]
        rows = [f"| connections | {' | '.join(head)} |", "|---" * (2 + 3 * len(self._proxies) + 1) + "|"]
        for count in connections:
            cells = [cell for via in routes for cell in self._cells(via, samples[via, count])]
            rows.append(f"| {count} | {' | '.join(cells)} |")
        return [f"{case}:", "", *rows, "", self._busy(samples, connections[-1])]

    def _cells(self, via: str, taken: Sequence[Sample]) -> list[str]:
        failed = sum(each.failed for each in taken)
        rate = spread([each.rate for each in taken], 0) + (f"; {failed} failed" if failed else "")
        p99 = spread([each.p99 for each in taken], 1, 1e-3)
        return [rate, p99, *([spread([each.cost for each in taken], 0, 1e-6)] if via in self._proxies else [])]

    def _busy(self, samples: Mapping[tuple[str, int], Sequence[Sample]], count: int) -> str:
        def share(via: str, what: str) -> str:
            return f"{statistics.median(getattr(each, what) for each in samples[via, count]):.0%}"

        shares = ", ".join(f"{share(via, 'proxy')} ({share(via, 'others')}) with {via}" for via in self._proxies)
        return f"At {count} connections the core of the proxy (of client and destination) was busy: {shares}."

    def _measure(self, case: str, via: str, count: int, seconds: float) -> Sample:
        direct, through = CASES[case]
        proxy = self._proxies.get(via)
        route = through(proxy.address) if proxy else direct
        before, began = self._used(proxy), time.monotonic()
        load = traffic.run(route, count, seconds, WARM_UP)
        span = time.monotonic() - began
        used = [(after - earlier) / span for earlier, after in zip(before, self._used(proxy), strict=True)]
        return Sample(load.in_time / seconds, load.p99, load.failed, *used)

    def _used(self, proxy: Way | None) -> tuple[float, float]:
        """Processor seconds so far: of the proxy, and of client and destination."""
        return proxy.child.cpu_seconds() if proxy else 0.0, time.process_time() + self._destination.cpu_seconds()
