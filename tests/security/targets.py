"""Objects that a registrar writes, with the token of its pod, its own request, and what that request stores."""

from dataclasses import dataclass

import yaml

from registrar import contract, service
from registrar.live import live_service
from tests.harness import objects
from tests.harness.client import ApiClient, ApiError, Object
from tests.harness.cluster import NAMESPACE, PODS, REGISTRAR, SERVICES, Cluster
from tests.harness.reviews import registrar_settings
from tests.security.mutations import TYPES

LONG = "edge-" + "x" * 70
OWN = {"fieldManager": contract.REGISTRAR_MANAGER}


@dataclass(frozen=True, repr=False)
class Target:
    """An object that a registrar writes, its own request, and what the request stores."""

    thief: ApiClient
    path: str
    body: Object
    live: Object | None
    legitimate: Object

    def now(self, admin: ApiClient) -> Object | None:
        """The object as it is stored."""
        try:
            return admin.get(self.path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def restore(self, admin: ApiClient) -> None:
        """Put the object back as it was after somebody wrote it."""
        if self.live is None:
            admin.delete(self.path)
        else:
            meta = {key: value for key, value in self.live["metadata"].items() if key != "resourceVersion"}
            admin.put(self.path, {**self.live, "metadata": meta})


def found(cluster: Cluster) -> dict[str, Target]:
    """Services of nodes in every state before a registration, and a pod."""
    cluster.wipe()
    hand_rolled = {"apiVersion": "v1", **objects.hand_rolled_service("node-h")}
    cluster.api.kubectl("-n", NAMESPACE, "apply", "-f", "-", input=yaml.safe_dump(hand_rolled))
    registered = {node: cluster.register_again(node) for node in ("node-a", "node-b", "node-e", LONG)}
    held = {"labels": {"team": "net"}, "annotations": {"x/y": "z"}, "finalizers": ["example.com/x"]}
    spec = {"type": "NodePort", "sessionAffinity": "ClientIP", "externalIPs": ["192.0.2.1"]}
    cluster.admin.patch(f"{SERVICES}/{contract.service_name('node-e')}", {"metadata": held, "spec": spec})
    pods = registered | {node: cluster.pod(node) for node in ("node-new", "node-h")}
    services = {node: _service(cluster, node, pod) for node, pod in pods.items()}
    return services | {"pod": _pod(cluster, "node-p")}


def thief_of(cluster: Cluster, pod: Object) -> ApiClient:
    bound = (pod["metadata"]["name"], pod["metadata"]["uid"])
    return cluster.api.client(cluster.api.service_account_token(NAMESPACE, REGISTRAR, bound))


def _service(cluster: Cluster, node: str, pod: Object) -> Target:
    name = contract.service_name(node)
    live = cluster.service(name) if cluster.exists(f"{SERVICES}/{name}") else None
    want = service.wanted(registrar_settings(node), contract.NodeNames.of(node), NAMESPACE, pod["metadata"]["uid"])
    body = service.plan(live_service("get", live) if live else None, want).body
    body["metadata"].pop("resourceVersion", None)
    return _target(thief_of(cluster, pod), f"{SERVICES}/{name}", body, live)


def _pod(cluster: Cluster, node: str) -> Target:
    pod = cluster.pod(node)
    meta = {key: pod["metadata"][key] for key in ("name", "uid")} | {"labels": objects.node_label(node)}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": meta}
    return _target(thief_of(cluster, pod), f"{PODS}/{pod['metadata']['name']}", body, pod)


def _target(thief: ApiClient, path: str, body: Object, live: Object | None) -> Target:
    kind = "merge" if live else "apply"
    return Target(thief, path, body, live, thief.patch(path, body, TYPES[kind], dryRun="All", **OWN))
