"""The worlds that are searched: a node that leaves and returns, and everybody who writes its Service."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from janitor import inventory
from registrar import contract
from registrar.kube.transport import MERGE_PATCH
from tests.harness import objects
from tests.model import programs
from tests.model.calls import Call
from tests.model.programs import Pod, create, delete
from tests.model.replay import Asks, Replayer
from tests.model.server import COMPACTION, HOUR, Key, Server
from tests.model.tables import Histories
from tests.model.world import DONE, START, Actor, Event, World

A, B = "a", "b"  # the node that leaves, and one that stays: without any node the guard refuses
OLD, NEW, OTHER, STRANGER = Pod("old", A), Pod("new", A), Pod("other", B), Pod("stranger", "c")
LABELLED = Pod("new", A, bound_with_label=True)
_SERVICES = frozenset({programs.service_key(A), programs.service_key(B)})
_LABELS_ONLY, _ANOTHERS = "labels-only", contract.service_name("c")
_FINALIZER = "example.com/cleanup"


def start(replayer: Replayer, *, registered: bool = True, finalizer: bool = False) -> Server:
    """Two nodes with an agent pod each, which have registered by the real registrar, and two foreign Services."""
    server = Server()
    for node in (A, B):
        create(server, "nodes", objects.node(node))
    for pod in (OLD, OTHER):
        pod.create(server)
        if registered or pod is OTHER:
            run(replayer, server, programs.registrar(pod, replayer.folder))
    without_node = objects.service("x", name=_LABELS_ONLY, annotation=None, label=None, selector=None)
    another = objects.service("c", annotation=None, label=None)
    another["metadata"]["labels"] = {"app": "another"}
    for body in (without_node, another):
        create(server, "services", body)
    if finalizer:
        _patch(server, {"metadata": {"finalizers": [_FINALIZER]}})
    return server


def run(replayer: Replayer, server: Server, program: Callable[..., object]) -> None:
    """Run a program alone, to its end."""
    histories, history = Histories(World("", server, [Actor("", program)]), replayer), START
    while history >= START:
        following = histories.next(0, history)
        assert isinstance(following, Asks), following
        history, _ = histories.after(0, history, server.answer(following.call))
    assert history == DONE


def world(
    name: str,
    server: Server,
    *actors: Actor,
    extra: Sequence[Event] = (),
    page: int = inventory.PAGE,
    registered: Sequence[Pod] = (OLD, OTHER),
    new: Pod = NEW,
) -> World:
    return World(
        name,
        server,
        actors,
        (LEAVES, RETURNS, COLLECTED, starts(new), *extra),
        nodes={A: (OLD.name, NEW.name), B: (OTHER.name,)},
        foreign=frozenset({("services", _LABELS_ONLY), ("services", _ANOTHERS)}),
        registered=frozenset(pod.name for pod in registered),
        page=page,
    )


# ---- who acts


def registrar(replayer: Replayer, pod: Pod, name: str) -> Actor:
    """A registrar begins when its pod exists; that of a pod which registered before repeats it, as a sidecar does."""
    writes: set[Key] = {programs.service_key(pod.node)} | (set() if pod.bound_with_label else {("pods", pod.name)})
    program = programs.registrar(pod, replayer.folder)
    return Actor(name, program, frozenset(writes), lambda server: server.has("pods", pod.name), pod.name)


def janitors(count: int, *flags: str) -> list[Actor]:
    program = programs.janitor(*flags)
    return [Actor(f"janitor {number}", program, _SERVICES, is_janitor=True) for number in range(1, count + 1)]


def old_registrar(replayer: Replayer) -> Actor:
    return registrar(replayer, OLD, "the old pod's registrar")


def new_registrar(replayer: Replayer, pod: Pod = NEW) -> Actor:
    return registrar(replayer, pod, "the new pod's registrar")


def editor() -> Actor:
    return Actor("an editor", programs.editor(A), frozenset({programs.service_key(A)}))


# ---- what happens

LEAVES = Event("node a leaves", lambda server: server.has("nodes", A), lambda server: delete(server, "nodes", A))
RETURNS = Event(
    "node a returns", lambda server: not server.has("nodes", A), lambda server: create(server, "nodes", objects.node(A))
)
COLLECTED = Event(
    "the old pod of node a is deleted",
    lambda server: server.has("pods", OLD.name) and not (server.has("nodes", A) and not server.has("pods", NEW.name)),
    lambda server: delete(server, "pods", OLD.name),
)
EXPIRES = Event("continue tokens expire", lambda _server: True, lambda server: server.happened(COMPACTION))
HOURS = tuple(Event("an hour passes", lambda _server: True, lambda server: server.happened(HOUR)) for _ in range(2))
RELEASED = Event(
    "a controller lets the Service of node a go",
    lambda server: "deletionTimestamp" in _meta(server),
    lambda server: _patch(server, {"metadata": {"finalizers": None}}),
)


def starts(pod: Pod) -> Event:
    return Event("a new pod starts on node a", lambda server: server.has("nodes", A), pod.create)


def _meta(server: Server) -> Mapping[str, object]:
    found = server.get(*programs.service_key(A))
    meta: Mapping[str, object] = found["metadata"] if found else {}
    return meta


def _patch(server: Server, body: Mapping[str, object]) -> None:
    resource, name = programs.service_key(A)
    call = Call("PATCH", resource, name, "fieldManager=controller", json.dumps(body), MERGE_PATCH)
    assert server.answer(call).status == 200


def worlds(replayer: Replayer, *, lost: int = 1, deaths: int = 0, hours: int = 1) -> list[World]:
    """Worlds with some of the actors, and with parts of the API server that no other world has."""
    first, held, third = start(replayer, registered=False), start(replayer, finalizer=True), start(replayer)
    create(third, "nodes", objects.node(STRANGER.node))
    STRANGER.create(third)
    stranger = registrar(replayer, STRANGER, "the registrar of node c")
    old, new, labelled = old_registrar(replayer), new_registrar(replayer), new_registrar(replayer, LABELLED)
    found = [
        world("two janitors", start(replayer), *janitors(2), new),
        world("an editor", start(replayer), *janitors(1), old, new, editor()),
        world("no Service yet", first, *janitors(1), old, new, registered=[OTHER]),
        world("a finalizer", held, *janitors(2), new, extra=[RELEASED]),
        world("expired pages", start(replayer), *janitors(1), new, extra=[EXPIRES], page=1),
        world("another's Service", third, *janitors(1), stranger, new),
        world("labels by policy", start(replayer), *janitors(2), old, labelled, new=LABELLED),
    ]
    grace = janitors(2, "--grace-period", "1h")  # time multiplies the states, so no answer is lost here
    return [
        *(replace(each, lost=lost, deaths=deaths) for each in found),
        replace(world("a grace period", start(replayer), *grace, new, extra=HOURS[:hours]), grace=1),
    ]


def everybody(replayer: Replayer, *, lost: int = 1, deaths: int = 1) -> World:
    """All actors at the same time."""
    actors = *janitors(2), old_registrar(replayer), new_registrar(replayer), editor()
    return replace(world("everybody", start(replayer), *actors), lost=lost, deaths=deaths)


def smallest(replayer: Replayer) -> World:
    """A janitor and a registrar, which is enough for every planted bug."""
    return world("a janitor and a registrar", start(replayer), *janitors(1), new_registrar(replayer))
