"""Get Kubernetes and etcd binaries from Debian: Kubernetes built from its source package, etcd unpacked.

apt is used with lists, cache and sources of its own, so that the machine's apt set-up stays as it is.
"""

import os
import re
import shutil
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from images.cache import cache_dir, install, locked
from images.progress import Job

SUITE = "bookworm"  # its `kubernetes` source is vendored: it builds without fetching any Go module
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
GO_BIN = "/usr/lib/go/bin"  # Debian's own: a newer Go on the PATH may not build a source this old
TOOLS = {"golang-go": f"{GO_BIN}/go", "rsync": "rsync", "dpkg-dev": "dpkg-source", "make": "make"}
# of other helpers: the images' build and tests, and the cluster of the end-to-end tests. None starts a service.
PROGRAMS = {
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
    "runc": "runc",
    "tinyproxy-bin": "tinyproxy",
    "socat": "socat",
    "curl": "curl",
    "wget": "wget",
    "iproute2": "ip",
    "iptables": "iptables",
    "ipset": "ipset",
    "mount": "mount",
    "nftables": "nft",
    "containernetworking-plugins": "/usr/lib/cni/bridge",
}
# binary: (package, path in it). Installing the packages would start services.
PACKAGED = {
    "etcd": ("etcd-server", "usr/bin/etcd"),
    "prometheus": ("prometheus", "usr/bin/prometheus"),
    "promtool": ("prometheus", "usr/bin/promtool"),
    "prometheus-pushgateway": ("prometheus-pushgateway", "usr/bin/prometheus-pushgateway"),
}


def obtain(names: Sequence[str], bin_dir: Path, scratch: Path, job: Job) -> None:
    """Put the binaries into `bin_dir`, each by an atomic rename. Fills `scratch` with some 3 GB."""
    to_build = [name for name in names if name not in PACKAGED]
    require_tools(TOOLS if to_build else ("dpkg-dev",), job)
    apt = _private_apt(scratch)
    job.run("reading the package lists", [*apt, "update", "--error-on=any"], scratch)
    for name in names:
        if name in PACKAGED:
            install(_unpack(name, apt, scratch, job), bin_dir / name)
    for binary in _build(to_build, apt, scratch, job) if to_build else ():
        install(binary, bin_dir / binary.name)


def require_tools(packages: Collection[str], job: Job, otherwise: str = "or set KUBEBUILDER_ASSETS") -> None:
    """Install the packages that are missing (root), or end with one line that says which (not root)."""
    if not _missing(packages):
        return
    with locked(cache_dir() / "apt.lock"):  # apt-get update does not wait for another one
        if missing := _missing(packages):  # the other process may have installed them
            _install(missing, job, otherwise)


def _missing(packages: Iterable[str]) -> list[str]:
    return [package for package in packages if not shutil.which({**TOOLS, **PROGRAMS}[package])]


def _install(missing: Sequence[str], job: Job, otherwise: str) -> None:
    install = f"apt-get install -y --no-install-recommends {' '.join(missing)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SystemExit(f"tools are missing; as root: apt-get update && {install} ({otherwise})")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    job.run("apt-get update: tools are missing", ["apt-get", "update"], Path("/"), env)
    job.run(install, [*install.split(), "-oDPkg::Lock::Timeout=600"], Path("/"), env)


def mirror() -> str:
    """The first archive of the machine's own sources: whoever runs this can reach that one. Else one line, exit 1."""
    for file in SOURCES:
        text = file.read_text() if file.exists() else ""
        for uri in re.findall(r"^(?:URIs:|deb\s+(?:\[.*\]\s)?)\s*(\S+)", text, re.MULTILINE):
            if "security" not in uri:
                return str(uri)
    raise SystemExit("cannot find a Debian archive in apt's sources; add one, or name a folder with KUBEBUILDER_ASSETS")


def _private_apt(scratch: Path) -> list[str]:
    signed_by = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    sources = scratch / "sources.list"
    sources.write_text("".join(f"{kind} {signed_by}{mirror()} {SUITE} main\n" for kind in ("deb", "deb-src")))
    for folder in ("lists/partial", "cache/archives/partial"):
        (scratch / folder).mkdir(parents=True)
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": scratch / "lists",
        "Dir::Cache": scratch / "cache",
        "APT::Sandbox::User": "root",  # user _apt cannot write below a home folder
    }
    return ["apt-get", "-q", *(f"-o{key}={value}" for key, value in options.items())]


def _unpack(name: str, apt: Sequence[str], scratch: Path, job: Job) -> Path:
    """Take one binary out of its package."""
    package, inside = PACKAGED[name]
    if not (scratch / package).exists():
        job.run(f"downloading {package}", [*apt, "download", package], scratch)
        (deb,) = scratch.glob(f"{package}_*.deb")
        job.run(f"unpacking {package}", ["dpkg-deb", "-x", str(deb), package], scratch)
    return scratch / package / inside


def _build(names: Sequence[str], apt: Sequence[str], scratch: Path, job: Job) -> list[Path]:
    """Build Kubernetes components (`kube-apiserver`, `kubelet`, ...) with Debian's Go, on all cores, nicely."""
    job.run("downloading the Kubernetes source", [*apt, "source", "--download-only", "kubernetes"], scratch)
    (dsc,) = scratch.glob("kubernetes_*.dsc")
    source = scratch / "src"
    # apt has checked the files against the signed lists: --no-check only skips doing so again
    job.run("unpacking the Kubernetes source", ["dpkg-source", "--no-check", "-x", str(dsc), str(source)], scratch)
    (source / ".go/src/k8s.io").mkdir(parents=True)
    (source / ".go/src/k8s.io/kubernetes").symlink_to("../../..")
    what = " ".join(f"cmd/{name}" for name in names)
    # -v names each package: the heartbeat. No test needs the cloud providers, which are a large part of the build.
    make = ["nice", "-n", "19", "make", f"WHAT={what}", "GOFLAGS=-v -tags=providerless"]
    job.run(f"building {what} (minutes)", make, source, _build_environment(source, dsc.name))
    return [source / "_output/bin" / name for name in names]


def _build_environment(source: Path, dsc: str) -> dict[str, str]:
    major, minor, patch = re.findall(r"\d+", dsc)[:3]
    return {
        "HOME": str(source.parent),  # Go's build cache goes with the scratch folder
        "PATH": f"{GO_BIN}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "GOPATH": str(source / ".go"),
        "CGO_ENABLED": "0",
        "KUBE_GIT_VERSION": f"v{major}.{minor}.{patch}",  # no git tree tells Kubernetes' build its version
        "KUBE_GIT_MAJOR": major,
        "KUBE_GIT_MINOR": minor,
        "KUBE_GIT_TREE_STATE": "clean",
    }
