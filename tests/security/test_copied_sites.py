"""`sites` before Kubernetes 1.35: the registrar copies the site of its Node, and a stolen token cannot choose another.

The chart is rendered for an older release. A newer API server labels pods too, but only if the Node has a zone when the
pod is bound: here it gets it afterwards.
"""

from collections.abc import Iterator

import pytest
import yaml

from tests.harness import chart, objects
from tests.harness.apiserver import ApiServer
from tests.harness.client import ApiClient, ApiError, Object
from tests.harness.cluster import NODES, PODS, REGISTRAR, Cluster
from tests.harness.features import Feature
from tests.harness.processes import wait_until
from tests.security.in_force import in_force
from tests.security.test_rights import added_rbac
from tests.security.test_sites import ZONE, thief, zoned

pytestmark = [pytest.mark.needs(Feature.ADMISSION_POLICY), pytest.mark.xdist_group("confinement")]
OBJECTS = chart.render({"sites": ["beijing", "shanghai"]}, kubernetes="1.34")
COPY = {"REGISTRAR_COPY_NODE_LABEL": ZONE}
DENIED = "the pod's site is not that of its node"


@pytest.fixture(scope="module", autouse=True)
def _held(api: ApiServer, _cluster: Cluster) -> Iterator[None]:
    added = yaml.safe_dump_all(added_rbac(OBJECTS))
    api.kubectl("apply", "-f", "-", input=added)
    _cluster.await_right(REGISTRAR, "get", "nodes", allowed=True)
    with in_force(api, OBJECTS):
        _cluster.wipe()
        _cluster.node("probe")
        pod = _cluster.pod("probe")
        wait_until(lambda: refuses(_cluster, pod), 60, "the policy of sites denies")
        yield
    api.kubectl("delete", "-f", "-", input=added)
    _cluster.await_right(REGISTRAR, "get", "nodes", allowed=False)


def refuses(cluster: Cluster, pod: Object) -> bool:
    try:
        set_site(thief(cluster, pod), pod, "beijing")
    except ApiError as error:
        return DENIED in error.body["message"]
    return False


def set_site(client: ApiClient, pod: Object, site: str | None) -> Object:
    """What a registrar sends, with a site that it chooses."""
    labels = {ZONE: site, **objects.node_label(pod["spec"]["nodeName"])}
    where = f"{PODS}/{pod['metadata']['name']}"
    return client.patch(where, {"metadata": {"labels": labels}}, fieldManager="nodeproxy-registrar")


@pytest.fixture
def pod(cluster: Cluster) -> Object:
    """An agent pod on a node that got its zone later."""
    cluster.node("sh-1")
    pod = cluster.pod("sh-1")
    cluster.admin.patch(f"{NODES}/sh-1", zoned("shanghai"))
    return pod


def test_a_registration_gives_the_pod_the_site_of_its_node_with_one_request_more(
    cluster: Cluster, api: ApiServer, pod: Object
) -> None:
    mark = api.audit_mark()
    run = cluster.registrar(pod, **COPY)

    assert run.code == 0, run.err
    assert cluster.pod_labels(pod)[ZONE] == "shanghai"
    asked = api.requests_since(mark, user_agent="nodeproxy-registrar")
    requests = [(each.verb, each.resource) for each in asked]
    assert requests == [("get", "nodes"), ("patch", "pods"), ("get", "services"), ("patch", "services")]


def test_the_next_registration_follows_the_node(cluster: Cluster, pod: Object) -> None:
    for site in ("shanghai", "beijing", None):
        cluster.admin.patch(f"{NODES}/sh-1", zoned(site))
        wait_until(lambda: cluster.registrar(pod, **COPY).code == 0, 30, "the policy knows the Node's label")
        assert cluster.pod_labels(pod).get(ZONE) == site


def test_a_node_without_a_site_registers(cluster: Cluster) -> None:
    cluster.node("nowhere")
    pod = cluster.pod("nowhere")
    assert cluster.registrar(pod, **COPY).code == 0
    assert ZONE not in cluster.pod_labels(pod)


def test_a_registrar_whose_node_is_gone_says_so(cluster: Cluster, pod: Object) -> None:
    cluster.delete_node("sh-1")
    run = cluster.registrar(pod, **COPY)
    assert run.code == 1
    assert "cannot get Node sh-1: 404" in run.last_line


def test_a_dry_run_shows_the_label(cluster: Cluster, pod: Object) -> None:
    shown, _ = yaml.safe_load_all(cluster.registrar(pod, "--dry-run", **COPY).out)
    assert shown["metadata"]["labels"][ZONE] == "shanghai"
    assert ZONE not in cluster.pod_labels(pod)


def test_a_stolen_token_cannot_choose_another_site(cluster: Cluster, pod: Object) -> None:
    client = thief(cluster, pod)
    with pytest.raises(ApiError, match=DENIED) as refused:
        set_site(client, pod, "beijing")
    assert refused.value.status == 403
    assert ZONE not in cluster.pod_labels(pod)
    wait_until(lambda: allowed(client, pod, "shanghai"), 30, "the policy knows the Node's label")


def test_a_stolen_token_of_a_node_in_no_site_cannot_choose_one(cluster: Cluster) -> None:
    cluster.node("nowhere")
    pod = cluster.pod("nowhere")
    with pytest.raises(ApiError, match=DENIED):
        set_site(thief(cluster, pod), pod, "beijing")


def test_left_the_token_of_a_pod_whose_node_is_gone_chooses_its_site(cluster: Cluster, pod: Object) -> None:
    """Until the pod is collected, and only while another Node is there: a policy sees no Node that it could compare."""
    cluster.node("other")
    client = thief(cluster, pod)
    cluster.delete_node("sh-1")
    wait_until(lambda: allowed(client, pod, "beijing"), 30, "the policy knows that the Node is gone")


def allowed(client: ApiClient, pod: Object, site: str) -> bool:
    try:
        return bool(set_site(client, pod, site)["metadata"]["labels"][ZONE] == site)
    except ApiError as error:
        if DENIED not in error.body["message"]:
            raise
        return False
