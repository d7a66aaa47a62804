"""How our programs are started: by this machine's Python, and by the image's."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from images.archive import Archive
from tests.bench.measure import Program
from tests.harness.cluster import NAMESPACE
from tests.harness.kubeconfig import write

SECRETS = "var/run/secrets/kubernetes.io/serviceaccount"


@dataclass(frozen=True)
class Access:
    """One ServiceAccount's access to the API server."""

    server: str
    ca_file: Path
    token: str

    def kubeconfig(self, folder: Path) -> Path:
        return write(folder, self.server, self.ca_file, NAMESPACE, {"token": self.token})


class HostPython:
    """The running interpreter, with the packages of .venv and a kubeconfig."""

    name = f"CPython {sys.version_info.major}.{sys.version_info.minor}"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def program(self, module: str, access: Access, env: Mapping[str, str], *flags: str) -> Program:
        env = {**env, "KUBECONFIG": str(access.kubeconfig(self._folder))}
        return Program([sys.executable, "-m", module, *flags], env)


class ImagePython:
    """The image's file system, entered by chroot: without a container runtime only the program is measured."""

    def __init__(self, images: Path, folder: Path) -> None:
        if os.geteuid() != 0:
            raise SystemExit("the image's Python is started by chroot: run as root, or without --images")
        self._images, self._folder = images, folder
        lazy = self._env("registrar").get("PYTHON_LAZY_IMPORTS", "off")
        self.name = f"the image's CPython, lazy imports: {lazy}"

    def program(self, module: str, access: Access, env: Mapping[str, str], *flags: str) -> Program:
        """The program in the image of that name, with credentials as in a pod."""
        return self._program(module, access, env, ["-m", module, *flags])

    def bare_request(self, access: Access) -> Program:
        """The least that a program in this Python can do: one request, with the official client's transport."""
        code = (
            "import urllib3; "
            f"pool = urllib3.PoolManager(ca_certs='/{SECRETS}/ca.crt'); "
            f"pool.request('GET', '{access.server}/api/v1/namespaces/{NAMESPACE}/services/none', "
            f"headers={{'Authorization': 'Bearer ' + open('/{SECRETS}/token').read()}}, retries=False)"
        )
        return self._program("registrar", access, {}, ["-c", code])

    def _program(self, module: str, access: Access, env: Mapping[str, str], flags: Sequence[str]) -> Program:
        root = self._root(module)
        config = Archive(self._images / f"{module}.tar").config["config"]
        secrets = root / SECRETS
        secrets.mkdir(parents=True, exist_ok=True)
        for name, text in (
            ("token", access.token),
            ("ca.crt", access.ca_file.read_text()),
            ("namespace", NAMESPACE),
        ):
            (secrets / name).write_text(text)
        url = urlsplit(access.server)
        there = {"KUBERNETES_SERVICE_HOST": str(url.hostname), "KUBERNETES_SERVICE_PORT": str(url.port)}
        user = config["User"].partition(":")[0]
        start = [str(shutil.which("chroot")), f"--userspec={user}:{user}", str(root)]
        return Program([*start, config["Entrypoint"][0], *flags], {**self._env(module), **there, **env})

    def _env(self, module: str) -> dict[str, str]:
        config = Archive(self._images / f"{module}.tar").config["config"]
        return dict(entry.split("=", 1) for entry in config["Env"])

    def _root(self, module: str) -> Path:
        """The unpacked file system."""
        root = self._folder / f"{module}.rootfs"
        if not root.exists():
            Archive(self._images / f"{module}.tar").unpack(root)
        return root
