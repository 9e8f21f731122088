"""Looking at files: what is told of them, and what is suggested for those that nobody knows."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from sources import Examined, Inspection, inspect

if TYPE_CHECKING:
    from tests.sources.conftest import Home


def look(home: "Home", *files: Path) -> Inspection:
    return inspect(home.con, files, defaults=home.defaults)


def test_a_known_file_is_told_with_its_columns_counts_and_rejects(home: "Home") -> None:
    text = home.retail("1,A,x,2,2011-01-01 10:00:00,1.50,7,UK", "2,A,x,two,2011-01-01 10:00:00,1.50,7,UK", "")
    text = text.replace("UnitPrice", "Price").replace("Country\n", "Country,Shelf\n").replace("UK\n", "UK,4\n")
    [file] = look(home, home.put("somewhere/lines.csv", text.encode("utf-8-sig"))).files
    assert (file.system, file.kind, file.feed, file.told_by) == (
        "online_retail",
        "order_lines",
        "order_lines",
        "headers",
    )
    assert (file.known, file.present, file.encoding) == (8, 9, "utf-8")
    assert file.columns["UnitPrice"] == "Price"
    assert (file.unmapped, file.absent) == (["Shelf"], [])
    assert (file.records, file.readable, file.rejected, file.ignored) == (3, 1, 1, 1)
    assert file.rejects == [{"record_no": 2, "code": "bad_amount", "column": "Quantity", "value": "two", "key": "2"}]


def test_nothing_is_loaded_and_nothing_left_behind(home: "Home") -> None:
    look(home, home.put("shop/lines.csv", home.retail()))
    assert home.left_behind() == []


def test_members_of_an_archive_are_told_one_by_one(home: "Home") -> None:
    archive = home.zipped({"a.csv": home.retail(), "b.csv": "x\n1\n", "c.txt": ""})
    found = look(home, home.put("online_retail/all.zip", archive))
    assert [(file.name, file.refused is None) for file in found.files] == [
        ("all.zip#a.csv", True),
        ("all.zip#b.csv", False),
    ]
    assert found.ignored == ["all.zip#c.txt"]


def test_a_file_that_is_none_says_why(home: "Home") -> None:
    [file] = look(home, home.put("shop/x.csv", "<html>")).files
    assert file.refused is not None
    assert "it is a web page" in file.refused


def test_what_is_suggested_can_be_read(home: "Home") -> None:
    lines = [
        "门店订单 2024",
        "",
        "订单号码,下单时间,客户代码,实付总金额,颜色",
        "A1,2024-12-31,KH1,12.50,红",
        "A2,2024-12-31,KH2,8,蓝",
        "",
    ]
    file = home.put("表单/门店订单_2024-12.csv", "\n".join(lines))
    found = look(home, file)
    assert found.files[0].refused is not None
    home.put("表单/source.yml", found.suggestion())
    result = home.load()
    assert result.refusals == []
    assert home.rows(result.feeds["orders"], "order_id", "ordered_at", "source_customer_id", "net_amount", "extra") == [
        ("A1", "2024-12-31T12:00:00Z", "KH1", "12.50", '{"颜色":"红"}'),
        ("A2", "2024-12-31T12:00:00Z", "KH2", "8", '{"颜色":"蓝"}'),
    ]


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_what_is_suggested_names_the_separator(home: "Home", mark: str) -> None:
    rows = ["Order ID;Ordered at;Customer ID;Net amount;Status", "7;2026-10-01;C1;20.00;paid"]
    file = home.put("shop/orders_2026.csv", "\n".join(rows).replace(";", mark))
    home.put("shop/source.yml", look(home, file).suggestion())
    result = home.load()
    assert result.refusals == []
    assert home.rows(result.feeds["orders"], "order_id", "net_amount") == [("7", "20.00")]


def test_a_suggestion_says_what_is_not_certain(home: "Home") -> None:
    file = home.put("shop/purchases.csv", "Order Nr;Order Date;Customer Nr;Sum\nA;31/12/2024;7;5\n")
    home.put("shop/source.yml", 'delimiter: ";"')
    text = look(home, file).suggestion()
    assert "alike" in text
    assert '\ndates: ["%d/%m/%Y"]\nfiles:\n' in text


def test_two_numbers_that_could_both_be_the_month_are_left_to_the_owner(home: "Home") -> None:
    file = home.put("shop/buys.csv", "order number,order date,net total\nA,03/04/2024,5\n")
    assert "say with 'dates' at the top which number is the month" in look(home, file).suggestion()


def test_a_file_like_nothing_is_named_in_a_remark() -> None:
    unknown = Examined("notes.csv", refused="because", rows=[["quux"], ["1"]])
    assert Inspection([unknown], []).suggestion().endswith("# notes.csv: nothing in it looks like a known feed.\n")


def test_files_that_can_be_read_need_no_suggestion(home: "Home") -> None:
    found = look(home, home.put("shop/lines.csv", home.retail()))
    assert found.suggestion() == "# Every file can be read as it is.\n"


ENGLISH = """Deal ID,Deal Name,Account ID,Contact Email,Stage,Amount (USD),Close Date,Created On,Owner
D-1001,Renewal ACME,A-17,joe@acme.test,Closed Won,"$12,500.00",10/15/2026,09/01/2026,Sam
D-1002,Pilot Zeta,A-18,ann@zeta.test,Closed Lost,"$3,000.00",10/16/2026,09/03/2026,Kim
"""
CHINESE = """登记编号,成交时间,会员姓名,会员手机号,购买商品,数量,单价,实收金额,门店,状态,备注
DJ001,2026年10月1日 14:30,王小明,13800138000,面霜,2,128.00,256.00,静安店,已付款,
DJ002,2026年10月2日 09:12,李雷,13900139000,口红,1,199.00,199.00,徐汇店,已退款,赠品
"""
GERMAN = """Rechnungsübersicht Oktober;;;;;;;

Rechnungsnr;Rechnungsdatum;Kundennr;Kunde;Status;Netto;MwSt;Brutto
R2026-1;15.10.2026;K-17;Anna Berg;bezahlt;1.250,00;237,50;1.487,50
R2026-2;16.10.2026;K-18;Café Blüte;offen;99,90;18,98;118,88
Summe;;;;;1.349,90;256,48;1.606,38
"""


@pytest.mark.parametrize(
    ("text", "as_title", "rows"),
    [
        (
            ENGLISH,
            {"status": "Stage", "owner_id": "Owner"},
            [
                ("D-1001", "2026-10-15T12:00:00Z", "A-17", "12500.00"),
                ("D-1002", "2026-10-16T12:00:00Z", "A-18", "3000.00"),
            ],
        ),
        (
            CHINESE,
            {"status": "状态", "channel": "门店"},
            [("DJ001", "2026-10-01T14:30:00Z", None, "256.00"), ("DJ002", "2026-10-02T09:12:00Z", None, "199.00")],
        ),
        (
            GERMAN,
            {"status": "Status", "tax_amount": "MwSt", "gross_amount": "Brutto"},
            [
                ("R2026-1", "2026-10-15T12:00:00Z", "K-17", "1250.00"),
                ("R2026-2", "2026-10-16T12:00:00Z", "K-18", "99.90"),
            ],
        ),
    ],
)
def test_an_unknown_list_of_sales_can_be_read_as_suggested(
    home: "Home", text: str, as_title: dict[str, str], rows: list[tuple[str, ...]]
) -> None:
    file = home.put("till/list_2026.csv", text)
    suggested = look(home, file).suggestion()
    [declared] = yaml.safe_load(suggested)["files"].values()
    needed = {"order_id", "ordered_at", "net_amount"} | ({"source_customer_id"} if rows[0][2] else set())
    assert declared["as"] == "orders"
    assert {column: title for column, title in declared["columns"].items() if column not in needed} == as_title
    assert "words: {status: {" in suggested, "the words of a status are for the owner to translate"
    home.put("till/source.yml", suggested)
    result = home.load()
    assert result.refusals == []
    assert home.rows(result.feeds["orders"], "order_id", "ordered_at", "source_customer_id", "net_amount") == rows


def test_a_title_that_must_be_found_is_looked_for_among_the_others(home: "Home") -> None:
    file = home.put("shop/bons.csv", "Bon,order date,net total\nA-1,2026-01-02,5.00\n")
    assert "# order_id: which title is it? It must be there. Perhaps Bon." in look(home, file).suggestion()


def test_what_every_column_becomes_and_the_first_rows_are_told(home: "Home") -> None:
    header = "Name,Email,Financial Status,Created at,Lineitem quantity,Lineitem name,Lineitem price,Total,Currency,Id"
    line = "#1001,ann@gmail.com,paid,2026-01-01 10:00:00 +0100,2,Fern,12.5,25,EUR,7"
    [file] = look(home, home.put("shopify/orders_export_1.csv", f"{header}\n{line}\n")).files
    assert (file.feed, file.derived) == ("order_lines", ["orders", "customers", "consents"])
    assert file.becomes["Financial Status"] == ["orders.status"]
    assert file.becomes["Lineitem name"] == ["order_lines.product_id", "order_lines.description"]
    assert file.first["order_lines"] == [
        {"order_id": "#1001", "product_id": "Fern", "description": "Fern", "quantity": "2", "unit_price": "12.5"}
    ]
    # Shopify's customers are called by their addresses.
    assert file.first["orders"][0]["source_customer_id"] == "a…"
    assert file.first["customers"][0]["email"] == "a…"
    assert file.first["customers"][0]["source_customer_id"] == "a…"


def test_of_many_rows_three_are_shown_and_short_values_of_persons_not_at_all(home: "Home") -> None:
    rows = "".join(f"{n},Bo,Lee Ann,bo{n}@gmail.com\n" for n in range(9))
    file = home.put("generic/customers.csv", f"source_customer_id,first_name,name,email\n{rows}")
    assert look(home, file).files[0].first == {
        "customers": [{"source_customer_id": str(n), "name": "L…", "first_name": "…", "email": "b…"} for n in range(3)]
    }
