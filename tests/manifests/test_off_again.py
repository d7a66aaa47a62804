"""Values for more than HTTP, switched on and off by helm on a real API server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.harness import chart
from tests.harness.apiserver import ApiServer
from tests.harness.cluster import NAMESPACE
from tests.manifests.components import COMPONENTS, together

pytestmark = pytest.mark.xdist_group("off-again")  # these tests share a server

VALUES = together("clients-of-a-node", "destinations", "network-policy", "sites")
KINDS = "daemonsets,deployments,services,configmaps,poddisruptionbudgets,networkpolicies,cronjobs,serviceaccounts,roles"


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    """A server for these tests only, whose controller finishes deletions."""
    with ApiServer() as server, server.controller("garbagecollector"):
        server.ensure_namespace(NAMESPACE)
        yield server


def upgrade(api: ApiServer, folder: Path, values: object) -> None:
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    where = (f"--namespace={NAMESPACE}", f"--kubeconfig={api.admin_kubeconfig}", f"--values={file}")
    chart.helm("upgrade", "--install", chart.RELEASE, str(chart.CHART), *where)


def objects(api: ApiServer) -> set[str]:
    """What is in all namespaces of the kinds that the chart makes."""
    columns = "--output=custom-columns=:kind,:metadata.namespace,:metadata.name"
    printed = api.kubectl("get", KINDS, "--all-namespaces", columns).stdout
    return {" ".join(line.split()) for line in printed.splitlines() if line.strip()}


def test_an_upgrade_with_the_values_off_leaves_nothing_behind(api: ApiServer, tmp_path: Path) -> None:
    off = together("network-policy")
    upgrade(api, tmp_path, off)
    before = objects(api)
    upgrade(api, tmp_path, VALUES)
    added = objects(api) - before
    upgrade(api, tmp_path, off)

    assert objects(api) == before
    kinds = ("Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service")
    policies = {f"NetworkPolicy {NAMESPACE} nodeproxy-{name}" for name in ("clients", "clients-of-node-bj-01")}
    sites = {f"Service {NAMESPACE} nodeproxy-site-{city}" for city in ("beijing", "shanghai")}
    assert added == {f"{kind} {NAMESPACE} printer-bj" for kind in kinds} | policies | sites


def test_a_destination_in_a_namespace_that_is_missing_is_refused_before_anything_is_sent(
    api: ApiServer, tmp_path: Path
) -> None:
    [destination] = COMPONENTS["destinations"]["destinations"]
    before = objects(api)
    elsewhere = {"destinations": [{**destination, "namespace": "shop"}]}
    with pytest.raises(
        chart.RefusedError, match="destinations: printer-bj: there is no namespace shop; kubectl create"
    ):
        upgrade(api, tmp_path, elsewhere)
    assert objects(api) == before

    api.ensure_namespace("shop")
    upgrade(api, tmp_path, elsewhere)
    assert "Service shop printer-bj" in objects(api)
