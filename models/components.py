"""Which records are one, once every reason to take two for one is followed to its end.

Belongs here: connected components of a graph, and what is taken out of it before they are believed. Does not belong
here: what makes two records one (SQL), and which of them gives the others its name.

An edge joins two records and has a strength; the smaller the number, the stronger:

==========  ======================================================================================================
1           a source has merged the left record into the right one
2           people have decided that the two are one
3           the left record names the right one as its own
4 and more  the two share a value; the right one is the smallest record that has it
==========  ======================================================================================================
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ids = NDArray[np.uint64]
    Numbers = NDArray[np.int64]
    Flags = NDArray[np.bool_]

__all__ = ["People", "resolve"]

MERGED, BY_HAND, NAMED = 1, 2, 3


@dataclass(frozen=True)
class People:
    """Whose each record is.

    Attributes
    ----------
    records : ndarray of uint64, shape (n,)
        Every record that any edge names, once, in ascending order.
    names : ndarray of uint64, shape (n,)
        The person of each: the smallest of the person's records.
    crowds : ndarray of uint64, shape (n,)
        The smallest record of all that hung together with it, where they were too many for one person; else 0.
    dropped : ndarray of int64, shape (n,)
        The strongest evidence that is not believed any more between the records of this person, and with it all that
        is weaker; 0 where all is believed, which is outside of crowds.
    is_apart : ndarray of bool, shape (n,)
        Whether a decision has taken the record away from all but those that it is merged with: whatever else it names
        or shares is not believed.
    """

    records: "Ids"
    names: "Ids"
    crowds: "Ids"
    dropped: "Numbers"
    is_apart: "Flags"


def resolve(
    left: "Ids",
    right: "Ids",
    strength: "Numbers",
    *,
    apart: Iterable[tuple[int, int]] = (),
    max_records: int,
) -> People:
    """Follow edges to their end, except where people have decided otherwise or a person would have too many records.

    Parameters
    ----------
    left, right : ndarray of uint64, shape (n,)
        The two ends of each edge. Edges may repeat, and their order says nothing.
    strength : ndarray of int64, shape (n,)
        See above.
    apart : iterable of (int, int)
        Records that must not be one person. Where the edges make them one, the second leaves together with what its
        source and people have merged with it, and whatever else these records name or share is not believed. If
        sources have merged the two with each other, the merges that lead from the second towards the first are undone.
    max_records : int
        Most records of one person; those that are merged, by a source or by people, count as one. Where there are
        more, the weakest evidence between them is dropped, and the next weakest, until there are not. Merges never
        are.

    Raises
    ------
    ValueError
        If ends and strengths differ in number, or people have decided of two records that they are one and are not.
    """
    if not left.shape == right.shape == strength.shape:
        raise ValueError(
            "left, right and strength must be those of the same edges, but have "
            f"{left.size}, {right.size} and {strength.size}"
        )
    records, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    graph = _Graph(records.size, places[: left.size], places[left.size :], strength)
    labels = graph.labels()
    is_apart = np.zeros(records.size, dtype=bool)
    pairs = [pair for pair in _placed(records, [*apart]) if labels[pair[0]] == labels[pair[1]]]
    if pairs:
        is_apart = graph.take_apart(pairs, labels)
        labels = graph.labels()
    whole = _smallest(records, labels)
    dropped = np.zeros(records.size, dtype=np.int64)
    for weakest in sorted(set(np.unique(strength).tolist()) - {MERGED, BY_HAND}, reverse=True):
        inside = graph.is_crowded(labels, max_records)
        if not inside.any():
            break
        dropped[inside] = weakest
        graph.keep(~inside[graph.left] | (graph.strength < weakest))
        labels = graph.labels()
    return People(records, _smallest(records, labels), np.where(dropped > 0, whole, np.uint64(0)), dropped, is_apart)


def _smallest(records: "Ids", labels: "Numbers") -> "Ids":
    """The smallest record that has the label of each; records ascend, so it is the first."""
    smallest: Ids = records[_first(labels)][labels]
    return smallest


def _first(labels: "Numbers") -> "NDArray[np.intp]":
    """Where each label stands first, by its number."""
    first = np.zeros(labels.max(initial=-1) + 1, dtype=np.intp)
    # Of several places for one label, the one that is assigned last stays.
    first[labels[::-1]] = np.arange(labels.size)[::-1]
    return first


def _placed(records: "Ids", pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Where the two records of each pair stand, in ascending order; pairs of which no edge names both are left out."""
    ends = np.array(pairs, dtype=np.uint64).reshape(-1, 2)
    places = np.searchsorted(records, ends)
    is_there = (places < records.size).all(axis=1)
    places, ends = places[is_there], ends[is_there]
    named = (records[places] == ends).all(axis=1)
    return sorted({(int(one), int(other)) for one, other in places[named]})


class _Graph:
    """Edges between places, of which some are taken out."""

    def __init__(self, size: int, left: "Numbers", right: "Numbers", strength: "Numbers") -> None:
        self.size, self.left, self.right, self.strength = size, left, right, strength

    def keep(self, wanted: "Flags") -> None:
        """Take out all other edges."""
        self.left, self.right, self.strength = self.left[wanted], self.right[wanted], self.strength[wanted]

    def labels(self, weakest: int | None = None) -> "Numbers":
        """The component of each place, as a number: by all edges, or by those up to a strength."""
        left, right = self.left, self.right
        if weakest is not None:
            wanted = self.strength <= weakest
            left, right = left[wanted], right[wanted]
        # Repeated edges are added up, and true plus true is true.
        matrix = coo_array((np.ones(left.size, dtype=bool), (left, right)), shape=(self.size, self.size))
        _, labels = connected_components(matrix, directed=False)
        return labels.astype(np.int64)

    def is_crowded(self, labels: "Numbers", max_records: int) -> "Flags":
        """Whether the component of each place has more than so many records, merged ones counted once."""
        if np.bincount(labels).max(initial=0) <= max_records:
            return np.zeros(self.size, dtype=bool)
        return np.bincount(labels[_first(self.labels(BY_HAND))])[labels] > max_records

    def take_apart(self, pairs: Sequence[tuple[int, int]], labels: "Numbers") -> "Flags":
        """Take out what joins the second place of each pair to others than its own; say which places then are apart."""
        touched = np.isin(labels[self.left], [int(labels[other]) for _, other in pairs])
        merges = _Merges(self, np.flatnonzero(touched & (self.strength <= BY_HAND)))
        for one, other in pairs:
            merges.undo(one, other)
        is_apart = np.zeros(self.size, dtype=bool)
        for _, other in pairs:
            is_apart[[*merges.reached(other, (MERGED, BY_HAND))]] = True
        # Who shared a value with the smallest record that had it still shares it with the others.
        orphaned = (self.strength > NAMED) & is_apart[self.right] & ~is_apart[self.left]
        members, centres, strengths = self.left[orphaned], self.right[orphaned], self.strength[orphaned]
        order = np.lexsort((members, strengths, centres))
        members, centres, strengths = members[order], centres[order], strengths[order]
        begins = np.flatnonzero((np.diff(centres, prepend=-1) != 0) | (np.diff(strengths, prepend=-1) != 0))
        smallest = np.repeat(members[begins], np.diff(begins, append=members.size))

        wanted = (self.strength <= BY_HAND) | ~(is_apart[self.left] | is_apart[self.right])
        wanted[[*merges.undone]] = False
        self.keep(wanted)
        self.left = np.concatenate([self.left, members])
        self.right = np.concatenate([self.right, smallest])
        self.strength = np.concatenate([self.strength, strengths])
        return is_apart


class _Merges:
    """What sources and people have merged around a few places, as ways from one to the other."""

    def __init__(self, graph: _Graph, edges: "NDArray[np.intp]") -> None:
        self.undone: set[int] = set()
        self._ways: defaultdict[int, list[tuple[int, int, int]]] = defaultdict(list)
        for edge in edges.tolist():
            left, right, strength = int(graph.left[edge]), int(graph.right[edge]), int(graph.strength[edge])
            self._ways[left].append((right, strength, edge))
            self._ways[right].append((left, strength, edge))

    def reached(self, start: int, strengths: Sequence[int], *, without: Iterable[int] = ()) -> set[int]:
        """Every place that leads from `start` over merges of these kinds, itself included."""
        seen, waiting = {start}, [start]
        barred = set(without)
        while waiting:
            for place, strength, edge in self._ways[waiting.pop()]:
                if place not in seen and place not in barred and strength in strengths and edge not in self.undone:
                    seen.add(place)
                    waiting.append(place)
        return seen

    def undo(self, one: int, other: int) -> None:
        """Undo the sources' merges that lead from `other`, and from what people have merged with it, towards `one`."""
        own = self.reached(other, (BY_HAND,))
        if one in own:
            raise ValueError("people have decided of two records that they are one, and that they are not")
        beyond = self.reached(one, (MERGED, BY_HAND), without=own)
        for place in own:
            self.undone.update(edge for next_to, _, edge in self._ways[place] if next_to in beyond)
