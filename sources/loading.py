"""Reading landing: every delivery that is new, once.

Belongs here: the order of the steps for one file, and what becomes of a file that is refused. Does not belong
here: any of the steps.
"""

import logging
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import duckdb

from sources.contracts import check_vanished_columns, check_volume
from sources.corrections import is_correction
from sources.errors import RefusedFileError
from sources.feeds import FeedFiles, canonical_feeds
from sources.landing import SETTINGS_FILE, is_delivery, source_folders, walk
from sources.ledger import Delivery, commit, files_of, later, newest, read_ledger, record, stamp
from sources.limits import LIMITS, Limits
from sources.planning import text_names
from sources.profiles import feed_by_name
from sources.reading import REJECTS, Found, Job, Look, Reading, draft
from sources.settings import SourceDefaults, load_settings
from sources.sql import ask
from sources.worker import Reader

__all__ = ["LoadResult", "Refusal", "load"]

logger = logging.getLogger("keeprate.sources")


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
    drift : list of str
        Sentences about what changed in the deliveries that were read in this scan.
    feeds : dict of str to FeedFiles
        Raw files of every canonical feed, of ``deliveries`` and of ``rejected``.
    """

    deliveries: list[Delivery]
    refusals: list[Refusal]
    ignored: list[str]
    drift: list[str]
    feeds: dict[str, FeedFiles]


@dataclass
class _Scan:
    """One scan of landing: what it works with, and what it has found so far."""

    con: duckdb.DuckDBPyConnection
    reader: Reader
    limits: Limits
    raw: Path
    rejected: Path
    work: Path
    defaults: SourceDefaults
    now: datetime
    readings: dict[tuple[str, str, str], Delivery]
    newest: dict[tuple[str, str], Delivery]
    received: dict[tuple[str, str], str]
    refusals: list[tuple[Refusal, str | None]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    drift: list[str] = field(default_factory=list)
    seen: set[tuple[str, str]] = field(default_factory=set)
    unreadable: dict[tuple[str, str], str] = field(default_factory=dict)

    def refuse(
        self,
        source: str,
        file: str,
        reason: str,
        feed: str | None = None,
        on_refused: str = "stop",
        exported_at: str | None = None,
    ) -> None:
        """Note a refused file, with the time of its export if it is known."""
        place = f"{source}/{file}" if source else file
        message = f"landing/{place}: {reason}."
        logger.warning("refused %s", message)
        self.refusals.append((Refusal(place, source, feed, message, on_refused), exported_at))

    def confirm(self, delivery: Delivery) -> None:
        """Let a reading that is in the ledger already count as it is now: newer than before, or again."""
        before = self.newest[delivery.source, delivery.delivery_id]
        self.enter(replace(delivery, read_at=later(before.read_at, self.now)))

    def enter(self, delivery: Delivery) -> None:
        """Write a delivery into the ledger; from here on it counts."""
        record(self.con, delivery, raw=self.raw, work=self.work)
        self.newest[delivery.source, delivery.delivery_id] = delivery
        _note_received(self.received, delivery)


def load(
    con: duckdb.DuckDBPyConnection,
    *,
    landing: Path,
    raw: Path,
    rejected: Path,
    work: Path,
    defaults: SourceDefaults,
    now: datetime,
    limits: Limits = LIMITS,
) -> LoadResult:
    """Read every delivery in landing that is not in raw yet.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        A connection for the ledger; nothing is left in it. Files are read in another process, with as many threads
        and as much memory as this connection has.
    landing : Path
        Folder with one folder per source; may be missing or empty.
    raw, rejected : Path
        Where canonical feeds and rejected records are kept; made if needed, on the file system of `work`.
    work : Path
        Folder for unfinished files; everything put there is removed again.
    defaults : SourceDefaults
        Time zone and currency of a source that declares none.
    now : datetime
        UTC; becomes ``received_at`` of every delivery first seen in this scan, or back under its name.
    limits : Limits
        What reading one file may cost.

    Returns
    -------
    LoadResult
        A file that cannot be trusted is a refusal in it, never an exception, and leaves nothing in raw.
    """
    work.mkdir(parents=True, exist_ok=True)
    ledger = read_ledger(con, raw)
    readings = {(row.source, row.delivery_id, row.profile_hash): row for row in ledger}
    folders, beside = source_folders(landing)
    [(threads, memory)] = ask(con, "SELECT current_setting('threads'), current_setting('memory_limit')")
    with Reader(int(threads), str(memory)) as reader:
        counting = newest(ledger)
        received: dict[tuple[str, str], str] = {}
        for delivery in counting.values():
            _note_received(received, delivery)
        scan = _Scan(con, reader, limits, raw, rejected, work, defaults, now, readings, counting, received)
        for entry in beside:
            if entry.is_symlink():
                scan.refuse("", entry.name, "it is a link; put the folder or file itself there")
            elif is_delivery(entry.name):
                scan.refuse("", entry.name, "it lies beside the folders of the sources; move it into landing/<source>/")
            else:
                scan.ignored.append(entry.name)
        for folder in folders:
            _read_source(scan, folder)
        _date_corrections(scan)
    return LoadResult(
        deliveries=sorted(scan.newest.values(), key=lambda row: (row.source, row.file, row.delivery_id)),
        refusals=[_superseded(refusal, exported, scan.newest.values()) for refusal, exported in scan.refusals],
        ignored=scan.ignored,
        drift=scan.drift,
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
    texts = text_names(source, settings)
    looked: list[tuple[Job, Look]] = []
    for path in walk(folder):
        file = path.relative_to(folder).as_posix()
        if is_delivery(path.name, texts):
            job = Job(path, file, source, settings, scan.defaults, scan.limits)
            looked += [(job, look) for look in _look(scan, job)]
        elif file != SETTINGS_FILE:
            scan.ignored.append(f"{source}/{file}")
    systems = sorted({found.system for _, look in looked for found in look.found} - {"", "generic"})
    # What a correction corrects is read before it.
    for job, look in sorted(looked, key=lambda pair: is_correction(pair[0].name)):
        for found in look.found:
            _read_found(scan, job, _of_one_system(found, systems))
    for job, look in looked:
        _hold_together(scan, job.source, look)


def _look(scan: _Scan, job: Job) -> list[Look]:
    """What is in a file; nothing where the file itself is refused."""
    desk = Path(tempfile.mkdtemp(prefix="sources-", dir=scan.work))
    try:
        result = scan.reader.look(job, desk)
    except RefusedFileError as error:
        scan.refuse(job.source, job.name, error.reason, feed_by_name(job.path.name), job.settings.on_refused)
        return []
    finally:
        shutil.rmtree(desk, ignore_errors=True)
    scan.ignored += [f"{job.source}/{name}" for name in result.ignored]
    return [result]


def _of_one_system(found: Found, systems: Sequence[str]) -> Found:
    """The files of a folder come from one system; where their headers say otherwise, nobody knows from which."""
    if len(systems) < 2 or found.refused is not None or found.system not in systems:
        return found
    return replace(
        found,
        refused=f"the files of its folder look like exports of several systems ({', '.join(systems)}); write "
        "'system: <profile>' into source.yml beside them, or give each system a folder",
    )


def _read_found(scan: _Scan, job: Job, found: Found) -> None:
    """Make sure that a delivery is in raw, and as new as it is here; a refusal is noted and leaves nothing behind."""
    on_refused = job.settings.on_refused
    if found.refused is not None:
        scan.refuse(job.source, found.name, found.refused, found.feed, on_refused, found.exported_at)
        return
    key = (job.source, found.delivery_id)
    if key in scan.unreadable:
        scan.refuse(job.source, found.name, scan.unreadable[key], found.feed, on_refused, found.exported_at)
        return
    try:
        _admit(scan, job, found, is_copy=key in scan.seen)
    except RefusedFileError as error:
        scan.unreadable[key] = error.reason
        scan.refuse(job.source, found.name, error.reason, found.feed, on_refused, found.exported_at)
    scan.seen.add(key)


def _admit(scan: _Scan, job: Job, found: Found, *, is_copy: bool) -> None:
    """Make sure that raw holds this reading of a delivery, that it is the one that counts, and its newest date.

    A further copy in the same scan says no more than when the content was exported: whichever stands first is read.
    """
    known = scan.newest.get((job.source, found.delivery_id))
    if known is None:
        _read(scan, job, found, None)
    elif is_copy or known.profile_hash == found.profile_hash:
        sighted = _sighted(scan, known, found)
        if sighted != known:
            scan.confirm(sighted)
    elif earlier := scan.readings.get((job.source, found.delivery_id, found.profile_hash)):
        # The profile was changed and changed back: confirm the old reading instead of reading again.
        scan.confirm(_sighted(scan, replace(earlier, file=known.file, **_dates(known)), found))
    else:
        _read(scan, job, found, _sighted(scan, known, found))


def _sighted(scan: _Scan, known: Delivery, found: Found) -> Delivery:
    """A delivery in the ledger, as it is once its content was found here too.

    Its newest sighting decides: the latest export time that any of its names has told. Where no name tells one, a
    content that has come back under a name that held another one meanwhile was received anew; what only stayed where it
    was has not been.
    """
    if found.corrects is not None:
        return known
    if found.exported_at is not None:
        if found.exported_at <= (known.exported_at or ""):
            return known
        source = found.export_time_source
        return replace(known, file=found.name, exported_at=found.exported_at, export_time_source=source)
    meanwhile = scan.received.get((known.source, found.name), "")
    if known.exported_at is not None or meanwhile <= known.received_at:
        return known
    return replace(known, file=found.name, received_at=later(meanwhile, scan.now))


def _note_received(received: dict[tuple[str, str], str], delivery: Delivery) -> None:
    """Keep, per source and name of a file, when the last content that bears the name was received."""
    name = (delivery.source, delivery.file)
    received[name] = max(received.get(name, ""), delivery.received_at)


def _dates(delivery: Delivery) -> dict[str, Any]:
    """All that makes one delivery newer than another, as fields of the ledger."""
    return {
        "exported_at": delivery.exported_at,
        "export_time_source": delivery.export_time_source,
        "received_at": delivery.received_at,
        "archive_at": delivery.archive_at,
    }


def _hold_together(scan: _Scan, source: str, look: Look) -> None:
    """Date the deliveries of one file by the newest among them: an archive is one export.

    Its members may be older each by itself, where the clock says when they were packed, or one was not changed since
    the archive before.
    """
    members = {
        found.delivery_id: (scan.newest[source, found.delivery_id], found.exported_at)
        for found in look.found
        if (source, found.delivery_id) in scan.newest
    }
    if len(members) < 2:
        return
    archive_at = max(exported_at or member.received_at for member, exported_at in members.values())
    for member, _ in members.values():
        if archive_at > (member.archive_at or ""):
            scan.confirm(replace(member, archive_at=archive_at))


def _date_corrections(scan: _Scan) -> None:
    """Date corrections like what they correct, also when that was delivered again; that may be a correction, too."""
    while moved := [
        replace(delivery, **_dates(original))
        for delivery in scan.newest.values()
        if delivery.corrects is not None
        and (original := scan.newest.get((delivery.source, delivery.corrects))) is not None
        and _dates(delivery) != _dates(original)
    ]:
        for delivery in moved:
            scan.confirm(delivery)


def _read(scan: _Scan, job: Job, found: Found, known: Delivery | None) -> None:
    """Read a delivery, and let the reading count; `known` is what the ledger has of it, with the dates that hold."""
    started = perf_counter()
    original = scan.newest.get((job.source, found.corrects)) if found.corrects else None
    dated = original or known
    if dated is not None:
        found = replace(found, exported_at=dated.exported_at, export_time_source=dated.export_time_source)
    received_at = dated.received_at if dated else stamp(scan.now)
    desk = Path(tempfile.mkdtemp(prefix="sources-", dir=scan.work))
    try:
        reading = scan.reader.read(job, found, received_at, desk)
        drift = reading.drift + _changes(scan, job, found, reading, received_at)
        delivery = _delivery(scan, job, found, reading, received_at, known)
        _put(scan, delivery, reading, desk)
    finally:
        shutil.rmtree(desk, ignore_errors=True)
    scan.enter(delivery)
    scan.drift += [f"landing/{job.source}/{found.name}: {sentence}." for sentence in drift]
    logger.info(
        "read %s/%s: %d records, %d rejected, %d ignored, %.1f s",
        job.source,
        found.name,
        delivery.records,
        delivery.rejected,
        delivery.ignored,
        perf_counter() - started,
    )


def _changes(scan: _Scan, job: Job, found: Found, reading: Reading, received_at: str) -> list[str]:
    """Sentences about what is unusual, held against the other deliveries of the same kind of file.

    A correction is as large as there were errors, and has the columns of what it corrects.
    """
    if found.corrects is not None:
        return []
    same = [
        delivery
        for delivery in scan.newest.values()
        if (delivery.source, delivery.kind) == (job.source, found.kind)
        and delivery.delivery_id != found.delivery_id
        and delivery.corrects is None
    ]
    same.sort(key=_age)
    age = (found.exported_at or "", received_at)
    before = [delivery for delivery in same if _age(delivery) <= age][-1:]
    volume = check_volume(reading.records, [delivery.records for delivery in same], job.settings.contract.volume)
    return volume + check_vanished_columns(found.columns or "", before[0].columns if before else None)


def _age(delivery: Delivery) -> tuple[str, str]:
    return delivery.exported_at or "", delivery.received_at


def _delivery(
    scan: _Scan, job: Job, found: Found, reading: Reading, received_at: str, known: Delivery | None
) -> Delivery:
    return Delivery(
        delivery_id=found.delivery_id,
        profile_hash=found.profile_hash,
        source_system=found.system,
        source=job.source,
        file=known.file if known else found.name,
        feed=found.feed or "",
        kind=found.kind,
        records=reading.records,
        ignored=reading.ignored,
        rejected=reading.rejected,
        currency=found.currency,
        time_zone=found.time_zone,
        customer_grain=found.customer_grain,
        guests=found.guests,
        direct_identifier=found.direct_identifier,
        deliveries_mode="delta" if found.corrects else job.settings.deliveries,
        max_age_days=job.settings.max_age_days,
        exported_at=found.exported_at,
        export_time_source=found.export_time_source,
        received_at=received_at,
        read_at=later(known.read_at, scan.now) if known else stamp(scan.now),
        columns=found.columns,
        corrects=found.corrects,
        corrected_records=reading.corrected,
        corrected_at=(known.corrected_at if known else stamp(scan.now)) if found.corrects else None,
        archive_at=known.archive_at if known else None,
    )


def _put(scan: _Scan, delivery: Delivery, reading: Reading, desk: Path) -> None:
    """Move the drafts of a reading to their places; without its row in the ledger they do not count."""
    for feed in canonical_feeds():
        if feed in reading.feeds:
            commit(draft(desk, feed), scan.raw / feed / f"{delivery.reading}.parquet")
    if delivery.rejected:
        commit(draft(desk, REJECTS), scan.rejected / f"{delivery.reading}.parquet")
