"""Two janitors and ten registrars at the same time over a flaky network: the result is as one after the other."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from janitor import program
from janitor.settings import parse
from registrar.kube.source import Source
from registrar.kube.transport import Kube
from tests.harness import objects
from tests.harness.apiserver import ApiServer
from tests.harness.client import parallel
from tests.harness.cluster import NAMESPACE, SERVICES, Cluster
from tests.harness.gateway import Gateway
from tests.soak import clusters, faults, registrations
from tests.soak.clusters import Machine, Scene
from tests.soak.inprocess import fast_motion

BUDGET = 60.0  # seconds: enough for all, so that each must do its work
JANITORS, REGISTRARS = 2, 10


@pytest.mark.one_in(10)
def test_janitors_and_registrars_work_at_the_same_time(
    cluster: Cluster, api: ApiServer, seed: int, record_property: Callable[..., None]
) -> None:
    random = Random(f"together {seed}")
    scene = Scene(random, cluster)
    new = [Machine(f"new-{number}", False, None) for number in range(REGISTRARS)]
    scene.machines += new
    # half of the nodes come back: their Services still exist, and a janitor may be about to delete them
    parallel(lambda each: cluster.admin.create(SERVICES, objects.service(each.name)), new[: REGISTRARS // 2])

    with Gateway(api) as gateway, fast_motion(), ThreadPoolExecutor(JANITORS + REGISTRARS) as pool:
        faults.passing(random, gateway, [*clusters.TARGETS, *registrations.TARGETS])
        scene.server = gateway.url
        janitors = [pool.submit(clean, cluster, gateway.url) for _ in range(JANITORS)]
        registrars = [pool.submit(scene.back, each) for each in new]
        codes = [each.result() for each in janitors]
        for registrar in registrars:
            registrar.result()
    record_property("ended", f"exit {codes}")

    assert codes == [0, 0]
    assert scene.broken() == []
    assert clean(cluster, api.url) == 0
    assert (scene.broken(), scene.unsettled()) == ([], [])


def clean(cluster: Cluster, server: str) -> int:
    kube = Kube(Source(cluster.janitor_env(server)["KUBECONFIG"]), agent="soak", timeout=BUDGET)
    run = program.clean(kube, parse(["--max-delete", "100%"], {}), NAMESPACE, lambda: False)
    return run.ending.exit_code
