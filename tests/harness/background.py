"""A janitor that runs in the background of a test."""

import signal
import sys
import time

import requests

from tests.harness.cluster import ROOT, Cluster, Run
from tests.harness.daemon import Daemon
from tests.harness.processes import bare_environment, free_ports, spawn, wait_until

START_TIMEOUT = 30.0
START_ATTEMPTS = 3
PROMPT = 3.0  # seconds; a janitor ends within one (tests/unit/test_stop.py), but a busy machine is slow


class Background(Daemon):
    """`with Background(cluster, "--interval", "1s") as janitor:` begins when its port answers."""

    ready = "/metrics"

    def __init__(self, cluster: Cluster, *flags: str, server: str | None = None, **env: str) -> None:
        self._flags = flags
        self._terminated: float | None = None
        self._env = {**bare_environment(), "HOME": str(cluster.api.folder), **cluster.janitor_env(server), **env}

    def kill(self) -> None:
        """SIGTERM first: a process that is killed writes no coverage."""
        self._process.terminate()
        try:
            self._process.wait(START_TIMEOUT)
        finally:
            self._process.kill()
            self._process.wait()

    def get(self, path: str) -> requests.Response:
        """The answer. Raises AssertionError with its log if the janitor has ended."""
        if self._process.poll() is not None:
            raise AssertionError(f"the janitor has ended with {self._process.returncode}: {self._read('err')}")
        return self.http.get(self.url + path, timeout=5)

    def value(self, name: str, **labels: str) -> float | None:
        """The value of one series of /metrics; None if there is none."""
        text = ",".join(f'{key}="{labels[key]}"' for key in sorted(labels))
        series = f"nodeproxy_janitor_{name}{{{text}}} " if text else f"nodeproxy_janitor_{name} "
        for line in self.get("/metrics").text.splitlines():
            if line.startswith(series):
                return float(line.removeprefix(series))
        return None

    def await_value(self, expected: float, name: str, **labels: str) -> None:
        """Wait until the value of that series is at least `expected`."""
        wait_until(lambda: (self.value(name, **labels) or 0) >= expected, START_TIMEOUT, f"{name} {labels} {expected}")

    def terminate(self) -> None:
        self._terminated = time.monotonic()
        self._process.send_signal(signal.SIGTERM)

    def terminate_and_wait(self) -> None:
        """For a rule of a Gateway: hold the request until the janitor has received SIGTERM."""
        self.terminate()
        wait_until(
            lambda: "received SIGTERM" in self._read("err"), START_TIMEOUT, "the log line about SIGTERM", interval=0.01
        )

    def end(self) -> tuple[Run, float]:
        """Ask it to end and wait; its result, and the seconds that this took."""
        self.terminate()
        return self.ended()

    def ended(self) -> tuple[Run, float]:
        """As `end`, for a janitor that ends by itself or has been asked to end."""
        started = self._terminated or time.monotonic()
        self._process.wait(START_TIMEOUT)
        took = time.monotonic() - started
        return Run(self._process.returncode, self._read("out"), self._read("err")), took

    def start(self) -> None:
        """Start it. If another process takes the port first, try again with another port."""
        for _ in range(START_ATTEMPTS):
            [self.port] = free_ports(1)
            command = [sys.executable, "-m", "janitor", "--metrics-port", str(self.port), *self._flags]
            with (self.folder / "out").open("wb") as out, (self.folder / "err").open("wb") as err:
                self._process = spawn(command, stdout=out, stderr=err, cwd=ROOT, env=self._env)
            wait_until(lambda: self.answers() or self._process.poll() is not None, START_TIMEOUT, "a janitor")
            if "another process listens there" not in self._read("err"):
                return

    def _read(self, stream: str) -> str:
        return (self.folder / stream).read_text()
