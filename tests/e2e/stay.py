"""A cluster with nodeproxy installed, to work with by hand: `python -m tests.e2e.stay`, as root.

SIGINT (Ctrl-C) and SIGTERM end it with exit code 0, even if a shell started it in the background.
"""

import os
import signal
import sys
from types import FrameType

from images.progress import Job
from tests.e2e import cgroups, parts, sandbox
from tests.e2e.cluster import Cluster
from tests.e2e.layout import CGROUP, RESULTS, STATE
from tests.e2e.stack import Stack

READY = STATE / "ready"  # appears when the cluster is up


def main() -> int:
    """The exit code."""
    for number in sandbox.SIGNALS:
        signal.signal(number, _end)
    if sandbox.INSIDE not in os.environ:
        return sandbox.run([sys.executable, "-m", "tests.e2e.stay"], parts.prepare())
    job = Job(STATE / "up.log", "")
    with Cluster(job.say, RESULTS / "logs-of-stay") as cluster:
        stack = Stack(cluster)
        stack.apply()
        stack.await_rolled_out()
        job.say("nodeproxy is installed; in another terminal:")
        job.say(f"{_command(cluster)} get pods --all-namespaces --output wide")
        READY.touch()
        signal.pause()
    return 0


def _command(cluster: Cluster) -> str:
    """kubectl as an administrator of the cluster, from outside of the sandbox."""
    first = f"$(head -n 1 {cgroups.hierarchies()[0] / CGROUP / cgroups.DAEMONS / 'cgroup.procs'})"
    kubectl = f"{cluster.api.assets.kubectl} --kubeconfig={cluster.api.admin_kubeconfig}"
    return f"nsenter --target {first} --pid --mount --net {kubectl}"


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
