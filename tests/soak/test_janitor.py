"""The janitor's invariants, in clusters of random shape that change while requests fail."""

import json
from collections.abc import Callable
from random import Random

from tests.harness.apiserver import ApiServer
from tests.harness.cluster import Cluster
from tests.harness.gateway import Gateway
from tests.soak import faults, inprocess
from tests.soak.clusters import LONG_AGO, TARGETS, Scene
from tests.soak.test_registrar import LONG, MOST_LINES, SHORT, SLACK

ALL = ("--max-delete", "100%")


def test_the_janitor_deletes_no_wrong_service_despite_faults(
    cluster: Cluster, api: ApiServer, seed: int, record_property: Callable[..., None]
) -> None:
    random = Random(f"janitor {seed}")
    scene = Scene(random, cluster)
    grace = random.random() < 0.2
    flags = (*(ALL if random.random() < 0.8 else ()), *(("--grace-period", "1h") if grace else ()))
    with Gateway(api) as gateway:
        changes = scene.change(gateway)
        planned = faults.passing(random, gateway, TARGETS) if random.random() < 0.9 else []
        for_ever = random.random() < 0.3
        if for_ever:
            planned.append(faults.lasting(random, gateway, TARGETS))
        budget = SHORT if for_ever else LONG
        ended = inprocess.clean(cluster.janitor_env(gateway.url), "--timeout", f"{budget:g}s", *flags)
    story = "\n".join([*changes, *map(str, planned), " ".join(flags), ended.log, ended.out])

    record_property("ended", f"exit {ended.code}")
    record_property("beyond", ended.seconds - budget)
    record_property("lines", len(ended.complaints))
    assert ended.code in (0, 1, 3), story
    assert scene.broken() == [], story
    assert ended.seconds < budget + SLACK, story
    assert len(ended.complaints) <= MOST_LINES, story
    if not for_ever:
        assert ended.code == 0 or (ended.code == 3 and ALL[0] not in flags), story
    if ended.code == 3:
        assert untouched(scene), story
    if grace:
        assert set(deleted(ended)) <= {each.service_name for each in scene.machines if each.stamp == LONG_AGO}, story

    quiet = inprocess.clean(cluster.janitor_env(), *ALL)
    assert (quiet.code, scene.broken(), scene.unsettled()) == (0, [], []), story + quiet.log


def deleted(ended: inprocess.Ended) -> list[str]:
    services = json.loads(ended.out)["services"] if ended.out else []
    return [each["name"] for each in services if each["result"] == "deleted"]


def untouched(scene: Scene) -> bool:
    """Does each Service that existed at the start still exist, even if it has changed?"""
    return scene.before.keys() <= scene.cluster.services().keys()
