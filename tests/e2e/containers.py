"""Find the processes of a pod's containers, to enter or kill them without the API server and kubelet."""

from pathlib import Path

from tests.e2e import cgroups
from tests.harness.client import Object


def main_process(pod: Object, container: str) -> int:
    """Process id, in the sandbox, of a running container's first process."""
    status = pod["status"]
    statuses = [*status.get("initContainerStatuses", ()), *status["containerStatuses"]]
    [container_id] = [each["containerID"] for each in statuses if each["name"] == container]
    name = container_id.rpartition("/")[2]  # after containerd://; a part of the path of the container's cgroup
    return min(pid for pid in cgroups.processes() if name in _cgroup(pid))


def _cgroup(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cgroup").read_text()
    except FileNotFoundError:  # the process has ended
        return ""
