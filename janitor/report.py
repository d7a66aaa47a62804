"""The run's result for standard output: a table for people, one JSON object for programs. Pure."""

import json
from collections.abc import Sequence

from janitor.sweep import Outcome
from janitor.verdict import Verdict, count
from registrar.logs import cut, plain

_ORDER = (Verdict.DELETE, Verdict.UNKNOWN, Verdict.WAIT, Verdict.KEEP)
_LONGEST_NAME = 253  # of Kubernetes' own names; a longer one would widen every row of the table
_HEAD = ("VERDICT", "RESULT", "SERVICE", "NODE", "REASON")


def as_json(outcomes: Sequence[Outcome], *, dry_run: bool, refused: str | None) -> str:
    """One object: `mode`, `services`, `counts` (by verdict and by result), `refused`."""
    report = {
        "mode": "dry-run" if dry_run else "delete",
        "services": [_row(each) for each in _sorted(outcomes)],
        "counts": {"verdict": _verdicts(outcomes), "result": _results(outcomes)},
        "refused": refused,
    }
    return json.dumps(report, indent=2, ensure_ascii=True).replace(
        "\x7f", "\\u007f"
    )  # the one that JSON leaves as it is


def as_text(outcomes: Sequence[Outcome], *, dry_run: bool, refused: str | None, brief: bool = False) -> str:
    """An aligned table, what goes first, and a line that sums it up. `brief` leaves out the Services that are kept."""
    rows = [_HEAD] + [
        (
            outcome.judgement.verdict.value,
            outcome.result.value if outcome.result else "-",
            plain(outcome.judgement.service.name, _LONGEST_NAME),
            plain(outcome.judgement.node or "-", _LONGEST_NAME),
            plain(outcome.error or outcome.judgement.reason),
        )
        for outcome in _sorted(outcomes)
        if not (brief and outcome.judgement.verdict is Verdict.KEEP)
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    counts = {**_verdicts(outcomes), **_results(outcomes)}
    summed = ", ".join(f"{number} {word}" for word, number in counts.items()) or "no Services"
    if refused:
        lines.append(f"refused, nothing deleted: {refused}")
    elif dry_run:
        lines.append("dry run, nothing changed")
    return "\n".join([*lines, summed])


def _row(outcome: Outcome) -> dict[str, str | None]:
    fields = {"name": outcome.judgement.service.name, **outcome.fields}
    return {key: cut(value) if value else None for key, value in fields.items()}


def _sorted(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return sorted(outcomes, key=lambda o: (_ORDER.index(o.judgement.verdict), o.judgement.service.name))


def _verdicts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    return dict(count(outcome.judgement.verdict for outcome in outcomes))


def _results(outcomes: Sequence[Outcome]) -> dict[str, int]:
    return dict(count(outcome.result for outcome in outcomes if outcome.result))
