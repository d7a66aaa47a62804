"""nodeproxy in the cluster: our manifests applied as a user would, and what came of them."""

import json
import os
from collections.abc import Mapping

from registrar import contract
from tests.e2e.cluster import Cluster
from tests.e2e.parts import TOOLBOX
from tests.harness.client import Object
from tests.harness.cluster import NAMESPACE, PODS, ROOT, SERVICES
from tests.harness.processes import wait_until

SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
AGENT, CLEANER = "daemonset/nodeproxy-agent", "cronjob/nodeproxy-cleaner"
TIMEOUT = 120.0  # seconds for what takes a few, on a busy machine


class Stack:
    """Nothing is applied until `apply`."""

    def __init__(self, cluster: Cluster) -> None:
        self._admin = cluster.admin
        self._api = cluster.api
        self._images = cluster.registry.images
        self.manifests = self._render()

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """kubectl in our namespace, as cluster-admin; its standard output."""
        return self._api.kubectl(f"--namespace={NAMESPACE}", *args, input=stdin).stdout

    # ---- what users do

    def apply(self) -> None:
        self.kubectl("apply", "-f", "-", stdin=self.manifests)

    def await_rolled_out(self) -> None:
        self.kubectl("rollout", "status", AGENT, f"--timeout={TIMEOUT:.0f}s")

    def patch_agent(self, strategy: str, variable: Mapping[str, str]) -> None:
        """Change the DaemonSet's update strategy and one variable of the registrar, by a strategic merge patch."""
        template = {"spec": {"initContainers": [{"name": "registrar", "env": [variable]}]}}
        rolling = {} if strategy == "RollingUpdate" else {"rollingUpdate": None}
        patch = {"spec": {"updateStrategy": {"type": strategy, **rolling}, "template": template}}
        self.kubectl("patch", AGENT, f"--patch={json.dumps(patch)}")

    def remove(self) -> None:
        """The namespace and all that is in it."""
        self._api.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", f"--timeout={TIMEOUT:.0f}s")

    def clean_up(self, name: str) -> str:
        """Run the CronJob's Job now, under this name; what it printed. Its failure is an AssertionError."""
        self.kubectl("create", "job", f"--from={CLEANER}", name)
        where = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs/{name}"
        wait_until(lambda: self._admin.get(where)["status"].get("conditions"), TIMEOUT, f"the end of Job {name}")
        said = self.kubectl("logs", f"job/{name}")
        assert self._admin.get(where)["status"].get("succeeded") == 1, said
        return said

    # ---- what there is

    def agents(self) -> dict[str, Object]:
        """The agent pods that are not being deleted, by node."""
        pods = self._admin.list(PODS, labelSelector=_selector(contract.AGENT_SELECTOR))
        return {
            pod["spec"]["nodeName"]: pod
            for pod in pods
            if pod["spec"].get("nodeName") and "deletionTimestamp" not in pod["metadata"]
        }

    def services(self) -> dict[str, Object]:
        """The Services that carry our label, by name."""
        found = self._admin.list(SERVICES, labelSelector=_selector(dict([contract.MANAGED_BY])))
        return {each["metadata"]["name"]: each for each in found}

    def cluster_ips(self) -> dict[str, str]:
        return {name: service["spec"]["clusterIP"] for name, service in self.services().items()}

    def endpoints(self, node: str) -> list[Object]:
        """The ready endpoints of a node's Service."""
        slices = self._admin.list(SLICES, labelSelector=f"kubernetes.io/service-name={contract.service_name(node)}")
        return [each for part in slices for each in part["endpoints"] or [] if each["conditions"]["ready"]]

    def last_words(self, pod: str) -> str:
        """The message of the registrar's last state, "" where there was none."""
        status = self._admin.get(f"{PODS}/{pod}")["status"]
        (registrar,) = status.get("initContainerStatuses") or [{}]
        return str(registrar.get("lastState", {}).get("terminated", {}).get("message", ""))

    def _render(self) -> str:
        """What `kubectl apply -k` would apply."""
        (self._api.folder / "kustomization.yaml").write_text(self._kustomization())
        return self._api.kubectl("kustomize", str(self._api.folder)).stdout

    def _kustomization(self) -> str:
        """The manifests as a user has them, with the images of our registry: ours by digest, tinyproxy from Debian."""
        names = {f"ghcr.io/nodeproxy/{each}": reference for each, reference in self._images.items()}
        images = [
            dict(zip(("name", "newName", "digest"), (name, *ref.split("@")), strict=True))
            for name, ref in names.items()
        ]
        toolbox, _, tag = TOOLBOX.rpartition(":")
        images.append({"name": "docker.io/kalaksi/tinyproxy", "newName": toolbox, "newTag": tag})
        base = os.path.relpath(ROOT / "manifests" / "base", self._api.folder.resolve())
        return json.dumps({"resources": [base], "images": images})


def _selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items())
