"""A real API server for tests and demos: users, tokens, objects, its audit log, kubectl."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import jwt

from tests.harness import assets, etcd, kubeconfig
from tests.harness.audit import AuditEvent
from tests.harness.client import ApiClient, ApiError, Object, parallel
from tests.harness.controlplane import ADMIN_GROUP, ISSUER, ControlPlane
from tests.harness.features import Feature
from tests.harness.processes import Child


class ApiServer(ControlPlane):
    """`with ApiServer() as api:` boots one. No controller-manager creates or removes objects."""

    # ---- kubeconfig files and tokens

    @cached_property
    def admin_kubeconfig(self) -> Path:
        return self.kubeconfig("admin", [ADMIN_GROUP])

    def kubeconfig(self, user: str, groups: Sequence[str] = (), server: str | None = None) -> Path:
        """A new kubeconfig with a client certificate for any user, known to RBAC or not."""
        pair = self.ca.client(user, groups)
        credentials = {"client-certificate": str(pair.cert), "client-key": str(pair.key)}
        return kubeconfig.write(self.folder, server or self.url, self.ca_file, "default", credentials)

    def token_kubeconfig(
        self, token: str, namespace: str = "default", server: str | None = None, ca_file: Path | None = None
    ) -> Path:
        """A new kubeconfig with a bearer token; `server` may be a Gateway's URL."""
        return kubeconfig.write(self.folder, server or self.url, ca_file or self.ca_file, namespace, {"token": token})

    def service_account_token(self, namespace: str, name: str, pod: tuple[str, str] | None = None) -> str:
        """A token as kubelet gets it (TokenRequest API), bound to the pod (name, uid) if given."""
        bound = {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": pod[0], "uid": pod[1]}} if pod else {}
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [], "expirationSeconds": 3600, **bound},
        }
        answer = self.admin.create(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", body)
        return str(answer["status"]["token"])

    def signed_token(self, namespace: str, name: str, lifetime: int = 3600, **bound: Mapping[str, str]) -> str:
        """A token valid for `lifetime` seconds, signed with the server's own key, because the API has a minimum of 600.

        `bound` is what newer servers bind tokens to: `pod` and `node`, each with name and uid.
        """
        account = self.admin.get(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}")
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": [ISSUER],
            "sub": f"system:serviceaccount:{namespace}:{name}",
            "iat": now - 7200,
            "nbf": now - 7200,
            "exp": now + lifetime,
            "kubernetes.io": {
                "namespace": namespace,
                "serviceaccount": {"name": name, "uid": account["metadata"]["uid"]},
                **bound,
            },
        }
        return jwt.encode(claims, self._sa_key.read_text(), algorithm="RS256")

    def expired_token(self, namespace: str, name: str) -> str:
        """A token that is valid except for its age: the server answers 401."""
        return self.signed_token(namespace, name, lifetime=-3600)

    def client(self, token: str) -> ApiClient:
        """The raw client for another user than the admin."""
        return ApiClient(self.url, self.ca_file, token=token)

    def kubectl(
        self,
        *args: str,
        input: str | None = None,  # noqa: A002 - as subprocess.run calls it
        check: bool = True,
        kubeconfig: Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl with a HOME of its own, so that it neither reads nor writes a user's settings."""
        home = self.folder / "home"
        result = subprocess.run(
            [self.assets.kubectl, f"--kubeconfig={kubeconfig or self.admin_kubeconfig}", *args],
            check=False,  # checked below, to raise an error with its output
            input=input,
            capture_output=True,
            text=True,
            env={"HOME": str(home), "PATH": os.defpath},
        )
        if check and result.returncode:
            raise RuntimeError(f"kubectl {' '.join(args)}: exit {result.returncode}\n{result.stderr}{result.stdout}")
        return result

    @contextmanager
    def controller(self, name: str) -> Iterator[None]:
        """Run one controller of the kube-controller-manager that belongs to the API server."""
        flags = [f"--kubeconfig={self.admin_kubeconfig}", f"--controllers={name}", "--leader-elect=false"]
        plugins = (
            f"--flex-volume-plugin-dir={self.folder / 'plugins'}"  # else it creates the default one on the machine
        )
        insecure = [] if self.has(Feature.NO_INSECURE_PORT) else ["--port=0"]
        manager = assets.ensure_binaries(["kube-controller-manager"]) / "kube-controller-manager"
        log = self.folder / "kube-controller-manager.log"
        child = Child([str(manager), *flags, plugins, "--secure-port=0", *insecure], log, self.folder)
        try:
            yield
        finally:
            child.stop()

    # ---- requests that the server received

    def audit_mark(self) -> int:
        return self.audit.mark()

    def requests_since(
        self, mark: int, user: str | None = None, user_agent: str | None = None, stage: str = "RequestReceived"
    ) -> list[AuditEvent]:
        """Requests after `mark`, by `user` (exact) and with `user_agent` (a part of it)."""
        return [
            event
            for event in self.audit.since(mark, stage)
            if user in (None, event.user) and (user_agent or "") in event.user_agent
        ]

    # ---- objects

    def ensure(self, path: str, body: Mapping[str, Any]) -> None:
        """Create it unless an object of that name exists."""
        try:
            self.admin.create(path, body)
        except ApiError as error:
            if error.status != 409:
                raise

    def ensure_namespace(self, name: str) -> None:
        """The namespace with its `default` ServiceAccount, which kube-controller-manager would make."""
        self.ensure("/api/v1/namespaces", {"kind": "Namespace", "metadata": {"name": name}})
        self.ensure_service_account(name, "default")

    def ensure_service_account(self, namespace: str, name: str) -> None:
        body = {"kind": "ServiceAccount", "metadata": {"name": name}}
        self.ensure(f"/api/v1/namespaces/{namespace}/serviceaccounts", body)

    def wipe(self, namespace: str) -> None:
        """Remove all nodes, and the pods and Services of `namespace`, whatever their finalizers and grace periods."""
        for path in (f"/api/v1/namespaces/{namespace}/pods", "/api/v1/nodes"):
            self._strip_finalizers(path, self.admin.list(path))
            self.admin.delete(path, {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})
        path = f"/api/v1/namespaces/{namespace}/services"  # old servers cannot delete a collection
        services = [each for each in self.admin.list(path) if each["metadata"]["name"] != "kubernetes"]
        self._strip_finalizers(path, services)
        parallel(lambda each: self._gone(path, each), services)

    def expire_continue_tokens(self) -> None:
        """Make every continue token handed out so far expire: the server answers 410."""
        etcd.compact(self.etcd_port)
        if self.has(Feature.LIST_FROM_SNAPSHOT):  # it continues lists that etcd has forgotten
            self.stop()
            self.start()

    def _strip_finalizers(self, path: str, objects: Sequence[Object]) -> None:
        held = [each["metadata"]["name"] for each in objects if each["metadata"].get("finalizers")]
        parallel(lambda name: self.admin.patch(f"{path}/{name}", {"metadata": {"finalizers": None}}), held)

    def _gone(self, path: str, each: Object) -> None:
        try:
            self.admin.delete(f"{path}/{each['metadata']['name']}")
        except ApiError as error:
            if error.status != 404:  # already gone: it was deleted when its finalizer was removed
                raise
