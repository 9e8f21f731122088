"""The canonical feeds as data: names, keys, column types (``feeds.yml``).

Belongs here: what a raw feed looks like. Does not belong here: how one system's headers become a feed
(``profiles.py``), nor how a value is rewritten (``text.py``).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast, get_args

import yaml

__all__ = ["FEEDS_FILE", "TRACE", "Column", "ColumnType", "Feed", "FeedFiles", "canonical_feeds"]

FEEDS_FILE = Path(__file__).with_name("feeds.yml")

ColumnType = Literal[
    "id", "text", "amount", "number", "integer", "score", "timestamp", "date", "boolean", "enum", "email", "phone"
]

TRACE: Mapping[str, str] = MappingProxyType(
    {
        "source_system": "VARCHAR",
        "source": "VARCHAR",
        "delivery_id": "VARCHAR",
        "record_no": "BIGINT",
        "exported_at": "VARCHAR",
        "received_at": "VARCHAR",
        "extra": "VARCHAR",
    }
)
"""What every raw row carries beside its canonical columns: where it came from, and what nobody mapped."""


@dataclass(frozen=True)
class Column:
    """One canonical column.

    Attributes
    ----------
    name : str
        Its name.
    type : str
        One of ``ColumnType``.
    values : tuple of str
        The words of an ``enum``; empty for other types.
    lenient : bool
        An unreadable value becomes empty and is kept in ``extra`` instead of costing the record.
    """

    name: str
    type: ColumnType
    values: tuple[str, ...] = ()
    lenient: bool = False


@dataclass(frozen=True)
class Feed:
    """One canonical feed.

    Attributes
    ----------
    name : str
        Its name.
    key : tuple of str
        The columns that name a row within a source.
    required : tuple of str
        The columns without which a record says nothing.
    columns : mapping of str to Column
        In the order of the file.
    """

    name: str
    key: tuple[str, ...]
    required: tuple[str, ...]
    columns: Mapping[str, Column]

    @property
    def types(self) -> dict[str, str]:
        """SQL type of every column of the raw feed, in order: canonical text and where it came from."""
        return dict.fromkeys(self.columns, "VARCHAR") | dict(TRACE)


@dataclass(frozen=True)
class FeedFiles:
    """The Parquet files that make up one raw relation.

    Attributes
    ----------
    types : mapping of str to str
        Column names in order with their SQL types.
    files : tuple of Path
        All files to read, and no others; may be empty.
    """

    types: Mapping[str, str]
    files: Sequence[Path]

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(self.types)


def _column(name: str, spec: str | Mapping[str, Any]) -> Column:
    declared = spec if isinstance(spec, str) else spec["type"]
    kind, _, words = declared.partition("(")
    if kind not in get_args(ColumnType):
        raise ValueError(f"{FEEDS_FILE.name}: column {name} has the unknown type {declared!r}")
    return Column(
        name=name,
        type=cast(ColumnType, kind),
        values=tuple(re.findall(r"\w+", words)),
        lenient=not isinstance(spec, str) and bool(spec.get("lenient", False)),
    )


@cache
def canonical_feeds() -> Mapping[str, Feed]:
    """Read ``feeds.yml``.

    Returns
    -------
    mapping of str to Feed
        Every canonical feed by name, in the order of the file.
    """
    document = yaml.safe_load(FEEDS_FILE.read_text(encoding="utf-8"))
    return MappingProxyType(
        {
            name: Feed(
                name=name,
                key=tuple(spec["key"]),
                required=tuple(spec["required"]),
                columns={column: _column(column, kind) for column, kind in spec["columns"].items()},
            )
            for name, spec in document.items()
        }
    )
