"""Looking at files without loading them.

Belongs here: what ``keeprate inspect`` tells. Does not belong here: printing it, and what is suggested for files that
nobody knows (``suggesting.py``).

``examine`` runs where files are read (``worker.py``) and gives plain facts; everything else works on those facts.
"""

import dataclasses
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from sources.errors import LeftAsideError, RefusedFileError
from sources.feeds import canonical_feeds
from sources.headers import fits
from sources.landing import SETTINGS_FILE, members
from sources.limits import LIMITS, Limits
from sources.planning import Plan, choices, text_names
from sources.profiles import known_profiles
from sources.reading import REJECTS, SPELLED, Job, draft, find, head_of, parts_of, read_part
from sources.settings import SourceDefaults, load_settings
from sources.sql import ask, literal, name
from sources.suggesting import suggest
from sources.tables import Head, TextHead
from sources.words import meanings

__all__ = ["Examined", "Inspection", "examine", "inspect"]

SHOWN_REJECTS = 5
SHOWN_FIRST = 3
SHOWN_ROWS = 25


@dataclass(frozen=True)
class Examined:
    """What is known of one file, member or sheet after looking at it.

    Attributes
    ----------
    name : str
        Its name, with ``#member`` and ``#sheet``.
    refused : str or None
        Why nothing of it could be loaded.
    system, kind, feed : str or None
        The profile, its kind of file, and the canonical feed whose records are counted.
    told_by : str
        What told them: ``name and headers``, ``headers``, ``source.yml``.
    known, present : int
        How many of its columns the profile knows, and how many it has: the confidence.
    encoding : str or None
        How its text is written.
    derived : list of str
        The other feeds that are made of its records.
    columns : dict of str to str
        Column of the profile to header.
    becomes : dict of str to list of str
        Column of the profile to what is made of it, ``<feed>.<column>``.
    absent, unmapped : list of str
        Columns that the profile knows and the file lacks; headers that nobody reads.
    records, readable, rejected, ignored : int
        The count of its records. How many of the readable ones will count depends on the other files: a record may
        stand there again, or newer.
    rejects : list of dict
        The first rejected records.
    first : dict of str to list of dict
        Per feed the first rows that it would load, without empty values; of values that tell who somebody is, one
        sign at most.
    drift : list of str
        What is unusual about it.
    words : list of dict
        What the words in its columns mean; see ``words.meanings``.
    rows : list of list of str
        Its first rows, where it could not be read.
    separator : str
        What separates the fields of these rows.
    """

    name: str
    refused: str | None = None
    system: str | None = None
    kind: str | None = None
    feed: str | None = None
    told_by: str = ""
    known: int = 0
    present: int = 0
    encoding: str | None = None
    derived: list[str] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    becomes: dict[str, list[str]] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)
    records: int = 0
    rejected: int = 0
    ignored: int = 0
    rejects: list[dict[str, Any]] = field(default_factory=list)
    first: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    drift: list[str] = field(default_factory=list)
    words: list[dict[str, Any]] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    separator: str = ","

    @property
    def readable(self) -> int:
        """Records that would become rows of raw."""
        return self.records - self.rejected - self.ignored

    @property
    def confidence(self) -> float:
        """Share of the file's columns that the profile knows."""
        return self.known / self.present if self.present else 0.0


@dataclass(frozen=True)
class Inspection:
    """What is known of several files.

    Attributes
    ----------
    files : list of Examined
        Every file, member and sheet.
    ignored : list of str
        What is no delivery.
    """

    files: list[Examined]
    ignored: list[str]

    def suggestion(self) -> str:
        """The text of a ``source.yml`` for the files that could not be read; see ``suggest``."""
        return suggest(self.files)


def inspect(
    con: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    *,
    defaults: SourceDefaults,
    limits: Limits = LIMITS,
) -> Inspection:
    """Say how files would be read, without loading anything.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Its threads and memory are what reading may use.
    files : sequence of Path
        Files anywhere; the name of their folder and a ``source.yml`` in it count as in landing.
    defaults : SourceDefaults
        Time zone and currency of a source that declares none.
    limits : Limits
        What reading one file may cost.

    Returns
    -------
    Inspection
        A file that could not be loaded says why.
    """
    from sources.worker import Reader

    found: list[Examined] = []
    ignored: list[str] = []
    [(threads, memory)] = ask(con, "SELECT current_setting('threads'), current_setting('memory_limit')")
    with tempfile.TemporaryDirectory(prefix="keeprate-") as work, Reader(int(threads), str(memory)) as reader:
        for path in files:
            folder = path.resolve().parent
            try:
                settings = load_settings(folder / SETTINGS_FILE)
                job = Job(path.absolute(), path.name, folder.name, settings, defaults, limits)
                desk = Path(tempfile.mkdtemp(dir=work))
                examined, others = reader.examine(job, desk)
            except RefusedFileError as error:
                found.append(Examined(path.name, refused=error.reason))
                continue
            found += examined
            ignored += others
    return Inspection(found, ignored)


def examine(con: duckdb.DuckDBPyConnection, job: Job, desk: Path) -> tuple[list[Examined], list[str]]:
    """Read a file onto the desk and say what came of it.

    Raises
    ------
    RefusedFileError
        If the file itself cannot be trusted.
    """
    contents, ignored = members(job.path, job.name, text_names(job.source, job.settings))
    found = []
    for member in contents:
        try:
            parts, left = parts_of(member, job, desk)
        except RefusedFileError as error:
            found.append(Examined(member.name, refused=error.reason))
            continue
        ignored = [*ignored, *left]
        for number, part in enumerate(parts):
            own = desk / f"{len(found)}-{number}"
            own.mkdir()
            head: Head | None = None
            try:
                head = head_of(con, part, job, own)
                found.append(_examined(con, part, job, own))
            except LeftAsideError as error:
                ignored = [*ignored, f"{part.name} ({error.kind}: not asked for)"]
            except RefusedFileError as error:
                rows, mark = _rows(head) if head is not None else ([], ",")
                found.append(Examined(part.name, refused=error.reason, rows=rows, separator=mark, system=_system(job)))
    return found, ignored


def _system(job: Job) -> str | None:
    system = job.settings.system or job.source
    return system if system in known_profiles() else None


def _examined(con: duckdb.DuckDBPyConnection, part: Any, job: Job, desk: Path) -> Examined:
    found, plan = find(con, part, job, desk)
    base = Examined(
        name=part.name,
        refused=found.refused,
        system=plan.system,
        kind=plan.kind,
        feed=plan.primary.name,
        told_by=_told_by(con, part, job, desk, plan.system, plan.kind),
        known=sum(cell.position is not None for cell in plan.cells),
        present=len(plan.header.labels) - len(plan.header.dropped),
        derived=list(dict.fromkeys(made.feed.name for made in plan.feeds if made.feed != plan.primary)),
        becomes=_becomes(plan),
        columns={cell.name: plan.header.labels[cell.position] for cell in plan.cells if cell.position is not None},
        absent=[cell.name for cell in plan.cells if cell.position is None],
        unmapped=list(plan.unmapped.values()),
    )
    if found.refused is not None:
        return base
    try:
        reading = read_part(con, part, job, found, plan, "", desk)
    except RefusedFileError as error:
        return dataclasses.replace(base, refused=error.reason)
    rejects = []
    if reading.rejected:
        query = (
            "SELECT record_no, code, column_name, raw_value, source_key "
            f"FROM read_parquet({literal(draft(desk, REJECTS))}) ORDER BY record_no LIMIT {SHOWN_REJECTS}"
        )
        names = ("record_no", "code", "column", "value", "key")
        rejects = [dict(zip(names, row, strict=True)) for row in ask(con, query)]
    return dataclasses.replace(
        base,
        records=reading.records,
        rejected=reading.rejected,
        ignored=reading.ignored,
        encoding=reading.encoding,
        drift=reading.drift,
        words=meanings(con, SPELLED, plan),
        first={feed: _first(con, desk, feed, plan) for feed in reading.feeds},
        rejects=rejects,
    )


def _becomes(plan: Plan) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for made in plan.feeds:
        entry = {made.each.name: made.entries} if made.each else {}
        for column, values in (*made.values.items(), *((column, (value,)) for column, value in made.fill.items())):
            for used in (cell for value in values for cell in value.used()):
                for cell in entry.get(used, (used,)):
                    found.setdefault(cell, []).append(f"{made.feed.name}.{column}")
    return {cell: list(dict.fromkeys(columns)) for cell, columns in found.items()}


_OF_PERSONS = ("customers", "contacts", "leads", "reps")
_NAMES = ("name", "first_name", "last_name", "company_name", "wechat_id", "qq", "birth_date")
_IDS_OF_PERSONS = ("source_customer_id", "contact_id", "lead_id", "merged_into", "referrer_id", "converted_customer_id")


def _first(con: duckdb.DuckDBPyConnection, desk: Path, feed: str, plan: Plan) -> list[dict[str, str]]:
    """The first rows of a draft, masked as rejected records are in a release."""
    known = canonical_feeds()[feed].columns
    masked = {own for own, column in known.items() if column.type in ("email", "phone")} | {"comment"}
    if feed in _OF_PERSONS:
        masked |= set(_NAMES)
    if plan.direct_identifier:
        masked |= set(_IDS_OF_PERSONS)
    columns = ", ".join(map(name, known))
    rows = ask(
        con, f"SELECT {columns} FROM read_parquet({literal(draft(desk, feed))}) ORDER BY record_no LIMIT {SHOWN_FIRST}"
    )
    return [
        {
            column: _masked(value) if column in masked else value
            for column, value in zip(known, row, strict=True)
            if value is not None
        }
        for row in rows
    ]


def _masked(value: str) -> str:
    return f"{value[0] if len(value) > 3 else ''}…"


def _told_by(con: duckdb.DuckDBPyConnection, part: Any, job: Job, desk: Path, system: str, kind: str) -> str:
    file_name = part.member.file_name
    if any(one.kind == kind and fits(file_name, [f"{pattern}*"]) for pattern, one in job.settings.files.items()):
        return "source.yml"
    head = head_of(con, part, job, desk)
    profile = known_profiles()[system]
    named = any(
        choice.kind == kind and choice.named
        for choice in choices(head, [profile], file_name=file_name, sheet=part.sheet, settings=job.settings)
    )
    return "name and headers" if named else "headers"


def _rows(head: Head) -> tuple[list[list[str]], str]:
    """The first rows of a file of which nobody knows how it is separated, and the separator that gives most columns."""
    from sources.profiles import ReadSpec

    if not isinstance(head, TextHead):
        return [list(row) for row in head.rows(ReadSpec())[:SHOWN_ROWS]], ","
    best: list[list[str]] = []
    separator = ","
    for mark in (",", ";", "\t", "|"):
        try:
            rows = [list(row) for row in head.rows(ReadSpec(delimiter=mark))[:SHOWN_ROWS]]
        except RefusedFileError:
            continue
        if max(map(len, rows), default=0) > max(map(len, best), default=0):
            best, separator = rows, mark
    return best, separator
