"""The words that profiles map: which of a file's nobody knows, and what each of them means.

Belongs here: asking a file that was read for its words. Does not belong here: mapping them (``mapping.py``), and
what is said about those that nobody knows (``contracts.py``).

A word that no rule knows makes its column empty. That costs no record, but may cost a document its place in the
revenue, so such words are told.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from sources.mapping import is_written, words_query
from sources.planning import FeedPlan, Plan
from sources.sql import ask, literal, name

__all__ = ["UnknownWords", "meanings", "unknown_words"]

SHOWN_UNKNOWN = 5
SHOWN_MEANINGS = 12
LONGEST = 40
"""So much of a word is shown."""


@dataclass(frozen=True)
class UnknownWords:
    """Words of one column of a file that its profile does not know.

    Attributes
    ----------
    cell : str
        The column's name in the profile.
    becomes : tuple of str
        The canonical columns that stay empty, ``<feed>.<column>``.
    words : tuple of (str, int)
        The most frequent ones, and in how many records each stands.
    different, records, written : int
        How many different ones there are, in how many records they stand, and in how many records anything does.
    """

    cell: str
    becomes: tuple[str, ...]
    words: tuple[tuple[str, int], ...]
    different: int
    records: int
    written: int


def unknown_words(
    con: duckdb.DuckDBPyConnection, spelled: str, plan: Plan, drafts: Mapping[str, Path]
) -> list[UnknownWords]:
    """Ask a file that was read for the words that nobody knows.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        A connection to compute with.
    spelled : str
        Relation with the columns of ``mapping.spelled_query``.
    plan : Plan
        How the file was read.
    drafts : mapping of str to Path
        The feeds that were made of it.

    Returns
    -------
    list of UnknownWords
        One per column of the file, in the order of the profile.
    """
    found: dict[str, UnknownWords] = {}
    for made in plan.feeds:
        queries = {
            column: query
            for column in made.values
            if (query := words_query(spelled, plan, made, column, unknown=True)) is not None
        }
        for column in _empty_somewhere(con, made, queries, drafts[made.feed.name]):
            for cell, words, counts, different, records in ask(con, _most_frequent(queries[column])):
                known = found.get(cell)
                if known is None or known.records < records:
                    shown = tuple((_clipped(word), count) for word, count in zip(words, counts, strict=True))
                    written = _written(con, spelled, plan, cell) or records
                    found[cell] = UnknownWords(cell, (), shown, different, records, written)
                before = known.becomes if known else ()
                found[cell] = replace(found[cell], becomes=(*before, f"{made.feed.name}.{column}"))
    order = {cell.name: number for number, cell in enumerate(plan.cells)}
    return sorted(found.values(), key=lambda one: order.get(one.cell, len(order)))


def _empty_somewhere(
    con: duckdb.DuckDBPyConnection, made: FeedPlan, queries: Mapping[str, str], draft: Path
) -> Iterator[str]:
    """The columns with words that are empty in some row, which is seen at once; for few files there is one.

    Of a column without which a row is left out the draft does not tell.
    """
    decisive = {made.only_with, *made.feed.key}
    yield from (column for column in queries if column in decisive)
    others = [column for column in queries if column not in decisive]
    if others:
        counts = ", ".join(f"count(*) - count({name(column)})" for column in others)
        [empty] = ask(con, f"SELECT {counts} FROM read_parquet({literal(draft)})")
        yield from (column for column, rows in zip(others, empty, strict=True) if rows)


def _most_frequent(query: str) -> str:
    order = "ORDER BY found DESC, word"
    return (
        f"SELECT cell, list(word {order})[:{SHOWN_UNKNOWN}], list(found {order})[:{SHOWN_UNKNOWN}], count(*), "
        f"sum(found)::BIGINT FROM ({query}) GROUP BY cell ORDER BY cell"
    )


def _written(con: duckdb.DuckDBPyConnection, spelled: str, plan: Plan, cell: str) -> int:
    if cell not in plan.by_name:
        return 0
    query = f"SELECT count(*) FROM {spelled} WHERE code IS NULL AND {is_written(plan.by_name[cell])}"
    [(written,)] = ask(con, query)
    return int(written)


def meanings(con: duckdb.DuckDBPyConnection, spelled: str, plan: Plan) -> list[dict[str, Any]]:
    """What the words of a file mean, the unknown ones first.

    Returns
    -------
    list of dict
        Per canonical column that is made of words: ``column`` (header), ``becomes`` (``<feed>.<column>``), ``words``
        (word, its meaning, in how many records) and ``others`` (how many more there are).
    """
    told: dict[tuple[str, str], dict[str, Any]] = {}
    for made in plan.feeds:
        for column in made.values:
            if not _is_made_of_words(plan, made, column):
                continue
            query = words_query(spelled, plan, made, column, unknown=False)
            rows = ask(con, f"SELECT * FROM ({query}) ORDER BY meaning IS NOT NULL, found DESC, word") if query else []
            for cell in dict.fromkeys(row[0] for row in rows):
                own = [[_clipped(word), meaning, count] for one, word, meaning, count in rows if one == cell]
                becomes = f"{made.feed.name}.{column}"
                # A feed that is filled twice, such as a sale and its refund, has the same words twice.
                told.setdefault(
                    (cell, becomes),
                    {
                        "column": plan.title(plan.by_name[cell]) if cell in plan.by_name else cell,
                        "becomes": becomes,
                        "words": own[:SHOWN_MEANINGS],
                        "others": max(0, len(own) - SHOWN_MEANINGS),
                    },
                )
    return list(told.values())


def _is_made_of_words(plan: Plan, made: FeedPlan, column: str) -> bool:
    """Whether what a column becomes depends on words; not where numbers or the start of an id decide."""
    cells = [plan.by_name[cell] for value in made.values[column] for cell in value.used() if cell in plan.by_name]
    return any(cell.type in ("text", "enum") for cell in cells)


def _clipped(word: str) -> str:
    return word if len(word) <= LONGEST else word[: LONGEST - 1] + "…"
