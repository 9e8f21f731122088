"""Reading landing: every delivery that is new, once.

Belongs here: the order of the steps for one file, and what becomes of a file that is refused. Does not belong
here: any of the steps.
"""

import json
import logging
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from time import perf_counter

import duckdb

from sources.csv_files import csv_header, read_csv
from sources.errors import RefusedFileError
from sources.feeds import FeedFiles
from sources.landing import (
    SETTINGS_FILE,
    ExportTime,
    Member,
    digest,
    export_time,
    is_delivery,
    members,
    source_folders,
    walk,
)
from sources.ledger import Delivery, commit, files_of, later, newest, read_ledger, record, stamp
from sources.mapping import IGNORED, feed_query, rejected_query, spelled_query
from sources.parquet_files import parquet_header, read_parquet
from sources.profiles import (
    Plan,
    SourceDefaults,
    SourceSettings,
    delimiter_of,
    feed_by_name,
    load_settings,
    plan,
)
from sources.records import Records
from sources.sql import ask, literal, run
from sources.text import text_functions

__all__ = ["LoadResult", "Refusal", "load"]

logger = logging.getLogger("keeprate.sources")

MAX_REJECTED_SHARE = 0.2
MAX_REJECTED_ALWAYS = 20
"""A file is refused when more than this share *and* more than this number of its records are rejected."""


@dataclass(frozen=True)
class Refusal:
    """A file of which nothing was loaded.

    Attributes
    ----------
    file : str
        ``<source>/<name>``, with ``#member`` for a member of an archive.
    source : str
        Folder in landing; empty for a file beside the folders.
    feed : str or None
        The primary feed, when it is known.
    message : str
        One sentence: which file, what is wrong, what to do.
    on_refused : {"stop", "skip"}
        Whether the night must stop, or may go on without the file.
    """

    file: str
    source: str
    feed: str | None
    message: str
    on_refused: str


@dataclass(frozen=True)
class LoadResult:
    """What there is to work with after landing was read.

    Attributes
    ----------
    deliveries : list of Delivery
        Every delivery in raw, in its newest reading, ordered by source and file.
    refusals : list of Refusal
        Files that were turned away in this scan.
    ignored : list of str
        Names in landing that are no deliveries.
    feeds : dict of str to FeedFiles
        Raw files of every canonical feed, of ``deliveries`` and of ``rejected``.
    """

    deliveries: list[Delivery]
    refusals: list[Refusal]
    ignored: list[str]
    feeds: dict[str, FeedFiles]


@dataclass
class _Scan:
    """One scan of landing: what it works with, and what it has found so far."""

    con: duckdb.DuckDBPyConnection
    raw: Path
    rejected: Path
    work: Path
    defaults: SourceDefaults
    now: datetime
    readings: dict[tuple[str, str, str], Delivery]
    newest: dict[tuple[str, str], Delivery]
    refusals: list[tuple[Refusal, str | None]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    seen: set[tuple[str, str]] = field(default_factory=set)

    def refuse(
        self,
        source: str,
        file: str,
        reason: str,
        feed: str | None = None,
        on_refused: str = "stop",
        exported: ExportTime | None = None,
    ) -> None:
        """Note a refused file, with the time of its export if it is known."""
        place = f"{source}/{file}" if source else file
        message = f"landing/{place}: {reason}."
        logger.warning("refused %s", message)
        self.refusals.append((Refusal(place, source, feed, message, on_refused), exported.at if exported else None))


def load(
    con: duckdb.DuckDBPyConnection,
    *,
    landing: Path,
    raw: Path,
    rejected: Path,
    work: Path,
    defaults: SourceDefaults,
    now: datetime,
) -> LoadResult:
    """Read every delivery in landing that is not in raw yet.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        A connection to compute with; nothing is left in it.
    landing : Path
        Folder with one folder per source; may be missing or empty.
    raw, rejected : Path
        Where canonical feeds and rejected records are kept; made if needed, on the file system of `work`.
    work : Path
        Folder for unfinished files; everything put there is removed again.
    defaults : SourceDefaults
        Time zone and currency of a source that declares none.
    now : datetime
        UTC; becomes ``received_at`` of every delivery first seen in this scan.

    Returns
    -------
    LoadResult
        A file that cannot be trusted is a refusal in it, never an exception, and leaves nothing in raw.
    """
    work.mkdir(parents=True, exist_ok=True)
    ledger = read_ledger(con, raw)
    readings = {(row.source, row.delivery_id, row.profile_hash): row for row in ledger}
    scan = _Scan(con, raw, rejected, work, defaults, now, readings, newest(ledger))
    folders, beside = source_folders(landing)
    for entry in beside:
        if entry.is_symlink():
            scan.refuse("", entry.name, "it is a link; put the folder or file itself there")
        elif is_delivery(entry.name):
            scan.refuse("", entry.name, "it lies beside the folders of the sources; move it into landing/<source>/")
        else:
            scan.ignored.append(entry.name)
    with text_functions(con):
        for folder in folders:
            _read_source(scan, folder)
    return LoadResult(
        deliveries=sorted(scan.newest.values(), key=lambda row: (row.source, row.file, row.delivery_id)),
        refusals=[_superseded(refusal, exported, scan.newest.values()) for refusal, exported in scan.refusals],
        ignored=scan.ignored,
        feeds=files_of(scan.newest, raw=raw, rejected=rejected),
    )


def _superseded(refusal: Refusal, exported: str | None, deliveries: Iterable[Delivery]) -> Refusal:
    """A refused file stops nothing once a newer export of its feed has been loaded."""
    replaced = exported is not None and any(
        delivery.source == refusal.source
        and delivery.feed == refusal.feed
        and delivery.exported_at is not None
        and delivery.exported_at > exported
        for delivery in deliveries
    )
    return replace(refusal, on_refused="skip") if replaced else refusal


def _read_source(scan: _Scan, folder: Path) -> None:
    """Read the files of one folder, in sorted order."""
    source = folder.name
    try:
        settings = load_settings(folder / SETTINGS_FILE)
    except RefusedFileError as error:
        scan.refuse(source, SETTINGS_FILE, error.reason)
        return
    for path in walk(folder):
        file = path.relative_to(folder).as_posix()
        if not is_delivery(path.name):
            if file != SETTINGS_FILE:
                scan.ignored.append(f"{source}/{file}")
            continue
        try:
            found, others = members(path, file)
        except RefusedFileError as error:
            scan.refuse(source, file, error.reason, feed_by_name(file), settings.on_refused)
            continue
        scan.ignored += [f"{source}/{other}" for other in others]
        for member in found:
            _read_member(scan, source, settings, member)


def _read_member(scan: _Scan, source: str, settings: SourceSettings, member: Member) -> None:
    """Read one delivery unless it is in raw already; a refusal is noted and leaves nothing behind."""
    desk = Path(tempfile.mkdtemp(prefix="sources-", dir=scan.work))
    feed = feed_by_name(member.file_name)
    exported = None
    try:
        if member.kind == "csv":
            header = csv_header(member, delimiter_of(source, settings))
        else:
            header = parquet_header(scan.con, member, desk)
        how = plan(header, source=source, file_name=member.file_name, settings=settings, defaults=scan.defaults)
        feed = how.primary.name
        exported = export_time(member, how.time_zone)
        delivery_id = digest(member)
        if (source, delivery_id) in scan.seen:
            return
        scan.seen.add((source, delivery_id))
        _admit(scan, source, member, how, delivery_id, exported, desk)
    except RefusedFileError as error:
        scan.refuse(source, member.name, error.reason, feed, settings.on_refused, exported)
    finally:
        shutil.rmtree(desk, ignore_errors=True)


def _admit(
    scan: _Scan,
    source: str,
    member: Member,
    how: Plan,
    delivery_id: str,
    exported: ExportTime | None,
    desk: Path,
) -> None:
    """Make sure that raw holds this reading of a delivery, and that it is the one that counts."""
    known = scan.newest.get((source, delivery_id))
    if known is not None and known.profile_hash == how.profile_hash:
        return
    earlier = scan.readings.get((source, delivery_id, how.profile_hash))
    if earlier is not None and known is not None:
        # The profile was changed and changed back: confirm the old reading instead of reading again.
        delivery = replace(earlier, read_at=later(known.read_at, scan.now))
    else:
        started = perf_counter()
        delivery = _read(scan, source, member, how, delivery_id, exported, known, desk)
        logger.info(
            "read %s/%s: %d records, %d rejected, %d ignored, %.1f s",
            source,
            member.name,
            delivery.records,
            delivery.rejected,
            delivery.ignored,
            perf_counter() - started,
        )
    record(scan.con, delivery, raw=scan.raw, work=desk)
    scan.newest[source, delivery_id] = delivery


def _read(
    scan: _Scan,
    source: str,
    member: Member,
    how: Plan,
    delivery_id: str,
    exported: ExportTime | None,
    known: Delivery | None,
    desk: Path,
) -> Delivery:
    """Read one delivery and put its feeds and rejects into raw; the ledger is not touched."""
    con = scan.con
    if member.kind == "csv":
        records = read_csv(
            member,
            delivery_id,
            desk,
            delimiter=how.delimiter,
            final_newline_required=how.final_newline_required,
        )
    else:
        records = read_parquet(con, member, delivery_id, desk, how.header)
    spelled = desk / "spelled.parquet"
    _spell(con, records, how, spelled)
    relation = f"read_parquet({literal(spelled)})"
    misshapen = _misshapen(con, records, desk)
    codes = dict(ask(con, f"SELECT code, count(*) FROM {relation} WHERE code IS NOT NULL GROUP BY code"))
    ignored = records.blank + codes.pop(IGNORED, 0)
    rejected = sum(codes.values()) + len(records.misshapen)

    received_at = known.received_at if known else stamp(scan.now)
    delivery = Delivery(
        delivery_id=delivery_id,
        profile_hash=how.profile_hash,
        source_system=how.system,
        source=source,
        file=member.name,
        feed=how.primary.name,
        records=records.total,
        ignored=ignored,
        rejected=rejected,
        currency=how.currency,
        time_zone=how.time_zone,
        customer_grain=how.customer_grain,
        guests=how.guests,
        deliveries_mode=how.settings.deliveries,
        max_age_days=how.settings.max_age_days,
        exported_at=exported.at if exported else None,
        export_time_source=exported.source if exported else None,
        received_at=received_at,
        read_at=later(known.read_at, scan.now) if known else stamp(scan.now),
    )
    trace = {
        "source_system": how.system,
        "source": source,
        "delivery_id": delivery_id,
        "exported_at": delivery.exported_at,
        "received_at": received_at,
    }
    rejects = desk / "rejected.parquet"
    _copy(con, rejected_query(relation, misshapen, how, trace, member.name), rejects)
    _refuse_if_mostly_rejected(con, rejects, records.total, rejected)
    drafts = []
    for feed in how.feeds:
        draft = desk / f"feed-{feed.feed.name}.parquet"
        _copy(con, feed_query(relation, how, feed, trace), draft)
        drafts.append((draft, scan.raw / feed.feed.name))
    if rejected:
        drafts.append((rejects, scan.rejected))
    for draft, folder in drafts:
        commit(draft, folder / f"{delivery.reading}.parquet")
    return delivery


def _spell(con: duckdb.DuckDBPyConnection, records: Records, how: Plan, target: Path) -> None:
    """Spell and judge every record, and hold the number read against the independent count."""
    try:
        _copy(con, spelled_query(records.query, how), target)
    except duckdb.InvalidInputException as error:
        first_line = str(error).splitlines()[0]
        raise RefusedFileError(f"its records cannot be read ({first_line}); export it again") from error
    [(found,)] = ask(con, f"SELECT count(*) FROM read_parquet({literal(target)})")
    expected = records.total - records.blank - len(records.misshapen)
    if found != expected:
        raise RefusedFileError(
            f"two readers disagree about it ({found} and {expected} records): a quote inside a text is "
            "probably not doubled; export it again"
        )


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


def _copy(con: duckdb.DuckDBPyConnection, query: str, target: Path) -> None:
    run(con, f"COPY ({query}) TO {literal(target)} (FORMAT parquet, COMPRESSION zstd)")
