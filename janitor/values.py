"""What the text of the janitor's own settings means: each parser raises ValueError with the reason. Pure."""

import re
from dataclasses import dataclass

from registrar import values

_MAX_DELETE = re.compile(r"(\d+)(%?)")


@dataclass(frozen=True)
class MaxDelete:
    """How many Services one run may delete: a number, or a share (0 to 100) of those with a known node."""

    number: int
    percent: bool

    def of(self, known: int) -> int:
        """The limit where `known` Services have a known node. A share rounds down."""
        return known * self.number // 100 if self.percent else self.number


def max_delete(text: str) -> MaxDelete:
    """A limit from `10` or `25%`."""
    match = _MAX_DELETE.fullmatch(text)
    if not match or (match[2] and int(match[1]) > 100):
        raise ValueError("neither a number nor a share from 0% to 100%")
    return MaxDelete(int(match[1]), bool(match[2]))


def delete_parallel(text: str) -> int:
    """How many Services are deleted at a time."""
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise ValueError("not a number from 1 to 64")
    return int(text)


def selector(text: str) -> str:
    """An equality-based label selector, as text: `managed-by=nodeproxy-daemonset`, `a=b,c=d`."""
    return ",".join("=".join(values.label_pair(pair.strip())) for pair in text.split(","))
