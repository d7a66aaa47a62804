"""Measure how long a process takes, and how much processor time and memory it and its children use."""

import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.harness.cluster import ROOT

LAUNCH = Path(__file__).with_name("launch.py")


@dataclass(frozen=True)
class Sample:
    """One run: wall and processor time (seconds), peak memory of its largest process (bytes), requests, output."""

    wall: float
    cpu: float
    peak: float
    requests: int
    log: str


@dataclass(frozen=True)
class Program:
    """How to start a program. Each run gets a new HOME."""

    command: Sequence[str]
    env: Mapping[str, str]

    def run(self, count: Callable[[], int] = lambda: 0) -> Sample:
        """Run it and require exit code 0; `count` then returns the number of its requests."""
        with TemporaryDirectory(prefix="nodeproxy-bench-") as home:
            result, log = Path(home, "result"), Path(home, "log")
            start = [sys.executable, "-I", "-S", str(LAUNCH), str(result), *self.command]
            with log.open("wb") as out:
                env = {"PATH": os.defpath, **self.env, "HOME": home}
                subprocess.run(start, check=True, env=env, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
            wall, cpu, peak, code = map(float, result.read_text().split())
            if code:
                raise SystemExit(f"{' '.join(self.command)}: exit {code:.0f}\n{log.read_text()[-2000:]}")
            return Sample(wall, cpu, peak * 1024, count(), log.read_text())


def spread(values: Sequence[float], digits: int = 2, scale: float = 1) -> str:
    """Median, minimum and maximum."""
    scaled = [value / scale for value in values]
    return f"{statistics.median(scaled):.{digits}f} ({min(scaled):.{digits}f}-{max(scaled):.{digits}f})"


def ratio(ours: Sequence[Sample], theirs: Sequence[Sample], what: str) -> float:
    """The median of the ratios of runs that were made one after the other."""
    pairs = zip(ours, theirs, strict=True)
    return float(statistics.median(getattr(one, what) / getattr(other, what) for one, other in pairs))
