"""What a run reports: JSON in a fixed shape for programs, a table for people, and no trick of a name in either."""

import json

from hypothesis import given
from hypothesis import strategies as st

from janitor.report import as_json, as_text
from janitor.sweep import Outcome, Result
from janitor.verdict import Judgement, Service, Verdict


def outcome(
    name: str,
    verdict: Verdict,
    result: Result | None = None,
    *,
    node: str = "",
    reason: str = "its node is gone",
    error: str = "",
) -> Outcome:
    service = Service(name, "ns", "uid", "1", node, node, node, "", None, deleting=False)
    return Outcome(Judgement(service, verdict, reason, node), result, error)


MIXED = [
    outcome("b-kept", Verdict.KEEP, node="b", reason="its node exists"),
    outcome("z-gone", Verdict.DELETE, Result.DELETED, node="z"),
    outcome("a-kept", Verdict.KEEP, node="a", reason="its node exists"),
    outcome("odd", Verdict.UNKNOWN, reason="it records no node"),
    outcome("y-gone", Verdict.DELETE, Result.FAILED, node="y", error="cannot delete Service ns/y-gone: 403"),
]


def test_json_has_just_the_documented_keys() -> None:
    report = json.loads(as_json(MIXED, dry_run=False, refused=None))
    assert report == {
        "mode": "delete",
        "services": [
            {
                "name": "y-gone",
                "namespace": "ns",
                "node": "y",
                "verdict": "delete",
                "reason": "cannot delete Service ns/y-gone: 403",
                "result": "failed",
            },
            {
                "name": "z-gone",
                "namespace": "ns",
                "node": "z",
                "verdict": "delete",
                "reason": "its node is gone",
                "result": "deleted",
            },
            {
                "name": "odd",
                "namespace": "ns",
                "node": None,
                "verdict": "unknown",
                "reason": "it records no node",
                "result": None,
            },
            {
                "name": "a-kept",
                "namespace": "ns",
                "node": "a",
                "verdict": "keep",
                "reason": "its node exists",
                "result": None,
            },
            {
                "name": "b-kept",
                "namespace": "ns",
                "node": "b",
                "verdict": "keep",
                "reason": "its node exists",
                "result": None,
            },
        ],
        "counts": {
            "verdict": {"delete": 2, "keep": 2, "unknown": 1},
            "result": {"deleted": 1, "failed": 1},
        },
        "refused": None,
    }


def test_json_says_dry_run_and_why_it_was_refused() -> None:
    report = json.loads(as_json([], dry_run=True, refused="too many"))
    assert report == {
        "mode": "dry-run",
        "services": [],
        "counts": {"verdict": {}, "result": {}},
        "refused": "too many",
    }


def test_table_is_aligned_and_what_goes_comes_first() -> None:
    assert as_text(MIXED, dry_run=False, refused=None).splitlines() == [
        "VERDICT  RESULT   SERVICE  NODE  REASON",
        "delete   failed   y-gone   y     cannot delete Service ns/y-gone: 403",
        "delete   deleted  z-gone   z     its node is gone",
        "unknown  -        odd      -     it records no node",
        "keep     -        a-kept   a     its node exists",
        "keep     -        b-kept   b     its node exists",
        "2 delete, 2 keep, 1 unknown, 1 deleted, 1 failed",
    ]


def test_table_says_what_did_not_happen() -> None:
    assert as_text([], dry_run=True, refused=None).splitlines()[1:] == ["dry run, nothing changed", "no Services"]
    refused = as_text([], dry_run=False, refused="too many").splitlines()
    assert refused[1:] == ["refused, nothing deleted: too many", "no Services"]
    assert "refused, nothing deleted: too many" in as_text([], dry_run=True, refused="too many")


hostile = st.text(max_size=30) | st.sampled_from(["\x1b[2J", "a\nkeep", "\u202edeliated", "\r", "\x00", "\ud800"])


@given(hostile, hostile)
def test_no_text_of_a_cluster_breaks_the_table(node: str, error: str) -> None:
    text = as_text([outcome("n", Verdict.DELETE, Result.FAILED, node=node, error=error)], dry_run=False, refused=None)
    assert len(text.split("\n")) == 3
    assert not any(ord(character) < 32 for character in text.replace("\n", ""))
    assert not set("\x7f\x9b\u2028\u2029\u202e") & set(text)


@given(hostile, hostile)
def test_json_is_ascii_and_gives_texts_back_as_they_were(node: str, error: str) -> None:
    text = as_json([outcome("n", Verdict.DELETE, Result.FAILED, node=node, error=error)], dry_run=False, refused=None)
    assert text.isascii()
    (row,) = json.loads(text)["services"]
    assert row["node"] == (node or None)
    assert row["reason"] == (error or "its node is gone")


def test_no_name_makes_a_report_long_or_unreadable() -> None:
    name = "\x7f\x1b[2J\u202e" + "x" * 1_000_000
    outcomes = [outcome(name, Verdict.DELETE, Result.FAILED, node=name, error=name), *MIXED]

    for text in (as_json(outcomes, dry_run=False, refused=None), as_text(outcomes, dry_run=False, refused=None)):
        assert all(line.isprintable() for line in text.split("\n"))
        assert len(text) < 20_000
