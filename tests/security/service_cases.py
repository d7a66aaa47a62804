"""What a registrar may write to Services, and what somebody on a compromised node would try."""

from registrar import contract
from tests.harness import reviews
from tests.harness.reviews import Object, by_registrar, managed, seed_service
from tests.security.writes import (
    DOTTED,
    LONG,
    Case,
    also_managed,
    annotated,
    changed,
    edited,
    foreign,
    nested,
    registered,
    registration,
)

NO_NODE = "the token is bound to no node; a registrar runs in a pod, on Kubernetes 1.30 or newer"
NAME = "the Service's name is not that of the token's node"
LABEL = "the Service's node label is not that of the token's node"
SELECTOR = "the Service must select the agent pods of the token's node, by just these labels"
RECORD = "the Service must record the token's node and pod"
ADDRESSES = "the Service must be of type ClusterIP, without external addresses and load balancer fields"
DEFAULTS = (
    "the Service must have a cluster IP, and the defaults of internalTrafficPolicy, publishNotReadyAddresses, "
    "sessionAffinity, trafficDistribution and ipFamilyPolicy"
)
CLUSTER_IP = "a registrar asks for no cluster IP and no address family"
PORT = "the Service has a port that the registrar is not told"
LABELS = "the Service must carry nodeproxy's labels, and any other as it was"
ANNOTATION = "a registrar changes no annotation but its own"
OWNERS = "a registrar changes no finalizer, owner, generateName or selfLink, and begins no deletion"
MANAGERS = "managedFields has a field manager, or fields of one, that nodeproxy-registrar does not leave there"
OTHERS = "the Service that is there is not that of the token's node"


def _port(**port: object) -> list[Object]:
    return [{"name": "http-proxy", "port": 8888, "targetPort": 8888, "protocol": "TCP", **port}]


def _seed_with_port_left(node: str) -> Object:
    return edited(
        seed_service(node),
        lambda live: live["spec"]["ports"].append({"name": "x", "port": 1, "targetPort": 1, "protocol": "TCP"}),
    )


def _as_mine(node: str, old: Object) -> Object:
    """A registration forced on an existing Service, which the registrar itself would refuse to write."""
    given = registration(node)
    return given | {"operation": "UPDATE", "oldObject": old}


def _written_by(manager: str, fields: Object, **more: str) -> Object:
    """A Service of ours that somebody else has changed since."""
    entry = managed(manager, fields, "Update", **more)
    return edited(registered("a"), lambda live: live["metadata"]["managedFields"].append(entry))


def _collide(node: str, name: str) -> Object:
    return changed(registration(node), "metadata", "name", to=name)


_a, _long = registration("a"), registration(LONG)
_again = registration("a", registered("a"))
_TWIN = DOTTED.replace("internal", "external")  # another node with the same slug
_OURS = contract.REGISTRAR_MANAGER


def _held(live: Object) -> Object:
    """The Service with a finalizer and an owner that somebody else set."""
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "x"}
    return edited(live, lambda each: each["metadata"].update(finalizers=["example/x"], ownerReferences=[owner]))


def _with_team(team: str, *, selected: bool) -> Object:
    """The Service with a label of somebody else, by which it may select too."""

    def edit(live: Object) -> None:
        live["metadata"]["labels"]["team"] = team
        if selected:
            live["spec"]["selector"]["team"] = team

    return edited(registered("a"), edit)


def _without_team(live: Object) -> Object:
    return changed(registration("a", live, "--take-over"), "metadata", "labels", "team", to=None)


def _asking(**spec: object) -> Object:
    """A first registration that also sets these fields of the spec."""
    given = registration("a")
    given["object"]["spec"].update(spec)
    [entry] = given["object"]["metadata"]["managedFields"]
    entry["fieldsV1"]["f:spec"].update({f"f:{field}": {} for field in spec})
    return given


SERVICES: dict[str, Case] = {
    "first registration": (_a, ()),
    "first registration, dry run": (_a | {"dryRun": True}, ()),
    "again, server-side apply": (_again, ()),
    "again, a stamp of the janitor stays": (
        registration("a", edited(registered("a"), annotated(**{contract.NODE_MISSING_SINCE_ANNOTATION: "x"}))),
        (),
    ),
    "upgrade from the hand-rolled stack, merge patch": (registration("a", seed_service("a")), ()),
    "upgrade, a port by hand goes": (registration("a", _seed_with_port_left("a")), ()),
    "a node's name with dots": (registration(DOTTED), ()),
    "a node's name over 63": (_long, ()),
    "a node's name over 63, again": (registration(LONG, registered(LONG)), ()),
    "labels and annotations of others stay": (
        registration("a", edited(registered("a"), lambda live: live["metadata"]["labels"].update(team="net"))),
        (),
    ),
    "another service.nodeLabel than before": (
        registration("a", registered("a", "--node-label", "office"), "--take-over"),
        (),
    ),
    "edited type is put right": (
        registration("a", edited(registered("a"), lambda live: live["spec"].update(type="NodePort"))),
        (),
    ),
    "a load balancer is put right": (
        registration(
            "a",
            edited(
                edited(registered("a"), annotated(**{"service.beta.kubernetes.io/load-balancer-source-ranges": "x"})),
                lambda live: live["spec"].update(type="LoadBalancer", externalTrafficPolicy="Local"),
            ),
        ),
        (),
    ),
    "changed fields get their defaults": (
        registration(
            "a",
            edited(
                registered("a"),
                lambda live: live["spec"].update(
                    externalIPs=["192.0.2.1"],
                    internalTrafficPolicy="Local",
                    publishNotReadyAddresses=True,
                    sessionAffinity="ClientIP",
                    sessionAffinityConfig={"clientIP": {"timeoutSeconds": 1}},
                    trafficDistribution="PreferSameNode",
                    ports=_port(appProtocol="kubernetes.io/ws"),
                ),
            ),
        ),
        (),
    ),
    "written-out defaults": (
        _asking(internalTrafficPolicy="Cluster", publishNotReadyAddresses=False, sessionAffinity="None"),
        (),
    ),
    "a dual-stack Service stays so": (
        registration("a", edited(registered("a"), lambda live: live["spec"].update(ipFamilyPolicy="PreferDualStack"))),
        (),
    ),
    "finalizers and owners of others stay": (registration("a", _held(registered("a"))), ()),
    "a Service without managedFields is taken over": (
        also_managed(
            registration("a", edited(registered("a"), lambda live: live["metadata"].pop("managedFields"))),
            managed("before-first-apply", {"f:spec": {"f:ports": {}}}, "Update"),
        ),
        (),
    ),
    "an entry of another manager loses a field": (
        also_managed(
            registration("a", _written_by("kubectl-edit", {"f:spec": {"f:type": {}, "f:selector": {}}})),
            managed("kubectl-edit", {"f:spec": {"f:type": {}}}, "Update"),
        ),
        (),
    ),
    "a token without a node": (
        registration("a", user=by_registrar("a", node_name=None)),
        (NO_NODE, NAME, LABEL, RECORD),
    ),
    "a token without any claim": (
        registration("a", user={"username": reviews.REGISTRAR}),
        (NO_NODE, NAME, LABEL, RECORD),
    ),
    "another node's Service": (registration("b", user=by_registrar("a")), (NAME, LABEL, RECORD)),
    "another node's existing Service": (
        registration("b", registered("b"), user=by_registrar("a")),
        (NAME, LABEL, RECORD, OTHERS),
    ),
    "another node's name alone": (_collide("a", "nodeproxy-access-b"), (NAME,)),
    "a longer name with the same beginning": (_collide("a", "nodeproxy-access-a-b"), (NAME,)),
    "a hashed name for a node that needs none": (_collide("a", "nodeproxy-access-a-0123456789"), (NAME,)),
    "a hashed name of another slug": (_collide(DOTTED, "nodeproxy-access-ip-10-0-1-24-0123456789"), (NAME,)),
    "the hashed name of another node": (_collide(DOTTED, contract.service_name(_TWIN)), (NAME,)),
    "other digits": (_collide(DOTTED, contract.service_name(DOTTED)[:-10] + "0123456789"), (NAME,)),
    "letters instead of the hash": (_collide(DOTTED, "nodeproxy-access-ip-10-0-1-23-ec2-internal-kubernetes"), (NAME,)),
    "dots replaced by dashes without a hash": (_collide(DOTTED, "nodeproxy-access-ip-10-0-1-23-ec2-internal"), (NAME,)),
    "a Service of the namespace": (_collide("a", "kube-dns"), (NAME,)),
    "another node's label": (changed(_a, "metadata", "labels", "target-node", to="b"), (LABEL, SELECTOR)),
    "no node label": (changed(_a, "metadata", "labels", "target-node", to=None), (LABEL, SELECTOR)),
    "a long name's label of another": (
        changed(_long, "metadata", "labels", "target-node", to="b" * 52 + "-0123456789"),
        (LABEL, SELECTOR),
    ),
    "a long name's label with other digits": (
        changed(_long, "metadata", "labels", "target-node", to=LONG[:52] + "-0123456789"),
        (LABEL, SELECTOR),
    ),
    "another node's pods": (changed(_a, "spec", "selector", "target-node", to="b"), (SELECTOR,)),
    "all agent pods": (changed(_a, "spec", "selector", "target-node", to=None), (SELECTOR,)),
    "other pods than agents": (changed(_a, "spec", "selector", "app", to="bank"), (SELECTOR,)),
    "an additional selector label": (changed(_a, "spec", "selector", "x", to="y"), (SELECTOR,)),
    "no selector": (changed(_a, "spec", "selector", to=None), (SELECTOR,)),
    "another node recorded": (changed(_a, "metadata", "annotations", "nodeproxy/node-name", to="b"), (RECORD,)),
    "no node recorded": (changed(_a, "metadata", "annotations", to=None), (RECORD,)),
    "another pod recorded": (changed(_a, "metadata", "annotations", "nodeproxy/registered-by", to="x"), (RECORD,)),
    "type NodePort": (changed(_a, "spec", "type", to="NodePort"), (ADDRESSES,)),
    "type LoadBalancer": (changed(_a, "spec", "type", to="LoadBalancer"), (ADDRESSES,)),
    "type ExternalName": (changed(_a, "spec", "externalName", to="evil.example"), (ADDRESSES,)),
    "external addresses": (changed(_a, "spec", "externalIPs", to=["192.0.2.1"]), (ADDRESSES,)),
    "a load balancer's address": (changed(_a, "spec", "loadBalancerIP", to="192.0.2.1"), (ADDRESSES,)),
    "a load balancer's class": (changed(_a, "spec", "loadBalancerClass", to="example/x"), (ADDRESSES,)),
    "headless": (changed(_a, "spec", "clusterIP", to="None"), (DEFAULTS,)),
    "traffic from its own node alone": (changed(_again, "spec", "internalTrafficPolicy", to="Local"), (DEFAULTS,)),
    "traffic to pods that are not ready": (changed(_again, "spec", "publishNotReadyAddresses", to=True), (DEFAULTS,)),
    "traffic to near pods": (changed(_again, "spec", "trafficDistribution", to="PreferSameNode"), (DEFAULTS,)),
    "sessions": (changed(_again, "spec", "sessionAffinity", to="ClientIP"), (DEFAULTS,)),
    "the length of sessions": (changed(_again, "spec", "sessionAffinityConfig", to={}), (DEFAULTS,)),
    "two address families": (changed(_again, "spec", "ipFamilyPolicy", to="PreferDualStack"), (DEFAULTS,)),
    "a cluster IP of its choice": (_asking(clusterIP="198.19.0.7"), (CLUSTER_IP,)),
    "cluster IPs of its choice": (_asking(clusterIPs=["198.19.0.7"]), (CLUSTER_IP,)),
    "an address family of its choice": (_asking(ipFamilies=["IPv6"]), (CLUSTER_IP,)),
    "nothing that says which fields it sets": (changed(_a, "metadata", "managedFields", to=None), (CLUSTER_IP,)),
    "an application protocol": (changed(_a, "spec", "ports", to=_port(appProtocol="kubernetes.io/ws")), (PORT,)),
    "another port number": (changed(_a, "spec", "ports", to=_port(port=443)), (PORT,)),
    "another target port": (changed(_a, "spec", "ports", to=_port(targetPort=22)), (PORT,)),
    "another protocol": (changed(_a, "spec", "ports", to=_port(protocol="UDP")), (PORT,)),
    "an additional port": (changed(_a, "spec", "ports", to=[*_port(), *_port(port=53)]), (PORT,)),
    "a node port": (changed(_a, "spec", "ports", to=_port(nodePort=30000)), (PORT,)),
    "no label of ours": (changed(_a, "metadata", "labels", "managed-by", to=None), (LABELS,)),
    "another's label with the node's value goes": (
        _without_team(_with_team("a", selected=False)),
        (LABELS,),
    ),
    "another's label that was selected by goes": (_without_team(_with_team("net", selected=True)), (LABELS,)),
    "a label that others act on": (changed(_a, "metadata", "labels", "expose", to="true"), (LABELS,)),
    "another's label changed": (
        changed(
            registration("a", edited(registered("a"), lambda live: live["metadata"]["labels"].update(team="net"))),
            "metadata",
            "labels",
            "team",
            to="x",
        ),
        (LABELS,),
    ),
    "an annotation that others act on": (
        changed(_a, "metadata", "annotations", "external-dns.alpha.kubernetes.io/hostname", to="bank.example"),
        (ANNOTATION,),
    ),
    "the janitor's stamp": (
        changed(_again, "metadata", "annotations", contract.NODE_MISSING_SINCE_ANNOTATION, to="x"),
        (ANNOTATION,),
    ),
    "a finalizer": (changed(_a, "metadata", "finalizers", to=["example/x"]), (OWNERS,)),
    "an owner": (changed(_again, "metadata", "ownerReferences", to=[{"kind": "Pod", "name": "x"}]), (OWNERS,)),
    "a prefix of a generated name": (changed(_a, "metadata", "generateName", to="x" * 200), (OWNERS,)),
    "new, and being deleted": (changed(_a, "metadata", "deletionTimestamp", to="2026-11-22T03:00:00Z"), (OWNERS,)),
    "new, with a grace period": (changed(_a, "metadata", "deletionGracePeriodSeconds", to=30), (OWNERS,)),
    "any text as its own address": (changed(_again, "metadata", "selfLink", to="x" * 200), (OWNERS,)),
    "another's finalizer removed": (
        changed(registration("a", _held(registered("a"))), "metadata", "finalizers", to=None),
        (OWNERS,),
    ),
    "another's owner removed": (
        changed(registration("a", _held(registered("a"))), "metadata", "ownerReferences", to=None),
        (OWNERS,),
    ),
    "another field manager": (also_managed(_again, managed("x", {"f:spec": {"f:type": {}}})), (MANAGERS,)),
    "another operation of a known field manager": (
        also_managed(registration("a", _written_by("kubectl-edit", {})), managed("kubectl-edit", {"f:spec": {}})),
        (MANAGERS,),
    ),
    "a subresource of its field manager": (
        also_managed(_again, managed(_OURS, {"f:spec": {}}, "Update", subresource="x")),
        (MANAGERS,),
    ),
    "another API version": (also_managed(_again, managed(_OURS, {"f:spec": {}}) | {"apiVersion": "v2"}), (MANAGERS,)),
    "managed fields of the status": (also_managed(_again, managed(_OURS, {"f:status": {"f:x": {}}})), (MANAGERS,)),
    "managed fields in managed fields": (also_managed(_again, managed(_OURS, {"f:spec": nested(4)})), (MANAGERS,)),
    "long managed fields": (also_managed(_again, managed(_OURS, {"f:spec": {"f:" + "x" * 16384: {}}})), (MANAGERS,)),
    "many managed fields": (
        also_managed(_again, managed(_OURS, {"f:spec": {"f:ports": {f"f:{n}": {} for n in range(300)}}})),
        (MANAGERS,),
    ),
    "over somebody else's Service": (_as_mine("a", foreign("a")), (OTHERS,)),
    "over one that another node with this hash has": (
        _as_mine("a", edited(registered("a"), annotated(**{contract.NODE_NAME_ANNOTATION: "a.b"}))),
        (OTHERS,),
    ),
    "over the hand-rolled stack's for another node": (
        _as_mine("a", edited(seed_service("a"), lambda live: live["spec"]["selector"].update({"target-node": "b"}))),
        (OTHERS,),
    ),
    "over one with the hand-rolled stack's selector but not its labels": (
        _as_mine("a", edited(seed_service("a"), lambda live: live["metadata"]["labels"].pop("managed-by"))),
        (OTHERS,),
    ),
    "another ServiceAccount": (
        changed(_a, "spec", "type", to="NodePort")
        | {"userInfo": {"username": "system:serviceaccount:project-nodeproxy:other"}},
        (),
    ),
    "a registrar of another namespace": (
        changed(_a, "spec", "type", to="NodePort")
        | {"userInfo": {"username": "system:serviceaccount:other:nodeproxy-registrar"}},
        (),
    ),
}
