"""A program is killed (SIGKILL) at a random moment and run again: the result is the same as without the kill."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from random import Random

import pytest

from tests.harness.apiserver import ApiServer
from tests.harness.cluster import ROOT, Cluster
from tests.harness.gateway import Gateway
from tests.harness.processes import bare_environment, spawn
from tests.soak import inprocess
from tests.soak.clusters import Scene
from tests.soak.registrations import Surroundings
from tests.soak.test_janitor import ALL
from tests.soak.test_registrar import assert_heals

pytestmark = pytest.mark.one_in(10)  # each starts a process


def kill(gateway: Gateway, random: Random, program: str, env: dict[str, str], *flags: str) -> str:
    """Start a program and kill it before or after a request, drawn now, reaches the server; how it ended."""
    started: list[subprocess.Popen[bytes]] = []
    nth, moment = random.randint(1, 5), random.choice(("before", "after"))
    gateway.rule(".*", "", nth=nth, **{moment: lambda: os.kill(started[0].pid, signal.SIGKILL)})
    command = [sys.executable, "-m", program, *flags]
    env = {**bare_environment(), **env}
    started.append(spawn(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    return "killed" if started[0].wait(60) == -signal.SIGKILL else "done before"


def test_a_killed_registration_can_be_repeated(
    cluster: Cluster, api: ApiServer, seed: int, record_property: Callable[..., None]
) -> None:
    random = Random(f"kill registrar {seed}")
    with Gateway(api) as gateway:
        world = Surroundings(random, cluster, gateway)
        env = cluster.registrar_env(world.pod, server=gateway.url)
        record_property("ended", kill(gateway, random, "registrar", env))

    if world.ours and world.pod_stays:
        assert_heals(world)


def test_a_killed_run_of_the_janitor_can_be_repeated(
    cluster: Cluster, api: ApiServer, seed: int, record_property: Callable[..., None]
) -> None:
    random = Random(f"kill janitor {seed}")
    scene = Scene(random, cluster)
    with Gateway(api) as gateway:
        scene.change(gateway)
        env = cluster.janitor_env(gateway.url)
        record_property("ended", kill(gateway, random, "janitor", env, *ALL))

    assert scene.broken() == []
    quiet = inprocess.clean(cluster.janitor_env(), *ALL)
    assert (quiet.code, scene.broken(), scene.unsettled()) == (0, [], []), quiet.log
