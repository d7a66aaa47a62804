"""Builds on one machine share buildah's storage, in which an image has the same name for all of them."""

import subprocess
import sys
from pathlib import Path

from images import build, builders
from images.cache import locked
from tests.harness.processes import spawn


def test_a_build_waits_for_another_one(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "images.build", "--base=local", f"--output={tmp_path}"]
    with locked(build.cache() / "lock"), spawn(command, cwd=builders.ROOT, stderr=subprocess.PIPE) as second:
        try:
            assert second.stderr
            assert any(b"waiting for another process" in line for line in second.stderr)
        finally:
            second.kill()
    assert not [*tmp_path.glob("*.tar")]
