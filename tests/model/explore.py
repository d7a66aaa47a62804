"""Searches all schedules of a world: depth-first to exhaust them, breadth-first for the shortest one that breaks."""

import hashlib
import time
from array import array
from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from unittest import mock

from janitor import inventory
from tests.model import invariants
from tests.model.replay import Replayer
from tests.model.steps import Steps
from tests.model.world import State, Step, World

Trace = tuple["Trace | None", Step]


@dataclass
class Found:
    """What a search saw. `story` has the steps to the first thing that broke."""

    name: str
    states: int = 0
    steps: int = 0
    quiet: int = 0
    seconds: float = 0.0
    broken: list[str] = field(default_factory=list)
    story: list[Step] = field(default_factory=list)
    finals: set[Hashable] = field(default_factory=set)


def explore(world: World, replayer: Replayer, *, shortest: bool = False) -> Found:
    """Follow every schedule, until all are exhausted or something breaks."""
    started = time.monotonic()
    with mock.patch.object(inventory, "PAGE", world.page):
        search = _Search(world, replayer, shortest=shortest)
        while search.open and not search.found.broken:
            search.go_on()
    search.found.seconds = time.monotonic() - started
    return search.found


class _Search:
    """A search under way. `open` are the states whose next steps are not known yet, each with the way to it."""

    def __init__(self, world: World, replayer: Replayer, *, shortest: bool) -> None:
        self.found = Found(world.name)
        self._steps = Steps(world, replayer, symmetric=not shortest)
        self._quiet = invariants.Quiet(self._steps, replayer)
        self._hashes: set[bytes] = set()
        first = self._steps.first()
        self._is_new(first)
        self.open: deque[tuple[State, Trace | None]] = deque([(first, None)])
        self._take = self.open.popleft if shortest else self.open.pop

    def go_on(self) -> None:
        """Look at one state, and at all that can come next."""
        state, trace = self._take()
        self.found.states += 1
        if self._is_quiet(state):
            self.found.quiet += 1
            if self._broken(self._quiet.broken(state), trace):
                return
            self.found.finals.add(self._quiet.final(state))
        for step in self._steps(state):
            self.found.steps += 1
            following = trace, step
            if self._broken(invariants.broken(self._steps, state, step), following):
                return
            if self._is_new(step.state):
                self.open.append((step.state, following))

    def _broken(self, broken: Iterable[str], trace: Trace | None) -> bool:
        self.found.broken = [*broken]
        if self.found.broken:
            self.found.story = _story(trace)
        return bool(self.found.broken)

    def _is_quiet(self, state: State) -> bool:
        return not state.late and not any(self._steps.asks(state, each) for each in range(len(state.histories)))

    def _is_new(self, state: State) -> bool:
        """Different states have the same hash of 16 bytes with odds of one in 2^80 or less."""
        flat = (*state.histories, *state.seen, state.server, state.events, state.lost, state.deaths, *state.late)
        digest = hashlib.blake2b(array("q", flat).tobytes(), digest_size=16).digest()
        if digest in self._hashes:
            return False
        self._hashes.add(digest)
        return True


def _story(trace: Trace | None) -> list[Step]:
    steps = []
    while trace:
        trace, step = trace
        steps.append(step)
    return steps[::-1]
