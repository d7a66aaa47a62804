"""What the pages take for granted, and what stands in the tests' clusters for what they name."""

import registrar
from tests.docs.blocks import COMMANDS, SERVER, Block
from tests.harness.client import Object
from tests.harness.cluster import NAMESPACE

NODES = ("node-bj-01", "node-sh-02")
CHART = "oci://ghcr.io/nodeproxy/charts/nodeproxy"
EMPTY = {"README.md", "docs/get-started.md"}  # pages that begin with a cluster without nodeproxy
# Files that pages tell the reader to write. The values change something, so that an upgrade with them is one.
FILES = {"my-values.yaml": "janitor: {events: true}\n", "userlist.txt": '"alice" "secret"\n'}
INSTALLATION = f"""\
helm install nodeproxy {CHART} -n {NAMESPACE} --create-namespace
kubectl -n {NAMESPACE} rollout status daemonset/nodeproxy-agent --timeout=120s
"""


def installation() -> Block:
    """The commands before the first of any other page."""
    return Block("the installation", 0, "", COMMANDS, INSTALLATION, SERVER)


def placeholders(chart: str, pod: Object | None) -> dict[str, str]:
    """The chart and the words in CAPITALS; `pod` is an agent pod on the first node, if there is one."""
    known = {CHART: chart, "NODE": NODES[0], "VERSION": registrar.__version__}
    if pod:
        known |= dict.fromkeys(("POD", "AGENT-POD"), pod["metadata"]["name"])
        known["POD-ADDRESS"] = pod["status"]["podIP"]
    return known


def agent_pod(pods: list[Object]) -> Object:
    """The agent pod on the first node."""
    [pod] = [each for each in pods if each["spec"].get("nodeName") == NODES[0]]
    return pod


def environment(pod: Object) -> dict[str, str]:
    """What the registrar's options are in that pod."""
    meta = pod["metadata"]
    name = {"NODE_NAME": NODES[0], "POD_NAME": meta["name"]}
    return {**name, "POD_NAMESPACE": NAMESPACE, "POD_UID": meta["uid"]}
