"""Names, addresses and folders of the cluster.

Addresses are of ranges that nobody routes: RFC 2544 (198.18.0.0/15) for nodes, pods and Services, RFC 5737
(198.51.100.0/24) for the LANs. They exist in namespaces without an uplink only.
"""

from dataclasses import dataclass
from pathlib import Path

STATE = Path("/var/tmp/nodeproxy-e2e")  # gone at the end; on a disk, since containers' file systems live there
RESULTS = Path(__file__).parents[2] / "build" / "e2e"  # logs and figures; they stay
CGROUP = "nodeproxy-e2e"  # below the root of each hierarchy

SERVER = "198.18.0.1"  # of the API server and the DNS stand-in
NODE_MASK = 24
POD_RANGE = "198.18.128.0/17"  # all nodes' pods
SERVICE_RANGE = "198.19.0.0/16"
API_SERVICE = "198.19.0.1"
DNS_SERVICE = "198.19.0.10"

LAN_GATEWAY = "198.51.100.1"
PRINTER = "198.51.100.100"  # the same in each LAN: only the way out tells them apart
LAN_MASK = 24


@dataclass(frozen=True)
class Site:
    """A node and the LAN that is joined to it alone."""

    node: str
    city: str
    number: int

    @property
    def address(self) -> str:
        return f"198.18.0.{10 + self.number}"

    @property
    def pod_range(self) -> str:
        return f"198.18.{128 + self.number}.0/24"

    @property
    def lan(self) -> str:
        """Name of the LAN's network namespace."""
        return f"lan-{self.city.lower()}"

    @property
    def folder(self) -> Path:
        return STATE / self.node


BEIJING = Site("node-bj-01", "Beijing", 1)
SHANGHAI = Site("node-sh-02", "Shanghai", 2)
GUANGZHOU = Site("node-gz-03", "Guangzhou", 3)  # joins and leaves while tests run
SITES = (BEIJING, SHANGHAI, GUANGZHOU)
