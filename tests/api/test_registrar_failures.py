"""Failures of a registration: those that may pass are retried, all others end in one clear line."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.harness import objects
from tests.harness.apiserver import ApiServer
from tests.harness.client import Object
from tests.harness.cluster import NAMESPACE, REGISTRAR, ROOT, SERVICES, Cluster
from tests.harness.gateway import Gateway
from tests.harness.pki import CertificateAuthority
from tests.harness.processes import bare_environment, wait_until
from tests.harness.rules import Reply

BAD_GATEWAY = Reply(502, b"<html><h1>502 Bad Gateway</h1></html>", {"Content-Type": "text/html"})
RULES = {"pods": ["patch"], "services": ["get", "create", "patch"]}


@pytest.fixture
def pod(cluster: Cluster) -> Object:
    """An agent pod on node-a that has not registered."""
    return cluster.pod("node-a")


# ---- the registrar's own pod


def test_the_registrar_ends_at_once_if_its_pod_is_gone(cluster: Cluster, api: ApiServer, pod: Object) -> None:
    env = cluster.registrar_env(pod)
    admin = str(api.admin_kubeconfig)  # a bound token is invalid once its pod is gone
    cluster.delete_pod(pod)

    run = cluster.run("registrar", env | {"KUBECONFIG": admin})

    assert run.code == 1
    assert f"there is no pod of this name and uid {pod['metadata']['uid']}" in run.last_line
    assert "attempts" not in run.last_line
    assert cluster.services() == {}


def test_another_pod_of_the_same_name_is_not_labelled(cluster: Cluster, pod: Object) -> None:
    cluster.delete_pod(pod)
    newer = cluster.pod("node-a", pod["metadata"]["name"])
    unbound = cluster.api.token_kubeconfig(cluster.api.service_account_token(NAMESPACE, REGISTRAR))

    run = cluster.registrar(newer, POD_UID=pod["metadata"]["uid"], KUBECONFIG=str(unbound))

    assert run.code == 1
    assert "another uid" in run.last_line
    assert "attempts" not in run.last_line
    assert "target-node" not in cluster.pod_labels(newer)
    assert cluster.services() == {}


# ---- connections and answers


def test_the_registrar_waits_for_a_server_that_is_down_at_first(
    cluster: Cluster, api: ApiServer, gateway: Gateway, pod: Object
) -> None:
    env = cluster.registrar_env(pod, server=gateway.url)
    api.stop()
    down = time.monotonic()
    with ThreadPoolExecutor() as pool:
        try:
            running = pool.submit(cluster.run, "registrar", env)
            wait_until(lambda: time.monotonic() - down > 20 and gateway.requests, 30, "20 seconds without a server")
        finally:
            api.start()
        run = running.result()

    assert run.code == 0, run.err
    assert "attempt 4" in run.err
    assert "attempt 3" not in run.err  # a long outage does not flood the log
    assert len(run.err.splitlines()) < 20
    assert cluster.service_of("node-a")


def test_a_server_that_never_answers_ends_the_registrar_at_its_timeout(
    cluster: Cluster, gateway: Gateway, pod: Object
) -> None:
    gateway.rule("PATCH", "pods", hang=True, times=None)
    started = time.monotonic()

    run = cluster.registrar(pod, "--timeout", "8s", server=gateway.url)

    assert run.code == 1
    assert f"no answer from {gateway.url}" in run.last_line
    assert "timeout of 8s" in run.last_line
    assert time.monotonic() - started < 8 + 2  # 2 seconds for Python's start on a busy machine


def test_sigterm_ends_the_registrar_at_once(cluster: Cluster, gateway: Gateway, pod: Object) -> None:
    gateway.rule("PATCH", "pods", hang=True)
    env = {**bare_environment(), **cluster.registrar_env(pod, server=gateway.url)}

    with subprocess.Popen([sys.executable, "-m", "registrar"], cwd=ROOT, env=env, stderr=subprocess.PIPE) as program:
        wait_until(lambda: gateway.requests, 20, "its first request")
        program.terminate()
        _, err = program.communicate(timeout=5)

    assert program.returncode == 130
    assert err.decode().splitlines()[-1].endswith("cannot continue: interrupted")


def test_an_answer_that_trickles_in_ends_the_registrar_at_its_timeout(
    cluster: Cluster, gateway: Gateway, pod: Object
) -> None:
    gateway.rule("PATCH", "pods", drip=0.2)
    started = time.monotonic()

    run = cluster.registrar(pod, "--timeout", "6s", server=gateway.url)

    assert run.code == 1
    assert "the answer did not end after" in run.last_line
    assert time.monotonic() - started < 6 + 2


def test_a_gateways_html_error_is_retried(cluster: Cluster, gateway: Gateway, pod: Object) -> None:
    gateway.rule("PATCH", "pods", reply=BAD_GATEWAY, times=2)
    gateway.rule("GET", "services", reply=BAD_GATEWAY)
    gateway.rule("PATCH", "services", reply=BAD_GATEWAY)

    run = cluster.registrar(pod, server=gateway.url)

    assert run.code == 0, run.err
    assert "502 Bad Gateway" in run.err
    assert "<html>" not in run.err
    assert cluster.service_of("node-a")


def test_a_gateway_that_stays_broken_is_reported_in_one_line(cluster: Cluster, gateway: Gateway, pod: Object) -> None:
    gateway.rule("PATCH", "pods", reply=BAD_GATEWAY, times=None)

    run = cluster.registrar(pod, "--timeout", "8s", server=gateway.url)

    assert run.code == 1
    assert f"cannot patch Pod {NAMESPACE}/{pod['metadata']['name']}: 502 Bad Gateway" in run.last_line


@pytest.mark.parametrize("status", [200, 404])
def test_html_is_never_taken_for_an_answer_of_the_api_server(
    cluster: Cluster, gateway: Gateway, pod: Object, status: int
) -> None:
    page = Reply(status, b"<html>Welcome</html>", {"Content-Type": "text/html"})
    gateway.rule("GET", "services", reply=page, times=None)

    run = cluster.registrar(pod, "--timeout", "8s", server=gateway.url)

    assert run.code == 1
    assert "nodeproxy-access-node-a" in run.last_line
    assert cluster.services() == {}


@pytest.mark.parametrize("method", ["GET", "PATCH"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_registration_survives_a_reset_before_or_after_the_server_acted(
    cluster: Cluster, gateway: Gateway, pod: Object, method: str, when: str
) -> None:
    gateway.rule(method, "services", reset=when)
    if method == "PATCH":
        gateway.rule("PATCH", "pods", reset=when)

    run = cluster.registrar(pod, server=gateway.url)

    assert run.code == 0, run.err
    assert cluster.service_of("node-a")["metadata"]["annotations"]["nodeproxy/registered-by"] == pod["metadata"]["uid"]


def test_a_service_that_changes_between_read_and_write_is_read_again(
    cluster: Cluster, gateway: Gateway, pod: Object
) -> None:
    cluster.registrar(pod)
    where = f"/api/v1/namespaces/{NAMESPACE}/services/nodeproxy-access-node-a"
    gateway.rule("PATCH", "services", before=lambda: cluster.admin.patch(where, {"metadata": {"labels": {"x": "y"}}}))

    run = cluster.registrar(pod, server=gateway.url)

    assert run.code == 0, run.err
    assert [each.method for each in gateway.requests] == ["PATCH", "GET", "PATCH", "GET", "PATCH"]
    assert cluster.service_of("node-a")["metadata"]["labels"]["x"] == "y"


def test_a_service_deleted_between_read_and_write_is_created_again(
    cluster: Cluster, gateway: Gateway, pod: Object
) -> None:
    cluster.registrar(pod)
    where = f"/api/v1/namespaces/{NAMESPACE}/services/nodeproxy-access-node-a"
    gateway.rule("PATCH", "services", before=lambda: cluster.admin.delete(where))

    assert cluster.registrar(pod, server=gateway.url).code == 0
    assert cluster.service_of("node-a")


def test_an_edited_service_deleted_between_read_and_write_is_created_again(
    cluster: Cluster, gateway: Gateway, pod: Object
) -> None:
    """Fields of other managers are replaced by a merge patch, which gets a 404 if the object is gone."""
    cluster.registrar(pod)
    where = f"/api/v1/namespaces/{NAMESPACE}/services/nodeproxy-access-node-a"
    cluster.admin.patch(where, {"spec": {"selector": {"debug": "true"}}})
    gateway.rule("PATCH", "services", before=lambda: cluster.admin.delete(where))

    run = cluster.registrar(pod, server=gateway.url)

    assert run.code == 0, run.err
    assert "debug" not in cluster.service_of("node-a")["spec"]["selector"]


def test_a_service_recreated_between_read_and_write_is_read_again(
    cluster: Cluster, gateway: Gateway, pod: Object
) -> None:
    cluster.registrar(pod)
    where = f"/api/v1/namespaces/{NAMESPACE}/services"

    def replace() -> None:
        cluster.admin.delete(f"{where}/nodeproxy-access-node-a")
        cluster.admin.create(where, objects.service("node-a"))

    gateway.rule("PATCH", "services", before=replace)

    assert cluster.registrar(pod, server=gateway.url).code == 0
    annotations = cluster.service_of("node-a")["metadata"]["annotations"]
    assert annotations["nodeproxy/registered-by"] == pod["metadata"]["uid"]


def test_a_service_created_and_edited_between_read_and_write_is_read_again(
    cluster: Cluster, gateway: Gateway, pod: Object
) -> None:
    """The first write is not pinned to an object, so it is merged with what the editor has added meanwhile."""
    another = cluster.pod("node-a")
    ports = [{"port": 8888, "name": "http-proxy"}, {"port": 9, "name": "by-hand"}]

    def register_and_edit() -> None:
        assert cluster.registrar(another).code == 0
        cluster.admin.patch(f"{SERVICES}/nodeproxy-access-node-a", {"spec": {"ports": ports}})

    gateway.rule("PATCH", "services", before=register_and_edit)

    run = cluster.registrar(pod, server=gateway.url)

    assert run.code == 0, run.err
    assert [port["name"] for port in cluster.service_of("node-a")["spec"]["ports"]] == ["http-proxy"]


def test_a_foreign_service_created_between_read_and_write_is_refused(
    cluster: Cluster, gateway: Gateway, pod: Object
) -> None:
    where = f"/api/v1/namespaces/{NAMESPACE}/services"
    foreign = {"metadata": {"name": "nodeproxy-access-node-a"}, "spec": {"ports": [{"port": 8888, "name": "shop"}]}}
    gateway.rule("PATCH", "services", before=lambda: cluster.admin.create(where, {"kind": "Service", **foreign}))

    run = cluster.registrar(pod, server=gateway.url)

    assert run.code == 1
    assert "it does not belong to nodeproxy" in run.last_line
    assert cluster.service_of("node-a")["spec"]["ports"][0]["name"] == "shop"


def test_a_429_is_retried_after_the_time_that_the_server_asks_for(
    cluster: Cluster, gateway: Gateway, pod: Object
) -> None:
    times: list[float] = []
    gateway.rule("GET", "services", times=None, before=lambda: times.append(time.monotonic()))
    gateway.rule("GET", "services", reply=Reply(429, b"{}", {"Retry-After": "3"}))

    assert cluster.registrar(pod, server=gateway.url).code == 0
    assert times[1] - times[0] >= 3


def test_a_429_that_asks_for_more_than_the_timeout_ends_the_registrar_at_once(
    cluster: Cluster, gateway: Gateway, pod: Object
) -> None:
    gateway.rule("PATCH", "pods", reply=Reply(429, b"{}", {"Retry-After": "3600"}))
    started = time.monotonic()

    run = cluster.registrar(pod, "--timeout", "60s", server=gateway.url)

    assert run.code == 1
    assert "429 Too Many Requests" in run.last_line
    assert time.monotonic() - started < 30


def test_a_conflict_on_the_pods_label_is_retried(cluster: Cluster, gateway: Gateway, pod: Object) -> None:
    status = {"kind": "Status", "reason": "Conflict", "message": "the object has been modified"}
    gateway.rule("PATCH", "pods", reply=Reply(409, json.dumps(status).encode()))

    assert cluster.registrar(pod, server=gateway.url).code == 0


def test_a_conflict_on_a_pod_with_uid_in_its_name_is_retried(cluster: Cluster, gateway: Gateway) -> None:
    pod = cluster.pod("node-a", "squid-abc12")
    message = 'Operation cannot be fulfilled on pods "squid-abc12": the object has been modified'
    status = {"kind": "Status", "reason": "Conflict", "message": message}
    gateway.rule("PATCH", "pods", reply=Reply(409, json.dumps(status).encode()))

    assert cluster.registrar(pod, server=gateway.url).code == 0


@pytest.mark.parametrize("name", ["", "squid-abc12"])
def test_a_policy_that_mentions_guidelines_does_not_say_that_the_pod_was_replaced(
    cluster: Cluster, gateway: Gateway, name: str
) -> None:
    pod = cluster.pod("node-a", name)
    denial = {"message": f'pods "{pod["metadata"]["name"]}" is forbidden: it violates the security guidelines'}
    details = {"name": pod["metadata"]["name"], "kind": "pods", "causes": [denial]}
    status = {"kind": "Status", "reason": "Invalid", **denial, "details": details}
    gateway.rule("PATCH", "pods", reply=Reply(422, json.dumps(status).encode()))

    run = cluster.registrar(pod, server=gateway.url)

    assert run.code == 1
    assert "422 Unprocessable" in run.last_line
    assert "it violates the security guidelines" in run.last_line
    assert "another uid" not in run.last_line


@pytest.mark.parametrize(
    ("kind", "lost", "message"),
    [
        ("pods", b'"target-node":"node-a"', "the API server's answer lacks the label"),
        ("services", b'"target-node":"node-a"', "the API server's answer differs from what was sent"),
        ("services", b'"port":8888', "the API server's answer differs from what was sent"),
    ],
)
def test_an_answer_that_lacks_what_was_applied_is_a_failure(
    cluster: Cluster, gateway: Gateway, pod: Object, kind: str, lost: bytes, message: str
) -> None:
    def rewrite(body: bytes) -> bytes:
        return body.replace(lost, lost.replace(b"8888", b"1").replace(b"-a", b"-x"))

    gateway.rule("PATCH", kind, times=None, rewrite=rewrite)

    run = cluster.registrar(pod, server=gateway.url)

    assert run.code == 1
    assert message in run.last_line


def test_an_answer_of_another_kind_is_a_failure(cluster: Cluster, gateway: Gateway, pod: Object) -> None:
    gateway.rule("GET", "services", reply=Reply(200, b'{"kind": "Pod", "metadata": {}}'))

    run = cluster.registrar(pod, server=gateway.url)

    assert run.code == 1
    assert "the answer is a Pod, not a Service" in run.last_line
    assert cluster.services() == {}


def test_a_redirect_is_not_followed(cluster: Cluster, gateway: Gateway, pod: Object) -> None:
    elsewhere = Reply(307, b"", {"Location": f"{gateway.url}/elsewhere"})
    gateway.rule("PATCH", "pods", reply=elsewhere)

    run = cluster.registrar(pod, server=gateway.url)

    assert run.code == 1
    assert "307 Temporary Redirect" in run.last_line
    assert len(gateway.requests) == 1


def test_a_truncated_answer_is_retried(cluster: Cluster, gateway: Gateway, pod: Object) -> None:
    gateway.rule("PATCH", "services", truncate=40)

    assert cluster.registrar(pod, server=gateway.url).code == 0
    assert cluster.service_of("node-a")


# ---- credentials


def test_a_wrong_ca_ends_the_registrar_at_once(cluster: Cluster, api: ApiServer, pod: Object, tmp_path: Path) -> None:
    other = CertificateAuthority(tmp_path, "another-ca")
    token = api.service_account_token(NAMESPACE, REGISTRAR)
    kubeconfig = api.token_kubeconfig(token, ca_file=other.ca_file)

    run = cluster.registrar(pod, KUBECONFIG=str(kubeconfig))

    assert run.code == 1
    assert f"the certificate of {api.url} does not verify" in run.last_line
    assert "attempts" not in run.last_line


def test_an_expired_token_is_read_once_more_before_the_registrar_fails(
    cluster: Cluster, api: ApiServer, gateway: Gateway, pod: Object
) -> None:
    expired = api.token_kubeconfig(api.expired_token(NAMESPACE, REGISTRAR), server=gateway.url)

    run = cluster.registrar(pod, KUBECONFIG=str(expired))

    assert run.code == 1
    assert "401 Unauthorized" in run.last_line
    assert "has not expired" in run.last_line
    assert len(gateway.requests) == 2


def test_a_rotated_token_is_read_again(cluster: Cluster, api: ApiServer, gateway: Gateway, pod: Object) -> None:
    kubeconfig = api.token_kubeconfig(api.expired_token(NAMESPACE, REGISTRAR), server=gateway.url)
    fresh = Path(cluster.registrar_env(pod, server=gateway.url)["KUBECONFIG"]).read_text()
    gateway.rule("PATCH", "pods", after=lambda: kubeconfig.write_text(fresh))

    assert cluster.registrar(pod, KUBECONFIG=str(kubeconfig)).code == 0


def test_missing_credentials_are_an_error_that_names_their_sources(cluster: Cluster, pod: Object) -> None:
    run = cluster.registrar(pod, KUBECONFIG="")

    assert run.code == 2
    assert "--kubeconfig" in run.last_line
    assert "ServiceAccount" in run.last_line


@pytest.mark.parametrize("content", ["", "no: kubeconfig", "{", "[]", None])
def test_a_file_that_is_no_kubeconfig_is_a_bad_setting(
    cluster: Cluster, pod: Object, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "config"
    if content is not None:
        file.write_text(content)

    run = cluster.registrar(pod, "--kubeconfig", str(file))

    assert run.code == 2
    assert str(file) in run.last_line


def test_a_pod_without_a_token_is_told_what_to_mount(cluster: Cluster, pod: Object) -> None:
    run = cluster.registrar(pod, KUBECONFIG="", KUBERNETES_SERVICE_HOST="127.0.0.1", KUBERNETES_SERVICE_PORT="443")

    assert run.code == 1
    assert "ServiceAccount" in run.last_line
    assert "mount a projected token" in run.last_line


# ---- rights


@pytest.mark.parametrize(
    ("resource", "verb"), [(resource, verb) for resource, verbs in RULES.items() for verb in verbs]
)
def test_a_registration_without_one_of_its_verbs_fails_and_names_it(
    cluster: Cluster, pod: Object, resource: str, verb: str
) -> None:
    rules = [
        {"apiGroups": [""], "resources": [each], "verbs": [v for v in verbs if (each, v) != (resource, verb)]}
        for each, verbs in RULES.items()
    ]
    try:
        cluster.change_role("Role", REGISTRAR, [rule for rule in rules if rule["verbs"]])
        cluster.await_right(REGISTRAR, verb, resource, allowed=False)
        run = cluster.registrar(pod)
    finally:
        cluster.apply_rbac()
        cluster.await_right(REGISTRAR, verb, resource, allowed=True)

    assert run.code == 1
    assert f"cannot {verb} " in run.last_line
    assert "grant this verb" in run.last_line
    assert "attempts" not in run.last_line
    assert cluster.services() == {}


def test_the_role_has_exactly_the_verbs_that_a_registration_needs(cluster: Cluster) -> None:
    role = cluster.admin.get(f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/roles/{REGISTRAR}")

    assert {rule["resources"][0]: rule["verbs"] for rule in role["rules"]} == RULES
