"""The attack table of docs/security.md, on a real API server with NodeRestriction and the admission policies."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from registrar import contract
from tests.harness.apiserver import ApiServer
from tests.harness.client import ApiClient, ApiError
from tests.harness.cluster import JANITOR, NAMESPACE, NODES, PODS, REGISTRAR, ROOT, SERVICES, Cluster, installed
from tests.harness.features import Feature
from tests.security import (
    attacks,
    attacks_janitor,
    attacks_kubelet,
    attacks_programs,
    attacks_registrar,
    attacks_tenants,
)
from tests.security.attacks import Request, Row, Scene
from tests.security.in_force import in_force
from tests.security.targets import thief_of

pytestmark = pytest.mark.xdist_group("confinement")
REGISTRARS, JANITORS, KUBELETS = "A registrar's token", "The janitor's token", "A kubelet's credentials"
INSIDE, OUTSIDE = "A tenant who may write pods and Services in the namespace", "A tenant of another namespace"
TABLES: dict[str, tuple[Row, ...]] = {
    REGISTRARS: attacks_registrar.REGISTRAR,
    JANITORS: attacks_janitor.JANITOR,
    KUBELETS: attacks_kubelet.KUBELET,
    INSIDE: attacks_tenants.INSIDE,
    OUTSIDE: attacks_tenants.OUTSIDE,
    **attacks_programs.TABLES,
}
ROWS = [row for rows in TABLES.values() for row in rows]
WITH_REQUESTS = {f"{who}: {row.attack}": (who, row) for who, rows in TABLES.items() for row in rows if row.requests}
TENANTS = (
    ("insider", NAMESPACE, "create role insider --verb=create,patch,delete --resource=pods,services"),
    ("outsider", "default", "create role outsider --verb=* --resource=pods,services"),
)
PAGE = (ROOT / "docs" / "security.md").read_text()


@pytest.fixture(scope="module")
def scene(api: ApiServer, _cluster: Cluster) -> Iterator[Scene]:
    _cluster.wipe()
    api.ensure_service_account("default", "default")
    with in_force(api, installed()):
        pods = {}
        for node in ("node-a", "node-b"):
            _cluster.node(node)
            pods[node] = _cluster.register_again(node)["metadata"]["name"]
        bank = {"metadata": {"name": "bank"}, "spec": {"selector": {"app": "bank"}, "ports": [{"port": 80}]}}
        _cluster.admin.create(SERVICES, bank)
        own, other = (_cluster.service_of(node) for node in pods)
        own_pod, other_pod = (_cluster.admin.get(f"{PODS}/{pod}") for pod in pods.values())
        node_a = _cluster.admin.get(f"{NODES}/node-a")
        yield Scene(SERVICES, PODS, own, other, _cluster.service("bank"), own_pod, other_pod, node_a)
        _cluster.wipe()


@pytest.fixture(scope="module")
def attackers(api: ApiServer, _cluster: Cluster, scene: Scene) -> dict[str, tuple[ApiClient, Scene]]:
    """Each attacker's client, with the scene, and in it the field manager whose name it uses."""
    for name, namespace, role in TENANTS:
        api.kubectl("-n", namespace, *role.split(), check=False)
        api.kubectl("-n", namespace, "create", "rolebinding", name, f"--role={name}", f"--user={name}", check=False)
    janitor = api.client(api.service_account_token(NAMESPACE, JANITOR))
    return {
        REGISTRARS: (thief_of(_cluster, scene.own_pod), replace(scene, manager=contract.REGISTRAR_MANAGER)),
        JANITORS: (janitor, replace(scene, manager=contract.JANITOR_MANAGER)),
        KUBELETS: (certified(api, "system:node:node-a", "system:nodes"), scene),
        INSIDE: (certified(api, "insider"), scene),
        OUTSIDE: (certified(api, "outsider"), scene),
    }


def certified(api: ApiServer, user: str, *groups: str) -> ApiClient:
    return ApiClient(api.url, api.ca_file, cert=api.ca.client(user, groups))


def outcome(request: Request, client: ApiClient) -> str:
    try:
        request.send(client)
    except ApiError as error:
        return str(error)
    return ""


@pytest.mark.needs(Feature.ADMISSION_POLICY, Feature.NODE_IN_TOKEN)
@pytest.mark.parametrize(("who", "row"), WITH_REQUESTS.values(), ids=WITH_REQUESTS)
def test_an_attack_ends_as_the_table_says(who: str, row: Row, attackers: dict[str, tuple[ApiClient, Scene]]) -> None:
    client, scene = attackers[who]
    assert row.requests
    sent = [(each, outcome(each, client)) for each in row.requests(scene)]
    assert sent
    assert [(each, end) for each, end in sent if not re.match(attacks.says(row.outcome), end)] == []


@pytest.mark.parametrize("account", [REGISTRAR, JANITOR])
def test_a_stolen_token_impersonates_nobody(_cluster: Cluster, account: str) -> None:
    api = _cluster.api  # the fixture `cluster` would remove what the other tests of this module share
    kubeconfig = api.token_kubeconfig(api.service_account_token(NAMESPACE, account), NAMESPACE)
    for user in (
        "--as=system:admin",
        "--as=x --as-group=system:masters",
        f"--as=system:serviceaccount:{NAMESPACE}:default",
    ):
        done = api.kubectl("get", "services", *user.split(), check=False, kubeconfig=kubeconfig)
        assert done.returncode
        assert "cannot impersonate" in done.stderr


def test_the_page_has_the_table() -> None:
    """Row by row, so that neither the page nor the tests know an attack or an outcome that the other does not."""
    [section] = re.findall(r"^## Attacks, .*?\n(.*?)^## ", PAGE, re.DOTALL | re.MULTILINE)
    parts = re.findall(r"^### (.*?)\n(.*?)(?=^###|\Z)", section, re.DOTALL | re.MULTILINE)
    written = {who: re.findall(r"^\| (.*) \| (.*) \|$", text, re.MULTILINE)[1:] for who, text in parts}
    assert written == {who: [(row.attack, bold(row.outcome)) for row in rows] for who, rows in TABLES.items()}


def bold(outcome: str) -> str:
    """What nothing stops stands out."""
    return f"**{outcome}**" if outcome == attacks.LEFT else outcome


def test_every_row_is_shown_by_requests_or_by_tests_that_pytest_collects() -> None:
    assert [row.attack for row in ROWS if not (row.requests or row.tests)] == []
    assert [row.attack for row in ROWS if row.requests and row.outcome in attacks.WITHOUT_REQUESTS] == []
    named = {f"tests/{test}" for row in ROWS for test in row.tests}
    in_a_sandbox = {test for test in named if test.startswith("tests/e2e/")}  # pytest collects them nowhere else
    for path, _, test in (each.partition("::") for each in in_a_sandbox):
        assert f"\ndef {test}(" in (ROOT / path).read_text()
    named -= in_a_sandbox
    files = sorted({test.partition("::")[0] for test in named})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    collected = {line.partition("[")[0] for line in done.stdout.splitlines() if "::" in line}
    assert named - collected == set(), done.stdout[-2000:]
