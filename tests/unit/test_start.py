"""Start-up: importing has no side effects, and nothing unnecessary is imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from registrar import __version__
from tests.harness import kubeconfig
from tests.harness.cluster import ROOT
from tests.harness.processes import bare_environment, free_ports, wait_until

MODULES = ["registrar.__main__", "janitor.__main__"]


def python(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stderr == ""
    return result.stdout


@pytest.mark.parametrize("module", MODULES)
def test_importing_a_program_runs_nothing_and_imports_no_client(module: str) -> None:
    code = f"import sys, logging, {module}; print([*logging.getLogger().handlers], 'kubernetes' in sys.modules)"
    assert python(code).strip() == "[] False"


def test_a_pod_needs_neither_argparse_nor_yaml_to_read_its_settings() -> None:
    """tests/images verifies a whole registration: there, imports are lazy."""
    code = (
        "import sys, registrar.__main__ as program\n"
        "program.settings.parse([], {'NODE_NAME': 'a', 'POD_NAME': 'b', 'POD_UID': 'c'})\n"
        "print({'argparse', 'yaml', 'tenacity', 'urllib3'} & {*sys.modules})"
    )
    assert python(code).strip() == "set()"


@pytest.mark.parametrize("program", ["registrar", "janitor"])
def test_help_imports_no_client(program: str) -> None:
    code = (
        f"import sys\nfrom {program}.__main__ import main\n"
        "main(['--help'], {})\nprint(['kubernetes' in sys.modules, 'urllib3' in sys.modules])"
    )
    assert python(code).strip().endswith("[False, False]")


@pytest.mark.parametrize(
    ("flags", "imported"), [([], False), (["--interval", "1h"], False), (["--metrics-port", "1"], True)]
)
def test_metrics_are_imported_only_on_demand(flags: list[str], imported: bool) -> None:
    code = (
        "import sys\nfrom janitor import settings\nfrom janitor.program import Program\n"
        "from registrar.cli.watchdog import Stop\n"
        f"given = settings.parse({flags!r}, {{}})\n"
        "try: Program(given, {'KUBECONFIG': '/nonexistent'}, Stop())\n"
        "except Exception: print('prometheus_client' in sys.modules)"
    )
    assert python(code).strip() == str(imported)


@pytest.mark.parametrize(("program", "other"), [("registrar", "--pod-uid=c"), ("janitor", "--grace-period=0s")])
def test_the_log_begins_with_the_server_and_the_effective_settings(program: str, other: str, tmp_path: Path) -> None:
    [port] = free_ports(1)
    (ca_file := tmp_path / "ca.crt").touch()
    config = kubeconfig.write(tmp_path, f"http://127.0.0.1:{port}", ca_file, "n", {})
    command = [sys.executable, "-m", program, "--kubeconfig", str(config), "--timeout", "300s"]
    env = {**bare_environment(), "NODE_NAME": "a", "POD_NAME": "b", "POD_UID": "c"}
    log = tmp_path / "log"
    with log.open("wb") as out, subprocess.Popen(command, stderr=out, env=env, cwd=ROOT) as running:
        try:
            wait_until(lambda: "attempt 1, next in" in log.read_text(), 60, "the first request")
        finally:
            running.kill()

    lines = [line.partition(" ")[2] for line in log.read_text().splitlines()]
    server, settings, *_ = (line for line in lines if "are not encrypted" not in line)  # a warning about http://
    start = f"INFO {program} {__version__}: server http://127.0.0.1:{port} (kubeconfig {config}), namespace n"
    assert server == start
    assert settings.startswith(f"INFO settings: --timeout=300s --kubeconfig={config} --log-level=info ")
    assert f" {other}" in settings


@pytest.mark.parametrize("program", ["registrar", "janitor"])
@pytest.mark.parametrize(("flags", "traceback"), [([], False), (["--log-level", "debug"], True)])
def test_an_unexpected_exception_is_one_line_with_a_traceback_at_debug_level_only(
    program: str, flags: list[str], traceback: bool
) -> None:
    """Without site-packages there is no client."""
    command = [sys.executable, "-S", "-m", program, *flags]
    env = {"NODE_NAME": "a", "POD_NAME": "b", "POD_UID": "c", "KUBERNETES_SERVICE_HOST": "127.0.0.1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=env, cwd=ROOT)
    *others, last = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "")
    assert " ERROR cannot continue: No module named " in last
    assert last.endswith("install what nodeproxy needs, as in docs/runbook.md")
    assert any("Traceback" in each for each in others) is traceback
    assert others == [] or traceback
