"""The commands in docs/migration.md and docs/uninstalling.md on a real API server: upgrade, clean up, uninstall."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness.apiserver import ApiServer
from tests.harness.client import Object
from tests.harness.cluster import NAMESPACE, SERVICES, Cluster
from tests.harness.features import adapted

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NODES = ("node-bj-01", "node-sh-01")
AGENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets/nodeproxy-agent"
OLD_SERVICE = """
apiVersion: v1
kind: Service
metadata:
  name: nodeproxy-access-{node}
  namespace: project-nodeproxy
  labels:
    app: nodeproxy-system
    type: access-point
    managed-by: nodeproxy-daemonset
spec:
  type: ClusterIP
  selector:
    app: nodeproxy-agent
    target-node: {node}
  ports:
  - port: 8888
    targetPort: 8888
    protocol: TCP
"""


@pytest.fixture
def api() -> Iterator[ApiServer]:
    """A server for each test, because they delete a namespace that other tests need."""
    with ApiServer() as server:
        yield server


@pytest.fixture
def documented(api: ApiServer, tmp_path: Path) -> Any:
    """Runs the commands in one section of these pages."""
    text = "".join((ROOT / "docs" / page).read_text() for page in ("migration.md", "uninstalling.md"))
    sections = re.split(r"^##? ", text, flags=re.MULTILINE)

    def run(title: str) -> list[str]:
        [section] = [each for each in sections if each.startswith(f"{title}\n")]
        block: str = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)[0]
        for line in block.splitlines():
            program, *arguments = shlex.split(line)
            assert program == "kubectl"
            given = [for_server(api, ROOT / each, tmp_path) if each.endswith(".yaml") else each for each in arguments]
            # without a timeout kubectl would wait for ever
            api.kubectl(*given, *(["--timeout=60s"] if "delete" in given or "rollout" in given else []))
        return list(block.splitlines())

    return run


def for_server(api: ApiServer, manifest: Path, scratch: Path) -> str:
    """A copy of the manifest that the server takes."""
    copy = scratch / manifest.name
    copy.write_text(adapted(manifest.read_text(), api.version))
    return str(copy)


def hand_roll(api: ApiServer, scratch: Path) -> dict[str, Object]:
    """Install the hand-rolled stack with two nodes, which its ServiceAccount registers; the Services."""
    api.kubectl("apply", "-f", for_server(api, HERE / "hand-rolled-stack.yaml", scratch))
    config = api.token_kubeconfig(api.service_account_token(NAMESPACE, "nodeproxy-manager"), NAMESPACE)
    cluster = Cluster.__new__(Cluster)  # without our RBAC: that comes with the upgrade
    cluster.api, cluster.admin = api, api.admin
    for node in NODES:
        cluster.node(node)
        api.admin.create(
            f"/api/v1/namespaces/{NAMESPACE}/pods",
            {
                "kind": "Pod",
                "metadata": {"name": f"old-{node}", "labels": {"app": "nodeproxy-agent"}},
                "spec": {
                    "nodeName": node,
                    "serviceAccountName": "nodeproxy-manager",
                    "containers": [{"name": "proxy", "image": "tinyproxy"}],
                },
            },
        )
        patch = f'[{{"op": "add", "path": "/metadata/labels/target-node", "value": "{node}"}}]'
        api.kubectl("patch", "pod", f"old-{node}", "-n", NAMESPACE, "--type=json", "-p", patch, kubeconfig=config)
        api.kubectl("apply", "-f", "-", input=OLD_SERVICE.format(node=node), kubeconfig=config)
    return services(api)


def services(api: ApiServer) -> dict[str, Object]:
    return {each["metadata"]["name"]: each for each in api.admin.list(SERVICES)}


def identities(found: dict[str, Object]) -> dict[str, tuple[str, str]]:
    return {name: (each["metadata"]["uid"], each["spec"]["clusterIP"]) for name, each in found.items()}


def finish_rollout(api: ApiServer) -> None:
    """Set the status that the DaemonSet controller reports at the end of a rollout."""
    generation = api.admin.get(AGENT)["metadata"]["generation"]
    counts = dict.fromkeys(("desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable", "numberReady"), 2)
    status = {"observedGeneration": generation, "currentNumberScheduled": 2, "numberMisscheduled": 0, **counts}
    api.admin.patch(f"{AGENT}/status", {"status": status})


def test_an_upgrade_keeps_every_service(api: ApiServer, documented: Any, tmp_path: Path) -> None:
    before = hand_roll(api, tmp_path)
    was = api.admin.get(AGENT)
    api.kubectl("apply", "-f", for_server(api, ROOT / "manifests/install.yaml", tmp_path))
    finish_rollout(api)

    documented("Upgrade")

    now = api.admin.get(AGENT)
    assert now["metadata"]["uid"] == was["metadata"]["uid"]
    pod = now["spec"]["template"]["spec"]
    assert [each["name"] for each in pod["initContainers"]] == ["registrar"]
    assert [each["name"] for each in pod["containers"]] == ["proxy"]
    assert "args" not in pod["containers"][0]
    assert pod["serviceAccountName"] == "nodeproxy-registrar"
    assert identities(services(api)) == identities(before)


def test_new_pods_adopt_the_old_services(api: ApiServer, documented: Any, tmp_path: Path) -> None:
    before = hand_roll(api, tmp_path)
    api.kubectl("apply", "-f", for_server(api, ROOT / "manifests/install.yaml", tmp_path))
    documented("What is left over")
    cluster = Cluster(api)
    for node in NODES:
        run = cluster.registrar(cluster.pod(node))
        assert run.code == 0, run.err

    assert identities(services(api)) == identities(before)
    for node in NODES:
        service = cluster.service_of(node)
        assert service["metadata"]["annotations"]["nodeproxy/node-name"] == node
        assert [each["port"] for each in service["spec"]["ports"]] == [8888]


def test_nothing_of_the_old_stack_is_left(api: ApiServer, documented: Any, tmp_path: Path) -> None:
    """Each of its objects either belongs to our manifests now or is deleted by the commands."""
    hand_roll(api, tmp_path)
    api.kubectl("apply", "-f", for_server(api, ROOT / "manifests/install.yaml", tmp_path))
    old, ours = (
        {(each["kind"], each["metadata"]["name"]) for each in yaml.safe_load_all(path.read_text())}
        for path in (HERE / "hand-rolled-stack.yaml", ROOT / "manifests/install.yaml")
    )

    commands = documented("What is left over")

    for kind, name in old - ours:
        assert any(kind.lower() in command and name in command for command in commands)
        assert api.kubectl("get", kind, name, "-n", NAMESPACE, check=False).returncode
    for kind, name in ours:
        api.kubectl("get", kind, name, "-n", NAMESPACE)


def test_uninstalling_leaves_nothing(api: ApiServer, documented: Any, tmp_path: Path) -> None:
    """With the real namespace controller, which deletes the objects in a namespace."""
    before = everything(api)
    api.kubectl("apply", "-f", for_server(api, ROOT / "manifests/install.yaml", tmp_path))
    cluster = Cluster(api)
    cluster.register("node-bj-01")
    cluster.lose("node-bj-01")  # kubelet would delete its pods; the Service stays
    with api.controller("namespace"):
        documented("Uninstalling")  # waits until the namespace is gone

    assert everything(api) == before


def test_uninstalling_can_keep_the_namespace_and_objects_of_others(
    api: ApiServer, documented: Any, tmp_path: Path
) -> None:
    api.ensure_namespace(NAMESPACE)
    foreign = {"kind": "Service", "metadata": {"name": "theirs"}, "spec": {"ports": [{"port": 80}]}}
    api.admin.create(SERVICES, foreign)
    before = everything(api)
    api.kubectl("apply", "-f", for_server(api, ROOT / "manifests/install.yaml", tmp_path))
    cluster = Cluster(api)
    cluster.register("node-bj-01")
    cluster.lose("node-bj-01")
    with api.controller("garbagecollector"):
        documented("Keeping the namespace")  # waits until the DaemonSet's pods are gone

    left = everything(api) - before
    assert [name.rpartition("-")[0] for name in left] == ["configmap/nodeproxy-tinyproxy"]
    assert before <= everything(api)


def everything(api: ApiServer) -> set[str]:
    """All objects except those that come and go by themselves."""
    kinds = api.kubectl("api-resources", "--verbs=list", "-o", "name").stdout.split()
    lasting = sorted(kind for kind in kinds if not kind.startswith(("events", "leases", "componentstatuses")))
    return set(api.kubectl("get", ",".join(lasting), "-A", "-o", "name").stdout.split())
