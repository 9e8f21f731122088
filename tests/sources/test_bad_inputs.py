"""Sixty-six ways in which an export is not what it should be, and what must become of each.

One test each, numbered. The outcome is that of the file: how many records are loaded, rejected with which code and
ignored, or the words in which it is refused; `records = loaded + rejected + ignored` holds in all of them.
"""

import base64
import gzip
import io
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import xlsxwriter

from sources.limits import Limits

if TYPE_CHECKING:
    from tests.sources.conftest import Home

HEADER = "order_id,ordered_at,net_amount"
FIRST = "A1,2024-01-01 10:00:00,5.00"
SECOND = "A2,2024-01-02 10:00:00,6.50"


@pytest.fixture
def shop(home: "Home") -> "Home":
    home.put("shop/source.yml", "system: generic")
    return home


def lines(*records: str, header: str = HEADER) -> str:
    return "".join(f"{line}\n" for line in (header, *records))


def outcome(shop: "Home", content: str | bytes, name: str = "orders.csv") -> tuple[int, list[str], int]:
    """Rows loaded, codes of the rejected records, and records ignored, after loading one file."""
    shop.put(f"shop/{name}", content)
    result = shop.load()
    assert result.refusals == []
    [delivery] = result.deliveries
    codes = [str(code) for (code,) in shop.rows(result.feeds["rejected"], "code")]
    loaded = len(shop.rows(result.feeds[delivery.feed], "record_no"))
    assert delivery.records == loaded + len(codes) + delivery.ignored
    return loaded, codes, delivery.ignored


def anew(shop: "Home") -> "Home":
    """Forget what was loaded and landed; the settings stay."""
    for folder in ("raw", "rejected", "landing"):
        for file in (shop.root / folder).rglob("*"):
            if file.is_file() and file.name != "source.yml":
                file.unlink()
    return shop


def refused(shop: "Home", content: str | bytes, name: str = "orders.csv") -> str:
    """Why a file was refused; it must leave nothing behind."""
    shop.put(f"shop/{name}", content)
    return shop.refusal()


def column(shop: "Home", feed: str, name: str, *, sorted_by: str = "record_no") -> list[str | None]:
    """A column of what was loaded."""
    return [value for value, _ in shop.rows(shop.load().feeds[feed], name, sorted_by)]


def workbook(
    *sheets: tuple[str, Sequence[Sequence[object]]],
    hidden: Sequence[str] = (),
    merged: Sequence[tuple[int, int, int, int, str]] = (),
) -> bytes:
    """An xlsx file; a tuple in a cell is a formula and its stored result. Cells are merged on the first sheet."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as book:
        for name, rows in sheets:
            page = book.add_worksheet(name)
            for number, row in enumerate(rows):
                for place, cell in enumerate(row):
                    if isinstance(cell, tuple):
                        page.write_formula(number, place, cell[0], None, cell[1])
                    else:
                        page.write(number, place, cell)
            if name in hidden:
                page.hide()
        for area in merged:
            book.worksheets()[0].merge_range(*area)
    return content.getvalue()


def repacked(content: bytes, part: str, old: bytes, new: bytes) -> bytes:
    """An archive in which the bytes of one part are changed; a part that is not there is added."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as after:
        for info in before.infolist():
            data = before.read(info)
            assert info.filename != part or old in data
            after.writestr(info.filename, data.replace(old, new) if info.filename == part else data)
        if part not in before.namelist():
            after.writestr(part, new)
    return packed.getvalue()


ROWS = [HEADER.split(","), ["A1", "2024-01-01 10:00:00", "5.00"]]


# Whole files


def test_01_an_empty_file(shop: "Home") -> None:
    assert "it is empty" in refused(shop, b"")


def test_02_a_header_alone(shop: "Home") -> None:
    assert outcome(shop, lines()) == (0, [], 0)


def test_03_a_header_without_line_end(shop: "Home") -> None:
    assert outcome(shop, HEADER) == (0, [], 0)


def test_04_cut_in_the_middle_of_a_record(shop: "Home") -> None:
    assert "cut short" in refused(shop, lines(FIRST, SECOND)[:-12])


def test_05_cut_between_two_records_shows_in_the_volume(shop: "Home") -> None:
    # No reader can see it in the file; the owner may say how much a delivery may differ from the last ones.
    shop.put("shop/source.yml", "{system: generic, contract: {volume: {share: 0.5, then: refuse}}}")
    for day in range(1, 5):
        shop.put(f"shop/orders-2024-01-0{day}.csv", lines(*[f"{day}-{n},2024-01-01,5" for n in range(10)]))
    assert shop.load().refusals == []
    shop.put("shop/orders-2024-01-05.csv", lines(*[f"5-{n},2024-01-01,5" for n in range(4)]))
    [refusal] = shop.load().refusals
    assert "it has 4 records, while the median of the last 4 is 10" in refusal.message


def test_06_a_record_with_missing_fields(shop: "Home") -> None:
    assert outcome(shop, lines(FIRST, "A3,2024-01-03", SECOND)) == (2, ["bad_structure"], 0)


def test_07_a_record_with_extra_fields(shop: "Home") -> None:
    assert outcome(shop, lines(FIRST, SECOND + ",7", SECOND)) == (2, ["bad_structure"], 0)


def test_08_a_record_with_another_separator(shop: "Home") -> None:
    assert outcome(shop, lines(FIRST, SECOND.replace(",", ";"), SECOND)) == (2, ["bad_structure"], 0)


def test_09_a_file_with_another_separator(shop: "Home") -> None:
    assert "separated by ';'; set 'delimiter'" in refused(shop, lines(FIRST).replace(",", ";"))
    shop.put("shop/source.yml", '{system: generic, delimiter: ";"}')
    assert outcome(shop, lines(FIRST).replace(",", ";")) == (1, [], 0)


def test_10_a_quote_that_is_not_closed(shop: "Home") -> None:
    assert "a quote is opened and not closed" in refused(shop, lines(FIRST, '"A2,2024-01-02,6.50', *[SECOND] * 100))


def test_11_a_quote_inside_a_text(shop: "Home") -> None:
    assert outcome(shop, lines('A1,2024-01-01,5,12" tall', header=HEADER + ",channel")) == (1, [], 0)
    assert column(shop, "orders", "channel") == ['12" tall']


def test_12_a_line_end_inside_a_quoted_text(shop: "Home") -> None:
    assert outcome(shop, lines('A1,2024-01-01,5,"two\nlines"', SECOND + ",", header=HEADER + ",channel")) == (2, [], 0)
    assert column(shop, "orders", "channel") == ["two\nlines", None]


def test_13_a_utf_8_byte_order_mark(shop: "Home") -> None:
    assert outcome(shop, lines(FIRST).encode("utf-8-sig")) == (1, [], 0)


def test_14_mixed_line_ends(shop: "Home") -> None:
    assert outcome(shop, f"{HEADER}\r\n{FIRST}\n{SECOND}\r\n") == (2, [], 0)


def test_15_carriage_returns_alone(shop: "Home") -> None:
    assert outcome(shop, lines(FIRST, SECOND).replace("\n", "\r")) == (2, [], 0)


def test_16_a_nul_byte(shop: "Home") -> None:
    assert outcome(shop, lines(FIRST, "A\0,2024-01-02,6", SECOND)) == (2, ["bad_structure"], 0)


def test_17_control_and_invisible_characters(shop: "Home") -> None:
    text = lines("A1,2024-01-01,5,\x07we\u200bb\u202e", header=HEADER + ",channel")
    assert outcome(shop, text) == (1, [], 0)
    assert column(shop, "orders", "channel") == ["web"]


def test_18_western_bytes(shop: "Home") -> None:
    content = lines("A1,2024-01-01,5,Café du Coin", header=HEADER + ",channel").encode("cp1252")
    assert "is not UTF-8" in refused(shop, content)
    shop.put("shop/source.yml", "{system: generic, encoding: cp1252}")
    assert outcome(shop, content) == (1, [], 0)
    assert column(shop, "orders", "channel") == ["Café du Coin"]


def test_19_chinese_bytes(shop: "Home") -> None:
    content = lines("A1,2024-01-01,5,线下门店", "A2,2024-01-02,6,\U00020000", header=HEADER + ",channel")
    assert outcome(shop, content.encode("gb18030")) == (2, [], 0)
    assert column(shop, "orders", "channel") == ["线下门店", "\U00020000"]


def test_20_utf_16_with_a_mark(shop: "Home") -> None:
    assert outcome(shop, lines(FIRST).encode("utf-16")) == (1, [], 0)


def test_21_utf_16_without_a_mark(shop: "Home") -> None:
    assert "as UTF-16 text does" in refused(shop, lines(FIRST).encode("utf-16-le"))


def test_22_one_record_that_is_no_utf_8(shop: "Home") -> None:
    good = [f"A{number},2024-01-01,5,北京旗舰店" for number in range(4)]
    content = lines(*good, header=HEADER + ",channel").encode() + b"A9,2024-01-01,5,\xe5\x8c\n" + b"B1,2024-01-01,5,x\n"
    assert outcome(shop, content) == (5, ["bad_structure"], 0)
    [(number, raw)] = shop.rows(shop.load().feeds["rejected"], "record_no", "raw_value")
    assert number == 5
    assert base64.b64decode(raw.removeprefix("base64:")) == b"A9,2024-01-01,5,\xe5\x8c"


def test_23_an_endless_line(shop: "Home") -> None:
    shop.limits = Limits(line_bytes=1 << 20)
    assert "is longer than 1 MB" in refused(shop, lines(FIRST, "A" * (2 << 20)))


def test_24_a_file_beyond_all_size(shop: "Home") -> None:
    shop.limits = Limits(file_bytes=1000)
    assert "it is larger than" in refused(shop, lines(*[FIRST] * 100))


# Headers


def test_25_a_header_that_occurs_twice(shop: "Home") -> None:
    assert "occurs twice (columns 3 and 4)" in refused(shop, lines(FIRST + ",1", header=HEADER + ",net_amount"))


def test_26_a_header_that_differs_by_case_only(shop: "Home") -> None:
    assert outcome(shop, lines(FIRST, header=HEADER.upper())) == (1, [], 0)
    assert "occurs twice" in refused(anew(shop), lines(FIRST + ",1", header=HEADER + ",Net_Amount"))


def test_27_a_missing_column_that_is_required(shop: "Home") -> None:
    assert "the column net_amount is missing" in refused(shop, lines("A1,2024-01-01", header="order_id,ordered_at"))


def test_28_a_missing_column_that_is_optional(shop: "Home") -> None:
    assert outcome(shop, lines(FIRST)) == (1, [], 0)
    assert column(shop, "orders", "channel") == [None]


def test_28_an_optional_column_that_the_delivery_before_had(shop: "Home") -> None:
    shop.put("shop/orders-2024-01-01.csv", lines(FIRST + ",web,note", header=HEADER + ",channel,colour"))
    shop.put("shop/customers-2024-01-02.csv", "source_customer_id,name\nC1,Ann\n")
    shop.load()
    shop.put("shop/orders-2024-01-03.csv", lines(FIRST))
    result = shop.load()
    assert result.drift == [
        "landing/shop/orders-2024-01-03.csv: the column channel, which the delivery before had, is missing; "
        "empty in its records."
    ]
    # What is older than the others has nothing before it, and what went stays away without a word.
    shop.put("shop/orders-2023-12-31.csv", lines("A0,2023-12-31,5.00"))
    shop.put("shop/orders-2024-01-04.csv", lines("A4,2024-01-04,5.00"))
    assert shop.load().drift == []


def test_29_an_unknown_column(shop: "Home") -> None:
    shop.put("shop/orders.csv", lines(FIRST + ",red", header=HEADER + ",colour"))
    result = shop.load()
    assert shop.rows(result.feeds["orders"], "extra") == [('{"colour":"red"}',)]
    assert result.drift == ["landing/shop/orders.csv: nobody reads the column 'colour'; kept in extra."]


def test_29_an_unknown_column_where_none_may_be(shop: "Home") -> None:
    shop.put("shop/source.yml", "{system: generic, contract: {unknown_columns: freeze}}")
    assert "nobody reads the column 'colour'" in refused(shop, lines(FIRST + ",red", header=HEADER + ",colour"))


def test_30_a_renamed_column(shop: "Home") -> None:
    text = lines(FIRST, header=HEADER.replace("net_amount", "netamount"))
    assert "the column net_amount is missing (the nearest seen is 'netamount')" in refused(shop, text)


def test_31_reordered_columns(shop: "Home") -> None:
    assert outcome(shop, lines("5.00,A1,2024-01-01", header="net_amount,order_id,ordered_at")) == (1, [], 0)
    assert column(shop, "orders", "net_amount") == ["5.00"]


def test_32_a_column_that_changes_its_type(shop: "Home") -> None:
    shop.put("shop/source.yml", "{system: generic, contract: {type_drift: {share: 0.5, then: refuse}}}")
    text = lines("C1,yes", "C2,perhaps", "C3,often", header="source_customer_id,is_active")
    assert "2 of 3 values of is_active are no yes or no, more than 50%" in refused(shop, text, "customers.csv")


def test_a_missing_header_is_named_whatever_separates_the_fields(shop: "Home") -> None:
    shop.put("shop/source.yml", '{system: generic, delimiter: ";"}')
    message = refused(shop, lines("A1;5.00;2024-01-01", header="order_id;net;ordered_at"))
    assert "the column net_amount is missing" in message
    assert "separated" not in message


def test_a_header_that_the_owner_calls_optional_may_be_missing(home: "Home") -> None:
    home.put("salesforce/Account.csv", lines("001000000000001AAA,2024-01-01", header="Id,CreatedDate"))
    assert "Name is missing" in home.refusal()
    home.put("salesforce/source.yml", "contract: {columns: {Name: optional, Id: optional}}")
    assert column(home, "customers", "source_customer_id") == ["001000000000001AAA"]
    home.put("salesforce/Account.csv", lines("Example", header="Name"))
    assert "Id is missing" in home.load().refusals[0].message, "without a key there is no customer"


def test_32_a_frozen_column(shop: "Home") -> None:
    shop.put("shop/source.yml", "{system: generic, contract: {columns: {is_active: freeze}}}")
    text = lines("C1,yes", "C2,perhaps", header="source_customer_id,is_active")
    assert "its contract is to freeze" in refused(shop, text, "customers.csv")
    assert "the column is_active is missing" in refused(shop, lines("C1", header="source_customer_id"), "customers.csv")


# Values


@pytest.mark.parametrize("written", ["0000-00-00", "0000-00-00 00:00:00"])
def test_33_a_date_of_noughts(shop: "Home", written: str) -> None:
    assert outcome(shop, lines(f"A1,{written},5", SECOND)) == (1, ["bad_date"], 0)


def test_34_dates_that_stand_for_no_date(shop: "Home") -> None:
    # Beyond the calendar they are rejected; 1970 and 2099 are judged by the gates, which know the other dates.
    assert outcome(shop, lines("A1,1899-12-30,5", "A2,1970-01-01,5", "A3,2099-12-31,5")) == (2, ["bad_date"], 0)


def test_35_a_spreadsheet_s_day_number(shop: "Home") -> None:
    assert outcome(shop, lines("A1,45992,5", SECOND)) == (1, ["bad_date"], 0)
    shop.put("shop/source.yml", "{system: generic, dates: excel}")
    assert outcome(anew(shop), lines("A1,45992,5", "A2,45992.5,5")) == (2, [], 0)
    assert column(shop, "orders", "ordered_at") == ["2025-12-01T12:00:00Z", "2025-12-01T12:00:00Z"]


def test_36_day_or_month(shop: "Home") -> None:
    assert outcome(shop, lines("A1,03/04/2024,5", SECOND)) == (1, ["bad_date"], 0)
    shop.put("shop/source.yml", '{system: generic, dates: ["%d/%m/%Y"]}')
    assert outcome(anew(shop), lines("A1,03/04/2024,5", "A2,12/31/2024,5")) == (1, ["bad_date"], 0)
    assert column(shop, "orders", "ordered_at") == ["2024-04-03T12:00:00Z"]


def test_36_both_orders_at_once_are_an_error(shop: "Home") -> None:
    shop.put("shop/source.yml", '{system: generic, dates: ["%d/%m/%Y", "%m/%d/%Y"]}')
    assert "differ only in the order of day and month" in refused(shop, lines(FIRST))


def test_37_the_thirtieth_of_february(shop: "Home") -> None:
    assert outcome(shop, lines("A1,2024-02-30,5", SECOND)) == (1, ["bad_date"], 0)


def test_38_times_with_and_without_an_offset(shop: "Home") -> None:
    shop.put("shop/source.yml", "{system: generic, timezone: Asia/Shanghai}")
    times = ["2024-01-01 08:00", "2024-01-01T00:00:00Z", "2023-12-31 19:00:00 -0500"]
    assert outcome(shop, lines(*[f"A{n},{time},5" for n, time in enumerate(times)])) == (3, [], 0)
    assert column(shop, "orders", "ordered_at") == ["2024-01-01T00:00:00Z"] * 3


def test_39_the_hours_that_clocks_skip_and_repeat(shop: "Home") -> None:
    # In both, standard time applies.
    shop.put("shop/source.yml", "{system: generic, timezone: Europe/Berlin}")
    assert outcome(shop, lines("A1,2024-03-31 02:30,5", "A2,2024-10-27 02:30,5")) == (2, [], 0)
    assert column(shop, "orders", "ordered_at") == ["2024-03-31T01:30:00Z", "2024-10-27T01:30:00Z"]


def test_40_times_in_the_future(shop: "Home") -> None:
    # Loaded as they are: the day of the night never moves, so they do not count until they are past.
    assert outcome(shop, lines("A1,2031-01-01 00:00:00,5")) == (1, [], 0)


def test_41_negative_amounts_are_refunds(shop: "Home") -> None:
    assert outcome(shop, lines("A1,2024-01-01,-5.00")) == (1, [], 0)
    assert column(shop, "orders", "kind") == ["refund"]


def test_42_a_fraction_of_a_whole_number(shop: "Home") -> None:
    text = lines("A1,1.5,2,3", "A1,1,2,3", header="order_id,line_no,quantity,unit_price")
    assert outcome(shop, text, "order_lines.csv") == (1, ["bad_amount"], 0)


def test_43_more_decimals_than_money_has(shop: "Home") -> None:
    assert outcome(shop, lines("A1,2024-01-01,2.005", "A2,2024-01-01,0.1234567890123")) == (1, ["bad_amount"], 0)
    assert column(shop, "orders", "net_amount") == ["2.005"]


@pytest.mark.parametrize("written", ["NaN", "Infinity", "-inf"])
def test_44_numbers_that_are_none(shop: "Home", written: str) -> None:
    assert outcome(shop, lines(f"A1,2024-01-01,{written}", SECOND)) == (1, ["bad_amount"], 0)


def test_45_currency_signs_and_thousands(shop: "Home") -> None:
    written = ["$2.00", "￥3", "CNY 4.5", '"1,234.50"', '"1,25,000.00"']
    assert outcome(shop, lines(*[f"A{n},2024-01-01,{value}" for n, value in enumerate(written)])) == (5, [], 0)
    assert column(shop, "orders", "net_amount") == ["2.00", "3", "4.5", "1234.50", "125000.00"]


def test_46_a_decimal_comma(shop: "Home") -> None:
    text = lines('A1,2024-01-01,"2,50"', 'A2,2024-01-01,"1.234,50"', 'A3,2024-01-01,"1.234"')
    assert outcome(shop, text) == (1, ["bad_amount", "bad_amount"], 0)
    shop.put("shop/source.yml", "{system: generic, decimal: comma}")
    assert outcome(shop, text) == (3, [], 0)
    assert column(shop, "orders", "net_amount") == ["2.50", "1234.50", "1234"]


def test_47_a_number_of_twenty_digits(shop: "Home") -> None:
    text = lines("12345678901234567890,2024-01-01,5", "A2,2024-01-01,12345678901234567890")
    assert outcome(shop, text) == (1, ["bad_amount"], 0)
    assert column(shop, "orders", "order_id") == ["12345678901234567890"]


def test_48_ids_with_leading_noughts_and_ids_that_excel_damaged(shop: "Home") -> None:
    assert outcome(shop, lines("00123,2024-01-01,5", "1.0E+12,2024-01-01,5")) == (1, ["id_mangled"], 0)
    assert column(shop, "orders", "order_id") == ["00123"]


def test_49_spaces_around_values(shop: "Home") -> None:
    assert outcome(shop, lines("  A1 ,\t2024-01-01\u3000, 5.00 ")) == (1, [], 0)
    assert column(shop, "orders", "order_id") == ["A1"]


def test_50_spellings_of_nothing(shop: "Home") -> None:
    nothing = ["NULL", "N/A", "\\N", "-", "#N/A", ""]
    records = [f"A{number},2024-01-01,5,{word}" for number, word in enumerate(nothing)]
    assert outcome(shop, lines(*records, header=HEADER + ",channel")) == (6, [], 0)
    assert column(shop, "orders", "channel") == [None] * 6


def test_51_blank_lines(shop: "Home") -> None:
    assert outcome(shop, lines(FIRST, "", " ", SECOND, "")) == (2, [], 3)


def test_52_a_row_that_adds_up(shop: "Home") -> None:
    text = lines(FIRST, SECOND, "Total:,,11.50")
    assert outcome(shop, text) == (2, ["bad_date"], 0)
    shop.put("shop/source.yml", '{system: generic, files: {"orders*": {read: {drop_totals: true}}}}')
    assert outcome(shop, text) == (2, [], 1)


def test_53_lines_above_the_header(shop: "Home") -> None:
    text = "Orders of January\n\n" + lines(FIRST)
    assert "stand in row 3, below 1 other; write" in refused(shop, text)
    shop.put("shop/source.yml", '{system: generic, files: {"orders*": {read: {skip_preamble: 3}}}}')
    assert outcome(shop, text) == (1, [], 0)


@pytest.mark.parametrize(
    ("content", "words"), [("<html><body>Log in</body></html>", "a web page"), ('{"error": 401}', "it is JSON")]
)
def test_54_a_web_page_or_json_called_csv(shop: "Home", content: str, words: str) -> None:
    assert words in refused(shop, content)


def test_55_a_workbook_or_archive_called_csv(shop: "Home") -> None:
    assert "a zip archive or an Excel workbook" in refused(shop, workbook(("orders", ROWS)))
    assert "it is a gzip file" in refused(shop, gzip.compress(b"x"))


def test_56_names_in_any_script(shop: "Home") -> None:
    names = ["👩\u200d👧 王小明", "שלום", "Zoë"]
    records = [f"C{number},{name}" for number, name in enumerate(names)]
    assert outcome(shop, lines(*records, header="source_customer_id,name"), "customers.csv") == (3, [], 0)
    assert column(shop, "customers", "name") == names


def test_57_texts_that_a_spreadsheet_would_run(shop: "Home") -> None:
    names = ["=cmd|' /C calc'!A0", "+1", "-2", "@SUM(1)"]
    records = [f"C{number},{name}" for number, name in enumerate(names)]
    assert outcome(shop, lines(*records, header="source_customer_id,name"), "customers.csv") == (4, [], 0)
    assert column(shop, "customers", "name") == names


# Workbooks


def test_58_a_formula_whose_result_was_not_saved(shop: "Home") -> None:
    rows = [*ROWS, ["A2", "2024-01-02", ("=2+3", 5)]]
    assert outcome(shop, workbook(("orders", rows)), "orders.xlsx") == (2, [], 0)
    assert column(shop, "orders", "net_amount") == ["5.00", "5"]
    unsaved = repacked(workbook(("orders", rows)), "xl/worksheets/sheet1.xml", b"<f>2+3</f><v>5</v>", b"<f>2+3</f>")
    assert "a formula whose result was not saved (cell C3)" in refused(anew(shop), unsaved, "orders.xlsx")


def test_59_a_workbook_that_unpacks_to_a_thousand_times_its_size(shop: "Home") -> None:
    shop.limits = Limits(ratio_floor=1 << 20)
    bomb = repacked(workbook(("orders", ROWS)), "xl/worksheets/bomb.xml", b"", b"<c/>" * (1 << 20))
    assert "as archive bombs do" in refused(shop, bomb, "orders.xlsx")


def test_59_a_sheet_with_too_many_cells(shop: "Home") -> None:
    shop.limits = Limits(workbook_cells=50)
    rows = [ROWS[0], *[[f"A{number}", "2024-01-01", "5"] for number in range(100)]]
    assert "million cells" in refused(shop, workbook(("orders", rows)), "orders.xlsx")


def test_60_entities_in_a_workbook(shop: "Home") -> None:
    declared = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><sst'
    book = workbook(("orders", ROWS))
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        strings = archive.read("xl/sharedStrings.xml")
    head = strings[: strings.index(b"<sst") + 4]
    assert "declares XML entities" in refused(
        shop, repacked(book, "xl/sharedStrings.xml", head, declared), "orders.xlsx"
    )


def test_61_several_sheets(shop: "Home") -> None:
    book = workbook(("orders", ROWS), ("notes", [["x"]]))
    assert "it has several sheets (orders, notes)" in refused(shop, book, "orders.xlsx")
    shop.put("shop/source.yml", '{system: generic, files: {"*": {read: {sheet: orders}}}}')
    assert outcome(shop, book, "orders.xlsx") == (1, [], 0)
    assert [delivery.file for delivery in shop.load().deliveries] == ["orders.xlsx#orders"]


def test_61_a_hidden_sheet_is_not_read(shop: "Home") -> None:
    book = workbook(("orders", ROWS), ("secret", ROWS), hidden=("secret",))
    assert outcome(shop, book, "orders.xlsx") == (1, [], 0)


def test_61_merged_cells(shop: "Home") -> None:
    book = workbook(("orders", ROWS), merged=[(1, 0, 2, 0, "A1")])
    assert "cells are merged in the rows 2 to 3" in refused(shop, book, "orders.xlsx")


def test_61_macros_and_passwords(shop: "Home") -> None:
    macros = repacked(workbook(("orders", ROWS)), "xl/vbaProject.bin", b"", b"x")
    assert "it holds macros" in refused(shop, macros, "orders.xlsx")
    assert "with a password" in refused(shop, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "orders.xlsx")
    assert "a workbook of another kind (.xlsm" in refused(anew(shop), b"PK", "orders.xlsm")


# Landing


def test_62_a_link(shop: "Home") -> None:
    (shop.root / "elsewhere.csv").write_text(lines(FIRST))
    (shop.root / "landing" / "shop" / "orders.csv").symlink_to(shop.root / "elsewhere.csv")
    assert "it is a link" in shop.refusal()


@pytest.mark.parametrize("name", ["../../orders.csv", "-rf\n.csv", "a'b\".csv"])
def test_62_odd_names_inside_an_archive(shop: "Home", name: str) -> None:
    before = set(shop.root.parent.iterdir())
    assert outcome(shop, shop.zipped({name: lines(FIRST)}), "orders.zip") == (1, [], 0)
    assert set(shop.root.parent.iterdir()) == before


def test_63_the_same_file_twice(shop: "Home") -> None:
    shop.put("shop/orders-again.csv", lines(FIRST))
    assert outcome(shop, lines(FIRST)) == (1, [], 0)


def test_64_a_corrected_file_for_the_same_day(shop: "Home") -> None:
    # Both stay in raw with the time of their export; which one wins is decided over all deliveries.
    shop.put("shop/orders-2024-01-02.csv", lines(FIRST))
    shop.put("shop/orders-2024-01-03.csv", lines(FIRST.replace("5.00", "7.00")))
    result = shop.load(datetime(2024, 1, 4, tzinfo=UTC))
    assert set(shop.rows(result.feeds["orders"], "net_amount", "exported_at")) == {
        ("5.00", "2024-01-02T12:00:00Z"),
        ("7.00", "2024-01-03T12:00:00Z"),
    }


def test_65_files_in_any_order_give_the_same(shop: "Home") -> None:
    parts = {"orders-2024-01-02.csv": lines(FIRST), "orders-2024-01-01.csv": lines(SECOND)}
    seen = []
    for order in (list(parts), list(reversed(parts))):
        anew(shop)
        for name in order:
            shop.put(f"shop/{name}", parts[name])
            result = shop.load()
        seen.append(shop.rows(result.feeds["orders"], "order_id", "net_amount", "exported_at", "record_no"))
    assert seen[0] == seen[1]


def test_66_ids_that_occur_twice(shop: "Home") -> None:
    # Nothing is dropped here: a second record is needed to see it, and it may come in another file.
    assert outcome(shop, lines(FIRST, FIRST, FIRST.replace("5.00", "9.00"))) == (3, [], 0)
