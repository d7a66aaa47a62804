"""Each guard is needed: without it, a schedule is found that does harm."""

import pytest

from tests.model import worlds
from tests.model.__main__ import find
from tests.model.explore import explore
from tests.model.replay import Replayer
from tests.model.story import story

WITHOUT_SERVICE = "a and its registered pod new live, but are without their Service for good"
HARM = {
    "recheck": "the Service of node a was deleted, but a has lived since before janitor 1 looked",
    "precondition": WITHOUT_SERVICE,
    "agent-pod witness": WITHOUT_SERVICE.replace("pod new", "pod old"),
    "registered-by": WITHOUT_SERVICE,
    "order of the lists": "janitor 1 took a for gone, but a has lived since before the Services were listed",
}


@pytest.mark.parametrize("bug", HARM)
def test_a_planted_bug_is_found(replays: Replayer, bug: str) -> None:
    found = find(bug, replays)

    assert found.broken == [HARM[bug]]


def test_without_a_planted_bug_there_is_no_harm(replays: Replayer) -> None:
    assert explore(worlds.smallest(replays), replays).broken == []


def test_the_shortest_schedule_is_told_as_a_story(replays: Replayer) -> None:
    assert story(find("agent-pod witness", replays)).splitlines() == [
        "  1. node a leaves",
        "  2. janitor 1: list Services -> 200 (labels-only, nodeproxy-access-a, nodeproxy-access-b)",
        "  3. janitor 1: list Nodes -> 200 (b)",
        "  4. janitor 1: list Pods -> 200 (old, other)",
        "  5. janitor 1: read Node a -> 404 NotFound",
        "  6. node a returns",
        "  7. janitor 1: delete Service project-nodeproxy/nodeproxy-access-a -> 200",
        "  => a and its registered pod old live, but are without their Service for good",
    ]
