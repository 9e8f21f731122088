"""Files in canonical form: one feed each, told by name or headers."""

from typing import TYPE_CHECKING

import pytest

from sources import canonical_feeds

if TYPE_CHECKING:
    from tests.sources.conftest import Home

ORDERS = "order_id,ordered_at,net_amount\n1,2024-01-31 10:00:00,12.50\n2,2024-02-01,-3.00\n"


@pytest.fixture
def shop(home: "Home") -> "Home":
    home.put("shop/source.yml", "system: generic")
    return home


@pytest.mark.parametrize(
    "name",
    ["orders.csv", "Orders-2024.csv", "orders_2024-01-31.csv", "orders20240131.csv", "orders (1).csv", "anything.csv"],
)
def test_the_feed_is_told_by_the_name_or_else_by_the_headers(shop: "Home", name: str) -> None:
    shop.put(f"shop/{name}", ORDERS)
    assert [delivery.feed for delivery in shop.load().deliveries] == ["orders"]


def test_a_name_with_an_underscore_is_one_word(shop: "Home") -> None:
    shop.put("shop/fx_rates_2024.csv", "currency,on,rate\nUSD,2024-01-01,7.1\n")
    result = shop.load()
    assert shop.rows(result.feeds["fx_rates"], "currency", '"on"', "rate") == [("USD", "2024-01-01", "7.1")]


def test_orders_have_defaults(shop: "Home") -> None:
    shop.put("shop/orders.csv", ORDERS)
    columns = ("order_id", "ordered_at", "status", "kind", "currency", "net_amount", "source_customer_id")
    assert shop.rows(shop.load().feeds["orders"], *columns) == [
        ("1", "2024-01-31T10:00:00Z", "completed", "sale", "EUR", "12.50", None),
        ("2", "2024-02-01T12:00:00Z", "completed", "refund", "EUR", "-3.00", None),
    ]


def test_what_a_file_says_goes_before_the_defaults(shop: "Home") -> None:
    shop.put("shop/source.yml", "{system: generic, currency: CNY}")
    shop.put("shop/orders.csv", "order_id,ordered_at,net_amount,status,kind,currency\n1,2024-01-01,5,Open,refund,USD\n")
    columns = ("status", "kind", "currency")
    assert shop.rows(shop.load().feeds["orders"], *columns) == [("open", "refund", "USD")]


def test_a_refund_takes_its_amounts_away_whichever_sign_it_is_written_with(shop: "Home") -> None:
    rows = "1,2024-01-01,30,refund,20\n2,2024-01-01,-30,refund,-20\n3,2024-01-01,-30,,20\n4,2024-01-01,0,Refund,\n"
    shop.put("shop/orders.csv", f"order_id,ordered_at,net_amount,kind,cost_amount\n{rows}5,2024-01-01,30,,20\n")
    assert shop.rows(shop.load().feeds["orders"], "kind", "net_amount", "cost_amount") == [
        ("refund", "-30", "-20"),
        ("refund", "-30", "-20"),
        ("refund", "-30", "-20"),
        ("refund", "0", None),
        ("sale", "30", "20"),
    ]


def test_what_is_called_a_sale_and_is_below_zero_is_rejected(shop: "Home") -> None:
    shop.put("shop/orders.csv", "order_id,ordered_at,net_amount,kind\n1,2024-01-01,-30,Sale\n2,2024-01-01,0,sale\n")
    result = shop.load()
    rejected = shop.rows(result.feeds["rejected"], "record_no", "code", "column_name", "raw_value", "source_key")
    assert rejected == [(1, "bad_amount", "net_amount", "-30", "1")]
    assert shop.rows(result.feeds["orders"], "order_id", "kind") == [("2", "sale")]


def test_an_unknown_word_is_not_replaced_by_a_default(shop: "Home") -> None:
    shop.put("shop/orders.csv", "order_id,ordered_at,net_amount,status\n1,2024-01-01,5,on fire\n")
    assert shop.rows(shop.load().feeds["orders"], "status", "extra") == [(None, '{"status":"on fire"}')]


def test_an_unreadable_birthday_costs_no_customer(shop: "Home") -> None:
    shop.put("shop/customers.csv", "source_customer_id,birth_date,is_active,points\n7,31.2.,perhaps,12\n")
    assert shop.rows(shop.load().feeds["customers"], "birth_date", "is_active", "extra") == [
        (None, None, '{"points":"12","birth_date":"31.2.","is_active":"perhaps"}')
    ]


def test_a_file_of_one_column_is_a_feed(shop: "Home") -> None:
    shop.put("shop/customers.csv", "source_customer_id\n7\n\n00123\n")
    result = shop.load()
    assert shop.rows(result.feeds["customers"], "record_no", "source_customer_id") == [(1, "7"), (3, "00123")]
    assert (result.deliveries[0].records, result.deliveries[0].ignored) == (3, 1)


def test_a_missing_column_is_named_with_the_nearest(shop: "Home") -> None:
    shop.put("shop/orders.csv", "order_id,order_at,net_amount\n1,2024-01-01,5\n")
    message = shop.refusal()
    assert "the column ordered_at is missing (the nearest seen is 'order_at')" in message


def test_a_name_and_headers_that_say_nothing_are_refused(shop: "Home") -> None:
    shop.put("shop/export.csv", "a,b\n1,2\n")
    assert "neither its name nor its headers say which feed it is" in shop.refusal()


def test_headers_that_fit_several_feeds_are_refused(shop: "Home") -> None:
    shop.put("shop/export.csv", "order_id,ordered_at,net_amount,quantity,unit_price\n1,2024-01-01,5,1,5\n")
    assert "its headers fit several feeds (orders, order_lines)" in shop.refusal()


def test_a_renamed_file_is_read_as_its_new_feed(shop: "Home") -> None:
    text = "payment_id,paid_at,amount,order_id,ordered_at,net_amount\n1,2024-01-01,5,1,2024-01-01,5\n"
    file = shop.put("shop/payments.csv", text)
    shop.load()
    file.rename(file.with_name("orders.csv"))
    result = shop.load()
    assert [delivery.feed for delivery in result.deliveries] == ["orders"]
    assert (len(result.feeds["orders"].files), result.feeds["payments"].files) == (1, ())


@pytest.mark.parametrize(
    ("feed", "line", "code", "column"),
    [
        ("orders", {"order_id": ""}, "missing_id", "order_id"),
        ("orders", {"net_amount": "x"}, "bad_amount", "net_amount"),
        ("orders", {"ordered_at": "31/12/2024"}, "bad_date", "ordered_at"),
        ("orders", {"original_order_id": "1.2E+10"}, "id_mangled", "original_order_id"),
        ("order_lines", {"line_no": "1.5"}, "bad_amount", "line_no"),
        ("interactions", {"source_customer_id": ""}, "missing_customer", "source_customer_id"),
        ("customers", {"source_customer_id": ""}, "missing_id", "source_customer_id"),
        ("survey_responses", {"score": "-1"}, "bad_score", "score"),
        ("tickets", {"csat": "great"}, "bad_score", "csat"),
        ("fx_rates", {"currency": ""}, "missing_id", "currency"),
        ("fx_rates", {"on": "2024-02-30"}, "bad_date", "on"),
        ("consents", {"state": "perhaps"}, "bad_structure", "state"),
        ("subscriptions", {"ends_on": "never"}, "bad_date", "ends_on"),
    ],
)
def test_each_feed_rejects_what_it_cannot_use(
    shop: "Home", feed: str, line: dict[str, str], code: str, column: str
) -> None:
    plausible = {
        "id": "7",
        "text": "word",
        "amount": "1.00",
        "number": "2",
        "integer": "3",
        "score": "4",
        "timestamp": "2024-01-01 10:00:00",
        "date": "2024-01-01",
        "boolean": "true",
        "email": "a@example.com",
        "phone": "+8613800138000",
    }
    columns = canonical_feeds()[feed].columns
    good = {name: kind.values[0] if kind.values else plausible[kind.type] for name, kind in columns.items()}
    rows = [",".join(columns), *(",".join((good | change).values()) for change in ({}, line, {}))]
    shop.put(f"shop/{feed}.csv", "\n".join(rows) + "\n")
    result = shop.load()
    assert shop.rows(result.feeds["rejected"], "record_no", "code", "column_name") == [(2, code, column)]
    assert shop.rows(result.feeds[feed], "record_no") == [(1,), (3,)]


def test_a_folder_without_settings_is_recognised_by_headers(home: "Home") -> None:
    home.put("shop/orders.csv", ORDERS)
    home.put("warehouse/x.csv", home.retail())
    assert {delivery.source: delivery.source_system for delivery in home.load().deliveries} == {
        "shop": "generic",
        "warehouse": "online_retail",
    }


def test_headers_of_no_profile_are_refused_with_the_nearest(home: "Home") -> None:
    home.put("shop/x.csv", home.retail().replace("UnitPrice", "Cost"))
    message = home.refusal()
    assert "the nearest is online_retail, for which UnitPrice is missing" in message
    assert "system: <profile>" in message


def test_headers_of_several_profiles_are_refused(home: "Home") -> None:
    header = ",".join([home.retail().splitlines()[0], "order_id", "ordered_at", "net_amount"])
    home.put("shop/x.csv", header + "\n")
    assert "its headers fit several profiles (online_retail, generic)" in home.refusal()


def test_every_raw_feed_has_its_columns_and_where_it_came_from(shop: "Home") -> None:
    shop.put("shop/orders.csv", ORDERS)
    feed = shop.load().feeds["orders"]
    described = shop.con.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(feed.files[0])]).fetchall()
    assert {column: kind for column, kind, *_ in described} == dict(feed.types)
    assert feed.columns[-7:] == (
        "source_system",
        "source",
        "delivery_id",
        "record_no",
        "exported_at",
        "received_at",
        "extra",
    )
    assert {kind for column, kind in feed.types.items() if column != "record_no"} == {"VARCHAR"}


def test_a_file_without_header_is_never_recognised_by_its_shape(home: "Home") -> None:
    home.put("shop/x.csv", "00004 19970101 2 29.33\n")
    assert "its headers fit no profile" in home.refusal()
