"""A sheet: every record of an exported file, beside what reading it must give back.

Belongs here: turning a sheet into a table, planting dirt into it, and the truth about its records. Does not belong
here: what a system's sheets look like (``exports/``), and bytes (``files.py``).

A sheet is made of records of the company, one SQL row each, and of two mappings over their columns: what stands in the
cells, and what is canonical. The second never looks at the first.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb

from demo.dirt import BLANK, FRESH, Dirt
from demo.files import Csv, Workbook
from demo.spelling import literal

__all__ = ["COUNTED", "LINE_COUNTS", "SCHEMA", "UNCOUNTED", "VOIDED", "Feed", "Settled", "Sheet", "settle"]

SCHEMA = "exports"
"""Of the tables of this room."""

COUNTED = "status in ('completed', 'paid', 'shipped')"
"""SQL: whether an order of the company counts."""

LINE_COUNTS = "(select order_no, max(line_no) as line_count from company.order_lines group by order_no)"
"""SQL: how many lines each document has; they are numbered from 1."""

UNCOUNTED = f"case when not {COUNTED} then 'excluded_status' end"
"""SQL: the verdict on an order, where a cancelled one is only a status."""

VOIDED = f"case when status = 'cancelled' then 'soft_deleted' when not {COUNTED} then 'excluded_status' end"
"""SQL: the verdict on an order, where a cancelled one was made void (作废)."""

_SHARE = 0.005
"""Of the records of a sheet are dirty."""

_COPIES = 200_000
"""No sheet has more that are planted."""

_PRIME = 4_294_967_291
"""Above the number of rows of any sheet: multiplied modulo a prime, places are shuffled."""

_BELOW = 1 << 60
"""The place of what stands below all records."""

_SOUND, _SPOTS = f"{SCHEMA}.sound", f"{SCHEMA}.spots"
"""Tables: the sound records of the sheet that is being settled, and where dirt falls in it."""


@dataclass(frozen=True)
class Feed:
    """What one canonical feed gets from a sheet.

    Attributes
    ----------
    name : str
        The feed.
    columns : mapping of str to str
        Canonical column to SQL over the columns of the record; what is not named is empty.
    when : str
        SQL: which records say anything about it.
    each : str or None
        SQL of a list, of which every `entry` becomes a row.
    """

    name: str
    columns: Mapping[str, str]
    when: str = "true"
    each: str | None = None


@dataclass(frozen=True)
class Sheet:
    """One file, or one member of an archive.

    Attributes
    ----------
    source : str
        Folder in landing.
    file : str
        Name in it, as the ledger has it: ``archive.zip#member.csv`` for a member.
    rows : str
        SQL of the records. A sheet of documents has a row per line, with ``line_no`` and ``line_count``.
    order : str
        SQL: what they are ordered by; the lines of a document stand together.
    key : str
        The column that numbers the records, or the documents.
    cells : mapping of str to str
        Header to SQL over the columns of a record.
    feeds : sequence of Feed
        The first is the one whose rows are counted; of the others equal rows are one.
    layout : Csv or Workbook
        How it is written.
    dirt : sequence of Dirt
        What goes wrong in it.
    verdict : str
        SQL over the columns of a record: ``excluded_status``, ``soft_deleted``, ``dup_key`` or ``ignored`` where a
        sound record does not count, else NULL.
    documents : bool
        Whether the rows are lines of documents.
    fills_down : bool
        What belongs to the document stands on its first line only.
    closing : sequence of mapping of str to str
        Rows below the records: header to an SQL aggregate over them.
    packed_on : date or None
        Day of the archive that it is a member of; None: the morning after the last day.
    """

    source: str
    file: str
    rows: str
    order: str
    key: str
    cells: Mapping[str, str]
    feeds: Sequence[Feed]
    layout: Csv | Workbook
    dirt: Sequence[Dirt] = ()
    verdict: str = "null"
    documents: bool = False
    fills_down: bool = False
    closing: Sequence[Mapping[str, str]] = ()
    packed_on: date | None = None


@dataclass(frozen=True)
class Settled:
    """A sheet whose records stand in a table.

    Attributes
    ----------
    sheet : Sheet
        What it was made of.
    table : str
        The records in the order of the file, with ``record_no`` and ``dirt``.
    records : int
        How many there are.
    cells : str
        SQL of the cells, a VARCHAR per header, in the order of the file.
    """

    sheet: Sheet
    table: str
    records: int
    cells: str

    def feed(self, feed: Feed) -> str:
        """SQL of the rows of a feed: ``file``, ``record_no`` and the canonical columns."""
        sheet = self.sheet
        is_primary = feed is sheet.feeds[0]
        read = ", ".join(["null", *(literal(dirt.name) for dirt in sheet.dirt if dirt.is_read)])
        kept = [f"(dirt is null or dirt in ({read}))", f"coalesce({sheet.verdict}, '') <> 'ignored'", f"({feed.when})"]
        if sheet.documents and not is_primary:
            kept.append("line_no = 1")
        table = self.table if feed.each is None else f"(select *, unnest({feed.each}) as entry from {self.table})"
        columns = ", ".join(f'cast({sql} as varchar) as "{column}"' for column, sql in feed.columns.items())
        rows = f"select record_no, {columns} from {table} where {' and '.join(kept)}"
        if not is_primary:
            names = ", ".join(f'"{column}"' for column in feed.columns)
            rows = f"select min(record_no) as record_no, {names} from ({rows}) group by {names}"
        return f"select {literal(sheet.file)} as file, * from ({rows})"

    def bad_rows(self) -> str:
        """SQL of the records that do not load or do not count."""
        sheet = self.sheet
        cases: dict[str, list[str]] = {"code": [], "column_name": [], "why": []}
        for dirt in sheet.dirt:
            if dirt.code is None:
                continue
            code = literal(dirt.code)
            if sheet.fills_down and not dirt.code.startswith("dup"):
                code = f"case when line_no > 1 then 'ignored' else {code} end"
            found = {"code": code, "column_name": literal(dirt.column or None), "why": literal(dirt.why)}
            for name, value in found.items():
                cases[name].append(f"when {literal(dirt.name)} then {value}")
        for name in (BLANK, *(_closing_name(number) for number in range(len(sheet.closing)))):
            why = "Nothing is written there." if name == BLANK else "It adds up the others, or says who wrote them."
            cases["code"].append(f"when {literal(name)} then 'ignored'")
            cases["column_name"].append(f"when {literal(name)} then null")
            cases["why"].append(f"when {literal(name)} then {literal(why)}")
        of_verdict = {
            "code": sheet.verdict,
            "column_name": "null",
            "why": f"case {sheet.verdict} {_VERDICTS} end",
        }
        columns = ", ".join(
            f"cast(case dirt {' '.join(found)} else {of_verdict[name]} end as varchar) as {name}"
            for name, found in cases.items()
        )
        return (
            f"select {literal(sheet.source)} as source, {literal(sheet.file)} as file, * "
            f"from (select record_no, {columns} from {self.table}) where code is not null"
        )


_VERDICTS = " ".join(
    f"when {literal(code)} then {literal(why)}"
    for code, why in {
        "excluded_status": "The document is in a status that does not count.",
        "soft_deleted": "Its system has deleted or merged it.",
        "dup_key": "A later delivery holds the same key.",
        "ignored": "It is no record of a customer.",
    }.items()
)


def _closing_name(number: int) -> str:
    return f"closing {number}"


def settle(con: duckdb.DuckDBPyConnection, sheet: Sheet, number: int, seed: int) -> Settled:
    """Put the records of a sheet into a table, dirt included.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Where the company is.
    sheet : Sheet
        What the file holds.
    number : int
        Tells the sheets of a source apart: no two plant records of the same number.
    seed : int
        Decides with the file's name where dirt falls.
    """
    table = f"{SCHEMA}.{sheet.source}_{number}"
    con.execute(
        f"create or replace table {_SOUND} as "
        f"select row_number() over () as place, * from (select * from ({sheet.rows}) order by {sheet.order})"
    )
    first = "line_no = 1" if sheet.documents else "true"
    [documents, last] = con.execute(
        f"select count(*) filter ({first}), coalesce(max(place) filter ({first}), 0) from {_SOUND}"
    ).fetchone() or (0, 0)
    _choose_spots(con, sheet, first, documents, last, number * _COPIES, seed)
    rows = " union all by name ".join(_rows(sheet, has_records=documents > 0))
    con.execute(
        f"create or replace table {table} as select row_number() over () as record_no, * exclude (place, copy_no, seq) "
        f"from (select * from ({rows}) order by place, copy_no, seq)"
    )
    [records] = con.execute(f"select count(*) from {table}").fetchone() or (0,)
    cells = _cells(sheet, [_written(con, row) for row in sheet.closing])
    con.execute(f"drop table {_SOUND}")
    return Settled(sheet, table, records, f"select {cells} from {table}")


def _choose_spots(
    con: duckdb.DuckDBPyConnection, sheet: Sheet, first: str, documents: int, last: int, copy_no: int, seed: int
) -> None:
    """Choose the documents that dirt falls on, as the places of their first lines."""
    con.execute(f"create or replace table {_SPOTS} (dirt varchar, place bigint, copy_no bigint)")
    wanted = max(1, round(_SHARE * documents / (len(sheet.dirt) + 1)))
    places = []
    # What is written differently comes first: no copy is made of it.
    for dirt in sorted(sheet.dirt, key=lambda one: one.is_copy):
        lines = f"{first} and line_count = 1" if sheet.documents and dirt.one_line else first
        untouched = f"place not in (select place from {_SPOTS} where copy_no is null)"
        places.append(
            (dirt.name, dirt.is_copy, f"{lines} and ({sheet.verdict}) is null and ({dirt.where}) and {untouched}")
        )
    if sheet.dirt:
        # Rows in which nothing is written stand between documents: at its end, a workbook would not hold them.
        places.append((BLANK, True, f"{first} and place < {last}"))
    for name, is_copy, holds in places:
        luck = random.Random(f"{seed}/{sheet.source}/{sheet.file}/{name}")
        scattered = f"(place * {luck.randrange(_PRIME // 2, _PRIME)} + {luck.randrange(_PRIME)}) % {_PRIME}"
        numbered = f"{copy_no} + row_number() over (order by place)" if is_copy else "null"
        con.execute(
            f"insert into {_SPOTS} select {literal(name)}, place, {numbered} "
            f"from (select place from {_SOUND} where {holds} order by {scattered} limit {wanted})"
        )
        copy_no += wanted


def _rows(sheet: Sheet, *, has_records: bool) -> list[str]:
    """SQL of everything that stands in a sheet: sound records, copies behind their originals, rows without a word."""
    lines = "s.line_count" if sheet.documents else "1"
    spot = "s.place - s.line_no + 1 = spot.place" if sheet.documents else "s.place = spot.place"
    parts = [
        f"select s.*, 0 as copy_no, s.place as seq, spot.dirt from {_SOUND} as s "
        f"left join {_SPOTS} as spot on s.place = spot.place and spot.copy_no is null"
    ]
    for dirt in sheet.dirt:
        if dirt.is_copy:
            changed = {sheet.key: f"{FRESH} + copy_no", **dirt.record} if dirt.has_own_key else dirt.record
            replaced = "".join(f", {value} as {column}" for column, value in changed.items())
            parts.append(
                f"select * exclude (behind) replace (behind as place{replaced}) from ("
                f"select s.*, spot.copy_no, s.place as seq, spot.dirt, spot.place + {lines} - 1 as behind "
                f"from {_SOUND} as s join {_SPOTS} as spot on {spot} where spot.dirt = {literal(dirt.name)})"
            )
    if sheet.dirt:
        parts.append(
            f"select s.place + {lines} - 1 as place, spot.copy_no, s.place as seq, spot.dirt "
            f"from {_SOUND} as s join {_SPOTS} as spot on s.place = spot.place where spot.dirt = {literal(BLANK)}"
        )
    if has_records:
        parts += [
            f"select {_BELOW} as place, 0 as copy_no, {number} as seq, {literal(_closing_name(number))} as dirt"
            for number in range(len(sheet.closing))
        ]
    return parts


def _written(con: duckdb.DuckDBPyConnection, closing: Mapping[str, str]) -> dict[str, str | None]:
    """What stands in a row that closes a sheet."""
    if not closing:
        return {}
    columns = ", ".join(f"cast({sql} as varchar)" for sql in closing.values())
    row = con.execute(f"select {columns} from {_SOUND} limit 1").fetchone()
    return dict(zip(closing, row, strict=True)) if row else {}


def _cells(sheet: Sheet, closing: Sequence[Mapping[str, str | None]]) -> str:
    """SQL of the cells, whatever has happened to the record."""
    cells = []
    for place, (header, value) in enumerate(sheet.cells.items()):
        sql = f"cast({value} as varchar)"
        cases = []
        for dirt in sheet.dirt:
            if header in dirt.cells:
                damaged = dirt.cells[header].replace("{}", sql)
                # Only the first line of a document says anything of the document.
                damaged = f"case when line_no > 1 then {sql} else {damaged} end" if sheet.fills_down else damaged
                cases.append(f"when {literal(dirt.name)} then {damaged}")
        if sheet.dirt:
            cases.append(f"when {literal(BLANK)} then null")
        for number, row in enumerate(closing):
            cases.append(f"when {literal(_closing_name(number))} then {literal(row.get(header))}")
        written = f"case dirt {' '.join(cases)} else {sql} end" if cases else sql
        cells.append(f"{written} as c{place}")
    return ", ".join(cells)
