"""No credential, nor eight characters of one, is in any output, whatever goes wrong, even at log level debug."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings

from tests.credentials.canaries import Example, examples, kubeconfig, leaked
from tests.credentials.echo import Echo
from tests.harness.cluster import ROOT
from tests.harness.processes import bare_environment

# In `make soak` as many as there are seeds; each is a process.
SEEDS = os.environ.get("SEEDS", "")
EXAMPLES = int(SEEDS) if SEEDS.isdecimal() else 25
POD = {"NODE_NAME": "a", "POD_NAME": "b", "POD_UID": "c"}


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Echo]:
    with Echo(tmp_path_factory.mktemp("echo")) as server:
        yield server


@settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink takes minutes, and the note says enough
)
@given(example=examples())
def test_no_output_has_a_part_of_a_secret(example: Example, echo: Echo) -> None:
    echo.answer = example.answer
    echo.bodies.clear()
    with TemporaryDirectory() as name:
        folder = Path(name)
        done = run(example, folder, echo)
        left = [path.name for path in (folder / "tmp").iterdir()]
    said = done.stdout + done.stderr + b"".join(echo.bodies)
    note(f"{example}\n{done.returncode}\n{done.stderr.decode(errors='replace')}")
    assert done.returncode in (0, 1, 2)
    assert leaked(example.secrets, said.decode(errors="replace")) == []
    assert left == []


def run(example: Example, folder: Path, echo: Echo) -> subprocess.CompletedProcess[bytes]:
    (folder / "tmp").mkdir()
    for name, content in example.files.items():
        (folder / name).write_text(content, newline="")
    config = folder / "config"
    config.write_text(kubeconfig(example, echo.port, echo.ca.ca_file.read_bytes()), newline="")
    flags = ["--log-level", "debug", "--log-format", example.style, "--timeout", "1500ms", *example.flags]
    own = {"KUBECONFIG": str(config), "HOME": str(folder), "TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", example.program, *flags],
        env=bare_environment() | POD | own | example.env,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
