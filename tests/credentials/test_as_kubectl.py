"""Whatever a kubeconfig or the environment says, both programs ask the server that kubectl asks, as the same user.

Or they end with exit code 2 before any request, with one line that names what is not supported.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.credentials import contexts, network, users
from tests.credentials.world import LOGIN, Server, Setup, World
from tests.harness.connectproxy import ConnectProxy

Make = Callable[[World], Setup]
SAME: dict[str, Make] = contexts.SAME | users.SAME | network.SAME
REFUSED: dict[str, tuple[Make, str]] = contexts.REFUSED | users.REFUSED | network.REFUSED
NOBODY: dict[str, tuple[Make, str]] = contexts.NOBODY | users.NOBODY | network.NOBODY
PROGRAMS = pytest.mark.parametrize("program", ["registrar", "janitor"])


@pytest.fixture(scope="module")
def _world() -> Iterator[World]:
    with Server() as a, Server() as b, ConnectProxy() as proxy, ConnectProxy(LOGIN.replace("%40", "@")) as locked:
        yield World(a, b, proxy, locked)


@pytest.fixture
def world(_world: World, tmp_path: Path) -> World:
    _world.folder = tmp_path
    return _world


def test_the_tables_are_long_enough() -> None:
    assert len(SAME) >= 50


@pytest.mark.parametrize("case", SAME)
def test_both_programs_ask_whom_kubectl_asks(case: str, world: World) -> None:
    setup = SAME[case](world)
    expected = world.kubectl(setup)
    for program in ("registrar", "janitor"):
        asked, done = world.program(program, setup)
        assert (asked.who, asked.proxied) == (expected.who, expected.proxied), f"{program}: {done.stderr}"
        assert asked.namespaces == expected.namespaces or not expected.namespaces, program


@PROGRAMS
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_supported_is_refused_before_any_request(case: str, program: str, world: World) -> None:
    make, reason = REFUSED[case]
    asked, done = world.program(program, make(world))
    lines = done.stderr.splitlines()
    assert (done.returncode, asked.who, asked.proxied) == (2, frozenset(), False), done.stderr
    assert " ERROR bad setting " in lines[-1]
    assert reason in lines[-1]
    assert "canary" not in done.stderr + done.stdout


@PROGRAMS
@pytest.mark.parametrize("case", NOBODY)
def test_where_kubectl_asks_nobody_neither_do_the_programs(case: str, program: str, world: World) -> None:
    make, reason = NOBODY[case]
    setup = make(world)
    assert world.kubectl(setup).who == frozenset()
    asked, done = world.program(program, setup)
    lines = done.stderr.splitlines()
    assert (done.returncode in (1, 2), asked.who) == (True, frozenset()), done.stderr
    assert reason in lines[-1]
    assert "canary" not in done.stderr + done.stdout
