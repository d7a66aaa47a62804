"""The report: JSON in a fixed shape, and a table that no name can break."""

import json

from hypothesis import given
from hypothesis import strategies as st

from janitor import events, report
from janitor.outcome import Outcome, Result, Run
from janitor.verdict import Judgement, Service, Verdict


def outcome(
    name: str,
    verdict: Verdict,
    result: Result | None = None,
    *,
    node: str | None = None,
    reason: str = "its node is gone",
    error: str | None = None,
) -> Outcome:
    service = Service(name, "ns", "uid", "1", node, node, node, "", None, deleting=False)
    return Outcome(Judgement(service, verdict, reason, node), result, error)


def run(outcomes: list[Outcome], refused: str | None, *, dry_run: bool) -> Run:
    return Run(dry_run, outcomes, refused, nodes=1, without_service=())


def as_json(outcomes: list[Outcome], *, dry_run: bool, refused: str | None) -> str:
    return report.as_json(run(outcomes, refused, dry_run=dry_run))


def as_text(
    outcomes: list[Outcome], *, dry_run: bool, refused: str | None, width: int | None = None, brief: bool = False
) -> str:
    return report.as_text(run(outcomes, refused, dry_run=dry_run), width=width, brief=brief)


MIXED = [
    outcome("b-kept", Verdict.KEEP, node="b", reason="its node exists"),
    outcome("z-gone", Verdict.DELETE, Result.DELETED, node="z"),
    outcome("a-kept", Verdict.KEEP, node="a", reason="its node exists"),
    outcome("odd", Verdict.UNKNOWN, reason="it records no node"),
    outcome("y-gone", Verdict.DELETE, Result.FAILED, node="y", error="cannot delete Service ns/y-gone: 403"),
]


def row(name: str, node: str | None, verdict: str, reason: str, result: str | None = None) -> dict[str, str | None]:
    return {"name": name, "namespace": "ns", "node": node, "verdict": verdict, "reason": reason, "result": result}


def test_json_has_exactly_the_documented_keys() -> None:
    said = json.loads(as_json(MIXED, dry_run=False, refused=None))
    assert said == {
        "mode": "delete",
        "services": [
            row("y-gone", "y", "delete", "cannot delete Service ns/y-gone: 403", "failed"),
            row("z-gone", "z", "delete", "its node is gone", "deleted"),
            row("odd", None, "unknown", "it records no node"),
            row("a-kept", "a", "keep", "its node exists"),
            row("b-kept", "b", "keep", "its node exists"),
        ],
        "counts": {
            "verdict": {"delete": 2, "keep": 2, "unknown": 1},
            "result": {"deleted": 1, "failed": 1},
        },
        "refused": None,
    }


def test_json_says_dry_run_and_why_it_was_refused() -> None:
    said = json.loads(as_json([], dry_run=True, refused="too many"))
    assert said == {
        "mode": "dry-run",
        "services": [],
        "counts": {"verdict": {}, "result": {}},
        "refused": "too many",
    }


def test_the_table_is_aligned_and_lists_deletions_first() -> None:
    assert as_text(MIXED, dry_run=False, refused=None).splitlines() == [
        "VERDICT  RESULT   SERVICE  NODE  REASON",
        "delete   failed   y-gone   y     cannot delete Service ns/y-gone: 403",
        "delete   deleted  z-gone   z     its node is gone",
        "unknown  -        odd      -     it records no node",
        "keep     -        a-kept   a     its node exists",
        "keep     -        b-kept   b     its node exists",
        "2 delete, 2 keep, 1 unknown, 1 deleted, 1 failed",
    ]


def test_the_table_mentions_dry_run_and_refusal() -> None:
    assert as_text([], dry_run=True, refused=None).splitlines() == ["dry run, nothing changed", "no Services"]
    refused = as_text([], dry_run=False, refused="too many").splitlines()
    assert refused == ["refused, nothing deleted: too many", "no Services"]
    assert "refused, nothing deleted: too many" in as_text([], dry_run=True, refused="too many")


# ---- on a terminal

AGENT_THERE = "its node is gone, an agent pod of it is still there"


def on_terminal(outcomes: list[Outcome], width: int = 80, refused: str | None = None) -> list[str]:
    return as_text(outcomes, dry_run=False, refused=refused, width=width).splitlines()


def test_a_reason_that_does_not_fit_is_printed_below_its_row() -> None:
    name = "node-bj-01"
    outcomes = [
        outcome(f"nodeproxy-access-{name}", Verdict.WAIT, node=name, reason=AGENT_THERE),
        outcome("nodeproxy-access-z", Verdict.DELETE, Result.FAILED, node="z", error="cannot " + "do it, " * 20 + "so"),
        outcome("nodeproxy-access-b", Verdict.DELETE, Result.DELETED, node="b"),
    ]
    assert on_terminal(outcomes) == [
        "VERDICT  RESULT   SERVICE                      NODE        REASON",
        "delete   deleted  nodeproxy-access-b           b           its node is gone",
        "delete   failed   nodeproxy-access-z           z",
        "                  cannot do it, do it, do it, do it, do it, do it, do it, do it,",
        "                  do it, do it, do it, do it, do it, do it, do it, do it, do it,",
        "                  do it, do it, do it, so",
        "wait     -        nodeproxy-access-node-bj-01  node-bj-01",
        f"                  {AGENT_THERE}",
        "2 delete, 1 wait, 1 deleted, 1 failed",
    ]


def test_a_name_in_a_reason_is_never_broken() -> None:
    name = "n" * 70
    outcomes = [outcome("x" * 50, Verdict.DELETE, Result.FAILED, node="x", error=f"cannot read Node {name}")]
    assert on_terminal(outcomes) == [
        "VERDICT  RESULT  SERVICE" + " " * 45 + "NODE",
        f"delete   failed  {'x' * 50}  x",
        "                 cannot read Node",
        f"                 {name}",
        "1 delete, 1 failed",
    ]


def test_longest_names_of_kubernetes_stay_whole_and_services_fit_80_columns() -> None:
    name, node = "s" * 63, "n." * 126 + "n"
    outcomes = [
        outcome(name, Verdict.UNKNOWN, Result.CHANGED, node=node, reason="its recorded node is not a valid node name"),
        outcome("odd", Verdict.UNKNOWN, reason="it records no node"),
    ]
    assert on_terminal(outcomes) == [
        "VERDICT RESULT  SERVICE",
        "unknown -       odd",
        "                it records no node",
        f"unknown changed {name}",
        f"                node {node}",
        "                its recorded node is not a valid node name",
        "2 unknown, 1 changed",
    ]
    assert len(f"unknown changed {name}") <= 80


@given(
    st.lists(
        st.tuples(st.text("ab-", min_size=1, max_size=63), st.text("ab.", max_size=70), st.text("ab ", max_size=300))
    ),
    st.integers(80, 200),
)
def test_nothing_but_a_name_is_wider_than_the_terminal(rows: list[tuple[str, str, str]], width: int) -> None:
    outcomes = [
        outcome(
            name,
            Verdict.DELETE,
            Result.FAILED,
            node=node,
            error=" ".join(error[i : i + 9] for i in range(0, len(error), 9)),
        )
        for name, node, error in rows
    ]
    text = on_terminal(outcomes, width, refused="because " * 30)
    for line in text:
        assert len(line) <= width or line.split()[0] == "node"
    for name, node, _ in rows:
        assert any(name in line for line in text)
        assert any(node in line for line in text)


def test_a_brief_table_counts_kept_services() -> None:
    kept = [
        outcome(f"kept-{number}", Verdict.KEEP, node=f"{number}", reason="its node exists") for number in range(5000)
    ]
    text = as_text([*kept, *MIXED], dry_run=True, refused=None, width=80, brief=True).splitlines()
    assert text[1:] == [
        "delete   failed   y-gone   y     cannot delete Service ns/y-gone: 403",
        "delete   deleted  z-gone   z     its node is gone",
        "unknown  -        odd      -     it records no node",
        "not listed: 5002 to keep (--output json has all)",
        "dry run, nothing changed",
        "2 delete, 5002 keep, 1 unknown, 1 deleted, 1 failed",
    ]
    assert as_text(kept, dry_run=False, refused=None, brief=True).splitlines() == [
        "not listed: 5000 to keep (--output json has all)",
        "5000 keep",
    ]


def test_a_brief_table_lists_a_kept_service_whose_stamp_failed() -> None:
    failed = outcome("kept", Verdict.KEEP, Result.FAILED, node="a", error="cannot stamp Service ns/kept: 403")
    assert "cannot stamp" in as_text([failed], dry_run=False, refused=None, width=80, brief=True)


def test_a_piped_table_has_one_line_per_service() -> None:
    outcomes = [outcome("s" * 63, Verdict.WAIT, node="n" * 253, reason=AGENT_THERE + " " + "x" * 500), *MIXED]
    text = as_text(outcomes, dry_run=True, refused="because " * 30).splitlines()
    assert len(text) == 1 + len(outcomes) + 2
    assert all(sum(each.judgement.service.name in line for line in text) == 1 for each in outcomes)


# ---- texts of a cluster

hostile = st.text(max_size=30) | st.sampled_from(["\x1b[2J", "a\nkeep", "\u202edeliated", "\r", "\x00", "\ud800"])


@given(hostile, hostile)
def test_text_from_a_cluster_cannot_break_the_table(node: str, error: str) -> None:
    text = as_text([outcome("n", Verdict.DELETE, Result.FAILED, node=node, error=error)], dry_run=False, refused=None)
    assert len(text.split("\n")) == 3
    assert not any(ord(character) < 32 for character in text.replace("\n", ""))
    assert not set("\x7f\x9b\u2028\u2029\u202e") & set(text)


@given(hostile, hostile)
def test_json_is_ascii_and_preserves_text(node: str, error: str) -> None:
    text = as_json([outcome("n", Verdict.DELETE, Result.FAILED, node=node, error=error)], dry_run=False, refused=None)
    assert text.isascii()
    (said,) = json.loads(text)["services"]
    assert said["node"] == (node or None)
    assert said["reason"] == (error or "its node is gone")


def test_no_name_makes_a_report_long_or_unreadable() -> None:
    name = "\x7f\x1b[2J\u202e" + "x" * 1_000_000
    outcomes = [outcome(name, Verdict.DELETE, Result.FAILED, node=name, error=name), *MIXED]

    for text in (as_json(outcomes, dry_run=False, refused=None), as_text(outcomes, dry_run=False, refused=None)):
        assert all(line.isprintable() for line in text.split("\n"))
        assert len(text) < 20_000


def test_a_refusal_that_names_objects_of_the_cluster_is_escaped() -> None:
    spoilt = "too many: \u3164\x1b[2J\n2026-01-01T00:00:00Z ERROR forged"
    escaped = r"too many: \u3164\x1b[2J\n2026-01-01T00:00:00Z ERROR forged"
    assert f"refused, nothing deleted: {escaped}" in as_text(MIXED, dry_run=False, refused=spoilt)
    assert as_json(MIXED, dry_run=False, refused=spoilt).isascii()
    service = outcome("z", Verdict.DELETE, Result.DELETED, reason=spoilt).judgement.service
    for event in (events.of_refusal("ns", spoilt), events.of_deletion(service, spoilt)):
        assert event["message"].endswith(escaped)
