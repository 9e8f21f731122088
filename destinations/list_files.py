"""Lists as twin files: a CSV that a person opens in a spreadsheet, a Parquet that a machine reads.

Belongs here: encoding, quoting, and what a spreadsheet must not execute. Does not belong here: columns and
rows (SQL decides those).
"""

from __future__ import annotations

import codecs
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

__all__ = ["CONTROL", "write_csv", "write_list", "write_parquet"]

#: Suffix of the file that holds the customers nobody may contact, so that the effect of the others can be
#: measured.
CONTROL = "control"
# A spreadsheet takes a cell that begins so for a formula; full-width signs count too (OWASP, CSV injection).
_FORMULA = r"^[\s\x00]*[=+\-@＝＋－＠\t\r]"


def write_list(con: duckdb.DuckDBPyConnection, list_id: str, folder: Path) -> int:
    """Write the rows of one list from ``core.list_rows``.

    Parameters
    ----------
    con : DuckDBPyConnection
        The build file.
    list_id : str
        The list; it names the files: ``<list_id>.csv`` and ``.parquet`` for those who are to be contacted,
        and
        ``<list_id>.control.parquet`` for those who are not.
    folder : Path
        Where to write; made if it is missing.

    Returns
    -------
    int
        Rows to be contacted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = f"select * from core.list_rows where list_id = '{list_id}' and arm = "
    order = " order by priority_rank, alert_id"
    write_parquet(con, f"{rows}'treat'{order}", folder / f"{list_id}.parquet")
    write_parquet(con, f"{rows}'control'{order}", folder / f"{list_id}.{CONTROL}.parquet")
    write_csv(con, f"{rows}'treat'{order}", folder / f"{list_id}.csv")
    return int(con.execute(f"select count(*) from ({rows}'treat')").fetchall()[0][0])


def write_parquet(con: duckdb.DuckDBPyConnection, query: str, file: Path) -> None:
    """Write the rows of a query, in its order, with the same bytes for the same rows."""
    con.execute(f"copy ({query}) to '{_quoted(file)}' (format parquet, compression zstd)")


def write_csv(con: duckdb.DuckDBPyConnection, query: str, file: Path) -> None:
    """UTF-8 with a byte order mark, every cell quoted, no cell that a spreadsheet would execute."""
    columns = con.execute(f"describe {query}").fetchall()
    cells = ", ".join(
        f"""case when regexp_matches("{name}", '{_FORMULA}') then '''' || "{name}" else "{name}" end as "{name}" """
        if kind == "VARCHAR"
        else f'"{name}"'
        for name, kind, *_ in columns
    )
    body = file.with_suffix(".body")
    con.execute(f"copy (select {cells} from ({query})) to '{_quoted(body)}' (format csv, header, force_quote *)")
    with file.open("wb") as out, body.open("rb") as rows:
        out.write(codecs.BOM_UTF8)
        shutil.copyfileobj(rows, out)
    body.unlink()


def _quoted(file: Path) -> str:
    return str(file).replace("'", "''")
