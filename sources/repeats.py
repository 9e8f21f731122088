"""What stands several times in one file and does not say the same: of its versions one is believed.

Belongs here: counting such records and documents in a file that was read, and saying so. Does not belong here: which
version stands (that is decided over all deliveries), and exact repeats, which harm nobody.

Where records say when they were changed, the last one stands. Where they do not, or say the same time, which one
stands rests on nothing but what is written, never on the order of the rows; so it is told.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from sources.feeds import Feed
from sources.planning import Plan
from sources.settings import listed
from sources.sql import ask, literal, name

__all__ = ["check_repeats"]

_AGREED = {"source_customer_id": "customer", "status": "status", "kind": "kind", "currency": "currency"}
"""What all lines of a document must say alike, and what it is called. Their times may differ."""


def check_repeats(con: duckdb.DuckDBPyConnection, plan: Plan, drafts: Mapping[str, Path]) -> list[str]:
    """Sentences about records of one key, or lines of one document, that contradict each other.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        A connection to compute with.
    plan : Plan
        How the file was read.
    drafts : mapping of str to Path
        The raw rows that were made of it, per feed.
    """
    if plan.corrects is not None:
        return []
    said = []
    feed = plan.primary
    count, first = _contradictions(con, drafts[feed.name], feed, list(feed.columns))
    if count:
        what = f"{count} {'record' if count == 1 else 'records'} of {feed.name} {'stands' if count == 1 else 'stand'}"
        later = "later " if _dated(feed) else ""
        said.append(
            f"{what} in it several times, each time saying something else (first at record {first}), and no {later}"
            "updated_at tells which holds; export each once, or with the time of its last change"
        )
    heads = next((made.feed for made in plan.feeds if made.derived and made.feed.name == "orders"), None)
    if heads is not None and feed.name == "order_lines":
        count, first = _contradictions(con, drafts["orders"], heads, list(_AGREED))
        if count:
            about = listed(_AGREED[column] for column in _disagreeing(con, drafts["orders"], heads))
            what = f"{count} {'document' if count == 1 else 'documents'} in it {'has' if count == 1 else 'have'}"
            said.append(
                f"{what} lines that disagree on {about} (first at record {first}), of which one is believed; correct "
                "them in the system"
            )
    return said


def _dated(feed: Feed) -> bool:
    return "updated_at" in feed.columns


def _group(feed: Feed) -> list[str]:
    """What is the same of two versions of which nothing tells which is newer."""
    return [name(column) for column in (*feed.key, *(["updated_at"] if _dated(feed) else []))]


def _rows(draft: Path, feed: Feed) -> str:
    """The rows that have a key; lines without a number are told apart by what they say."""
    keyed = " AND ".join(f"{name(column)} IS NOT NULL" for column in feed.key)
    return f"FROM read_parquet({literal(draft)}) WHERE {keyed}"


def _contradictions(
    con: duckdb.DuckDBPyConnection, draft: Path, feed: Feed, columns: Sequence[str]
) -> tuple[int, int | None]:
    """How many keys have rows that differ in some columns, and the first record of one of them.

    Rows are grouped and compared by hashes: a key of eight bytes costs a fraction of one of text.
    """
    key = f"hash({', '.join(_group(feed))})"
    # Most files repeat no key, which sorting the hashes shows in a quarter of the time of grouping.
    keys = con.execute(f"SELECT {key} AS key {_rows(draft, feed)}").fetchnumpy()["key"]
    keys.sort()
    if not (keys[1:] == keys[:-1]).any():
        return 0, None
    said = ", ".join(name(column) for column in columns)
    groups = (
        f"SELECT min(record_no) AS first {_rows(draft, feed)} GROUP BY {key} "
        f"HAVING min(hash({said})) <> max(hash({said}))"
    )
    [(count, first)] = ask(con, f"SELECT count(*), min(first) FROM ({groups})")
    return count, first


def _disagreeing(con: duckdb.DuckDBPyConnection, draft: Path, feed: Feed) -> list[str]:
    """The columns that lines of one document disagree on."""
    return [column for column in _AGREED if _contradictions(con, draft, feed, [column])[0]]
