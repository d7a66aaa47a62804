"""The HTTP server for probes: where it listens, and that it never logs a traceback."""

import logging
import socket
import struct
import urllib.error
import urllib.request

import pytest

from registrar.cli import probes
from registrar.cli.failures import SettingsError
from registrar.cli.probes import Page
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
