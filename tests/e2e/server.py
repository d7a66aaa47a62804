"""The control plane: the harness's API server, open to nodes and pods, with controller-manager and scheduler."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Self

from tests.e2e.layout import API_SERVICE, SERVER
from tests.harness.apiserver import ApiServer
from tests.harness.controlplane import SERVER_NAMES
from tests.harness.processes import Child, free_ports

PORT = 6443  # as on most clusters; networkPolicy.apiServerPorts has no other
PATH = f"/usr/sbin:/sbin:{os.defpath}"
# Seconds without a heartbeat of kubelet until a node is NotReady. Kubernetes' default is 40. Half of it is enough here,
# where a kubelet renews its lease every two seconds (config.py).
NODE_GRACE = 20


class Server(ApiServer):
    """`with Server() as api:`, inside the sandbox."""

    server_names = (*SERVER_NAMES, SERVER, API_SERVICE)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            super().__enter__()
            stack.callback(super().__exit__, None, None, None)
            self._managers = ExitStack()
            stack.callback(self._managers.close)
            self._start_managers()
            self._all = stack.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._all.close()

    @contextmanager
    def away(self) -> Iterator[None]:
        """The whole control plane is away and comes back. Nodes, pods and DNS go on without it.

        kube-controller-manager and kube-scheduler end too, as on clusters where they elect leaders: without the API
        server they cannot renew their leases. The API server is killed. If it ended in order, it would remove itself
        from the Service `kubernetes`, and pods would reach it again only when kube-proxy has read that Service again,
        up to half a minute after its return.
        """
        self._managers.close()
        self.stop(grace=0)
        try:
            yield
        finally:
            self.start()
            self._start_managers()

    @property
    def cluster_url(self) -> str:
        """The URL that nodes and pods use."""
        return f"https://{SERVER}:{self.port}"

    def _ports(self) -> Sequence[int]:
        return PORT, *free_ports(2)

    def _prepare(self) -> None:
        super()._prepare()
        self._to_kubelets = self.ca.client("kube-apiserver", ["system:masters"])

    def _flags(self) -> list[str]:
        """The flags of the harness, then ours. The last of each wins."""
        return [
            *super()._flags(),
            "--bind-address=0.0.0.0",
            f"--advertise-address={SERVER}",
            "--endpoint-reconciler-type=lease",
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-client-certificate={self._to_kubelets.cert}",
            f"--kubelet-client-key={self._to_kubelets.key}",
        ]

    def _start_managers(self) -> None:
        manager = self.kubeconfig("system:kube-controller-manager")
        self._start_manager(
            "kube-controller-manager",
            f"--kubeconfig={manager}",
            f"--service-account-private-key-file={self._sa_key}",
            f"--root-ca-file={self.ca_file}",
            "--use-service-account-credentials",
            f"--node-monitor-grace-period={NODE_GRACE}s",
            "--node-monitor-period=1s",
            f"--flex-volume-plugin-dir={self.folder / 'plugins'}",  # else it creates the default one on the machine
        )
        self._start_manager("kube-scheduler", f"--kubeconfig={self.kubeconfig('system:kube-scheduler')}")

    def _start_manager(self, name: str, *flags: str) -> None:
        command = [str(self.assets.kube_apiserver.with_name(name)), *flags, "--leader-elect=false", "--secure-port=0"]
        child = Child(command, self.folder / f"{name}.log", self.folder, PATH)
        self._managers.callback(child.stop, grace=0)
