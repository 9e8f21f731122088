"""Whole exports that were read once, beside what must become of every record of them.

An ``export.yml`` says how the records of its files are to be accounted for, ``expected/<feed>.csv`` holds the rows of
each feed. All of it was worked out by hand from the files, never by the loader.
"""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import duckdb
import pytest

from sources import Delivery, LoadResult, SourceDefaults, canonical_feeds
from tests.landing import read_landing

from .landing import FOLDER, Packing, accounts_of, land, said_of

NIGHT = datetime(2025, 4, 2, 1, tzinfo=UTC)

Row = tuple[str | None, ...]


@dataclass(frozen=True)
class Account:
    """What becomes of the records of one file: every rejected record with its code and the column at fault."""

    feed: str
    records: int
    ignored: int
    rejected: Sequence[tuple[int, str, str | None]]


@dataclass(frozen=True)
class Table:
    """Rows of a feed: names of the columns, then the values, in the order of file and record."""

    columns: Sequence[str]
    rows: Sequence[Row]


@dataclass(frozen=True)
class Export:
    """One system's export after it was read."""

    folder: Path
    con: duckdb.DuckDBPyConnection
    result: LoadResult

    @property
    def expected_accounts(self) -> dict[str, Account]:
        """What `export.yml` says about each landed file."""
        return {
            name: Account(
                feed=spec["feed"],
                records=spec["records"],
                ignored=spec.get("ignored", 0),
                rejected=[(number, code, column) for number, code, column in spec.get("rejected", [])],
            )
            for source in said_of(self.folder.name).values()
            for name, spec in accounts_of(source)
        }

    @property
    def accounts(self) -> dict[str, Account]:
        """What the loader made of each landed file."""
        return {delivery.file: self._account(delivery) for delivery in self.result.deliveries}

    def _account(self, delivery: Delivery) -> Account:
        rejects = self.result.feeds["rejected"].files
        found = []
        if rejects:
            found = self.con.execute(
                "SELECT record_no, code, column_name FROM read_parquet(?) WHERE delivery_id = ? ORDER BY record_no",
                [[str(file) for file in rejects], delivery.delivery_id],
            ).fetchall()
        assert len(found) == delivery.rejected
        return Account(delivery.feed, delivery.records, delivery.ignored, found)

    def expected(self, feed: str) -> Table:
        """The rows that `expected/<feed>.csv` holds; none where there is no such file."""
        file = self.folder / "expected" / f"{feed}.csv"
        if not file.exists():
            return Table((), [])
        with file.open(encoding="utf-8", newline="") as text:
            columns, *rows = csv.reader(text)
        return Table(columns, [tuple(value or None for value in row) for row in rows])

    def loaded(self, feed: str, columns: Sequence[str] = ()) -> Table:
        """The rows of a raw feed: its file, its record's number, and the given or else all canonical columns."""
        names = columns or ("file", "record_no", *canonical_feeds()[feed].columns)
        chosen = ["record_no::VARCHAR" if name == "record_no" else f'"{name}"' for name in names if name != "file"]
        files = {delivery.delivery_id: delivery.file for delivery in self.result.deliveries}
        raw = [str(file) for file in self.result.feeds[feed].files]
        if not raw:
            return Table(names, [])
        found = self.con.execute(
            f"SELECT delivery_id, record_no, {', '.join(chosen)} FROM read_parquet(?)", [raw]
        ).fetchall()
        order = {stem(file): number for number, file in enumerate(self.expected_accounts)}
        found.sort(key=lambda row: (order[stem(files[row[0]])], row[1], repr(row[2:])))
        lead = 0 if "file" in names else 1
        return Table(names, [(files[delivery], *values)[lead:] for delivery, _, *values in found])

    def filled(self, feed: str) -> set[str]:
        """The canonical columns of a feed in which any row has a value."""
        table = self.loaded(feed)
        return {
            column
            for position, column in enumerate(table.columns)
            if any(row[position] is not None for row in table.rows)
        }


def stem(file: str) -> str:
    """A file's name without its extension: the same for all copies of it."""
    return re.sub(r"\.(csv|xlsx|json|txt)(?=#|$)", "", file)


@pytest.fixture(scope="session")
def read_export(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Export]]:
    """Land and read a system's export; once for a session, unless files are to be packed in another way."""
    with duckdb.connect() as con:

        def read(system: str, repack: Packing | None = None) -> Export:
            home = tmp_path_factory.mktemp(system)
            for source in said_of(system):
                land(system, source, home / "landing" / source, repack)
            result = read_landing(con, home, SourceDefaults("Asia/Shanghai", "CNY"), NIGHT)
            return Export(FOLDER / system, con, result)

        unchanged = cache(read)
        yield lambda system, repack=None: read(system, repack) if repack else unchanged(system)
