"""The registrar's promise: exit 0 if and only if pod label and Service are as they should be."""

from collections.abc import Callable
from contextlib import nullcontext
from random import Random

from tests.harness.apiserver import ApiServer
from tests.harness.cluster import Cluster
from tests.harness.gateway import Gateway
from tests.soak import faults, inprocess
from tests.soak.registrations import SERVICE_WRITE, TARGETS, Surroundings

LONG, SHORT = 20.0, 1.0  # budgets in seconds: for faults that pass, and for those that do not
SLACK = 1.0
MOST_LINES = 20


def test_registrar(cluster: Cluster, api: ApiServer, seed: int, record_property: Callable[..., None]) -> None:
    random = Random(f"registrar {seed}")  # of the text's hash, so another than the janitor's
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
        with inprocess.failing_lookups(port, lookups) if lookups else nullcontext():
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
    """Run again, with nothing in the way: what kubelet does with an initContainer that failed."""
    again = inprocess.register(world.cluster.registrar_env(world.pod), "--timeout", f"{LONG:g}s")
    assert (again.code, world.wrong()) == (0, ""), again.log
