"""Least privilege: the rights of install.yaml are sufficient, and each of them is needed."""

from collections.abc import Iterator

import pytest

from registrar import contract
from tests.harness import objects
from tests.harness.apiserver import ApiServer
from tests.harness.cluster import JANITOR, NAMESPACE, SERVICES, Cluster, installed

OVERDUE, GONE, LIVE = (contract.service_name(node) for node in ("overdue", "gone", "live"))
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{JANITOR}"
NEEDED = {
    ("list", "services"),
    ("delete", "services"),
    ("patch", "services"),
    ("list", "pods"),
    ("get", "nodes"),
    ("list", "nodes"),
}


@pytest.fixture
def cluster(cluster: Cluster) -> Cluster:
    """One Service to keep, one to stamp and one whose grace period is over: this takes every right."""
    cluster.node("live")
    overdue = f"2020-01-01T00:00:00Z/{objects.FIRST_POD}"
    made = [objects.service("live"), objects.service("gone"), objects.service("overdue", missing_since=overdue)]
    cluster.admin.create_many(SERVICES, made)
    return cluster


@pytest.fixture
def restore(cluster: Cluster) -> Iterator[None]:
    yield
    cluster.apply_rbac()
    for verb, resource in NEEDED:
        cluster.await_right(JANITOR, verb, resource, allowed=True)


def is_stamped(cluster: Cluster) -> bool:
    return contract.NODE_MISSING_SINCE_ANNOTATION in cluster.service(GONE)["metadata"]["annotations"]


def take_away(cluster: Cluster, verb: str, resource: str) -> None:
    """Remove this verb for this resource from the role in install.yaml that grants it."""
    kind = "ClusterRole" if resource == "nodes" else "Role"
    (role,) = [each for each in installed() if each["kind"] == kind and each["metadata"]["name"] == JANITOR]
    rules = [
        {**rule, "verbs": [each for each in rule["verbs"] if (each, resource) != (verb, *rule["resources"])]}
        for rule in role["rules"]
    ]
    cluster.change_role(kind, JANITOR, [rule for rule in rules if rule["verbs"]])
    cluster.await_right(JANITOR, verb, resource, allowed=False)


def test_the_janitor_uses_exactly_the_rights_of_the_manifests(cluster: Cluster, api: ApiServer) -> None:
    mark = api.audit_mark()
    run = cluster.janitor("--grace-period", "1h")
    assert run.code == 0, run.err
    assert run.verdicts == {OVERDUE: ("delete", "deleted"), GONE: ("wait", None), LIVE: ("keep", None)}
    assert set(cluster.services()) == {GONE, LIVE}
    assert is_stamped(cluster)
    used = {(event.verb, event.resource) for event in api.requests_since(mark, user=ACCOUNT)}
    assert used == NEEDED


@pytest.mark.usefixtures("restore")
@pytest.mark.parametrize(("verb", "resource"), sorted(NEEDED))
def test_a_missing_right_is_named_and_no_wrong_service_is_deleted(cluster: Cluster, verb: str, resource: str) -> None:
    before = cluster.services()
    take_away(cluster, verb, resource)
    run = cluster.janitor("--grace-period", "1h")
    assert run.code == 1
    assert f'cannot {verb} resource "{resource}"' in run.err
    assert "403 Forbidden" in run.err
    assert "grant this verb to the user (manifests/install.yaml has the Roles)" in run.err

    after = cluster.services()
    if verb == "list":  # without all lists nothing is judged, deleted or reported
        assert (run.out, after) == ("", before)
    elif verb == "patch":  # deletions do not need this right
        assert run.verdicts == {OVERDUE: ("delete", "deleted"), GONE: ("wait", "failed"), LIVE: ("keep", None)}
        assert after == {name: before[name] for name in (GONE, LIVE)}
    else:
        assert run.verdicts == {OVERDUE: ("delete", "failed"), GONE: ("wait", None), LIVE: ("keep", None)}
        assert set(after) == set(before)
        assert is_stamped(cluster)


@pytest.mark.usefixtures("restore")
def test_nothing_is_deleted_while_nodes_are_forbidden_and_the_next_run_works(cluster: Cluster) -> None:
    before = cluster.services()
    take_away(cluster, "list", "nodes")
    run = cluster.janitor("--max-delete", "100%")
    assert (run.code, cluster.services()) == (1, before)
    assert "cannot list Nodes: 403 Forbidden" in run.last_line

    cluster.apply_rbac()
    cluster.await_right(JANITOR, "list", "nodes", allowed=True)
    assert cluster.janitor("--max-delete", "100%").code == 0
    assert list(cluster.services()) == [LIVE]


def test_an_expired_token_is_reported_and_nothing_is_deleted(cluster: Cluster, api: ApiServer) -> None:
    before = cluster.services()
    expired = api.token_kubeconfig(api.expired_token(NAMESPACE, JANITOR), NAMESPACE)
    run = cluster.janitor(KUBECONFIG=str(expired))
    assert run.code == 1
    assert "cannot list Services: 401 Unauthorized" in run.last_line
    assert cluster.services() == before
