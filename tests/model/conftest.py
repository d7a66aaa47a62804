"""A replayer for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.model.replay import Replayer, replayer


@pytest.fixture
def replays() -> Iterator[Replayer]:
    """Runs programs against recorded answers."""
    with replayer() as found:
        yield found
