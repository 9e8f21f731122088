"""Whole exports, landed as their systems write them, beside what must become of every record of them.

A folder here is one system's export. Its ``export.yml`` names the files to land: what each is made of, how it is
packed, and how its records are to be accounted for. Texts are kept as UTF-8 and workbooks as ``*.sheet.yml``, so
that they can be read and reviewed; they are packed when they are landed. ``expected/<feed>.csv`` holds the rows of
each feed. All of it was worked out by hand from the files, never by the loader.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest
import yaml

from sources import Delivery, LoadResult, SourceDefaults, canonical_feeds, load

FOLDER = Path(__file__).parent
NIGHT = datetime(2025, 4, 2, 1, tzinfo=UTC)

Row = tuple[str | None, ...]
Packing = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""Given a landed name and how it is packed: how it is to be packed instead."""


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
            for source in _landed(self.folder).values()
            for name, spec in _deliveries(source)
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


@cache
def _landed(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """Landing folder to its files, from `export.yml`."""
    document: Mapping[str, Mapping[str, Any]] = yaml.safe_load((folder / "export.yml").read_text(encoding="utf-8"))
    return document


def _deliveries(source: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The deliveries of one landing folder: its files, or the sheets of a workbook of several."""
    for name, spec in source["files"].items():
        if "sheets" in spec:
            yield from ((f"{name}#{sheet}", account) for sheet, account in spec["sheets"].items())
        elif "feed" in spec:
            yield name, spec


def _packed(folder: Path, how: Mapping[str, Any]) -> bytes:
    """The bytes that a system would have written."""
    text = (folder / how["made_of"]).read_bytes().decode("utf-8")
    if how["made_of"].endswith(".sheet.yml"):
        sheets = yaml.safe_load(text)
        return _text(_saved_as_csv(sheets), how) if how.get("as") == "csv" else _workbook(sheets)
    if how.get("as") == "xlsx":
        return _workbook([{"sheet": "Sheet1", "rows": csv.reader(io.StringIO(text))}])
    return _text(text, how)


def _text(text: str, how: Mapping[str, Any]) -> bytes:
    """Text with Windows line ends and another encoding, where the system writes these."""
    return text.replace("\n", how.get("newline", "\n")).encode(how.get("encoding", "utf-8"))


def _workbook(sheets: Sequence[Mapping[str, Any]]) -> bytes:
    """A workbook whose cells keep the types they have in YAML."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for spec in sheets:
        sheet = book.create_sheet(spec["sheet"])
        for row in spec["rows"]:
            sheet.append(row)
        for cell in (cell for row in sheet for cell in row if isinstance(cell.value, str)):
            cell.data_type = "s"  # a text that begins like a formula is a text
        for cells in spec.get("merged", []):
            sheet.merge_cells(cells)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def _saved_as_csv(sheets: Sequence[Mapping[str, Any]]) -> str:
    """What a spreadsheet writes when a workbook of one sheet is saved as text."""
    [spec] = sheets
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows(spec["rows"])
    return target.getvalue()


@pytest.fixture(scope="session")
def read_export(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Export]]:
    """Land and read a system's export; once for a session, unless files are to be packed in another way."""
    with duckdb.connect() as con:

        def read(system: str, repack: Packing | None = None) -> Export:
            folder = FOLDER / system
            home = tmp_path_factory.mktemp(system)
            for source, spec in _landed(folder).items():
                landing = home / "landing" / source
                landing.mkdir(parents=True)
                if "settings" in spec:
                    (landing / "source.yml").write_text(yaml.safe_dump(spec["settings"], allow_unicode=True), "utf-8")
                for name, how in spec["files"].items():
                    packing = repack(name, how) if repack else how
                    (landing / packing.get("name", name)).write_bytes(_packed(folder, packing))
            result = load(
                con,
                landing=home / "landing",
                raw=home / "raw",
                rejected=home / "rejected",
                work=home / "work",
                defaults=SourceDefaults("Asia/Shanghai", "CNY"),
                now=NIGHT,
            )
            return Export(folder, con, result)

        unchanged = cache(read)
        yield lambda system, repack=None: read(system, repack) if repack else unchanged(system)
