"""Requests to a destination directly, through a node's proxy and through another proxy, over 1 to 500 connections.

Everything runs in one network namespace without an uplink, so that nothing leaves the machine. `section` starts this
module there, and it prints the tables.
"""

import argparse
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from images import debian
from images.progress import Job
from tests.bench import servers
from tests.bench.comparison import CASES, DESTINATION, SQUID, TINYPROXY, Comparison, Way
from tests.harness import chart, tinyproxy
from tests.harness.cluster import ROOT, installed
from tests.harness.processes import Child, spawn, wait_until

IDLE = 3.0  # seconds in which the proxy has nothing to do


def section(runs: int, seconds: float, connections: Sequence[int]) -> str:
    """The section of the page."""
    if os.geteuid() != 0:
        return "Not measured: network namespaces and other users' processes need root."
    with TemporaryDirectory(prefix="nodeproxy-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        job = Job(folder / "tools.log", "run `make bench` again")
        debian.require_tools(["iproute2", *tinyproxy.PACKAGES], job, "no other way")
        servers.unpack(folder / "root", job)
        inside = ["unshare", "--net", sys.executable, "-m", "tests.bench.proxies", str(folder / "root")]
        numbers = [f"--runs={runs}", f"--seconds={seconds}", f"--connections={','.join(map(str, connections))}"]
        measuring = spawn([*inside, *numbers], cwd=ROOT, stdout=subprocess.PIPE)
        output, _ = measuring.communicate()
        if measuring.returncode:
            raise SystemExit("the proxies could not be measured: see the error above")
        return output.decode().strip()


def _prepare_network() -> None:
    address = DESTINATION[0]
    if subprocess.run(["ip", "link", "show", "up"], stdout=subprocess.PIPE, check=True).stdout:
        raise SystemExit("this changes the network: start it in a new network namespace, as `make bench` does")
    for command in ("link set lo up", f"address add {address}/32 dev lo"):
        subprocess.run(["ip", *command.split()], check=True)
    # Thousands of connections a second use up the ports in a few seconds, each of which then waits for a minute.
    for name, value in {"tcp_tw_reuse": "1", "ip_local_port_range": "1024 65535"}.items():
        Path("/proc/sys/net/ipv4", name).write_text(value)


def _status(child: Child, field: str) -> int:
    """A field of proc(5)'s status."""
    [value] = re.findall(rf"^{field}:\s+(\d+)", Path(f"/proc/{child.pid}/status").read_text(), re.MULTILINE)
    return int(value)


def _idle_share(proxy: Way, connections: int) -> float:
    """How much of a core the proxy uses while this number of connections is open and sends nothing."""
    with ExitStack() as stack:
        for _ in range(connections):
            stack.enter_context(socket.create_connection(proxy.address))
        wait_until(lambda: _status(proxy.child, "Threads") > connections, 30, "a thread for each connection")
        used = proxy.child.cpu_seconds()
        time.sleep(IDLE)
        return (proxy.child.cpu_seconds() - used) / IDLE


def _limits(proxy: Way) -> str:
    """What the proxy does when all its connections are in use."""
    config = chart.the(installed(), "ConfigMap", "nodeproxy-proxy")["data"]["tinyproxy.conf"]
    [most] = map(int, re.findall(r"^MaxClients (\d+)$", config, re.MULTILINE))
    one_less, all_in_use = (_idle_share(proxy, count) for count in (most - 1, most))
    return (
        f"With {most - 1} idle connections tinyproxy uses {one_less:.0%} of a core. With {most}, the default of "
        f"`tinyproxy.maxClients`, it uses {all_in_use:.0%}, because it asks all the time whether one of them has ended."
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.proxies", description=__doc__)
    parser.add_argument("root", type=Path, help="folder with the unpacked packages")
    parser.add_argument("--runs", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--connections", required=True)
    given = parser.parse_args()
    connections = [int(each) for each in given.connections.split(",")]
    _prepare_network()
    with ExitStack() as stack:
        destination = stack.enter_context(servers.nginx(given.root, *DESTINATION))
        ours = Way(TINYPROXY, stack.enter_context(tinyproxy.serve(installed(), TINYPROXY[1], {})).child)
        proxies = {"tinyproxy": ours, "Squid": Way(SQUID, stack.enter_context(servers.squid(given.root)))}
        comparison = Comparison(destination, proxies)
        for case in CASES:
            print("\n".join(comparison.table(case, given.runs, given.seconds, connections)), end="\n\n")
        limits = _limits(ours)
        memory = ", ".join(f"{name} {_status(each.child, 'VmHWM') / 1e3:.0f} MB" for name, each in proxies.items())
        print(f"Peak memory: {memory}. {limits}")


if __name__ == "__main__":
    main()
