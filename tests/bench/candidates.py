"""Compare releases of the Kubernetes client: build an image with each and measure it (`make measure-clients`).

It measures one registration, the whole process, against a real API server on loopback: median wall time and peak
memory. The process runs with the image's own Python and file system, by chroot, without a container runtime.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from images import build, builders
from images.archive import Archive
from images.progress import Job
from tests.harness.apiserver import ApiServer
from tests.harness.client import Object
from tests.harness.cluster import Cluster

CANDIDATES = ("35.0.0", "37.0.2")
RUNS = 20
# Linux counts the memory of the forking process towards its child's peak: this small process forks, not the caller.
STOPWATCH = """
import os, sys, time
start = time.monotonic()
_, status, usage = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)
print(time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
INGREDIENTS = (".dockerignore", "LICENSE", "images", "registrar", "janitor", "pyproject.toml")


@dataclass(frozen=True)
class Figures:
    """Figures of one candidate, in bytes and seconds."""

    unpacked: int
    compressed: int
    wall: float
    cpu: float
    memory: int


def context(release: str, folder: Path) -> Path:
    """A build context whose lock file has this release of the client."""
    for name in INGREDIENTS:
        source = builders.ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy2
        copy(source, folder / name)
    project = folder / "pyproject.toml"
    project.write_text(project.read_text().replace("kubernetes==35.0.0", f"kubernetes=={release}"))
    lock = [
        "uv",
        "pip",
        "compile",
        "--quiet",
        "--universal",
        "--python-version=3.15",
        "--generate-hashes",
        "--no-header",
    ]
    command = [*lock, "--output-file=images/requirements.lock", "--upgrade-package=kubernetes", "pyproject.toml"]
    uv = Path(sys.executable).parent.parent / "uv" / "bin"
    subprocess.run(command, cwd=folder, check=True, env={**os.environ, "PATH": f"{uv}:{os.environ['PATH']}"})
    return folder


def measure(archives: Mapping[str, Archive], cluster: Cluster, runs: int, folder: Path) -> dict[str, Figures]:
    """Measure `runs` registrations with each, in turns, so that other load on the machine affects all alike."""
    roots = {release: folder / f"root-{release}" for release in archives}
    for release, root in roots.items():
        archives[release].unpack(root)
    cluster.wipe()
    cluster.node("measured")
    pod = cluster.pod("measured")
    timed: dict[str, list[tuple[float, float, int]]] = {release: [] for release in archives}
    for _ in range(runs + 1):
        for release, archive in archives.items():
            timed[release].append(register(archive, roots[release], cluster, pod))
    figures = {}
    for release, archive in archives.items():
        walls, cpus, memories = zip(*timed[release][1:], strict=True)  # the first fills the page cache
        medians = statistics.median(walls), statistics.median(cpus)
        figures[release] = Figures(archive.unpacked, archive.compressed, *medians, max(memories))
    return figures


def register(archive: Archive, root: Path, cluster: Cluster, pod: Object) -> tuple[float, float, int]:
    """One registration: wall time, processor time (seconds) and peak memory (bytes)."""
    env = cluster.registrar_env(pod)
    config = root / "kubeconfig"
    config.write_text(Path(env["KUBECONFIG"]).read_text().replace(str(cluster.api.ca_file), "/ca.crt"))
    shutil.copy2(cluster.api.ca_file, root / "ca.crt")
    for path in (config, root / "ca.crt"):
        path.chmod(0o444)
    image = archive.config["config"]
    given = dict(each.split("=", 1) for each in image["Env"]) | env | {"KUBECONFIG": "/kubeconfig"}
    command = [str(shutil.which("chroot")), f"--userspec={image['User']}", str(root), *image["Entrypoint"]]
    done = subprocess.run(
        [sys.executable, "-S", "-c", STOPWATCH, *command], env=given, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"the registrar failed: {done.stderr}")
    wall, cpu, memory = done.stdout.split()
    return float(wall), float(cpu), int(memory) * 1024


def main() -> int:
    """The command line; prints a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("releases", nargs="*", default=CANDIDATES)
    parser.add_argument("--runs", type=int, default=RUNS)
    given = parser.parse_args()
    build.cache().mkdir(parents=True, exist_ok=True)
    print("| client | unpacked | compressed | one registration | processor time | peak memory |")
    print("|---" * 6 + "|")
    with ApiServer() as api, TemporaryDirectory(prefix="nodeproxy-clients-") as folder:
        Path(folder).chmod(0o755)  # the image's user must be able to enter it
        cluster = Cluster(api)
        for release, figures in compare(given.releases, given.runs, cluster, Path(folder)).items():
            sizes = f"{figures.unpacked / build.MB:.1f} MB | {figures.compressed / build.MB:.1f} MB"
            times = f"{figures.wall:.2f} s | {figures.cpu:.2f} s"
            print(f"| {release} | {sizes} | {times} | {figures.memory / build.MB:.0f} MB |", flush=True)
    return 0


def compare(releases: Sequence[str], runs: int, cluster: Cluster, folder: Path) -> dict[str, Figures]:
    """The figures of each release."""
    builder = builders.buildah(build.cache(), Job(folder / "build.log", "look at the candidate"))
    archives = {}
    for release in releases:
        place = folder / release
        place.mkdir()
        there = replace(builder, context=context(release, place))
        built = build.build(there, "local", place / "out", revision=f"client {release}")
        archives[release] = built["registrar"]
    return measure(archives, cluster, runs, folder)


if __name__ == "__main__":
    sys.exit(main())
