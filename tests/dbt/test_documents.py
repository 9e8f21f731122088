"""What documents are worth when exports change, contradict themselves or lose lines: from landing to the tables."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.dbt.conftest import land, prepare, run_dbt
from warehouse.connection import connect

NIGHT = datetime(2024, 3, 31, 2, tzinfo=UTC)

U8 = "订单号,订单日期,客户编码,审核人,行号,存货编码,数量,无税金额,价税合计"
# S1 gives 30 of 100 back in one document, S2 takes 100 back and sells for 30. One line of S4 has no amount.
FIRST_LIST = """\
S1,2024-01-05,001,李,1,P1,10,100,113
S1,2024-01-05,001,李,2,P2,-3,-30,-33.90
S2,2024-01-06,001,李,1,P1,3,30,33.90
S2,2024-01-06,001,李,2,P2,-10,-100,-113
S3,2024-01-07,001,李,1,P1,1,10,11.30
S3,2024-01-07,001,李,2,P2,2,20,22.60
S3,2024-01-07,001,李,3,P3,3,30,33.90
S4,2024-01-08,001,李,1,P1,1,10,11.30
S4,2024-01-08,001,李,2,P2,1,十元,11.30
S5,2024-01-09,001,李,1,P1,1,10,11.30
S5,2024-01-09,001,李,2,P2,1,十元,11.30
"""
# S3 has no second line any more. S5 is in order.
SECOND_LIST = """\
S3,2024-01-07,001,李,1,P1,1,10,11.30
S3,2024-01-07,001,李,3,P3,4,40,45.20
S5,2024-01-09,001,李,1,P1,1,10,11.30
S5,2024-01-09,001,李,2,P2,1,10,11.30
"""

SHOP = (
    "Name,Id,Email,Financial Status,Created at,Currency,Total,Taxes,Shipping,Refunded Amount,"
    "Lineitem quantity,Lineitem price,Lineitem sku"
)
# What was refunded of #1 was a mistake, of #2 it has grown.
FIRST_SHOP = """\
#1,1,a@example.com,partially_refunded,2024-01-05 10:00:00 +0000,GBP,100.00,0,0,20.00,1,100.00,A
#2,2,b@example.com,partially_refunded,2024-01-06 10:00:00 +0000,GBP,50.00,0,0,5.00,1,50.00,B
"""
SECOND_SHOP = """\
#1,1,a@example.com,paid,2024-01-05 10:00:00 +0000,GBP,100.00,0,0,0.00,1,100.00,A
#2,2,b@example.com,partially_refunded,2024-01-06 10:00:00 +0000,GBP,50.00,0,0,8.00,1,50.00,B
"""

ORDER = "Id,AccountId,EffectiveDate,Status,TotalAmount,IsReductionOrder"
ITEM = "Id,OrderId,OrderItemNumber,Quantity,UnitPrice,TotalPrice,IsDeleted"
ACCOUNT = "001AAAAAAAAAAAAAAA"
SOLD, REDUCED = "801AAAAAAAAAAAAAAA", "801AAAAAAAAAAAAAAB"

TICKET = "ticket_id,source_customer_id,opened_at,status,updated_at"
TICKETS = [
    "T1,C1,2024-01-01,open,2024-01-02 09:00:00",
    "T1,C1,2024-01-01,closed,2024-01-03 09:00:00",
    "T1,C1,2024-01-01,waiting,2024-01-02 18:00:00",
]

# Source, file and text, in any order.
FILES = [
    ("u8", "source.yml", "{system: yonyou, currency: GBP}"),
    ("u8", "销售订单列表-2024-02-01.csv", f"{U8}\n{FIRST_LIST}"),
    ("u8", "销售订单列表-2024-02-02.csv", f"{U8}\n{SECOND_LIST}"),
    ("webshop", "source.yml", "{system: shopify, currency: GBP}"),
    ("webshop", "orders_export_2024-02-01.csv", f"{SHOP}\n{FIRST_SHOP}"),
    ("webshop", "orders_export_2024-02-02.csv", f"{SHOP}\n{SECOND_SHOP}"),
    ("crm", "source.yml", "{system: salesforce, currency: GBP}"),
    (
        "crm",
        "Order_2024-02-01.csv",
        f"{ORDER}\n{SOLD},{ACCOUNT},2024-01-05,Activated,,0\n{REDUCED},{ACCOUNT},2024-01-06,Activated,25,1\n",
    ),
    ("crm", "OrderItem_2024-02-01.csv", f"{ITEM}\n1,{SOLD},1,1,40,40,0\n2,{SOLD},2,1,60,60,0\n"),
    ("crm", "OrderItem_2024-02-02.csv", f"{ITEM}\n2,{SOLD},2,1,60,60,1\n"),
    ("own", "source.yml", "{system: generic, currency: GBP}"),
    (
        "own",
        "orders.csv",
        "order_id,ordered_at,net_amount,kind\nG1,2024-01-05,30,refund\nG2,2024-01-05,-30,sale\nG3,2024-01-05,-5,\n",
    ),
    ("north", "source.yml", "{system: generic, currency: GBP}"),
    ("north", "tickets.csv", "\n".join([TICKET, *TICKETS]) + "\n"),
    ("south", "source.yml", "{system: generic, currency: GBP}"),
    ("south", "tickets.csv", "\n".join([TICKET, *reversed(TICKETS)]) + "\n"),
]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str], str]:
    """A home whose tables are built, the outcome of each node, and what dbt printed."""
    home = tmp_path_factory.mktemp("documents")
    land(home, {f"{source}/{name}": text for source, name, text in FILES}, NIGHT)
    prepare(home)
    status, output = run_dbt(
        home,
        *("build", "--exclude-resource-type", "unit_test", "--indirect-selection", "buildable"),
        *("--select", "+orders", "+order_lines", "+tickets_current"),
    )
    return home, status, output


def ask(home: Path, query: str) -> list[tuple[Any, ...]]:
    with connect(home / "build" / "warehouse.duckdb", read_only=True) as con:
        return con.execute(query).fetchall()


def worth(home: Path, source: str) -> dict[str, tuple[str, Decimal, bool]]:
    """Kind, amount in the document's own currency and validity of each document of a source."""
    rows = ask(
        home,
        f"select source_order_id, kind, net_amount_orig, is_valid from marts.orders where source = '{source}'",
    )
    return {order: (kind, amount, is_valid) for order, kind, amount, is_valid in rows}


Documents = tuple[Path, dict[str, str], str]


def test_a_document_is_one_and_its_total_says_what_it_is(documents: Documents) -> None:
    found = worth(documents[0], "u8")
    assert found["S1"] == ("sale", Decimal(70), True)
    assert found["S2"] == ("refund", Decimal(-70), True)
    assert len(found) == 5


def test_a_line_with_a_key_goes_when_its_document_comes_without_it(documents: Documents) -> None:
    home = documents[0]
    assert worth(home, "u8")["S3"] == ("sale", Decimal(50), True)
    lines = "select line_no, net_amount from core.order_lines_current where source_order_id = 'S3' order by line_no"
    assert ask(home, lines) == [(1, Decimal(10)), (3, Decimal(40))]


def test_an_order_says_that_lines_of_it_were_rejected_until_they_come(documents: Documents) -> None:
    home, status, output = documents
    assert worth(home, "u8")["S4"] == ("sale", Decimal(10), True)
    assert worth(home, "u8")["S5"] == ("sale", Decimal(20), True)
    assert ask(home, "select source_order_id from marts.orders where has_rejected_lines") == [("S4",)]
    assert status["test.keeprate.every_order_has_all_its_lines"] == "warn", output


def test_a_refund_that_the_newest_export_does_not_have_is_gone(documents: Documents) -> None:
    assert worth(documents[0], "webshop") == {
        "#1": ("sale", Decimal(100), True),
        "#2": ("sale", Decimal(50), True),
        "#2-refund": ("refund", Decimal(-8), True),
    }


def test_a_line_that_its_source_deleted_is_worth_nothing(documents: Documents) -> None:
    assert worth(documents[0], "crm") == {
        SOLD: ("sale", Decimal(40), True),
        REDUCED: ("refund", Decimal(-25), True),
    }


def test_what_contradicts_itself_is_rejected_and_a_refund_takes_away(documents: Documents) -> None:
    home = documents[0]
    assert worth(home, "own") == {"G1": ("refund", Decimal(-30), True), "G3": ("refund", Decimal(-5), True)}
    [(key, code, column, value, advice)] = ask(
        home,
        "select source_key, code, column_name, raw_value, advice_en from core.rejected_records_full "
        "where source = 'own'",
    )
    assert (key, code, column, value) == ("G2", "bad_amount", "net_amount", "-30")
    assert "below zero on what is called a sale" in advice


def test_of_versions_in_one_file_the_last_one_stands_whatever_their_order(documents: Documents) -> None:
    tickets = "select source, status from core.tickets_current order by source"
    assert ask(documents[0], tickets) == [("north", "closed"), ("south", "closed")]


def test_no_other_promise_is_broken(documents: Documents) -> None:
    _, status, output = documents
    left = {name: found for name, found in status.items() if found not in ("success", "pass")}
    assert left == {"test.keeprate.every_order_has_all_its_lines": "warn"}, output


def test_an_order_that_stops_counting_without_a_word_is_found(documents: Documents) -> None:
    home = documents[0]
    with connect(home / "build" / "warehouse.duckdb") as con:
        con.execute("update marts.orders set is_valid = false where source_order_id = 'G1'")
    status, output = run_dbt(home, "test", "--select", "raw_value_reaches_orders_to_the_cent")
    assert set(status.values()) == {"fail"}, output
