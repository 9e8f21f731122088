"""Copying finished tables out of the build file, into the formats that readers open.

Belongs here: the database file and the Parquet files of a release. Does not belong here: the computation of a
table, and the moment at which a release becomes visible (``releases.py``).
"""

import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

import duckdb

from warehouse.connection import attached, connect, quote_literal, quote_name
from warehouse.errors import WarehouseError

__all__ = [
    "DATABASE",
    "MARTS",
    "RELEASE_TABLE",
    "STORAGE_VERSION",
    "count_rows",
    "export_marts",
    "stamp_release",
]

DATABASE = "warehouse.duckdb"
MARTS = "marts"
RELEASE_TABLE = "release"
# The oldest format costs neither size nor time worth naming, and everything since DuckDB 1.0 reads it.
STORAGE_VERSION = "v1.0.0"

_PUBLICATION = "publication"
_TABLE_NAME = re.compile(r"[a-z][a-z0-9_]*")
# Flat types that every reader knows. Integer sums are HUGEINT, which Parquet would store as DOUBLE.
_FLAT_TYPE = re.compile(
    r"BOOLEAN|U?(TINYINT|SMALLINT|INTEGER|BIGINT)|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\)|VARCHAR|DATE|TIME|TIMESTAMP"
)


def export_marts(
    build_file: Path,
    work: Path,
    tables: Mapping[str, Sequence[str]],
    *,
    storage_version: str = STORAGE_VERSION,
    memory_limit: str | None = None,
    threads: int = 2,
) -> dict[str, int]:
    """Write the tables of the schema ``marts`` as ``warehouse.duckdb`` and as ``marts/<table>.parquet``.

    The same rows give the same Parquet bytes, whatever order they are computed in.

    Parameters
    ----------
    build_file : Path
        The build file; it is only read, and must not be open for writing.
    work : Path
        The folder of the unfinished release. What an earlier attempt left in it is replaced.
    tables : mapping of str to sequence of str
        Table to the columns it is ordered by.
    storage_version : str
        The format of the database file: the oldest DuckDB that can read it.
    memory_limit : str, optional
        As of `connect`.
    threads : int
        As of `connect`.

    Returns
    -------
    dict of str to int
        Rows per table.

    Raises
    ------
    WarehouseError
        If a table or one of its key columns is missing, or a column has a type that some readers cannot take.
    """
    database = work / DATABASE
    for leftover in (database, database.with_name(f"{DATABASE}.wal")):
        leftover.unlink(missing_ok=True)
    shutil.rmtree(work / MARTS, ignore_errors=True)
    (work / MARTS).mkdir()
    # Views of the build file name their catalog, which is the stem of the file.
    source, spill = build_file.stem, work.with_name(f"{work.name}.spill")
    try:
        with (
            connect(memory_limit=memory_limit, threads=threads, temp_directory=spill) as con,
            attached(con, build_file, source, read_only=True),
            attached(con, database, _PUBLICATION, storage_version=storage_version),
        ):
            con.execute(f"create schema {quote_name(_PUBLICATION, MARTS)}")
            for table, key in tables.items():
                _check(con, source, table, key)
                # Rows of an equal key are ordered by their content, so that bytes never depend on the
                # threads.
                order = ", ".join([*(f"{quote_name(column)} nulls first" for column in key), "hash(_row)"])
                con.execute(
                    f"create table {_published(table)} as "
                    f"select * from {quote_name(source, MARTS, table)} as _row order by {order}"
                )
                _write_parquet(con, table, work)
            con.execute(f"checkpoint {_PUBLICATION}")
            return _count(con, _PUBLICATION)
    except duckdb.Error as error:
        raise WarehouseError(f"{database} could not be written: {str(error).splitlines()[0]}") from error
    finally:
        shutil.rmtree(spill, ignore_errors=True)


def stamp_release(
    work: Path,
    *,
    seq: int,
    run_id: str,
    as_of: date,
    published_at: datetime,
    code_version: str,
    config_hash: str,
    storage_version: str = STORAGE_VERSION,
) -> dict[str, int]:
    """Add ``marts.release``, one row that says which release this is, and fold the log into the file.

    Parameters
    ----------
    work : Path
        The folder that `export_marts` wrote to.
    seq, run_id, as_of, published_at, code_version, config_hash
        The row; `published_at` is UTC.
    storage_version : str
        The format of the database file.

    Returns
    -------
    dict of str to int
        Rows per table, this one included.
    """
    database = work / DATABASE
    if not database.is_file():
        raise WarehouseError(f"{database} is missing; export the marts before publishing.")
    # A stamp that is repeated after a failure meets files that are sealed already.
    database.chmod(0o600)
    row = {
        "seq": f"cast({int(seq)} as integer)",
        "run_id": quote_literal(run_id),
        "as_of": f"date {quote_literal(as_of.isoformat())}",
        "published_at": f"timestamp {quote_literal(published_at.strftime('%Y-%m-%d %H:%M:%S'))}",
        "code_version": quote_literal(code_version),
        "config_hash": quote_literal(config_hash),
    }
    columns = ", ".join(f"{value} as {name}" for name, value in row.items())
    try:
        with connect() as con, attached(con, database, _PUBLICATION, storage_version=storage_version):
            con.execute(f"create or replace table {_published(RELEASE_TABLE)} as select {columns}")
            _write_parquet(con, RELEASE_TABLE, work)
            con.execute(f"checkpoint {_PUBLICATION}")
            return _count(con, _PUBLICATION)
    except duckdb.Error as error:
        raise WarehouseError(f"{database} could not be stamped: {str(error).splitlines()[0]}") from error


def count_rows(release: Path) -> dict[str, int]:
    """Return the rows of each published table, after checking that its Parquet file has as many.

    Parameters
    ----------
    release : Path
        The folder of a release.

    Raises
    ------
    WarehouseError
        If the database does not open, or it and a Parquet file differ.
    """
    try:
        with connect() as con, attached(con, release / DATABASE, _PUBLICATION, read_only=True):
            counts = _count(con, _PUBLICATION)
            for table, rows in counts.items():
                file = release / MARTS / f"{table}.parquet"
                found = _scalar(con, f"select count(*) from read_parquet({quote_literal(file)})")
                if found != rows:
                    raise WarehouseError(f"{file} has {found} rows, but the table in {DATABASE} has {rows}.")
            return counts
    except duckdb.Error as error:
        raise WarehouseError(f"{release / DATABASE} cannot be read: {str(error).splitlines()[0]}") from error


def _check(con: duckdb.DuckDBPyConnection, source: str, table: str, key: Sequence[str]) -> None:
    if not _TABLE_NAME.fullmatch(table) or table == RELEASE_TABLE:
        raise WarehouseError(f"{table!r} cannot be the name of a published table; use a-z, 0-9 and _.")
    try:
        described = con.execute(f"describe {quote_name(source, MARTS, table)}").fetchall()
    except duckdb.CatalogException as error:
        raise WarehouseError(f"The table marts.{table} is not in the build file; build it first.") from error
    types = {str(row[0]): str(row[1]) for row in described}
    for column in key:
        if column not in types:
            raise WarehouseError(f"marts.{table} has no column {column} to be ordered by; correct its key.")
    for column, kind in types.items():
        if not _FLAT_TYPE.fullmatch(kind):
            advice = "bigint" if "HUGEINT" in kind else "a flat type, such as timestamp, varchar or double"
            raise WarehouseError(
                f"marts.{table}.{column} is {kind}, which not every reader can take; cast it to {advice}."
            )


def _write_parquet(con: duckdb.DuckDBPyConnection, table: str, work: Path) -> None:
    file = quote_literal(work / MARTS / f"{table}.parquet")
    # Read from the table as it was stored: its order is settled, so any number of threads writes the same
    # bytes.
    con.execute(f"copy {_published(table)} to {file} (format parquet, compression zstd)")


def _published(table: str) -> str:
    return quote_name(_PUBLICATION, MARTS, table)


def _count(con: duckdb.DuckDBPyConnection, catalog: str) -> dict[str, int]:
    tables = con.execute(
        "select table_name from duckdb_tables() where database_name = ? and schema_name = ? order by 1",
        [catalog, MARTS],
    ).fetchall()
    return {name: _scalar(con, f"select count(*) from {quote_name(catalog, MARTS, name)}") for (name,) in tables}


def _scalar(con: duckdb.DuckDBPyConnection, query: str) -> int:
    row = con.execute(query).fetchone()
    if row is None:
        raise WarehouseError(f"No row came back from: {query}")
    return int(row[0])
