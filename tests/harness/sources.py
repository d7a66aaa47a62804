"""The sources of a Kubernetes release: the cache, envtest's archive, Go modules, Debian's source package."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from images import cache, debian
from images.progress import Job
from tests.harness import builds, envtest
from tests.harness.toolchain import UnavailableError
from tests.harness.versions import Kubernetes

NEXT_STEP = "fix what the lines above say and run the same command again"


@dataclass(frozen=True)
class Found:
    """A folder with binaries of one Kubernetes release, and where they came from."""

    folder: Path
    version: str
    source: str
    instead_of: str = ""  # the release that could not be had, and why

    def __str__(self) -> str:
        return f"Kubernetes {self.version}: {self.source}, {self.folder}{self.instead_of and f' ({self.instead_of})'}"


def cached(release: Kubernetes, names: Sequence[str]) -> Found | None:
    """The folder of the cache that has all of `names`, if there is one. Never uses the network."""
    if release.modules and not builds.missing_components(release, names):
        return Found(builds.components_folder(release), release.modules, "built from Go modules")
    if release.envtest and not cache.missing(names, folder := _envtest_folder(release)):
        return Found(folder, release.envtest, "envtest's release archive")
    if release.debian and not cache.missing(names, folder := debian_folder()):
        return Found(folder, release.debian, "built from Debian's source package")
    return None


def obtain(release: Kubernetes, names: Sequence[str]) -> Found:
    """As `cached`, and gets what is missing. One process does so, others wait. Raises UnavailableError."""
    if found := cached(release, names):
        return found
    with cache.locked(cache.cache_dir() / "lock"):
        if not (found := cached(release, names)):
            job = Job(cache.cache_dir() / "build.log", NEXT_STEP)
            _get(release, names, job)
            found = cached(release, names)
            assert found is not None
            job.say(f"ready: {', '.join(names)} in {found.folder}")
    return found


def debian_folder() -> Path:
    """Where the programs of Debian's packages are too."""
    return cache.cache_dir() / "debian"


def get_from_debian(names: Sequence[str], job: Job) -> None:
    """Unpack or build what is missing of `names`. Needs the cache's lock."""
    folder = debian_folder()
    with cache.scratch() as scratch:
        debian.obtain(cache.missing(names, folder), folder, scratch, job)


def _get(release: Kubernetes, names: Sequence[str], job: Job) -> None:
    reasons = []
    job.say(f"getting {', '.join(names)} of Kubernetes {release.minor}: a download, or a build of some 10 minutes")
    to_build = builds.missing_components(release, names) if release.modules else []
    if release.envtest and "kube-apiserver" in to_build and set(names) <= set(envtest.BINARIES):
        try:
            envtest.obtain(release.envtest, _envtest_folder(release), job)
            return
        except UnavailableError as error:
            job.say(str(error))
            reasons.append(str(error))
    if release.modules:
        try:
            builds.build_components(release, to_build, job)
            return
        except UnavailableError as error:
            job.say(str(error))
            raise UnavailableError("; ".join([*reasons, str(error)])) from None
    get_from_debian(names, job)


def _envtest_folder(release: Kubernetes) -> Path:
    return cache.cache_dir() / "envtest" / str(release.envtest)
