"""The guard, over thousands of generated cases: no run deletes more than the limit, or without any node."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from janitor.guard import MaxDelete, refusal
from janitor.verdict import Cluster, Judgement, Service, Verdict


def judgement(verdict: Verdict, node: str, annotation: str | None = None) -> Judgement:
    service = Service("nodeproxy-access-n", "ns", "uid", "1", annotation or node, node, node, "", None, deleting=False)
    return Judgement(service, verdict, "why", None if verdict is Verdict.UNKNOWN else service.node)


def judgements(keep: int = 0, delete: int = 0, wait: int = 0, unknown: int = 0, copies: int = 1) -> list[Judgement]:
    """Judgements on Services of so many nodes, each of which has `copies` of them."""
    numbers = {Verdict.KEEP: keep, Verdict.DELETE: delete, Verdict.WAIT: wait, Verdict.UNKNOWN: unknown}
    return [
        judgement(verdict, f"{verdict}-{number}")
        for verdict, many in numbers.items()
        for number in range(many)
        for _ in range(copies)
    ]


SOME = Cluster.of(["live", *(f"keep-{number}" for number in range(30))], [])  # nodes without a Service do not count

few = st.integers(0, 30)
limits = st.none() | st.builds(MaxDelete, st.integers(0, 40), st.just(False))
limits |= st.builds(MaxDelete, st.integers(0, 100), st.just(True))


@given(few, few, few, few, st.integers(1, 3), limits)
def test_the_guard_never_allows_more_nodes_than_the_limit(
    keep: int, delete: int, wait: int, unknown: int, copies: int, limit: MaxDelete | None
) -> None:
    refused = refusal(judgements(keep, delete, wait, unknown, copies), SOME, limit)
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


def test_a_refusal_names_the_numbers_some_nodes_and_the_option_to_raise() -> None:
    said = refusal(judgements(keep=1, delete=3, unknown=5), SOME, MaxDelete(2, percent=False))
    assert said == (
        "the Services of 3 of 4 nodes would be deleted, the limit is 2 (delete-0, delete-1, delete-2); "
        "if that is right, raise --max-delete"
    )
    many = refusal(judgements(delete=30), SOME, None)
    assert many
    assert "(delete-0, delete-1, delete-10, delete-11, delete-12 and 25 more)" in many


def test_the_default_limit_is_a_whole_number() -> None:
    said = refusal(judgements(delete=2), SOME, None)
    assert said
    assert "the Services of 2 of 2 nodes would be deleted, the limit is 1 " in said


def test_any_number_of_services_of_one_gone_node_is_one_deletion() -> None:
    assert refusal([*judgements(keep=1), *judgements(delete=1, copies=300)], SOME, None) is None


def test_services_made_up_for_one_existing_node_do_not_raise_the_limit() -> None:
    made_up = [judgement(Verdict.KEEP, "live", annotation=f"made-up-{number}") for number in range(300)]
    said = refusal([*made_up, *judgements(delete=3)], SOME, MaxDelete(50, percent=True))
    assert said
    assert "the Services of 3 of 4 nodes would be deleted, the limit is 2 " in said
