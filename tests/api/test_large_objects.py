"""Objects that are as large or as deeply nested as the API server stores stop neither program."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from registrar import contract
from registrar.kube.transport import MERGE_PATCH
from tests.bench import launch
from tests.harness import objects
from tests.harness.client import ApiError, Object
from tests.harness.cluster import NODES, PODS, ROOT, SERVICES, Cluster
from tests.harness.gateway import Gateway
from tests.harness.processes import bare_environment

GONE = contract.service_name("gone")
MIB = 1 << 20
DEEP = '{"f:a":' * 9_900 + "{}" + "}" * 9_900  # the API server refuses JSON of over 10,000 levels
LARGE = '{"f:' + "x" * 1_300_000 + '":{}, "f:deep": ' + DEEP + "}"
LARGEST = '{"f:' + "x" * 1_572_000 + '":{}}'  # nothing that makes it larger can be written any more


def with_fields(body: Object, fields: str) -> bytes:
    """The object as JSON, with `fields` as somebody's managedFields. Python could not encode the deepest."""
    entry = {"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": "FIELDS"}
    entry["time"] = "2026-05-04T03:00:00Z"
    body = {**body, "metadata": {**body["metadata"], "managedFields": [entry]}}
    return json.dumps(body).replace('"FIELDS"', fields).encode()


class Poison:
    """Sets managedFields that this test's own JSON parser cannot read, and resets them."""

    def __init__(self, cluster: Cluster) -> None:
        self._admin = cluster.admin
        self._paths: list[str] = []

    def set(self, path: str, fields: str) -> None:
        self._paths.append(path)
        self._admin.send_bytes("PUT", path, with_fields(self._admin.get(path), fields))

    def create(self, name: str, fields: str) -> None:
        self._paths.append(f"{SERVICES}/{name}")
        self._admin.send_bytes("POST", SERVICES, with_fields(objects.service("live", name=name), fields))

    def reset(self) -> None:
        for path in self._paths:
            with contextlib.suppress(ApiError):  # it was deleted
                self._admin.send_bytes("PATCH", path, b'{"metadata":{"managedFields":[{}]}}', MERGE_PATCH)


@pytest.fixture
def cluster(cluster: Cluster) -> Cluster:
    """Services of a node that exists, of one that is gone, and of one that is gone while its agent pod exists."""
    cluster.node("live")
    cluster.pod("pod-left", "pod-left", labels=objects.node_label("pod-left"))
    cluster.admin.create_many(SERVICES, map(objects.service, ["live", "gone", "pod-left"]))
    return cluster


@pytest.fixture
def poison(cluster: Cluster) -> Iterator[Poison]:
    poison = Poison(cluster)
    yield poison
    poison.reset()


@pytest.mark.parametrize("fields", [DEEP, LARGE], ids=["deep", "large"])
def test_the_janitor_judges_objects_with_any_managed_fields(cluster: Cluster, poison: Poison, fields: str) -> None:
    for path in (f"{NODES}/live", f"{PODS}/pod-left", *(f"{SERVICES}/{name}" for name in cluster.services())):
        poison.set(path, fields)
    run = cluster.janitor("--grace-period", "1h")  # one is stamped
    assert (run.code, run.verdicts[GONE]) == (0, ("wait", None)), run.err
    run = cluster.janitor()
    assert (run.code, {verdict for verdict, _ in run.verdicts.values()}) == (0, {"keep", "wait", "delete"}), run.err
    assert run.verdicts[GONE] == ("delete", "deleted")


def janitor_with_peak(cluster: Cluster, folder: Path, *flags: str) -> tuple[int, int]:
    """Exit code and peak memory in bytes of a janitor."""
    result = folder / "used"
    command = [sys.executable, launch.__file__, str(result), sys.executable, "-m", "janitor", *flags]
    env = {**bare_environment(), "HOME": str(folder), **cluster.janitor_env()}
    subprocess.run(command, check=True, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, timeout=150)
    _, _, kibibytes, code = result.read_text().split()
    return int(code), int(kibibytes) * 1024


def create_annotated(cluster: Cluster, number: int) -> None:
    """A Service with the largest annotation that is allowed, where the janitor reads one."""
    large = objects.service("live", name=f"large-{number}", registered_by="x" * 250_000)
    cluster.admin.create(SERVICES, large)


def test_memory_does_not_grow_with_the_size_of_objects(cluster: Cluster, poison: Poison, tmp_path: Path) -> None:
    _, before = janitor_with_peak(cluster, tmp_path, "--dry-run")
    for number in range(40):
        poison.create(f"deep-{number}", LARGE)
        create_annotated(cluster, number)
    code, after = janitor_with_peak(cluster, tmp_path)
    assert code == 0
    assert not cluster.exists(f"{SERVICES}/{GONE}")
    assert after - before < 40 * MIB


def limits(gateway: Gateway) -> list[int]:
    return [int(each.query["limit"]) for each in gateway.requests if each.path == SERVICES]


def test_a_page_that_is_too_large_is_read_in_smaller_parts(cluster: Cluster, gateway: Gateway) -> None:
    for number in range(20):
        create_annotated(cluster, number)
    gateway.rule("GET", "/services$")
    run = cluster.janitor(server=gateway.url)
    assert run.code == 0, run.err
    assert len(run.verdicts) == 23
    assert run.verdicts[GONE] == ("delete", "deleted")
    assert limits(gateway) == [500, 250, 125, 62, 31, 15, 30]  # the last one goes on after the first 15


def test_a_page_that_breaks_off_is_read_in_smaller_parts(cluster: Cluster, gateway: Gateway) -> None:
    gateway.rule("GET", "/services$", times=2, reset="after")
    run = cluster.janitor(server=gateway.url)
    assert run.code == 0, run.err
    assert limits(gateway) == [500, 250, 125]


@pytest.mark.parametrize("fields", [DEEP, LARGEST], ids=["deep", "largest"])
def test_the_registrar_registers_over_any_managed_fields(cluster: Cluster, poison: Poison, fields: str) -> None:
    pod = cluster.pod("live")
    assert cluster.registrar(pod).code == 0
    poison.set(f"{SERVICES}/{contract.service_name('live')}", fields)
    poison.set(f"{PODS}/{pod['metadata']['name']}", DEEP)

    run = cluster.registrar(pod)

    assert run.code == 0, run.err
    meta = cluster.service_of("live")["metadata"]
    assert meta["annotations"][contract.REGISTERED_BY_ANNOTATION] == pod["metadata"]["uid"]
    assert "x" not in [each["manager"] for each in meta.get("managedFields", ())]


def test_a_selector_that_unreadable_managed_fields_do_not_explain_is_refused(cluster: Cluster, poison: Poison) -> None:
    pod = cluster.pod("live")
    assert cluster.registrar(pod).code == 0
    where = f"{SERVICES}/{contract.service_name('live')}"
    cluster.admin.patch(where, {"spec": {"selector": {"tier": "edge"}}}, fieldManager="kubectl-edit")
    poison.set(where, DEEP)

    run = cluster.registrar(pod)

    assert run.code == 1
    assert "another DaemonSet registers under this prefix" in run.last_line
