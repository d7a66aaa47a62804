"""Figures in docs/benchmarks.md: each section is written by the command that measured it."""

import os
import platform
import re

from tests.harness.cluster import ROOT

BENCHMARKS = ROOT / "docs" / "benchmarks.md"


def machine() -> str:
    """What it was measured on."""
    return f"{os.cpu_count()} cores, {platform.freedesktop_os_release()['PRETTY_NAME']}"


def put(heading: str, text: str) -> None:
    """Replace what stands below `## heading`. Raises ValueError where the page has no such section."""
    page = BENCHMARKS.read_text()
    section = re.compile(rf"(?<=^## {re.escape(heading)}\n).*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    written, found = section.subn(lambda _: f"\n{text.strip()}\n\n", page, count=1)
    if not found:
        raise ValueError(f"{BENCHMARKS} has no section {heading!r}")
    BENCHMARKS.write_text(written.rstrip() + "\n")
