"""The immutable raw files and the ledger that says which of them count.

Belongs here: the layout of ``raw/`` and ``rejected/``, committing a delivery, the catalog. Does not belong
here: what is inside a feed.

::

    raw/<feed>/<delivery>-<profile hash>.parquet          one canonical feed of one delivery
    rejected/<delivery>-<profile hash>.parquet            its rejected records, if any
    raw/deliveries/<delivery>-<profile hash>.parquet      its row in the ledger, written last: the commit

A file without a row in the ledger does not count. When a profile changes, a delivery is read again beside its
old reading; the reading that was made or confirmed last is the one that counts.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from sources.feeds import FeedFiles, canonical_feeds
from sources.mapping import REJECTED
from sources.sql import ask, file_list, literal, name, run

__all__ = [
    "LEDGER",
    "Delivery",
    "catalog",
    "commit",
    "files_of",
    "later",
    "newest",
    "read_ledger",
    "record",
    "stamp",
]

LEDGER = "deliveries"
"""Folder of the ledger in raw, and name of its relation."""


@dataclass(frozen=True)
class Delivery:
    """One row of the ledger: one reading of one delivery.

    Attributes
    ----------
    delivery_id : str
        SHA-256 of the uncompressed bytes.
    profile_hash : str
        How it was read.
    source_system, source, file, feed : str
        Profile, folder in landing, name of the file that its dates are of, primary feed.
    kind : str or None
        The profile's kind of file; None in ledgers older than kinds.
    records, ignored, rejected : int
        Records after the header; ``records = rows of the feed + ignored + rejected``.
    currency, time_zone, customer_grain : str
        What held when it was read.
    guests : bool
        Whether a document may have no customer.
    deliveries_mode : str
        ``delta`` or ``full``.
    max_age_days : int or None
        How old the source's newest export may be.
    exported_at : str or None
        When the file says it was exported, ISO 8601 in UTC: the latest that any file of this content has said.
    export_time_source : str or None
        ``file_name`` or ``archive``.
    received_at, read_at : str
        When it was first seen, or came back under a name that held another content meanwhile; and when this reading
        was made or last confirmed. A correction is as old as what it corrects: it neither outlives a newer export nor
        replaces a document of which it holds one line.
    columns : str or None
        The profile's columns that the file has, one a line.
    corrects : str or None
        The delivery whose records stand here corrected.
    corrected_records : str or None
        Their numbers there, separated by commas.
    corrected_at : str or None
        When the correction was first seen.
    direct_identifier : bool
        Whether e-mail addresses or phones are the ids of customers; False in ledgers that do not say.
    archive_at : str or None
        When the newest part of the newest archive or workbook that held it was exported, else received; None where it
        was alone.
    """

    delivery_id: str
    profile_hash: str
    source_system: str
    source: str
    file: str
    feed: str
    kind: str | None
    records: int
    ignored: int
    rejected: int
    currency: str
    time_zone: str
    customer_grain: str
    guests: bool
    deliveries_mode: str
    max_age_days: int | None
    exported_at: str | None
    export_time_source: str | None
    received_at: str
    read_at: str
    columns: str | None = None
    corrects: str | None = None
    corrected_records: str | None = None
    corrected_at: str | None = None
    direct_identifier: bool = False
    archive_at: str | None = None

    @property
    def reading(self) -> str:
        """Name of its files, without extension."""
        return f"{self.delivery_id}-{self.profile_hash}"


_COLUMNS: Mapping[str, str] = {field.name: "VARCHAR" for field in fields(Delivery)}
# Text like every raw relation, so that an empty one has the types of a full one.


def stamp(moment: datetime) -> str:
    """A moment as the ledger writes it: ISO 8601 in UTC with microseconds, so that text order is time
    order."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read_ledger(con: duckdb.DuckDBPyConnection, raw: Path) -> list[Delivery]:
    """Every reading of every delivery, by source, delivery and profile hash."""
    files = sorted((raw / LEDGER).glob("*.parquet"))
    if not files:
        return []
    ledger = f"read_parquet({file_list(files)}, union_by_name = true)"
    present = {row[0] for row in ask(con, f"DESCRIBE SELECT * FROM {ledger}")}
    columns = ", ".join(name(column) if column in present else f"NULL AS {name(column)}" for column in _COLUMNS)
    rows = ask(con, f"SELECT {columns} FROM {ledger} ORDER BY source, delivery_id, profile_hash")
    return [_typed(row) for row in rows]


def _typed(row: tuple[str | None, ...]) -> Delivery:
    values: dict[str, Any] = dict(zip(_COLUMNS, row, strict=True))
    counts = {count: int(values[count]) for count in ("records", "ignored", "rejected")}
    age = values["max_age_days"]
    flags = {flag: values[flag] == "true" for flag in ("guests", "direct_identifier")}
    return Delivery(**values | counts | flags | {"max_age_days": None if age is None else int(age)})


def _text(value: str | int | bool | None) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def newest(readings: Iterable[Delivery]) -> dict[tuple[str, str], Delivery]:
    """The reading that counts, by source and delivery: the one made or confirmed last."""
    return {
        (reading.source, reading.delivery_id): reading
        for reading in sorted(readings, key=lambda row: (row.read_at, row.profile_hash))
    }


def record(con: duckdb.DuckDBPyConnection, delivery: Delivery, *, raw: Path, work: Path) -> None:
    """Write a delivery's row into the ledger: from here on it counts."""
    values = ", ".join(
        f"CAST({literal(_text(getattr(delivery, column)))} AS VARCHAR) AS {name(column)}" for column in _COLUMNS
    )
    draft = work / f"ledger-{delivery.reading}.parquet"
    try:
        run(con, f"COPY (SELECT {values}) TO {literal(draft)} (FORMAT parquet)")
        commit(draft, raw / LEDGER / f"{delivery.reading}.parquet")
    finally:
        draft.unlink(missing_ok=True)


def later(than: str, now: datetime) -> str:
    """Now, or just after a moment that the ledger already holds."""
    moment = stamp(now)
    if moment > than:
        return moment
    return stamp(datetime.strptime(than, "%Y-%m-%dT%H:%M:%S.%fZ") + timedelta(microseconds=1))


def commit(draft: Path, target: Path) -> None:
    """Move a finished file to its place so that it is there whole or not at all, even after a power cut."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _flush(draft, os.O_RDONLY)
    os.replace(draft, target)
    _flush(target.parent, os.O_RDONLY | os.O_DIRECTORY)


def _flush(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def catalog(con: duckdb.DuckDBPyConnection, *, raw: Path, rejected: Path) -> dict[str, FeedFiles]:
    """Say which raw files count, without looking at landing.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Any connection; the ledger is read with it.
    raw, rejected : Path
        Folders of the home; they need not exist.

    Returns
    -------
    dict of str to FeedFiles
        Every canonical feed, ``deliveries`` and ``rejected``, each with its columns and its files in a fixed
        order.
    """
    return files_of(newest(read_ledger(con, raw)), raw=raw, rejected=rejected)


def files_of(deliveries: Mapping[tuple[str, str], Delivery], *, raw: Path, rejected: Path) -> dict[str, FeedFiles]:
    """The raw files of the readings that count; see ``catalog``."""
    names = [f"{deliveries[key].reading}.parquet" for key in sorted(deliveries)]

    def existing(folder: Path) -> tuple[Path, ...]:
        present = set(os.listdir(folder)) if folder.is_dir() else set()
        return tuple(folder / file for file in names if file in present)

    found = {feed.name: FeedFiles(feed.types, existing(raw / feed.name)) for feed in canonical_feeds().values()}
    found[LEDGER] = FeedFiles(_COLUMNS, existing(raw / LEDGER))
    found["rejected"] = FeedFiles(REJECTED, existing(rejected))
    return found
