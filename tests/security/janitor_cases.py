"""What a janitor may delete and write."""

from registrar import contract
from tests.harness.reviews import JANITOR, managed, request, seed_service
from tests.security.writes import (
    Case,
    also_managed,
    annotated,
    changed,
    deleting,
    edited,
    foreign,
    nested,
    registered,
    stamping,
)

NO_NEW = "a janitor makes no Service"
NOT_OURS = "the Service is not nodeproxy's"
ONLY_STAMP = "a janitor changes no annotation but nodeproxy/node-missing-since"
ONLY_STAMPED = "a janitor changes nothing of a Service but its own annotation"
MANAGERS = "managedFields has a field manager, or fields of one, that nodeproxy-janitor does not leave there"

_stamp = stamping(registered("a"))

JANITORS: dict[str, Case] = {
    "a stamp": (_stamp, ()),
    "a stamp removed": (
        stamping(edited(registered("a"), annotated(**{contract.NODE_MISSING_SINCE_ANNOTATION: "x"})), None),
        (),
    ),
    "a stamp on the hand-rolled stack's Service": (stamping(seed_service("a")), ()),
    "a deletion": (deleting(registered("a")), ()),
    "a deletion of the hand-rolled stack's Service": (deleting(seed_service("a")), ()),
    "a deletion of somebody else's Service": (deleting(foreign("a")), (NOT_OURS,)),
    "a deletion of a Service without labels": (
        deleting(edited(foreign("a"), lambda live: live["metadata"].pop("labels"))),
        (NOT_OURS,),
    ),
    "a deletion of all at once": (deleting(None), (NOT_OURS,)),
    "a deletion by another user": (deleting(foreign("a"), "admin"), ()),
    "a stamp on somebody else's Service": (stamping(foreign("a")), (NOT_OURS,)),
    "a new Service": (
        request("CREATE", "services", {"username": JANITOR}, registered("a")),
        (NO_NEW, NOT_OURS, ONLY_STAMP, ONLY_STAMPED, MANAGERS),
    ),
    "another annotation": (changed(_stamp, "metadata", "annotations", "x", to="y"), (ONLY_STAMP,)),
    "another node recorded": (
        changed(_stamp, "metadata", "annotations", "nodeproxy/node-name", to="b"),
        (ONLY_STAMP,),
    ),
    "no node recorded": (
        changed(_stamp, "metadata", "annotations", "nodeproxy/node-name", to=None),
        (ONLY_STAMP,),
    ),
    "another selector": (changed(_stamp, "spec", "selector", "target-node", to="b"), (ONLY_STAMPED,)),
    "external addresses by the janitor": (changed(_stamp, "spec", "externalIPs", to=["192.0.2.1"]), (ONLY_STAMPED,)),
    "a label removed": (changed(_stamp, "metadata", "labels", "managed-by", to=None), (ONLY_STAMPED,)),
    "a finalizer by the janitor": (changed(_stamp, "metadata", "finalizers", to=["example/x"]), (ONLY_STAMPED,)),
    "any text as the Service's address by the janitor": (
        changed(_stamp, "metadata", "selfLink", to="x"),
        (ONLY_STAMPED,),
    ),
    "another field manager than the janitor": (
        also_managed(_stamp, managed("x", {"f:metadata": {}})),
        (MANAGERS,),
    ),
    "managed fields in managed fields by the janitor": (
        also_managed(_stamp, managed(contract.JANITOR_MANAGER, {"f:metadata": nested(4)})),
        (MANAGERS,),
    ),
    "managed fields of the spec by the janitor": (
        also_managed(_stamp, managed(contract.JANITOR_MANAGER, {"f:spec": {}}, "Update")),
        (MANAGERS,),
    ),
}
