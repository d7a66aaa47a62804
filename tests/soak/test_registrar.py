"""The registrar's exit code is 0 if and only if pod label and Service are right."""

import contextlib
from collections.abc import Callable
from random import Random

from tests.harness.apiserver import ApiServer
from tests.harness.client import ApiError
from tests.harness.cluster import Cluster
from tests.harness.gateway import Gateway
from tests.soak import faults, inprocess
from tests.soak.registrations import SERVICE_WRITE, TARGETS, Surroundings

LONG, SHORT = 20.0, 1.0  # timeouts in seconds: for faults that end, and for those that do not
SLACK = 1.0
MOST_LINES = 20


def test_the_registrar_succeeds_only_if_all_is_registered_despite_faults(
    cluster: Cluster, api: ApiServer, seed: int, record_property: Callable[..., None]
) -> None:
    random = Random(f"registrar {seed}")  # hashed with this word, so that the janitor's differ
    with Gateway(api) as gateway:
        world = Surroundings(random, cluster, gateway)
        planned = faults.passing(random, gateway, TARGETS)
        for_ever = random.random() < 0.3
        if for_ever:
            planned.append(faults.lasting(random, gateway, TARGETS))
        budget = SHORT if for_ever else LONG
        env = cluster.registrar_env(world.pod, server=gateway.url)
        lookups = random.choice((0, 0, 0, 1, 3))
        port = int(gateway.url.rpartition(":")[2])
        with inprocess.failing_lookups(port, lookups) if lookups else contextlib.nullcontext():
            ended = inprocess.register(env, "--timeout", f"{budget:g}s")
    wrong = world.wrong()
    story = "\n".join([f"{lookups} failed lookups", *map(str, planned), ended.log, f"wrong: {wrong or 'nothing'}"])

    unconfirmed = not wrong and ended.code == 1
    record_property("ended", f"exit {ended.code}" + (", though done: the answer was lost" if unconfirmed else ""))
    record_property("beyond", ended.seconds - budget)
    record_property("lines", len(ended.log.splitlines()))
    assert ended.code in (0, 1), story
    assert not (ended.code == 0 and wrong), story
    assert not unconfirmed or (for_ever and (world.was_right or may_be_unconfirmed(planned))), story
    if not for_ever and world.ours and world.pod_stays:
        assert ended.code == 0, story
    assert ended.seconds < budget + SLACK, story
    assert len(ended.log.splitlines()) <= MOST_LINES, story
    if not world.ours:
        assert world.found == cluster.services()[world.name], story
    elif world.pod_stays:
        assert_heals(world)


def may_be_unconfirmed(planned: list[faults.Planned]) -> bool:
    """Whether a write of the Service may have been carried out without its caller knowing."""
    return any(each.target == SERVICE_WRITE and each.kind.lost and each.rule.fired for each in planned)


def assert_heals(world: Surroundings) -> None:
    """Run again without faults, as kubelet does with an init container that failed."""
    with contextlib.suppress(ApiError):  # there may be no Service
        world.let_go()
    again = inprocess.register(world.cluster.registrar_env(world.pod), "--timeout", f"{LONG:g}s")
    assert (again.code, world.wrong()) == (0, ""), again.log
