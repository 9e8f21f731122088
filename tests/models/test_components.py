"""Whose each record is: every chain is followed to its end, unless people say otherwise or too many would be one.

Strengths: 1 merged by a source, 2 by hand, 3 names the other, 4 and more share a value. Records are numbers here.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.components import People, resolve

MERGED, BY_HAND, NAMED, EMAIL, PHONE = 1, 2, 3, 4, 7


def resolved(*edges: tuple[int, int, int], apart: list[tuple[int, int]] | None = None, max_records: int = 50) -> People:
    ends = np.array([edge[:2] for edge in edges], dtype=np.uint64).reshape(-1, 2)
    strength = np.array([edge[2] for edge in edges], dtype=np.int64)
    return resolve(ends[:, 0], ends[:, 1], strength, apart=apart or [], max_records=max_records)


def groups(people: People) -> set[frozenset[int]]:
    """Who is one person, of those that are more than one record."""
    found: dict[int, set[int]] = {}
    for record, name in zip(people.records.tolist(), people.names.tolist(), strict=True):
        found.setdefault(name, set()).add(record)
    assert all(min(group) == name for name, group in found.items())
    return {frozenset(group) for group in found.values() if len(group) > 1}


def star(strength: int, *members: int) -> list[tuple[int, int, int]]:
    """Those who share one value, as SQL joins them: each to the smallest."""
    return [(member, min(members), strength) for member in members if member != min(members)]


# ---- chains


def test_a_chain_is_one_person_named_by_the_smallest_record() -> None:
    people = resolved((4, 3, EMAIL), (3, 2, PHONE), (9, 8, MERGED))
    assert (people.records.tolist(), people.names.tolist()) == ([2, 3, 4, 8, 9], [2, 2, 2, 8, 8])
    assert not people.dropped.any()
    assert not people.crowds.any()
    assert not people.is_apart.any()


def test_a_ring_repeated_edges_and_an_edge_to_itself_change_nothing() -> None:
    ring = resolved((1, 2, EMAIL), (2, 3, EMAIL), (3, 1, EMAIL), (2, 1, EMAIL), (1, 2, EMAIL), (5, 5, MERGED))
    assert ring.names.tolist() == [1, 1, 1, 5]


def test_the_order_and_direction_of_edges_say_nothing() -> None:
    edges = [(11, 2, EMAIL), (13, 11, PHONE), (26, 13, MERGED), (17, 16, EMAIL), (16, 1, BY_HAND)]
    turned = [(right, left, strength) for left, right, strength in reversed(edges)]
    assert groups(resolved(*turned)) == groups(resolved(*edges))


def test_a_chain_as_long_as_the_table_is_followed_to_its_end() -> None:
    """Propagation of labels in a fixed number of rounds would stop on the way."""
    merges = [(number, number + 1, MERGED) for number in range(20_000)]
    people = resolved(*merges, max_records=2)
    assert people.records.tolist() == list(range(20_001))
    assert set(people.names.tolist()) == {0}


def test_without_edges_there_is_nobody() -> None:
    people = resolved(apart=[(1, 2)])
    assert people.records.size == people.names.size == people.dropped.size == people.is_apart.size == 0


def test_ids_use_all_of_their_64_bits() -> None:
    most = 2**64 - 1
    assert groups(resolved((most, most - 1, EMAIL))) == {frozenset({most, most - 1})}


def test_ends_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="those of the same edges"):
        resolve(np.zeros(2, np.uint64), np.zeros(1, np.uint64), np.zeros(2, np.int64), max_records=5)


# ---- crowds


def test_a_crowd_loses_its_weakest_evidence_first_and_no_more_than_it_must() -> None:
    """Records 1 to 4 share e-mails in pairs, and phones across them; six are too many, pairs are not."""
    pairs = [*star(EMAIL, 1, 2), *star(EMAIL, 3, 4), *star(EMAIL, 5, 6)]
    chain = [*star(PHONE, 2, 3), *star(PHONE, 4, 5)]
    elsewhere = star(PHONE, 20, 21)
    assert groups(resolved(*pairs, *chain, *elsewhere, max_records=6)) == {
        frozenset({1, 2, 3, 4, 5, 6}),
        frozenset({20, 21}),
    }
    people = resolved(*pairs, *chain, *elsewhere, max_records=5)
    assert groups(people) == {frozenset({1, 2}), frozenset({3, 4}), frozenset({5, 6}), frozenset({20, 21})}
    # Nobody else's phones are doubted.
    assert people.dropped.tolist() == [PHONE] * 6 + [0, 0]
    assert people.crowds.tolist() == [1] * 6 + [0, 0]


def test_what_is_still_a_crowd_loses_the_next_weakest_evidence_too() -> None:
    """Three e-mails join 1 to 4, one joins 5 and 6: only the first part is still too large without phones."""
    edges = [*star(EMAIL, 1, 2, 3, 4), *star(EMAIL, 5, 6), *star(PHONE, 4, 5)]
    people = resolved(*edges, max_records=3)
    assert groups(people) == {frozenset({5, 6})}
    assert people.dropped.tolist() == [EMAIL] * 4 + [PHONE] * 2
    assert people.crowds.tolist() == [1] * 6


def test_merged_records_count_as_one_and_never_fall_apart() -> None:
    merged = [(number, 1, MERGED) for number in range(2, 100)]
    assert not resolved(*merged, (200, 1, BY_HAND), *star(PHONE, 1, 300), max_records=2).crowds.any()
    people = resolved(*merged, (200, 1, BY_HAND), *star(PHONE, 1, 300), *star(EMAIL, 1, 400), max_records=2)
    assert set(people.crowds.tolist()) == {1}
    assert set(people.dropped.tolist()) == {PHONE}
    assert groups(people) == {frozenset({*range(1, 100), 200, 400})}


# ---- decisions


def test_who_is_to_be_apart_leaves_alone_and_the_others_stay_together() -> None:
    """All share the e-mail of 1; 4 leaves, and its phone says nothing of 5 any more."""
    people = resolved(*star(EMAIL, 1, 2, 3, 4), *star(PHONE, 4, 5), apart=[(2, 4)])
    assert groups(people) == {frozenset({1, 2, 3})}
    assert people.is_apart.tolist() == [False, False, False, True, False]


def test_those_whom_the_smallest_record_leaves_are_joined_by_the_next() -> None:
    """Record 1 is the centre of an e-mail and of a phone: whom the one joins is not joined to whom the other joins."""
    people = resolved(*star(EMAIL, 1, 2, 3), *star(PHONE, 1, 4, 5), apart=[(2, 1)])
    assert groups(people) == {frozenset({2, 3}), frozenset({4, 5})}


def test_a_decision_that_nothing_contradicts_changes_nothing() -> None:
    edges = [*star(EMAIL, 1, 2), *star(EMAIL, 3, 4)]
    assert groups(resolved(*edges, apart=[(1, 3), (1, 99), (98, 99)])) == groups(resolved(*edges))


def test_who_leaves_takes_along_what_is_merged_with_it() -> None:
    """6 and 7 are duplicates of 4 in its source, 8 was joined to it by hand; what they share joins nobody to 1."""
    people = resolved(
        *star(EMAIL, 1, 4), (6, 4, MERGED), (7, 6, MERGED), (8, 4, BY_HAND), *star(PHONE, 1, 7, 9), (8, 9, NAMED),
        apart=[(1, 4)],
    )  # fmt: skip
    assert groups(people) == {frozenset({4, 6, 7, 8}), frozenset({1, 9})}


def test_a_source_that_has_merged_the_two_is_overruled_nearest_to_the_second() -> None:
    """1 was merged into 2, 2 into 3, and 4 into 3."""
    chain = [(1, 2, MERGED), (2, 3, MERGED), (4, 3, MERGED)]
    assert groups(resolved(*chain, apart=[(1, 3)])) == {frozenset({1, 2}), frozenset({3, 4})}
    assert groups(resolved(*chain, apart=[(3, 1)])) == {frozenset({2, 3, 4})}
    assert groups(resolved(*chain, apart=[(1, 3), (4, 3)])) == {frozenset({1, 2})}


def test_what_people_have_joined_is_stronger_than_what_a_source_has_merged() -> None:
    """People say 2 is 3, and 1 is not 3; the source says 1 is 2."""
    assert groups(resolved((1, 2, MERGED), (3, 2, BY_HAND), apart=[(1, 3)])) == {frozenset({2, 3})}


def test_people_who_contradict_themselves_are_refused() -> None:
    with pytest.raises(ValueError, match="are one, and that they are not"):
        resolved((1, 2, BY_HAND), (2, 3, BY_HAND), apart=[(1, 3)])


def test_decisions_come_before_crowds_are_counted() -> None:
    people = resolved(*star(PHONE, 1, 2, 3), apart=[(1, 3)], max_records=2)
    assert groups(people) == {frozenset({1, 2})}
    assert not people.crowds.any()


@given(
    edges=st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 12), st.sampled_from([MERGED, NAMED, EMAIL, 5, PHONE])),
        max_size=25,
    ),
    apart=st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 12)).filter(lambda pair: pair[0] != pair[1]), max_size=4
    ),
    max_records=st.integers(2, 6),
)
@settings(max_examples=300, deadline=None)
def test_whatever_is_said_decisions_hold_and_nobody_is_a_crowd(
    edges: list[tuple[int, int, int]], apart: list[tuple[int, int]], max_records: int
) -> None:
    people = resolved(*edges, apart=apart, max_records=max_records)
    name = dict(zip(people.records.tolist(), people.names.tolist(), strict=True))
    for one, other in apart:
        assert one not in name or other not in name or name[one] != name[other]
    merged = resolved(*[edge for edge in edges if edge[2] == MERGED], max_records=50)
    merged_name = dict(zip(merged.records.tolist(), merged.names.tolist(), strict=True))
    for group in groups(people):
        # Where a decision undoes merges, it can only leave more records than the merges made.
        if not apart:
            assert len({merged_name.get(record, record) for record in group}) <= max_records
    free = resolved(*edges, max_records=10**6)
    whole = dict(zip(free.records.tolist(), free.names.tolist(), strict=True))
    assert all(len({whole[record] for record in group}) == 1 for group in groups(people))
    if not apart and not people.dropped.any():
        assert groups(people) == groups(free)


# ---- size


@pytest.mark.slow
def test_ten_million_records_are_resolved() -> None:
    """Two million people with five records each in a chain, ids scattered over all 64 bits, and one crowd of 500."""
    people, each, crowd = 2_000_000, 5, 500
    numbers = np.arange(people * each, dtype=np.uint64)
    # Times an odd number, modulo 2 ** 64, no two are the same.
    ids = numbers * np.uint64(0x9E3779B97F4A7C15)
    of_person = ids.reshape(people, each)
    left, right = of_person[:, 1:].ravel(), of_person[:, :-1].ravel()
    shared = of_person[:crowd, 0]
    left, right = np.concatenate([left, shared[1:]]), np.concatenate([right, np.repeat(shared.min(), crowd - 1)])
    strength = np.concatenate([np.full(people * (each - 1), EMAIL), np.full(crowd - 1, PHONE)])
    mixed = np.random.default_rng(7).permutation(left.size)

    found = resolve(left[mixed], right[mixed], strength[mixed], max_records=50)

    order = np.argsort(ids)
    assert (found.records == ids[order]).all()
    assert (found.names == np.repeat(of_person.min(axis=1), each)[order]).all()
    assert np.count_nonzero(found.dropped) == crowd * each
