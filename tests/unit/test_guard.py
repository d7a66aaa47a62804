"""The guard, over thousands of generated cases: no run deletes more than the limit, or without any node."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from janitor.guard import MaxDelete, refusal
from janitor.verdict import Cluster, Judgement, Service, Verdict

SERVICE = Service("nodeproxy-access-n", "ns", "uid", "1", "n", "n", "n", "", None, deleting=False)
SOME = Cluster.of(["live"], [])


def judgements(keep: int = 0, delete: int = 0, wait: int = 0, unknown: int = 0) -> list[Judgement]:
    numbers = {Verdict.KEEP: keep, Verdict.DELETE: delete, Verdict.WAIT: wait, Verdict.UNKNOWN: unknown}
    return [Judgement(SERVICE, verdict, "why") for verdict, many in numbers.items() for _ in range(many)]


few = st.integers(0, 30)
limits = st.none() | st.builds(MaxDelete, st.integers(0, 40), st.just(False))
limits |= st.builds(MaxDelete, st.integers(0, 100), st.just(True))


@given(few, few, few, few, limits)
def test_the_guard_never_allows_more_than_the_limit(
    keep: int, delete: int, wait: int, unknown: int, limit: MaxDelete | None
) -> None:
    refused = refusal(judgements(keep, delete, wait, unknown), SOME, limit)
    known = keep + delete + wait
    if limit is None:
        within = delete <= -(-known // 2)
    elif limit.percent:
        within = delete * 100 <= known * limit.number
    else:
        within = delete <= limit.number
    assert (refused is None) is within


@given(few, few, limits)
def test_the_guard_refuses_a_cluster_without_nodes(keep: int, delete: int, limit: MaxDelete | None) -> None:
    said = refusal(judgements(keep, delete), Cluster.of([], []), limit)
    assert said == "the API server lists no nodes at all; check which server this is"


@pytest.mark.parametrize(
    ("known", "gone", "passes"),
    [(1, 1, True), (2, 1, True), (2, 2, False), (3, 2, True), (3, 3, False), (4, 2, True), (4, 3, False)],
)
def test_the_default_limit_is_half_rounded_up(known: int, gone: int, passes: bool) -> None:
    assert (refusal(judgements(keep=known - gone, delete=gone), SOME, None) is None) is passes


def test_a_percentage_rounds_down() -> None:
    assert MaxDelete(50, percent=True).of(3) == 1
    assert MaxDelete(34, percent=True).of(3) == 1
    assert MaxDelete(33, percent=True).of(3) == 0


def test_a_refusal_names_the_numbers_and_the_option_to_raise() -> None:
    said = refusal(judgements(keep=1, delete=3, unknown=5), SOME, MaxDelete(2, percent=False))
    assert said == (
        "3 of 4 Services with a known node would be deleted, the limit is 2; if that is right, raise --max-delete"
    )


def test_the_default_limit_is_a_whole_number() -> None:
    said = refusal(judgements(delete=2), SOME, None)
    assert said
    assert "2 of 2 Services with a known node would be deleted, the limit is 1;" in said
