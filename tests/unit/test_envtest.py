"""envtest's archives: verified, resumed, never unpacked outside their folder, and given up in bounded time."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from images.progress import Job
from tests.harness import envtest, mirror
from tests.harness.mirror import Mirror
from tests.harness.processes import free_ports
from tests.harness.toolchain import UnavailableError

VERSION = "v1.37.0"
STEP = 2 * envtest.CHUNK


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    with Mirror(VERSION) as server:
        monkeypatch.setenv("ENVTEST_INDEX", server.index)
        yield server


@pytest.fixture
def obtain(tmp_path: Path) -> Callable[[], Path]:
    """Returns the folder with the binaries."""
    folder = tmp_path / "envtest" / VERSION

    def call() -> Path:
        envtest.obtain(VERSION, folder, Job(tmp_path / "log", ""))
        return folder

    return call


def whole(folder: Path) -> bool:
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.stat().st_mode & 0o111}
    return found == mirror.SCRIPTS and [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.usefixtures("served")
def test_an_archive_is_unpacked_into_executable_files(obtain: Callable[[], Path]) -> None:
    assert whole(obtain())


def test_an_archive_with_another_checksum_is_not_used(
    served: Mirror, obtain: Callable[[], Path], tmp_path: Path
) -> None:
    served.digest = "0" * 128
    with pytest.raises(UnavailableError, match=r"has the sha512 .*, the index says 000000000000…: not used"):
        obtain()
    assert list((tmp_path / "envtest").iterdir()) == []


def test_an_interrupted_download_continues_where_it_ended(served: Mirror, obtain: Callable[[], Path]) -> None:
    served.cuts = [STEP]
    assert whole(obtain())
    assert served.requests == ["bytes=0-", f"bytes={STEP}-"]


def test_an_interrupted_download_continues_in_the_next_run(served: Mirror, obtain: Callable[[], Path]) -> None:
    served.cuts = [STEP, STEP, STEP]
    with pytest.raises(UnavailableError, match="cannot be downloaded"):
        obtain()
    assert whole(obtain())
    assert served.requests == ["bytes=0-", f"bytes={STEP}-", f"bytes={2 * STEP}-", f"bytes={3 * STEP}-"]


def test_a_download_from_a_server_without_ranges_starts_again(served: Mirror, obtain: Callable[[], Path]) -> None:
    served.ranges = False
    served.cuts = [STEP]
    assert whole(obtain())


def test_the_beginning_of_another_archive_is_replaced(
    served: Mirror, obtain: Callable[[], Path], tmp_path: Path
) -> None:
    served.cuts = [STEP, 0, 0]
    with pytest.raises(UnavailableError):
        obtain()
    (part,) = (tmp_path / "envtest").iterdir()
    for rest in (b"x" * STEP, b"x" * len(served.archive), b"x" * 2 * len(served.archive)):
        part.write_bytes(rest)
        assert whole(obtain())
        for path in (tmp_path / "envtest" / VERSION).iterdir():
            path.unlink()
        (tmp_path / "envtest" / VERSION).rmdir()


def test_a_missing_archive_is_reported(served: Mirror, obtain: Callable[[], Path]) -> None:
    served.archive_status = 404
    with pytest.raises(UnavailableError, match=r"\.tar\.gz cannot be downloaded: 404 Not Found"):
        obtain()
    assert len(served.requests) == 1


def test_a_version_that_the_index_lacks_is_reported(served: Mirror, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"has no v1\.36\.2 for "):
        envtest.obtain("v1.36.2", tmp_path / "v1.36.2", Job(tmp_path / "log", ""))
    assert served.requests == []


def test_a_refused_connection_is_reported(obtain: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    [port] = free_ports(1)
    monkeypatch.setenv("ENVTEST_INDEX", f"http://127.0.0.1:{port}/")
    with pytest.raises(UnavailableError, match=r"cannot be read: .*Connection refused"):
        obtain()


@pytest.mark.parametrize("connections", [0, 2], ids=["accepts-and-is-silent", "answers-no-connection"])
def test_a_silent_server_is_given_up_in_bounded_time(
    connections: int, obtain: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envtest, "INDEX_DEADLINE", 0.5)
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(connections):  # they fill the backlog: the kernel drops the next one's packets
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        monkeypatch.setenv("ENVTEST_INDEX", f"http://127.0.0.1:{server.getsockname()[1]}/")
        started = time.monotonic()
        with pytest.raises(UnavailableError, match="cannot be read"):
            obtain()
        assert time.monotonic() - started < 5


def test_an_index_that_trickles_in_is_given_up_in_bounded_time(
    obtain: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envtest, "INDEX_DEADLINE", 0.5)

    over = threading.Event()

    def trickle() -> None:
        connection, _ = server.accept()
        with connection, suppress(OSError):  # the client goes away
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
            while not over.wait(0.1):
                connection.sendall(b" ")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=trickle)
        thread.start()
        monkeypatch.setenv("ENVTEST_INDEX", f"http://127.0.0.1:{server.getsockname()[1]}/")
        started = time.monotonic()
        with pytest.raises(UnavailableError, match=r"cannot be read: no answer within 0.5 s"):
            obtain()
        assert time.monotonic() - started < 5
        over.set()
        thread.join()


@pytest.mark.parametrize("name", ["../../etcd", "/etcd", "controller-tools/../../../etcd"])
def test_an_archive_cannot_write_outside_its_folder(
    name: str, obtain: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = {f"{envtest.FOLDER}/kube-apiserver": b"", f"{envtest.FOLDER}/kubectl": b"", name: b"evil"}
    with Mirror(VERSION, members) as server:
        monkeypatch.setenv("ENVTEST_INDEX", server.index)
        with pytest.raises(UnavailableError, match=r"has no .*etcd"):
            obtain()
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.read_bytes() == b"evil"] == []
    assert not (tmp_path / "envtest" / VERSION).exists()
