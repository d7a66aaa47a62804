"""Every schedule of small worlds: no invariant breaks. `make model` does the same within wider bounds."""

from functools import cache

import pytest

from tests.model import worlds
from tests.model.explore import Found, explore
from tests.model.replay import replayer
from tests.model.story import story

pytestmark = pytest.mark.xdist_group("interleavings")  # these tests share their searches
WORLDS = 8


@cache
def searched(number: int, lost: int) -> Found:
    with replayer() as replays:
        world = worlds.worlds(replays, lost=lost)[number]
        found = explore(world, replays)
        if found.broken:
            pytest.fail(f"{world.name}:\n{story(explore(world, replays, shortest=True))}")
        return found


@pytest.mark.parametrize("number", range(WORLDS))
def test_no_schedule_breaks_an_invariant(number: int) -> None:
    found = searched(number, lost=1)

    assert found.states > 1_000
    assert found.quiet > 10


@pytest.mark.parametrize("number", range(WORLDS - 1))  # no answer is lost in the last one
def test_the_final_state_never_depends_on_a_lost_answer(number: int) -> None:
    assert searched(number, lost=1).finals == searched(number, lost=0).finals


def test_all_worlds_are_searched() -> None:
    with replayer() as replays:
        assert len(worlds.worlds(replays)) == WORLDS
