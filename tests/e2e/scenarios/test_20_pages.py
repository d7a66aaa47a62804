"""The commands of the pages in a real cluster, each page from its beginning; they print what the page shows."""

from pathlib import Path
from shutil import copyfile

import pytest
import yaml

from tests.docs.blocks import E2E, PAGES, SERVER, commands
from tests.docs.here import EMPTY, FILES, agent_pod, environment, installation, placeholders
from tests.docs.shell import Shell
from tests.e2e import release
from tests.e2e.client import Client
from tests.e2e.cluster import Cluster
from tests.e2e.layout import BEIJING, PRINTER, SHANGHAI
from tests.e2e.parts import TOOLBOX
from tests.e2e.stack import Stack
from tests.harness import chart
from tests.harness.client import Object
from tests.harness.cluster import NAMESPACE

JOB = "by-hand"
CURL = "--image=docker.io/curlimages/curl:8.11.1"  # our image runs no curl by itself, so it needs --command
HELM = """\
#!/bin/sh
case $1 in install|upgrade) set -- "$@" --plain-http --values={images} ;; esac
exec {helm} "$@"
"""


def script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def shell(cluster: Cluster, client: Client, folder: Path, pod: Object | None = None) -> Shell:
    """A shell of cluster-admin, in which curl runs in a client's pod on another node, and helm installs our images."""
    folder.mkdir(parents=True)
    images = folder / ".images.yaml"
    images.write_text(yaml.safe_dump(release.images(cluster.registry)))
    tools = {
        "kubectl": cluster.api.assets.kubectl,
        "helm": script(folder / ".helm", HELM.format(helm=chart.program(), images=images)),
        "curl": script(folder / ".curl", client.program("curl")),
    }
    config = copyfile(cluster.api.admin_kubeconfig, folder / ".kubeconfig")  # a page may change its context
    variables = {"KUBECONFIG": str(config), **(environment(pod) if pod else {})}
    here = {"192.168.1.100": PRINTER, "JOB": JOB, CURL: f"--image={TOOLBOX} --command"}
    return Shell(folder, tools, variables, placeholders(cluster.registry.chart, pod) | here, FILES)


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page, E2E)])
def test_the_commands_of_a_page_print_what_it_shows(
    cluster: Cluster, stack: Stack, clients: dict[str, Client], tmp_path: Path, page: str
) -> None:
    where = (f"--namespace={NAMESPACE}", f"--kubeconfig={cluster.api.admin_kubeconfig}")
    chart.helm("uninstall", chart.RELEASE, *where, "--ignore-not-found", "--cascade=foreground", "--wait")
    stack.remove()
    client, pod = clients[SHANGHAI.node], None
    if page not in EMPTY:
        shell(cluster, client, tmp_path / "before").run([installation()])
        client.first_answer(BEIJING.node, BEIJING.city)
        pod = agent_pod(stack.agent_pods())
        stack.clean_up(JOB)

    shell(cluster, client, tmp_path / "page", pod).run(commands(page, SERVER, E2E))
