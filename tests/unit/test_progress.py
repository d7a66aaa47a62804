"""Progress of long work: a line that changes on a terminal, and nothing in CI or in a pipe."""

import os
import subprocess
import sys
from pathlib import Path

from tests.harness import terminal
from tests.harness.cluster import ROOT

COUNT = "from images.progress import counted; assert list(counted('run', range(3))) == [0, 1, 2]"
JOB = (
    "import sys\nfrom pathlib import Path\nfrom images.progress import Job\n"
    "job = Job(Path(sys.argv[1]), '')\n"
    "job.run('building', ['sh', '-c', 'echo a package; sleep 0.4'], Path('/'))"
)
MOVED = "\r\033[K"


def on_terminal(code: str, *args: str, ci: str = "") -> str:
    """The standard error of the code on a terminal."""
    env = {**os.environ, "CI": ci}
    done, shown = terminal.run([sys.executable, "-c", code, *args], "stderr", env=env, cwd=ROOT)
    assert done.returncode == 0
    return shown


def test_a_terminal_shows_a_count_and_is_left_clean() -> None:
    assert on_terminal(COUNT) == "".join(f"{MOVED}run: {number} of 3" for number in (1, 2, 3)) + MOVED


def test_ci_shows_no_progress_even_on_a_terminal(tmp_path: Path) -> None:
    assert on_terminal(COUNT, ci="true") == ""
    assert on_terminal(JOB, str(tmp_path / "log"), ci="1").splitlines() == ["[   0 s] building"]


def test_a_terminal_shows_the_last_line_of_a_command(tmp_path: Path) -> None:
    assert f"{MOVED}[   0 s] building: a package" in on_terminal(JOB, str(tmp_path / "log"))


def test_a_pipe_gets_no_progress() -> None:
    done = subprocess.run(
        [sys.executable, "-c", COUNT], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60
    )
    assert (done.stdout, done.stderr) == ("", "")
