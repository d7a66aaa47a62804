"""managedFields are removed from JSON of any shape, however it is cut into pieces."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registrar.kube.managed import Remover

texts = st.sampled_from(
    ["", "a", '"', "\\", '\\"', "{[", "}]", ":[", "\u4eac\u00e9", " ,", '"managedFields":[', "managedFields:["]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 1) | texts | st.just("managedFields"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
arrays = st.lists(values, max_size=3)
objects = st.fixed_dictionaries({"before": values, "managedFields": arrays, "after": values})


def removed(document: bytes, most: int = 0, size: int = 1 << 16) -> bytes:
    remover = Remover(most)
    pieces = [remover.feed(document[start : start + size]) for start in range(0, len(document), size)]
    return b"".join(pieces) + remover.end()


def listed(fields: str) -> bytes:
    """A list of one object with these managedFields."""
    return f'{{"items":[{{"metadata":{{"managedFields":[{fields}],"name":"n"}}}}]}}'.encode()


NOTHING_LEFT = {"items": [{"metadata": {"managedFields": [{}], "name": "n"}}]}


@given(st.lists(objects, max_size=2), st.integers(1, 80), st.sampled_from([(",", ":"), (", ", ": ")]), st.booleans())
def test_only_managed_fields_are_removed(
    items: list[dict[str, Any]], size: int, separators: tuple[str, str], ascii_only: bool
) -> None:
    document = json.dumps({"items": items}, separators=separators, ensure_ascii=ascii_only).encode()
    without = {"items": [each | {"managedFields": [{}]} for each in items]}
    assert json.loads(removed(document, size=size)) == without


@given(st.lists(objects, max_size=2), st.integers(1, 80))
def test_usual_managed_fields_stay_where_they_are_wanted(items: list[dict[str, Any]], size: int) -> None:
    document = json.dumps({"items": items}).encode()
    assert removed(document, most=10_000, size=size) == document


@pytest.mark.parametrize("levels", [60, 1_000, 9_990, 200_000])
@pytest.mark.parametrize("most", [0, 1 << 30])
@pytest.mark.parametrize("size", [1_000, 1 << 16])
def test_deeply_nested_managed_fields_are_removed_even_where_others_are_wanted(
    levels: int, most: int, size: int
) -> None:
    document = listed('{"f:a":' * levels + "{}" + "}" * levels)
    assert json.loads(removed(document, most=most, size=size)) == NOTHING_LEFT


WIDE = ",".join(f'"f:{number}":{{}}' for number in range(100_000))
LARGE = {
    "wide": f"{{{WIDE}}}",
    "text": '{"f:' + "x" * 1_400_000 + '":{}}',
    "quotes": '{"f:' + '\\"' * 700_000 + '":{}}',
    "backslashes": '{"f:' + "\\\\" * 700_000 + '":{}}',
    "brackets": '{"f:' + "[{" * 700_000 + '":{}}',
}


@pytest.mark.parametrize("fields", LARGE.values(), ids=LARGE)
def test_large_managed_fields_are_removed_without_holding_them(fields: str) -> None:
    document = listed(fields)
    pieces = [document[start : start + (1 << 16)] for start in range(0, len(document), 1 << 16)]
    remover = Remover(1 << 16)
    tracemalloc.start()
    try:
        found = b"".join([*map(remover.feed, pieces), remover.end()])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert json.loads(found) == NOTHING_LEFT
    assert peak < 4_000_000


def test_a_document_that_is_cut_inside_managed_fields_is_no_json() -> None:
    whole = listed('{"f:a":{}}')
    for end in range(whole.index(b'managedFields":') + 16, len(whole) - 1):
        with pytest.raises(ValueError, match=r"Expecting|Unterminated|Invalid|Extra"):
            json.loads(removed(whole[:end]))
