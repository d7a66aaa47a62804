"""Every step that can come next in a state of a world."""

from collections.abc import Iterator
from typing import Any

from tests.model.calls import Call
from tests.model.replay import LOST, Asks, Replayer
from tests.model.tables import Histories, Numbers, Servers
from tests.model.world import DEAD, START, Late, Seen, State, Step, World

_NOTHING = Seen()


class Steps:
    """All that can happen next. The numbers in states are its own."""

    def __init__(self, world: World, replayer: Replayer, *, symmetric: bool) -> None:
        """`symmetric`: programs that are equal may swap their names."""
        self.world = world
        self.servers, self.histories = Servers(world), Histories(world, replayer)
        self._late: Numbers[Late] = Numbers()
        self._seen: Numbers[Seen] = Numbers()
        self._seen.of(_NOTHING)
        programs = [actor.program for actor in world.actors]
        self._first = [programs.index(program) for program in programs]  # the first actor with the same program
        assert self._first == sorted(self._first), "actors with the same program have to follow each other"
        self._symmetric = symmetric and len(set(self._first)) < len(programs)

    def first(self) -> State:
        world, none = self.world, (0,) * len(self.world.actors)
        return State(self.servers.number(world.start), none, none, 0, (), world.lost, world.deaths)

    def __call__(self, state: State) -> Iterator[Step]:
        for number, event in enumerate(self.world.events):
            if not state.events >> number & 1 and (server := self.servers.after(state.server, number)) is not None:
                after = state._replace(server=server, events=state.events | 1 << number)
                yield Step(event.name, "", self._normal(after))
        for late in state.late:
            yield self._arrive(state, late)
        for number in range(len(self.world.actors)):
            if asks := self.asks(state, number):
                yield from self._act(state, number, asks)

    def asks(self, state: State, number: int) -> Asks | None:
        """What an actor asks next; None if it has ended or cannot begin."""
        history = state.histories[number]
        if history < START or (history == START and not self.servers.starts(state.server, number)):
            return None
        following = self.histories.next(self._first[number], history)
        return following if isinstance(following, Asks) else None

    def at_services(self, state: State, step: Step) -> frozenset[str]:
        """The Nodes that existed when the janitor of `step` listed the Services; `state` was before the step."""
        looked = self._look(state, step.actor, step.call) if step.call else state
        return self._seen[looked.seen[step.actor]].at_services

    def _act(self, state: State, number: int, asks: Asks) -> Iterator[Step]:
        call, nodes = asks.call, self._seen[state.seen[number]].latest
        looked = self._look(state, number, call)
        server, reply = self.servers.answer(state.server, call)
        yield self._answered(
            looked._replace(server=server), number, asks, Step("", "", state, number, call, reply, nodes)
        )
        if not (call.is_write and self.world.actors[number].is_ours):
            return
        if state.lost:
            late = tuple(sorted((*state.late, self._late.of(Late(number, call, nodes)))))
            unknown = looked._replace(late=late, lost=state.lost - 1)
            yield self._answered(unknown, number, asks, Step("", "", state, number, None, LOST, nodes))
        if state.deaths:
            # Whoever dies between two writes wrote as much as one that dies here.
            dead = _put(state, "histories", number, DEAD)._replace(deaths=state.deaths - 1)
            yield Step(self.world.actors[number].name, f"dies before it can {asks.action}", self._normal(dead))

    def _answered(self, state: State, number: int, asks: Asks, step: Step) -> Step:
        """The step at whose end the actor has its answer, or knows that none will come."""
        history, ended = self.histories.after(self._first[number], state.histories[number], step.reply)
        after = self._normal(_put(state, "histories", number, history))
        return step._replace(who=self.world.actors[number].name, what=asks.action, state=after, ended=ended)

    def _arrive(self, state: State, number: int) -> Step:
        late = self._late[number]
        server, reply = self.servers.answer(state.server, late.call)
        left = list(state.late)
        left.remove(number)
        after = self._normal(state._replace(server=server, late=tuple(left)))
        who = f"the late request of {self.world.actors[late.actor].name}"
        return Step(who, "", after, late.actor, late.call, reply, late.nodes)

    def _look(self, state: State, number: int, call: Call) -> State:
        """What a janitor sees of the Nodes with this request."""
        if not self.world.actors[number].is_janitor:
            return state
        there = self.servers.nodes(state.server)
        lists_services = call.resource == "services" and not call.name and "continue=" not in call.query
        at_services = there if lists_services else self._seen[state.seen[number]].at_services
        return _put(state, "seen", number, self._seen.of(Seen(there, at_services)))

    def _normal(self, state: State) -> State:
        """The state without what cannot matter any more."""
        seen = state.seen
        if any(seen):
            seen = tuple(self._relevant(state, number) for number in range(len(seen)))
        histories = state.histories
        if self._symmetric:
            pairs = sorted(zip(self._first, histories, seen, strict=True))
            histories, seen = tuple(each[1] for each in pairs), tuple(each[2] for each in pairs)
        return state._replace(histories=histories, seen=seen)

    def _relevant(self, state: State, number: int) -> int:
        """What a janitor saw, without Nodes that are gone, and only as long as it can come to matter."""
        history = state.histories[number]
        if not state.seen[number] or history < START:
            return 0
        seen, there = self._seen[state.seen[number]], self.servers.nodes(state.server)
        following = self.histories.next(self._first[number], history)
        deletes = isinstance(following, Asks) and following.call.method == "DELETE"
        return self._seen.of(Seen(seen.latest & there if deletes else frozenset(), seen.at_services & there))


def _put(state: State, field: str, number: int, value: int) -> State:
    values: tuple[int, ...] = getattr(state, field)
    changed: dict[str, Any] = {field: (*values[:number], value, *values[number + 1 :])}
    return state._replace(**changed)
