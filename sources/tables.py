"""A file as rows of text, before anybody knows what they mean.

Belongs here: the shapes that all formats share. Does not belong here: any format.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import Literal, Protocol

from sources.errors import RefusedFileError
from sources.profiles import ReadSpec

__all__ = ["HEAD_ROWS", "WHITESPACE", "Head", "Kind", "Records", "TableHead", "TextHead", "split_lines"]

Kind = Literal["csv", "xlsx", "json", "parquet"]

HEAD_ROWS = 60
"""So many rows are looked at to find the header: more than any preamble."""

WHITESPACE = "whitespace"
"""The delimiter that is any run of blanks."""


class Head(Protocol):
    """The first rows of a file; how they are to be separated is for the profile to say."""

    @property
    def kind(self) -> Kind:
        """The format."""
        ...

    def rows(self, read: ReadSpec) -> Sequence[Sequence[str]]:
        """The first rows, at most `HEAD_ROWS`.

        Raises
        ------
        RefusedFileError
            If they cannot be separated.
        """
        ...


@dataclass(frozen=True)
class TableHead:
    """The first rows of a file that is a table anyway."""

    kind: Kind
    table: Sequence[Sequence[str]]

    def rows(self, read: ReadSpec) -> Sequence[Sequence[str]]:
        """The first rows."""
        return self.table


@dataclass(frozen=True)
class TextHead:
    """The first lines of a csv file."""

    text: str
    kind: Kind = "csv"

    def rows(self, read: ReadSpec) -> Sequence[Sequence[str]]:
        """The first lines, separated."""
        return _csv_rows(self.text, read.delimiter)


@cache
def _csv_rows(text: str, delimiter: str) -> Sequence[Sequence[str]]:
    lines = io.StringIO(text, newline="")
    reader = split_lines(lines, delimiter)
    rows: list[list[str]] = []
    try:
        rows.extend(islice(reader, HEAD_ROWS))
    except csv.Error as error:
        # What stands below a readable header is judged when all of it is read.
        if not any(rows):
            raise RefusedFileError(f"its header cannot be read ({error}); export it again") from error
    return rows


def split_lines(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """The records of csv text; a strict reader, or words where any run of blanks separates."""
    if delimiter == WHITESPACE:
        return (line.split() for line in lines)
    return csv.reader(lines, delimiter=delimiter, strict=True)


@dataclass(frozen=True)
class Records:
    """The records of one file, counted by somebody else than DuckDB.

    Attributes
    ----------
    query : str
        SQL that reads them as text: ``record_no`` (from 1, counting every record), ``continued`` (the record
        goes on with the document above) and ``c0``, ``c1`` ….
    total : int
        All records after the header.
    ignored : int
        Those that are no data, such as blank lines and totals, which the query leaves out.
    misshapen : list of tuple of (int, str)
        Number and text of those without the header's number of fields, which the query leaves out too.
    encoding : str or None
        How the text was written, where that had to be found out.
    is_numbered : bool
        Whether ``record_no`` is the record's number. Otherwise the number is the record's place among all, which
        is cheaper to see when they are written: numbering them while they are read takes their turn from them.
    is_clean : bool
        Whether no cell holds anything but ASCII, or ends with a blank, as far as whoever counted them knows.
    """

    query: str
    total: int
    ignored: int = 0
    misshapen: list[tuple[int, str]] = field(default_factory=list)
    encoding: str | None = None
    is_numbered: bool = True
    is_clean: bool = False
