"""Run an image with runc as kubelet would, but in the machine's own network, where the API server is."""

import itertools
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from images.archive import Archive
from tests.harness.cluster import Run

SECRETS = "/var/run/secrets/kubernetes.io/serviceaccount"
_IDS = itertools.count()
_TIMEOUT = 120.0


@dataclass
class Secrets:
    """A projected volume as kubelet writes it: each change is a new folder and one rename."""

    folder: Path
    uid: int
    _versions: Iterator[int] = field(default_factory=itertools.count)

    def write(self, **files: str) -> "Secrets":
        """Replace all files. In a name `_` stands for a dot."""
        self.folder.mkdir(exist_ok=True)
        version = self.folder / f"..{next(self._versions)}"
        version.mkdir()
        for key, text in files.items():
            path = version / key.replace("_", ".")
            path.write_text(text)
            path.chmod(0o600)
            os.chown(path, self.uid, self.uid)
            link = self.folder / path.name
            if not link.is_symlink():
                link.symlink_to(Path("..data", path.name))
        unpublished = self.folder / "..data_tmp"
        unpublished.symlink_to(version.name)
        unpublished.rename(self.folder / "..data")
        return self


@dataclass(frozen=True)
class Container:
    """A running container. `process` is runc, which runs as long as the container."""

    process: "subprocess.Popen[str]"
    runc: Sequence[str]
    name: str

    def peak(self) -> int:
        """The peak memory of its program so far, in bytes."""
        state = subprocess.run([*self.runc, "state", self.name], check=True, capture_output=True, text=True)
        status = Path(f"/proc/{json.loads(state.stdout)['pid']}/status").read_text()
        [kibibytes] = re.findall(r"VmHWM:\s+(\d+) kB", status)
        return int(kibibytes) * 1024

    def ask_to_end(self) -> None:
        """Send SIGTERM, as kubelet does."""
        subprocess.run([*self.runc, "kill", self.name, "TERM"], check=True)

    def end(self) -> Run:
        """Wait until it has ended."""
        out, err = self.process.communicate(timeout=_TIMEOUT)
        assert "Traceback" not in err, err
        return Run(self.process.returncode, out, err)


@dataclass(frozen=True)
class Image:
    """An image and its unpacked file system, which containers share: they cannot write to it."""

    archive: Archive
    rootfs: Path
    scratch: Path

    @property
    def uid(self) -> int:
        return int(self.archive.config["config"]["User"].split(":")[0])

    def run(
        self,
        *flags: str,
        env: Mapping[str, str] | None = None,
        mounts: Mapping[Path, str] | None = None,
        command: Sequence[str] = (),
    ) -> Run:
        """Run it to its end. `mounts` (source to target) are read-only; `command` replaces its entry point."""
        with self.started(*flags, env=env, mounts=mounts, command=command) as container:
            return container.end()

    @contextmanager
    def started(
        self,
        *flags: str,
        env: Mapping[str, str] | None = None,
        mounts: Mapping[Path, str] | None = None,
        command: Sequence[str] = (),
    ) -> Iterator["Container"]:
        """As `run`, but the container ends at the latest when the block ends."""
        name = f"nodeproxy-{os.getpid()}-{next(_IDS)}"
        bundle = self.scratch / name
        bundle.mkdir()
        config = self._config(
            [*(command or self.archive.config["config"]["Entrypoint"]), *flags], env or {}, mounts or {}
        )
        (bundle / "config.json").write_text(json.dumps(config))
        runc = ["runc", "--root", str(self.scratch / "runc")]
        with subprocess.Popen(
            [*runc, "run", "--bundle", bundle, name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                yield Container(process, [*runc], name)
            finally:
                # it may have ended already; if the test failed, this ends it
                subprocess.run([*runc, "delete", "--force", name], check=False, capture_output=True)

    def _config(self, args: Sequence[str], env: Mapping[str, str], mounts: Mapping[Path, str]) -> dict[str, Any]:
        config = self.archive.config["config"]
        nothing: list[str] = []
        kinds = ("bounding", "effective", "permitted", "inheritable", "ambient")
        return {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": self.uid, "gid": self.uid},
                "args": [*args],
                "env": [*config["Env"], *(f"{key}={value}" for key, value in env.items())],
                "cwd": config["WorkingDir"],
                "capabilities": dict.fromkeys(kinds, nothing),
                "noNewPrivileges": True,
            },
            "root": {"path": str(self.rootfs.resolve()), "readonly": True},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
                *(
                    {"destination": target, "type": "bind", "source": str(source), "options": ["bind", "ro"]}
                    for source, target in mounts.items()
                ),
            ],
            "linux": {"namespaces": [{"type": each} for each in ("pid", "ipc", "uts", "mount")]},
        }
