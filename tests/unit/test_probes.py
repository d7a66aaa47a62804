"""The HTTP server for probes: where it listens, and that it never logs a traceback."""

import logging
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from janitor import metrics
from registrar.cli import probes
from registrar.cli.failures import SettingsError
from registrar.cli.probes import Health, Page
from tests.harness.processes import free_ports, wait_until

RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: closing sends a reset


def large(_accept: str) -> Page:
    return Page(b"x" * 50_000_000)


def broken(_accept: str) -> Page:
    raise ZeroDivisionError("by zero")


@pytest.fixture
def port() -> int:
    [port] = free_ports(1)
    return port


def test_a_port_in_use_is_a_bad_setting(port: int) -> None:
    with socket.create_server(("", port)), pytest.raises(SettingsError) as caught, probes.serving("--port", port, {}):
        pass
    assert str(caught.value) == f"bad setting --port: {port}: another process listens there"


def test_without_ipv6_it_serves_ipv4(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registrar.cli.probes._Server.address_family", socket.AF_INET)
    with probes.serving("--port", port, {"/": lambda _accept: Page(b"ok")}):
        assert urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).read() == b"ok"


def test_a_client_that_disconnects_is_not_logged(
    port: int, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with probes.serving("--port", port, {"/": large}):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            client.recv(1)
        wait_until(lambda: caplog.records, 10, "the server's log line")
    assert [record.levelname for record in caplog.records] == ["DEBUG"]
    assert capfd.readouterr().err == ""


def test_a_page_that_fails_is_one_log_line(
    port: int, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with probes.serving("--port", port, {"/": broken}):
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10)
        wait_until(lambda: caplog.records, 10, "the server's log line")
    assert caplog.messages == ["cannot answer a probe or scrape: ZeroDivisionError: by zero"]
    assert capfd.readouterr().err == ""


def ok(_accept: str) -> Page:
    return Page(b"ok")


def test_five_hundred_idle_connections_stop_no_probe(port: int) -> None:
    before = threading.active_count()
    with probes.serving("--port", port, {"/": ok}), ExitStack() as idle:
        for _ in range(500):
            client = idle.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            client.sendall(b"GET / HTTP/1.1\r\nX: ")
        started = time.monotonic()
        for _ in range(20):
            assert urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).read() == b"ok"
        assert time.monotonic() - started < 5  # an idle connection that is left alone lasts 10 seconds
        assert threading.active_count() - before <= 33  # connections, and the one that accepts them


def test_a_client_that_trickles_its_request_is_cut_off(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_LONGEST", 0.5)
    with probes.serving("--port", port, {"/": ok}), socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nX: ")

        def is_cut_off() -> bool:
            try:
                client.sendall(b"x")
            except ConnectionError:
                return True
            return False

        wait_until(is_cut_off, 5, "the end of the connection", interval=0.02)


def test_a_client_that_never_reads_is_cut_off(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_LONGEST", 0.5)
    before = threading.active_count()
    with probes.serving("--port", port, {"/": large}), socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert client.recv(1)
        wait_until(lambda: threading.active_count() - before == 1, 10, "the end of the connection's thread")


BAD_ACCEPT = (
    "application/openmetrics-text; version=abc",
    "application/openmetrics-text;version=1.x.0",
    "text/plain;version=" + "9" * 5000,
    "text/plain; version=a; escaping=b",
    ";;;,,,===",
    "\xff",
)


@pytest.mark.parametrize("accept", BAD_ACCEPT)
def test_a_bad_accept_header_gets_the_metrics_and_is_not_logged(
    port: int, accept: str, caplog: pytest.LogCaptureFixture
) -> None:
    with metrics.serving(port, metrics.Metrics(), Health(None)):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Accept": accept})
        answer = urllib.request.urlopen(request, timeout=10).read()
    assert b"nodeproxy_janitor_build_info" in answer
    assert caplog.messages == []


@given(st.text(st.sampled_from("application/openmetrics-text;version=.019,x q")))
def test_no_accept_header_is_an_error(accept: str) -> None:
    for media in ("", "text/plain;version=", "application/openmetrics-text; version="):
        assert metrics.page(metrics.Metrics(), media + accept).status == 200
