"""Services as lines: aligned to a terminal's width, or one a line for a pipe. Pure.

A name is never cut or broken: people copy it. Where a row is wider than the terminal, its reason goes below it; where
the names alone are, all nodes do.
"""

import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_LEAST = 40  # columns for what stands below a row, however narrow the terminal


class Row(NamedTuple):
    """One Service. `result` and `node` are "-" where there is none."""

    verdict: str
    result: str
    service: str
    node: str
    reason: str


_HEAD = Row("VERDICT", "RESULT", "SERVICE", "NODE", "REASON")


def lines(rows: Sequence[Row], width: int | None) -> Iterator[str]:
    """A head and `rows`. `width` is the terminal's; None means a line for each, however long."""
    columns = [max(map(len, column)) for column in zip(_HEAD[:4], *(row[:4] for row in rows), strict=True)]
    if width is None:
        yield from (_aligned(row, columns, "  ") for row in (_HEAD, *rows))
    elif sum(columns) + 6 <= width:
        yield from _with_nodes(rows, columns, width)
    else:
        yield from _without_nodes(rows, columns[:3], width)


def fold(text: str, width: int | None, indent: int = 0) -> list[str]:
    """`text` in lines of `width`, each behind `indent` blanks; one line where there is no width."""
    if width is None:
        return [text]
    room = max(width - indent, _LEAST)
    wrapped = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return [" " * indent + line for line in wrapped]


def _with_nodes(rows: Sequence[Row], columns: Sequence[int], width: int) -> Iterator[str]:
    for row in (_HEAD, *rows):
        whole = _aligned(row, columns, "  ")
        if len(whole) <= width:
            yield whole
            continue
        yield _aligned(row[:4], columns, "  ")
        if row is not _HEAD:
            yield from fold(row.reason, width, columns[0] + columns[1] + 4)


def _without_nodes(rows: Sequence[Row], columns: Sequence[int], width: int) -> Iterator[str]:
    """With gaps of one blank: the longest verdict, result and Service's name are 79 columns then."""
    indent = columns[0] + columns[1] + 2
    yield _aligned(_HEAD[:3], columns, " ")
    for row in rows:
        yield _aligned(row[:3], columns, " ")
        if row.node != "-":
            yield f"{' ' * indent}node {row.node}"
        yield from fold(row.reason, width, indent)


def _aligned(cells: Sequence[str], columns: Sequence[int], gap: str) -> str:
    """The last cell needs no column."""
    sizes = [*columns, 0][: len(cells)]
    return gap.join(cell.ljust(size) for cell, size in zip(cells, sizes, strict=True)).rstrip()
