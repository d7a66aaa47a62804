"""docker, podman or buildah: whichever works here builds the images."""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from images import debian
from images.progress import Job

ROOT = Path(__file__).parents[1]
SYSTEM_CA = Path("/etc/ssl/certs/ca-certificates.crt")
# The time stamp of all that is built. One for all commits: a layer whose content stays keeps its digest, and nodes that
# have it do not pull it again. Which commit an image is of, its label says.
EPOCH = 1_767_225_600  # 2026-01-01
STAGE = "localhost/nodeproxy-build"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@dataclass(frozen=True)
class Builder:
    """A program that builds images/Containerfile of the checkout at `context`. `command` starts it."""

    command: tuple[str, ...]
    job: Job
    context: Path = ROOT

    @property
    def name(self) -> str:
        """docker, podman or buildah."""
        return Path(self.command[0]).name

    def build(
        self, tag: str, target: str, args: Mapping[str, str], labels: Mapping[str, str], *, fresh: bool = False
    ) -> None:
        """Build one target of images/Containerfile; `fresh` ignores all that earlier builds left."""
        common = [f"--build-arg={key}={value}" for key, value in {**_mirrors(), **args}.items()]
        if SYSTEM_CA.exists():
            common.append(f"--secret=id=ca,src={SYSTEM_CA}")
        if pip := os.environ.get("PIP_CONFIG_FILE"):
            common.append(f"--secret=id=pip.conf,src={pip}")
        common += ["-f", "images/Containerfile"]
        final = [f"--label={key}={value}" for key, value in labels.items()]
        if self.name != "docker":
            # A history names the cached images that a build found. Steps without one are not cached either, so what
            # takes time, the first stage, is built with one before.
            self._build("assembling", self.context, STAGE, [*common, "--target=build", *fresh * ["--no-cache"]])
            # It would also note the digest of the stage that the target comes from, which is no image anybody can pull.
            unnoted = [f"--annotation=org.opencontainers.image.base.{what}=" for what in ("digest", "name")]
            final, fresh = [*final, *unnoted, "--omit-history"], False
        options = [*common, f"--target={target}", *final, *fresh * ["--no-cache"]]
        self._build(f"building the {target}", self.context, tag, options)

    def base(self, tag: str, tarball: Path) -> None:
        """Make an image of a root file system."""
        containerfile = tarball.parent / "Containerfile"
        containerfile.write_text(f"FROM scratch\nADD {tarball.name} /\n")
        self._build("taking in the base", tarball.parent, tag, ["-f", str(containerfile)])

    def has(self, tag: str) -> bool:
        """Whether there is an image of this name."""
        return (
            subprocess.run([*self.command, "inspect", "--type=image", tag], capture_output=True, check=False).returncode
            == 0
        )

    def save(self, tag: str, archive: Path) -> None:
        """Write the image as an archive in OCI layout: for `docker load`, `podman load`, `ctr images import`."""
        save = {
            "docker": ["save", "--output", str(archive), tag],
            "podman": ["save", "--quiet", "--format=oci-archive", "--output", str(archive), tag],
            "buildah": ["push", "--quiet", tag, f"oci-archive:{archive}:{tag}"],
        }[self.name]
        archive.unlink(missing_ok=True)
        self.job.run(f"saving {archive.name}", [*self.command, *save], ROOT)

    def _build(self, what: str, context: Path, tag: str, options: Sequence[str]) -> None:
        own = {
            "docker": [f"--build-arg=SOURCE_DATE_EPOCH={EPOCH}"],
            "podman": ["--layers", f"--timestamp={EPOCH}"],
            # a machine that is a container itself may start none: chroot is enough for pip and a script
            "buildah": ["--layers", f"--timestamp={EPOCH}", "--isolation=chroot"],
        }[self.name]
        command = [*self.command, "build", f"--tag={tag}", "--network=host", *own, *options, "."]
        self.job.run(what, command, context, {**os.environ, "DOCKER_BUILDKIT": "1"})


def find(storage: Path, job: Job) -> Builder:
    """The first that works; buildah keeps its images under `storage`, apart from anybody's own.

    If none works, buildah is installed (as root on Debian). Otherwise the program ends with a line that says how.
    """
    for command in (("docker",), ("podman",)):
        if (
            shutil.which(command[0])
            and subprocess.run([*command, "info"], capture_output=True, check=False).returncode == 0
        ):
            return Builder(command, job)
    return buildah(storage, job)


def buildah(storage: Path, job: Job) -> Builder:
    """buildah, which needs no daemon, and whose digests depend on nothing but what goes in."""
    debian.require_tools(["buildah"], job, otherwise="or start docker, or install podman")
    return Builder(("buildah", f"--root={storage}/buildah", f"--runroot={storage}/buildah-run"), job)


def _mirrors() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PIP_INDEX_URL", *PROXIES) if os.environ.get(name)}
