"""The import rules in pyproject.toml refuse forbidden imports, which are planted in a copy of the sources."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.harness.cluster import ROOT

LINT = Path(sys.executable).with_name("lint-imports")


# file, planted line, what lint says of it
PLANTED = [
    ("registrar/kube/retry.py", "from registrar import register", "registrar.kube.retry -> registrar.register"),
    ("registrar/cli/logs.py", "from registrar.kube import answers", "registrar.cli.logs -> registrar.kube.answers"),
    ("registrar/contract.py", "from registrar.cli import parsing", "registrar.contract -> registrar.cli.parsing"),
    (
        "registrar/kube/retry.py",
        "from registrar.kube import transport",
        "registrar.kube.retry -> registrar.kube.transport",
    ),
    ("registrar/cli/failures.py", "from registrar.cli import output", "registrar.cli.failures -> registrar.cli.output"),
    ("janitor/verdict.py", "from janitor import settings", "janitor.verdict -> janitor.settings"),
    ("janitor/sweep.py", "from registrar import claims", "janitor.sweep may not import registrar.claims"),
    ("janitor/events.py", "import registrar.service", "janitor.events may not import registrar.service"),
    ("registrar/register.py", "from janitor import outcome", "registrar.register -> janitor.outcome"),
    ("images/build.py", "from tests.harness import cluster", "images.build may not import tests.harness.cluster"),
    ("docs/configuration.py", "import tests.conftest", "docs.configuration may not import tests.conftest"),
    ("janitor/outcome.py", "import prometheus_client", "janitor.outcome -> prometheus_client"),
    ("registrar/show.py", "import socket", "registrar.show may not import socket"),
    ("registrar/service.py", "import subprocess", "registrar.service may not import subprocess"),
    ("registrar/ownership.py", "import urllib.request", "registrar.ownership may not import urllib.request"),
    ("registrar/claims.py", "from . import register", "registrar.claims may not import registrar.register"),
    ("janitor/report.py", "from time import time", "janitor.report may not import time.time"),
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The packages that the rules cover, and the rules."""
    for name in ("registrar", "janitor", "images", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tests").mkdir()
    for file in ("pyproject.toml", "tests/__init__.py", "tests/import_rules.py"):
        shutil.copy2(ROOT / file, tmp_path / file)
    return tmp_path


def lint(checkout: Path) -> tuple[int, str]:
    """Exit code and output of lint-imports, each contract's name on one line."""
    env = {**os.environ, "PYTHONPATH": "", "NO_COLOR": "1", "COLUMNS": "200"}
    command = [str(LINT), "--no-cache"]
    done = subprocess.run(command, cwd=checkout, env=env, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


def plant(file: Path, line: str) -> None:
    """Put an import below the module's docstring."""
    head, quotes, rest = file.read_text().partition('"""\n')
    file.write_text(f"{head}{quotes}\n{line}\n{rest}")


def test_every_rule_refuses_a_forbidden_import(checkout: Path) -> None:
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    for module, line, _ in PLANTED:
        plant(checkout / module, line)

    code, said = lint(checkout)

    assert (code, said.count(" BROKEN")) == (1, len(rules))
    assert [expected for _, _, expected in PLANTED if expected not in said] == []


def test_a_new_module_has_to_be_opened_before_anything_may_import_it(checkout: Path) -> None:
    for folder in ("registrar", "registrar/kube", "registrar/cli", "janitor"):
        (checkout / folder / "novel.py").write_text('"""A module that no rule names."""\n')
    plant(checkout / "janitor" / "sweep.py", "from registrar import novel")
    plant(checkout / "registrar" / "contract.py", "from registrar.cli import novel")

    code, said = lint(checkout)

    assert code == 1
    assert "janitor.sweep may not import registrar.novel" in said
    assert "registrar.contract may not import registrar.cli.novel" in said
    for module in ("registrar.novel", "registrar.kube.novel", "registrar.cli.novel", "janitor.novel"):
        assert f"- {module}\n" in said
