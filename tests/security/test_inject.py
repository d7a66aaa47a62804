"""`inject.enabled`: a policy gives the proxy variables to new pods, on a real API server."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.harness import chart
from tests.harness.apiserver import ApiServer
from tests.harness.client import ApiError, Object
from tests.harness.features import Feature
from tests.harness.processes import wait_until

pytestmark = [pytest.mark.needs(Feature.MUTATING_POLICY), pytest.mark.xdist_group("inject")]

OPTED_IN, ELSEWHERE = "inject-in", "inject-out"
VIA = "nodeproxy-access-node-bj-01"
PROXY = f"http://{VIA}.project-nodeproxy:8888"
NO_PROXY = "localhost,.svc,10.96.0.0/12"
GIVEN = {"http_proxy": PROXY, "https_proxy": PROXY, "no_proxy": NO_PROXY}
OBJECTS = chart.render({"inject": {"enabled": True, "noProxy": NO_PROXY}})
DENIED = "the label nodeproxy/via must be the name of a Service in namespace project-nodeproxy"


@pytest.fixture(scope="module", autouse=True)
def _held(api: ApiServer) -> Iterator[None]:
    for namespace, labels in ((OPTED_IN, {"nodeproxy/inject": "true"}), (ELSEWHERE, {})):
        api.ensure_namespace(namespace)
        api.ensure_service_account(namespace, "default")
        api.admin.patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": labels}})
    policies = yaml.safe_dump_all(each for each in OBJECTS if each["metadata"]["name"] == "nodeproxy-inject")
    api.kubectl("apply", "-f", "-", input=policies)
    wait_until(lambda: is_denied(api, "not.a.service") and variables(created(api)) == GIVEN, 60, "the policies act")
    yield
    api.kubectl("delete", "-f", "-", input=policies)


def created(
    api: ApiServer, *containers: Object, via: str | None = VIA, namespace: str = OPTED_IN, **spec: Any
) -> Object:
    """A pod as the API server would store it; by default with one container that sets nothing."""
    labels = {"app": "client"} if via is None else {"app": "client", "nodeproxy/via": via}
    pod = {
        "metadata": {"generateName": "client-", "labels": labels},
        "spec": {"containers": [*containers] or [container("client")], **spec},
    }
    return api.admin.create(f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod)


def container(name: str, /, **env: str) -> Object:
    variables = [{"name": key, "value": value} for key, value in env.items()]
    return {"name": name, "image": "x", **({"env": variables} if env else {})}


def variables(pod: Object, name: str = "client") -> dict[str, str]:
    """The environment of a container."""
    containers = [*pod["spec"]["containers"], *pod["spec"].get("initContainers", ())]
    [found] = [each for each in containers if each["name"] == name]
    names = [each["name"] for each in found.get("env", ())]
    assert len({*names}) == len(names)
    return {each["name"]: each["value"] for each in found.get("env", ())}


def is_denied(api: ApiServer, via: str) -> bool:
    try:
        created(api, via=via)
    except ApiError as error:
        if DENIED not in error.body["message"]:
            raise
        return True
    return False


def test_a_pod_that_asks_gets_the_variables(api: ApiServer) -> None:
    assert variables(created(api)) == GIVEN


def test_a_pod_without_the_label_gets_none(api: ApiServer) -> None:
    assert variables(created(api, via=None)) == {}


def test_a_pod_of_a_namespace_that_has_not_opted_in_gets_none(api: ApiServer) -> None:
    assert variables(created(api, namespace=ELSEWHERE)) == {}


def test_other_variables_stay(api: ApiServer) -> None:
    pod = created(api, container("client", LANG="C", no_proxy_hint="x"))
    assert variables(pod) == {"LANG": "C", "no_proxy_hint": "x", **GIVEN}


@pytest.mark.parametrize("name", ["http_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_container_that_sets_a_proxy_is_left_alone(api: ApiServer, name: str) -> None:
    own = {name: "http://other:3128"}
    assert variables(created(api, container("client", **own))) == own


@pytest.mark.parametrize("name", ["http_proxy", "HTTPS_PROXY"])
def test_a_container_that_switches_proxies_off_is_left_alone(api: ApiServer, name: str) -> None:
    own = {"name": "client", "image": "x", "env": [{"name": name}]}
    assert created(api, own)["spec"]["containers"][0]["env"] == [{"name": name}]


def test_a_container_that_takes_its_proxy_from_a_secret_is_left_alone(api: ApiServer) -> None:
    env = [{"name": "http_proxy", "valueFrom": {"secretKeyRef": {"name": "proxy", "key": "url"}}}]
    assert created(api, {"name": "client", "image": "x", "env": env})["spec"]["containers"][0]["env"] == env


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_a_container_keeps_its_own_no_proxy(api: ApiServer, name: str) -> None:
    own = {name: "intranet.example.com"}
    assert variables(created(api, container("client", **own))) == {"http_proxy": PROXY, "https_proxy": PROXY, **own}


def test_each_container_is_taken_by_itself(api: ApiServer) -> None:
    own = {"http_proxy": "http://other:3128"}
    pod = created(
        api,
        container("client"),
        container("with-its-own", **own),
        container("third", NO_PROXY="x"),
        initContainers=[
            container("init"),
            {**container("sidecar"), "restartPolicy": "Always"},
            container("init-with-its-own", **own),
        ],
    )
    for name in ("client", "init", "sidecar"):
        assert variables(pod, name) == GIVEN
    for name in ("with-its-own", "init-with-its-own"):
        assert variables(pod, name) == own
    assert variables(pod, "third") == {"NO_PROXY": "x", "http_proxy": PROXY, "https_proxy": PROXY}


def test_a_variable_that_is_listed_twice_does_not_stop_a_pod(api: ApiServer) -> None:
    env = [{"name": "X", "value": "1"}, {"name": "X", "value": "2"}]
    pod = created(api, {"name": "client", "image": "x", "env": env})
    found = pod["spec"]["containers"][0]["env"]
    assert found[:2] == env
    assert {each["name"]: each["value"] for each in found[2:]} == GIVEN


def test_left_a_proxy_from_a_config_map_is_not_seen(api: ApiServer) -> None:
    """`env` wins over `envFrom`."""
    source = [{"configMapRef": {"name": "proxy"}}]
    pod = created(api, {"name": "client", "image": "x", "envFrom": source})
    assert pod["spec"]["containers"][0]["envFrom"] == source
    assert variables(pod) == GIVEN


@pytest.mark.parametrize("via", ["", "a.b", "A", "a_b", "kube-dns.kube-system"])
def test_a_label_that_is_no_name_of_a_service_is_refused(api: ApiServer, via: str) -> None:
    assert is_denied(api, via)


@pytest.mark.parametrize("via", ["a/b", "a@b:1", "-a", "x" * 64])
def test_kubernetes_refuses_other_characters_itself(api: ApiServer, via: str) -> None:
    with pytest.raises(ApiError) as refused:
        created(api, via=via)
    assert refused.value.status == 422


def test_such_a_label_elsewhere_stops_no_pod(api: ApiServer) -> None:
    assert variables(created(api, via="a.b", namespace=ELSEWHERE)) == {}


def test_an_update_of_a_pod_changes_no_variable(api: ApiServer) -> None:
    pods = f"/api/v1/namespaces/{OPTED_IN}/pods"
    meta = {"name": "late", "labels": {"app": "client"}}
    api.admin.create(pods, {"metadata": meta, "spec": {"containers": [container("client")]}})
    try:
        pod = api.admin.patch(f"{pods}/late", {"metadata": {"labels": {"nodeproxy/via": "a.b"}}})
        assert variables(pod) == {}
    finally:
        api.admin.delete(f"{pods}/late", {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0})
