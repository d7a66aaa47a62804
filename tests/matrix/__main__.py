"""Run the API tests on several releases of Kubernetes: `python -m tests.matrix [MINOR ...] [client]` (`make matrix`).

A run that is not green changes nothing on the page, and the program ends with exit code 1 when all runs are over.
"""

import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from tests.harness import versions
from tests.harness.cluster import ROOT
from tests.manifests.components import COMPONENTS
from tests.matrix import page, results
from tests.matrix.results import RedRun, Row

CLIENT = "client"
# Tests whose result depends on the API server.
SUITE = (
    "tests/api",
    "tests/credentials",
    "tests/security",
    "tests/manifests/test_upgrade.py",
    "tests/manifests/test_on_server.py",
    "tests/metrics/test_events.py",
    "tests/metrics/test_chart.py",
)
RESULTS = ROOT / "build" / "matrix"
VENV = ROOT / ".venv" / "newest-client"
ASK = """\
import platform; from importlib import metadata; from tests.harness import assets
print(assets.ensure().version, metadata.version('kubernetes'), platform.python_version())"""


def main(asked: Sequence[str]) -> int:
    """Run what was asked for, by default everything, and update the page after each run."""
    known = versions.minors()
    if unknown := [each for each in asked if each not in (*known, CLIENT)]:
        print(f"unknown: {' '.join(unknown)}; known: {' '.join(known)} {CLIENT}", file=sys.stderr)
        return 2
    red = 0
    for each in asked or [*known, CLIENT]:
        try:
            row = _run(known[0], _newest_client()) if each == CLIENT else _run(each, Path(sys.executable))
        except (RedRun, subprocess.CalledProcessError) as error:
            print(f"{each}: {error}; the page keeps what it had", file=sys.stderr)
            red += 1
            continue
        page.update([row], [*COMPONENTS], _allowed(), _locked())
        print(f"{page.FILE.relative_to(ROOT)}: {row}")
    return 1 if red else 0


def _run(minor: str, python: Path) -> Row:
    """The suite on one release; pytest's own exit code is in its report."""
    env = {**os.environ, "KUBERNETES": minor}
    asked = subprocess.run([python, "-c", ASK], env=env, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    release, client, interpreter = asked.stdout.split()
    report = RESULTS / f"{release}-client-{client}.xml"
    report.unlink(missing_ok=True)
    command = [str(python), "-m", "pytest", "-q", "-n", os.environ.get("WORKERS", "2"), "--dist", "loadgroup"]
    subprocess.run([*command, f"--junitxml={report}", *SUITE], env=env, cwd=ROOT, check=False)
    return results.read(report, release, client, interpreter)


def _newest_client() -> Path:
    """The Python of an environment with the locked packages, except the newest client that pyproject.toml allows."""
    python = VENV / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
    subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", str(ROOT / "requirements.lock")], check=True)
    subprocess.run([*pip, "--upgrade", f"kubernetes{_allowed()}"], check=True)
    return python


def _allowed() -> str:
    """The range of the client's releases in pyproject.toml: `>=35,<38`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    [requirement] = [each for each in project["project"]["dependencies"] if each.startswith("kubernetes")]
    return str(requirement).removeprefix("kubernetes")


def _locked() -> str:
    """The client's release in requirements.lock."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("kubernetes==")]
    return line.split()[0].removeprefix("kubernetes==")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
