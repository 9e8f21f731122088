"""Opening DuckDB.

Belongs here: the settings that every connection of the project shares, the quoting of names, and the
translation of what can go wrong on opening. Does not belong here: queries.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from warehouse.errors import WarehouseError

__all__ = ["attached", "connect", "quote_literal", "quote_name"]

_MEMORY = ":memory:"
#: DuckDB 2.0.0 bounds a sum over rows joined with a single row (``as_of = (select max(as_of) …)``) as if there were few
#: of them, and answers comparisons with that sum from the bounds, wrongly. dbt's profile switches it off as well.
_DISABLED_OPTIMIZERS = "statistics_propagation"


@contextmanager
def connect(
    path: Path | str = _MEMORY,
    *,
    read_only: bool = False,
    memory_limit: str | None = None,
    temp_directory: Path | None = None,
    max_temp_directory_size: str | None = None,
    threads: int = 2,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database, and close it at the end of the block.

    Parameters
    ----------
    path : Path or str
        The database file; in memory by default.
    read_only : bool
        Open a file that others may read at the same time.
    memory_limit : str, optional
        Such as ``"2GB"``; DuckDB's default is 80 % of the machine.
    temp_directory : Path, optional
        Where to spill what does not fit. Without it a writable file spills beside itself, and a database that
        is in memory or only read does not spill: it must leave no trace in the working directory or in a
        release.
    max_temp_directory_size : str, optional
        Such as ``"20GB"``; by default half of what is free where `temp_directory` lies, so that a query out
        of bounds fails by itself instead of filling the disk for everybody.
    threads : int
        How many threads a query may use.

    Yields
    ------
    duckdb.DuckDBPyConnection
        Time zone UTC; never downloads an extension.

    Raises
    ------
    WarehouseError
        If the file is missing, is not a database, or is in use by a process that writes to it.
    """
    try:
        con = duckdb.connect(str(path), read_only=read_only)
    except duckdb.Error as error:
        raise _explain(path, error) from error
    try:
        # Set after connecting: options given on connecting must be equal on every connection to the file in
        # this process, and dbt opens the build file with options of its own.
        con.execute("set autoinstall_known_extensions = false")
        con.execute("set autoload_known_extensions = false")
        con.execute("set TimeZone = 'UTC'")
        con.execute("set preserve_insertion_order = true")
        con.execute(f"set disabled_optimizers = {quote_literal(_DISABLED_OPTIMIZERS)}")
        con.execute(f"set threads = {int(threads)}")
        if memory_limit is not None:
            con.execute(f"set memory_limit = {quote_literal(memory_limit)}")
        if temp_directory is not None:
            temp_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            limit = max_temp_directory_size or f"{shutil.disk_usage(temp_directory).free // 2} B"
            con.execute(f"set temp_directory = {quote_literal(temp_directory)}")
            con.execute(f"set max_temp_directory_size = {quote_literal(limit)}")
        elif read_only or str(path) == _MEMORY:
            con.execute("set temp_directory = ''")
        yield con
    finally:
        con.close()


@contextmanager
def attached(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    name: str,
    *,
    read_only: bool = False,
    storage_version: str | None = None,
) -> Iterator[None]:
    """Attach a database file under a name, and detach it at the end of the block.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        The connection to attach to.
    path : Path
        The database file; made if it is missing and `read_only` is false.
    name : str
        The catalog name.
    read_only : bool
        Attach a file that others may read at the same time.
    storage_version : str, optional
        The format of a file that is made, such as ``"v1.0.0"``: the oldest DuckDB that can read it.

    Raises
    ------
    WarehouseError
        As `connect`.
    """
    options = ["read_only"] if read_only else []
    if storage_version is not None:
        options.append(f"storage_version {quote_literal(storage_version)}")
    clause = f" ({', '.join(options)})" if options else ""
    try:
        con.execute(f"attach {quote_literal(path)} as {quote_name(name)}{clause}")
    except duckdb.Error as error:
        raise _explain(path, error) from error
    try:
        yield
    finally:
        con.execute(f"detach {quote_name(name)}")


def quote_name(*parts: str) -> str:
    """Return an SQL identifier, each of its parts quoted."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def quote_literal(value: object) -> str:
    """Return an SQL string literal."""
    return "'" + str(value).replace("'", "''") + "'"


def _explain(path: Path | str, error: duckdb.Error) -> WarehouseError:
    text = str(error)
    if "Could not set lock" in text:
        found = re.search(r"PID (\d+)", text)
        who = f"process {found[1]}" if found else "another process"
        return WarehouseError(f"{path} is in use by {who}; close it there, then try again.")
    if "different configuration" in text or "Unique file handle conflict" in text:
        return WarehouseError(f"{path} is still open elsewhere in this process; close that connection first.")
    if not Path(path).exists():
        return WarehouseError(f"{path} cannot be opened because it, or its folder, does not exist; check the home.")
    return WarehouseError(f"{path} cannot be opened as a database: {text.splitlines()[0]}")
