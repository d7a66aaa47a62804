"""Install the chart from the cluster's registry with helm, as users do."""

import json
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.cluster import Cluster
from tests.e2e.parts import TOOLBOX
from tests.e2e.registry import Registry
from tests.harness import chart
from tests.harness.client import Object


def install(
    cluster: Cluster, name: str, namespace: str, files: Sequence[Path], *flags: str, proxy: Object | None = None
) -> None:
    """Install or upgrade a release with files of values; `proxy` are further values of the proxy's container."""
    values = images(cluster.registry)
    values["proxy"] = {**values["proxy"], **(proxy or {})}
    where = (f"--kubeconfig={cluster.api.admin_kubeconfig}", f"--namespace={namespace}")
    given = [f"--values={file}" for file in files]
    source = (cluster.registry.chart, "--plain-http")
    chart.helm("upgrade", "--install", name, *source, *where, *flags, *given, "--values=-", stdin=json.dumps(values))


def images(registry: Registry) -> Object:
    """The images of our registry: ours by digest, the proxy's and the tunnels' from Debian."""
    values: Object = {}
    for program, reference in registry.images.items():
        name, _, digest = reference.partition("@")
        host, _, repository = name.partition("/")
        values[program] = {"image": {"registry": host, "repository": repository, "digest": digest}}
    host, _, toolbox = TOOLBOX.partition("/")
    repository, _, tag = toolbox.partition(":")
    debian = {"image": {"registry": host, "repository": repository, "tag": tag}}
    return {**values, "proxy": debian, "tunnel": debian}
