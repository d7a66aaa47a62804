"""Runs blocks of commands in one shell, as a reader pastes them, and compares what they print with the page."""

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.docs.blocks import ROOT, Block

TIMEOUT = 300.0  # seconds for all commands of a page
_END = "\x1e"  # ASCII's record separator ends the output of each block
# What differs from run to run, or from cluster to cluster.
_VOLATILE = {
    "ADDRESS": re.compile(r"\b\d+\.\d+\.\d+\.\d+\b"),
    "TIME": re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*"),
    "AGE": re.compile(r"(?<=\s)(?:\d+[dhms])+(?=\s|$)"),
    "SECONDS": re.compile(r"\b\d{10}\b"),  # since the epoch
    "PORT": re.compile(r"(?<=ADDRESS:)\d+"),
    "nodeproxy-agent-POD": re.compile(r"\bnodeproxy-agent-[a-z0-9]{5}\b"),
}


class Shell:
    """bash in `folder`, with the checkout's manifests. The programs in `tools`, then this Python's, are first on PATH.

    `replaced` has for each placeholder of the pages what stands here in its place; `files` are in the folder too.
    """

    def __init__(
        self,
        folder: Path,
        tools: Mapping[str, Path],
        environment: Mapping[str, str],
        replaced: Mapping[str, str],
        files: Mapping[str, str],
    ) -> None:
        self._folder = folder
        self._replaced = replaced
        programs = folder / ".programs"
        programs.mkdir()
        for name, program in tools.items():
            (programs / name).symlink_to(program)
        for name, text in files.items():
            (folder / name).write_text(text)
        (folder / "manifests").symlink_to(ROOT / "manifests")
        path = f"{programs}:{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin"
        self._environment = {"PATH": path, "HOME": str(folder), "PYTHONPATH": str(ROOT), **environment}

    def run(self, blocks: Sequence[Block]) -> None:
        """Run the blocks in order. Raises AssertionError at the first that fails or prints something else."""
        script = "".join(f"{self.here(block.text)}printf '{_END}'\n" for block in blocks)
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        *printed, rest = done.stdout.split(_END)
        for block, text in zip(blocks, printed, strict=False):
            shown = None if block.output is None else self.here(block.output)
            assert shown is None or matches(shown, text), f"{block} prints\n{text}\ninstead of\n{shown}"
        assert done.returncode == 0, f"{blocks[len(printed)]}: exit code {done.returncode}\n{rest}"

    def here(self, text: str) -> str:
        """The text with what stands here in place of the page's placeholders."""
        for placeholder, value in self._replaced.items():
            text = re.sub(rf"(?<![\w-]){re.escape(placeholder)}(?![\w-])", value, text)
        return text


def matches(shown: str, printed: str) -> bool:
    """Whether a program printed what the page shows: `...` is any text, and as a whole line any lines.

    Spaces count as one, because the widths of kubectl's columns depend on names. Addresses, times and ages may differ.
    """
    pattern = "".join(r"(?:.*\n)*" if line == "..." else f"{_pattern(line)}\n" for line in _lines(shown))
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in _lines(printed))) is not None


def _pattern(line: str) -> str:
    return ".*".join(re.escape(part) for part in line.split("..."))


def _lines(text: str) -> list[str]:
    for name, volatile in _VOLATILE.items():
        text = volatile.sub(name, text)
    return [" ".join(line.split()) for line in text.strip().splitlines()]
