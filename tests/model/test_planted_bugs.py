"""Each guard is needed: without it, a schedule is found that does harm."""

import pytest

from tests.docs.blocks import OUTPUT, ROOT, code_of
from tests.model import worlds
from tests.model.__main__ import find, main
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


def test_the_shortest_schedule_is_told_as_the_page_shows_it(replays: Replayer) -> None:
    page = (ROOT / "docs/model.md").read_text()
    [shown] = [block for block in code_of("docs/model.md", page, "") if block.language == OUTPUT]

    assert story(find("agent-pod witness", replays)) == shown.text.rstrip()


def test_a_world_that_does_not_exist_is_refused_with_the_names_of_those_that_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["--world", "nobody"])
    assert "two janitors, an editor" in capsys.readouterr().err
