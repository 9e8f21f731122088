"""A child that resolves ten million records, and asks scipy alone which of them hang together.

Belongs here: making the records and their links. Does not belong here: how people are found (``models.components``).

Two million people have five records each, linked in a chain; ids are scattered over 64 bits, links come in no order.
"""

from __future__ import annotations

import numpy as np

from benchmarks.measure import Report

_PEOPLE, _RECORDS = 2_000_000, 5
#: Times an odd number, modulo 2 ** 64, no two are the same.
_ODD = np.uint64(0x9E3779B97F4A7C15)
_STRENGTH = 3


def main() -> None:
    """Resolve the same links twice, and report processor seconds."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    from models.components import resolve

    records = (np.arange(_PEOPLE * _RECORDS, dtype=np.uint64) * _ODD).reshape(_PEOPLE, _RECORDS)
    mixed = np.random.default_rng(7).permutation(_PEOPLE * (_RECORDS - 1))
    left, right = records[:, 1:].ravel()[mixed], records[:, :-1].ravel()[mixed]
    report = Report(facts={"records": records.size, "links": left.size})

    with report.stage("Keeprate"):
        found = resolve(left, right, np.full(left.size, _STRENGTH), max_records=50)
    people = len(np.unique(found.names))
    del found
    with report.stage("scipy"):
        known, numbers = np.unique(np.stack([left, right]), return_inverse=True)
        linked = np.ones(left.size, dtype=np.int8), tuple(numbers.reshape(2, left.size))
        graph = coo_array(linked, shape=(known.size, known.size))
        groups, _ = connected_components(graph, directed=False)
    if (people, groups) != (_PEOPLE, _PEOPLE):
        raise RuntimeError(f"Of {_PEOPLE:,} people, {people:,} and {groups:,} were found.")
    report.send()


if __name__ == "__main__":
    main()
