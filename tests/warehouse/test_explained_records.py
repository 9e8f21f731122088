"""Which raw rows are a customer's, and which version of them stands."""

import hashlib
import hmac
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.warehouse.explained import CALENDAR, delivery, record
from warehouse.build import FeedFiles
from warehouse.errors import WarehouseError
from warehouse.explained_records import Member, Place, RawFeeds, Verdict, masked, standing
from warehouse.identifiers import hmac_pads

KEY = bytes(range(32))


def test_a_day_ends_at_midnight_of_the_business() -> None:
    assert CALENDAR.day(datetime(2025, 6, 30, 15, 59)) == date(2025, 6, 30)
    assert CALENDAR.day(datetime(2025, 6, 30, 16, 0)) == date(2025, 7, 1)
    assert CALENDAR.is_known(datetime(2025, 6, 30, 15, 59))
    assert not CALENDAR.is_known(datetime(2025, 6, 30, 16, 0))
    assert CALENDAR.is_known(None)


def chosen(*rows: Any, deliveries: dict[tuple[str, str], Any] | None = None) -> tuple[list[Any], list[Any]]:
    known = {("shop", name): delivery(name, at=at) for name, at in (("d1", "2025-06-01"), ("d2", "2025-06-02"))}
    return standing("tickets", rows, deliveries or known)


def test_the_row_that_its_source_changed_last_stands() -> None:
    old = record("tickets", 1, delivery_id="d2", ticket_id="t", status="open", updated_at="2025-05-01T00:00:00Z")
    new = record("tickets", 2, delivery_id="d1", ticket_id="t", status="closed", updated_at="2025-05-02T00:00:00Z")
    [stands], [left] = chosen(old, new)
    assert (stands.place, stands.verdict) == (new.place, None)
    assert (left.place, left.verdict) == (old.place, Verdict("replaced", ("d1.csv", "2")))


def test_a_row_that_does_not_say_when_stands_only_if_it_came_after_all_that_do() -> None:
    dated = record("tickets", 1, delivery_id="d1", ticket_id="t", updated_at="2025-05-01T00:00:00Z")
    later = record("tickets", 2, delivery_id="d2", ticket_id="t")
    same = record("tickets", 3, delivery_id="d1", ticket_id="t")
    assert chosen(dated, later)[0][0].place == later.place
    assert chosen(dated, same)[0][0].place == dated.place


def test_without_any_time_the_newest_delivery_stands() -> None:
    rows = [record("tickets", 1, delivery_id=name, ticket_id="t") for name in ("d1", "d2")]
    assert chosen(*rows)[0][0].place.delivery_id == "d2"


def test_contradictory_rows_of_one_moment_are_chosen_between_by_their_hash() -> None:
    rows = [record("tickets", number, ticket_id="t", status=status) for number, status in ((1, "open"), (2, "closed"))]
    content = "t|∅|∅|∅|∅|{}|∅|∅|∅|∅|∅"
    first = min(("open", "closed"), key=lambda status: hashlib.md5(content.format(status).encode()).hexdigest())
    assert chosen(*rows)[0][0].cells["status"] == first
    assert chosen(*rows[::-1])[0][0].cells["status"] == first


def test_a_key_that_a_full_export_has_dropped_is_deleted() -> None:
    known = {("shop", "d1"): delivery("d1", is_replaced=True), ("shop", "d2"): delivery("d2")}
    gone = record("tickets", 1, delivery_id="d1", ticket_id="gone")
    kept = [record("tickets", 2, delivery_id=name, ticket_id="kept") for name in ("d1", "d2")]
    stands, _ = chosen(gone, *kept, deliveries=known)
    assert {row.cells["ticket_id"]: row.verdict for row in stands} == {"gone": Verdict("deleted"), "kept": None}


def test_keys_of_two_sources_are_two() -> None:
    known = {("shop", "d1"): delivery("d1"), ("crm", "d1"): delivery("d1", source="crm")}
    rows = [record("tickets", 1, ticket_id="t"), record("tickets", 1, ticket_id="t", source="crm")]
    assert len(chosen(*rows, deliveries=known)[0]) == 2


def test_what_names_a_person_shows_its_first_sign() -> None:
    row = record("customers", 1, source_customer_id="17", name="李雷先生", email="lilei@example.com", country="CN")
    assert masked(row, delivery()) == {"source_customer_id": "17", "name": "李…", "email": "l…", "country": "CN"}
    assert masked(row, delivery(has_direct_identifiers=True))["source_customer_id"] == "…"
    product = record("products", 1, product_id="p", name="Green tea")
    assert masked(product, delivery())["name"] == "Green tea"


# ------------------------------------------------------------------------------------------------- files

LEDGER = {
    "source": "shop",
    "file": "a.csv",
    "feed": "orders",
    "kind": "orders",
    "currency": "CNY",
    "exported_at": None,
    "received_at": "2025-06-01T00:00:00.000000Z",
    "corrected_at": None,
    "archive_at": None,
    "deliveries_mode": "delta",
    "direct_identifier": "false",
}


class Raw:
    """A folder of raw files, written by hand."""

    def __init__(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        self._con = con
        self._folder = folder
        self._files: dict[str, list[Path]] = {}
        self._released: list[tuple[str, str]] = []

    def put(self, feed: str, delivery_id: str, rows: list[dict[str, Any]], **ledger: Any) -> None:
        """A delivery of one feed."""
        source = ledger.get("source", "shop")
        if (source, delivery_id) not in self._released:
            self._released.append((source, delivery_id))
            self._write("deliveries", delivery_id, [LEDGER | {"delivery_id": delivery_id} | ledger])
        trace = {"source_system": "generic", "source": source, "delivery_id": delivery_id, "exported_at": None}
        trace |= {"received_at": "2025-06-01T00:00:00Z", "extra": None}
        self._write(feed, delivery_id, [trace | {"record_no": number} | row for number, row in enumerate(rows, 1)])

    def _write(self, feed: str, delivery_id: str, rows: list[dict[str, Any]]) -> None:
        file = self._folder / feed / f"{delivery_id}-profile.parquet"
        file.parent.mkdir(exist_ok=True)
        columns = list(dict.fromkeys(name for row in rows for name in row))
        values = ", ".join("(" + ", ".join(_sql(row.get(column)) for column in columns) + ")" for row in rows)
        names = ", ".join(f'"{column}"' for column in columns)
        self._con.execute(f"copy (select * from (values {values}) as rows ({names})) to '{file}' (format parquet)")
        self._files.setdefault(feed, []).append(file)

    def feeds(self, *, without: tuple[str, ...] = ()) -> RawFeeds:
        """The feeds as a release sees them that does not know some deliveries."""
        released = [(source, name) for source, name in self._released if name not in without]
        known = {"source_customer_id": "VARCHAR"}
        files = {
            feed: FeedFiles(known if feed in ("customers", "orders") else {"x": "VARCHAR"}, tuple(each))
            for feed, each in self._files.items()
        }
        return RawFeeds(self._con, files, released)


def _sql(value: object) -> str:
    if value is None:
        return "cast(null as varchar)"
    return str(value) if isinstance(value, int) else f"'{value}'"


@pytest.fixture
def raw(tmp_path: Path) -> Iterator[Raw]:
    with duckdb.connect() as con:
        yield Raw(con, tmp_path)


def test_rows_are_found_by_whose_they_are_and_by_where_they_stand(raw: Raw) -> None:
    raw.put(
        "orders", "d1", [{"order_id": "1", "source_customer_id": "a"}, {"order_id": "2", "source_customer_id": "b"}]
    )
    raw.put("orders", "d2", [{"order_id": "3", "source_customer_id": "a", "note": "x"}])
    feeds = raw.feeds()
    found = feeds.where("orders", "shop", "source_customer_id", ["a"])
    assert [(row.place, dict(row.cells)) for row in found] == [
        (Place("shop", "d1", 1), {"order_id": "1", "source_customer_id": "a"}),
        (Place("shop", "d2", 1), {"order_id": "3", "source_customer_id": "a", "note": "x"}),
    ]
    assert feeds.where("orders", "crm", "source_customer_id", ["a"]) == []
    assert feeds.where("orders", "shop", "source_customer_id", []) == []
    [row] = feeds.at("orders", [Place("shop", "d1", 2)])
    assert row.cells["order_id"] == "2"


def test_what_came_after_the_release_is_not_seen(raw: Raw) -> None:
    raw.put("orders", "d1", [{"order_id": "1", "source_customer_id": "a"}])
    raw.put("orders", "d2", [{"order_id": "2", "source_customer_id": "a"}])
    found = raw.feeds(without=("d2",)).where("orders", "shop", "source_customer_id", ["a"])
    assert [row.cells["order_id"] for row in found] == ["1"]


def test_raw_files_that_are_gone_are_missed(raw: Raw) -> None:
    raw.put("orders", "d1", [{"order_id": "1", "source_customer_id": "a"}])
    feeds = raw.feeds()
    lost = RawFeeds(feeds._con, {name: FeedFiles({}, ()) for name in ("orders", "deliveries")}, [("shop", "d1")])
    with pytest.raises(WarehouseError, match="delivery d1 of shop, which the release was made of, are missing"):
        _ = lost.deliveries


def test_a_full_export_replaces_the_earlier_ones_of_its_kind(raw: Raw) -> None:
    for name, kind, mode, at in (
        ("d1", "orders", "full", "2025-06-01"),
        ("d2", "orders", "full", "2025-06-02"),
        ("d3", "returns", "full", "2025-06-01"),
        ("d4", "orders", "delta", "2025-06-03"),
    ):
        raw.put("orders", name, [{"order_id": "1"}], kind=kind, deliveries_mode=mode, exported_at=f"{at}T00:00:00Z")
    replaced = {name: each.is_replaced for (_, name), each in raw.feeds().deliveries.items()}
    assert replaced == {"d1": True, "d2": False, "d3": False, "d4": False}


def test_customers_published_under_a_secret_are_found_by_it(raw: Raw) -> None:
    rows = [{"source_customer_id": f"{name}@example.com"} for name in ("ann", "bob")]
    raw.put("customers", "d1", rows, direct_identifier="true")
    feeds, pads = raw.feeds(), hmac_pads(KEY)
    hidden = hmac.new(KEY, b"ann@example.com", hashlib.sha256).hexdigest()[:32]
    assert feeds.published_as("shop", "ann@example.com", pads) == hidden
    member = Member("generic", "shop", hidden)
    assert feeds.named_by([member], pads) == {Member("generic", "shop", "ann@example.com")}
    with pytest.raises(WarehouseError, match="secret that is not in this home"):
        feeds.named_by([member], None)


def test_an_id_that_is_no_address_is_published_as_it_is(raw: Raw) -> None:
    raw.put("customers", "d1", [{"source_customer_id": "17"}])
    assert raw.feeds().published_as("shop", "17", None) == "17"


@pytest.mark.parametrize(
    ("contacts", "leads", "share"),
    [
        ([("c1", "a")], [], False),
        # The customer 7 and the contact 7 are two.
        ([("7", "a")], [], True),
        # A lead that became the customer of its own number is no second bearer of it.
        ([], [("a", "a")], False),
        ([], [("a", None)], True),
        ([("9", "a")], [("9", None)], True),
    ],
)
def test_whether_a_number_may_name_a_contact_is_told_by_the_numbers(
    raw: Raw, contacts: list[tuple[str, str]], leads: list[tuple[str, str | None]], share: bool
) -> None:
    raw.put("customers", "d1", [{"source_customer_id": "a"}, {"source_customer_id": "7"}])
    if contacts:
        raw.put("contacts", "d2", [{"contact_id": number, "source_customer_id": whose} for number, whose in contacts])
    if leads:
        raw.put("leads", "d3", [{"lead_id": number, "converted_customer_id": whose} for number, whose in leads])
    assert raw.feeds().share_numbers("shop") is share
