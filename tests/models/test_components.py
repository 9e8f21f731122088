"""Connected components: every chain is followed to its end, and nothing but the set of edges counts."""

import numpy as np
import pytest

from models.components import components


def people(*edges: tuple[str, str]) -> dict[str, str]:
    left, right = (np.array([edge[end] for edge in edges], dtype=str) for end in (0, 1))
    return dict(zip(*(array.tolist() for array in components(left, right)), strict=True))


def test_a_chain_is_one_component_named_by_its_smallest_member() -> None:
    assert people(("d", "c"), ("c", "b"), ("x", "y")) == {"b": "b", "c": "b", "d": "b", "x": "x", "y": "x"}


def test_a_ring_repeated_edges_and_an_edge_to_itself_change_nothing() -> None:
    once = people(("a", "b"), ("b", "c"), ("e", "e"))
    assert once == {"a": "a", "b": "a", "c": "a", "e": "e"}
    assert people(("a", "b"), ("b", "c"), ("c", "a"), ("b", "a"), ("a", "b"), ("e", "e")) == once


def test_the_order_and_direction_of_edges_say_nothing() -> None:
    edges = [("k", "b"), ("m", "k"), ("z", "m"), ("q", "p"), ("p", "a")]
    turned = [(right, left) for left, right in reversed(edges)]
    assert people(*turned) == people(*edges)


def test_a_chain_as_long_as_the_table_is_followed_to_its_end() -> None:
    """Propagation of labels in a fixed number of rounds would stop on the way."""
    names = np.array([f"{number:05d}" for number in range(20_000)])
    nodes, found = components(names[:-1], names[1:])
    assert nodes.tolist() == names.tolist()
    assert set(found.tolist()) == {"00000"}


def test_without_edges_there_is_nobody() -> None:
    nodes, found = components(np.array([], dtype=str), np.array([], dtype=str))
    assert nodes.size == found.size == 0


def test_ends_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="ends of the same edges"):
        components(np.array(["a", "b"]), np.array(["c"]))
