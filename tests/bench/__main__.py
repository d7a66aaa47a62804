"""Measure and write docs/benchmarks.md: `make bench`. ARGS="--runs 3 --nodes 100,200" is a quick run."""

import argparse
import logging
import os
import statistics
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import cleaning, handrolled, load, page, proxies, registrations
from tests.bench.cleaning import Cleaning, Crowd
from tests.bench.measure import Sample
from tests.bench.programs import HostPython, ImagePython
from tests.harness import document
from tests.harness.apiserver import ApiServer
from tests.harness.cluster import ROOT, Cluster


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--nodes", default="1000,5000,10000,20000", help="sizes of the cluster, growing")
    parser.add_argument("--registrations", type=int, default=500)
    parser.add_argument(
        "--images", type=Path, help="folder of `make images` (build/images): the image's Python is measured too"
    )
    parser.add_argument("--at-once", type=int, default=1000, help="registrations that begin at the same moment")
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement of a proxy")
    parser.add_argument("--connections", default="1,10,50,100,500", help="numbers of connections to a proxy")
    parser.add_argument("--output", type=Path, default=ROOT / "docs", help="folder of the page and the plot")
    given = parser.parse_args()
    logging.getLogger("registrar").setLevel(logging.ERROR)  # the page counts the retries
    command = " ".join(["make bench", *([f"ARGS='{' '.join(sys.argv[1:])}'"] if sys.argv[1:] else [])])
    sizes = [int(size) for size in given.nodes.split(",")]
    with TemporaryDirectory(prefix="nodeproxy-bench-") as temporary, ApiServer() as api:
        folder = Path(temporary)
        folder.chmod(0o755)  # the image's user is not root
        cluster = Cluster(api)
        handrolled.grant(api)
        result = page.Result(command, _machine(), api.version, given.runs)
        _registrations(result, cluster, given, folder)
        write(given.output, result)
        say(f"{given.at_once} registrations at once")
        pythons = _pythons(given.images, folder)
        result.load = load.section(cluster, given.at_once, given.registrations, given.runs, pythons, folder)
        write(given.output, result)
        _cleaning(result, cluster, given, folder, sizes)
    say("requests through proxies")
    connections = [int(number) for number in given.connections.split(",")]
    result.proxies = proxies.section(given.runs, given.seconds, connections)
    write(given.output, result)
    return 0


def write(folder: Path, result: page.Result) -> None:
    """Write the page after each stage, so that an interrupted run leaves what it has measured."""
    result.load_after = _load()
    page.write(folder, result)


def _pythons(images: Path | None, folder: Path) -> list[HostPython | ImagePython]:
    return [HostPython(folder), *([ImagePython(images, folder)] if images else [])]


def _registrations(result: page.Result, cluster: Cluster, given: argparse.Namespace, folder: Path) -> None:
    say(f"one registration, {given.runs} runs")
    pythons = _pythons(given.images, folder)
    result.registration = registrations.one(cluster, given.runs, pythons, folder)
    for python in pythons:
        if isinstance(python, ImagePython):
            result.profile = registrations.profile(cluster, python)
    cluster.wipe()


def _cleaning(result: page.Result, cluster: Cluster, given: argparse.Namespace, folder: Path, sizes: list[int]) -> None:
    crowd = Crowd(cluster)
    bench = Cleaning(crowd, given.runs, _pythons(given.images, folder), folder)
    against = (cleaning.SCRIPT, cleaning.LOOP)
    for number, size in enumerate(sizes):
        say(f"a cluster of {size:,} nodes")
        crowd.grow(size)
        if number < len(against):
            say(f"compared with the {against[number]}")
            result.cleaning.append(bench.table(size // 10, against[number]))
        idle = bench.idle()
        if number < len(against):
            result.cleaning.append([bench.of_deletions(size // 10, idle)])
        for name, samples in idle.items():
            result.growth.setdefault(name, {})[size] = _median(samples)
        if number == 1:
            result.bytes_read = bench.bytes_per_node()
        write(given.output, result)


def _median(samples: list[Sample]) -> tuple[float, float]:
    return statistics.median(each.wall for each in samples), statistics.median(each.peak for each in samples) / 1e6


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


def _machine() -> str:
    return f"{document.machine()}, {datetime.now(UTC):%Y-%m-%d}, load at the start {_load()}"


def say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
