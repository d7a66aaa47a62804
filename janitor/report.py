"""The run's result for standard output: a table for people, one JSON object for programs. Pure."""

import json
from collections.abc import Sequence

from janitor import table
from janitor.outcome import Outcome
from janitor.table import Row, fold
from janitor.verdict import Verdict, count
from registrar.logs import cut, plain

_ORDER = (Verdict.DELETE, Verdict.UNKNOWN, Verdict.WAIT, Verdict.KEEP)
_LONGEST_NAME = 253  # of Kubernetes' own names; a longer one would widen every row of the table


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


def as_text(
    outcomes: Sequence[Outcome], *, dry_run: bool, refused: str | None, width: int | None = None, brief: bool = False
) -> str:
    """A table, what goes first, and a line that sums it up.

    `width` is the terminal's, None where it is none: a line for each then. `brief` counts the Services that are kept,
    where nothing had to be done to them, and does not list them.
    """
    listed = [outcome for outcome in _sorted(outcomes) if not (brief and _is_kept(outcome))]
    rows = [_cells(outcome) for outcome in listed]
    counts = {**_verdicts(outcomes), **_results(outcomes)}
    last = [", ".join(f"{number} {word}" for word, number in counts.items()) or "no Services"]
    if refused:
        last.insert(0, f"refused, nothing deleted: {refused}")
    elif dry_run:
        last.insert(0, "dry run, nothing changed")
    if left_out := len(outcomes) - len(listed):
        last.insert(0, f"not listed: {left_out} to keep (--output json has all)")
    above = table.lines(rows, width) if rows else ()
    return "\n".join([*above, *(line for text in last for line in fold(text, width))])


def _is_kept(outcome: Outcome) -> bool:
    return outcome.judgement.verdict is Verdict.KEEP and outcome.result is None


def _cells(outcome: Outcome) -> Row:
    return Row(
        verdict=outcome.judgement.verdict.value,
        result=outcome.result.value if outcome.result else "-",
        service=plain(outcome.judgement.service.name, _LONGEST_NAME),
        node=plain(outcome.judgement.node or "-", _LONGEST_NAME),
        reason=plain(outcome.reason),
    )


def _row(outcome: Outcome) -> dict[str, str | None]:
    fields = {"name": outcome.judgement.service.name, **outcome.fields}
    return {key: cut(value) if value else None for key, value in fields.items()}


def _sorted(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return sorted(outcomes, key=lambda o: (_ORDER.index(o.judgement.verdict), o.judgement.service.name))


def _verdicts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    return dict(count(outcome.judgement.verdict for outcome in outcomes))


def _results(outcomes: Sequence[Outcome]) -> dict[str, int]:
    return dict(count(outcome.result for outcome in outcomes if outcome.result))
