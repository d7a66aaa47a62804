"""The registry on the cluster's network, from which each node's containerd pulls every image, and helm the chart."""

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from tests.e2e import network, parts
from tests.e2e.layout import REGISTRY, REGISTRY_PORT
from tests.e2e.server import PATH
from tests.harness import assets, chart
from tests.harness.processes import Child, wait_until


class Registry:
    """`with Registry(folder) as registry:`, inside the sandbox; it keeps what it has in memory.

    `images` names each image of ours by digest: `{"registrar": "registry.example.com/nodeproxy/registrar@sha256:…"}`.
    """

    images: dict[str, str]
    chart = f"oci://127.0.0.1:{REGISTRY_PORT}/charts/nodeproxy"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._crane = str(assets.ensure_tool("crane") / "crane")

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            serve = [self._crane, "registry", "serve", f"--address=:{REGISTRY_PORT}"]
            child = Child(serve, self._folder / "registry.log", self._folder, PATH)
            stack.callback(child.stop, grace=0)
            wait_until(lambda: network.accepts("127.0.0.1", REGISTRY_PORT), 30, "the image registry")
            self._push(parts.toolbox(), parts.TOOLBOX)
            self.images = {each.stem: self._push_layout(each) for each in parts.our_images()}
            self._push_chart()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stack.close()

    def _push_layout(self, archive: Path) -> str:
        """Push an archive in OCI layout as it is, so that the image keeps its digest."""
        with TemporaryDirectory() as folder:
            network.run("tar", "--extract", f"--file={archive}", f"--directory={folder}")
            return self._push(Path(folder), f"{REGISTRY}/nodeproxy/{archive.stem}")

    def _push_chart(self) -> None:
        """As .github/workflows/release.yml does."""
        with TemporaryDirectory() as folder:
            chart.helm("package", str(chart.CHART), f"--destination={folder}")
            [package] = Path(folder).glob("*.tgz")
            chart.helm("push", str(package), self.chart.rpartition("/")[0], "--plain-http")

    def _push(self, source: Path, name: str) -> str:
        """Push an image; its name by digest."""
        local = name.replace(REGISTRY, f"127.0.0.1:{REGISTRY_PORT}")
        pushed = network.run(self._crane, "push", str(source), local)
        return pushed.strip().replace(local.partition("/")[0], REGISTRY)
