"""One run of the API tests: what its JUnit report says, as a row of docs/compatibility.md."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self
from xml.etree import ElementTree

from tests.harness.selection import NEEDS
from tests.harness.versions import minor_of

NOTHING = "none"


class RedRun(Exception):
    """Tests failed, so that the run is no evidence."""


@dataclass(frozen=True)
class Row:
    """What was tested, in the order of the table's columns. `minor` is `1.37`; `failing` names components."""

    minor: str
    release: str
    client: str
    python: str
    passed: str
    skipped: str
    failing: str

    @classmethod
    def read(cls, line: str) -> Self:
        """The row of a line of the table."""
        return cls(*(cell.strip() for cell in line.strip().strip("|").split("|")))

    def __str__(self) -> str:
        return f"| {' | '.join(getattr(self, field.name) for field in fields(self))} |"

    @property
    def number(self) -> int:
        """37 for `1.37`."""
        return int(self.minor.partition(".")[2])

    def works(self, component: str) -> bool:
        return component not in self.failing.split(", ")


def read(report: Path, release: str, client: str, python: str) -> Row:
    """The row. Raises RedRun if a test failed or nothing ran."""
    cases = [*ElementTree.parse(report).iter("testcase")] if report.exists() else []
    red = [f"{case.get('classname')}.{case.get('name')}" for case in cases if {*_tags(case)} & {"failure", "error"}]
    if red or not cases:
        raise RedRun(f"{len(red)} tests failed: {', '.join(red)}" if red else "no test ran")
    reasons = Counter(_reason(case) for case in cases if "skipped" in _tags(case))
    return Row(
        minor=minor_of(release),
        release=release,
        client=client,
        python=python,
        passed=str(len(cases) - reasons.total()),
        skipped=", ".join(f"{count} need {reason}" for reason, count in sorted(reasons.items())) or NOTHING,
        failing=", ".join(sorted(_values(cases, "component that does not work"))) or NOTHING,
    )


def _tags(case: ElementTree.Element) -> list[str]:
    return [child.tag for child in case]


def _values(cases: Iterable[ElementTree.Element], name: str) -> Iterator[str]:
    """What tests recorded under this name."""
    for case in cases:
        for found in case.iterfind(f"properties/property[@name='{name}']"):
            yield found.get("value", "")


def _reason(case: ElementTree.Element) -> str:
    skipped = case.find("skipped")
    message = skipped.get("message", "") if skipped is not None else ""
    return message.removeprefix(NEEDS)
