"""nodeproxy in the cluster: our chart, installed as a user would, and the objects that it leads to."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime

from registrar import contract
from tests.e2e import release
from tests.e2e.client import Client
from tests.e2e.cluster import Cluster
from tests.e2e.layout import Site
from tests.harness import chart
from tests.harness.client import Object
from tests.harness.cluster import NAMESPACE, NODES, PODS, ROOT, SERVICES
from tests.harness.processes import wait_until

SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
AGENT, CLEANER, JANITOR = "daemonset/nodeproxy-agent", "cronjob/nodeproxy-cleaner", "deployment/nodeproxy-janitor"
VALUES = ROOT / "tests" / "e2e" / "values"
MIN_READY = 5  # seconds: agent.minReadySeconds
TIMEOUT = 120.0  # seconds for what takes a few, on a busy machine


class Stack:
    """The chart with the values of one or more files. Nothing is applied until `apply`."""

    def __init__(self, cluster: Cluster, *more: str) -> None:
        self._admin = cluster.admin
        self._api = cluster.api
        self._cluster = cluster
        self._files = [VALUES / f"{name}.yaml" for name in ("short", *more)]

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """kubectl in our namespace, as cluster-admin; its standard output."""
        return self._api.kubectl(f"--namespace={NAMESPACE}", *args, input=stdin).stdout

    # ---- what users do

    def apply(self) -> None:
        """Install or upgrade, from the registry."""
        self.kubectl("apply", "-f", str(ROOT / "manifests" / "namespace.yaml"))
        flags = ("--take-ownership", "--force-conflicts")
        release.install(self._cluster, chart.RELEASE, NAMESPACE, self._files, *flags)

    def make_room(self) -> None:
        """What docs/migration.md says to do before the chart takes the place of the hand-rolled stack."""
        self.kubectl("delete", CLEANER)
        self.kubectl("delete", AGENT, "--cascade=orphan")
        self.kubectl("label", "pods", f"--selector={_selector(contract.AGENT_SELECTOR)}", "pod-template-generation-")

    def await_rolled_out(self) -> None:
        self.kubectl("rollout", "status", AGENT, f"--timeout={TIMEOUT:.0f}s")

    def await_available(self) -> None:
        """Wait until all agent pods have been ready for longer than the chart's minReadySeconds, as old pods are.

        Otherwise a new DaemonSet takes the pods that it adopts for unavailable. Its controller then looks again too
        early for the new pods, and not a second time.
        """
        wait_until(lambda: all(_ready_for(pod) > MIN_READY + 1 for pod in self.agent_pods()), TIMEOUT, "available pods")

    def restart_agents(self) -> None:
        """Start a rollout that replaces all agent pods."""
        self.kubectl("rollout", "restart", AGENT)

    def suspend_cleaner(self) -> None:
        """Let no more Jobs start by the CronJob's schedule, and wait until none is running."""
        self.kubectl("patch", CLEANER, '--patch={"spec": {"suspend": true}}')
        where = f"/apis/batch/v1/namespaces/{NAMESPACE}/{CLEANER.replace('/', 's/')}"
        wait_until(lambda: not self._admin.get(where)["status"].get("active"), TIMEOUT, "the end of scheduled Jobs")

    def add_zombie(self, node: str) -> str:
        """Create the Service of a node that is gone; its name."""
        selector = {**contract.AGENT_SELECTOR, contract.NODE_LABEL: node}
        service = {
            "metadata": {
                "name": contract.service_name(node),
                "labels": {**contract.SERVICE_LABELS, contract.NODE_LABEL: node},
                "annotations": {contract.NODE_NAME_ANNOTATION: node},
            },
            "spec": {"selector": selector, "ports": [{"name": "http-proxy", "port": 8888}]},
        }
        return str(self._admin.create(SERVICES, service)["metadata"]["name"])

    def await_network(self, client: Client, site: Site) -> None:
        """Wait until the network of the client's node knows a new Service, which leads to the proxy of `site`.

        After a restart of the API server, kube-proxy and CoreDNS may watch nothing for half a minute: they are
        refused with 403 at first, and back off. Until then connections go to pods that are gone.
        """
        selector = {**contract.AGENT_SELECTOR, contract.NODE_LABEL: site.node}
        spec = {"selector": selector, "ports": [{"port": 8888}]}
        self._admin.create(SERVICES, {"metadata": {"name": "canary"}, "spec": spec})
        client.first_answer_of("canary", site.city)
        self._admin.delete(f"{SERVICES}/canary")

    def remove(self) -> None:
        """Delete the namespace and all that is in it."""
        self._api.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", f"--timeout={TIMEOUT:.0f}s")

    def clean_up(self, name: str) -> str:
        """Run the CronJob's Job now, under this name; its output. If the Job fails, raise AssertionError."""
        self.kubectl("create", "job", f"--from={CLEANER}", name)
        where = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs/{name}"
        wait_until(lambda: _has_ended(self._admin.get(where)), TIMEOUT, f"the end of Job {name}")
        said = self.kubectl("logs", f"job/{name}")
        assert self._admin.get(where)["status"].get("succeeded") == 1, said
        return said

    # ---- what is in the cluster

    def agents(self) -> dict[str, Object]:
        """The agent pod of each node; during a rollout with surge one of two."""
        return {pod["spec"]["nodeName"]: pod for pod in self.agent_pods() if pod["spec"].get("nodeName")}

    def agent_pods(self) -> list[Object]:
        """All agent pods that are not being deleted."""
        pods = self._admin.list(PODS, labelSelector=_selector(contract.AGENT_SELECTOR))
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def services(self) -> dict[str, Object]:
        """The Services that carry our label, by name."""
        found = self._admin.list(SERVICES, labelSelector=_selector(dict([contract.MANAGED_BY])))
        return {each["metadata"]["name"]: each for each in found}

    def registered(self) -> dict[str, Object]:
        """The fields of Services that registrars set, by the Service's name."""
        keys = ("selector", "ports", "type")
        return {
            name: {"labels": each["metadata"]["labels"], **{key: each["spec"][key] for key in keys}}
            for name, each in self.services().items()
        }

    def await_registered(self, right: Mapping[str, Object]) -> float:
        """Wait until `registered` gives `right` again; the seconds that it took."""
        began = time.monotonic()
        wait_until(lambda: self.registered() == right, TIMEOUT, f"the Services {sorted(right)} as they were")
        return time.monotonic() - began

    def cluster_ips(self) -> dict[str, str]:
        """The addresses of the Services of Nodes that exist."""
        names = [contract.service_name(node["metadata"]["name"]) for node in self._admin.list(NODES)]
        return {name: each["spec"]["clusterIP"] for name, each in self.services().items() if name in names}

    def endpoints(self, node: str) -> list[Object]:
        """The ready endpoints of a node's Service."""
        return self.endpoints_of(contract.service_name(node))

    def endpoints_of(self, service: str) -> list[Object]:
        """The ready endpoints of a Service."""
        slices = self._admin.list(SLICES, labelSelector=f"kubernetes.io/service-name={service}")
        return [each for part in slices for each in part["endpoints"] or [] if each["conditions"]["ready"]]

    def restarts(self, node: str) -> tuple[str, dict[str, int]]:
        """Uid of a node's agent pod, and how often each of its containers was restarted."""
        pod = self.agents()[node]
        statuses = [*pod["status"]["initContainerStatuses"], *pod["status"]["containerStatuses"]]
        return pod["metadata"]["uid"], {each["name"]: each["restartCount"] for each in statuses}

    def last_message(self, pod: str) -> str:
        """The message of the registrar's last state, "" if there is none."""
        status = self._admin.get(f"{PODS}/{pod}")["status"]
        (registrar,) = status.get("initContainerStatuses") or [{}]
        return str(registrar.get("lastState", {}).get("terminated", {}).get("message", ""))


def _selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items())


def _ready_for(pod: Object) -> float:
    """Seconds since the pod became ready; 0 if it is not."""
    for each in pod["status"].get("conditions", ()):
        if (each["type"], each["status"]) == ("Ready", "True"):
            return (datetime.now(UTC) - datetime.fromisoformat(each["lastTransitionTime"])).total_seconds()
    return 0.0


def _has_ended(job: Object) -> bool:
    """Whether the Job is complete or has failed. Other conditions come before the pods are counted."""
    return any(each["type"] in ("Complete", "Failed") for each in job["status"].get("conditions", ()))
