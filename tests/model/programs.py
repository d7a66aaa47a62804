"""The programs that run in a world: registrars and janitors, which are the real ones, and people."""

import json
from dataclasses import dataclass
from pathlib import Path

from janitor import program
from janitor.outcome import Run
from janitor.settings import parse as janitor_settings
from registrar import contract
from registrar.kube.transport import MERGE_PATCH, Kube, path
from registrar.register import Registration, register
from registrar.settings import parse as registrar_settings
from tests.harness import objects
from tests.harness.client import Object
from tests.harness.cluster import NAMESPACE
from tests.model.api import identity
from tests.model.calls import Call
from tests.model.replay import Program
from tests.model.server import Key, Server

BODY = "application/json"


@dataclass(frozen=True)
class Pod:
    """An agent pod of a node. `bound_with_label`: an admission policy gives it the node label."""

    name: str
    node: str
    bound_with_label: bool = False

    @property
    def labels(self) -> dict[str, str]:
        """Its labels before its registrar runs."""
        return {**contract.AGENT_SELECTOR, **(objects.node_label(self.node) if self.bound_with_label else {})}

    def create(self, server: Server) -> None:
        body = {"metadata": {"name": self.name, "labels": self.labels}, "spec": {"nodeName": self.node}}
        create(server, "pods", body)

    @property
    def uid(self) -> str:
        """Its uid, also before it exists."""
        return identity("pods", self.name)


def registrar(pod: Pod, folder: Path) -> Program:
    """The registrar of a pod; `folder` is for what the downward API writes."""
    environ = {"NODE_NAME": pod.node, "POD_NAME": pod.name, "POD_NAMESPACE": NAMESPACE, "POD_UID": pod.uid}
    if pod.bound_with_label:
        labels = folder / f"{pod.name}.labels"
        labels.write_text("\n".join(f'{key}="{value}"' for key, value in pod.labels.items()))
        environ["REGISTRAR_POD_LABELS"] = str(labels)
    given = registrar_settings((), environ)

    def run(kube: Kube) -> Registration:
        return register(kube, given)

    return run


def janitor(*flags: str) -> Program:
    """One run. It deletes one Service after another: two that delete at the same time are two janitors."""
    given = janitor_settings(("--delete-parallel", "1", *flags), {})

    def run(kube: Kube) -> Run:
        return program.clean(kube, given, NAMESPACE, lambda: False)

    return run


def editor(node: str) -> Program:
    """Somebody who opens the node's Service to another port, and notes that on it."""
    name = contract.service_name(node)
    ports = [{"name": "http-proxy", "port": 8888}, {"name": "by-hand", "port": 9}]
    body = {"metadata": {"annotations": {"note": "by hand"}}, "spec": {"ports": ports}}

    def run(kube: Kube) -> object:
        where = path("namespaces", NAMESPACE, "services", name)
        query = {"fieldManager": "kubectl-edit"}
        return kube.request(f"edit Service {name}", "PATCH", where, body=body, content_type=MERGE_PATCH, query=query)

    return run


# ---- what a cluster does by itself


def create(server: Server, resource: str, body: Object) -> None:
    reply = server.answer(Call("POST", resource, body=json.dumps(body), content_type=BODY))
    assert reply.status == 201, reply


def delete(server: Server, resource: str, name: str) -> None:
    reply = server.answer(Call("DELETE", resource, name))
    assert reply.status == 200, reply


def service_key(node: str) -> Key:
    return "services", contract.service_name(node)
