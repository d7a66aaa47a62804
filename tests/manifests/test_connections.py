"""tinyproxy.logLevel Connect: the command in docs/use.md prints who went where, from a real tinyproxy's log."""

import re
import subprocess
from pathlib import Path

from tests.harness.cluster import ROOT
from tests.harness.processes import free_ports
from tests.manifests.test_tinyproxy import status, with_values

[PAGE_COMMAND] = re.findall(r"^ *(awk '.*')$", (ROOT / "docs" / "use.md").read_text(), re.MULTILINE)


def connections(log: str) -> list[list[str]]:
    """What the command prints, without the date."""
    printed = subprocess.run(PAGE_COMMAND, shell=True, input=log, capture_output=True, text=True, check=True).stdout
    return [line.split()[3:] for line in printed.splitlines()]


def test_the_log_leads_to_client_and_destination_without_the_probes() -> None:
    [nobody] = free_ports(1)
    with with_values(logLevel="Connect", filter={"defaults": False}) as proxy:
        assert status(proxy.port, f"CONNECT 127.0.0.1:{nobody}") == 500
        assert status(proxy.port, f"GET http://127.0.0.1:{nobody}/page") == 500
        status(proxy.port, "GET /")  # the form of a probe
        log = Path(proxy.folder, "log").read_text()
    assert connections(log) == [
        ["127.0.0.1", "CONNECT", f"127.0.0.1:{nobody}"],
        ["127.0.0.1", "GET", f"http://127.0.0.1:{nobody}/page"],
    ]


def test_by_default_no_connection_is_logged() -> None:
    with with_values(filter={"defaults": False}) as proxy:
        status(proxy.port, "GET http://127.0.0.1:1/")
        assert connections(Path(proxy.folder, "log").read_text()) == []
