"""The chart's settings with a real tinyproxy: which requests pass, and which are refused."""

import copy
import http.client
import http.server
import re
import socket
import subprocess
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.request import ProxyHandler, build_opener

import pytest

from images import debian
from images.progress import Job
from tests.harness import chart
from tests.harness.client import Object
from tests.harness.cluster import ROOT, installed
from tests.harness.processes import Child, free_ports, wait_until

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


@dataclass
class Proxy:
    """A tinyproxy that runs as in the pod: its command, its files, not as root."""

    port: int
    container: Any
    folder: Path

    def start(self) -> Child:
        """Run the container's command."""
        return Child(self.placed(self.container["command"]), self.folder / "log", self.folder)

    def placed(self, command: list[str]) -> list[str]:
        """The command with this machine's folders, as the pod's user."""
        user = ["/usr/bin/setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        return [*user, *(moved(part, self.folder) for part in command)]

    def exec_probe(self, name: str) -> int:
        """The exit code of an exec probe."""
        command = self.placed(self.container[name]["exec"]["command"])
        return subprocess.run(command, cwd=self.folder, check=False).returncode


def moved(text: str, folder: Path) -> str:
    return text.replace("/etc/nodeproxy", f"{folder}/etc").replace("/run/nodeproxy", f"{folder}/run")


@contextmanager
def serve(objects: list[Object], port: int, secret: Mapping[str, str]) -> Iterator[Proxy]:
    """The proxy of these objects, which must listen on `port`."""
    with TemporaryDirectory(prefix="nodeproxy-tinyproxy-") as name:  # only root may enter pytest's folders
        folder = Path(name)
        debian.require_tools(["tinyproxy-bin", "wget"], Job(folder / "tools.log", "install them"), "no other way")
        (folder / "etc").mkdir()
        (folder / "run").mkdir()
        for file, content in {**chart.the(objects, "ConfigMap", "nodeproxy-proxy")["data"], **secret}.items():
            (folder / "etc" / file).write_text(moved(content, folder))
        (folder / "run").chmod(0o777)
        folder.chmod(0o755)
        [container] = chart.template(objects, "DaemonSet")["spec"]["containers"]
        proxy = Proxy(port, container, folder)
        child = proxy.start()
        try:
            wait_until(lambda: child.ended() or listens(port), 10, "a tinyproxy that listens")
            assert not child.ended(), child.log_tail()
            yield proxy
        finally:
            child.stop()


@pytest.fixture(scope="module")
def proxy() -> Iterator[int]:
    """The port of a tinyproxy with the default settings."""
    [port] = free_ports(1)
    objects = copy.deepcopy(installed())
    config = chart.the(objects, "ConfigMap", "nodeproxy-proxy")["data"]
    config["tinyproxy.conf"] = config["tinyproxy.conf"].replace("Port 8888", f"Port {port}")
    with serve(objects, port, {}) as found:
        yield found.port


def container() -> dict[str, Any]:
    [proxy] = chart.template(installed(), "DaemonSet")["spec"]["containers"]
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
    text = chart.the(installed(), "ConfigMap", "nodeproxy-proxy")["data"]["filter"]
    patterns = [line for line in text.splitlines() if line and line[0] != "#"]

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
    for timeout in (600, 601, 7200):
        objects = chart.render({"tinyproxy": {"timeout": timeout}})
        [proxy] = chart.template(objects, "DaemonSet")["spec"]["containers"]
        probe = proxy["livenessProbe"]
        config = chart.the(objects, "ConfigMap", "nodeproxy-proxy")["data"]["tinyproxy.conf"]
        assert f"Timeout {timeout}\n" in config
        assert probe["periodSeconds"] * probe["failureThreshold"] > timeout


# ---- values


@contextmanager
def with_values(secret: Mapping[str, str] | None = None, **tinyproxy: Any) -> Iterator[Proxy]:
    """A proxy with these values of `tinyproxy`."""
    [port] = free_ports(1)
    with serve(chart.render({"proxy": {"port": port}, "tinyproxy": tinyproxy}), port, secret or {}) as found:
        yield found


def authorized(port: int, request: str, header: str) -> int:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(f"{request} HTTP/1.1\r\n{header}\r\nConnection: close\r\n\r\n".encode())
        return int(connection.makefile("rb").readline().split()[1])


def test_only_clients_with_the_password_get_through_and_the_probes_work(printer: Printer) -> None:
    secret = {"username": "alice", "password": "s3cret-._\n"}
    with with_values(secret, basicAuth={"existingSecret": "proxy-user"}) as proxy:
        request = f"GET http://127.0.0.1:{printer.server_port}/"
        known = b64encode(b"alice:s3cret-._").decode()
        assert authorized(proxy.port, request, "Host: x") == 407
        assert authorized(proxy.port, request, f"Proxy-Authorization: Basic {known}") == 200
        wrong = b64encode(b"alice:guess").decode()
        assert authorized(proxy.port, request, f"Proxy-Authorization: Basic {wrong}") == 401
        assert authorized(proxy.port, "GET /", "Host: tinyproxy.stats") == 401  # so a probe by HTTP would never succeed

        assert proxy.exec_probe("readinessProbe") == proxy.exec_probe("livenessProbe") == 0
        assert {path.stat().st_mode & 0o777 for path in (proxy.folder / "run").iterdir()} == {0o600}
        assert "s3cret" not in (proxy.folder / "log").read_text()
        (proxy.folder / "run" / "probe").write_text(f"http_proxy=http://127.0.0.1:{free_ports(1)[0]}")
        assert proxy.exec_probe("readinessProbe") != 0  # nobody listens there


def test_a_password_that_tinyproxy_cannot_have_is_not_printed() -> None:
    secret = {"username": "alice", "password": "s3cret!"}
    refused = with_values(secret, basicAuth={"existingSecret": "proxy-user"})
    with pytest.raises(AssertionError, match="Syntax error") as error, refused:
        pass
    assert "s3cret" not in str(error.value)


def test_connect_leads_to_the_allowed_ports_only(printer: Printer) -> None:
    with with_values(connectPorts=[443, printer.server_port]) as proxy:
        assert status(proxy.port, f"CONNECT 127.0.0.1:{printer.server_port}") == 200
        assert status(proxy.port, "CONNECT 127.0.0.1:5432") == 403


def test_further_hosts_are_refused(printer: Printer) -> None:
    with with_values(filter={"hosts": [r"^printer-[0-9]+\.lan$"]}) as proxy:
        assert status(proxy.port, "GET http://printer-7.lan/") == 403
        assert status(proxy.port, "GET http://169.254.169.254/") == 403
        assert status(proxy.port, f"GET http://127.0.0.1:{printer.server_port}/") == 200


def test_the_filter_of_link_local_addresses_can_be_off() -> None:
    with with_values(filter={"linkLocal": False}, timeout=1) as proxy:
        assert status(proxy.port, "GET http://0x7f.1/") != 403


def test_every_log_level_and_further_lines_are_taken() -> None:
    extra = 'DefaultErrorFile "/nowhere"\nXTinyproxy No\n'
    for level in ("Critical", "Error", "Warning", "Notice", "Connect", "Info"):
        with with_values(logLevel=level, extraConfig=extra, maxClients=7) as proxy:
            assert status(proxy.port, "GET http://169.254.169.254/") == 403
