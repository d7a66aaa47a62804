"""A base image made from Debian's packages, for a machine that reaches no container registry: `BASE=local`."""

import hashlib
from pathlib import Path

from images import debian
from images.builders import Builder

SUITE = "testing"  # has Python 3.15
PACKAGES = ("python3.15", "python3.15-venv", "ca-certificates")


def ensure(builder: Builder, cache: Path) -> str:
    """The name of the stand-in's image; made once, and again where this file asks for other packages."""
    key = hashlib.sha256(" ".join((SUITE, *PACKAGES)).encode()).hexdigest()[:12]
    tag = f"localhost/nodeproxy-base:{key}"
    if not builder.has(tag):
        tarball = cache / f"base-{key}" / "base.tar"
        if not tarball.exists():
            _bootstrap(tarball, builder)
        builder.base(tag, tarball)
    return tag


def _bootstrap(tarball: Path, builder: Builder) -> None:
    debian.require_tools(["mmdebstrap"], builder.job, otherwise="or give an image of your own: BASE=IMAGE")
    tarball.parent.mkdir(parents=True, exist_ok=True)
    unfinished = tarball.with_suffix(".part.tar")
    command = [
        "mmdebstrap",
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        '--aptopt=Acquire::Check-Valid-Until "false"',  # a mirror may lag behind
        SUITE,
        str(unfinished),
        debian.mirror(),
    ]
    builder.job.run(f"making a base of Debian {SUITE}", command, tarball.parent)
    unfinished.rename(tarball)
