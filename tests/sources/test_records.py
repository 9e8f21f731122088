"""What one record shows by itself: kept, rejected or ignored, and always accounted for."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sources.csv_files import decode

if TYPE_CHECKING:
    from sources import LoadResult
    from tests.sources.conftest import Home

GOOD = "536365,85123A,WHITE HANGING HEART,6,2010-12-01 08:26:00,2.550,17850,United Kingdom"
REJECTED = ("record_no", "code", "column_name", "raw_value", "source_key")


def counted(home: "Home", result: "LoadResult") -> tuple[int, int, int, int]:
    """Records, loaded, rejected and ignored of the only delivery; their sum must hold."""
    [delivery] = result.deliveries
    loaded = len(home.rows(result.feeds[delivery.feed], "record_no"))
    assert delivery.records == loaded + delivery.rejected + delivery.ignored
    assert len(home.rows(result.feeds["rejected"], "record_no")) == delivery.rejected
    return delivery.records, loaded, delivery.rejected, delivery.ignored


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (GOOD.replace("536365", ""), ("missing_id", "InvoiceNo", None, None)),
        (GOOD.replace("536365", " "), ("missing_id", "InvoiceNo", " ", None)),
        (GOOD.replace("536365", "5.36E+05"), ("id_mangled", "InvoiceNo", "5.36E+05", "5.36E+05")),
        (GOOD.replace("17850", "1.785E+04"), ("id_mangled", "CustomerID", "1.785E+04", "536365")),
        (GOOD.replace("2010-12-01", "0000-00-00"), ("bad_date", "InvoiceDate", "0000-00-00 08:26:00", "536365")),
        (GOOD.replace("2010-12-01 08:26:00", "40513.35"), ("bad_date", "InvoiceDate", "40513.35", "536365")),
        (GOOD.replace("2010-12-01 08:26:00", ""), ("bad_date", "InvoiceDate", None, "536365")),
        (GOOD.replace("2.550", "2.5.5"), ("bad_amount", "UnitPrice", "2.5.5", "536365")),
        (GOOD.replace("2.550", "NaN"), ("bad_amount", "UnitPrice", "NaN", "536365")),
        (GOOD.replace("2.550", '"2,50"'), ("bad_amount", "UnitPrice", "2,50", "536365")),
        (GOOD.replace("2.550", ""), ("bad_amount", "UnitPrice", None, "536365")),
        (GOOD.replace(",6,", ",six,"), ("bad_amount", "Quantity", "six", "536365")),
        (GOOD + ",surplus", ("bad_structure", None, GOOD + ",surplus", None)),
        ("536365;85123A", ("bad_structure", None, "536365;85123A", None)),
        ("TOTAL,,,,,,,", ("bad_date", "InvoiceDate", None, "TOTAL")),
        (GOOD.replace("WHITE", "WH\0ITE"), ("bad_structure", None, GOOD.replace("WHITE", "WH\ufffdITE"), None)),
    ],
)
def test_a_bad_record_is_rejected_with_its_reason(
    home: "Home", line: str, expected: tuple[str, str | None, str | None, str | None]
) -> None:
    home.put("online_retail/x.csv", home.retail(GOOD, line, GOOD))
    result = home.load()
    assert counted(home, result) == (3, 2, 1, 0)
    assert home.rows(result.feeds["rejected"], *REJECTED) == [(2, *expected)]
    assert home.rows(result.feeds["order_lines"], "record_no") == [(1,), (3,)]


def test_the_first_of_several_reasons_counts(home: "Home") -> None:
    home.put("online_retail/x.csv", home.retail(GOOD, ",A,x,?,someday,?,1E+5,UK", "1,A,x,?,someday,?,1E+5,UK", GOOD))
    result = home.load()
    assert [code for (code,) in home.rows(result.feeds["rejected"], "code")] == ["missing_id", "id_mangled"]


def test_a_rejected_record_names_its_file_and_feed(home: "Home") -> None:
    home.put("online_retail/x.zip", home.zipped({"a.csv": home.retail(GOOD, GOOD.replace("2.550", "?"))}))
    result = home.load()
    columns = ("source_system", "source", "feed", "file", "delivery_id")
    assert home.rows(result.feeds["rejected"], *columns) == [
        ("online_retail", "online_retail", "order_lines", "x.zip#a.csv", result.deliveries[0].delivery_id)
    ]


def test_a_rejected_line_leaves_the_rest_of_its_document(home: "Home") -> None:
    home.put("online_retail/x.csv", home.retail(GOOD.replace("2.550", "?"), GOOD))
    result = home.load()
    assert home.rows(result.feeds["orders"], "order_id", "record_no") == [("536365", 2)]


def test_empty_records_are_ignored(home: "Home") -> None:
    home.put("online_retail/x.csv", home.retail(GOOD, "", ",,,,,,,", " ,,,N/A,,,,", GOOD, ""))
    result = home.load()
    assert counted(home, result) == (6, 2, 0, 4)
    assert home.rows(result.feeds["order_lines"], "record_no") == [(1,), (5,)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_read(home: "Home", end: str) -> None:
    home.put("online_retail/x.csv", home.retail(GOOD, GOOD, end=end))
    assert counted(home, home.load()) == (2, 2, 0, 0)


def test_mixed_line_ends_are_read(home: "Home") -> None:
    text = home.retail(GOOD, GOOD, GOOD, GOOD).split("\n")
    home.put("online_retail/x.csv", "\r\n".join(text[:2]) + "\n" + "\n".join(text[2:]))
    assert counted(home, home.load()) == (4, 4, 0, 0)


def test_characters_and_line_ends_may_be_split_between_pieces(home: "Home") -> None:
    text = home.retail(GOOD.replace("WHITE", "王小明"), GOOD, end="\r\n")
    pieces = (bytes([byte]) for byte in text.encode())
    assert "".join(decode(pieces)) == text.replace("\r\n", "\n")


def test_a_file_of_a_header_alone_has_no_records(home: "Home") -> None:
    for name, header in (("x.csv", "{}\n"), ("y.csv", " {}\n")):
        home.put(f"online_retail/{name}", header.format(home.retail().splitlines()[0]))
    result = home.load()
    assert [(delivery.records, delivery.rejected) for delivery in result.deliveries] == [(0, 0), (0, 0)]
    assert [len(result.feeds[feed].files) for feed in ("order_lines", "orders", "customers")] == [2, 2, 2]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_understood(home: "Home", encoding: str) -> None:
    home.put("online_retail/x.csv", home.retail(GOOD.replace("WHITE", "CAFÉ")).encode(encoding))
    result = home.load()
    assert home.rows(result.feeds["order_lines"], "description") == [("CAFÉ HANGING HEART",)]


def test_quoted_text_may_hold_line_ends_separators_and_quotes(home: "Home") -> None:
    text = GOOD.replace("WHITE HANGING HEART", '"A ""white"", big\nHEART"')
    home.put("online_retail/x.csv", home.retail(text, GOOD))
    result = home.load()
    assert counted(home, result) == (2, 2, 0, 0)
    assert home.rows(result.feeds["order_lines"], "record_no", "description") == [
        (1, 'A "white", big\nHEART'),
        (2, "WHITE HANGING HEART"),
    ]


def test_a_quote_inside_plain_text_is_kept(home: "Home") -> None:
    home.put("online_retail/x.csv", home.retail(GOOD.replace("WHITE", 'WHITE 12" TALL'), GOOD))
    result = home.load()
    assert home.rows(result.feeds["order_lines"], "description")[0] == ('WHITE 12" TALL HANGING HEART',)


def test_a_header_may_be_quoted_reordered_and_in_other_case(home: "Home") -> None:
    text = (
        'country,"INVOICENO"," Stock\u0043ode ",Quantity,InvoiceDate,UnitPrice,CustomerID,Description\n'
        "UK,1,A,2,2011-01-01 10:00:00,1.50,7,x\n"
    )
    home.put("online_retail/x.csv", text)
    result = home.load()
    columns = ("order_id", "product_id", "quantity", "unit_price", "description")
    assert home.rows(result.feeds["order_lines"], *columns) == [("1", "A", "2", "1.50", "x")]


def test_a_header_with_a_line_end_in_it_is_one_header(home: "Home") -> None:
    header = 'InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID,Country,"two\nlines"'
    home.put("online_retail/x.csv", home.retail("1,A,2,2011-01-01 10:00:00,1.50,7,UK,note", header=header))
    result = home.load()
    assert counted(home, result) == (1, 1, 0, 0)
    assert home.rows(result.feeds["order_lines"], "extra") == [('{"two\\nlines":"note"}',)]


def test_names_of_the_second_release_of_the_data_set_are_known(home: "Home") -> None:
    header = "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country"
    home.put("online_retail/x.csv", home.retail("489434,85048,GLASS,12,12/1/2009 7:45,6.95,13085.0,UK", header=header))
    result = home.load()
    assert home.rows(result.feeds["orders"], "order_id", "source_customer_id", "ordered_at") == [
        ("489434", "13085", "2009-12-01T07:45:00Z")
    ]


def test_a_header_can_be_named_in_source_yml(home: "Home") -> None:
    home.put("online_retail/source.yml", "columns: {UnitPrice: Stückpreis}")
    home.put("online_retail/x.csv", home.retail(GOOD).replace("UnitPrice", "Stückpreis"))
    assert home.rows(home.load().feeds["order_lines"], "unit_price") == [("2.550",)]


def test_unknown_columns_are_kept_as_extra(home: "Home") -> None:
    header = 'InvoiceNo,StockCode,Quantity,InvoiceDate,UnitPrice,CustomerID,Country,It\'s "new",,Note'
    lines = [
        '1,A,2,2011-01-01 10:00:00,1.50,7,UK," a ""b"" ",second, ',
        "2,A,2,2011-01-01 10:00:00,1.50,7,UK,,,",
    ]
    home.put("online_retail/x.csv", home.retail(*lines, header=header.replace('It\'s "new"', '"It\'s ""new"""')))
    result = home.load()
    assert home.rows(result.feeds["order_lines"], "json_extract_string(extra, '$.\"(column 9)\"')", "extra") == [
        ("second", '{"It\'s \\"new\\"":"a \\"b\\"","(column 9)":"second"}'),
        (None, None),
    ]


def test_a_blank_customer_is_a_guest(home: "Home") -> None:
    home.put("online_retail/x.csv", home.retail(GOOD.replace("17850", "")))
    result = home.load()
    assert home.rows(result.feeds["orders"], "source_customer_id") == [(None,)]
    assert home.rows(result.feeds["customers"], "*") == []


def test_where_guests_are_not_allowed_a_blank_customer_is_missing(home: "Home") -> None:
    home.put("online_retail/source.yml", "guests: false")
    home.put("online_retail/x.csv", home.retail(GOOD.replace("17850", ""), GOOD))
    result = home.load()
    assert home.rows(result.feeds["rejected"], "code", "column_name") == [("missing_customer", "CustomerID")]


def test_the_prefix_of_an_invoice_says_what_it_is(home: "Home") -> None:
    home.put("online_retail/x.csv", home.retail())
    assert home.rows(home.load().feeds["orders"], "order_id", "kind", "status") == [
        ("536365", "sale", "completed"),
        ("C536379", "refund", "completed"),
        ("A563185", "sale", "cancelled"),
    ]


def test_the_settings_of_a_source_go_before_its_profile(home: "Home") -> None:
    home.put("online_retail/source.yml", "{timezone: Asia/Shanghai, currency: CNY, deliveries: full, max_age_days: 3}")
    home.put("online_retail/x.csv", home.retail(GOOD))
    result = home.load()
    assert home.rows(result.feeds["orders"], "ordered_at", "currency") == [("2010-12-01T00:26:00Z", "CNY")]
    [delivery] = result.deliveries
    assert (delivery.time_zone, delivery.deliveries_mode, delivery.max_age_days) == ("Asia/Shanghai", "full", 3)


def test_a_parquet_file_is_read_as_the_text_of_its_values(home: "Home", tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    home.con.execute(
        "COPY (SELECT '1' AS InvoiceNo, 'A' AS StockCode, 'x' AS Description, 2::INT AS Quantity, "
        "TIMESTAMP '2011-07-01 10:00:00' AS InvoiceDate, 1.50::DECIMAL(9, 2) AS UnitPrice, 17850.0::DOUBLE AS "
        f"CustomerID, 'UK' AS Country) TO '{file}' (FORMAT parquet)"
    ).fetchall()
    home.put("online_retail/x.parquet", file.read_bytes())
    home.put("online_retail/y.zip", home.zipped({"y.parquet": file.read_bytes()}))
    result = home.load()
    assert counted(home, result) == (1, 1, 0, 0)
    assert home.rows(result.feeds["order_lines"], "quantity", "unit_price") == [("2", "1.50")]
    assert home.rows(result.feeds["orders"], "source_customer_id", "ordered_at") == [("17850", "2011-07-01T09:00:00Z")]


def test_a_cut_parquet_file_is_refused(home: "Home", tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    home.con.execute(f"COPY (SELECT range AS InvoiceNo FROM range(100)) TO '{file}' (FORMAT parquet)").fetchall()
    for content in (b"", file.read_bytes()[:-10]):
        home.put("online_retail/x.parquet", content)
        assert "not a whole Parquet file" in home.refusal()


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
RECORDS = st.lists(
    st.one_of(
        st.just([]),
        st.lists(CELLS, min_size=8, max_size=8),
        st.lists(CELLS, min_size=1, max_size=10),
        st.just(GOOD.split(",")),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=RECORDS)
def test_every_record_is_loaded_rejected_or_ignored(home: "Home", records: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(records)
    for folder in ("raw", "rejected"):
        for file in (home.root / folder).rglob("*.parquet"):
            file.unlink()
    home.put("online_retail/x.csv", home.retail(GOOD) + text.getvalue() + GOOD + "\n")
    result = home.load()
    assert result.refusals == []
    total, loaded, _, _ = counted(home, result)
    assert total == len(records) + 2
    assert loaded >= 2 + sum(record == GOOD.split(",") for record in records)
