"""The commands of each page, in their order, on a real API server with two nodes; they print what the page shows."""

from collections.abc import Iterator
from pathlib import Path
from shutil import copyfile

import pytest

from tests.docs.blocks import PAGES, SERVER, commands
from tests.docs.here import EMPTY, FILES, NODES, agent_pod, environment, installation, placeholders
from tests.docs.kubelet import CONTROLLERS, Kubelets
from tests.docs.shell import Shell
from tests.harness import chart
from tests.harness.apiserver import ApiServer
from tests.harness.client import Object
from tests.harness.cluster import PODS
from tests.harness.features import Feature

CLUSTER_SCOPED = "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings"


pytestmark = pytest.mark.xdist_group("pages-on-server")  # these tests share a server


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    """A server for these tests only, with controllers and what stands in for kubelets."""
    with ApiServer() as server, server.controller(CONTROLLERS), Kubelets(server, *NODES):
        yield server


@pytest.fixture(autouse=True)
def _uninstalled(api: ApiServer) -> Iterator[None]:
    """Remove what a page has installed."""
    yield
    names = [each["metadata"]["name"] for each in api.admin.list("/api/v1/namespaces")]
    ours = [name for name in names if name.startswith("project-")]
    if ours:
        api.kubectl("delete", "namespace", *ours, "--timeout=120s")
    api.kubectl("delete", CLUSTER_SCOPED, "--selector=app.kubernetes.io/name=nodeproxy")


def shell(api: ApiServer, folder: Path, pod: Object | None = None) -> Shell:
    """A shell of cluster-admin."""
    folder.mkdir()
    tools = {"kubectl": api.assets.kubectl, "helm": chart.program()}
    config = copyfile(api.admin_kubeconfig, folder / ".kubeconfig")  # a page may change its context
    variables = {"KUBECONFIG": str(config), **(environment(pod) if pod else {})}
    return Shell(folder, tools, variables, placeholders(str(chart.CHART), pod), FILES)


@pytest.mark.needs(Feature.ADMISSION_POLICY)
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page, SERVER)])
def test_the_commands_of_a_page_print_what_it_shows(api: ApiServer, tmp_path: Path, page: str) -> None:
    pod = None
    if page not in EMPTY:
        shell(api, tmp_path / "before").run([installation()])
        pod = agent_pod(api.admin.list(PODS))

    shell(api, tmp_path / "page", pod).run(commands(page, SERVER))
