"""A node: for Kubernetes a machine of its own, with containerd, kubelet and kube-proxy."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.e2e import config, network, parts
from tests.e2e.layout import POD_RANGE, REGISTRY, SERVICE_RANGE, Site
from tests.e2e.server import PATH, Server
from tests.harness import assets
from tests.harness.controlplane import ADMIN_GROUP
from tests.harness.processes import Child, wait_until

FOLDERS = ("log", "kubelet", "containerd", "cni", "cni.d", "certs.d")
# kube-proxy ends when its Node object is deleted or gets another address, and relies on being started again.
RESTART = ("sh", "-c", r'trap "kill \$!; wait; exit" TERM; while :; do "$@" & wait $!; sleep 0.2; done', "restart")
# Folders that containerd and kubelet of different nodes must not share.
MOUNTS = {"log": "/var/log", "kubelet": "/var/lib/kubelet", "containerd": "/var/lib/containerd", "cni": "/var/lib/cni"}


class Node:
    """Made by `boot`, ended by `stop_all`."""

    def __init__(self, site: Site, api: Server) -> None:
        self.site = site
        self.name = site.node
        self._api = api
        self._folder = site.folder
        self._running: dict[str, Child] = {}

    def boot(self) -> None:
        """Start the node's programs, once its network exists; kubelet registers the node."""
        self._make_mounts()
        self._start_containerd()
        self._start_kubelet()
        self._start_proxy()

    def stop_all(self) -> None:
        for name in reversed(self._running):
            self._running[name].stop()

    def run(self, *command: str) -> str:
        """Run a command on the node; its standard output."""
        return network.run(*self._inside(), "env", f"PATH={PATH}", *command)

    @contextmanager
    def without_kubelet(self) -> Iterator[None]:
        """Stop kubelet for the block: the node falls silent, but its containers keep running."""
        self._running["kubelet"].stop()
        try:
            yield
        finally:
            self._start_kubelet()

    @contextmanager
    def pods_cut_off(self, address: str, port: int) -> Iterator[None]:
        """Drop packets of the node's pods to this address. The node itself, so also its kubelet, still reaches it."""
        rule = ("FORWARD", "--protocol", "tcp", "--destination", address, "--dport", str(port), "--jump", "DROP")
        # not in table filter, where kube-router puts its own rules first and accepts the packets
        mangle = ("iptables", "--wait", "--table", "mangle")
        self.run(*mangle, "--insert", *rule)
        try:
            yield
        finally:
            self.run(*mangle, "--delete", *rule)

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Disconnect the node from all others and from the control plane, but not from its LAN."""
        network.run("ip", "link", "set", self.name, "down")
        try:
            yield
        finally:
            network.run("ip", "link", "set", self.name, "up")

    def enforce_policies(self) -> None:
        """Enforce NetworkPolicies from now on, by kube-router. Only the last scenarios need that."""
        if "kube-router" in self._running:
            return
        kubeconfig = self._api.kubeconfig("kube-router", [ADMIN_GROUP], server=self._api.cluster_url)
        self._start(
            str(assets.ensure_tool("kube-router") / "kube-router"),
            f"--kubeconfig={kubeconfig}",
            f"--hostname-override={self.name}",
            "--run-firewall=true",
            "--run-router=false",
            "--run-service-proxy=false",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
        )

    # ---- how the node is started

    def _inside(self) -> list[str]:
        mounts = self._running["mounts"].pid
        return ["nsenter", f"--net=/run/netns/{self.name}", f"--mount=/proc/{mounts}/ns/mnt", "--"]

    def _program(self, name: str) -> str:
        return str(self._api.assets.kube_apiserver.with_name(name))

    def _start(self, program: str, *flags: str, before: Sequence[str] = ()) -> None:
        name = Path(program).name
        log = self._folder / f"{name}.log"
        self._running[name] = Child([*self._inside(), *before, program, *flags], log, self._folder, PATH)

    def _make_mounts(self) -> None:
        """A mount namespace that kubelet and containerd share: they hand each other what they mount.

        A sleeping process keeps it. Binding it to a file did not work reliably (EINVAL on Linux 6.18).
        """
        for name in FOLDERS:
            (self._folder / name).mkdir(parents=True)
        binds = [f"mount --bind {self._folder / name} {place}" for name, place in MOUNTS.items()]
        script = " && ".join([*binds, "mount -t tmpfs tmpfs /run", "mkdir /run/netns", "exec sleep infinity"])
        holder = Child(["unshare", "--mount", "sh", "-c", script], self._folder / "mounts.log", self._folder, PATH)
        self._running["mounts"] = holder
        last = Path(f"/proc/{holder.pid}/root/run/netns")
        # until it has its own mount namespace, the process sees the sandbox's /run/netns, which has this node's name
        wait_until(lambda: last.exists() and not (last / self.name).exists(), 30, f"the mounts of {self.name}")

    def _start_containerd(self) -> None:
        networks, registries = self._folder / "cni.d", self._folder / "certs.d"
        (networks / "pods.conflist").write_text(config.pod_network(self.site))
        (registries / REGISTRY).mkdir()
        (registries / REGISTRY / "hosts.toml").write_text(config.registry_hosts())
        settings = self._folder / "containerd.toml"
        settings.write_text(config.containerd(parts.TOOLBOX, networks, registries))
        self._start(str(assets.ensure_tool("containerd") / "containerd"), f"--config={settings}")
        wait_until(self._containerd_listens, 60, f"containerd on {self.name}")

    def _containerd_listens(self) -> bool:
        path = f"/proc/{self._running['mounts'].pid}/root{config.CONTAINERD}"
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(path) == 0

    def _start_kubelet(self) -> None:
        settings, resolv_conf = self._folder / "kubelet.yaml", self._folder / "resolv.conf"
        resolv_conf.write_text(config.resolver())
        settings.write_text(config.kubelet(self.site, self._api.ca_file, resolv_conf))
        kubeconfig = self._api.kubeconfig(f"system:node:{self.name}", ["system:nodes"], server=self._api.cluster_url)
        self._start(
            self._program("kubelet"),
            f"--config={settings}",
            f"--kubeconfig={kubeconfig}",
            f"--hostname-override={self.name}",
            f"--node-ip={self.site.address}",
            f"--node-labels=topology.kubernetes.io/zone={self.site.zone}",
        )

    def _start_proxy(self) -> None:
        self._start(
            self._program("kube-proxy"),
            f"--kubeconfig={self._api.kubeconfig('system:kube-proxy', server=self._api.cluster_url)}",
            f"--hostname-override={self.name}",
            # in mode iptables, kube-router removes chains that kube-proxy has just made: it writes back a whole table
            "--proxy-mode=nftables",
            f"--cluster-cidr={POD_RANGE}",
            # keep these settings, because they apply to the whole machine
            "--conntrack-max-per-core=0",
            "--conntrack-tcp-timeout-established=0",
            "--conntrack-tcp-timeout-close-wait=0",
            before=RESTART,
        )
