"""Attacks by whoever has a kubelet's credentials."""

from collections.abc import Iterator

from registrar import contract
from tests.harness import objects
from tests.harness.client import Object
from tests.harness.cluster import JANITOR, REGISTRAR
from tests.security.attacks import (
    ALLOWED,
    LEFT,
    NODE_AUTHORIZER,
    NODE_RESTRICTION,
    Request,
    Row,
    Scene,
    policy,
    subresources,
    writes,
)
from tests.security.mutations import TYPES
from tests.security.writes import nested

ANY_POD, HELD = policy("agent-pods"), policy("kubelet-pods")
NODES = "/api/v1/nodes"
KUBELET_TEST = "security/test_kubelet.py::test_"
HUGE = [{
    "manager": "x", "operation": "Update", "apiVersion": "v1", "time": "2026-11-22T03:00:00Z", "fieldsType": "FieldsV1",
    "fieldsV1": {"f:metadata": {"f:labels": nested(500)}},
}]  # fmt: skip


def mirror(scene: Scene, node: str = "node-a", **labels: str) -> Request:
    """A static pod's object in the API, which a kubelet makes."""
    owner = {"apiVersion": "v1", "kind": "Node", "controller": True}
    owner |= {key: scene.node["metadata"][key] for key in ("name", "uid")}
    annotations = {"kubernetes.io/config.mirror": "x"}
    meta: Object = {"name": "mirror", "annotations": annotations, "ownerReferences": [owner], "labels": labels}
    spec = {"nodeName": node, "containers": scene.own_pod["spec"]["containers"]}
    return Request("POST", scene.pods, {"kind": "Pod", "metadata": meta, "spec": spec})


def token(scene: Scene, account: str, pod: Object | None = None) -> Request:
    where = f"{scene.services.rpartition('/')[0]}/serviceaccounts/{account}/token"
    bound = {key: pod["metadata"][key] for key in ("name", "uid")} if pod else {}
    about = {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", **bound}} if pod else {}
    return Request("POST", where, {"spec": about})


def merge(path: str, body: Object) -> Request:
    return Request("PATCH", path, body, TYPES["merge"])


def _huge(scene: Scene) -> Iterator[Request]:
    for path in (f"{scene.pod()}/status", f"{NODES}/node-a"):
        yield merge(path, {"metadata": {"managedFields": HUGE}})


def _own_pod(scene: Scene) -> Iterator[Request]:
    yield merge(f"{scene.pod()}/status", {"status": {"phase": "Running"}})
    yield Request("DELETE", scene.pod())


def _other_pod(scene: Scene) -> Iterator[Request]:
    path = scene.pod(scene.other_pod["metadata"]["name"])
    yield merge(f"{path}/status", {"status": {"phase": "Running"}})
    yield Request("DELETE", path)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": path.rpartition("/")[2]}}
    yield Request("POST", f"{path}/eviction", eviction)
    yield mirror(scene, "node-b")


def _other_node(_scene: Scene) -> Iterator[Request]:
    yield merge(f"{NODES}/node-b", {"metadata": {"labels": {"x": "y"}}})
    yield merge(f"{NODES}/node-b/status", {"status": {"phase": "Running"}})
    yield Request("POST", NODES, {"metadata": {"name": "node-new"}})


def _mirrors(scene: Scene) -> Iterator[Request]:
    for label in ("node-b", ""):
        yield mirror(scene, **contract.AGENT_SELECTOR, **{contract.NODE_LABEL: label})


def _not_a_kubelets(scene: Scene) -> Iterator[Request]:
    yield from writes(scene.pod(), methods="PUT PATCH")
    yield from subresources(scene.pod(), "binding exec attach portforward ephemeralcontainers log")
    yield from writes(scene.service())
    yield from writes(f"{NODES}/node-b", methods="DELETE")
    yield Request("GET", f"{scene.services.rpartition('/')[0]}/secrets/x")


KUBELET = (
    Row("report the status of a pod of its node, delete that pod", ALLOWED, _own_pod),
    Row("take the registrar's token from the agent pod of its node", LEFT, None,
        ("e2e/scenarios/test_06_rights.py::test_a_token_taken_from_one_node_is_refused_for_another",)),
    Row("get the registrar's token for another node's pod", NODE_RESTRICTION,
        lambda scene: [token(scene, REGISTRAR, scene.other_pod)],
        ("security/test_node_restriction.py::test_without_it_a_node_gets_the_registrars_token_of_another_node",)),
    Row("get the token of a ServiceAccount that no pod of its node has, such as the janitor's", NODE_AUTHORIZER,
        lambda scene: [token(scene, JANITOR)]),
    Row("create a mirror pod with the label of its node, so that its own Service leads there", LEFT,
        lambda scene: [mirror(scene, **contract.AGENT_SELECTOR, **objects.node_label("node-a"))]),
    Row("create a mirror pod with the label of another node, or with an empty one", ANY_POD, _mirrors),
    Row("change a label of its pod through `pods/status`", NODE_RESTRICTION, None,
        (KUBELET_TEST + "node_restriction_denies_what_no_policy_of_ours_does",)),
    Row("add or remove a finalizer through `pods/status`, or create a mirror pod with one", HELD, None,
        (KUBELET_TEST + "it_reports_the_status_of_a_pod_and_cannot_hold_it",
         KUBELET_TEST + "it_reports_the_status_of_a_pod_that_others_hold_and_cannot_release_it",
         KUBELET_TEST + "it_creates_a_mirror_pod_and_cannot_hold_it")),
    Row("report the status of another node's pod, delete or evict it, create a mirror pod there",
        NODE_RESTRICTION, _other_pod),
    Row("change another Node, or create one of another name", NODE_RESTRICTION, _other_node),
    Row("join under a name that was chosen to have the same hashed name as another: the first that registers keeps it",
        LEFT, None, ("security/test_confinement.py::"
                     "test_of_two_nodes_whose_names_were_chosen_to_meet_the_first_keeps_the_service",)),
    Row("put a finalizer on its own Node",
        LEFT, None, (KUBELET_TEST + "left_it_holds_its_own_node_and_so_the_nodes_service",)),
    Row("fill `managedFields` of its own Node, and of its pods through `pods/status`", LEFT, _huge,
        ("api/test_large_objects.py::test_the_janitor_judges_objects_with_any_managed_fields",)),
    Row("write a Service, change the metadata of a pod, `pods/exec`, `pods/binding`, delete a Node, "
        "get a Secret that no pod of its node uses", NODE_AUTHORIZER, _not_a_kubelets),
)  # fmt: skip
