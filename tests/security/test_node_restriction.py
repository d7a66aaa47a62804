"""What docs/security.md says of NodeRestriction, on a real API server with it and one without it."""

import shlex
from collections.abc import Iterator

import pytest

from tests.docs.blocks import commands
from tests.harness.apiserver import ApiServer
from tests.harness.client import ApiClient, ApiError
from tests.harness.cluster import NAMESPACE, REGISTRAR, ROOT, Cluster
from tests.harness.processes import wait_until

PAGE = (ROOT / "docs" / "security.md").read_text()
HERE = "tests/security/test_node_restriction.py"  # where the page says that its command is run
PLUGIN = "NodeRestriction"


class Server(ApiServer):
    """An API server that has the plugin or lacks it, whatever the harness's other servers have."""

    def __init__(self, *, restricted: bool) -> None:
        self.restricted = restricted

    def _flags(self) -> list[str]:
        flags = [flag for flag in super()._flags() if PLUGIN not in flag]
        return [*flags, f"--enable-admission-plugins={PLUGIN}"] if self.restricted else flags


@pytest.fixture(scope="module", params=[True, False], ids=["on", "off"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with Server(restricted=request.param) as api:
        yield api


@pytest.fixture
def cluster(server: Server) -> Cluster:
    cluster = Cluster(server)
    cluster.wipe()
    return cluster


def test_the_command_of_the_page_tells_whether_it_is_on(server: Server, cluster: Cluster) -> None:
    cluster.node("node-a")
    [block] = commands("docs/security.md", HERE, heading="Only its own: `admission.enabled`")
    command = shlex.split(block.text.replace("\\\n", " ").replace("NODE", "node-a"))
    done = server.kubectl(*command[1:], check=False)

    said = done.stdout if done.returncode == 0 else done.stderr
    expected = "is not allowed to modify labels" if server.restricted else "node/node-a labeled (server dry run)"
    assert expected in said
    assert expected.removeprefix("node/node-a ") in PAGE
    assert "labels" not in cluster.admin.get("/api/v1/nodes/node-a")["metadata"]


def test_without_it_a_node_gets_the_registrars_token_of_another_node(server: Server, cluster: Cluster) -> None:
    cluster.node("node-a")
    cluster.node("node-b")
    cluster.pod("node-a")  # the Node authorizer allows tokens of ServiceAccounts that pods of the node have
    victim = cluster.pod("node-b")["metadata"]
    thief = ApiClient(server.url, server.ca_file, cert=server.ca.client("system:node:node-a", ["system:nodes"]))
    bound = {"apiVersion": "v1", "kind": "Pod", "name": victim["name"], "uid": victim["uid"]}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"boundObjectRef": bound}}

    def outcome() -> str:
        try:
            thief.create(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{REGISTRAR}/token", body)
        except ApiError as error:
            return "" if "no relationship found" in str(error) else str(error)  # the authorizer has not seen the pod
        return "given"

    said = wait_until(outcome, 30, "an answer that the Node authorizer does not prevent")
    assert ("different node" in said) if server.restricted else (said == "given"), said
