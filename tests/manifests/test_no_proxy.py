"""The no_proxy of the examples and docs with real clients: what docs/use.md says of each is true."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from images import debian
from images.progress import Job
from tests.harness import assets, chart
from tests.harness.cluster import ROOT

PAGE, CHINESE = ((ROOT / "docs" / name).read_text() for name in ("use.md", "zh/use.md"))
EXAMPLE = yaml.safe_load((chart.MANIFESTS / "examples" / "clients" / "proxied.yaml").read_text())
NO_PROXY = {each["name"]: each["value"] for each in EXAMPLE["spec"]["containers"][0]["env"]}["no_proxy"]
PROXY = "http://127.0.0.1:8888"


def table(page: str = PAGE) -> dict[str, dict[str, bool]]:
    """The table of the page in either language: by URL and client, whether the request is proxied."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("|")]
    [head] = [row for row in rows if "wget" in row]
    clients = [re.sub(r" ?[(\uff08].*", "", cell) for cell in head[1:]]
    told: dict[str, dict[str, bool]] = {}
    for urls, *cells in rows:
        for url in re.findall(r"`(http://[^`]*)`", urls):
            told[url] = dict(zip(clients, ["proxied" in cell for cell in cells], strict=True))
    return told


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bool]]:
    folder = tmp_path_factory.mktemp("no-proxy")
    debian.require_tools(["curl", "wget", "iproute2"], Job(folder / "tools.log", "install them"), "no other way")
    script = Path(__file__).with_name("proxied_clients.py")
    command = ["unshare", "--net", sys.executable, str(script), str(assets.wheel_kubectl()), *table()]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(folder), "no_proxy": NO_PROXY}
    environment |= {"http_proxy": PROXY, "https_proxy": PROXY}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, dict[str, bool]] = json.loads(done.stdout)
    return found


def test_the_pages_table_is_what_real_clients_do(seen: dict[str, dict[str, bool]]) -> None:
    assert len(table()) == 7
    assert seen == table() == table(CHINESE)


def test_the_readmes_and_the_page_show_the_examples_value() -> None:
    for page in (PAGE, CHINESE, *((ROOT / name).read_text() for name in ("README.md", "README.zh-CN.md"))):
        assert NO_PROXY in page
