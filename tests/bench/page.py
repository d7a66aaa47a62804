"""docs/benchmarks.md: its text, and the tables of one run."""

from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import plot

TARGETS = """\
| target | |
|---|---|
| one registration | 3 requests; in the image's Python at most 0.5x of the script's wall and CPU on Kubernetes 1.36, \
memory at most 0.45x |
| 500 registrations, 50 at a time | all succeed with 1,500 requests plus retries |
| 1,000 registrations at once | none fails; 3 requests each, plus retries after 429 |
| janitor, 1,000 nodes, 100 gone | at most 0.1x of the script's wall; at most one request per page and 2 per deletion |
| janitor, 5,000 nodes, 500 gone | at most 1.15x of the wall of a raw loop with the same four connections; own CPU \
time at most 0.2 s for 100 deletions |
| growth | linear in time, near flat in memory: 20,000 Nodes and Services in 60 MB |
| bytes read of a node | at most 1.2x of the metadata-only list |"""

WORDS = """\
# Benchmarks

nodeproxy compared with the hand-rolled stack and with bare requests, in one run on one machine, against one real API
server on loopback. Each figure is the median (minimum-maximum); a ratio is the median of the ratios of runs that were
made one after the other. CPU time includes child processes; peak memory is that of the largest process. Each run has a
new HOME, as in a new container.

<!-- not run: it takes long, and writes this page -->
```sh
{command}
```

Kubernetes {version}; {machine}, at the end {load_after} (below 1 on an idle machine); {runs} runs each.
That command writes this page, except that `make soak` writes the section Soak and `python -m tests.e2e.page` the
section End to end. The last section is written by hand.

## Targets

{targets}

## Registrar

{registration}

{profile}## Load on the API server

Registrations at the same moment, each with its own connection and its pod's token, against an API server with priority
and fairness at its defaults. Seconds count from that moment. All clients run on the machine of the API server, as
threads of one process, and use most of the time. The script's processes are too many to start them all at once. The
longer path is a relay that delivers each byte 20 ms later, in either direction. The API server's processor time is
given without what it uses when idle.

{load}

## Janitor

{cleaning}

Growth, with nothing to delete (each node has a Service, and 50 images in its status):

{growth}

![wall time and memory over nodes](benchmarks.svg)

{bytes_read}

## Proxy

A destination (nginx, pages of 1,000 bytes) reached directly, through tinyproxy with the chart's settings, and through
Squid, which stores nothing; both are Debian's. One client sends its next request on each connection as soon as it has
the answer. All of them run in one network namespace; the proxy has one core, client and destination share another. CPU
is the proxy's processor time for one request. What kube-proxy and the network between nodes add is alike for both.

{proxies}
"""

PROFILE = ("Time of the imports at its start, in the image, by `-X importtime` (which itself takes time):", "")
NOTES = "\n## Soak\n"  # this section and those below it are kept: other commands and people write them


@dataclass
class Result:
    """What one run measured."""

    command: str
    machine: str
    version: str
    runs: int
    load_after: str = ""
    registration: list[str] = field(default_factory=list)
    profile: list[str] = field(default_factory=list)
    load: list[str] = field(default_factory=list)
    cleaning: list[list[str]] = field(default_factory=list)
    growth: dict[str, dict[int, tuple[float, float]]] = field(default_factory=dict)
    bytes_read: str = ""
    proxies: str = ""


def write(folder: Path, result: Result) -> None:
    text = WORDS.format(
        command=result.command,
        version=result.version,
        machine=result.machine,
        load_after=result.load_after,
        runs=result.runs,
        targets=TARGETS,
        registration="\n".join(result.registration),
        profile="".join(f"{line}\n" for line in (*PROFILE, *result.profile, "")) if result.profile else "",
        load="\n".join(result.load),
        cleaning="\n\n".join("\n".join(table) for table in result.cleaning),
        growth="\n".join(_growth(result)),
        bytes_read=result.bytes_read,
        proxies=result.proxies,
    )
    folder.mkdir(parents=True, exist_ok=True)
    document = folder / "benchmarks.md"
    _, heading, notes = document.read_text().partition(NOTES) if document.exists() else ("", NOTES, "")
    if not heading:
        raise SystemExit(
            f"cannot write {document}: it has no section {NOTES.strip()!r}; restore that section and those below it, "
            "which this command does not write"
        )
    document.write_text(text + heading + notes)
    if not result.growth:
        return
    panels = {
        title: {name: [(size, pair[index]) for size, pair in sizes.items()] for name, sizes in result.growth.items()}
        for index, title in enumerate(("wall, s, over nodes", "peak memory, MB, over nodes"))
    }
    (folder / "benchmarks.svg").write_text(plot.svg(panels))


def _growth(result: Result) -> list[str]:
    sizes = sorted({size for growth in result.growth.values() for size in growth})
    rows = ["| nodes | " + " | ".join(f"{size:,}" for size in sizes) + " |", "|---" * (len(sizes) + 1) + "|"]
    for name, growth in result.growth.items():
        cells = (f"{growth[size][0]:.2f} s, {growth[size][1]:.0f} MB" for size in sizes)
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return rows
