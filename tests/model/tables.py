"""Numbers for what states consist of, and results that are computed once: states are compared by the million."""

from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

from tests.model.api import Kept
from tests.model.calls import Call, Reply
from tests.model.replay import LOST, Again, Asks, Ended, Replayer
from tests.model.server import Key, Server
from tests.model.world import DONE, FAILED, START, World

T = TypeVar("T", bound=Hashable)


class Numbers(Generic[T]):
    """A number for each value, from 0 on."""

    def __init__(self) -> None:
        self._numbers: dict[T, int] = {}
        self._values: list[T] = []

    def of(self, value: T) -> int:
        number = self._numbers.setdefault(value, len(self._values))
        if number == len(self._values):
            self._values.append(value)
        return number

    def __getitem__(self, number: int) -> T:
        return self._values[number]


class Servers:
    """The states of the API server, and what each request and event leads to."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._numbers: Numbers[tuple[tuple[Key, Kept], ...]] = Numbers()
        self._answers: dict[tuple[int, Call], tuple[int, Reply]] = {}
        self._events: dict[tuple[int, int], int | None] = {}
        self._starts: dict[tuple[int, int], bool] = {}
        self._nodes: dict[int, frozenset[str]] = {}
        self._changes: dict[tuple[int, int], frozenset[Key]] = {}

    def number(self, server: Server) -> int:
        return self._numbers.of(tuple(sorted(server.objects.items())))

    def __getitem__(self, number: int) -> Server:
        return Server(self._world.start.release, self.objects(number))

    def objects(self, number: int) -> Mapping[Key, Kept]:
        return dict(self._numbers[number])

    def answer(self, number: int, call: Call) -> tuple[int, Reply]:
        key = number, call
        if key not in self._answers:
            server = self[number]
            reply = server.answer(call)
            self._answers[key] = self.number(server), reply
        return self._answers[key]

    def after(self, number: int, event: int) -> int | None:
        """The server after an event; None if it cannot happen."""
        key = number, event
        if key not in self._events:
            server, happens = self[number], self._world.events[event]
            can = happens.can(server)
            if can:
                happens.act(server)
            self._events[key] = self.number(server) if can else None
        return self._events[key]

    def starts(self, number: int, actor: int) -> bool:
        """Can the program begin?"""
        key = number, actor
        if key not in self._starts:
            self._starts[key] = self._world.actors[actor].starts(self[number])
        return self._starts[key]

    def nodes(self, number: int) -> frozenset[str]:
        """The uids of all Nodes."""
        if number not in self._nodes:
            server = self[number]
            self._nodes[number] = frozenset(server.uid("nodes", name) for name in server.names("nodes"))
        return self._nodes[number]

    def changed(self, before: int, after: int) -> frozenset[Key]:
        """The objects in which two servers differ."""
        key = before, after
        if key not in self._changes:
            old, new = self.objects(before), self.objects(after)
            self._changes[key] = frozenset(each for each in new if new[each] != old.get(each))
        return self._changes[key]


class Histories:
    """The answers that programs have received, and what each program does next."""

    def __init__(self, world: World, replayer: Replayer) -> None:
        self._world, self._replayer = world, replayer
        self._numbers: Numbers[tuple[int, Reply | None]] = Numbers()
        assert self._numbers.of((START, LOST)) == START
        self._settled: dict[tuple[int, int], tuple[int, Asks | Ended]] = {}
        self._after: dict[tuple[int, int, Reply | None], tuple[int, Ended | None]] = {}

    def next(self, actor: int, history: int) -> Asks | Ended:
        return self._settle(actor, history)[1]

    def after(self, actor: int, history: int, reply: Reply | None) -> tuple[int, Ended | None]:
        """The history with one more answer; an earlier one, if the program begins a piece of work again."""
        key = actor, history, reply
        if key not in self._after:
            longer, following = self._settle(actor, self._numbers.of((history, reply)))
            if isinstance(following, Ended):
                self._after[key] = FAILED if following.failure else DONE, following
            else:
                self._after[key] = longer, None
        return self._after[key]

    def _settle(self, actor: int, history: int) -> tuple[int, Asks | Ended]:
        key = actor, history
        if key not in self._settled:
            answers = self._answers(history)
            found = self._replayer.next(self._world.actors[actor].program, answers)
            if isinstance(found, Again):
                for _ in answers[found.answers :]:
                    history = self._numbers[history][0]
                self._settled[key] = self._settle(actor, history)
            else:
                self._settled[key] = history, found
        return self._settled[key]

    def _answers(self, history: int) -> list[Reply | None]:
        answers = []
        while history != START:
            history, reply = self._numbers[history]
            answers.append(reply)
        return answers[::-1]
