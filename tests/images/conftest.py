"""Both images, built once for the same ingredients and cached, and a folder of secrets as kubelet mounts it."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from images import build, builders, cache, debian, standin
from images.archive import Archive
from images.progress import Job
from tests.images.runtime import Image, Secrets

INGREDIENTS = (
    ".dockerignore",
    "LICENSE",
    "images/Containerfile",
    "images/*.py",
    "images/*.lock",
    "registrar/**/*.py",
    "janitor/**/*.py",
)
KEPT = 3  # builds that stay in the cache


@pytest.fixture(scope="session")
def folder() -> Path:
    """The cache's folder for these ingredients: both images, unpacked, and a second build of both in `again`."""
    files = [path for pattern in INGREDIENTS for path in sorted(builders.ROOT.glob(pattern)) if path.is_file()]
    content = b"\0".join(str(path.relative_to(builders.ROOT)).encode() + b"\0" + path.read_bytes() for path in files)
    key = hashlib.sha256(content + repr(standin.PACKAGES).encode()).hexdigest()[:16]
    folder = build.cache() / f"test-{key}"
    build.cache().mkdir(parents=True, exist_ok=True)
    with cache.locked(build.cache() / "lock"):
        if not (folder / "done").exists():
            _build(folder)
        (folder / "done").touch()
    return folder


def _build(folder: Path) -> None:
    """Build both images twice, as `make images BASE=local` does."""
    shutil.rmtree(folder, ignore_errors=True)  # left by a run that was killed
    folder.mkdir()
    job = Job(folder / "build.log", "fix what the lines above say and run the tests again")
    builder = builders.buildah(build.cache(), job)
    for place, fresh in ((folder, False), (folder / "again", True)):
        for target, archive in build.build(builder, "local", place, revision="test", fresh=fresh).items():
            if not fresh:
                archive.unpack(folder / f"{target}.rootfs")
    others = sorted(build.cache().glob("test-*/done"), key=os.path.getmtime)
    for done in others[:-KEPT]:
        shutil.rmtree(done.parent)


@pytest.fixture(scope="session")
def archives(folder: Path) -> dict[str, Archive]:
    """The images of the first build."""
    return {target: Archive(folder / f"{target}.tar") for target in build.TARGETS}


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the containers' bundles."""
    if os.geteuid() != 0:
        raise SystemExit("the tests of the images start containers with runc: run them as root")
    folder = tmp_path_factory.mktemp("containers")
    debian.require_tools(["runc"], Job(folder / "tools.log", "install runc"), otherwise="there is no other way")
    return folder


@pytest.fixture(scope="session")
def registrar(folder: Path, archives: dict[str, Archive], scratch: Path) -> Image:
    return Image(archives["registrar"], folder / "registrar.rootfs", scratch)


@pytest.fixture(scope="session")
def janitor(folder: Path, archives: dict[str, Archive], scratch: Path) -> Image:
    return Image(archives["janitor"], folder / "janitor.rootfs", scratch)


@pytest.fixture
def secrets(scratch: Path, registrar: Image) -> Iterator[Callable[..., Secrets]]:
    """Makes the folder that kubelet mounts. It is not pytest's own, which other users cannot enter."""
    folder = scratch / "secrets"
    yield lambda **files: Secrets(folder, registrar.uid).write(**files)
    shutil.rmtree(folder, ignore_errors=True)
