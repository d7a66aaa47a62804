"""Packages that a build or a test needs are installed by one process at a time."""

import os
import subprocess
import sys
from pathlib import Path

from images.cache import locked

INSTALL = """
from pathlib import Path
from images import debian, progress
debian.require_tools(["runc"], progress.Job(Path({log!r}), "retry"))
"""


def test_a_process_waits_for_another_that_installs_packages_and_then_finds_them_installed(tmp_path: Path) -> None:
    """Two workers of pytest need the same package: apt-get fails if another apt-get runs."""
    programs = tmp_path / "bin"
    programs.mkdir()
    script(programs / "apt-get", "exit 100")
    with locked(tmp_path / "cache" / "apt.lock"):
        process = subprocess.Popen(
            [sys.executable, "-c", INSTALL.format(log=str(tmp_path / "log"))],
            env={**os.environ, "PATH": str(programs), "NODEPROXY_CACHE": str(tmp_path / "cache")},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr
        assert "waiting for another process" in process.stderr.readline()
        script(programs / "runc", "exit 0")
    assert process.communicate()[1] == ""
    assert process.returncode == 0


def script(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
