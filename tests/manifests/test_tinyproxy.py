"""The chart's settings with a real tinyproxy: which requests pass, and which are refused."""

import copy
import http.client
import http.server
import re
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from email.message import Message
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.request import ProxyHandler, build_opener

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness import chart
from tests.harness.cluster import ROOT, installed
from tests.harness.processes import free_ports
from tests.harness.tinyproxy import Proxy, serve

# A test confirms with the resolver that each means a refused address. The tests send raw requests, because curl would
# normalize the addresses.
SPELLINGS = {
    "link-local": [
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
        "::169.254.169.254",
        "::a9fe:a9fe",
        "::ffff:0:169.254.169.254",
        "fe80::a9fe:a9fe%lo",
        "FEBF:0:0:0::1%1",
        "64:ff9b::169.254.169.254",
        "0064:FF9B:0:0:0:0:A9FE:A9FE",
        "64:ff9b:1::a9fe:a9fe",
        "64:ff9b:1:0:0:0:169.254.0.1",
    ],
    "loopback": [
        "127.0.0.1",
        "127.1.2.3",
        "127.1",
        "127.0.1",
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0x7F.1",
        "0177.0.0.1",
        "127.0.0.0x1",
        "127.0.0.01",
        "0.0.0.0",
        "0",
        "0x0",
        "00.0.0.0",
        "localhost",
        "LocalHost",
        "::1",
        "0:0:0:0:0:0:0:1",
        "0000::0001",
        "::0.0.0.1",
        "::1%1",
        "::",
        "0::0",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "::ffff:0.0.0.0",
    ],
    "other clouds": [
        "100.100.100.200",
        "100.100.25800",
        "0x646464c8",
        "::ffff:100.100.100.200",
        "64:ff9b::100.100.100.200",
        "64:ff9b::6464:64c8",
        "168.63.129.16",
        "168.0x3f.129.16",
        "2822734096",
        "64:ff9b::a83f:8110",
        "64:ff9b:1::168.63.129.16",
        "192.0.0.192",
        "192.192",
        "64:ff9b::c000:c0",
        "64:ff9b::c000:00C0",
        "fd00:ec2::254",
        "FD00:0EC2:0:0:0:0:0:0254",
        "fd00:ec2::0.0.2.84",
        "fd00:ec2::23",
        "fd00:c1::a9fe:a9fe",
        "fd00:c1::169.254.169.254",
        "fd20:ce::254",
        "fd20:00ce:0000::254",
        "fd00:a9fe:a9fe::1",
    ],
}
EVERY_SPELLING = [host for hosts in SPELLINGS.values() for host in hosts]
# Not addresses, or none that this machine's resolver takes: refused since another resolver might.
REFUSED_BESIDES = [
    "localhost.",
    "printer.localhost",
    "ip6-loopback",
    "ip6-localhost",
    "127.0.0.1.",
    "fe80::1",
    "fe80::1%25lo",
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
    "127.example.com",
    "127-0-0-1.lan",
    "localhost.example.com",
    "my-localhost",
    "0xcafe.lan",
    "0.pool.ntp.org",
    "10.127.0.1",
    "126.255.255.255",
    "128.0.0.1",
    "100.100.100.20",
    "100.100.10.200",
    "168.63.129.160",
    "192.0.0.19",
    "192.168.63.129",
    "fd00:ec20::254",
    "fd00:ec2:1::254",
    "fd00:1::1",
    "fd00:42::1",
    "fd20:cea::254",
    "2001:db8::fe80:1",
    "1::1",
    "100::1",
    "64:ff9b::192.168.1.100",
    "64:ff9b:1::c0a8:164",
    "64:ff9b:1::10.1.169.254",
    "64:ff9b:1::a01:a9fe",
]


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


class Printer(http.server.ThreadingHTTPServer):
    """A destination that records the headers of requests."""

    def __init__(self) -> None:
        self.seen: list[Message] = []
        super().__init__((own_address(), 0), Page)
        self.authority = f"{self.server_name}:{self.server_port}"


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


def own_address() -> str:
    """The machine's address in its network, since the filter refuses loopback. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


def status_line(port: int, request: str, host: str = "x") -> str:
    """The proxy's answer to a raw request: status code and reason phrase."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(f"{request} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return connection.makefile("rb").readline().decode().partition(" ")[2].strip()


def status(port: int, request: str, host: str = "x") -> int:
    return int(status_line(port, request, host).split()[0])


def written(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def test_a_page_is_fetched_without_headers_of_the_proxy(proxy: int, printer: Printer) -> None:
    opener = build_opener(ProxyHandler({"http": f"http://127.0.0.1:{proxy}"}))
    with opener.open(f"http://{printer.authority}/status", timeout=10) as answer:
        assert answer.read() == b"ready"
        assert not [name for name in answer.headers if name.lower() == "via"]

    [headers] = printer.seen
    assert not [name for name in headers if name.lower() in ("via", "x-forwarded-for", "x-tinyproxy", "forwarded")]


def test_connect_reaches_any_port(proxy: int, printer: Printer) -> None:
    """The kernel chooses the port, so it is on no list of usual ports."""
    tunnel = http.client.HTTPConnection("127.0.0.1", proxy, timeout=10)
    tunnel.set_tunnel(own_address(), printer.server_port)
    tunnel.request("GET", "/")

    assert tunnel.getresponse().read() == b"ready"
    tunnel.close()


@cache
def refused_networks() -> list[IPv4Network | IPv6Network]:
    """What the network policy excludes, and the pod itself, which no network policy can exclude."""
    policy = chart.the(chart.render({"networkPolicy": {"enabled": True}}), "NetworkPolicy", "nodeproxy-agent")
    blocks = [peer["ipBlock"] for rule in policy["spec"]["egress"] for peer in rule.get("to", ()) if "ipBlock" in peer]
    excluded = [each for block in blocks for each in block["except"]]
    networks = [ip_network(each) for each in [*excluded, "127.0.0.0/8", "0.0.0.0/8", "::/16"]]
    return [*networks, *map(local_nat64, networks)]


def means(host: str) -> IPv4Address | IPv6Address:
    """What the resolver takes it for, without the zone."""
    found = str(socket.getaddrinfo(host, 80, proto=socket.IPPROTO_TCP)[0][4][0])
    return ip_address(found.partition("%")[0])


def local_nat64(network: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    """The same network as seen through 64:ff9b:1::/96, if it is one of 64:ff9b::/96."""
    if network.version == 6 and network.subnet_of(IPv6Network("64:ff9b::/96")):
        return IPv6Network((int(network.network_address) + (1 << 80), network.prefixlen))
    return network


def is_refused(address: IPv4Address | IPv6Address) -> bool:
    return any(address in each for each in refused_networks())


@pytest.mark.parametrize("host", EVERY_SPELLING)
def test_each_spelling_is_one_of_a_refused_address(host: str) -> None:
    assert is_refused(means(host))


@pytest.mark.parametrize("host", EVERY_SPELLING + REFUSED_BESIDES)
def test_an_address_of_the_pod_or_of_a_clouds_credentials_is_refused_in_any_spelling(host: str, proxy: int) -> None:
    assert status(proxy, f"GET http://{written(host)}/") == 403
    assert status(proxy, f"GET http://user:secret@{written(host)}:8080/") == 403
    assert status(proxy, f"CONNECT {written(host)}:443") == 403
    assert status(proxy, f"CONNECT {host}:443") == 403


@pytest.mark.parametrize("host", [*(each for each in EVERY_SPELLING if ":" not in each), "fe80::1%lo", "fd00:ec2::254"])
def test_a_refused_address_is_refused_in_a_host_header_too(host: str, proxy: int) -> None:
    """tinyproxy takes the host from there if the URL has none, as a transparent proxy does."""
    assert status(proxy, "GET /", host) == 403


@settings(max_examples=1000, deadline=None)
@given(st.data())
def test_no_spelling_of_a_refused_address_passes_the_filter(data: st.DataObject) -> None:
    network = data.draw(st.sampled_from(refused_networks()))
    address = ip_address(int(network.network_address) + data.draw(st.integers(0, network.num_addresses - 1)))
    host = data.draw(spelled_4(address) if isinstance(address, IPv4Address) else spelled_6(address))

    assert means(host) == address
    assert filtered(host), host


@st.composite
def spelled_4(draw: st.DrawFn, address: IPv4Address) -> str:
    """One to four numbers, each in decimal, octal or hexadecimal, the last with all bytes that remain."""
    count = draw(st.integers(1, 4))
    numbers = [*address.packed[: count - 1], int.from_bytes(address.packed[count - 1 :])]
    return ".".join(
        draw(st.sampled_from(["{:d}", "0{:o}", "000{:o}", "0x{:x}", "0X0{:X}"])).format(each) for each in numbers
    )


@st.composite
def spelled_6(draw: st.DrawFn, address: IPv6Address) -> str:
    """With or without leading zeros, `::` for some of the zeros, the last 32 bits as IPv4, and a zone."""
    groups = address.exploded.split(":")
    texts = [draw(st.sampled_from([each, f"{int(each, 16):x}", f"{int(each, 16):X}"])) for each in groups]
    if draw(st.booleans()):
        texts[6:] = [str(IPv4Address(address.packed[12:]))]
    zeros = [
        (start, end)
        for start in range(6)
        for end in range(start + 1, 7)
        if not any(address.packed[2 * start : 2 * end])
    ]
    text = ":".join(texts)
    if draw(st.booleans()) and zeros:
        start, end = draw(st.sampled_from(zeros))
        text = f"{':'.join(texts[:start])}::{':'.join(texts[end:])}"
    return text + draw(st.sampled_from(["", "%1"]))


def test_the_troubleshooting_page_has_the_proxys_refusals(proxy: int) -> None:
    [nobody] = free_ports(1)
    told = [status_line(proxy, f"GET http://{host}/") for host in ("169.254.169.254", f"{own_address()}:{nobody}")]
    headings = re.findall(r"^### (.*)$", (ROOT / "docs/troubleshooting.md").read_text(), re.MULTILINE)

    assert told == ["403 Filtered", "500 Unable to connect"]
    assert set(told) <= set(headings)


@pytest.mark.parametrize("host", LET_THROUGH)
def test_the_filter_matches_no_other_host(host: str) -> None:
    """Evaluates only the patterns, because a request would go out to that host."""
    assert not filtered(host)


@cache
def patterns() -> list[re.Pattern[str]]:
    text = chart.the(installed(), "ConfigMap", "nodeproxy-proxy")["data"]["filter"]
    return [re.compile(line, re.IGNORECASE) for line in text.splitlines() if line and line[0] != "#"]


def filtered(host: str) -> bool:
    """Does a pattern of the filter match?"""
    return any(each.search(host) for each in patterns())


def test_the_proxy_answers_its_probes(proxy: int) -> None:
    for name in ("readinessProbe", "livenessProbe"):
        ask = container()[name]["httpGet"]
        connection = http.client.HTTPConnection("127.0.0.1", proxy, timeout=10)
        connection.request("GET", ask["path"], headers={each["name"]: each["value"] for each in ask["httpHeaders"]})
        assert connection.getresponse().status == 200
        connection.close()


def test_the_page_of_the_probes_tells_a_client_nothing_about_other_clients(proxy: int) -> None:
    opener = build_opener(ProxyHandler({"http": f"http://127.0.0.1:{proxy}"}))
    with opener.open("http://tinyproxy.stats/", timeout=10) as answer:
        assert answer.read() == b"tinyproxy answers\n"


def test_the_liveness_probe_outlasts_idle_connections() -> None:
    """A restart cuts every connection. A proxy that hangs needs one, a proxy without free connections does not."""
    for timeout in (600, 601, 7200, 2_592_000):
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
    secret = {"username": "alice", "password": "s3cret-._"}
    with with_values(secret, basicAuth={"existingSecret": "proxy-user"}) as proxy:
        request = f"GET http://{printer.authority}/"
        known = b64encode(b"alice:s3cret-._").decode()
        assert authorized(proxy.port, request, "Host: x") == 407
        assert authorized(proxy.port, request, f"Proxy-Authorization: Basic {known}") == 200
        wrong = b64encode(b"alice:guess").decode()
        assert authorized(proxy.port, request, f"Proxy-Authorization: Basic {wrong}") == 401
        assert authorized(proxy.port, "GET /", "Host: tinyproxy.stats") == 401  # so a probe by HTTP would never succeed
        metadata = "GET http://169.254.169.254/"
        assert authorized(proxy.port, metadata, "Host: x") == 407  # a stranger does not learn what is refused
        assert authorized(proxy.port, metadata, f"Proxy-Authorization: Basic {known}") == 403

        assert proxy.exec_probe("readinessProbe") == proxy.exec_probe("livenessProbe") == 0
        assert {path.stat().st_mode & 0o777 for path in (proxy.folder / "run").iterdir()} == {0o600}
        assert "s3cret" not in (proxy.folder / "log").read_text()
        (proxy.folder / "run" / "probe").write_text(f"http_proxy=http://127.0.0.1:{free_ports(1)[0]}")
        assert proxy.exec_probe("readinessProbe") != 0  # nobody listens there


@pytest.mark.parametrize(
    ("password", "line"),
    [
        ("s3cret!", "Syntax error"),
        ("s3cret\n", "password in Secret proxy-user has a newline; create it with --from-literal"),
    ],
)
def test_a_password_that_cannot_be_used_is_not_printed(password: str, line: str) -> None:
    """The tunnel of a destination would send the newline, and be refused."""
    refused = with_values({"username": "alice", "password": password}, basicAuth={"existingSecret": "proxy-user"})
    with pytest.raises(AssertionError, match=line) as error, refused:
        pass
    assert "s3cret" not in str(error.value)


def test_connect_leads_to_the_allowed_ports_only(printer: Printer) -> None:
    with with_values(connectPorts=[443, printer.server_port]) as proxy:
        assert status(proxy.port, f"CONNECT {printer.authority}") == 200
        assert status_line(proxy.port, f"CONNECT {own_address()}:5432") == "403 Access violation"


def test_further_hosts_are_refused(printer: Printer) -> None:
    with with_values(filter={"hosts": [r"^printer-[0-9]+\.lan$"]}) as proxy:
        assert status(proxy.port, "GET http://printer-7.lan/") == 403
        assert status(proxy.port, "GET http://169.254.169.254/") == 403
        assert status(proxy.port, f"GET http://{printer.authority}/") == 200


def test_the_filter_of_addresses_can_be_off() -> None:
    with with_values(filter={"defaults": False}, timeout=1) as proxy:
        assert status(proxy.port, "GET http://0x7f.1/") != 403


def test_every_log_level_and_further_lines_are_taken() -> None:
    extra = 'DefaultErrorFile "/nowhere"\nXTinyproxy No\n'
    for level in ("Critical", "Error", "Warning", "Notice", "Connect", "Info"):
        with with_values(logLevel=level, extraConfig=extra, maxClients=7) as proxy:
            assert status(proxy.port, "GET http://169.254.169.254/") == 403


# ---- limits


def test_a_connection_serves_one_plain_request_and_a_tunnel_many(
    proxy: int, printer: Printer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/scale.md says so, because a new connection for each request costs the proxy most of its time."""
    monkeypatch.setattr(Page, "protocol_version", "HTTP/1.1")  # the destination would keep the connection
    with socket.create_connection(("127.0.0.1", proxy), timeout=10) as plain:
        plain.sendall(f"GET http://{printer.authority}/ HTTP/1.1\r\nHost: {printer.authority}\r\n\r\n".encode())
        assert b"".join(iter(lambda: plain.recv(1024), b"")).endswith(b"ready")  # the proxy has closed it

    tunnel = http.client.HTTPConnection("127.0.0.1", proxy, timeout=10)
    tunnel.set_tunnel(*printer.server_address)
    tunnel.connect()
    opened = tunnel.sock
    for _ in range(3):
        tunnel.request("GET", "/")
        assert tunnel.getresponse().read() == b"ready"
    assert tunnel.sock is opened
    tunnel.close()


@pytest.fixture
def silent() -> Iterator[str]:
    """A destination whose connections are idle: the kernel accepts them, nobody answers."""
    with socket.create_server((own_address(), 0), backlog=1024) as server:
        yield f"{own_address()}:{server.getsockname()[1]}"


def tunnel_to(port: int, destination: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(f"CONNECT {destination} HTTP/1.1\r\n\r\n".encode())
    return connection


def test_all_connections_work_in_a_container_with_1024_open_files(silent: str) -> None:
    with with_values() as proxy, ExitStack() as stack:
        tunnels = [stack.enter_context(tunnel_to(proxy.port, silent)) for _ in range(default_clients())]
        answers = {each.recv(1024).split()[1] for each in tunnels}

    assert answers == {b"200"}


def default_clients() -> int:
    config = chart.the(installed(), "ConfigMap", "nodeproxy-proxy")["data"]["tinyproxy.conf"]
    [found] = re.findall(r"^MaxClients (\d+)$", config, re.MULTILINE)
    return int(found)


def test_idle_connections_stop_all_other_clients_until_the_timeout() -> None:
    """docs/security.md says so: tinyproxy has no limit for each client."""
    with with_values(maxClients=3, timeout=2) as proxy, ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port)))
        start = time.monotonic()
        assert status(proxy.port, "GET http://169.254.169.254/") == 403
        assert time.monotonic() - start > 1


def test_an_idle_tunnel_is_closed_at_the_timeout(silent: str) -> None:
    """The value says so: a database session that does nothing longer than that is cut."""
    with with_values(timeout=1) as proxy, tunnel_to(proxy.port, silent) as tunnel:
        received = b"".join(iter(lambda: tunnel.recv(1024), b""))  # until the proxy closes it

    assert b" 200 " in received
