"""Build programs from Go modules: the same result on every machine, checksums verified by Go."""

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from images.progress import Job
from tests.harness.toolchain import UnavailableError, environment, last_line


@dataclass(frozen=True)
class Module:
    """A released module that has been downloaded."""

    path: str
    version: str
    folder: Path


def download(go: str, path: str, version: str, job: Job) -> Module:
    """Fetch one module. Raises UnavailableError if it cannot be had."""
    job.say(f"downloading the Go module {path} {version}")
    done = subprocess.run(
        [go, "mod", "download", "-json", f"{path}@{version}"],
        cwd="/",  # outside of any module, so that no go.mod is read
        env=environment("auto", os.environ),  # a newer Go if the module needs it
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = _error(done.stdout) or done.stderr
        if "SECURITY ERROR" in reason:
            raise SystemExit(f"{path} {version}: {reason.strip()}\nnext: find out who changed this module")
        raise UnavailableError(f"Go modules: {last_line(reason)}")
    return Module(path, version, Path(json.loads(done.stdout)["Dir"]))


def build(
    go: str, module: Module, toolchain: str, binaries: Mapping[str, str], flags: Sequence[str], scratch: Path, job: Job
) -> None:
    """Compile `binaries` (name: path of the main package in the module) into `scratch`, one after the other."""
    env = environment(f"go{toolchain}", os.environ)
    declared = _declared(go, module, env)
    (scratch / "go.mod").write_text(go_mod(declared, module.version))
    for name, package in binaries.items():
        command = ["nice", "-n", "19", go, "build", "-v", *flags, "-o", name]
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


def _declared(go: str, module: Module, env: Mapping[str, str]) -> dict[str, Any]:
    """The contents of the module's go.mod. The pinned Go, which is fetched if needed, reads it."""
    command = [go, "mod", "edit", "-json", str(module.folder / "go.mod")]
    done = subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnavailableError(f"Go modules: {last_line(done.stderr)}")
    declared: dict[str, Any] = json.loads(done.stdout)
    return declared


def _error(answer: str) -> str:
    try:
        return str(json.loads(answer).get("Error", ""))
    except ValueError:
        return ""
