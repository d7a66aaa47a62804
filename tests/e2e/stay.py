"""The cluster for hands: `python -m tests.e2e.stay`, as root, brings it up with nodeproxy installed, until Ctrl-C."""

import os
import signal
import sys

from tests.e2e import cgroups, parts, sandbox
from tests.e2e.cluster import Cluster
from tests.e2e.layout import CGROUP, RESULTS, STATE
from tests.e2e.stack import Stack
from tools.progress import Job

READY = STATE / "ready"  # appears when it is up


def main() -> int:
    if sandbox.INSIDE not in os.environ:
        return sandbox.run([sys.executable, "-m", "tests.e2e.stay"], parts.prepare())
    job = Job(STATE / "up.log", "")
    with Cluster(job.say, RESULTS / "logs-of-stay") as cluster:
        stack = Stack(cluster)
        stack.apply()
        stack.await_rolled_out()
        first = f"$(head -n 1 {cgroups.hierarchies()[0] / CGROUP / cgroups.DAEMONS / 'cgroup.procs'})"
        kubectl = f"{cluster.api.assets.kubectl} --kubeconfig={cluster.api.admin_kubeconfig}"
        job.say("nodeproxy is installed; in another terminal:")
        job.say(f"nsenter --target {first} --pid --mount --net {kubectl} get pods --all-namespaces --output wide")
        READY.touch()
        signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main())
