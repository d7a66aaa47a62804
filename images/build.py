"""`make images`: builds both images, prints their sizes, lists what is in them, and refuses what is too large."""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import registrar
from images import builders, sbom, standin
from images.archive import Archive
from images.cache import cache_dir, locked
from images.progress import Job

ROOT = builders.ROOT
TARGETS = ("registrar", "janitor")
LABELS = "org.opencontainers.image"
MB = 1_000_000
UNPACKED, COMPRESSED, SECOND = 80 * MB, 30 * MB, 1 * MB
NEXT_STEP = "fix what the lines above say and run `make images` again (BASE=local where no registry is reachable)"


def image(target: str) -> str:
    """The image's name in the chart, with this version."""
    return f"ghcr.io/nodeproxy/{target}:{registrar.__version__}"


def build(
    builder: builders.Builder, base: str, folder: Path, *, revision: str, fresh: bool = False
) -> dict[str, Archive]:
    """Both images as archives in `folder`. `base` is an image's name, `local` for the stand-in, "" for the default."""
    labels = {f"{LABELS}.version": registrar.__version__, f"{LABELS}.revision": revision}
    args = {"BASE": standin.ensure(builder, cache()) if base == "local" else base} if base else {}
    folder.mkdir(parents=True, exist_ok=True)
    for number, target in enumerate(TARGETS):
        # the second takes its layers from the first: a fresh one would be other layers where a build is not exact
        builder.build(image(target), target, args, labels, fresh=fresh and number == 0)
        builder.save(image(target), folder / f"{target}.tar")
    return {target: Archive(folder / f"{target}.tar") for target in TARGETS}


def report(archives: Mapping[str, Archive]) -> list[str]:
    """Sizes, a line each; what is over its limit says so."""
    lines = []
    for target, archive in archives.items():
        sizes = (("unpacked", archive.unpacked, UNPACKED), ("compressed", archive.compressed, COMPRESSED))
        lines += [_line(target, what, size, limit) for what, size, limit in sizes]
        lines.append(f"{target:10} {archive.digest}")
    first, second = (archives[target] for target in TARGETS)
    lines.append(_line(TARGETS[1], f"beyond the {TARGETS[0]}", second.beyond(first), SECOND))
    return lines


def _line(target: str, what: str, size: int, limit: int) -> str:
    verdict = "" if size <= limit else ", TOO LARGE"
    return f"{target:10} {size / MB:6.2f} MB {what} (limit {limit // MB}){verdict}"


def cache() -> Path:
    """Where the stand-in and buildah's images are kept."""
    return cache_dir() / "images"


def git(*args: str) -> str:
    """What git answers about this checkout; "" without one."""
    done = subprocess.run(["git", "-C", ROOT, *args], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def main() -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="", help="an image with Python 3.15, or `local`: made from Debian's packages")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "images", help="folder of the archives")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    cache().mkdir(parents=True, exist_ok=True)
    job = Job(given.output / "build.log", NEXT_STEP)
    builder = builders.find(cache(), job)
    with locked(cache() / "lock"):  # the images' names are the same for all who build on this machine
        archives = build(builder, given.base, given.output, revision=git("rev-parse", "HEAD") or "unknown")
    for target, archive in archives.items():
        text = json.dumps(sbom.document(archive), indent=2)
        (given.output / f"{target}.cdx.json").write_text(text + "\n")
    lines = report(archives)
    print("\n".join([*lines, f"archives and bills of materials: {given.output}"]))
    return 1 if any("TOO LARGE" in line for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
