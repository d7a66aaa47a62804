"""A cluster that runs the hand-rolled stack is upgraded, with the admission policies in place from the start."""

from pathlib import Path

from registrar import contract
from tests.e2e.observed import SITES, Observed
from tests.e2e.stack import Stack

HAND_ROLLED = Path(__file__).with_name("hand-rolled.yaml")


def test_the_hand_rolled_stack_is_upgraded_in_place(stack: Stack, observed: Observed) -> None:
    stack.remove()
    stack.kubectl("apply", "-f", str(HAND_ROLLED))
    stack.await_rolled_out()
    addresses = stack.cluster_ips()
    assert set(addresses) == {contract.service_name(site.node) for site in SITES}
    for site in SITES:
        observed.client.first_answer(site.node, site.city)
    stack.await_available()
    with observed.change("upgrade of the hand-rolled stack", *SITES):
        stack.make_room()
        stack.apply()
        stack.await_rolled_out()
    for name, service in stack.services().items():
        assert contract.NODE_NAME_ANNOTATION in service["metadata"]["annotations"], name
    stack.clean_up("after-the-upgrade")
    assert stack.cluster_ips() == addresses
    for left in ("clusterrolebinding/nodeproxy-rb", "clusterrole/nodeproxy-role", "serviceaccount/nodeproxy-manager"):
        stack.kubectl("delete", left)
