"""etcd and a kube-apiserver on loopback: start, stop and restart them, and leave nothing behind."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import requests

from tests.harness import assets
from tests.harness.audit import POLICY, AuditLog
from tests.harness.client import ApiClient, ApiError
from tests.harness.features import Feature
from tests.harness.pki import CertificateAuthority, service_account_key
from tests.harness.processes import Child, free_ports, wait_until

ADMIN_GROUP = "system:masters"
ISSUER = "https://kubernetes.default.svc.cluster.local"
SERVICE_RANGE = "198.19.0.0/16"  # room for 65,000 Services; RFC 2544 addresses, allotted here and never routed
SERVER_NAMES = ("127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
BOOT_TIMEOUT = 90.0
BOOT_ATTEMPTS = 3


class BootError(Exception):
    """A process ended or was not ready in time. The message has the end of its log."""


class ControlPlane:
    """A context manager. All files are in a temporary folder, which is removed at the end.

    Its flags are valid from Kubernetes 1.20 to 1.37, except for those that depend on `features`.
    """

    server_names: Sequence[str] = SERVER_NAMES
    folder: Path
    port: int
    etcd_port: int
    ca: CertificateAuthority
    admin: ApiClient
    audit: AuditLog
    assets: assets.Assets

    def __enter__(self) -> Self:
        with ExitStack() as stack:  # cleans up if booting fails or is interrupted: __exit__ does not run then
            self.assets = assets.ensure()
            self.folder = Path(stack.enter_context(TemporaryDirectory(prefix="nodeproxy-api-")))
            self._prepare()
            stack.callback(self._shut_down)
            self._boot()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca_file(self) -> Path:
        return self.ca.ca_file

    @property
    def version(self) -> str:
        return self.assets.version

    def has(self, feature: Feature) -> bool:
        return feature.is_in(self.version)

    def cpu_seconds(self) -> float:
        """Processor time of API server and etcd together, so far."""
        return self._apiserver.cpu_seconds() + self._etcd.cpu_seconds()

    def stop(self, grace: float = 5) -> None:
        """Stop only the API server; etcd keeps the data. `grace=0` kills it, as in a crash."""
        self._apiserver.stop(grace)

    def start(self) -> None:
        """Start the API server on its old port, and wait until it is ready."""
        self._apiserver = Child(
            [str(self.assets.kube_apiserver), *self._flags()], self.folder / "kube-apiserver.log", self.folder
        )
        self._await_ready()

    def _prepare(self) -> None:
        self.ca = CertificateAuthority(self.folder / "pki")
        self._serving = self.ca.server("kube-apiserver", self.server_names)
        self._admin_cert = self.ca.client("admin", [ADMIN_GROUP])
        self._sa_key = service_account_key(self.folder / "pki" / "service-account.key")
        self.audit = AuditLog(self.folder / "audit.log")
        (self.folder / "audit-policy.json").write_text(json.dumps(POLICY))

    def _boot(self) -> None:
        """Start both. If another process takes a free port before they listen, try again with other ports."""
        for attempt in range(1, BOOT_ATTEMPTS + 1):
            self.port, self.etcd_port, peer_port = self._ports()
            self.admin = ApiClient(self.url, self.ca_file, cert=self._admin_cert)
            try:
                self._start_etcd(peer_port)
                self.start()
                return
            except BootError as error:
                if attempt == BOOT_ATTEMPTS or "address already in use" not in str(error):
                    raise
                self._shut_down()

    def _ports(self) -> Sequence[int]:
        """Ports of the API server, of etcd, and of etcd for its peers."""
        return free_ports(3)

    def _start_etcd(self, peer_port: int) -> None:
        client, peer = (f"http://127.0.0.1:{port}" for port in (self.etcd_port, peer_port))
        command = [
            str(self.assets.etcd),
            f"--data-dir={self.folder / f'etcd-{peer_port}'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",  # these data need not survive a power cut
            "--log-level=warn",
        ]
        self._etcd = Child(command, self.folder / "etcd.log", self.folder)

    def _flags(self) -> list[str]:
        flags = [
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",  # a loopback address would be no valid endpoint
            f"--secure-port={self.port}",
            f"--tls-cert-file={self._serving.cert}",
            f"--tls-private-key-file={self._serving.key}",
            f"--client-ca-file={self.ca_file}",
            "--anonymous-auth=false",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged=true",
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            f"--service-account-issuer={ISSUER}",
            f"--service-account-key-file={self._sa_key}",
            f"--service-account-signing-key-file={self._sa_key}",
            "--enable-admission-plugins=NodeRestriction",  # as every installer has it
            f"--audit-policy-file={self.folder / 'audit-policy.json'}",
            f"--audit-log-path={self.audit.path}",
            "--audit-log-mode=blocking",
            "--audit-log-maxsize=100000",  # megabytes; a rotation would lose events
            "--delete-collection-workers=8",
        ]
        if not self.has(Feature.PROJECTED_TOKEN):
            # Otherwise a pod wants a token Secret, which kube-controller-manager makes.
            flags.append("--feature-gates=BoundServiceAccountTokenVolume=true")
        return flags

    def _await_ready(self) -> None:
        try:
            wait_until(self._ready, BOOT_TIMEOUT, "a ready API server")
        except AssertionError as error:
            raise BootError(f"{error}; its log ends:\n{self._apiserver.log_tail()}") from None

    def _ready(self) -> bool:
        for child in (self._etcd, self._apiserver):
            if child.ended():
                raise BootError(f"{child.name} ended while starting; its log ends:\n{child.log_tail()}")
        try:
            self.admin.text("/readyz", timeout=2)  # another process on our port may never answer
            self.admin.get("/api/v1/namespaces/default/services/kubernetes")  # may be created a little later
        except (ApiError, requests.RequestException):
            return False
        return True

    def _shut_down(self) -> None:
        for name in ("_apiserver", "_etcd"):  # either may not have been started
            if child := getattr(self, name, None):
                child.stop(grace=0)  # their data are not kept
        if admin := getattr(self, "admin", None):
            admin.close()
