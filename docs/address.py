"""Writes this repository's address wherever it is spelled out: `make address`. pyproject.toml has the setting."""

import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAME = "nodeproxy"
# Each pattern has two groups: the text before the owner's name, and the text after it.
PAGES = re.compile(rf"(github\.com/)[\w.-]+(/{NAME}\b)")
# Registries and host names are in lower case.
HOSTS = re.compile(
    r"(ghcr\.io/|repository: )[\w.-]+(/(?:registrar|janitor|charts|\{target\})(?![\w-]))"
    rf"|(//)[\w-]+(\.github\.io/{NAME}\b)",
)


def repository() -> str:
    """The repository's URL, as pyproject.toml has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return str(project["urls"]["Repository"])


def owner() -> str:
    """The owner in that URL."""
    return repository().split("/")[-2]


def rewritten(text: str, name: str) -> str:
    """The text with `name` as the owner in each address of this repository, its images, chart and site."""
    text = PAGES.sub(rf"\g<1>{name}\g<2>", text)
    return HOSTS.sub(lambda found: f"{found[1] or found[3]}{name.lower()}{found[2] or found[4]}", text)


def files() -> list[Path]:
    """The files that git knows of, except binary ones."""
    listed = subprocess.run(["git", "grep", "-lI", ""], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / line for line in listed.stdout.splitlines()]


if __name__ == "__main__":
    for file in files():
        before = file.read_text()
        if (after := rewritten(before, owner())) != before:
            file.write_text(after)
            print(file.relative_to(ROOT))
