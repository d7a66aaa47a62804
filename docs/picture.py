"""Draws docs/demo.svg from the demo's output on standard input: `make picture`."""

import io
import re
import sys

from rich.console import Console
from rich.text import Text

WIDTH = 120  # columns; tests/api/test_demo.py holds that no line is wider
# Sections that a reader of the README can do without.
LEFT_OUT = ("Starting", "Three nodes", "What would the janitor do")
STYLES = {"#": "bold cyan", "$": "bold"}


def shown(output: str) -> str:
    """The sections of the demo that the picture has."""
    sections = re.split(r"^(?=# )", output, flags=re.MULTILINE)
    return "".join(each for each in sections if not each.removeprefix("# ").startswith(("\n", *LEFT_OUT)))


def drawn(output: str) -> str:
    """The picture. It uses the reader's own fonts: a page that shows an SVG as a picture loads none."""
    console = Console(width=WIDTH, record=True, file=io.StringIO(), legacy_windows=False)
    for line in shown(output).strip().splitlines():
        console.print(Text(line, style=STYLES.get(line[:1], "")))
    picture = console.export_svg(title="make demo", unique_id="demo")
    return re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)


if __name__ == "__main__":
    sys.stdout.write(drawn(sys.stdin.read()))
