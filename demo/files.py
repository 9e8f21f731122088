"""Files as systems write them: text in its encoding, workbooks, archives. The same rows make the same bytes.

Belongs here: bytes. Does not belong here: what stands in them (``sheets.py``, ``exports/``).
"""

import codecs
import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import duckdb

from demo.spelling import literal

__all__ = ["EXCEL_ROWS", "Csv", "Workbook", "write_archive", "write_csv", "write_workbook"]

EXCEL_ROWS = 1_048_576
"""So many rows has a sheet."""

_CHUNK = 8 << 20
_ROWS_AT_ONCE = 20_000


@dataclass(frozen=True)
class Csv:
    """How a system writes text.

    Attributes
    ----------
    encoding : str
        Encoding of the bytes.
    newline : str
        What ends a record.
    quoted : bool
        Every cell stands in quotes, not only those that need them.
    above, below : sequence of sequence of str
        Rows that stand above the header, and below it before the records.
    """

    encoding: str = "utf-8"
    newline: str = "\n"
    quoted: bool = False
    above: Sequence[Sequence[str]] = ()
    below: Sequence[Sequence[str]] = ()


@dataclass(frozen=True)
class Workbook:
    """How a system fills a sheet.

    Attributes
    ----------
    sheet : str
        Its name.
    numbers, times : frozenset of str
        Headers whose cells are numbers, or times of day; all others are text.
    """

    sheet: str
    numbers: frozenset[str] = frozenset()
    times: frozenset[str] = frozenset()


def write_csv(
    con: duckdb.DuckDBPyConnection, query: str, headers: Sequence[str], layout: Csv, target: BinaryIO, work: Path
) -> None:
    """Write the rows of a query as text.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Where the rows are.
    query : str
        SQL of one VARCHAR per header; an empty cell is NULL.
    headers : sequence of str
        The header.
    layout : Csv
        How text is written.
    target : file
        Takes the bytes.
    work : Path
        Folder for the rows before they are encoded.
    """
    draft = work / "rows.csv"
    if layout.quoted:
        query = f"select coalesce(columns(*), '') from ({query})"
    force = ", force_quote *" if layout.quoted else ""
    con.execute(f"copy ({query}) to {literal(str(draft))} (format csv, header false{force})")
    encode = codecs.getincrementalencoder(layout.encoding)().encode
    decode = codecs.getincrementaldecoder("utf-8")().decode
    is_plain = layout.encoding == "utf-8" and layout.newline == "\n"
    with draft.open("rb") as rows:
        target.write(encode(_lines([*layout.above, list(headers), *layout.below], layout)))
        while chunk := rows.read(_CHUNK):
            target.write(chunk if is_plain else encode(decode(chunk).replace("\n", layout.newline)))
    draft.unlink()


def _lines(rows: Sequence[Sequence[str]], layout: Csv) -> str:
    text = io.StringIO()
    if layout.quoted:
        writer = csv.writer(text, lineterminator=layout.newline, quoting=csv.QUOTE_ALL)
    else:
        writer = csv.writer(text, lineterminator=layout.newline)
    writer.writerows(rows)
    return text.getvalue()


def write_workbook(
    con: duckdb.DuckDBPyConnection, query: str, headers: Sequence[str], layout: Workbook, target: Path, at: datetime
) -> None:
    """Write the rows of a query into the sheet of a workbook, one after the other.

    Parameters
    ----------
    con, query, headers
        As for ``write_csv``.
    layout : Workbook
        What is no text.
    target : Path
        The workbook.
    at : datetime
        When it says that it was made.
    """
    import xlsxwriter

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(str(target), options) as book:
        book.set_properties({"created": at})
        sheet = book.add_worksheet(layout.sheet)
        time = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        sheet.write_row(0, 0, headers)
        for number, cells in enumerate(_rows(con, query), start=1):
            for place, (header, text) in enumerate(zip(headers, cells, strict=True)):
                if text is None:
                    continue
                if header in layout.numbers and (value := _number(text)) is not None:
                    sheet.write_number(number, place, value)
                elif header in layout.times and (moment := _time(text)) is not None:
                    sheet.write_datetime(number, place, moment, time)
                else:
                    sheet.write_string(number, place, text)


def _rows(con: duckdb.DuckDBPyConnection, query: str) -> Iterator[tuple[str | None, ...]]:
    found = con.execute(query)
    while rows := found.fetchmany(_ROWS_AT_ONCE):
        yield from rows


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return None


def write_archive(members: Sequence[tuple[str, Path]], target: Path, at: datetime) -> None:
    """Pack files into an archive in which every member is of one time.

    Parameters
    ----------
    members : sequence of (str, Path)
        Name in the archive, and the file.
    target : Path
        The archive.
    at : datetime
        Time of the members, on the clock of whoever packs.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, file in members:
            entry = zipfile.ZipInfo(name, at.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            with archive.open(entry, "w", force_zip64=True) as member, file.open("rb") as content:
                while chunk := content.read(_CHUNK):
                    member.write(chunk)
