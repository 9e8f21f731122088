"""What a reader of one file format hands on.

Belongs here: the shape that all formats share. Does not belong here: any format.
"""

from dataclasses import dataclass, field

__all__ = ["Records"]


@dataclass(frozen=True)
class Records:
    """The records of one file, counted by somebody else than DuckDB.

    Attributes
    ----------
    query : str
        SQL that reads them as text: ``record_no`` (from 1, counting every record) and ``c0``, ``c1`` ….
    total : int
        All records after the header.
    blank : int
        Blank lines among them, which the query leaves out.
    misshapen : list of tuple of (int, str)
        Number and text of those without the header's number of fields, which the query leaves out too.
    """

    query: str
    total: int
    blank: int = 0
    misshapen: list[tuple[int, str]] = field(default_factory=list)
