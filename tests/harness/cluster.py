"""One namespace of a real API server with the RBAC of install.yaml: nodes, agent pods, and both programs."""

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import yaml

from registrar import contract
from tests.harness.apiserver import ApiServer
from tests.harness.client import ApiError, Object
from tests.harness.processes import bare_environment, wait_until

ROOT = Path(__file__).parents[2]
NAMESPACE = "project-nodeproxy"
REGISTRAR, JANITOR = "nodeproxy-registrar", "nodeproxy-janitor"
SERVICES, PODS = f"/api/v1/namespaces/{NAMESPACE}/services", f"/api/v1/namespaces/{NAMESPACE}/pods"
NODES = "/api/v1/nodes"
_RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
RBAC_KINDS = {"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


@dataclass(frozen=True)
class Run:
    """The result of a program: exit code and output."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Object:
        report: Object = json.loads(self.out)
        return report

    @property
    def verdicts(self) -> dict[str, tuple[str, str | None]]:
        """Verdict and result by Service, from a janitor run with `--output json`."""
        return {row["name"]: (row["verdict"], row["result"]) for row in self.json["services"]}

    @property
    def last_line(self) -> str:
        return self.err.strip().rpartition("\n")[2]


@cache
def installed() -> list[Object]:
    """The objects of manifests/install.yaml. `make lint` holds that the chart renders them."""
    return [*yaml.safe_load_all((ROOT / "manifests" / "install.yaml").read_text())]


class Cluster:
    """Create it once per session, and call `wipe()` between tests."""

    def __init__(self, api: ApiServer) -> None:
        self.api = api
        self.admin = api.admin
        api.ensure_namespace(NAMESPACE)
        self.apply_rbac()

    @classmethod
    def without_rights(cls, api: ApiServer) -> Self:
        """For tests that install the RBAC in another way."""
        cluster = cls.__new__(cls)
        cluster.api, cluster.admin = api, api.admin
        return cluster

    def apply_rbac(self) -> None:
        objects = [each for each in installed() if each["kind"] in RBAC_KINDS]
        self.api.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(objects))

    def wipe(self) -> None:
        self.api.wipe(NAMESPACE)

    # ---- objects

    def node(self, name: str) -> Object:
        return self.admin.create(NODES, {"kind": "Node", "metadata": {"name": name}})

    def delete_node(self, name: str) -> None:
        self.admin.delete(f"{NODES}/{name}")

    def pod(self, node: str, name: str = "", labels: dict[str, str] | None = None) -> Object:
        """An agent pod on `node`, as the DaemonSet controller and the scheduler would leave it."""
        meta = {"name": name} if name else {"generateName": "nodeproxy-agent-"}
        spec = {
            "nodeName": node,
            "serviceAccountName": REGISTRAR,
            "automountServiceAccountToken": False,
            # Pod Security's level restricted, as in install.yaml
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "proxy", "image": "tinyproxy", "securityContext": _RESTRICTED}],
        }
        labels = {**contract.AGENT_SELECTOR, **(labels or {})}
        return self.admin.create(PODS, {"kind": "Pod", "metadata": {**meta, "labels": labels}, "spec": spec})

    def delete_pod(self, pod: Object) -> None:
        self.admin.delete(f"{PODS}/{pod['metadata']['name']}", {"kind": "DeleteOptions", "gracePeriodSeconds": 0})

    def pod_labels(self, pod: Object) -> dict[str, str]:
        return dict(self.admin.get(f"{PODS}/{pod['metadata']['name']}")["metadata"]["labels"])

    def service(self, name: str) -> Object:
        return self.admin.get(f"{SERVICES}/{name}")

    def service_of(self, node: str) -> Object:
        return self.service(contract.service_name(node))

    def services(self) -> dict[str, Object]:
        return {each["metadata"]["name"]: each for each in self.admin.list(SERVICES)}

    # ---- the programs

    def registrar(self, pod: Object, *flags: str, server: str | None = None, **env: str) -> Run:
        """Run the registrar as `pod`'s init container, with its environment and its own bound token."""
        return self.run("registrar", self.registrar_env(pod, server=server) | env, flags)

    def registrar_env(self, pod: Object, server: str | None = None) -> dict[str, str]:
        meta = pod["metadata"]
        token = self.api.service_account_token(NAMESPACE, REGISTRAR, pod=(meta["name"], meta["uid"]))
        return {
            "NODE_NAME": pod["spec"]["nodeName"],
            "POD_NAME": meta["name"],
            "POD_NAMESPACE": NAMESPACE,
            "POD_UID": meta["uid"],
            "KUBECONFIG": str(self.api.token_kubeconfig(token, server=server)),
        }

    def register(self, node: str) -> Object:
        """Create a node with an agent pod that has registered; its Service."""
        self.node(node)
        self.register_again(node)
        return self.service_of(node)

    def register_again(self, node: str) -> Object:
        """Create and register a new agent pod on `node`; the pod."""
        pod = self.pod(node)
        run = self.registrar(pod)
        assert run.code == 0, run.err
        return pod

    def lose(self, node: str) -> None:
        """Delete the node and its pods."""
        self.delete_node(node)
        for pod in self.admin.list(PODS):
            if pod["spec"]["nodeName"] == node:
                self.delete_pod(pod)

    def janitor(self, *flags: str, server: str | None = None, **env: str) -> Run:
        """Run the janitor as its CronJob does, with JSON output."""
        return self.run("janitor", self.janitor_env(server) | env, ("--output", "json", *flags))

    def janitor_env(self, server: str | None = None) -> dict[str, str]:
        token = self.api.service_account_token(NAMESPACE, JANITOR)
        return {"KUBECONFIG": str(self.api.token_kubeconfig(token, NAMESPACE, server=server))}

    def run(self, program: str, env: dict[str, str], flags: tuple[str, ...] = ()) -> Run:
        result = subprocess.run(
            [sys.executable, "-m", program, *flags],
            check=False,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**bare_environment(), "HOME": str(self.api.folder), **env},
            timeout=150,
        )
        assert "debug" in flags or "Traceback" not in result.stderr, result.stderr
        return Run(result.returncode, result.stdout, result.stderr)

    # ---- RBAC

    def change_role(self, kind: str, name: str, rules: list[dict[str, Any]]) -> None:
        """Give a Role or ClusterRole other rules. The API server notices a moment later: see `await_right`."""
        where = f"/namespaces/{NAMESPACE}/roles" if kind == "Role" else "/clusterroles"
        self.admin.patch(f"/apis/rbac.authorization.k8s.io/v1{where}/{name}", {"rules": rules})

    def await_right(self, account: str, verb: str, resource: str, allowed: bool) -> None:
        """Wait until the API server's authorizer gives this answer."""
        client = self.api.client(self.api.service_account_token(NAMESPACE, account))
        namespace = {} if resource == "nodes" else {"namespace": NAMESPACE}
        review = {
            "kind": "SelfSubjectAccessReview",
            "apiVersion": "authorization.k8s.io/v1",
            "spec": {"resourceAttributes": {"verb": verb, "resource": resource, **namespace}},
        }
        where = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        wait_until(
            lambda: client.create(where, review)["status"]["allowed"] is allowed,
            10,
            f"{account} {'may' if allowed else 'may not'} {verb} {resource}",
        )

    def exists(self, path: str) -> bool:
        try:
            self.admin.get(path)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True
