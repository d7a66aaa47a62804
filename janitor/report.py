"""The report of a run: a table for people, one JSON object for programs. Pure.

The table never cuts or breaks a name, because people copy it. If a row is wider than the terminal, its reason goes
below it; if the names alone are, all nodes do.
"""

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from janitor.outcome import Outcome, Run
from janitor.verdict import Verdict
from registrar.cli.text import cut, plain

_ORDER = (Verdict.DELETE, Verdict.UNKNOWN, Verdict.WAIT, Verdict.KEEP)
_MAX_NAME = 253  # characters, as in Kubernetes; a longer one would widen every row of the table
_MIN_ROOM = 40  # columns for a reason below its row, however narrow the terminal


class _Row(NamedTuple):
    """The cells of one Service. `result` and `node` are "-" if there is none."""

    verdict: str
    result: str
    service: str
    node: str
    reason: str


_HEAD = _Row("VERDICT", "RESULT", "SERVICE", "NODE", "REASON")


def as_json(run: Run) -> str:
    """One object: `mode`, `services`, `counts` (by verdict and by result), `refused`."""
    report = {
        "mode": "dry-run" if run.dry_run else "delete",
        "services": [_json(each) for each in _sorted(run.outcomes)],
        "counts": {"verdict": _verdicts(run.outcomes), "result": _results(run.outcomes)},
        "refused": cut(run.refusal) if run.refusal else None,
    }
    # DEL is the only control character that JSON does not escape.
    return json.dumps(report, indent=2, ensure_ascii=True).replace("\x7f", "\\u007f")


def as_text(run: Run, *, width: int | None = None, brief: bool = False) -> str:
    """A table with deletions first, and a summary.

    `width` is the terminal's; None means one line for each Service, however long. `brief` counts the Services that are
    kept untouched and does not list them.
    """
    outcomes = run.outcomes
    left = {Verdict.KEEP} if brief else set()
    listed = [each for each in _sorted(outcomes) if each.judgement.verdict not in left or each.result is not None]
    rows = [_cells(outcome) for outcome in listed]
    counts = {**_verdicts(outcomes), **_results(outcomes)}
    last = [", ".join(f"{number} {word}" for word, number in counts.items()) or "no Services"]
    if run.refusal:
        last.insert(0, f"refused, nothing deleted: {plain(run.refusal)}")
    elif run.dry_run:
        last.insert(0, "dry run, nothing changed")
    if left_out := len(outcomes) - len(listed):
        last.insert(0, f"not listed: {left_out} to keep (--output json has all)")
    above = _lines(rows, width) if rows else ()
    return "\n".join([*above, *(line for text in last for line in _fold(text, width))])


def _cells(outcome: Outcome) -> _Row:
    return _Row(
        verdict=outcome.judgement.verdict.value,
        result=outcome.result.value if outcome.result else "-",
        service=plain(outcome.judgement.service.name, _MAX_NAME),
        node=plain(outcome.judgement.node or "-", _MAX_NAME),
        reason=plain(outcome.reason),
    )


def _json(outcome: Outcome) -> dict[str, str | None]:
    fields = {"name": outcome.judgement.service.name, **outcome.fields}
    return {key: cut(value) if value else None for key, value in fields.items()}


def _sorted(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return sorted(outcomes, key=lambda o: (_ORDER.index(o.judgement.verdict), o.judgement.service.name))


def _verdicts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    return _counts(outcome.judgement.verdict for outcome in outcomes)


def _results(outcomes: Sequence[Outcome]) -> dict[str, int]:
    return _counts(outcome.result for outcome in outcomes if outcome.result)


def _counts(values: Iterable[str]) -> dict[str, int]:
    """How often each value occurs, sorted by value."""
    return dict(sorted(Counter(values).items()))


def _lines(rows: Sequence[_Row], width: int | None) -> Iterator[str]:
    """The table, with its head."""
    columns = [max(map(len, column)) for column in zip(_HEAD[:4], *(row[:4] for row in rows), strict=True)]
    if width is None:
        yield from (_aligned(row, columns, "  ") for row in (_HEAD, *rows))
    elif sum(columns) + 6 <= width:
        yield from _with_nodes(rows, columns, width)
    else:
        yield from _without_nodes(rows, columns[:3], width)


def _fold(text: str, width: int | None, indent: int = 0) -> list[str]:
    """`text` in lines of `width`, indented; one line if there is no width."""
    if width is None:
        return [text]
    room = max(width - indent, _MIN_ROOM)
    wrapped = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return [" " * indent + line for line in wrapped]


def _with_nodes(rows: Sequence[_Row], columns: Sequence[int], width: int) -> Iterator[str]:
    for row in (_HEAD, *rows):
        whole = _aligned(row, columns, "  ")
        if len(whole) <= width:
            yield whole
            continue
        yield _aligned(row[:4], columns, "  ")
        if row is not _HEAD:
            yield from _fold(row.reason, width, columns[0] + columns[1] + 4)


def _without_nodes(rows: Sequence[_Row], columns: Sequence[int], width: int) -> Iterator[str]:
    """The columns are one space apart: the longest verdict, result and Service name then take 79 columns."""
    indent = columns[0] + columns[1] + 2
    yield _aligned(_HEAD[:3], columns, " ")
    for row in rows:
        yield _aligned(row[:3], columns, " ")
        if row.node != "-":
            yield f"{' ' * indent}node {row.node}"
        yield from _fold(row.reason, width, indent)


def _aligned(cells: Sequence[str], columns: Sequence[int], gap: str) -> str:
    """Cells padded to their columns, but for the last one."""
    sizes = [*columns, 0][: len(cells)]
    return gap.join(cell.ljust(size) for cell, size in zip(cells, sizes, strict=True)).rstrip()
