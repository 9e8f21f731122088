"""Writing SQL text and running it.

Belongs here: quoting, and the two ways of asking a connection. Does not belong here: any particular query.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb

__all__ = ["ask", "file_list", "literal", "name", "one_of", "run"]


def literal(value: str | int | Path | None) -> str:
    """Write a value as an SQL literal."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


def name(identifier: str) -> str:
    """Quote an identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def file_list(files: Iterable[Path]) -> str:
    """Write paths as an SQL list of strings."""
    return "[" + ", ".join(literal(file) for file in files) + "]"


def run(con: duckdb.DuckDBPyConnection, query: str) -> None:
    """Run a statement to its end.

    DuckDB 2 streams results, and a connection with an unread result refuses other work.
    """
    con.execute(query).fetchall()


def ask(con: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    rows: list[tuple[Any, ...]] = con.execute(query).fetchall()
    return rows


def one_of(expression: str, values: Iterable[str]) -> str:
    """SQL that tells whether a text is one of some values.

    An expression and not `IN`: of a longer list DuckDB makes a join, which is done for all rows even where a CASE
    asks for few of them, and which rows leave in another order.
    """
    return f"regexp_full_match({expression}, {literal('|'.join(map(re.escape, values)))})"
