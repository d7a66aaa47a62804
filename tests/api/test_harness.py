"""The test harness: a real API server, exact counts of requests, and a gateway that follows its rules."""

import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.harness.apiserver import ApiServer
from tests.harness.client import ApiClient, ApiError
from tests.harness.gateway import Gateway
from tests.harness.pki import CertificateAuthority
from tests.harness.processes import wait_until
from tests.harness.rules import Reply

NAMESPACE = "harness"
NODES = "/api/v1/nodes"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"


def node(name: str) -> dict[str, object]:
    return {"kind": "Node", "metadata": {"name": name}}


def status(client: ApiClient, path: str) -> int:
    try:
        client.get(path)
    except ApiError as error:
        return error.status
    return 200


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    with ApiServer() as api:
        api.ensure_namespace(NAMESPACE)
        yield api


@pytest.fixture
def api(server: ApiServer) -> ApiServer:
    server.wipe(NAMESPACE)
    return server


@pytest.fixture
def gateway(api: ApiServer) -> Iterator[Gateway]:
    with Gateway(api) as between:
        yield between


@pytest.fixture
def through(api: ApiServer, gateway: Gateway) -> ApiClient:
    """A client with all rights that sends its requests through the gateway."""
    api.ensure_service_account(NAMESPACE, "administrator")  # other tests rely on `default` having no rights
    binding = {
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "harness"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "administrator", "namespace": NAMESPACE}],
    }
    api.ensure("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    return ApiClient(gateway.url, api.ca_file, token=api.service_account_token(NAMESPACE, "administrator"))


def make_pod(api: ApiServer, name: str) -> tuple[str, str]:
    spec = {"nodeName": "somewhere", "containers": [{"name": "main", "image": "none"}]}
    made = api.admin.create(PODS, {"kind": "Pod", "metadata": {"name": name}, "spec": spec})
    return name, made["metadata"]["uid"]


def test_the_api_server_reports_the_version_that_the_harness_names(api: ApiServer) -> None:
    assert api.admin.get("/version")["gitVersion"] == api.version
    assert "harness" in api.kubectl("get", "namespaces", "-o", "name").stdout


def test_an_unknown_user_has_no_rights(api: ApiServer) -> None:
    answer = api.kubectl("get", "nodes", kubeconfig=api.kubeconfig("jane", ["visitors"]), check=False)
    assert 'User "jane" cannot list resource "nodes"' in answer.stderr


def test_a_token_is_refused_once_its_pod_is_gone(api: ApiServer) -> None:
    pods = [make_pod(api, name) for name in ("kept", "removed")]
    kept, removed = (api.client(api.service_account_token(NAMESPACE, "default", pod)) for pod in pods)
    api.admin.delete(f"{PODS}/removed", gracePeriodSeconds=0)
    assert kept.get("/version")
    # Usually the token is refused at once. If the server's watch of pods lags, it caches the old answer for 10 seconds.
    wait_until(lambda: status(removed, "/version") == 401, 15, "a token refused because its pod is gone")


def test_an_expired_token_is_refused_only_because_of_its_age(api: ApiServer) -> None:
    assert api.client(api.signed_token(NAMESPACE, "default", lifetime=60)).get("/version")
    with pytest.raises(ApiError, match="401"):
        api.client(api.expired_token(NAMESPACE, "default")).get("/version")


def test_the_audit_log_has_each_request_as_soon_as_it_is_answered(api: ApiServer) -> None:
    user = f"system:serviceaccount:{NAMESPACE}:default"
    client = api.client(api.service_account_token(NAMESPACE, "default"))
    for _ in range(200):
        mark = api.audit_mark()
        client.get("/version")
        with pytest.raises(ApiError, match="403"):
            client.get(f"{SERVICES}/absent")
        seen = api.requests_since(mark, user, user_agent="harness")
        assert [(event.verb, event.uri, event.name) for event in seen] == [
            ("get", "/version", ""),
            ("get", f"{SERVICES}/absent", "absent"),
        ]
    assert [event.code for event in api.requests_since(mark, user, stage="ResponseComplete")][:1] == [200]


def test_continue_tokens_expire(api: ApiServer) -> None:
    api.admin.create_many(NODES, [node(f"page-{number}") for number in range(3)])
    token = api.admin.get(NODES, limit=1)["metadata"]["continue"]
    assert api.admin.get(NODES, limit=1, **{"continue": token})["items"]
    api.admin.create(NODES, node("later"))  # the token's revision must not be the newest
    api.expire_continue_tokens()
    with pytest.raises(ApiError, match="410"):
        api.admin.get(NODES, limit=1, **{"continue": token})


def test_wipe_removes_everything_except_the_kubernetes_service(api: ApiServer) -> None:
    held = {"name": "held", "finalizers": ["example.com/held"]}
    api.admin.create(NODES, {"kind": "Node", "metadata": held})
    api.admin.create(SERVICES, {"kind": "Service", "metadata": held, "spec": {"ports": [{"port": 80}]}})
    api.admin.delete(f"{SERVICES}/held")
    make_pod(api, "left")
    api.wipe(NAMESPACE)
    api.wipe("default")
    assert not api.admin.list(NODES) + api.admin.list(PODS) + api.admin.list(SERVICES)
    assert api.admin.get("/api/v1/namespaces/default/services/kubernetes")


def test_a_restarted_server_has_its_data(api: ApiServer) -> None:
    api.admin.create(NODES, node("stays"))
    api.stop()
    with pytest.raises(requests.ConnectionError):
        api.admin.get(f"{NODES}/stays")
    api.start()
    assert api.admin.get(f"{NODES}/stays")


def test_nothing_outlives_a_killed_parent(tmp_path: Path) -> None:
    """One child process shows it, which is faster than a second API server."""
    script = (
        "import os, sys; from pathlib import Path; from tests.harness.processes import Child;"
        "print(Child(['sleep', '600'], Path(sys.argv[1]) / 'log', Path(sys.argv[1])).pid, flush=True);"
        "os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=False)
    status = Path(f"/proc/{int(killed.stdout)}/stat")  # a zombie (Z) waits for init to collect it
    wait_until(lambda: not status.exists() or status.read_text().split()[2] == "Z", 5, "the end of the child")


def test_the_gateway_forwards_and_records_requests(api: ApiServer, gateway: Gateway, through: ApiClient) -> None:
    api.admin.create(NODES, node("a"))
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "labels": {"zone": "one"}}}
    through.patch(f"{NODES}/a", body, "application/apply-patch+yaml", fieldManager="test")
    assert api.admin.get(f"{NODES}/a")["metadata"]["labels"] == {"zone": "one"}
    (seen,) = gateway.requests
    assert (seen.method, seen.path, seen.query) == ("PATCH", f"{NODES}/a", {"fieldManager": "test"})
    assert seen.headers["content-type"] == "application/apply-patch+yaml"
    assert b'"zone"' in seen.body


def test_the_gateway_answers_the_nth_matching_request_itself(gateway: Gateway, through: ApiClient) -> None:
    gateway.rule("GET", r"/nodes$", nth=2, times=2, reply=Reply(503, b"busy", {"Retry-After": "1"}))
    never = gateway.rule("DELETE", r"/nodes$", hang=True)
    assert [status(through, NODES) for _ in range(4)] == [200, 503, 503, 200]
    assert gateway.unfired() == [never]


def test_the_gateway_calls_functions_before_and_after_a_request(
    api: ApiServer, gateway: Gateway, through: ApiClient
) -> None:
    gateway.rule("GET", r"/nodes$", before=lambda: api.admin.create(NODES, node("early")))
    gateway.rule("GET", r"/nodes$", after=lambda: api.admin.create(NODES, node("late")))
    assert [each["metadata"]["name"] for each in through.list(NODES)] == ["early"]
    assert [each["metadata"]["name"] for each in through.list(NODES)] == ["early", "late"]


def test_the_gateway_resets_connections(api: ApiServer, gateway: Gateway, through: ApiClient) -> None:
    gateway.rule("POST", "/nodes", reset="before")
    gateway.rule("POST", "/nodes", nth=2, reset="after")
    for expected in ([], ["a"]):
        with pytest.raises(requests.ConnectionError, match="Connection aborted"):  # OpenSSL 3 reports a RST so
            through.create(NODES, node("a"))
        assert [each["metadata"]["name"] for each in api.admin.list(NODES)] == expected


def test_the_gateway_changes_and_truncates_answers(gateway: Gateway, through: ApiClient) -> None:
    gateway.rule("GET", "/nodes", rewrite=lambda body: body.replace(b"NodeList", b"Surprise"))
    gateway.rule("GET", "/nodes", nth=2, truncate=10)
    assert through.get(NODES)["kind"] == "Surprise"
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="10 bytes read"):
        through.get(NODES)


def test_a_hanging_request_ends_when_the_gateway_is_closed(api: ApiServer) -> None:
    with Gateway(api) as gateway:
        gateway.rule("GET", "/version", hang=True)
        with pytest.raises(requests.ReadTimeout):
            requests.get(f"{gateway.url}/version", verify=str(api.ca_file), timeout=0.2)


def test_the_gateway_raises_an_exception_of_a_rule(api: ApiServer) -> None:
    def fail() -> None:
        raise ValueError("of the rule")

    gateway = Gateway(api).__enter__()
    gateway.rule("GET", "/version", before=fail)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{gateway.url}/version", verify=str(api.ca_file), timeout=5)
    with pytest.raises(ValueError, match="of the rule"):
        gateway.__exit__(None, None, None)


@pytest.mark.parametrize("legacy", [False, True])
def test_strict_x509_verification_refuses_only_the_legacy_ca(api: ApiServer, tmp_path: Path, legacy: bool) -> None:
    ca = CertificateAuthority(tmp_path, legacy=legacy)
    context = ssl.create_default_context(cafile=str(ca.ca_file))
    with Gateway(api, ca) as gateway:
        address = ("127.0.0.1", urlsplit(gateway.url).port or 0)
        for flags in (ssl.VerifyFlags.VERIFY_DEFAULT, ssl.VerifyFlags.VERIFY_X509_STRICT):
            context.verify_flags = flags
            refused = legacy and flags == ssl.VerifyFlags.VERIFY_X509_STRICT
            with (
                socket.create_connection(address) as plain,
                pytest.raises(ssl.SSLCertVerificationError) if refused else nullcontext(),
            ):
                context.wrap_socket(plain, server_hostname="127.0.0.1").close()
