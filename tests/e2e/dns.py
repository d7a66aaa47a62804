"""The cluster's DNS: CoreDNS on the control plane's address, behind the usual Service kube-dns. And that of a LAN."""

from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.e2e.layout import DNS_SERVICE, LAN_NAME, METADATA, METADATA_NAME, PRINTER, SERVER, Site
from tests.e2e.network import within
from tests.e2e.server import PATH, Server
from tests.harness import assets
from tests.harness.controlplane import ADMIN_GROUP
from tests.harness.processes import Child

# Names outside of the cluster do not exist: there is no upstream server.
_COREFILE = """\
cluster.local {{
  bind {server}
  errors
  kubernetes {{
    kubeconfig {kubeconfig}
    ttl 1
  }}
}}
{metadata_name} {{
  bind {server}
  errors
  hosts {{
    {metadata} {metadata_name}
  }}
}}
. {{
  bind {server}
  template ANY ANY {{
    rcode NXDOMAIN
  }}
}}
"""
# In a LAN: one name, and no other exists.
_LAN = """\
{name} {{
  bind {resolver}
  errors
  hosts {{
    {address} {name}
  }}
}}
. {{
  bind {resolver}
  template ANY ANY {{
    rcode NXDOMAIN
  }}
}}
"""


def start_in_lan(site: Site, folder: Path) -> Child:
    """The resolver of a LAN, at the printer's address."""
    settings = folder / f"Corefile-{site.lan}"
    settings.write_text(_LAN.format(resolver=PRINTER, address=site.named, name=LAN_NAME))
    command = [*within(site.lan), *_coredns(settings)]
    return Child(command, folder / f"coredns-{site.lan}.log", folder, PATH)


def _coredns(settings: Path) -> list[str]:
    return [str(assets.ensure_tool("coredns") / "coredns"), f"-conf={settings}"]


class Dns:
    """`with Dns(api):`, inside the sandbox."""

    def __init__(self, api: Server) -> None:
        self._api = api

    def __enter__(self) -> Self:
        self._create_service()
        kubeconfig = self._api.kubeconfig("coredns", [ADMIN_GROUP])
        settings = Path(self._api.folder, "Corefile")
        names = {"metadata": METADATA, "metadata_name": METADATA_NAME}
        settings.write_text(_COREFILE.format(server=SERVER, kubeconfig=kubeconfig, **names))
        with ExitStack() as stack:
            child = Child(_coredns(settings), self._api.folder / "coredns.log", self._api.folder, PATH)
            stack.callback(child.stop, grace=0)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def _create_service(self) -> None:
        """A Service without a selector, and the EndpointSlice that kube-controller-manager would make for one."""
        ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]
        service = {"metadata": {"name": "kube-dns"}, "spec": {"clusterIP": DNS_SERVICE, "ports": ports}}
        self._api.admin.create("/api/v1/namespaces/kube-system/services", service)
        slice_ = {
            "metadata": {"name": "kube-dns", "labels": {"kubernetes.io/service-name": "kube-dns"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [SERVER], "conditions": {"ready": True}}],
            "ports": ports,
        }
        self._api.admin.create("/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices", slice_)
