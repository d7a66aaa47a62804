"""docs/demo.svg, the picture of the demo in the README."""

import re

from docs.picture import LEFT_OUT, drawn, shown
from tests.harness.cluster import ROOT

DEMO = """
# Starting a server
up

# What the registrar does
$ python -m registrar
  INFO <done>

Done.
"""


def test_the_picture_has_the_commands_and_what_they_print() -> None:
    assert shown(DEMO) == "# What the registrar does\n$ python -m registrar\n  INFO <done>\n\nDone.\n"
    assert "&#160;&#160;INFO&#160;&lt;done&gt;" in drawn(DEMO)


def test_what_the_picture_leaves_out_are_sections_of_the_demo() -> None:
    program = (ROOT / "tests" / "demo.py").read_text()
    assert all(f'heading("{start}' in program for start in LEFT_OUT)


def test_the_picture_is_small_and_needs_nothing_from_elsewhere() -> None:
    picture = (ROOT / "docs" / "demo.svg").read_text()
    assert len(picture.encode()) < 60_000
    assert set(re.findall(r"(?:url\(|href=)\W*(\w+)", picture)) <= {"demo"}
