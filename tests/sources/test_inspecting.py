"""Looking at files: what is told of them, and what is suggested for those that nobody knows."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

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
    assert (file.records, file.loaded, file.rejected, file.ignored) == (3, 1, 1, 1)
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
    assert "add 'dates: [\"%d/%m/%Y\"]' at the top" in text


def test_two_numbers_that_could_both_be_the_month_are_left_to_the_owner(home: "Home") -> None:
    file = home.put("shop/buys.csv", "order number,order date,net total\nA,03/04/2024,5\n")
    assert "say with 'dates' at the top which number is the month" in look(home, file).suggestion()


def test_a_file_like_nothing_is_named_in_a_remark() -> None:
    unknown = Examined("notes.csv", refused="because", rows=[["quux"], ["1"]])
    assert Inspection([unknown], []).suggestion().endswith("# notes.csv: nothing in it looks like a known feed.\n")


def test_files_that_can_be_read_need_no_suggestion(home: "Home") -> None:
    found = look(home, home.put("shop/lines.csv", home.retail()))
    assert found.suggestion() == "# Every file can be read as it is.\n"
