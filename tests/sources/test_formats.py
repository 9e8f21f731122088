"""The same records in every format and encoding are the same rows."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pytest
import xlsxwriter

from sources.excel_files import _cells, cell_text

if TYPE_CHECKING:
    from tests.sources.conftest import Home

HEADER = ["source_customer_id", "name", "city", "created_at", "is_active", "note"]
RECORDS = [
    ["00123", "王小明", "北京", "2024-01-31 08:30:00", "true", "老客户"],
    ["7", 'Li, "Ming"', "上海", "2024-02-01", "false", ""],
    ["8", "两行\n文字", "", "", "", "是"],
]


def as_csv(*, encoding: str = "utf-8", separator: str = ",") -> bytes:
    def quoted(cell: str) -> str:
        return '"' + cell.replace('"', '""') + '"'

    return "".join(separator.join(map(quoted, row)) + "\n" for row in [HEADER, *RECORDS]).encode(encoding)


def as_workbook(rows: Sequence[Sequence[Any]] = (HEADER, *RECORDS)) -> bytes:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"default_date_format": "yyyy-mm-dd hh:mm:ss"}) as book:
        page = book.add_worksheet()
        for number, row in enumerate(rows):
            for place, cell in enumerate(row):
                if isinstance(cell, str):
                    page.write_string(number, place, cell)
                else:
                    page.write(number, place, cell)
    return content.getvalue()


def as_json() -> bytes:
    records = [dict(zip(HEADER, record, strict=True)) for record in RECORDS]
    return json.dumps({"data": records}, ensure_ascii=False).encode()


def rows_of(home: "Home", files: Mapping[str, bytes], settings: str = "system: generic") -> list[tuple[Any, ...]]:
    """Every column of the customers, but where they came from."""
    for folder in ("landing", "raw"):
        for file in (home.root / folder).rglob("*"):
            if file.is_file():
                file.unlink()
    home.put("shop/source.yml", settings)
    for name, content in files.items():
        home.put(f"shop/{name}", content)
    result = home.load()
    assert result.refusals == []
    feed = result.feeds["customers"]
    own = [name for name in feed.columns if name not in ("delivery_id", "exported_at", "received_at")]
    return home.rows(feed, *own)


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("customers.csv", lambda home: as_csv(encoding="utf-8-sig")),
        ("customers.csv", lambda home: as_csv(encoding="gb18030")),
        ("customers.csv", lambda home: as_csv(encoding="utf-16")),
        ("customers.tsv", lambda home: as_csv(separator="\t")),
        ("customers.csv.gz", lambda home: home.gzipped(as_csv())),
        ("customers.zip", lambda home: home.zipped({"customers.csv": as_csv(encoding="gb18030")})),
        ("customers.xlsx", lambda home: as_workbook()),
        ("export.zip", lambda home: home.zipped({"客户/customers.xlsx": as_workbook()})),
        ("customers.json", lambda home: as_json()),
    ],
)
def test_every_copy_gives_identical_rows(home: "Home", name: str, pack: "Callable[[Home], bytes]") -> None:
    expected = rows_of(home, {"customers.csv": as_csv()})
    assert [row[:3] for row in expected] == [
        ("00123", None, "王小明"),
        ("7", None, 'Li, "Ming"'),
        ("8", None, "两行\n文字"),
    ]
    assert rows_of(home, {name: pack(home)}) == expected


def test_cells_of_a_workbook_are_read_as_what_a_person_sees(home: "Home") -> None:
    rows = [
        HEADER,
        [12345, "a", "", datetime(2024, 1, 31, 8, 30), True, 0.1 + 0.2],
        ["x", "b", "", date(2024, 2, 1), False, 1234567890.5],
    ]
    content = as_workbook(rows)
    found = rows_of(home, {"customers.xlsx": content})
    columns = ("source_customer_id", "created_at", "is_active", "extra")
    names = home.load().feeds["customers"].columns
    own = [name for name in names if name not in ("delivery_id", "exported_at", "received_at")]
    assert [tuple(row[own.index(column)] for column in columns) for row in found] == [
        ("12345", "2024-01-31T08:30:00Z", "true", '{"note":"0.3"}'),
        ("x", "2024-02-01T12:00:00Z", "false", '{"note":"1234567890.5"}'),
    ]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (1.0, "1"),
        (0.1, "0.1"),
        (1e-05, "0.00001"),
        (123456789012345.0, "123456789012345"),
        (144115188075855872.0, "1.44115188075856e+17"),
        (-2.5, "-2.5"),
        (None, ""),
        ("a\x07b", "ab"),
    ],
)
def test_numbers_have_the_fifteen_digits_that_a_spreadsheet_keeps(cell: object, expected: str) -> None:
    assert cell_text(cell) == expected


def test_an_id_that_a_spreadsheet_rounded_is_rejected(home: "Home") -> None:
    home.put("shop/source.yml", "system: generic")
    home.put("shop/customers.xlsx", as_workbook([HEADER[:1], [144115188075855871]]))
    result = home.load()
    assert home.rows(result.feeds["rejected"], "code", "raw_value") == [("id_mangled", "1.44115188075856e+17")]


def test_nested_json_becomes_dotted_columns_and_rows(home: "Home") -> None:
    document = {
        "data": [
            {
                "order_id": "A1",
                "buyer": {"name": "王"},
                "tags": ["x", "y"],
                "lines": [{"sku": "P1", "n": 2}, {"sku": "P2", "n": 1.50}],
            }
        ]
    }
    settings = (
        'system: generic\nfiles: {"*": {as: order_lines, columns: {product_id: lines.sku, quantity: lines.n, '
        "unit_price: lines.n2}, read: {fill_down: [order_id]}}}"
    )
    document["data"][0]["lines"][0]["n2"] = 3
    document["data"][0]["lines"][1]["n2"] = 4
    home.put("shop/source.yml", settings)
    home.put("shop/entries.json", json.dumps(document, ensure_ascii=False))
    result = home.load()
    assert result.refusals == []
    assert home.rows(result.feeds["order_lines"], "order_id", "product_id", "quantity", "unit_price", "extra") == [
        ("A1", "P1", "2", "3", '{"buyer.name":"王","tags":"x,y"}'),
        ("A1", "P2", "1.5", "4", None),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "it is empty"),
        ("{", "not readable JSON"),
        ('{"rows": []}', "no list of records under 'data'"),
        ("[1, 2]", "no list of records"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_json_that_is_no_export_is_refused(home: "Home", content: str, words: str) -> None:
    home.put("shop/source.yml", "system: generic")
    home.put("shop/customers.json", content)
    assert words in home.refusal()


def test_cells_that_are_never_closed_are_looked_at_once() -> None:
    # With a search that starts anew behind each of them, this would not end.
    assert list(_cells(b"<c><f>" * 300_000)) == []
    assert list(_cells(b"<c " * 300_000)) == []
    assert list(_cells(b'<row><c r="A1"><f>B1</f><v>2</v></c><c r="B1"/><c r="C1"><v>3</v></c></row>')) == [
        (b'<c r="A1">', b"<f>B1</f><v>2</v>"),
        (b'<c r="C1">', b"<v>3</v>"),
    ]
