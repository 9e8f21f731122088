"""Reading one file, from its bytes to drafts of its raw feeds.

Belongs here: what is done with a single file, in the process that may die of it (``worker.py``). Does not belong
here: what is already in raw, and putting drafts there (``loading.py``).

``look`` says what a file holds and how each delivery in it would be read; ``read`` reads one of them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from sources.contacts import with_contacts
from sources.contracts import check_unknown_columns, check_unreadable, check_words
from sources.corrections import RECORD
from sources.csv_files import csv_head, read_csv
from sources.errors import LeftAsideError, RefusedFileError, UnknownFileError
from sources.excel_files import Workbook, open_workbook, read_sheet, sheet_head
from sources.json_files import json_head, read_json
from sources.landing import Member, digest, export_time, members
from sources.limits import Limits
from sources.mapping import (
    IGNORED,
    countable,
    feed_query,
    is_spelled,
    plain_conditions,
    rejected_query,
    spelled_query,
    unreadable_query,
)
from sources.parquet_files import parquet_head, read_parquet
from sources.planning import Plan, plan, sheets_of, text_names
from sources.profiles import feed_by_name
from sources.repeats import check_repeats
from sources.settings import SourceDefaults, SourceSettings
from sources.sql import ask, literal, run
from sources.tables import Head, Records
from sources.text import text_functions
from sources.words import unknown_words

__all__ = [
    "REJECTS",
    "SPELLED",
    "Found",
    "Job",
    "Look",
    "Part",
    "Picked",
    "Reading",
    "draft",
    "find",
    "head_of",
    "look",
    "parts_of",
    "pick",
    "read",
    "read_part",
]

MAX_REJECTED_SHARE = 0.2
MAX_REJECTED_ALWAYS = 20
"""A file is refused when more than this share *and* more than this number of its records are rejected."""


SPELLED = "spelled"
"""Relation of the records of the file that was read last, spelled and judged; see ``mapping.spelled_query``."""

_WRITTEN, _REWRITTEN = "written", "rewritten"
"""Tables of the records of a file: as they are written in it, and with their columns spelled."""

REJECTS = "rejected"
"""What the draft of the rejected records is called in place of a feed."""


def draft(desk: Path, feed: str) -> Path:
    """The draft of a canonical feed, or of the rejected records."""
    return desk / f"feed-{feed}.parquet"


@dataclass(frozen=True)
class Job:
    """One file to be read, and what holds for it.

    Attributes
    ----------
    path : Path
        The file in landing.
    name : str
        Its name relative to ``landing/<source>``.
    source : str
        Name of its folder in landing.
    settings, defaults
        What the source declares, and what holds otherwise.
    limits : Limits
        What reading it may cost.
    """

    path: Path
    name: str
    source: str
    settings: SourceSettings
    defaults: SourceDefaults
    limits: Limits


@dataclass(frozen=True)
class Found:
    """One delivery in a file, and how it would be read; or why it cannot be.

    Attributes
    ----------
    name : str
        Its name relative to ``landing/<source>``, with ``#member`` and ``#sheet``.
    refused : str or None
        Why nothing of it can be loaded.
    delivery_id, profile_hash, system, kind, feed, currency, time_zone, customer_grain, guests, direct_identifier
        As in the ledger.
    exported_at, export_time_source, columns, corrects : str or None
        As in the ledger.
    """

    name: str
    refused: str | None = None
    feed: str | None = None
    exported_at: str | None = None
    export_time_source: str | None = None
    delivery_id: str = ""
    profile_hash: str = ""
    system: str = ""
    kind: str = ""
    currency: str = ""
    time_zone: str = ""
    customer_grain: str = ""
    guests: bool = False
    direct_identifier: bool = False
    columns: str | None = None
    corrects: str | None = None


@dataclass(frozen=True)
class Look:
    """What a file holds.

    Attributes
    ----------
    found : list of Found
        The deliveries in it.
    ignored : list of str
        Names of what is no delivery: other members of an archive, kinds that are not wanted.
    """

    found: list[Found] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Reading:
    """What became of the records of one delivery.

    Attributes
    ----------
    records, ignored, rejected : int
        As in the ledger.
    feeds : list of str
        Canonical feeds of which there is a draft on the desk; see ``draft``.
    drift : list of str
        Sentences about what changed.
    encoding : str or None
        How the text was written.
    corrected : str or None
        In a correction, the numbers that its records have in the original, as in the ledger.
    """

    records: int
    ignored: int
    rejected: int
    feeds: list[str]
    drift: list[str]
    encoding: str | None
    corrected: str | None = None


@dataclass(frozen=True)
class Picked:
    """Some records of a delivery as the file has them, after the reading steps.

    Attributes
    ----------
    file_name, sheet : str or None
        What the table is called.
    system, kind : str
        How it is read.
    header : list of list of str
        One row of names, or two.
    places : dict of str to int
        Name of a column in the file, or ``<feed>.<canonical column>``, to its place.
    filled : list of int
        Places of the columns that stand on the first record of a document only.
    records : list of (int, int, list of str)
        The wanted records that could be found, and those that go on with their documents: number, number of the
        wanted record, cells.
    """

    file_name: str
    sheet: str | None
    system: str
    kind: str
    header: list[list[str]]
    places: dict[str, int]
    filled: list[int]
    records: list[tuple[int, int, list[str]]]


@dataclass(frozen=True)
class Part:
    """One table in a file: a file, a member of an archive, or a sheet.

    Attributes
    ----------
    member : Member
        The file or member.
    name : str
        Its name relative to ``landing/<source>``, with ``#member`` and ``#sheet``.
    sheet : str or None
        The sheet of a workbook.
    workbook : Workbook or None
        The workbook itself, open.
    """

    member: Member
    name: str
    sheet: str | None = None
    workbook: Workbook | None = None


def look(con: duckdb.DuckDBPyConnection, job: Job, desk: Path) -> Look:
    """Say what a file holds; a refusal of the whole file is raised, one of a part is noted.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        A connection to compute with.
    job : Job
        The file.
    desk : Path
        Folder for copies.

    Raises
    ------
    RefusedFileError
        If the file itself cannot be trusted.
    """
    contents, others = members(job.path, job.name, text_names(job.source, job.settings))
    result = Look(ignored=list(others))
    unknown: list[Found] = []
    for member in contents:
        try:
            parts, left = parts_of(member, job, desk)
        except RefusedFileError as error:
            result.found.append(_refused(member, member.name, error))
            continue
        result.ignored.extend(left)
        for part in parts:
            try:
                result.found.append(find(con, part, job, desk)[0])
            except LeftAsideError as error:
                result.ignored.append(f"{part.name} ({error.kind}: not asked for)")
            except UnknownFileError as error:
                unknown.append(_refused(member, part.name, error))
            except RefusedFileError as error:
                result.found.append(_refused(member, part.name, error))
    # An archive of a whole system holds much that nobody reads; a file that lies there by itself was meant.
    if result.found or result.ignored[len(others) :]:
        result.ignored.extend(one.name for one in unknown)
    else:
        result.found.extend(unknown)
    return result


def _refused(member: Member, name: str, error: RefusedFileError) -> Found:
    return Found(name, refused=error.reason, feed=feed_by_name(member.file_name))


def parts_of(member: Member, job: Job, desk: Path) -> tuple[list[Part], list[str]]:
    """The tables of a member, and the names of its sheets that are not read.

    Raises
    ------
    RefusedFileError
        If it is a workbook that cannot be trusted.
    """
    if member.kind != "xlsx":
        return [Part(member, member.name)], []
    workbook = open_workbook(member, desk, job.limits)
    sheets = workbook.chosen(sheets_of(job.source, job.settings, member.file_name))
    several = len(workbook.sheets()) > 1
    parts = [Part(member, f"{member.name}#{sheet}" if several else member.name, sheet, workbook) for sheet in sheets]
    return parts, [f"{member.name}#{sheet}" for sheet in workbook.sheets() if sheet not in sheets]


def head_of(con: duckdb.DuckDBPyConnection, part: Part, job: Job, desk: Path) -> Head:
    """The first rows of a table.

    Raises
    ------
    RefusedFileError
        If it is not what its name promises.
    """
    member = part.member
    match member.kind:
        case "csv":
            return csv_head(member, job.limits, job.settings.encoding)
        case "parquet":
            return parquet_head(con, member, desk, job.limits)
        case "json":
            return json_head(member, job.limits, job.settings.encoding)
        case "xlsx":
            assert part.workbook is not None
            assert part.sheet is not None
            return sheet_head(part.workbook, part.sheet)


def _plan(con: duckdb.DuckDBPyConnection, part: Part, job: Job, desk: Path) -> Plan:
    return plan(
        head_of(con, part, job, desk),
        source=job.source,
        file_name=part.member.file_name,
        sheet=part.sheet,
        settings=job.settings,
        defaults=job.defaults,
    )


def find(con: duckdb.DuckDBPyConnection, part: Part, job: Job, desk: Path) -> tuple[Found, Plan]:
    """Say what delivery a table is, and how it would be read.

    Raises
    ------
    RefusedFileError
        If nobody knows how.
    LeftAsideError
        If the owner does not want it to be read.
    """
    how = _plan(con, part, job, desk)
    exported = export_time(part.member, how.time_zone)
    found = Found(
        part.name,
        feed=how.primary.name,
        exported_at=exported.at if exported else None,
        export_time_source=exported.source if exported else None,
    )
    try:
        check_unknown_columns(how)
        if part.workbook is not None and part.sheet is not None:
            identity = part.workbook.identity(part.sheet)
        else:
            identity = digest(part.member, job.limits)
    except RefusedFileError as error:
        return replace(found, refused=error.reason), how
    found = replace(
        found,
        delivery_id=identity,
        profile_hash=how.profile_hash,
        system=how.system,
        kind=how.kind,
        currency=how.currency,
        time_zone=how.time_zone,
        customer_grain=how.customer_grain,
        guests=how.guests,
        direct_identifier=how.direct_identifier,
        columns="\n".join(cell.name for cell in how.cells if cell.position is not None),
        corrects=how.corrects,
    )
    return found, how


def read(con: duckdb.DuckDBPyConnection, job: Job, found: Found, received_at: str, desk: Path) -> Reading:
    """Read one delivery and write drafts of its feeds and of its rejected records onto the desk.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        A connection to compute with.
    job : Job
        The file.
    found : Found
        The delivery in it, as ``look`` saw it.
    received_at : str
        When it was first seen.
    desk : Path
        Folder for copies and drafts.

    Raises
    ------
    RefusedFileError
        If its structure cannot be trusted, or too many of its records would be rejected.
    """
    part = _again(job, found, desk)
    return read_part(con, part, job, found, _plan(con, part, job, desk), received_at, desk)


def read_part(
    con: duckdb.DuckDBPyConnection, part: Part, job: Job, found: Found, how: Plan, received_at: str, desk: Path
) -> Reading:
    """``read`` for a table that is at hand.

    Raises
    ------
    RefusedFileError
        If its structure cannot be trusted, or too many of its records would be rejected.
    """
    records = _records(con, part, job, found, how, desk)
    drift = check_unknown_columns(how)
    with text_functions(con):
        spelled = _spell(con, records, how)
    misshapen = _misshapen(con, records, desk)
    codes = dict(ask(con, f"SELECT code, count(*) FROM {spelled} WHERE code IS NOT NULL GROUP BY code"))
    ignored = records.ignored + codes.pop(IGNORED, 0)
    rejected = sum(codes.values()) + len(records.misshapen)
    trace = {
        "source_system": how.system,
        "source": job.source,
        "delivery_id": found.delivery_id,
        "exported_at": found.exported_at,
        "received_at": received_at,
    }
    if rejected:
        rejects = draft(desk, REJECTS)
        _copy(con, rejected_query(spelled, misshapen, how, trace, found.name), rejects)
        _refuse_if_mostly_rejected(con, rejects, records.total, rejected)
    readable = with_contacts(con, spelled, how, desk)
    drift += check_unreadable(how, _unreadable(con, readable, how))
    feeds = {made.feed.name: made.feed for made in how.feeds}
    for feed in feeds.values():
        _copy(con, feed_query(readable, how, feed, trace), draft(desk, feed.name))
    drafts = {feed: draft(desk, feed) for feed in feeds}
    drift += check_words(how, unknown_words(con, spelled, how, drafts)) + check_repeats(con, how, drafts)
    return Reading(
        records=records.total,
        ignored=ignored,
        rejected=rejected,
        feeds=list(feeds),
        drift=drift,
        encoding=records.encoding,
        corrected=_corrected(con, records, how) if how.corrects else None,
    )


def _corrected(con: duckdb.DuckDBPyConnection, records: Records, how: Plan) -> str:
    """The numbers that the records of a correction have in the original."""
    place = how.header.labels.index(RECORD)
    numbers = ask(con, f"SELECT DISTINCT try_cast(c{place} AS BIGINT) AS number FROM ({records.query}) ORDER BY number")
    return ",".join(str(number) for (number,) in numbers if number is not None)


def pick(
    con: duckdb.DuckDBPyConnection, job: Job, name: str, delivery_id: str, numbers: Sequence[int], desk: Path
) -> Picked:
    """Some records of a delivery as the file has them.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        A connection to compute with.
    job : Job
        The file.
    name : str
        The delivery's name relative to ``landing/<source>``.
    delivery_id : str
        The digest that it must have.
    numbers : sequence of int
        Numbers of the wanted records.
    desk : Path
        Folder for copies.

    Raises
    ------
    RefusedFileError
        If it is not the same delivery any more, or cannot be read.
    """
    part = _again(job, Found(name), desk)
    found, how = find(con, part, job, desk)
    if found.refused is not None:
        raise RefusedFileError(found.refused)
    if found.delivery_id != delivery_id:
        raise RefusedFileError("it has changed since its records were rejected; correct what the next run rejects")
    records = _records(con, part, job, found, how, desk)
    kept = [place for place in range(len(how.header.labels)) if place not in how.header.dropped]
    filled = how.filled()[0]
    number = "record_no" if records.is_numbered else "row_number() OVER ()"
    first = "max(number) FILTER (NOT continued) OVER (ORDER BY number)" if filled else "number"
    cells = ", ".join(f"coalesce(c{place}, '')" for place in kept)
    wanted = ", ".join(str(int(one)) for one in numbers)
    numbered = f"SELECT {number} AS number, * EXCLUDE (record_no) FROM ({records.query})"
    rows = ask(
        con,
        f"SELECT number, CASE WHEN number IN ({wanted}) THEN number ELSE first END AS owner, {cells} "
        f"FROM (SELECT *, {first} AS first FROM ({numbered})) WHERE owner IN ({wanted}) ORDER BY number",
    )
    return Picked(
        file_name=part.member.file_name,
        sheet=part.sheet if part.name != part.member.name else None,
        system=how.system,
        kind=how.kind,
        header=[[names[place] for place in kept] for names in (how.header.labels, how.header.others) if any(names)],
        places=_places(how, kept),
        filled=[kept.index(place) for place in filled if place in kept],
        records=[(row[0], row[1], list(row[2:])) for row in rows],
    )


def _places(how: Plan, kept: Sequence[int]) -> dict[str, int]:
    """Where a column stands among those that are kept, by its header and by what is made of it."""
    positions: dict[str, int] = {}
    for made in reversed(how.feeds):
        for column, values in made.values.items():
            cells = [how.by_name[cell] for value in values for cell in value.used() if cell in how.by_name]
            found = [cell.position for cell in cells if cell.position is not None]
            if found:
                positions[f"{made.feed.name}.{column}"] = found[0]
    positions |= {label: place for place, label in enumerate(how.header.labels)}
    return {name: kept.index(place) for name, place in positions.items() if place in kept}


def _again(job: Job, found: Found, desk: Path) -> Part:
    """The table that was looked at before."""
    contents, _ = members(job.path, job.name, text_names(job.source, job.settings))
    for member in contents:
        if found.name == member.name or found.name.startswith(f"{member.name}#"):
            for part in parts_of(member, job, desk)[0]:
                if part.name == found.name:
                    return part
    raise RefusedFileError("it changed while it was being read; run again when it is complete")


def _records(con: duckdb.DuckDBPyConnection, part: Part, job: Job, found: Found, how: Plan, desk: Path) -> Records:
    member, limits = part.member, job.limits
    match member.kind:
        case "csv":
            return read_csv(member, found.delivery_id, desk, how, limits)
        case "parquet":
            return read_parquet(con, member, found.delivery_id, desk, how.header.labels, limits)
        case "json":
            return read_json(member, found.delivery_id, desk, how, limits)
        case "xlsx":
            assert part.workbook is not None
            assert part.sheet is not None
            if part.workbook.identity(part.sheet) != found.delivery_id:
                raise RefusedFileError("it changed while it was being read; run again when it is complete")
            return read_sheet(part.workbook, part.sheet, desk, how)


def _spell(con: duckdb.DuckDBPyConnection, records: Records, how: Plan) -> str:
    """Write the records down, hold their number against the independent count, spell and judge every one.

    A column whose every value is spelled already is not spelled again; where all are, nothing is written twice.
    """
    columns = "*" if records.is_numbered else "* EXCLUDE (record_no)"
    try:
        run(con, f"CREATE OR REPLACE TEMP TABLE {_WRITTEN} AS SELECT {columns} FROM ({records.query})")
    except duckdb.InvalidInputException as error:
        first_line = str(error).splitlines()[0]
        raise RefusedFileError(f"its records cannot be read ({first_line}); export it again") from error
    [(found,)] = ask(con, f"SELECT count(*) FROM {_WRITTEN}")
    expected = records.total - records.ignored - len(records.misshapen)
    if found != expected:
        raise RefusedFileError(
            f"two readers disagree about it ({found} and {expected} records): a quote inside a text is "
            "probably not doubled; export it again"
        )
    plain = _plain(con, records, how)
    # The rows of the table stand in the order of the records.
    numbered = "*" if records.is_numbered else "rowid + 1 AS record_no, *"
    query = spelled_query(f"SELECT {numbered} FROM {_WRITTEN}", how, plain)
    if not is_spelled(how, plain):
        run(con, f"CREATE OR REPLACE TEMP TABLE {_REWRITTEN} AS {query}")
        run(con, f"DROP TABLE {_WRITTEN}")
        query = f"SELECT * FROM {_REWRITTEN}"
    run(con, f"CREATE OR REPLACE TEMP VIEW {SPELLED} AS {query}")
    return SPELLED


def _plain(con: duckdb.DuckDBPyConnection, records: Records, how: Plan) -> frozenset[int]:
    """Places of the columns of which every value is in its canonical spelling already."""
    conditions = plain_conditions(how, is_clean=records.is_clean)
    if not conditions:
        return frozenset()
    every = ", ".join(f"coalesce(bool_and({condition}), true)" for condition in conditions.values())
    [row] = ask(con, f"SELECT {every} FROM {_WRITTEN}")
    return frozenset(position for position, is_plain in zip(conditions, row, strict=True) if is_plain)


def _unreadable(con: duckdb.DuckDBPyConnection, spelled: str, how: Plan) -> Mapping[str, tuple[int, int]]:
    query = unreadable_query(spelled, how)
    if query is None:
        return {}
    [counts] = ask(con, query)
    pairs = zip(counts[::2], counts[1::2], strict=True)
    return {cell.name: pair for cell, pair in zip(countable(how), pairs, strict=True)}


def _misshapen(con: duckdb.DuckDBPyConnection, records: Records, desk: Path) -> str | None:
    """The records of the wrong shape as a relation, if there are any."""
    if not records.misshapen:
        return None
    file = desk / "misshapen.json"
    with file.open("w", encoding="utf-8") as lines:
        for number, text in records.misshapen:
            lines.write(json.dumps({"record_no": number, "raw_value": text}) + "\n")
    types = "{record_no: 'BIGINT', raw_value: 'VARCHAR'}"
    return f"read_json({literal(file)}, format = 'newline_delimited', columns = {types})"


def _refuse_if_mostly_rejected(con: duckdb.DuckDBPyConnection, rejects: Path, records: int, rejected: int) -> None:
    if rejected <= MAX_REJECTED_ALWAYS or rejected <= MAX_REJECTED_SHARE * records:
        return
    [(code, count, column, number)] = ask(
        con,
        "SELECT code, count(*), arg_min(column_name, record_no), min(record_no) "
        f"FROM read_parquet({literal(rejects)}) GROUP BY code ORDER BY count(*) DESC, code LIMIT 1",
    )
    where = f"record {number}, column {column}" if column else f"record {number}"
    raise RefusedFileError(
        f"{rejected} of {records} records would be rejected, {count} of them as {code} (first at {where}), "
        "so nothing of it was loaded; correct the export or its profile"
    )


_TO_KEEP = "COMPRESSION zstd, COMPRESSION_LEVEL 1, DICTIONARY_SIZE_LIMIT 8192"
"""A column with more different values in a row group gains nothing by a dictionary; finding it out late costs a
quarter of the time of writing."""


def _copy(con: duckdb.DuckDBPyConnection, query: str, target: Path) -> None:
    run(con, f"COPY ({query}) TO {literal(target)} (FORMAT parquet, PRESERVE_ORDER true, {_TO_KEEP})")
