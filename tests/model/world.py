"""A small cluster: what exists, which programs run, what happens, and the states in which it can be."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.model.calls import Call, Reply
from tests.model.replay import Ended, Program
from tests.model.server import Key, Server

# In place of a history: a program that has ended needs none.
DEAD, DONE, FAILED = -1, -2, -3
START = 0


@dataclass(frozen=True)
class Actor:
    """A program that runs once. `starts`: it can begin. `writes`: the objects that it may write."""

    name: str
    program: Program
    writes: frozenset[Key] = frozenset()
    starts: Callable[[Server], bool] = lambda _server: True
    pod: str = ""  # a registrar's
    is_janitor: bool = False

    @property
    def is_ours(self) -> bool:
        """Is it a program of ours? Only they lose answers and die."""
        return self.is_janitor or bool(self.pod)


@dataclass(frozen=True)
class Event:
    """Something that happens once at most, whenever it can."""

    name: str
    can: Callable[[Server], bool]
    act: Callable[[Server], None]


@dataclass(frozen=True)
class World:
    """What exists at the start, who acts, what happens, and how many answers may be lost and programs may die."""

    name: str
    start: Server
    actors: Sequence[Actor]
    events: Sequence[Event] = ()
    lost: int = 0
    deaths: int = 0
    nodes: Mapping[str, Sequence[str]] = field(default_factory=dict)  # with their agent pods
    foreign: frozenset[Key] = frozenset()
    registered: frozenset[str] = frozenset()  # pods that registered before the start
    page: int = 500  # objects on a page of the janitor's lists
    grace: int = 0  # hours of the janitors' grace period


class Late(NamedTuple):
    """A request that is under way although its sender has given up. `nodes`: those that its sender had seen."""

    actor: int
    call: Call
    nodes: frozenset[str]


class Seen(NamedTuple):
    """What a janitor has seen: uids of Nodes at its latest request before a DELETE, and when it listed Services."""

    latest: frozenset[str] = frozenset()
    at_services: frozenset[str] = frozenset()


class State(NamedTuple):
    """Everything that decides what can happen next, as numbers that `Steps` knows; `events` is a bit mask."""

    server: int
    histories: tuple[int, ...]  # by actor
    seen: tuple[int, ...]  # by actor
    events: int
    late: tuple[int, ...]
    lost: int
    deaths: int


class Step(NamedTuple):
    """What somebody did, and what that led to. `reply` is None if it is not known to whoever asked."""

    who: str
    what: str
    state: State
    actor: int = -1
    call: Call | None = None
    reply: Reply | None = None
    nodes: frozenset[str] = frozenset()  # uids of those that existed at the actor's latest request before
    ended: Ended | None = None
