"""Runs a real tinyproxy of Debian as the chart's pod does: its command, its files, its user."""

import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from images import debian
from images.progress import Job
from tests.harness import chart
from tests.harness.client import Object
from tests.harness.processes import Child, wait_until

NOBODY = "65532"
PACKAGES = ("tinyproxy-bin", "wget")


def listens(port: int, address: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


@dataclass
class Proxy:
    """A tinyproxy that runs as in the pod: its command, its files, not as root."""

    port: int
    container: Any
    folder: Path
    child: Child = field(init=False)

    def start(self) -> None:
        """Run the container's command, and wait until it listens."""
        self.child = Child(self.placed(self.container["command"]), self.folder / "log", self.folder)
        wait_until(lambda: self.child.ended() or listens(self.port), 10, "a tinyproxy that listens")
        assert not self.child.ended(), self.child.log_tail()

    def placed(self, command: list[str]) -> list[str]:
        """The command with this machine's folders, as the pod's user, with as few open files as some runtimes allow."""
        limits = ["/usr/bin/prlimit", "--nofile=1024"]
        user = [*limits, "/usr/bin/setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        return [*user, *(moved(part, self.folder) for part in command)]

    def exec_probe(self, name: str) -> int:
        """The exit code of an exec probe."""
        command = self.placed(self.container[name]["exec"]["command"])
        return subprocess.run(command, cwd=self.folder, check=False).returncode


def moved(text: str, folder: Path) -> str:
    return text.replace("/etc/nodeproxy", f"{folder}/etc").replace("/run/nodeproxy", f"{folder}/run")


@contextmanager
def serve(objects: list[Object], port: int, secret: Mapping[str, str]) -> Iterator[Proxy]:
    """The proxy of these objects, which must listen on `port`."""
    with TemporaryDirectory(prefix="nodeproxy-tinyproxy-") as name:  # only root may enter pytest's folders
        folder = Path(name)
        debian.require_tools(PACKAGES, Job(folder / "tools.log", "install them"), "no other way")
        (folder / "etc").mkdir()
        (folder / "run").mkdir()
        for file, content in {**chart.the(objects, "ConfigMap", "nodeproxy-proxy")["data"], **secret}.items():
            (folder / "etc" / file).write_text(moved(content, folder))
        (folder / "run").chmod(0o777)
        folder.chmod(0o755)
        [container] = chart.template(objects, "DaemonSet")["spec"]["containers"]
        proxy = Proxy(port, container, folder)
        try:
            proxy.start()
            yield proxy
        finally:
            proxy.child.stop()
