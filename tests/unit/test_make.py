"""What the pages say of `make` and of CI is true."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```[\s\S]*?^```$", re.MULTILINE)


def test_ci_runs_what_contributing_md_says() -> None:
    commands = re.sub(r"#.*|echo .*", "", (ROOT / ".ci" / "run").read_text())
    [listed] = re.findall(r"^CI runs (.*) from a clean clone", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)

    steps = {"make lint", "make test", "make test-oldest", "make e2e"}
    assert set(re.findall(r"make [a-z0-9-]+", commands)) - {"make apiserver"} == steps
    assert set(re.findall(r"`(.*?)`", listed)) == steps


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        text = page.read_text()
        code = "\n".join([*BLOCK.findall(text), *re.findall(r"`[^`\n]+`", text)])
        named = re.findall(r"^[ `]*make ([a-z0-9-]+)", code, re.MULTILINE)
        assert set(named) <= targets, page.name


def test_make_help_lists_every_target_that_says_what_it_does() -> None:
    targets = set(re.findall(r"^(\S+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, check=True, capture_output=True, text=True
    )

    assert {line.split()[0] for line in told.stdout.splitlines()} == targets
