"""manifests/base/tinyproxy.conf and .filter with a real tinyproxy: which requests pass, and which are refused."""

import http.client
import http.server
import re
import socket
import threading
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import ProxyHandler, build_opener

import pytest
import yaml

from images import debian
from images.progress import Job
from tests.harness.cluster import ROOT
from tests.harness.processes import Child, free_ports, wait_until

BASE = ROOT / "manifests" / "base"
NOBODY = "65532"
# Each means an address in 169.254.0.0/16, which the resolver confirms in the test below. The tests send raw requests,
# because curl would normalize the addresses.
LINK_LOCAL = [
    "169.254.169.254",
    "169.254.0.1",
    "2852039166",
    "025177524776",
    "0xa9fea9fe",
    "0XA9FEA9FE",
    "169.16689662",
    "169.254.43518",
    "0xa9.254.169.254",
    "169.0xfe.169.254",
    "169.254.0xa9.0xfe",
    "0251.0376.0251.0376",
    "169.254.0251.254",
    "00000000251.254.169.254",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::FFFF:A9FE:a9fe",
    "0:0:0:0:0:ffff:a9fe:1",
]
LET_THROUGH = [
    "192.168.1.100",
    "10.169.254.1",
    "1.169.254.0",
    "16.9.254.169",
    "printer-7.lan",
    "169.254.example.com",
    "0x.example.com",
    "01.ac",
    "nodeproxy-access-node-bj-01.project-nodeproxy",
    "db",
    "fd00::a9fe:1",
    "2001:db8:ffff:a9fe::1",
]


@pytest.fixture(scope="module")
def proxy() -> Iterator[int]:
    """The port of a tinyproxy with our settings, run with the pod's command and not as root."""
    with TemporaryDirectory(prefix="nodeproxy-tinyproxy-") as name:  # only root may enter pytest's folders
        yield from serve(Path(name))


def serve(folder: Path) -> Iterator[int]:
    debian.require_tools(["tinyproxy-bin"], Job(folder / "tools.log", "install tinyproxy"), otherwise="no other way")
    [port] = free_ports(1)
    configuration = (BASE / "tinyproxy.conf").read_text()
    configuration = configuration.replace("Port 8888", f"Port {port}").replace("/etc/nodeproxy", str(folder))
    (folder / "tinyproxy.conf").write_text(configuration)
    (folder / "filter").write_text((BASE / "tinyproxy.filter").read_text())
    folder.chmod(0o755)
    command = [part.replace("/etc/nodeproxy", str(folder)) for part in container()["command"]]
    child = Child(
        ["/usr/bin/setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command],
        folder / "log",
        folder,
    )
    try:
        wait_until(lambda: child.ended() or listens(port), 10, "a tinyproxy that listens")
        assert not child.ended(), child.log_tail()
        yield port
    finally:
        child.stop()


def container() -> dict[str, Any]:
    agent = yaml.safe_load((BASE / "agent.yaml").read_text())
    [proxy] = agent["spec"]["template"]["spec"]["containers"]
    return dict(proxy)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Printer(http.server.ThreadingHTTPServer):
    """A destination that records the headers of requests."""

    def __init__(self) -> None:
        self.seen: list[Message] = []
        super().__init__(("127.0.0.1", 0), Page)


class Page(http.server.BaseHTTPRequestHandler):
    server: Printer

    def do_GET(self) -> None:
        self.server.seen.append(self.headers)
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"ready")

    def log_message(self, *_args: object) -> None:
        """Requests are not logged."""


@pytest.fixture
def printer() -> Iterator[Printer]:
    with Printer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def status_line(port: int, request: str) -> str:
    """The proxy's answer to a raw request: status code and reason phrase."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(f"{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return connection.makefile("rb").readline().decode().partition(" ")[2].strip()


def status(port: int, request: str) -> int:
    return int(status_line(port, request).split()[0])


def written(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def test_a_page_is_fetched_without_headers_of_the_proxy(proxy: int, printer: Printer) -> None:
    opener = build_opener(ProxyHandler({"http": f"http://127.0.0.1:{proxy}"}))
    with opener.open(f"http://127.0.0.1:{printer.server_port}/status", timeout=10) as answer:
        assert answer.read() == b"ready"
        assert not [name for name in answer.headers if name.lower() == "via"]

    [headers] = printer.seen
    assert not [name for name in headers if name.lower() in ("via", "x-forwarded-for", "x-tinyproxy", "forwarded")]


def test_connect_reaches_any_port(proxy: int, printer: Printer) -> None:
    """The kernel chooses the port, so it is on no list of usual ports."""
    tunnel = http.client.HTTPConnection("127.0.0.1", proxy, timeout=10)
    tunnel.set_tunnel("localhost", printer.server_port)
    tunnel.request("GET", "/")

    assert tunnel.getresponse().read() == b"ready"
    tunnel.close()


@pytest.mark.parametrize("host", LINK_LOCAL)
def test_link_local_addresses_are_refused_in_any_notation(host: str, proxy: int) -> None:
    resolved = str(socket.getaddrinfo(host, 80, proto=socket.IPPROTO_TCP)[0][4][0])
    assert resolved.startswith(("169.254.", "::ffff:169.254."))

    assert status(proxy, f"GET http://{written(host)}/") == 403
    assert status(proxy, f"GET http://user@{written(host)}:8080/") == 403
    assert status(proxy, f"CONNECT {written(host)}:443") == 403


def test_the_troubleshooting_page_has_the_proxys_refusals(proxy: int) -> None:
    [nobody] = free_ports(1)
    told = [status_line(proxy, f"GET http://{host}/") for host in ("169.254.169.254", f"127.0.0.1:{nobody}")]
    headings = re.findall(r"^### (.*)$", (ROOT / "docs/troubleshooting.md").read_text(), re.MULTILINE)

    assert told == ["403 Filtered", "500 Unable to connect"]
    assert set(told) <= set(headings)


@pytest.mark.parametrize("host", LET_THROUGH)
def test_the_filter_matches_no_other_host(host: str) -> None:
    """Evaluates only the patterns, because a request would go out to that host."""
    patterns = [line for line in (BASE / "tinyproxy.filter").read_text().splitlines() if line and line[0] != "#"]

    assert not [pattern for pattern in patterns if re.search(pattern, host, re.IGNORECASE)]


def test_the_proxy_answers_its_probes(proxy: int) -> None:
    for name in ("readinessProbe", "livenessProbe"):
        ask = container()[name]["httpGet"]
        connection = http.client.HTTPConnection("127.0.0.1", proxy, timeout=10)
        connection.request("GET", ask["path"], headers={each["name"]: each["value"] for each in ask["httpHeaders"]})
        assert connection.getresponse().status == 200
        connection.close()


def test_the_liveness_probe_outlasts_idle_connections() -> None:
    """A restart cuts every connection. A proxy that hangs needs one, a proxy without free connections does not."""
    probe = container()["livenessProbe"]
    timeout = re.search(r"^Timeout (\d+)$", (BASE / "tinyproxy.conf").read_text(), re.MULTILINE)

    assert timeout
    assert probe["periodSeconds"] * probe["failureThreshold"] > int(timeout[1])
