"""Objects as YAML: faithful, bounded and harmless for a terminal."""

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from registrar.show import as_yaml

HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=12,
)


def nested(depth: int) -> dict[str, Any]:
    return {"deeper": nested(depth - 1)} if depth else {}


def test_objects_are_printed_without_managed_fields() -> None:
    service = {"kind": "Service", "metadata": {"name": "x", "labels": {"a": "b"}}, "spec": {"ports": [{"port": 1}]}}
    given = {**service, "metadata": {**service["metadata"], "managedFields": [{"manager": "y"}]}}  # type: ignore[dict-item]

    assert [*yaml.safe_load_all(as_yaml([given, service]))] == [service, service]


@given(st.dictionaries(st.text(), HOSTILE, max_size=5))
def test_output_is_printable_ascii_for_any_object(each: dict[str, Any]) -> None:
    shown = as_yaml([each])
    assert shown.isascii()
    assert all(line.isprintable() for line in shown.split("\n"))


def test_huge_objects_are_cut() -> None:
    each = {
        "a": "x" * 1_000_000,
        "b": [7] * 1_000_000,
        "c": dict.fromkeys(map(str, range(100_000)), 1),
        "d": nested(900),
    }
    shown = as_yaml([each])

    assert len(shown) < 20_000
    assert "(1000000 characters)" in shown
    assert "(1000000 entries)" in shown
    assert "100000 entries" in shown
    assert "(deeper)" in shown
