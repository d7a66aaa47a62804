"""Stands in for scheduler and kubelets: pods become Ready and end, so that kubectl and helm wait for nothing in vain.

It runs the real registrar for each agent pod and the real janitor for each of its Jobs. No container runs, so there are
no logs, and nothing can be executed in a pod.
"""

import sys
import threading
from datetime import UTC, datetime
from typing import Any, Self

from tests.harness.apiserver import ApiServer
from tests.harness.client import ApiError, Object
from tests.harness.cluster import NAMESPACE, NODES, Cluster

INTERVAL = 0.1  # seconds
CONTROLLERS = "daemonset,deployment,replicaset,job,cronjob,garbagecollector,namespace,endpointslice,serviceaccount"


class Kubelets:
    """A context manager for `nodes`, which it creates. What fails is printed and tried again, as by kubelet."""

    def __init__(self, api: ApiServer, *nodes: str) -> None:
        self._api = api
        self._cluster = Cluster.without_rights(api)
        self._nodes = nodes
        self._registered: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        for name in self._nodes:
            self._api.admin.create(NODES, {"kind": "Node", "metadata": {"name": name, "labels": _labels(name)}})
            self._api.admin.patch(f"{NODES}/{name}", {"spec": {"taints": None}})  # "not ready" until kubelet says else
            self._api.admin.patch(f"{NODES}/{name}/status", {"status": {"conditions": [_true("Ready")]}})
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stop.wait(INTERVAL):
            for pod in self._api.admin.list("/api/v1/pods"):
                try:
                    self._serve(pod)
                except (ApiError, AssertionError) as error:  # such as a namespace that is being deleted
                    print(f"{pod['metadata']['name']}: {error}", file=sys.stderr)

    def _serve(self, pod: Object) -> None:
        """Take the next step in a pod's life."""
        meta, spec = pod["metadata"], pod["spec"]
        where = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        if "deletionTimestamp" in meta:
            if meta.get("finalizers") and pod["status"].get("phase") == "Pending":  # a Job waits for their end
                self._api.admin.patch(f"{where}/status", {"status": {"phase": "Failed"}})
            self._api.admin.delete(where, {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})
        elif "nodeName" not in spec:
            target = {"apiVersion": "v1", "kind": "Node", "name": _wanted_node(pod) or self._nodes[0]}
            body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": meta["name"]}, "target": target}
            self._api.admin.create(f"{where}/binding", body)
        elif pod["status"].get("phase") == "Pending":
            self._api.admin.patch(f"{where}/status", {"status": self._run(pod)})

    def _run(self, pod: Object) -> Object:
        """The status of the pod after its program has begun, or has ended if it belongs to a Job."""
        account, name = pod["spec"].get("serviceAccountName"), pod["metadata"]["namespace"]
        [kind] = [each["kind"] for each in pod["metadata"].get("ownerReferences", [{"kind": ""}])]
        if (kind, name) == ("DaemonSet", NAMESPACE) and account == "nodeproxy-registrar":
            run = self._cluster.registrar(pod)
            assert run.code == 0, run.err
        if (kind, name) == ("Job", NAMESPACE):
            run = self._cluster.janitor()
            assert run.code == 0, run.err
        if kind == "Job":
            return {"phase": "Succeeded", "conditions": []}
        address = f"198.18.128.{len(self._registered) + 2}"
        self._registered.add(pod["metadata"]["uid"])
        containers = [_running(each) for each in pod["spec"]["containers"]]
        ready = [_true("Ready"), _true("ContainersReady"), _true("Initialized")]
        state = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
        return {**state, "conditions": ready, "containerStatuses": containers}


def _labels(node: str) -> dict[str, str]:
    return {"kubernetes.io/os": "linux", "kubernetes.io/hostname": node}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _true(kind: str) -> Object:
    return {"type": kind, "status": "True", "lastTransitionTime": _now()}


def _running(container: Object) -> Object:
    ran = {"name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0}
    return {**ran, "ready": True, "started": True, "state": {"running": {"startedAt": _now()}}}


def _wanted_node(pod: Object) -> str | None:
    """The node that the DaemonSet controller wants the pod on."""
    affinity: Any = pod["spec"].get("affinity", {}).get("nodeAffinity", {})
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms", [])
    fields = [field for term in terms for field in term.get("matchFields", ())]
    return str(fields[0]["values"][0]) if fields else None
