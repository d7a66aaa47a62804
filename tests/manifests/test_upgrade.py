"""The commands in docs/migration.md and docs/get-started.md on a real API server: upgrade, switch, uninstall."""

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from registrar import contract
from tests.api.test_another_daemonset import Stack
from tests.docs.blocks import PAGES, SERVER, UPGRADE, commands
from tests.harness import chart
from tests.harness.apiserver import ApiServer
from tests.harness.client import Object
from tests.harness.cluster import NAMESPACE, NODES, PODS, SERVICES, Cluster
from tests.harness.features import Feature, adapted
from tests.harness.processes import wait_until
from tests.harness.versions import minor_of

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NAMES = ("node-bj-01", "node-sh-01")
OCI = "oci://ghcr.io/nodeproxy/charts/nodeproxy"
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
    """A server for each test, because they delete a namespace. Its controllers finish deletions."""
    with ApiServer() as server, server.controller("garbagecollector,namespace"):
        yield server


class Documented:
    """Runs the commands in one section of these pages."""

    def __init__(self, api: ApiServer, scratch: Path) -> None:
        self._api = api
        self._scratch = scratch

    def __call__(self, title: str) -> list[str]:
        """Run all commands of the section with this heading; the command lines."""
        found = [block for page in PAGES for block in commands(page, UPGRADE, heading=title)]
        lines = [line for block in found for line in block.text.splitlines()]
        assert lines, title
        for line in lines:
            program, *arguments = shlex.split(line)
            {"kubectl": self._kubectl, "helm": self._helm}[program](arguments)
        return lines

    def install(self) -> None:
        """Run what the page says for an installation without Helm."""
        self("Install")

    def _kubectl(self, arguments: list[str]) -> None:
        given = [self._for_server(each) if each.endswith(".yaml") else each for each in arguments]
        if "POD" in given:
            given[given.index("POD")] = self._api.admin.list(PODS)[0]["metadata"]["name"]
        if "rollout" in given:
            finish_rollout(self._api)
        # without a timeout kubectl would wait for ever
        self._api.kubectl(*given, *(["--timeout=60s"] if {"delete", "rollout"} & {*given} else []))

    def _helm(self, arguments: list[str]) -> None:
        given = [str(chart.CHART) if each == OCI else each for each in arguments]
        chart.helm(*given, f"--kubeconfig={self._api.admin_kubeconfig}")

    def _for_server(self, named: str) -> str:
        """A copy of the manifest that the server takes."""
        source = HERE / named if "/" not in named else ROOT / named
        copy = self._scratch / source.name
        if source.name == "install.yaml":  # the page says how to make one for an older release
            namespace = (ROOT / "manifests/namespace.yaml").read_text()
            copy.write_text(namespace + chart.text(kubernetes=minor_of(self._api.version)))
        else:
            copy.write_text(adapted(source.read_text(), self._api.version))
        return str(copy)


@pytest.fixture
def documented(api: ApiServer, tmp_path: Path) -> Documented:
    return Documented(api, tmp_path)


HOW = {
    "apply": ["apply"],
    "create": ["create"],
    "server-side": ["apply", "--server-side"],
    "console": ["create", "--field-manager=dashboard"],
}


def hand_roll(api: ApiServer, scratch: Path, how: str = "apply") -> dict[str, Object]:
    """Install the hand-rolled stack with two nodes, which its ServiceAccount registers; the Services."""
    manifest = scratch / "hand-rolled-stack.yaml"
    manifest.write_text(adapted((HERE / manifest.name).read_text(), api.version))
    api.kubectl(*HOW[how], "-f", str(manifest))
    config = api.token_kubeconfig(api.service_account_token(NAMESPACE, "nodeproxy-manager"), NAMESPACE)
    cluster = Cluster.without_rights(api)  # they come with the upgrade
    for node in NAMES:
        cluster.node(node)
        old_pod(api, node)
        patch = f'[{{"op": "add", "path": "/metadata/labels/target-node", "value": "{node}"}}]'
        api.kubectl("patch", "pod", f"old-{node}", "-n", NAMESPACE, "--type=json", "-p", patch, kubeconfig=config)
        api.kubectl("apply", "-f", "-", input=OLD_SERVICE.format(node=node), kubeconfig=config)
    return services(api)


def old_pod(api: ApiServer, node: str) -> None:
    """Create the Pod that the DaemonSet controller and the scheduler make from the old template."""
    agent = api.admin.get(AGENT)["metadata"]
    owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": agent["name"], "uid": agent["uid"]}
    meta = {
        "name": f"old-{node}",
        "labels": {"app": "nodeproxy-agent", "pod-template-generation": "1"},
        "ownerReferences": [{**owner, "controller": True}],
    }
    spec = {
        "nodeName": node,
        "serviceAccountName": "nodeproxy-manager",
        "containers": [{"name": "proxy", "image": "tinyproxy"}],
    }
    api.admin.create(PODS, {"kind": "Pod", "metadata": meta, "spec": spec})


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


def assert_ours(api: ApiServer) -> None:
    """All objects are as the chart has them, and the pod templates have nothing besides."""
    agent = api.admin.get(AGENT)
    pod = agent["spec"]["template"]["spec"]
    wanted = chart.template(chart.render(kubernetes=minor_of(api.version)), "DaemonSet")["spec"]
    for kind in ("initContainers", "containers", "volumes"):
        assert [each["name"] for each in pod[kind]] == [each["name"] for each in wanted[kind]]
    [registrar], [proxy] = pod["initContainers"], pod["containers"]
    assert "args" not in proxy
    assert "command" not in registrar
    assert [each["name"] for each in registrar["env"]] == [each["name"] for each in wanted["initContainers"][0]["env"]]
    assert pod["serviceAccountName"] == "nodeproxy-registrar"
    cleaner = yaml.safe_load(api.kubectl("-n", NAMESPACE, "get", "cronjob", "nodeproxy-cleaner", "-o", "yaml").stdout)
    job = cleaner["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert [each["name"] for each in job["containers"]] == ["janitor"]
    assert job["restartPolicy"] == "Never"


def pods(api: ApiServer) -> set[str]:
    return {each["metadata"]["name"] for each in api.admin.list(PODS) if "deletionTimestamp" not in each["metadata"]}


@pytest.mark.parametrize(("section", "how"), [*(("Upgrade", how) for how in HOW), ("Upgrade with kubectl", "console")])
def test_an_upgrade_keeps_every_service_and_pod(
    api: ApiServer, documented: Documented, tmp_path: Path, section: str, how: str
) -> None:
    before = hand_roll(api, tmp_path, how)

    documented(section)

    assert_ours(api)
    assert identities(services(api)) == identities(before)
    assert pods(api) == {f"old-{node}" for node in NAMES}  # until the DaemonSet controller replaces them


def test_the_chart_is_not_installed_over_an_older_stack(api: ApiServer, tmp_path: Path) -> None:
    """It says what to do and changes nothing."""
    hand_roll(api, tmp_path)
    before = versions_of_objects(api)
    install = ("install", chart.RELEASE, str(chart.CHART), f"--namespace={NAMESPACE}", "--take-ownership")

    with pytest.raises(chart.RefusedError, match="delete daemonset nodeproxy-agent --cascade=orphan"):
        chart.helm(*install, f"--kubeconfig={api.admin_kubeconfig}")

    assert versions_of_objects(api) == before


def versions_of_objects(api: ApiServer) -> dict[str, str]:
    columns = "-o=custom-columns=:kind,:metadata.name,:metadata.resourceVersion"
    printed = api.kubectl("get", "daemonset,cronjob,service,serviceaccount,secret,configmap", "-n", NAMESPACE, columns)
    return {" ".join(line.split()[:2]): line.split()[2] for line in printed.stdout.splitlines() if line.strip()}


@pytest.mark.needs(Feature.PRE_STOP_SLEEP)
def test_an_old_pod_goes_when_the_new_one_of_its_node_is_ready(
    api: ApiServer, documented: Documented, tmp_path: Path
) -> None:
    """With the real DaemonSet controller. The test sets the new pod's status, as kubelet would."""
    hand_roll(api, tmp_path)
    old = {f"old-{node}" for node in NAMES}
    for node in NAMES:
        labels = {"kubernetes.io/os": "linux"}
        api.admin.patch(f"{NODES}/{node}", {"metadata": {"labels": labels}, "spec": {"taints": None}})  # a Ready node
        be_ready(api, f"old-{node}")
    documented("Upgrade")
    with api.controller("daemonset"):
        [new] = wait_until(lambda: pods(api) - old, 60, "a new pod")
        assert old < pods(api)
        uid = api.admin.get(AGENT)["metadata"]["uid"]
        owners = {each["metadata"]["ownerReferences"][0]["uid"] for each in api.admin.list(PODS)}
        assert owners == {uid}

        [term] = node_terms(api.admin.get(f"{PODS}/{new}"))
        bind(api, new, term)
        be_ready(api, new)
        wait_until(lambda: f"old-{term}" not in pods(api), 60, "the end of the old pod")


def node_terms(pod: Object) -> list[str]:
    """The node that the DaemonSet controller wants the pod on."""
    affinity = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    return [str(name) for term in affinity["nodeSelectorTerms"] for name in term["matchFields"][0]["values"]]


def bind(api: ApiServer, pod: str, node: str) -> None:
    """As the scheduler does."""
    target = {"apiVersion": "v1", "kind": "Node", "name": node}
    body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod}, "target": target}
    api.admin.create(f"{PODS}/{pod}/binding", body)


def be_ready(api: ApiServer, pod: str) -> None:
    """As kubelet says."""
    since = "2026-01-01T00:00:00Z"
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": since}
    api.admin.patch(f"{PODS}/{pod}/status", {"status": {"phase": "Running", "conditions": [condition]}})


def test_new_pods_adopt_the_old_services(api: ApiServer, documented: Documented, tmp_path: Path) -> None:
    before = hand_roll(api, tmp_path)
    documented("Upgrade")
    documented("What is left over")
    cluster = Cluster.without_rights(api)
    for node in NAMES:
        run = cluster.registrar(cluster.pod(node))
        assert run.code == 0, run.err

    assert identities(services(api)) == identities(before)
    for node in NAMES:
        service = cluster.service_of(node)
        assert service["metadata"]["annotations"]["nodeproxy/node-name"] == node
        assert [each["port"] for each in service["spec"]["ports"]] == [8888]


def test_nothing_of_the_old_stack_is_left(api: ApiServer, documented: Documented, tmp_path: Path) -> None:
    """Each of its objects either belongs to our manifests now or is deleted by the commands."""
    hand_roll(api, tmp_path)
    documented("Upgrade with kubectl")
    old, ours = (
        {(each["kind"], each["metadata"]["name"]) for each in objects}
        for objects in (
            yaml.safe_load_all((HERE / "hand-rolled-stack.yaml").read_text()),
            [
                *chart.render(kubernetes=minor_of(api.version)),
                yaml.safe_load((ROOT / "manifests/namespace.yaml").read_text()),
            ],
        )
    )

    commands = documented("What is left over")

    for kind, name in old - ours:
        assert any(kind.lower() in command and name in command for command in commands)
        assert api.kubectl("get", kind, name, "-n", NAMESPACE, check=False).returncode
    for kind, name in ours:
        api.kubectl("get", kind, name, "-n", NAMESPACE)


def test_the_way_back_to_the_old_stack(api: ApiServer, documented: Documented, tmp_path: Path) -> None:
    before = hand_roll(api, tmp_path)
    documented("Upgrade")

    documented("Back to the hand-rolled stack")

    pod = api.admin.get(AGENT)["spec"]["template"]["spec"]
    assert [each["name"] for each in (*pod["initContainers"], *pod["containers"])] == ["auto-registrar", "proxy"]
    assert identities(services(api)) == identities(before)
    assert pods(api) == {f"old-{node}" for node in NAMES}


def test_the_saved_file_brings_the_old_stack_back_too(api: ApiServer, documented: Documented, tmp_path: Path) -> None:
    """Although the registrars have changed the Services meanwhile."""
    hand_roll(api, tmp_path)
    [save, *_] = commands("docs/migration.md", SERVER, heading="Check before you start")
    program, *arguments = shlex.split(save.text)
    assert (program, *arguments[-2:]) == ("kubectl", ">", "before.yaml")
    saved = tmp_path / "before.yaml"
    saved.write_text(api.kubectl(*arguments[:-2]).stdout)
    documented("Upgrade")
    cluster = Cluster.without_rights(api)
    for node in NAMES:
        assert cluster.registrar(cluster.pod(node)).code == 0
    helm(api, "uninstall", chart.RELEASE, "--cascade=orphan")

    api.kubectl("apply", "-f", str(saved))

    pod = api.admin.get(AGENT)["spec"]["template"]["spec"]
    assert [each["name"] for each in (*pod["initContainers"], *pod["containers"])] == ["auto-registrar", "proxy"]


def with_0_1_0(api: ApiServer, scratch: Path) -> None:
    manifest = scratch / "old.yaml"
    manifest.write_text(adapted((HERE / "install-0.1.0.yaml").read_text(), api.version))
    api.kubectl("apply", "-f", str(manifest))


def registered(api: ApiServer) -> dict[str, Object]:
    """The Services of two nodes, by the registrar."""
    cluster = Cluster.without_rights(api)
    for node in NAMES:
        cluster.node(node)
        run = cluster.registrar(cluster.pod(node))
        assert run.code == 0, run.err
    return services(api)


@pytest.mark.parametrize("section", ["From the kustomize manifests", "Upgrade with kubectl"])
def test_0_1_0_is_upgraded(api: ApiServer, documented: Documented, tmp_path: Path, section: str) -> None:
    with_0_1_0(api, tmp_path)
    before = registered(api)

    documented(section)

    assert_ours(api)
    assert identities(services(api)) == identities(before)


def test_the_way_from_kubectl_to_helm_and_back(api: ApiServer, documented: Documented) -> None:
    documented.install()
    before = registered(api)

    documented("From install.yaml to the chart")
    assert_ours(api)
    changed = ("--set=agent.maxParallel=3,registrar.settings.REGISTRAR_TIMEOUT=9s",)
    helm(api, "upgrade", chart.RELEASE, str(chart.CHART), *changed)
    assert "3" in str(api.admin.get(AGENT)["spec"]["updateStrategy"])
    helm(api, "rollback", chart.RELEASE)
    assert_ours(api)

    documented("From the chart to install.yaml")
    assert_ours(api)
    assert identities(services(api)) == identities(before)
    assert helm(api, "list", "--short") == ""


def test_a_service_under_an_older_name_and_labels_of_the_old_form_go(api: ApiServer, documented: Documented) -> None:
    documented.install()
    old = "nodeproxy-access-a-b-2e7336dc8e"
    api.admin.create(SERVICES, {"kind": "Service", "metadata": {"name": old}, "spec": {"ports": [{"port": 8888}]}})
    kept = registered(api).keys() - {old}

    documented("Services under an older name")

    assert services(api).keys() == kept
    first, second = api.admin.list(PODS)
    assert contract.NODE_LABEL not in first["metadata"]["labels"]
    assert contract.NODE_LABEL in second["metadata"]["labels"]


def helm(api: ApiServer, *arguments: str) -> str:
    return chart.helm(*arguments, f"--namespace={NAMESPACE}", f"--kubeconfig={api.admin_kubeconfig}")


def test_a_rollback_brings_objects_back_and_takes_new_ones_away(api: ApiServer) -> None:
    api.ensure_namespace(NAMESPACE)
    helm(api, "install", chart.RELEASE, str(chart.CHART))
    before = everything(api)
    helm(api, "upgrade", chart.RELEASE, str(chart.CHART), "--set=janitor.kind=Deployment,networkPolicy.enabled=true")
    assert "deployment.apps/nodeproxy-janitor" in everything(api)
    assert "cronjob.batch/nodeproxy-cleaner" not in everything(api)

    helm(api, "rollback", chart.RELEASE)

    assert {each for each in everything(api) if "secret" not in each} == {
        each for each in before if "secret" not in each
    }


@pytest.mark.parametrize("way", ["Uninstall with Helm", "Uninstall with kubectl"])
def test_uninstalling_removes_what_is_ours_and_nothing_else(api: ApiServer, documented: Documented, way: str) -> None:
    api.ensure_namespace(NAMESPACE)
    api.admin.create(SERVICES, {"kind": "Service", "metadata": {"name": "theirs"}, "spec": {"ports": [{"port": 80}]}})
    before = everything(api)
    if way == "Uninstall with Helm":
        helm(api, "install", chart.RELEASE, str(chart.CHART))
    else:
        documented.install()
    registered(api)
    assert len(services(api)) == 1 + len(NAMES)
    for node in NAMES:
        api.admin.delete(f"{NODES}/{node}")
    api.admin.delete(PODS, {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})

    documented(way)

    assert everything(api) == before


def test_the_namespace_goes_with_all_that_is_in_it(api: ApiServer, documented: Documented) -> None:
    before = everything(api)
    documented.install()
    documented("Uninstall with kubectl")
    documented("Delete the namespace")

    assert everything(api) == before


@pytest.mark.needs(Feature.PRE_STOP_SLEEP)
def test_manifests_that_were_moved_to_another_namespace_do_not_register(api: ApiServer, tmp_path: Path) -> None:
    """kustomize does not change what the admission policies compare, so such pods must not work without them."""
    kustomization = {"namespace": "elsewhere", "resources": ["manifests"]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    shutil.copytree(ROOT / "manifests", tmp_path / "manifests", ignore=shutil.ignore_patterns("chart", "examples"))
    objects = [*yaml.safe_load_all(api.kubectl("kustomize", str(tmp_path)).stdout)]

    api.kubectl("apply", "-f", "-", input=adapted(yaml.safe_dump_all(objects), api.version))
    cluster = Cluster(api)
    cluster.node(NAMES[0])
    stack = Stack(api, cluster, objects, "elsewhere")

    run = stack.registrar(stack.pod(NAMES[0]))

    assert run.code == 2
    assert f"'{NAMESPACE}', but the token is bound to a pod of namespace 'elsewhere'" in run.last_line
    assert stack.services() == []


def everything(api: ApiServer) -> set[str]:
    """All objects except those that come and go by themselves."""
    kinds = api.kubectl("api-resources", "--verbs=list", "-o", "name").stdout.split()
    lasting = sorted(kind for kind in kinds if not kind.startswith(("events", "leases", "componentstatuses")))
    return set(api.kubectl("get", ",".join(lasting), "-A", "-o", "name").stdout.split())
