"""Both images in a real container: in-cluster access to a real API server, read-only root, no capabilities."""

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
import yaml

from registrar import contract
from tests.harness.apiserver import ApiServer
from tests.harness.client import Object
from tests.harness.cluster import JANITOR, NAMESPACE, REGISTRAR, Cluster, Run
from tests.harness.gateway import Gateway
from tests.harness.pki import CertificateAuthority
from tests.harness.processes import free_ports, wait_until
from tests.images.runtime import SECRETS, Image, Secrets

NODE = "node-bj-01"
MakeSecrets = Callable[..., Secrets]


def server(url: str) -> dict[str, str]:
    """The variables that kubelet sets in every container."""
    where = urlsplit(url)
    return {"KUBERNETES_SERVICE_HOST": str(where.hostname), "KUBERNETES_SERVICE_PORT": str(where.port)}


def pod_env(pod: Object) -> dict[str, str]:
    """The variables that the downward API sets."""
    meta = pod["metadata"]
    return {
        "NODE_NAME": pod["spec"]["nodeName"],
        "POD_NAME": meta["name"],
        "POD_NAMESPACE": meta["namespace"],
        "POD_UID": meta["uid"],
    }


def token(cluster: Cluster, pod: Object) -> str:
    meta = pod["metadata"]
    return cluster.api.service_account_token(NAMESPACE, REGISTRAR, pod=(meta["name"], meta["uid"]))


@pytest.fixture
def pod(cluster: Cluster) -> Object:
    cluster.node(NODE)
    return cluster.pod(NODE)


@pytest.fixture
def start(cluster: Cluster, pod: Object, registrar: Image) -> Callable[..., Run]:
    """Runs the registrar's image as `pod`'s init container, with these secrets."""

    def run(secrets: Secrets, *flags: str, url: str = "", **env: str) -> Run:
        env = {**server(url or cluster.api.url), **pod_env(pod), **env}
        return registrar.run(*flags, env=env, mounts={secrets.folder: SECRETS})

    return run


def ca(cluster: Cluster) -> str:
    return cluster.api.ca_file.read_text()


def test_the_registrars_image_registers(
    cluster: Cluster, pod: Object, start: Callable[..., Run], secrets: MakeSecrets
) -> None:
    run = start(secrets(token=token(cluster, pod), ca_crt=ca(cluster), namespace=NAMESPACE))

    assert run.code == 0, run.err
    assert cluster.pod_labels(pod)["target-node"] == NODE
    assert cluster.service_of(NODE)["spec"]["selector"] == {"app": "nodeproxy-agent", "target-node": NODE}


def test_a_registration_in_a_pod_loads_only_what_it_needs(
    cluster: Cluster, pod: Object, start: Callable[..., Run], secrets: MakeSecrets
) -> None:
    """Imports take most of the start. In a pod there are no kubeconfig, flags and output to import modules for."""
    mounted = secrets(token=token(cluster, pod), ca_crt=ca(cluster), namespace=NAMESPACE)
    run = start(mounted, PYTHONPROFILEIMPORTTIME="1")

    assert run.code == 0, run.err
    loaded = {line.rpartition("|")[2].strip() for line in run.err.splitlines() if line.startswith("import time:")}
    assert {"registrar.kube.transport", "urllib3.connectionpool"} <= loaded  # otherwise the next line proves nothing
    assert not loaded & {"yaml", "argparse", "kubernetes.config.kube_config", "kubernetes.client.models"}
    assert not loaded & {"certifi", "ipaddress", "pathlib"}


def test_a_sidecar_needs_little_memory_and_ends_within_a_second(
    cluster: Cluster, pod: Object, registrar: Image, secrets: MakeSecrets
) -> None:
    mounted = secrets(token=token(cluster, pod), ca_crt=ca(cluster), namespace=NAMESPACE)
    [port] = free_ports(1)
    stay = {"REGISTRAR_RESYNC": "200ms", "REGISTRAR_HEALTH_PORT": str(port)}
    env = {**server(cluster.api.url), **pod_env(pod), **stay}
    mark = cluster.api.audit_mark()
    with registrar.started(env=env, mounts={mounted.folder: SECRETS}) as container:
        wait_until(lambda: _registrations(cluster, mark) >= 20, 60, "twenty registrations")
        peak = container.peak()
        container.ask_to_end()
        asked = time.monotonic()
        run = container.end()

    assert time.monotonic() - asked < 1
    assert run.code == 0, run.err
    assert peak <= 40e6, peak


def _registrations(cluster: Cluster, mark: int) -> int:
    return len(cluster.api.requests_since(mark, user_agent="nodeproxy-registrar")) // 3


def test_a_dry_run_prints_both_objects(
    cluster: Cluster, pod: Object, start: Callable[..., Run], secrets: MakeSecrets
) -> None:
    run = start(secrets(token=token(cluster, pod), ca_crt=ca(cluster), namespace=NAMESPACE), REGISTRAR_DRY_RUN="true")

    assert run.code == 0, run.err
    assert [each["kind"] for each in yaml.safe_load_all(run.out)] == ["Pod", "Service"]
    assert not cluster.services()


def test_a_rotated_token_is_read_again(
    cluster: Cluster, gateway: Gateway, pod: Object, start: Callable[..., Run], secrets: MakeSecrets
) -> None:
    """kubelet replaces the file while the program runs; the API server refuses the old one between two requests."""
    files = {"ca_crt": ca(cluster), "namespace": NAMESPACE}
    mounted = secrets(token=cluster.api.expired_token(NAMESPACE, REGISTRAR), **files)
    fresh = token(cluster, pod)
    gateway.rule("PATCH", f"/pods/{pod['metadata']['name']}", after=lambda: mounted.write(token=fresh, **files))

    run = start(mounted, url=gateway.url)

    assert run.code == 0, run.err
    assert contract.service_name(NODE) in cluster.services()


@pytest.mark.parametrize("missing", ["token", "ca_crt"])
def test_a_missing_secret_is_reported_in_one_line(
    missing: str, cluster: Cluster, pod: Object, start: Callable[..., Run], secrets: MakeSecrets
) -> None:
    files = {"token": token(cluster, pod), "ca_crt": ca(cluster), "namespace": NAMESPACE}
    del files[missing]

    run = start(secrets(**files))

    assert run.code == 1
    [line] = run.err.splitlines()
    assert SECRETS in line
    assert "mount a projected token, the cluster's ca.crt" in line


def test_missing_secrets_are_reported_in_one_line(cluster: Cluster, pod: Object, registrar: Image) -> None:
    run = registrar.run(env={**server(cluster.api.url), **pod_env(pod)})

    assert run.code == 1
    assert len(run.err.splitlines()) == 1
    assert SECRETS in run.err


def test_a_server_of_an_unknown_ca_is_refused_in_one_line(
    cluster: Cluster, pod: Object, start: Callable[..., Run], secrets: MakeSecrets, scratch: object
) -> None:
    stranger = CertificateAuthority(cluster.api.folder / "stranger", name="stranger")
    with Gateway(cluster.api, ca=stranger) as gateway:
        run = start(
            secrets(token=token(cluster, pod), ca_crt=ca(cluster), namespace=NAMESPACE),
            "--log-format=json",
            url=gateway.url,
        )

    assert run.code == 1
    assert '"level": "error"' in run.last_line
    assert "does not verify" in run.last_line


def test_a_ca_of_an_older_cluster_is_refused_without_tls_relaxed(
    cluster: Cluster, start: Callable[..., Run], pod: Object, secrets: MakeSecrets
) -> None:
    """Python 3.13 and newer verify X.509 strictly: kubernetes-client/python#2394."""
    old = CertificateAuthority(cluster.api.folder / "old", name="old", legacy=True)
    mounted = secrets(token=token(cluster, pod), ca_crt=old.ca_file.read_text(), namespace=NAMESPACE)
    with Gateway(cluster.api, ca=old) as gateway:
        refused = start(mounted, url=gateway.url)
        relaxed = start(mounted, url=gateway.url, REGISTRAR_TLS_RELAXED="true")

    assert refused.code == 1
    assert refused.last_line.endswith("renew the CA, or allow it with --tls-relaxed")
    assert relaxed.code == 0, relaxed.err
    assert contract.service_name(NODE) in cluster.services()


def test_a_kubeconfig_with_an_exec_plugin_works(
    api: ApiServer, cluster: Cluster, pod: Object, registrar: Image
) -> None:
    folder = registrar.scratch / "kubeconfig"
    folder.mkdir(exist_ok=True)
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    (folder / "plugin.py").write_text(
        f"import json\nprint(json.dumps({credential | {'status': {'token': token(cluster, pod)}}}))\n"
    )
    (folder / "ca.crt").write_text(ca(cluster))
    plugin = {"command": "python3", "args": ["/access/plugin.py"], "interactiveMode": "Never"}
    config = {
        "clusters": [{"name": "c", "cluster": {"server": api.url, "certificate-authority": "/access/ca.crt"}}],
        "users": [{"name": "u", "user": {"exec": {"apiVersion": credential["apiVersion"], **plugin}}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (folder / "config").write_text(yaml.safe_dump(config))
    for path in folder.iterdir():
        path.chmod(0o444)  # in the container they belong to another user

    run = registrar.run("--kubeconfig=/access/config", env=pod_env(pod), mounts={folder: "/access"})

    assert run.code == 0, run.err
    assert contract.service_name(NODE) in cluster.services()


def test_the_janitors_image_cleans_up(cluster: Cluster, janitor: Image, secrets: MakeSecrets) -> None:
    cluster.register("stays")
    cluster.register("goes")
    cluster.lose("goes")
    mounted = secrets(
        token=cluster.api.service_account_token(NAMESPACE, JANITOR), ca_crt=ca(cluster), namespace=NAMESPACE
    )

    run = janitor.run("--output=json", env=server(cluster.api.url), mounts={mounted.folder: SECRETS})

    assert run.code == 0, run.err
    assert run.json["counts"]["result"] == {"deleted": 1}
    assert [*cluster.services()] == [contract.service_name("stays")]


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_both_images_print_version_and_help(flag: str, registrar: Image, janitor: Image) -> None:
    for image, name in ((registrar, "registrar"), (janitor, "janitor")):
        run = image.run(flag)
        assert (run.code, name in run.out) == (0, True), run.err
