"""Write the section "End to end" of docs/benchmarks.md from recorded runs of `make e2e`: `python -m tests.e2e.page`."""

import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tests.e2e.layout import BUILD
from tests.harness import assets, document

RUNS = BUILD / "e2e-runs.jsonl"  # one object for each run, whatever its NODEPROXY_E2E_NAME
WORDS = """
A real cluster of two nodes with Kubernetes {kubernetes} ([e2e.md](e2e.md)). Median (minimum-maximum) of the last
{count} complete and green runs of `make e2e`, {first} to {last}; load average at their ends: {load}.
{machine}. A pod's seconds count from the moment it was scheduled. The requests are those of
a client that sends one after the other, from before a change until after it.

"""


def record(rows: Mapping[str, Mapping[str, float]]) -> None:
    """Keep one run's figures."""
    run = {
        "kubernetes": assets.ensure().version,
        "time": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        "machine": document.machine(),
        "load": os.getloadavg()[0],
        "figures": rows,
    }
    with RUNS.open("a") as file:
        print(json.dumps(run, ensure_ascii=False), file=file)


def section(runs: Sequence[Any]) -> str:
    """Markdown: the words and the table. All runs are of one Kubernetes version."""
    loads = [run["load"] for run in runs]
    words = WORDS.format(
        kubernetes=runs[-1]["kubernetes"],
        count=len(runs),
        first=runs[0]["time"],
        last=runs[-1]["time"],
        machine=runs[-1]["machine"],
        load=f"{min(loads):.1f} to {max(loads):.1f}",
    )
    figures = [run["figures"] for run in runs]
    occasions = list(dict.fromkeys(occasion for each in figures for occasion in each))
    columns = list(dict.fromkeys(what for each in figures for row in each.values() for what in row))
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for occasion in occasions:
        cells = [
            _spread([each[occasion][what] for each in figures if what in each.get(occasion, ())]) for what in columns
        ]
        lines.append(f"| {occasion} | {' | '.join(cells)} |")
    return words + "\n".join(lines) + "\n"


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f}-{max(values):.1f})" if values else "-"


def main(count: str = "10") -> int:
    """Write the section from the last `count` runs with the Kubernetes version of the last run."""
    runs = [json.loads(line) for line in RUNS.read_text().splitlines()] if RUNS.exists() else []
    if not runs:
        print(f"no figures in {RUNS}: run `make e2e` first", file=sys.stderr)
        return 1
    same = [run for run in runs if run["kubernetes"] == runs[-1]["kubernetes"]]
    document.put("End to end", section(same[-int(count) :]))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
