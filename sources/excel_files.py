"""Workbooks as rows of text.

Belongs here: what can be wrong with an xlsx file before it is opened, its sheets, and the text of a cell. Does not
belong here: which row is the header (``headers.py``) and what a column means.

A workbook is a zip archive of XML. Its parts are looked through as bytes first: how large they are, whether they
declare entities, hold macros, or formulas whose result was never stored. Only then is it opened.
"""

import hashlib
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

from sources.errors import RefusedFileError
from sources.headers import fits
from sources.landing import Member, chunks
from sources.limits import Limits
from sources.planning import Plan
from sources.rows import settle
from sources.tables import HEAD_ROWS, Records, TableHead

__all__ = ["Workbook", "cell_text", "open_workbook", "read_sheet", "sheet_head"]

_OLE = b"\xd0\xcf\x11\xe0"
_CELL = re.compile(rb"<(?:\w+:)?c[\s>]")
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s>/]")
# No cell lies in another, so the look at one ends where the next begins: a cell that is never closed costs no more.
_ONE_CELL = re.compile(rb"<(?:\w+:)?c(?:\s[^<>]*)?(?<!/)>((?:[^<]++|<(?!(?:\w+:)?c[\s>]))*?)</(?:\w+:)?c>", re.DOTALL)
_REFERENCE = re.compile(rb'\sr="([A-Z]+\d+)"')
_STORED = re.compile(rb"<(?:\w+:)?v\s*(?:xml:space=\"preserve\")?>[^<]")
_DOCTYPE = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    RuntimeError,
    ValueError,
    EOFError,
    OSError,
)
"""What reading a damaged archive ends with."""
_PIECE = 1 << 20
_OVERLAP = 64


@dataclass(frozen=True)
class Workbook:
    """A workbook that was looked through and may be opened.

    Attributes
    ----------
    path : Path
        A copy that nobody else writes to.
    delivery_id : str
        SHA-256 of the file.
    book : CalamineWorkbook
        The open workbook.
    """

    path: Path
    delivery_id: str
    book: CalamineWorkbook

    def sheets(self) -> list[str]:
        """Names of the visible sheets on which something is written."""
        shown = [
            sheet.name
            for sheet in self.book.sheets_metadata
            if sheet.visible == SheetVisibleEnum.Visible and sheet.typ == SheetTypeEnum.WorkSheet
        ]
        return [name for name in shown if self.book.get_sheet_by_name(name).height]

    def chosen(self, patterns: tuple[str, ...]) -> list[str]:
        """The sheets to read: those that are named, else the only one.

        Raises
        ------
        RefusedFileError
            If there is none, or nobody says which of several.
        """
        sheets = self.sheets()
        found = [name for name in sheets if fits(name, patterns)]
        if found or len(sheets) == 1:
            return found or sheets
        if not sheets:
            raise RefusedFileError("nothing is written on its visible sheets; export it again")
        raise RefusedFileError(
            f"it has several sheets ({', '.join(sheets)}); say which one to read with "
            "'files: {\"<name>*\": {read: {sheet: <sheet>}}}' in source.yml beside the file, or remove the others"
        )

    def identity(self, sheet: str) -> str:
        """What a delivery of one sheet is known by: the file, and the sheet where there are several."""
        if self.sheets() == [sheet]:
            return self.delivery_id
        return hashlib.sha256(f"{self.delivery_id}#{sheet}".encode()).hexdigest()


def open_workbook(member: Member, desk: Path, limits: Limits) -> Workbook:
    """Copy a workbook, look it through, and open it.

    Raises
    ------
    RefusedFileError
        If it is no workbook, too large, protected, or holds what would be lost in reading.
    """
    copy = desk / "workbook.xlsx"
    total = hashlib.sha256()
    with copy.open("wb") as target:
        for piece in chunks(member, limits):
            total.update(piece)
            target.write(piece)
    _look_through(copy, limits)
    try:
        return Workbook(copy, total.hexdigest(), CalamineWorkbook.from_path(str(copy)))
    except PasswordError as error:
        raise RefusedFileError("it is protected by a password; save it without one") from error
    except (CalamineError, OSError, ValueError) as error:
        raise RefusedFileError(f"it is not a whole workbook ({error}); export it again") from error


def _look_through(path: Path, limits: Limits) -> None:
    start = path.open("rb").read(4)
    if start == _OLE:
        raise RefusedFileError("it is an old workbook, or one with a password; save it as .xlsx without a password")
    if not start.startswith(b"PK"):
        raise RefusedFileError("it is no workbook, though its name says so: perhaps a web page or csv; export it again")
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            _refuse_size(parts, path.stat().st_size, limits)
            for part in parts:
                if part.filename.casefold().endswith("vbaproject.bin"):
                    raise RefusedFileError("it holds macros; save it as .xlsx without them")
                if part.flag_bits & 0x1:
                    raise RefusedFileError("it is encrypted; save it without a password")
                if part.filename.casefold().endswith((".xml", ".rels")):
                    _look_through_part(archive, part, limits)
    except _DAMAGES as error:
        raise RefusedFileError("it is not a whole workbook, though its name says so; export it again") from error


def _refuse_size(parts: list[zipfile.ZipInfo], packed: int, limits: Limits) -> None:
    if len(parts) > limits.workbook_parts:
        raise RefusedFileError(f"it has more than {limits.workbook_parts} parts; save it as a plain .xlsx")
    unpacked = sum(part.file_size for part in parts)
    if unpacked > limits.workbook_bytes:
        raise RefusedFileError(f"it unpacks to more than {limits.workbook_bytes / 10**9:g} GB; export it as csv")
    if unpacked > limits.workbook_ratio * packed and unpacked > limits.ratio_floor:
        raise RefusedFileError(
            f"it unpacks to more than {limits.workbook_ratio} times its size, as archive bombs do; export it as csv"
        )


def _look_through_part(archive: zipfile.ZipFile, part: zipfile.ZipInfo, limits: Limits) -> None:
    """Look for what must not be there in one part, a piece at a time."""
    is_sheet = "/worksheets/" in part.filename and part.filename.casefold().endswith(".xml")
    cells = read = 0
    has_formula = False
    rest = b""
    with archive.open(part) as stream:
        while piece := stream.read(_PIECE):
            read += len(piece)
            if read == len(piece) and piece[:2] in (b"\xff\xfe", b"\xfe\xff", b"\x00<", b"<\x00"):
                raise RefusedFileError("its XML is not in UTF-8; save it again as .xlsx")
            if read > part.file_size:
                raise RefusedFileError("its parts are larger than they claim, as archive bombs are; export it again")
            window = rest + piece
            if _DOCTYPE.search(window):
                raise RefusedFileError("it declares XML entities, which no spreadsheet does; it was not opened")
            if is_sheet:
                # What ends inside the overlap was counted with the piece before.
                cells += sum(match.end() > len(rest) for match in _CELL.finditer(window))
                has_formula = has_formula or _FORMULA.search(window) is not None
                if cells > limits.workbook_cells:
                    raise RefusedFileError(
                        f"a sheet has more than {limits.workbook_cells // 10**6} million cells; export it as csv"
                    )
            rest = window[-_OVERLAP:]
    if has_formula:
        _refuse_formulas_without_result(archive, part)


def _refuse_formulas_without_result(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """A formula whose result was not stored would be read as an empty cell."""
    for opening, content in _cells(archive.read(part)):
        if _FORMULA.search(content) and not _STORED.search(content) and b't="str"' not in opening:
            where = _REFERENCE.search(opening)
            place = f" (cell {where[1].decode()})" if where else ""
            raise RefusedFileError(
                f"it holds a formula whose result was not saved{place}; open it, save it and send it again, "
                "or paste the values"
            )


def _cells(sheet: bytes) -> Iterator[tuple[bytes, bytes]]:
    for match in _ONE_CELL.finditer(sheet):
        yield match[0][: match[0].index(b">") + 1], match[1]


def sheet_head(workbook: Workbook, sheet: str) -> TableHead:
    """The first rows of a sheet."""
    rows = []
    for row in workbook.book.get_sheet_by_name(sheet).iter_rows():
        rows.append([cell_text(cell) for cell in row])
        if len(rows) >= HEAD_ROWS:
            break
    return TableHead("xlsx", rows)


def read_sheet(workbook: Workbook, sheet: str, desk: Path, plan: Plan) -> Records:
    """Write down the records of one sheet.

    Raises
    ------
    RefusedFileError
        If cells are merged where the system merges none: which rows they belong to would be a guess.
    """
    page = workbook.book.get_sheet_by_name(sheet)
    filled, _ = plan.filled()
    for (top, _left), (bottom, _right) in page.merged_cell_ranges or []:
        if top < bottom and bottom >= plan.header.rows and not filled:
            raise RefusedFileError(
                f"cells are merged in the rows {top + 1} to {bottom + 1} of the sheet {sheet!r}; unmerge them, or say "
                "with 'fill_down' in source.yml which columns stand on the first row of a document only"
            )
    rows = ([cell_text(cell) for cell in row] for row in page.iter_rows())
    return settle(rows, plan, desk / "records.csv", is_padded=True)


def cell_text(value: Any) -> str:
    """The text of a cell, as a csv export of the sheet would have it.

    Numbers lose the noise of binary arithmetic and, from sixteen digits on, are written in scientific notation:
    a spreadsheet keeps fifteen digits, so the rest is lost already. A time without seconds since midnight is a day.
    """
    match value:
        case str():
            return value.translate(_CONTROLS)
        case bool():
            return "true" if value else "false"
        case int() | float():
            return _number_text(value)
        case datetime():
            return value.isoformat(" ") if value.time() != time() else value.date().isoformat()
        case date() | time():
            return value.isoformat()
        case timedelta():
            return _number_text(value.total_seconds() / 86400)
        case None:
            return ""
    return str(value)


_CONTROLS = dict.fromkeys((*range(1, 9), 11, 12, 13, *range(14, 32), 127))


def _number_text(value: float) -> str:
    text = f"{value:.15g}"
    if abs(value) >= 1e15 or "e" not in text:
        return text
    return f"{Decimal(text):f}"
