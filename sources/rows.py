"""The reading steps: what formats need beyond one header row and one record a line.

Belongs here: going through the rows below the header once, leaving out what is no data and completing what is.
Does not belong here: the header itself (``headers.py``), what a column means (``mapping.py``).

==============  ======================================================================================
`drop_footer`   from the first row that starts like a footer, nothing is data; nor are rows of another shape
                between it and a blank row above
`drop_totals`   rows that add up others: 小计, 合计, Total …
`fill_down`     cells that stand on the first row of a document only are repeated on its other rows
(always)        blank rows; where any step is declared, rows that repeat the header
==============  ======================================================================================
"""

import base64
import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from sources.errors import RefusedFileError
from sources.headers import is_blank, normalise_header, normalise_label
from sources.planning import Plan
from sources.sql import literal
from sources.tables import WHITESPACE, Records

__all__ = ["csv_query", "settle", "steps_needed"]

# NUL bytes, and bytes that could not be decoded.
_DAMAGE = re.compile("[\0\udc80-\udcff]")
_LONE_BYTE = re.compile("[\udc80-\udcff]")

MISSHAPEN_TEXT = 1000
"""So much of a record of the wrong shape is kept to be shown."""


def steps_needed(plan: Plan) -> bool:
    """Whether the rows of a csv file must be gone through one by one."""
    read = plan.read
    return bool(
        plan.header.rows != 1 or read.fill_down or read.drop_totals or read.drop_footer or read.delimiter == WHITESPACE
    )


class _Steps:
    """The steps of one plan, and the document that is being read."""

    def __init__(self, plan: Plan) -> None:
        self.footers = tuple(normalise_header(text) for text in plan.read.drop_footer)
        totals = plan.read.drop_totals
        self.totals = frozenset(map(normalise_label, plan.read.totals)) if totals else frozenset()
        named = (plan.by_name[name].position for name in totals) if isinstance(totals, tuple) else ()
        self.total_places = [place for place in named if place is not None]
        self.filled, self.within = plan.filled()
        self.labels = {tuple(map(normalise_header, names)) for names in (plan.header.labels, plan.header.others)}
        # Spelling every cell of every row would take longer than all the rest; a row that says the header begins so.
        looks_for_header = steps_needed(plan) and any(plan.header.labels)
        self.beginnings = {label[:1] for label in self.labels if looks_for_header}
        self.above: Sequence[str] | None = None

    def is_footer(self, row: Sequence[str]) -> bool:
        return bool(self.footers) and normalise_header(_first(row)).startswith(self.footers)

    def is_no_data(self, row: Sequence[str]) -> bool:
        """A row that adds up others, or says the header once more."""
        if self.totals:
            cells = [row[place] for place in self.total_places if place < len(row)] or [_first(row)]
            if any(normalise_label(cell) in self.totals for cell in cells):
                return True
        begins_so = bool(self.beginnings) and tuple(map(normalise_header, row[:1])) in self.beginnings
        return begins_so and tuple(map(normalise_header, row)) in self.labels

    def continues(self, row: list[str]) -> bool:
        """Complete a row that goes on with the document above."""
        if not self.filled:
            return False
        if self.above is None or not self._goes_on(row, self.above):
            self.above = row if any(row[place].strip() for place in self.filled) else None
            return False
        for place in self.filled:
            row[place] = self.above[place]
        return True

    def _goes_on(self, row: Sequence[str], above: Sequence[str]) -> bool:
        """Whether nothing on a row says that it begins a document."""
        if self.within is None:
            return not any(row[place].strip() for place in self.filled)
        is_same = row[self.within] == above[self.within]
        return is_same and all(not row[place].strip() or row[place] == above[place] for place in self.filled)


def _first(row: Sequence[str]) -> str:
    return next((cell for cell in row if cell.strip()), "")


def settle(rows: Iterable[list[str]], plan: Plan, target: Path, *, is_padded: bool) -> Records:
    """Go through the rows below the header and write down those that are data.

    Parameters
    ----------
    rows : iterable of list of str
        All rows of the file, the header and what stands above it included.
    plan : Plan
        How the file is to be read.
    target : Path
        Where the data rows are written, with their number, as csv.
    is_padded : bool
        Rows are as long as somebody wrote in them, as in a sheet: a short one lacks no field.

    Raises
    ------
    RefusedFileError
        If the last record of a csv file is short: the file was cut.
    """
    steps = _Steps(plan)
    columns = len(plan.header.labels)
    misshapen: list[tuple[int, str]] = []
    ignored = number = blank_at = 0
    width = columns
    in_footer = False
    source = iter(rows)
    for _ in range(plan.header.rows):
        next(source, None)
    with target.open("w", encoding="utf-8", newline="") as text:
        write = csv.writer(text, lineterminator="\n").writerow
        for number, row in enumerate(source, start=1):
            if not in_footer and steps.is_footer(row):
                in_footer = True
                # What stands in another shape between a blank row and the footer belongs to it.
                while misshapen and blank_at and misshapen[-1][0] > blank_at:
                    misshapen.pop()
                    ignored += 1
            if in_footer or is_blank(row) or steps.is_no_data(row):
                blank_at = number if is_blank(row) else blank_at
                ignored += 1
                width = columns
                continue
            cells = _padded(row, columns) if is_padded else row
            width = len(cells)
            if width != columns or _DAMAGE.search("".join(cells)):
                steps.above = None
                misshapen.append((number, _as_text(cells, plan)))
            else:
                blank_at = 0
                write([number, int(steps.continues(cells)), *cells])
    if width < columns:
        raise RefusedFileError(f"it was cut short: its last record has {width} of {columns} fields; export it again")
    return Records(csv_query(target, columns, ",", parallel=False, is_numbered=True), number, ignored, misshapen)


def _padded(row: list[str], columns: int) -> list[str]:
    """A row of a sheet with as many cells as the header; what is written beyond it is kept, to be seen."""
    if len(row) > columns and is_blank(row[columns:]):
        return row[:columns]
    return row + [""] * (columns - len(row))


def _as_text(row: Sequence[str], plan: Plan) -> str:
    """A record of the wrong shape, to be shown."""
    text = (" " if plan.read.delimiter == WHITESPACE else plan.read.delimiter).join(row)
    if _LONE_BYTE.search(text):
        return "base64:" + base64.b64encode(text.encode(errors="surrogateescape")[:MISSHAPEN_TEXT]).decode()
    return text.replace("\0", "\ufffd")[:MISSHAPEN_TEXT]


def csv_query(path: Path, columns: int, delimiter: str, *, parallel: bool, is_numbered: bool = False) -> str:
    """SQL that reads a csv file. Every column is declared, so that DuckDB guesses nothing.

    A numbered file has a record's number, and whether it continues the one above, in front, and no header. In any
    other the number is 0 until the records are written down in their order.
    """
    names = [f"c{position}" for position in range(columns)]
    first = ["number", "goes_on"] if is_numbered else []
    types = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in (*first, *names))
    options = {
        "header": "false" if is_numbered else "true",
        "delim": literal(delimiter),
        "quote": "'\"'",
        "escape": "'\"'",
        "new_line": "'\\n'",
        "auto_detect": "false",
        "strict_mode": "true",
        "null_padding": "false",
        "parallel": "true" if parallel else "false",
        "columns": "{" + types + "}",
    }
    arguments = ", ".join(f"{option} = {value}" for option, value in options.items())
    number = "CAST(number AS BIGINT)" if is_numbered else "CAST(0 AS BIGINT)"
    continued = "goes_on = '1'" if is_numbered else "false"
    return (
        f"SELECT {number} AS record_no, {continued} AS continued, {', '.join(names)} "
        f"FROM read_csv({literal(path)}, {arguments})"
    )
