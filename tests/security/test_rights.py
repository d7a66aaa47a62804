"""Each ServiceAccount has, by `kubectl auth can-i`, exactly the rights that docs/security.md lists."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product

import yaml

from tests.harness import chart, versions
from tests.harness.client import Object, parallel
from tests.harness.cluster import JANITOR, NAMESPACE, RBAC_KINDS, REGISTRAR, ROOT, Cluster, installed

DOC = ROOT / "docs" / "security.md"
ACCOUNTS = (REGISTRAR, JANITOR, "default")
ELSEWHERE = "kube-system"
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "*")
RESOURCES = (
    "pods", "pods/exec", "pods/attach", "pods/portforward", "pods/log", "pods/status", "pods/ephemeralcontainers",
    "pods/eviction", "pods/binding", "bindings", "services", "services/status", "services/proxy", "endpoints",
    "configmaps", "secrets",
    "serviceaccounts", "serviceaccounts/token", "events", "persistentvolumeclaims", "nodes", "nodes/proxy",
    "nodes/status", "namespaces", "persistentvolumes", "daemonsets.apps", "deployments.apps", "jobs.batch",
    "cronjobs.batch", "leases.coordination.k8s.io", "endpointslices.discovery.k8s.io",
    "networkpolicies.networking.k8s.io", "roles.rbac.authorization.k8s.io", "rolebindings.rbac.authorization.k8s.io",
    "clusterroles.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io",
    "validatingwebhookconfigurations.admissionregistration.k8s.io", "certificatesigningrequests.certificates.k8s.io",
    "tokenreviews.authentication.k8s.io", "*",
)  # fmt: skip
Right = tuple[str, str, str, str]  # ServiceAccount, verb, resource, namespace


def documented() -> list[set[Right]]:
    """The rights in each of the document's tables, in the namespaces that are asked about."""
    tables = re.findall(r"(?:^\|.*\n)+", DOC.read_text(), re.MULTILINE)
    rows = [[_cells(row) for row in table.splitlines()] for table in tables]
    return [_rights(table[2:]) for table in rows if table[0] == ["ServiceAccount", "verbs", "resources", "where"]]


def _cells(row: str) -> list[str]:
    return [cell.strip(" `") for cell in row.strip("|").split("|")]


def _rights(rows: list[list[str]]) -> set[Right]:
    found: set[Right] = set()
    for account, verbs, resources, where in rows:
        assert account in ACCOUNTS
        if verbs:
            namespaces = {NAMESPACE: [NAMESPACE], "the cluster": [NAMESPACE, ELSEWHERE]}[where]
            found |= {(account, *each) for each in product(verbs.split(", "), resources.split(", "), namespaces)}
    return found


def asked(cluster: Cluster) -> set[Right]:
    """Of all combinations of ServiceAccount, verb, resource and namespace, those that the API server allows."""

    def allowed(right: Right) -> bool:
        account, verb, resource, namespace = right
        name, _, sub = resource.partition("/")
        name, _, group = name.partition(".")
        about = {"verb": verb, "resource": name, "subresource": sub, "group": group, "namespace": namespace}
        user = f"system:serviceaccount:{NAMESPACE}:{account}"
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}", "system:authenticated"]
        review = {
            "kind": "SubjectAccessReview",
            "apiVersion": "authorization.k8s.io/v1",
            "spec": {"user": user, "groups": groups, "resourceAttributes": about},
        }
        answer = cluster.admin.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    rights = [*product(ACCOUNTS, VERBS, RESOURCES, (NAMESPACE, ELSEWHERE))]
    return {right for right, yes in zip(rights, parallel(allowed, rights), strict=True) if yes}


def listed(cluster: Cluster) -> set[Right]:
    """As `kubectl auth can-i --list` prints it, without what Kubernetes grants to every ServiceAccount."""
    found: set[Right] = set()
    for namespace in (NAMESPACE, ELSEWHERE):
        every = can_i(cluster, "another-namespace", "default", namespace)
        for account in ACCOUNTS:
            rights = can_i(cluster, NAMESPACE, account, namespace) - every
            found |= {(account, verb, resource, namespace) for verb, resource in rights}
    return found


def can_i(cluster: Cluster, home: str, account: str, namespace: str) -> set[tuple[str, str]]:
    """Verbs and resources that a ServiceAccount of the namespace `home` may use in `namespace`."""
    user = f"--as=system:serviceaccount:{home}:{account}"
    printed = cluster.api.kubectl("auth", "can-i", "--list", "--no-headers", user, "-n", namespace).stdout
    rows = re.findall(r"^([^\s\[]\S*) .*\[([^\]]*)\]$", printed, re.MULTILINE)
    return {(verb, resource) for resource, verbs in rows for verb in verbs.split()}


def added_rbac(objects: list[Object]) -> list[Object]:
    """The RBAC objects that install.yaml does not have."""
    known = {(each["kind"], each["metadata"]["name"]) for each in installed()}
    return [
        each for each in objects if each["kind"] in RBAC_KINDS and (each["kind"], each["metadata"]["name"]) not in known
    ]


@contextmanager
def applied(
    cluster: Cluster,
    values: Object,
    right: tuple[str, str, str],
    *,
    allowed: bool,
    kubernetes: str = versions.minors()[0],
) -> Iterator[None]:
    """The RBAC of the chart with these values on this release, which changes this right."""
    rbac = [each for each in chart.render(values, kubernetes=kubernetes) if each["kind"] in RBAC_KINDS]
    cluster.api.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(rbac))
    cluster.await_right(*right, allowed=allowed)
    yield
    if more := added_rbac(rbac):
        cluster.api.kubectl("delete", "-f", "-", input=yaml.safe_dump_all(more))
    cluster.apply_rbac()
    cluster.await_right(*right, allowed=not allowed)


def test_each_service_account_has_exactly_the_documented_rights(cluster: Cluster) -> None:
    base, *_ = documented()
    assert asked(cluster) == base
    assert listed(cluster) == base


def test_the_events_component_adds_one_right(cluster: Cluster) -> None:
    base, more, *_ = documented()
    with applied(cluster, {"janitor": {"events": True}}, (JANITOR, "create", "events"), allowed=True):
        assert asked(cluster) == base | more
        assert listed(cluster) == base | more


def test_sites_add_one_right_before_kubernetes_labels_pods_itself(cluster: Cluster) -> None:
    base, _, more, _ = documented()
    right = (REGISTRAR, "get", "nodes")
    with applied(cluster, {"sites": ["beijing"]}, right, allowed=True, kubernetes="1.34"):
        assert asked(cluster) == base | more
        assert listed(cluster) == base | more
    rbac = [[each for each in chart.render(values) if each["kind"] in RBAC_KINDS] for values in ({}, {"sites": ["a"]})]
    assert rbac[0] == rbac[1]


def test_labels_by_a_policy_take_away_one_right(cluster: Cluster) -> None:
    base, *_, less = documented()
    with applied(cluster, {"admission": {"labelPods": True}}, (REGISTRAR, "patch", "pods"), allowed=False):
        assert asked(cluster) == base - less < base
        assert listed(cluster) == base - less
