"""What a registrar and a kubelet may write to a pod, and with which labels anybody may create or bind one."""

from registrar import contract
from tests.harness import objects
from tests.harness.reviews import Object, agent_pod, by_registrar, managed, request, uid
from tests.security.writes import DOTTED, LONG, Case, also_managed, changed, edited, labelling, nested

NO_NODE = "the token is bound to no node; a registrar runs in a pod, on Kubernetes 1.30 or newer"
NO_POD = "a registrar makes no pod, and runs nothing in one"
OWN_POD = "the pod is not the one that the token is bound to"
POD_LABEL = "the pod's node label is not that of the token's node"
ONLY_LABEL = "a registrar changes no label but the node's"
ONLY_POD_LABEL = "a registrar changes nothing of a pod but the node's label"
MANAGERS = "managedFields has a field manager, or fields of one, that nodeproxy-registrar does not leave there"
WHERE_IT_IS = "the label target-node must be that of the node which the pod is on"
FINALIZER = "a kubelet neither adds nor removes a finalizer of a pod"

_own = labelling("a")


def _written_by_others() -> Object:
    """An agent pod on node a, labelled by hand and with managed fields as deep as those of a pod can be."""
    fields = {"f:metadata": {"f:labels": {"f:x": {}, "f:target-node": {}}}, "f:spec": nested(9)}
    return edited(
        agent_pod("a", **{"target-node": "x"}),
        lambda pod: pod["metadata"].update(managedFields=[managed("kubectl-label", fields, "Update")]),
    )


PODS: dict[str, Case] = {
    "own pod's label": (_own, ()),
    "own pod's label, again": (labelling("a", agent_pod("a", **objects.node_label("a"))), ()),
    "own pod's label, a node's name over 63": (labelling(LONG), ()),
    "own pod's label, a node's name with dots": (labelling(DOTTED), ()),
    "own pod by a token without a node": (labelling("a", node_name=None), (NO_NODE, POD_LABEL)),
    "another pod of the node": (labelling("a", pod_name="agent-2"), (OWN_POD,)),
    "a pod that was replaced": (labelling("a", pod_uid=uid("before")), (OWN_POD,)),
    "a pod by a token without a pod": (labelling("a", pod_name=None, pod_uid=None), (OWN_POD,)),
    "another node's pod": (labelling("b", user=by_registrar("a")), (OWN_POD, POD_LABEL)),
    "own pod, another node's label": (
        changed(_own, "metadata", "labels", "target-node", to="b"),
        (POD_LABEL, WHERE_IT_IS),
    ),
    "own pod, no label": (changed(_own, "metadata", "labels", "target-node", to=None), (POD_LABEL,)),
    "own pod, a long name's label of another": (
        changed(labelling(LONG), "metadata", "labels", "target-node", to="b" * 52 + "-0123456789"),
        (POD_LABEL, WHERE_IT_IS),
    ),
    "own pod, a long name's label with other digits": (
        changed(labelling(LONG), "metadata", "labels", "target-node", to=LONG[:52] + "-0123456789"),
        (POD_LABEL, WHERE_IT_IS),
    ),
    "own pod, a field manager of others loses its label": (
        also_managed(
            labelling("a", _written_by_others()),
            managed("kubectl-label", {"f:metadata": {"f:labels": {"f:x": {}}}, "f:spec": nested(9)}, "Update"),
        ),
        (),
    ),
    "own pod, another field manager": (also_managed(_own, managed("x", {"f:metadata": {}})), (MANAGERS,)),
    "own pod, managed fields of the spec": (
        also_managed(_own, managed(contract.REGISTRAR_MANAGER, {"f:spec": {"f:containers": {}}}, "Update")),
        (MANAGERS,),
    ),
    "own pod, managed fields in managed fields": (
        also_managed(_own, managed(contract.REGISTRAR_MANAGER, {"f:metadata": nested(4)}, "Update")),
        (MANAGERS,),
    ),
    "own pod, another label": (changed(_own, "metadata", "labels", "app", to="bank"), (ONLY_LABEL,)),
    "own pod, one label more": (changed(_own, "metadata", "labels", "x", to="y"), (ONLY_LABEL,)),
    "own pod, one label less": (changed(_own, "metadata", "labels", "app", to=None), (ONLY_LABEL,)),
    "own pod, another image": (
        changed(_own, "spec", "containers", to=[{"name": "proxy", "image": "evil"}]),
        (ONLY_POD_LABEL,),
    ),
    "own pod, an annotation": (changed(_own, "metadata", "annotations", to={"x": "y"}), (ONLY_POD_LABEL,)),
    "own pod, a finalizer": (changed(_own, "metadata", "finalizers", to=["example/x"]), (ONLY_POD_LABEL,)),
    "own pod, another prefix of its name": (changed(_own, "metadata", "generateName", to="x"), (ONLY_POD_LABEL,)),
    "own pod, any text as its own address": (changed(_own, "metadata", "selfLink", to="x"), (ONLY_POD_LABEL,)),
    "own pod, no owner": (changed(_own, "metadata", "ownerReferences", to=None), (ONLY_POD_LABEL,)),
    "a new pod": (
        request("CREATE", "pods", by_registrar("a"), agent_pod("a", **objects.node_label("a"))),
        (NO_POD, OWN_POD, ONLY_LABEL, ONLY_POD_LABEL),
    ),
    "a container in a running pod": (_own | {"subResource": "ephemeralcontainers"}, (NO_POD,)),
}


def _kubelet(pod: Object, resource: str = "pods", old: Object | None = None) -> Object:
    user = {"username": "system:node:a", "groups": ["system:nodes"]}
    return request("UPDATE" if old else "CREATE", resource, user, pod, old)


def _unscheduled(pod: Object) -> Object:
    return edited(pod, lambda each: each["spec"].pop("nodeName"))


ANYBODY: dict[str, Case] = {
    "an agent pod of the DaemonSet": (_kubelet(_unscheduled(agent_pod("a"))), ()),
    "a pod without labels": (_kubelet(edited(agent_pod("a"), lambda pod: pod["metadata"].pop("labels"))), ()),
    "a mirror pod with its own node's label": (_kubelet(agent_pod("a", **objects.node_label("a"))), ()),
    "a status of a labelled pod": (
        _kubelet(agent_pod("a", **objects.node_label("a")), "pods/status", agent_pod("a")),
        (),
    ),
    "a labelled pod, a node's name over 63": (_kubelet(agent_pod(LONG, **objects.node_label(LONG))), ()),
    "a mirror pod with another node's label": (_kubelet(agent_pod("a", **objects.node_label("b"))), (WHERE_IT_IS,)),
    "a mirror pod with a long name's label of another": (
        _kubelet(agent_pod(LONG, **{"target-node": "b" * 52 + "-0123456789"})),
        (WHERE_IT_IS,),
    ),
    "a mirror pod with its long name's label with other digits": (
        _kubelet(agent_pod(LONG, **{"target-node": LONG[:52] + "-0123456789"})),
        (WHERE_IT_IS,),
    ),
    "a labelled pod that is on no node yet": (
        _kubelet(_unscheduled(agent_pod("a", **objects.node_label("a")))),
        (WHERE_IT_IS,),
    ),
    "another node's label through the status": (
        _kubelet(agent_pod("a", **objects.node_label("b")), "pods/status", agent_pod("a")),
        (WHERE_IT_IS,),
    ),
    "an unscheduled pod with an empty node label": (
        _kubelet(_unscheduled(agent_pod("a", **{"target-node": ""}))),
        (WHERE_IT_IS,),
    ),
    "an empty node label": (_kubelet(agent_pod("a", **{"target-node": ""})), (WHERE_IT_IS,)),
}


def _binding(node: str, resource: str = "pods/binding", **labels: str) -> Object:
    """The scheduler's request, which copies its labels to the pod."""
    meta = {"name": "nodeproxy-agent-x7k2p", "labels": labels}
    body = {"apiVersion": "v1", "kind": "Binding", "metadata": meta, "target": {"kind": "Node", "name": node}}
    return request("CREATE", resource, {"username": "system:kube-scheduler"}, body)


BINDINGS: dict[str, Case] = {
    "no label": (_binding("a"), ()),
    "no label, by the legacy resource": (_binding("a", "bindings"), ()),
    "the node's label": (_binding("a", **objects.node_label("a")), ()),
    "a long name's label": (_binding(LONG, **objects.node_label(LONG)), ()),
    "another label": (_binding("a", **{"topology.kubernetes.io/zone": "beijing"}), ()),
    "another node's label": (_binding("a", **objects.node_label("b")), (WHERE_IT_IS,)),
    "another node's label, by the legacy resource": (
        _binding("a", "bindings", **objects.node_label("b")),
        (WHERE_IT_IS,),
    ),
    "an empty label": (_binding("a", **{"target-node": ""}), (WHERE_IT_IS,)),
}


def _held(pod: Object, *finalizers: str) -> Object:
    return edited(pod, lambda each: each["metadata"].update(finalizers=[*finalizers]))


_own_pod = agent_pod("a")
KUBELETS: dict[str, Case] = {
    "a mirror pod": (_kubelet(_own_pod), ()),
    "a status": (_kubelet(_own_pod, "pods/status", _own_pod), ()),
    "a status of a pod that others hold": (_kubelet(_held(_own_pod, "x/y"), "pods/status", _held(_own_pod, "x/y")), ()),
    "a mirror pod with a finalizer": (_kubelet(_held(_own_pod, "x/y")), (FINALIZER,)),
    "a status with a finalizer": (_kubelet(_held(_own_pod, "x/y"), "pods/status", _own_pod), (FINALIZER,)),
    "a status with a second finalizer": (
        _kubelet(_held(_own_pod, "x/y", "x/z"), "pods/status", _held(_own_pod, "x/y")),
        (FINALIZER,),
    ),
    "a status without the finalizer of others": (
        _kubelet(_own_pod, "pods/status", _held(_own_pod, "x/y")),
        (FINALIZER,),
    ),
    "a finalizer by a controller": (
        request(
            "UPDATE",
            "pods",
            {"username": "system:serviceaccount:kube-system:job-controller"},
            _held(_own_pod, "x/y"),
            _own_pod,
        ),
        (),
    ),
}
