"""Records of a Parquet file, as text.

Belongs here: what is particular to Parquet. Does not belong here: what a column means.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import duckdb

from sources.errors import RefusedFileError
from sources.landing import Member, chunks
from sources.limits import Limits
from sources.sql import ask, literal, name
from sources.tables import Records, TableHead

__all__ = ["parquet_head", "read_parquet"]


def parquet_head(con: duckdb.DuckDBPyConnection, member: Member, desk: Path, limits: Limits) -> TableHead:
    """Column names of a Parquet file; a member of an archive is unpacked onto the desk.

    Raises
    ------
    RefusedFileError
        If it is not a whole Parquet file.
    """
    file = member.path
    if member.entry is not None:
        file = desk / "header.parquet"
        _copy(member, file, limits)
    try:
        rows = ask(con, f"DESCRIBE SELECT * FROM read_parquet({literal(file)})")
    except (duckdb.InvalidInputException, duckdb.IOException) as error:
        raise RefusedFileError("it is not a whole Parquet file, though its name says so; export it again") from error
    return TableHead("parquet", [[str(row[0]) for row in rows]])


def read_parquet(
    con: duckdb.DuckDBPyConnection,
    member: Member,
    delivery_id: str,
    desk: Path,
    header: Sequence[str],
    limits: Limits,
) -> Records:
    """Copy a Parquet file, so that it cannot change while it is read, and count its rows by its own footer.

    Raises
    ------
    RefusedFileError
        If it changed since it was looked at.
    """
    file = desk / "records.parquet"
    if _copy(member, file, limits) != delivery_id:
        raise RefusedFileError("it changed while it was being read; run again when it is complete")
    [(rows,)] = ask(con, f"SELECT num_rows FROM parquet_file_metadata({literal(file)})")
    columns = ", ".join(f"CAST({name(column)} AS VARCHAR) AS c{position}" for position, column in enumerate(header))
    query = (
        f"SELECT row_number() OVER () AS record_no, false AS continued, {columns} FROM read_parquet({literal(file)})"
    )
    return Records(query, int(rows))


def _copy(member: Member, target: Path, limits: Limits) -> str:
    """Copy the bytes; returns their SHA-256 in hexadecimal."""
    total = hashlib.sha256()
    with target.open("wb") as copy:
        for piece in chunks(member, limits):
            total.update(piece)
            copy.write(piece)
    return total.hexdigest()
