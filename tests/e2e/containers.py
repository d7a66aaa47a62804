"""Find the processes of a node's pods by their cgroups, without asking the API server, kubelet or containerd."""

from pathlib import Path

from tests.e2e.layout import CGROUP
from tests.harness.client import Object


def main_process(pod: Object, container: str) -> int:
    """Process id, in the sandbox, of a running container's first process."""
    status = pod["status"]
    statuses = [*status.get("initContainerStatuses", ()), *status["containerStatuses"]]
    [container_id] = [each["containerID"] for each in statuses if each["name"] == container]
    return min(_processes(container_id.removeprefix("containerd://")))


def processes_of(node: str) -> list[int]:
    """Ids of all processes in the pods of a node."""
    return _processes(f"/{CGROUP}/{node}/")


def _processes(part: str) -> list[int]:
    """Ids of the processes whose cgroup's path has this part."""
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if part in _cgroup(folder)]


def _cgroup(process: Path) -> str:
    try:
        return (process / "cgroup").read_text()
    except OSError:  # the process has ended
        return ""
