"""Figures in docs/benchmarks.md: each section is written by the command that measured it."""

import os
import platform
import re

from tests.harness.cluster import ROOT

BENCHMARKS = ROOT / "docs" / "benchmarks.md"


def machine() -> str:
    """The machine on which the figures were measured."""
    return f"{os.cpu_count()} cores, {platform.freedesktop_os_release()['PRETTY_NAME']}"


def put(heading: str, text: str) -> None:
    """Replace the text below `## heading`. Raises ValueError if the page has no such section."""
    page = BENCHMARKS.read_text()
    section = re.compile(rf"(?<=^## {re.escape(heading)}\n).*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    written, found = section.subn(lambda _: f"\n{text.strip()}\n\n", page, count=1)
    if not found:
        raise ValueError(f"{BENCHMARKS} has no section {heading!r}")
    BENCHMARKS.write_text(written.rstrip() + "\n")
