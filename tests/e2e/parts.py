"""What the cluster is made of: programs, found or made as tests/harness does it, and images. Needs the uplink."""

import hashlib
import os
import sys
from pathlib import Path

from tests.e2e import archive
from tests.harness import assets, cache, debian
from tests.harness.cluster import ROOT
from tests.harness.progress import Job

KUBERNETES = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
)
RUNTIME = ("containerd", "containerd-shim-runc-v2", "ctr", "kubectl-1.20")
TOOLS = ("iproute2", "iptables", "mount", "runc", "containernetworking-plugins", "mmdebstrap")
# One image for what is not ours: the proxy, its clients, and (sleeping) what holds a pod's namespaces.
TOOLBOX = "localhost/toolbox:e2e"
TOOLBOX_PACKAGES = ("tinyproxy-bin", "curl", "kubernetes-client")  # the last for the hand-rolled stack
# asleep by default: as an idle client, and as the holder of a pod's namespaces
TOOLBOX_CONFIG = {"Entrypoint": ["sleep", "infinity"], "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]}
OUR_IMAGES = ROOT / "build" / "images"
PREPARED = "NODEPROXY_E2E_PREPARED"
NEXT_STEP = "mend what the lines above say and run `make e2e` again"


def prepare() -> dict[str, str]:
    """See to it that everything is there; the environment in which the cluster's modules find it."""
    if PREPARED in os.environ:
        return {**os.environ}
    cache.cache_dir().mkdir(parents=True, exist_ok=True)
    job = Job(cache.cache_dir() / "e2e.log", NEXT_STEP)
    debian.require_tools(TOOLS, job, "then run `make e2e` again")
    assets.ensure_packages(RUNTIME)
    kubernetes = _kubernetes(job)
    if not toolbox().exists():
        _make_toolbox(job)
    base = os.environ.get("BASE") or "local"
    job.run("building our images (make images)", [sys.executable, "-m", "images.build", f"--base={base}"], ROOT)
    return {**os.environ, "KUBEBUILDER_ASSETS": str(kubernetes), PREPARED: "yes"}


def runtime() -> Path:
    """The folder with containerd and its own."""
    return assets.ensure_packages(RUNTIME)


def toolbox() -> Path:
    """The toolbox's archive; another recipe is another file."""
    recipe = hashlib.sha256(repr((_debootstrap(Path()), TOOLBOX_CONFIG)).encode()).hexdigest()[:12]
    return cache.cache_dir() / "images" / f"toolbox-{recipe}.tar"


def archives() -> list[Path]:
    """All images that a node needs, as docker-archives."""
    return [toolbox(), *sorted(OUR_IMAGES.glob("*.tar"))]


def _kubernetes(job: Job) -> Path:
    if given := os.environ.get("KUBEBUILDER_ASSETS"):
        missing = [name for name in KUBERNETES if not os.access(Path(given, name), os.X_OK)]
        if not missing:
            return Path(given)
        job.say(f"KUBEBUILDER_ASSETS is of no use here: it lacks {', '.join(missing)}")
    return assets.ensure_binaries(KUBERNETES)


def _make_toolbox(job: Job) -> None:
    target = toolbox()
    target.parent.mkdir(exist_ok=True)
    root = target.with_suffix(f".{os.getpid()}")
    try:
        job.run(f"making image {TOOLBOX} from Debian packages", _debootstrap(root), target.parent)
        archive.write(target, TOOLBOX, root, TOOLBOX_CONFIG)
    finally:
        root.unlink(missing_ok=True)


def _debootstrap(root: Path) -> list[str]:
    return [
        "mmdebstrap",
        "--variant=minbase",
        f"--include={','.join(TOOLBOX_PACKAGES)}",
        *(f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in ("doc", "man", "locale")),
        '--customize-hook=rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*',
        "--format=tar",
        debian.SUITE,
        str(root),
        debian.mirror(),
    ]
