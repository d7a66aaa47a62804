"""Names of the contract are valid, deterministic and distinct."""

import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registrar import contract

ALNUM = string.ascii_lowercase + string.digits
SERVICE = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1035, as the API server checks it
LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def dns_labels(most: int = 70) -> st.SearchStrategy[str]:
    inner = st.text(alphabet=ALNUM + "-", max_size=most - 2)
    ends = st.sampled_from(ALNUM)
    return st.one_of(ends, st.builds(lambda first, middle, last: first + middle + last, ends, inner, ends))


node_names = st.lists(dns_labels(), min_size=1, max_size=8).map(".".join).map(lambda name: name[:253].rstrip("-."))
prefixes = st.from_regex(r"[a-z][-a-z0-9]{0,39}", fullmatch=True)


@given(node_names, prefixes)
@example("0" * 253, "a" * 40)
@example("a" + "-" * 251 + "a", "x-")
def test_service_names_and_label_values_are_valid_for_every_node(node: str, prefix: str) -> None:
    assert contract.is_node_name(node)
    assert SERVICE.fullmatch(contract.service_name(node, prefix))
    assert LABEL.fullmatch(contract.label_value(node))


@given(node_names, prefixes)
def test_names_are_the_same_on_every_call(node: str, prefix: str) -> None:
    assert contract.service_name(node, prefix) == contract.service_name(node, prefix)
    assert contract.label_value(node) == contract.label_value(node)


@given(node_names, node_names)
@example("a.b", "a-b")
@example("n" * 64, "n" * 65)
@example("n" * 250 + ".a", "n" * 250 + ".b")
def test_different_nodes_have_different_names(one: str, other: str) -> None:
    assert (contract.service_name(one) == contract.service_name(other)) == (one == other)
    assert (contract.label_value(one) == contract.label_value(other)) == (one == other)


def test_all_names_of_a_node_are_one_value() -> None:
    node = "edge." * 20
    names = contract.NodeNames.of(node, "socks-")
    assert names == contract.NodeNames(node, contract.label_value(node), contract.service_name(node, "socks-"))
    assert contract.NodeNames.of("a").service == "nodeproxy-access-a"


@pytest.mark.parametrize("value", ["a", "n" * 52 + "-0123456789", "n" * 63, "n" * 62 + "-"])
def test_only_52_characters_a_dash_and_10_hex_digits_look_shortened(value: str) -> None:
    assert contract.is_hashed_label(value) is (value == "n" * 52 + "-0123456789")


def test_a_prefix_leaves_room_for_the_node() -> None:
    assert contract.is_service_prefix("p" * 40)
    assert not contract.is_service_prefix("p" * 41)


@given(node_names)
def test_a_label_value_is_either_the_name_or_recognizably_shortened(node: str) -> None:
    assert contract.is_hashed_label(contract.label_value(node)) or contract.label_value(node) == node


@pytest.mark.parametrize(
    ("node", "name"),
    [
        ("node-bj-01", "nodeproxy-access-node-bj-01"),
        ("10-0-0-7", "nodeproxy-access-10-0-0-7"),
        ("a.b", "nodeproxy-access-a-b-fed22518ec"),
        ("n" * 46, "nodeproxy-access-" + "n" * 46),
        ("n" * 47, "nodeproxy-access-" + "n" * 35 + "-4f4d0151f0"),
    ],
)
def test_service_names_do_not_change_between_releases(node: str, name: str) -> None:
    assert contract.service_name(node) == name


def test_digits_do_not_change_between_releases() -> None:
    assert [*map(contract.digits, ["", "a.b", "0" * 253])] == ["0" * 10, "fed22518ec", "9f4fcf273e"]


@given(node_names, st.data())
def test_names_that_differ_in_one_character_have_different_digits(node: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(node) - 1))
    other = node[:place] + data.draw(st.sampled_from(ALNUM + "-.")) + node[place + 1 :]
    assert (contract.digits(node) == contract.digits(other)) == (node == other)


@pytest.mark.parametrize("name", ["", "-a", "a-", "a..b", "a_b", "A", "a/b", "a\n", "n" * 254, ".a", "é"])
def test_invalid_node_names_are_refused(name: str) -> None:
    assert not contract.is_node_name(name)


@pytest.mark.parametrize("key", ["target-node", "app.kubernetes.io/name", "A_b.c", "k" * 63])
def test_valid_label_keys_are_accepted(key: str) -> None:
    assert contract.is_label_key(key)


@pytest.mark.parametrize("key", ["", "/", "/a", "a/", "a/b/c", "-a", "k" * 64, "Upper.Case/name", "a b", "a\n"])
def test_invalid_label_keys_are_refused(key: str) -> None:
    assert not contract.is_label_key(key)
