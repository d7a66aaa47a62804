"""A real Prometheus, promtool and Pushgateway, from Debian's packages."""

import subprocess
from collections.abc import Sequence
from typing import Any

import yaml

from tests.harness import assets
from tests.harness.daemon import Daemon
from tests.harness.processes import Child, free_ports, wait_until

BOOT_TIMEOUT = 30.0
BOOT_ATTEMPTS = 3


def binary(name: str) -> str:
    """`prometheus`, `promtool` or `prometheus-pushgateway`."""
    return str(assets.ensure_packages(["prometheus", "promtool", "prometheus-pushgateway"]) / name)


def promtool(*args: str, input: str | None = None) -> subprocess.CompletedProcess[str]:  # noqa: A002 - as run() has it
    """Run promtool; the caller checks its output and exit code."""
    return subprocess.run([binary("promtool"), *args], check=False, input=input, capture_output=True, text=True)


class Packaged(Daemon):
    """One of Debian's programs, started by `command`."""

    def command(self) -> Sequence[str]:
        raise NotImplementedError

    def kill(self) -> None:
        self._child.stop(grace=0)  # its data are not kept

    def start(self) -> None:
        """Start it. If another process takes the port first, try again with another port."""
        for attempt in range(1, BOOT_ATTEMPTS + 1):
            [self.port] = free_ports(1)
            self._child = Child(self.command(), self.folder / f"log-{attempt}", self.folder)
            wait_until(lambda: self.answers() or self._child.ended(), BOOT_TIMEOUT, f"ready: {self._child.name}")
            if not self._child.ended():
                return
        raise AssertionError(f"{self._child.name} ended while starting; its log ends:\n{self._child.log_tail()}")


class Pushgateway(Packaged):
    """A Pushgateway and the metrics that were pushed to it."""

    def command(self) -> Sequence[str]:
        return [binary("prometheus-pushgateway"), f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"]

    def groups(self) -> list[dict[str, Any]]:
        """The pushed groups: `labels`, and each metric by its name."""
        data: list[dict[str, Any]] = self.http.get(f"{self.url}/api/v1/metrics", timeout=10).json()["data"]
        return data


class Prometheus(Packaged):
    """Scrapes by these `scrape_configs` and evaluates the rules of these groups, once a second."""

    def __init__(self, scrape_configs: Sequence[dict[str, Any]], groups: Sequence[dict[str, Any]] = ()) -> None:
        self._configs = scrape_configs
        self._groups = [{**group, "interval": "1s"} for group in groups]

    def command(self) -> Sequence[str]:
        config = self.folder / "prometheus.yml"
        timing = {"scrape_interval": "1s", "scrape_timeout": "1s"}
        rules = self.folder / "rules.yml"
        rules.write_text(yaml.safe_dump({"groups": self._groups}))
        whole = {"global": timing, "rule_files": [str(rules)], "scrape_configs": list(self._configs)}
        config.write_text(yaml.safe_dump(whole))
        return [
            binary("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--log.level=warn",
        ]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The instant vector: each has `metric` (its labels) and `value` (time and text)."""
        answer = self.http.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=10).json()
        assert answer["status"] == "success", answer
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def value(self, expression: str) -> float | None:
        """The only number; None if there is none yet."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None
