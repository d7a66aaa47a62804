"""The chart as a package in a real OCI registry, as a release publishes it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from registrar import __version__
from tests.harness import assets, chart
from tests.harness.processes import Child, free_ports, wait_until
from tests.harness.tinyproxy import listens


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the registry's charts are."""
    [port] = free_ports(1)
    folder = tmp_path_factory.mktemp("registry")
    serve = [str(assets.ensure_tool("crane") / "crane"), "registry", "serve", f"--address=127.0.0.1:{port}"]
    child = Child(serve, folder / "log", folder)
    try:
        wait_until(lambda: listens(port), 30, "the registry")
        yield f"oci://127.0.0.1:{port}/charts"
    finally:
        child.stop()


def test_what_is_pulled_from_a_registry_is_the_chart(registry: str, tmp_path: Path) -> None:
    chart.helm("package", str(chart.CHART), f"--destination={tmp_path}")
    chart.helm("push", str(tmp_path / f"nodeproxy-{__version__}.tgz"), registry, "--plain-http")

    where = (f"--namespace={chart.NAMESPACE}", "--kube-version=1.37")
    pulled = chart.helm("template", chart.RELEASE, f"{registry}/nodeproxy", "--plain-http", *where)
    assert pulled == chart.text(kubernetes="1.37")
