"""A request ends at its deadline, whatever part of an answer the server never finishes."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import Mock

import pytest
import yaml
from prometheus_client import CollectorRegistry

from janitor import push
from registrar.cli import deadline
from registrar.cli.failures import Failure
from registrar.kube.source import Source
from registrar.kube.transport import Kube
from tests.harness.endless import ANSWERS, EVERY
from tests.harness.processes import wait_until

BUDGET, SLACK = 0.6, 0.4  # seconds; a watchdog would step in later than this


class Server:
    """Answers each connection with `first`, and then with `again` for ever, `every` so many seconds."""

    def __init__(self, first: bytes, again: bytes, every: float = EVERY) -> None:
        self._parts, self._every = (first, again), every
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._closing = threading.Event()
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.requests = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._closing.set()
        self._listening.close()

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=[client], daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with client:
            try:
                self.requests += bool(client.recv(1 << 16))
                client.sendall(self._parts[0])
                while not self._closing.wait(self._every):
                    client.sendall(self._parts[1])
            except OSError:
                return


@pytest.fixture
def serve() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def kube(folder: Path, server: str, **cluster: str) -> Kube:
    config = {
        "clusters": [{"name": "x", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "x", "user": {"token": "x"}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "current-context": "x",
    }
    file = folder / "config"
    file.write_text(yaml.safe_dump(config))
    return Kube(Source(str(file)), agent="x", timeout=BUDGET).renewed()  # imports took some of the first timeout


def assert_ends(access: Kube, reason: str = "") -> None:
    started = time.monotonic()
    with pytest.raises(Failure, match=rf"cannot get it: {reason}.*within the timeout of 0\.6s"):
        access.request("get it", "GET", "/x")
    assert time.monotonic() - started < BUDGET + SLACK


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_trickled_answer_ends_with_the_timeout(serve: ExitStack, tmp_path: Path, answer: str) -> None:
    server = Server(*ANSWERS[answer])
    serve.callback(server.close)
    assert_ends(kube(tmp_path, server.url))


@pytest.mark.parametrize("answer", ["100 Continue", "chunks"])  # http.client ends the others: they are too long
def test_a_flood_ends_with_the_timeout(serve: ExitStack, tmp_path: Path, answer: str) -> None:
    server = Server(*ANSWERS[answer], every=0)
    serve.callback(server.close)
    assert_ends(kube(tmp_path, server.url))


@pytest.mark.parametrize("answer", ["one header", "headers of 100 Continue"])
def test_an_endless_answer_of_a_proxy_ends_with_the_timeout(serve: ExitStack, tmp_path: Path, answer: str) -> None:
    proxy = Server(*ANSWERS[answer])
    serve.callback(proxy.close)
    assert_ends(kube(tmp_path, "https://198.18.0.1", **{"proxy-url": proxy.url}))


def test_an_endless_handshake_ends_with_the_timeout(serve: ExitStack, tmp_path: Path) -> None:
    server = Server(b"\x16\x03\x03\x40\x00", b"\0")  # the head of a TLS record, and its content
    serve.callback(server.close)
    assert_ends(kube(tmp_path, server.url.replace("http:", "https:")))


@pytest.fixture
def silent(serve: ExitStack, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of a server whose name has four addresses, none of which answers."""
    listening = serve.enter_context(socket.create_server(("", 0), backlog=0))
    port = listening.getsockname()[1]
    for _ in range(2):  # they fill the backlog: the kernel drops the next one's packets
        client = serve.enter_context(socket.socket())
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", port))
    addresses = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (f"127.0.0.{number}", port)) for number in range(1, 5)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: addresses)
    return f"http://several.test:{port}"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_with_several_silent_addresses_ends_with_the_timeout(silent: str, tmp_path: Path, scheme: str) -> None:
    url = silent.replace("http", scheme)
    assert_ends(kube(tmp_path, url), f"no answer from {url}: Connection to several.test timed out")


def test_the_address_after_one_that_refuses_is_used(
    serve: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"", every=60)
    serve.callback(server.close)
    port = int(server.url.rpartition(":")[2])
    addresses = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (f"127.0.0.{number}", port)) for number in (2, 1)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: addresses)
    assert kube(tmp_path, f"http://several.test:{port}").request("get it", "GET", "/x") == {}


@pytest.mark.parametrize(
    ("host", "reason"),
    [("name.invalid", "Failed to resolve 'name.invalid' "), ("a..b", ".*'a..b', label empty or too long")],
)
def test_a_name_without_an_address_is_named(
    host: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if host == "name.invalid":
        monkeypatch.setattr(socket, "getaddrinfo", Mock(side_effect=socket.gaierror(socket.EAI_NONAME, "not known")))
    assert_ends(kube(tmp_path, f"http://{host}"), f"no answer from http://{host}: {reason}")


def test_a_deadline_that_is_over_sends_nothing(serve: ExitStack) -> None:
    ours, theirs = (serve.enter_context(each) for each in socket.socketpair())
    limited = serve.enter_context(deadline.limited(ours))
    limited.sendall(b"in time")
    with deadline.until(time.monotonic()), pytest.raises(TimeoutError):
        limited.sendall(b"late")
    limited.close()
    assert theirs.recv(100) == b"in time"


def test_a_run_that_was_given_up_sends_nothing_in_the_next_one(serve: ExitStack, tmp_path: Path) -> None:
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"", every=60)
    serve.callback(server.close)
    given_up = kube(tmp_path, server.url)
    wait_until(lambda: given_up.remaining() < 0, 10, "the end of the first run's timeout")
    following = given_up.renewed()

    with pytest.raises(Failure, match=r"the timeout of 0\.6s is over"):
        given_up.request("delete it", "DELETE", "/x")
    assert server.requests == 0
    assert following.request("get it", "GET", "/x") == {}


def test_an_endless_answer_of_a_pushgateway_is_one_warning(
    serve: ExitStack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(push, "_LONGEST", BUDGET)
    server = Server(*ANSWERS["100 Continue"])
    serve.callback(server.close)
    started = time.monotonic()
    push.push(server.url, CollectorRegistry(), "n", lambda _seconds: None)

    assert time.monotonic() - started < BUDGET + SLACK
    [line] = caplog.messages
    assert line.startswith(f"cannot push metrics to {server.url}/metrics/job/nodeproxy-janitor/namespace/n: no answer")
