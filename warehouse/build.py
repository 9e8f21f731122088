"""What is put into the build file before and beside dbt.

Belongs here: the relations dbt reads as sources: raw feeds, the parameters of the run, predictions. Does not
belong here: any table that is SQL over other tables. Every function receives a connection and leaves whole
relations behind.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import duckdb

from warehouse.connection import quote_literal, quote_name
from warehouse.errors import WarehouseError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FeedFiles", "carry_over", "register_raw", "replace_table", "replace_table_from_numpy", "write_run_tables"]

RECORD_NO = "record_no"


@dataclass(frozen=True)
class FeedFiles:
    """The raw files of one feed.

    Attributes
    ----------
    columns : sequence of str
        Names in order. All are VARCHAR, except ``record_no``, which is BIGINT.
    files : sequence of Path
        The Parquet files to read, all of them and no others; may be empty.
    """

    columns: Sequence[str]
    files: Sequence[Path]

    @property
    def types(self) -> dict[str, str]:
        """The SQL type of each column."""
        return {column: "BIGINT" if column == RECORD_NO else "VARCHAR" for column in self.columns}


def register_raw(con: duckdb.DuckDBPyConnection, feeds: Mapping[str, FeedFiles]) -> None:
    """Put one relation per feed into the schema ``raw``: a view over its files, or else an empty table.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        The build file, writable.
    feeds : mapping of str to FeedFiles
        Feed name to its files. A relation of that name is replaced, of whichever kind it is.

    Raises
    ------
    WarehouseError
        If a file is missing, or a feed's files do not have its columns with its types.
    """
    con.execute("create schema if not exists raw")
    for feed, content in feeds.items():
        if not content.columns:
            raise WarehouseError(f"The raw feed {feed} has no columns; give it at least one.")
        if content.files:
            _create_view(con, feed, content)
        else:
            replace_table(con, "raw", feed, content.types, [])


def write_run_tables(
    con: duckdb.DuckDBPyConnection,
    *,
    as_of_dates: Iterable[tuple[date, str]],
    snapshot_as_of: Iterable[date],
    list_member_columns: Mapping[str, str],
    previous_list_members: Path | None = None,
    release: Mapping[str, tuple[str, object]] | None = None,
) -> None:
    """Write the parameters of a run into the schema ``run``.

    Values that change from night to night are tables, because a changed dbt variable costs a full parse.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        The build file, writable.
    as_of_dates : iterable of (date, str)
        ``run.as_of_dates``: each day that snapshots are wanted for, and what for.
    snapshot_as_of : iterable of date
        ``run.snapshot_as_of``: the day, or days, that the snapshot model computes now.
    list_member_columns : mapping of str to str
        Column to SQL type of ``run.previous_list_members``.
    previous_list_members : Path, optional
        The ``list_members.parquet`` of an earlier release; without it the table is empty. A column that the
        file does not have yet is NULL, and one that nobody asks for any more is left out.
    release : mapping of str to (str, object), optional
        ``run.release``, one row: column to its SQL type and value.
    """
    replace_table(con, "run", "as_of_dates", {"as_of": "DATE", "purpose": "VARCHAR"}, as_of_dates)
    replace_table(con, "run", "snapshot_as_of", {"as_of": "DATE"}, ((day,) for day in snapshot_as_of))
    if release is not None:
        types = {name: kind for name, (kind, _) in release.items()}
        replace_table(con, "run", "release", types, [[value for _, value in release.values()]])

    carry_over(con, "previous_list_members", list_member_columns, previous_list_members)


def carry_over(con: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, str], *files: Path | None) -> None:
    """Put what was published of a table earlier into the schema ``run``, in the shape of today.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        The build file, writable.
    name : str
        Name of the table to make; whatever has it is replaced.
    columns : mapping of str to str
        Column to SQL type, in order. A column that no file has yet is NULL, and one that nobody asks for any more
        is left out.
    *files : Path or None
        The table as Parquet, in as many parts as there are; without any the new table is empty.

    Raises
    ------
    WarehouseError
        If a file is not readable as such a table.
    """
    parts = [file for file in files if file is not None]
    if not parts:
        replace_table(con, "run", name, columns, [])
        return
    listed = ", ".join(quote_literal(file) for file in parts)
    source = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
    try:
        present = {row[0] for row in con.execute(f"describe select * from {source}").fetchall()}
        selected = ", ".join(
            f"cast({quote_name(column) if column in present else 'null'} as {kind}) as {quote_name(column)}"
            for column, kind in columns.items()
        )
        _create_table(con, "run", name, f"select {selected} from {source}")
    except duckdb.Error as error:
        raise WarehouseError(
            f"{parts[0]} cannot be read as a table of an earlier release: {_first_line(error)}"
        ) from error


def replace_table(
    con: duckdb.DuckDBPyConnection,
    schema: str,
    name: str,
    columns: Mapping[str, str],
    rows: Iterable[Sequence[object]],
) -> None:
    """Write a small table of Python values, replacing whatever had its name.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        The build file, writable.
    schema, name : str
        The table; the schema is made if it is missing.
    columns : mapping of str to str
        Column to SQL type, in order.
    rows : iterable of sequences
        One value per column; None is NULL.

    Raises
    ------
    WarehouseError
        If a row has another number of values, or a value does not fit its type.
    """
    table = quote_name(schema, name)
    if not columns:
        raise WarehouseError(f"The table {table} has no columns; give it at least one.")
    try:
        values = [list(column) for column in zip(*_checked(rows, len(columns)), strict=True)]
        # One list per column and one statement: DuckDB inserts row by row a thousand times slower.
        select = ", ".join(f"unnest(cast(? as {kind}[])) as {quote_name(column)}" for column, kind in columns.items())
        _create_table(con, schema, name, f"select {select}", values or [[] for _ in columns])
    except (ValueError, duckdb.Error) as error:
        raise WarehouseError(f"The rows do not fit the table {table}: {_first_line(error)}") from error


def replace_table_from_numpy(
    con: duckdb.DuckDBPyConnection, schema: str, name: str, columns: "Mapping[str, NDArray[Any]]"
) -> None:
    """Write a table of arrays, replacing whatever had its name.

    NaN, NaT and None become NULL, for numpy has no other way to say that a value is missing.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        The build file, writable.
    schema, name : str
        The table; the schema is made if it is missing.
    columns : mapping of str to ndarray, shape (n,)
        Numbers, booleans, text, or ``datetime64``, which becomes DATE at day resolution and TIMESTAMP
        otherwise.

    Raises
    ------
    WarehouseError
        If the arrays differ in length, are not one-dimensional, or have a type no column can have.
    """
    table = quote_name(schema, name)
    shapes = {column: array.shape for column, array in columns.items()}
    if len(set(shapes.values())) != 1 or any(len(shape) != 1 for shape in shapes.values()):
        raise WarehouseError(f"The columns of {table} must be one-dimensional and of one length, but are {shapes}.")
    select = ", ".join(_typed(column, array) for column, array in columns.items())
    try:
        con.register("_arrays", {column: _readable(array) for column, array in columns.items()})
        try:
            _create_table(con, schema, name, f"select {select} from _arrays")
        finally:
            con.unregister("_arrays")
    except duckdb.Error as error:
        raise WarehouseError(f"The arrays do not fit the table {table}: {_first_line(error)}") from error


def _create_view(con: duckdb.DuckDBPyConnection, feed: str, content: FeedFiles) -> None:
    missing = [path for path in content.files if not path.is_file()]
    if missing:
        raise WarehouseError(f"{missing[0]}, a raw file of the feed {feed}, is missing; read the landing folder again.")
    files = ", ".join(quote_literal(path.absolute()) for path in content.files)
    columns = ", ".join(quote_name(column) for column in content.columns)
    view = quote_name("raw", feed)
    _drop(con, "table", "raw", feed)
    try:
        con.execute(
            f"create or replace view {view} as select {columns} "
            f"from read_parquet([{files}], union_by_name = true, hive_partitioning = false)"
        )
        found = {row[0]: row[1] for row in con.execute(f"describe {view}").fetchall()}
    except duckdb.Error as error:
        raise WarehouseError(f"The raw files of the feed {feed} cannot be read: {_first_line(error)}") from error
    for column, kind in content.types.items():
        if found[column] != kind:
            raise WarehouseError(
                f"{content.files[0]}, a raw file of the feed {feed}, has {column} as {found[column]} "
                f"instead of {kind}; delete it and read the landing folder again."
            )


def _create_table(
    con: duckdb.DuckDBPyConnection, schema: str, name: str, query: str, values: Sequence[object] = ()
) -> None:
    """Write a table in one statement, so that the old one stays if it fails."""
    con.execute(f"create schema if not exists {quote_name(schema)}")
    _drop(con, "view", schema, name)
    con.execute(f"create or replace table {quote_name(schema, name)} as {query}", values)


def _drop(con: duckdb.DuckDBPyConnection, kind: Literal["table", "view"], schema: str, name: str) -> None:
    """Drop a relation if it is of that kind; neither ``or replace`` nor ``if exists`` skips the other."""
    query = (
        f"select 1 from duckdb_{kind}s() "
        f"where database_name = current_database() and schema_name = ? and {kind}_name = ?"
    )
    if con.execute(query, [schema, name]).fetchone():
        con.execute(f"drop {kind} {quote_name(schema, name)}")


def _checked(rows: Iterable[Sequence[object]], width: int) -> Iterable[Sequence[object]]:
    for number, row in enumerate(rows, start=1):
        if len(row) != width:
            raise ValueError(f"row {number} has {len(row)} values instead of {width}.")
        yield row


def _typed(column: str, array: "NDArray[Any]") -> str:
    """Return the column as it is selected, typed by its dtype where its values may leave doubt."""
    name = quote_name(column)
    if array.dtype == "datetime64[D]":
        return f"cast({name} as date) as {name}"
    # The type of text would otherwise be read off the values, and there may be none.
    return f"cast({name} as varchar) as {name}" if array.dtype.kind in "UO" else name


def _readable(array: "NDArray[Any]") -> "NDArray[Any]":
    """Return the array as DuckDB scans it: it knows no days, and would make an ENUM of fixed-width text."""
    if array.dtype.kind == "M":
        return array.astype("datetime64[us]")
    return array.astype(object) if array.dtype.kind == "U" else array


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
