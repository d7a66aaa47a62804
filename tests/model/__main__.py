"""Search all schedules, and print how many states there were: `python -m tests.model` (`make model`)."""

import argparse
import sys
from collections.abc import Sequence

from tests.model import worlds
from tests.model.explore import Found, explore
from tests.model.planted import PLANTED
from tests.model.replay import Replayer, replayer
from tests.model.story import story
from tests.model.world import World

_ROW = "{:<18} {:>6} {:>6} {:>10} {:>11} {:>8} {:>9}"


def main(argv: Sequence[str]) -> int:
    """The exit code: 1 if an invariant broke, or a planted bug was not found."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--lost", type=int, default=1, help="answers that may be lost in one schedule")
    parser.add_argument("--deaths", type=int, default=1, help="programs that may die in one schedule")
    parser.add_argument("--world", help="only this one")
    given = parser.parse_args(argv)
    with replayer() as replays:
        limits = {"lost": given.lost, "deaths": given.deaths}
        every = [*worlds.worlds(replays, hours=2, **limits), worlds.everybody(replays, **limits)]
        chosen = [each for each in every if given.world in (None, each.name)]
        if not chosen:
            parser.error(f"the worlds are: {', '.join(each.name for each in every)}")
        print(_ROW.format("world", "lost", "deaths", "states", "steps", "quiet", "seconds"))
        results = [_sound(each, replays) for each in chosen]
        results += [_finds(name, replays) for name in PLANTED if not given.world]
    return 0 if all(results) else 1


def _sound(world: World, replays: Replayer) -> bool:
    found = explore(world, replays)
    figures = f"{found.states:,}", f"{found.steps:,}", f"{found.quiet:,}", f"{found.seconds:.1f}"
    print(_ROW.format(world.name, world.lost, world.deaths, *figures), flush=True)
    if found.broken:
        print(f"\nThe shortest schedule that breaks it:\n{story(explore(world, replays, shortest=True))}\n")
    return not found.broken


def _finds(bug: str, replays: Replayer) -> bool:
    found = find(bug, replays)
    print(f"\nWithout its guard ({bug}), after {found.states} states:\n{story(found)}")
    return bool(found.broken)


def find(bug: str, replays: Replayer) -> Found:
    """The shortest schedule in which a planted bug does harm."""
    with PLANTED[bug]():
        return explore(worlds.smallest(replays), replays, shortest=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
