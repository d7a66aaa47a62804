"""An upgrade with the values of tests/e2e/values/reach.yaml off leaves nothing of them behind."""

from tests.e2e.client import CLIENTS
from tests.e2e.stack import Stack

KINDS = "daemonsets,deployments,services,configmaps,poddisruptionbudgets,networkpolicies,cronjobs,serviceaccounts,roles"


def objects(stack: Stack) -> set[str]:
    """What the release has in all namespaces."""
    wanted = ("get", KINDS, "--all-namespaces", "--selector=app.kubernetes.io/instance=nodeproxy")
    columns = "--output=custom-columns=:kind,:metadata.namespace,:metadata.name"
    return {" ".join(line.split()) for line in stack.kubectl(*wanted, columns).splitlines() if line.strip()}


def test_an_upgrade_with_the_values_off_leaves_nothing_behind(reach: Stack, whole_stack: Stack) -> None:
    whole_stack.apply()
    before = objects(whole_stack)
    reach.apply()
    with_all = objects(whole_stack)
    whole_stack.apply()
    whole_stack.await_rolled_out()

    assert objects(whole_stack) == before
    added = with_all - before
    assert {line for line in added if f" {CLIENTS} " in line} >= {
        f"{kind} {CLIENTS} db-bj" for kind in ("Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service")
    }
    assert "NetworkPolicy project-nodeproxy nodeproxy-clients-of-node-sh-02" in added
