"""The surroundings of one registration, drawn from a seed: the node, the existing Service, and other writers."""

import contextlib
from collections.abc import Callable
from random import Random

from registrar import contract
from tests.harness import objects
from tests.harness.client import ApiError, Object
from tests.harness.cluster import PODS, SERVICES, Cluster
from tests.harness.gateway import Gateway

TARGETS = (("PATCH", "/pods/"), ("GET", "/services/"), ("PATCH", "/services/"))
SERVICE_WRITE = TARGETS[2]
APPLY = "application/apply-patch+yaml"


class Surroundings:
    """`ours` is false if the existing Service is somebody else's, so that exit code 1 is right."""

    def __init__(self, random: Random, cluster: Cluster, gateway: Gateway) -> None:
        self.cluster, self._gateway = cluster, gateway
        self.node = random.choice((f"node-{random.randint(0, 99)}", "ip-10-0-1-23.ec2.internal", f"n{'-long' * 30}"))
        self.name = contract.service_name(self.node)
        self.path = f"{SERVICES}/{self.name}"
        self.pod = cluster.pod(self.node, labels=random.choice(({}, {contract.NODE_LABEL: "another"})))
        self.ours, self.pod_stays = True, True
        there = (self._none, self._older, self._same, self._hand_rolled, self._edited, self._foreign, self._leaving)
        random.choice(there)()
        self.found = cluster.services().get(self.name)
        self.was_right = self.found is not None and not differs(self.found, self._wanted())
        hands = (self._edit, self._remove, self._make, self._take_pod)
        if random.random() < 0.3:
            random.choice(hands)()

    def wrong(self) -> str:
        """What is wrong on the server; "" if nothing is."""
        uid = self.pod["metadata"]["uid"]
        pod = next((each for each in self.cluster.admin.list(PODS) if each["metadata"]["uid"] == uid), None)
        if pod is None:
            return "the pod is gone"
        label = contract.label_value(self.node)
        if pod["metadata"]["labels"].get(contract.NODE_LABEL) != label:
            return "the pod's label"
        live = self.cluster.services().get(self.name)
        return differs(live, self._wanted()) if live else "there is no Service"

    def _wanted(self) -> Object:
        return objects.service(self.node, registered_by=self.pod["metadata"]["uid"])

    # ---- the Service before the registration

    def _none(self) -> None:
        """As on a new node."""

    def _create(self, body: Object) -> None:
        body["metadata"]["name"] = self.name
        self.cluster.admin.create(SERVICES, body)

    def _older(self) -> None:
        self._create(objects.service(self.node))

    def _same(self) -> None:
        self._create(objects.service(self.node, registered_by=self.pod["metadata"]["uid"]))

    def _hand_rolled(self) -> None:
        plain = self.node if contract.is_service_name(contract.SERVICE_PREFIX + self.node) else "node-x"
        if plain == self.node:
            self._create(objects.hand_rolled_service(self.node))

    def _edited(self) -> None:
        """As after a registration of an earlier pod, and an edit by hand."""
        body = objects.service(self.node)
        body["metadata"]["name"] = self.name
        registered = {"apiVersion": "v1", "kind": "Service", **body}
        self.cluster.admin.patch(self.path, registered, APPLY, fieldManager=contract.REGISTRAR_MANAGER)
        ports = [*body["spec"]["ports"], {"name": "debug", "port": 9999}]
        edit = {"metadata": {"labels": {"type": None}}, "spec": {"selector": {"debug": "true"}, "ports": ports}}
        self.cluster.admin.patch(self.path, edit, fieldManager="kubectl-edit")

    def _foreign(self) -> None:
        self._create({"kind": "Service", "metadata": {}, "spec": {"ports": [{"port": 80}], "selector": {"app": "x"}}})
        self.ours = False

    def _leaving(self) -> None:
        """It is being deleted, and a finalizer holds it until it has been read twice."""
        body = objects.service(self.node)
        body["metadata"]["finalizers"] = ["example.com/hold"]
        self._create(body)
        self.cluster.admin.delete(self.path)
        self._meanwhile("GET", 2, self.let_go)

    def let_go(self) -> None:
        """Remove the finalizer that holds the Service."""
        self.cluster.admin.patch(self.path, {"metadata": {"finalizers": None}})

    # ---- other writers during the registration

    def _meanwhile(self, method: str, nth: int, what: Callable[[], object]) -> None:
        def act() -> None:
            with contextlib.suppress(ApiError):  # the object may not exist
                what()

        self._gateway.rule(method, "/services/", nth=nth, before=act)

    def _edit(self) -> None:
        """The Service changes between read and write, which is a conflict."""
        change = {"metadata": {"annotations": {"example.com/touched": "yes"}}}
        self._meanwhile("PATCH", 1, lambda: self.cluster.admin.patch(self.path, change))

    def _remove(self) -> None:
        """The Service is deleted between read and write, by a janitor or a person."""
        if self.ours:
            self._meanwhile("PATCH", 1, lambda: self.cluster.admin.delete(self.path))

    def _make(self) -> None:
        """The registrar of an earlier pod of this node creates the Service first."""
        self._meanwhile("PATCH", 1, lambda: self._create(objects.service(self.node)))

    def _take_pod(self) -> None:
        self.pod_stays = False
        self._gateway.rule("PATCH", "/pods/", before=lambda: self.cluster.delete_pod(self.pod))


def differs(live: Object, want: Object) -> str:
    """How `live` differs from what the contract says; "" if it does not."""
    meta, asked = live["metadata"], want["metadata"]
    for key in ("labels", "annotations"):
        if not asked[key].items() <= meta.get(key, {}).items():
            return f"{key}: {meta.get(key)}"
    ports = [{key: port[key] for key in ("name", "port", "targetPort", "protocol")} for port in live["spec"]["ports"]]
    if ports != want["spec"]["ports"]:
        return f"ports: {ports}"
    if live["spec"].get("selector") != want["spec"]["selector"]:
        return f"selector: {live['spec'].get('selector')}"
    return "" if live["spec"]["type"] == "ClusterIP" else "type"
