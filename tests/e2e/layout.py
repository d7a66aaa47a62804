"""Names, addresses and folders of the cluster.

The addresses belong to ranges that are reserved for tests and documentation: RFC 2544 (198.18.0.0/15) for nodes, pods
and Services, RFC 5737 (198.51.100.0/24) for the LANs. They exist only in network namespaces without an uplink.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path

NAME = os.environ.get("NODEPROXY_E2E_NAME", "nodeproxy-e2e")  # two runs side by side need two names
STATE = Path("/var/tmp", NAME)  # removed at the end; on a disk, because it holds the containers' file systems
CGROUP = NAME  # below the root of each hierarchy
BUILD = Path(__file__).parents[2] / "build"
RESULTS = BUILD / NAME.removeprefix("nodeproxy-")  # logs of the last run; they stay

SERVER = "198.18.0.1"  # the control plane: API server, DNS server, image registry
REGISTRY_PORT = 5000
REGISTRY = "registry.example.com"  # the name under which images refer to it
NODE_MASK = 24
POD_RANGE = "198.18.128.0/17"  # all nodes' pods
SERVICE_RANGE = "198.19.0.0/16"
API_SERVICE = "198.19.0.1"
DNS_SERVICE = "198.19.0.10"

LAN_GATEWAY = "198.51.100.1"
METADATA = "169.254.169.254"  # where clouds serve a machine its credentials; in each LAN, so only its node reaches it
METADATA_NAME = "metadata.example.com"
PRINTER = "198.51.100.100"  # the same in each LAN, so the answer shows through which node a request left
LAN_MASK = 24
LAN_NAME = "printer.lan"  # in each LAN another address, which the resolver in that LAN knows


@dataclass(frozen=True)
class Site:
    """A node and the LAN behind it."""

    node: str
    city: str
    number: int
    lan_address: str = LAN_GATEWAY  # of the node in its LAN

    @property
    def address(self) -> str:
        return f"198.18.0.{10 + self.number}"

    @property
    def pod_range(self) -> str:
        return f"198.18.{128 + self.number}.0/24"

    @property
    def named(self) -> str:
        """What LAN_NAME is in this LAN: another address of the printer."""
        return f"198.51.100.{200 + self.number}"

    @property
    def lan(self) -> str:
        """Name of the LAN's network namespace."""
        return f"lan-{self.city.lower()}"

    @property
    def zone(self) -> str:
        """The node's label topology.kubernetes.io/zone."""
        return self.city.lower()

    @property
    def folder(self) -> Path:
        return STATE / f"{self.node}-{self.number}"


BEIJING = Site("node-bj-01", "Beijing", 1)
SHANGHAI = Site("node-sh-02", "Shanghai", 2)
GUANGZHOU = Site("node-gz-03", "Guangzhou", 3)  # joins and leaves while tests run
GUANGZHOU_AGAIN = replace(GUANGZHOU, number=4)  # another machine of the same name, at another address
BEIJING_TOO = Site("node-bj-05", "Beijing", 5, "198.51.100.2")  # a second node in Beijing's LAN; joins and leaves too
SITES = (BEIJING, SHANGHAI, GUANGZHOU, BEIJING_TOO)
