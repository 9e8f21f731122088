"""Exports of the western systems in their own formats, held against tables that were worked out by hand.

Beside the files of each system lies ``expected.yml``: how many records each file has, which of them are rejected
and why, every row of every feed, and what the orders come to. None of it was written by the loader.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sources import LoadResult, SourceDefaults, canonical_feeds
from tests.landing import read_landing

from .landing import FOLDER as HERE
from .landing import land_western, said_of_western

SYSTEMS = ("salesforce", "hubspot", "zoho", "shopify", "woocommerce", "woocommerce_items")

NIGHT = datetime(2024, 7, 10, 2, tzinfo=UTC)
NUMERIC = ("amount", "number", "integer", "score")
COUNTING = ("paid", "shipped", "completed")

Row = tuple[str | None, ...]


@dataclass(frozen=True)
class Loaded:
    """One system's folder after it was read, and what it should have become."""

    con: duckdb.DuckDBPyConnection
    result: LoadResult
    expected: Mapping[str, Any]

    def rows(self, feed: str, *columns: str) -> list[tuple[Any, ...]]:
        """Columns of a raw feed, with the name of the file first."""
        files = self.result.feeds[feed].files
        if not files:
            return []
        listed = ", ".join(f'"{column}"' for column in columns)
        query = f"SELECT delivery_id, {listed} FROM read_parquet(?)"
        found = self.con.execute(query, [[str(file) for file in files]]).fetchall()
        names = {delivery.delivery_id: delivery.file for delivery in self.result.deliveries}
        return [(names[delivery], *values) for delivery, *values in found]


def read(root: Path, con: duckdb.DuckDBPyConnection) -> LoadResult:
    """Read landing once."""
    return read_landing(con, root, SourceDefaults("UTC", "EUR"), NIGHT)


@pytest.fixture(scope="module", params=SYSTEMS)
def western(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    """Every system in turn, read once."""
    root = tmp_path_factory.mktemp(request.param)
    land_western(request.param, root / "landing" / request.param)
    with duckdb.connect() as con:
        # A session in another zone than the source's and the business's must change nothing.
        con.execute("SET TimeZone = 'Asia/Shanghai'").fetchall()
        yield Loaded(con, read(root, con), said_of_western(request.param))


def same_number(value: str) -> str:
    """A number without its spelling: 45, 45.0 and 45.00 are the same amount."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        return value
    return f"{number.normalize():f}"


def comparable(feed: str, row: Mapping[str, Any]) -> dict[str, str]:
    """What a row says, without what it does not say."""
    numeric = {name for name, column in canonical_feeds()[feed].columns.items() if column.type in NUMERIC}
    return {
        column: same_number(str(value)) if column in numeric else str(value)
        for column, value in row.items()
        if value not in (None, "")
    }


def table(text: str) -> list[dict[str, str]]:
    """Rows of a table whose cells are parted by bars; ``\\n`` stands for the end of a line inside a cell."""
    header, *lines = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]
    assert all(len(line) == len(header) for line in lines)
    return [
        {column: cell.replace("\\n", "\n") for column, cell in zip(header, line, strict=True) if cell} for line in lines
    ]


def in_order(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return sorted(rows, key=lambda row: (int(row["record_no"]), sorted(row.items())))


def test_no_file_is_refused_and_each_is_accounted_for(western: Loaded) -> None:
    assert western.result.refusals == []
    found = {
        delivery.file: (delivery.feed, delivery.records, delivery.ignored, delivery.rejected)
        for delivery in western.result.deliveries
    }
    assert found == {
        file: (said["feed"], said["records"], said.get("ignored", 0), len(said.get("rejected", {})))
        for file, said in western.expected["files"].items()
    }


def test_every_record_is_loaded_rejected_or_ignored(western: Loaded) -> None:
    for delivery in western.result.deliveries:
        loaded = {number for file, number in western.rows(delivery.feed, "record_no") if file == delivery.file}
        assert delivery.records == len(loaded) + delivery.rejected + delivery.ignored, delivery.file


def test_what_is_no_feed_is_left_aside_by_name(western: Loaded) -> None:
    named = {name.split("/", 1)[1].split(" (")[0] for name in western.result.ignored}
    assert named == set(western.expected.get("left_aside", []))


def test_each_bad_record_is_rejected_with_its_reason(western: Loaded) -> None:
    expected = {
        (file, number): (code, column)
        for file, said in western.expected["files"].items()
        for number, (code, column) in said.get("rejected", {}).items()
    }
    found = {
        (file, number): (code, column if expected.get((file, number), ("", ""))[1] else None)
        for file, number, code, column in western.rows("rejected", "record_no", "code", "column_name")
    }
    assert found == expected


def test_every_row_of_every_feed_is_as_worked_out_by_hand(western: Loaded) -> None:
    for feed, definition in canonical_feeds().items():
        columns = ("record_no", *definition.columns)
        found: dict[str, list[dict[str, str]]] = {}
        for file, *values in western.rows(feed, *columns):
            found.setdefault(file, []).append(comparable(feed, dict(zip(columns, values, strict=True))))
        expected = {
            file: [comparable(feed, row) for row in table(text)]
            for file, text in western.expected["feeds"].get(feed, {}).items()
        }
        assert {file: in_order(rows) for file, rows in found.items()} == {
            file: in_order(rows) for file, rows in expected.items()
        }, feed


def test_text_that_could_not_be_read_is_kept(western: Loaded) -> None:
    for file, said in western.expected["files"].items():
        extra = {
            number: json.loads(text or "{}")
            for name, number, text in western.rows(said["feed"], "record_no", "extra")
            if name == file
        }
        for number, kept in said.get("extra", {}).items():
            assert {header: extra[number].get(header) for header in kept} == kept


def newest(western: Loaded, feed: str, key: str, *columns: str) -> dict[str, tuple[Any, ...]]:
    """The last version of each key, by the time of its export."""
    found = sorted(
        (exported or "", number, kept, values)
        for _, exported, number, kept, *values in western.rows(feed, "exported_at", "record_no", key, *columns)
    )
    return {kept: tuple(values) for _, _, kept, values in found}


def test_the_orders_come_to_what_was_added_up_by_hand(western: Loaded) -> None:
    customers = {key for _, key in western.rows("customers", "source_customer_id")}
    lines: dict[str, Decimal] = {}
    for _, order, amount in western.rows("order_lines", "order_id", "net_amount"):
        lines[order] = lines.get(order, Decimal(0)) + Decimal(amount or 0)
    net: dict[str, Decimal] = {}
    counts = {"sale": 0, "refund": 0, "orphan": 0}
    orders = newest(western, "orders", "order_id", "status", "kind", "source_customer_id", "currency", "net_amount")
    for order, (status, kind, customer, currency, amount) in orders.items():
        if customer is not None and customer not in customers:
            counts["orphan"] += 1
        elif status in COUNTING:
            counts[kind] += 1
            net[currency] = net.get(currency, Decimal(0)) + (lines[order] if amount is None else Decimal(amount))
    outcome = western.expected["outcome"]
    orphans = sum(len(numbers) for numbers in outcome["orphans"].values())
    assert counts == {"sale": outcome["sales"], "refund": outcome["refunds"], "orphan": orphans}
    assert net == {currency: Decimal(amount) for currency, amount in outcome["net"].items()}


def test_merged_customers_name_their_survivor(western: Loaded) -> None:
    merged = {
        key: survivor for _, key, survivor in western.rows("customers", "source_customer_id", "merged_into") if survivor
    }
    assert merged == western.expected["outcome"]["merged"]


@pytest.mark.parametrize(
    ("system", "archive", "member", "kind", "rows"),
    [
        (
            "zoho",
            "Data_001.zip",
            "Deals_001.csv",
            "deals",
            [
                ("4876876000000000601", "4876876000000000101", "2024-03-14T06:30:00Z", "completed", "INR", "125000.00"),
                ("4876876000000000602", "4876876000000000102", "2024-07-31T06:30:00Z", "open", "INR", "12400.00"),
                ("4876876000000000603", "4876876000000000102", "2024-02-29T06:30:00Z", "lost", "USD", "12400.00"),
            ],
        ),
        (
            "salesforce",
            "WE_00D5g000004xYzAEAU_1.ZIP",
            "Opportunity.csv",
            "opportunities",
            [("0065g00000OppW1AAJ", "0015g00000NorThAAJ", "2024-01-15T12:00:00Z", "completed", "USD", "5000.00")],
        ),
    ],
)
def test_deals_are_orders_only_where_their_owner_says_so(
    tmp_path: Path, system: str, archive: str, member: str, kind: str, rows: list[Row]
) -> None:
    folder = tmp_path / "landing" / "crm"
    folder.mkdir(parents=True)
    (folder / member).write_bytes((HERE / system / archive / member).read_bytes())
    zone = "Asia/Kolkata" if system == "zoho" else "UTC"
    (folder / "source.yml").write_text(f"{{system: {system}, timezone: {zone}, also: [{kind}]}}")
    with duckdb.connect() as con:
        loaded = Loaded(con, read(tmp_path, con), {})
        columns = ("order_id", "source_customer_id", "ordered_at", "status", "currency", "net_amount")
        assert loaded.result.refusals == []
        assert sorted(row[1:] for row in loaded.rows("orders", *columns)) == rows


def test_a_view_may_have_any_name(tmp_path: Path) -> None:
    """HubSpot names an export after the user's view; only products look too much like other files."""
    landing = tmp_path / "landing" / "hubspot"
    landing.mkdir(parents=True)
    expected = said_of_western("hubspot")
    said = {file: each["feed"] for file, each in expected["files"].items() if each["feed"] != "products"}
    for number, file in enumerate(sorted(said)):
        (landing / f"hubspot-crm-exports-view-{number}.csv").write_bytes((HERE / "hubspot" / file).read_bytes())
    with duckdb.connect() as con:
        result = read(tmp_path, con)
    assert result.refusals == []
    assert {delivery.file: delivery.feed for delivery in result.deliveries} == {
        f"hubspot-crm-exports-view-{number}.csv": said[file] for number, file in enumerate(sorted(said))
    }


@pytest.mark.parametrize("system", ["hubspot", "zoho"])
def test_systems_whose_columns_look_alike_are_told_apart(tmp_path: Path, system: str) -> None:
    """Both have a Record ID, names and e-mail addresses; the folder's name does not say which it is."""
    expected = said_of_western(system)
    land_western(system, tmp_path / "landing" / "crm")
    with duckdb.connect() as con:
        result = read(tmp_path, con)
    assert result.refusals == []
    assert {delivery.file: delivery.source_system for delivery in result.deliveries} == dict.fromkeys(
        expected["files"], system
    )
