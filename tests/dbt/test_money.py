"""What counts as revenue, margin and cost when the rules about it change: from landing to the ledgers, to the cent."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.dbt.conftest import land, prepare, run_dbt
from warehouse.connection import connect

NIGHT = datetime(2024, 3, 31, 2, tzinfo=UTC)

# A is given back in part later, B whole. C is in US dollars and shows no parts. D is the house's own, and given back.
# E is a guest's.
ORDERS = """\
order_id,source_customer_id,ordered_at,kind,original_order_id,channel,currency,discount_amount,tax_amount,shipping_amount,net_amount
A,c1,2024-01-05,sale,,web,GBP,10.00,19.00,4.99,100.00
B,c1,2024-01-06,sale,,web,GBP,0,9.50,0,50.00
C,c2,2024-01-10,sale,,web,USD,,,,200.00
D,c3,2024-01-11,sale,,web,GBP,5.00,2.00,1.00,30.00
E,,2024-01-12,sale,,web,GBP,2.50,1.20,0,12.00
R1,c1,2024-02-01,refund,A,web,GBP,1.00,1.90,0,10.00
R2,c1,2024-02-02,refund,B,web,GBP,0,9.50,0,50.00
R3,c3,2024-02-03,refund,D,,GBP,5.00,2.00,1.00,30.00
R4,c2,2024-02-10,refund,C,web,USD,,,,50.00
"""
LINES = """\
order_id,line_no,product_id,category,quantity,unit_price,net_amount,cost_amount
A,1,p1,Hats,2,40,80,30
A,2,p2,Hats,1,30,30,
B,1,p2,Hats,1,50,50,
C,1,p3,Socks,3,66.67,200,
"""
PRODUCTS = "product_id,name,category,unit_cost\np2,Cap,Hats,12\n"
CUSTOMERS = "source_customer_id,name,email\nc1,Ann,ann@example.com\nc2,Bob,bob@example.com\nc3,Cem,cem@example.org\n"
RATES = "currency,on,rate\nUSD,2024-01-01,0.8\nUSD,2024-02-01,0.75\n"
CAMPAIGNS = (
    "campaign_id,name,kind,started_on,ended_on,actual_cost,currency\nK,Spring,mailing,2024-01-01,2024-01-31,10,USD\n"
)
TOUCHES = """\
touch_id,campaign_id,source_customer_id,touched_at,channel,cost_amount
t1,K,c1,2024-01-05,email,
t2,K,c2,2024-01-05,email,
t3,K,c3,2024-01-06,email,
"""
TICKETS = """\
ticket_id,source_customer_id,kind,opened_at,cost_amount
q1,c1,complaint,2024-01-20,7.50
q2,c2,complaint,2024-01-20,
"""
FILES = {
    "source.yml": "{system: generic, currency: GBP}",
    "orders.csv": ORDERS,
    "order_lines.csv": LINES,
    "products.csv": PRODUCTS,
    "customers.csv": CUSTOMERS,
    "fx_rates.csv": RATES,
    "campaigns.csv": CAMPAIGNS,
    "campaign_touches.csv": TOUCHES,
    "tickets.csv": TICKETS,
}
TESTS = {"sources": [], "channels": [], "customers": [], "email_domains": ["example.org"]}
PLAIN: dict[str, Any] = {
    "revenue": {
        "include_tax": False,
        "include_shipping": False,
        "deduct_discount": True,
        "test_orders": {**TESTS, "email_domains": []},
    },
    "costs": {
        "touch": {},
        "event_kinds": ["event"],
        "service_per_ticket": {},
        "service_per_return": None,
        "budget_share": 0.1,
    },
    "counted_costs": ["touch", "event", "service"],
}
OTHERWISE: dict[str, Any] = {
    "revenue": {"include_tax": True, "include_shipping": True, "deduct_discount": False, "test_orders": TESTS},
    "costs": {
        "touch": {},
        "event_kinds": ["mailing"],
        "service_per_ticket": {"complaint": 3},
        "service_per_return": 4,
        "budget_share": 0.1,
    },
    "counted_costs": ["touch", "coupon", "event", "service"],
}


def build(home: Path, rules: dict[str, Any]) -> dict[str, Any]:
    """All that is asked of the ledgers under these rules; every test of dbt must pass."""
    status, output = run_dbt(
        home,
        *(
            "build",
            "--exclude-resource-type",
            "unit_test",
            "--indirect-selection",
            "buildable",
            "--vars",
            json.dumps(rules),
        ),
        *("--select", "+revenue_ledger", "+order_lines", "+cost_ledger", "+customer_cost_days"),
    )
    assert set(status.values()) == {"success", "pass"}, output
    assert {f"test.keeprate.{name}" for name in RECONCILED} <= set(status)
    with connect(home / "build" / "warehouse.duckdb", read_only=True) as con:
        return {name: con.execute(query).fetchall() for name, query in ASKED.items()}


RECONCILED = (
    "raw_value_reaches_orders_to_the_cent",
    "revenue_ledger_adds_up_to_orders",
    "lines_share_the_amount_and_the_margin_of_their_order",
    "costs_add_up_to_what_their_records_say",
    "every_cost_has_an_amount",
)
ASKED = {
    "totals": "select sum(net_revenue), sum(net_revenue_by_order_date) from marts.revenue_ledger",
    "days": """
        select cast(day as varchar), currency, net_revenue, net_revenue_by_order_date
        from marts.revenue_ledger
        order by all
    """,
    "orders": """
        select source_order_id, net_amount, gross_margin, margin_source, is_valid, is_purchase, is_test
        from marts.orders
        order by source_order_id
    """,
    "lines": """
        select source_order_id, line_no, lines.net_amount, lines.gross_margin, lines.margin_source
        from marts.order_lines as lines
        inner join marts.orders using (order_id)
        order by all
    """,
    "components": "select source_order_id, tax_amount, shipping_amount, discount_amount from marts.orders",
    "costs": """
        select kind, ledger_amount, allocated_amount, unallocated_guest, is_counted
        from marts.cost_ledger
        order by kind, month
    """,
    "counted": """
        select sum(touch_cost), sum(coupon_cost), sum(event_cost), sum(service_cost)
        from core.customer_cost_days
    """,
}


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the ledgers say under plain rules, and when everything is asked otherwise."""
    home = tmp_path_factory.mktemp("money")
    land(home, {f"shop/{name}": text for name, text in FILES.items()}, NIGHT)
    prepare(home)
    return build(home, PLAIN), build(home, OTHERWISE)


def test_revenue_is_net_of_tax_shipping_and_discount(ledgers: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """100 + 50 + 30 + 12 GBP and 200 USD at 0.8, less 10 + 50 + 30 GBP and 50 USD at 0.75."""
    plain, _ = ledgers
    worth = Decimal("100") + 50 + 30 + 12 + 160 - 10 - 50 - 30 - Decimal("37.5")
    assert plain["totals"][0][:2] == (worth, worth)
    assert plain["days"] == [
        ("2024-01-05", "GBP", Decimal(100), Decimal(90)),
        ("2024-01-06", "GBP", Decimal(50), Decimal(0)),
        ("2024-01-10", "USD", Decimal(160), Decimal("122.5")),
        ("2024-01-11", "GBP", Decimal(30), Decimal(0)),
        ("2024-01-12", "GBP", Decimal(12), Decimal(12)),
        ("2024-02-01", "GBP", Decimal(-10), Decimal(0)),
        ("2024-02-02", "GBP", Decimal(-50), Decimal(0)),
        ("2024-02-03", "GBP", Decimal(-30), Decimal(0)),
        ("2024-02-10", "USD", Decimal("-37.5"), Decimal(0)),
    ]


def test_what_the_rules_count_besides_is_what_the_documents_show(
    ledgers: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    """Tax, shipping and discounts of sales less those of refunds; the house's own order came to nothing before."""
    plain, otherwise = ledgers
    shown = sum(sum(parts) for order, *parts in plain["components"] if order not in {"D", "R3"})
    assert shown == sum(map(Decimal, ("19", "4.99", "10", "9.5", "1.2", "2.5", "-1.9", "-1", "-9.5")))
    assert otherwise["totals"][0][0] - plain["totals"][0][0] == shown
    assert otherwise["totals"][0][1] == otherwise["totals"][0][0]
    flags = {row[0]: row[4:] for row in otherwise["orders"]}
    assert flags["D"] == flags["R3"] == (False, False, True)
    assert flags["A"] == (True, True, False)
    assert flags["B"] == (True, False, False)


def test_margin_comes_from_costs_as_firm_as_they_are_known(ledgers: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """A is worth 10 less than its lines: 80 - 7.2727 - 30 and 30 - 2.7273 - 12. What comes back takes its share."""
    plain, otherwise = ledgers
    margins = {order: (margin, source) for order, _, margin, source, *_ in plain["orders"]}
    assert margins == {
        "A": (Decimal("58"), "product_cost"),
        "B": (Decimal("38"), "product_cost"),
        "C": (Decimal("48"), "default_rate"),
        "D": (Decimal("9"), "default_rate"),
        "E": (Decimal("3.6"), "default_rate"),
        "R1": (Decimal("-5.8"), "product_cost"),
        "R2": (Decimal("-38"), "product_cost"),
        "R3": (Decimal("-9"), "default_rate"),
        "R4": (Decimal("-11.25"), "default_rate"),
    }
    assert plain["lines"] == [
        ("A", 1, Decimal("72.7273"), Decimal("42.7273"), "cost"),
        ("A", 2, Decimal("27.2727"), Decimal("15.2727"), "product_cost"),
        ("B", 1, Decimal("50"), Decimal("38"), "product_cost"),
        ("C", 1, Decimal("160"), Decimal("48"), "default_rate"),
    ]
    # 100 + 10 of discount + 4.99 of shipping - 42, whatever the tax.
    assert {order: margin for order, _, margin, *_ in otherwise["orders"]}["A"] == Decimal("72.99")


def test_costs_are_allocated_to_the_cent_and_counted_once(ledgers: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """10 USD at 0.8 for three contacts; a discount is a cost only where it does not lower revenue."""
    plain, otherwise = ledgers
    assert plain["costs"] == [
        ("coupon", Decimal("17.5"), Decimal("15"), Decimal("2.5"), False),
        ("coupon", Decimal("-6"), Decimal("-6"), Decimal(0), False),
        ("service", Decimal("7.5"), Decimal("7.5"), Decimal(0), True),
        ("touch", Decimal(8), Decimal(8), Decimal(0), True),
    ]
    assert plain["counted"] == [(Decimal(8), Decimal(0), Decimal(0), Decimal("7.5"))]
    assert otherwise["costs"] == [
        ("coupon", Decimal("12.5"), Decimal("10"), Decimal("2.5"), True),
        ("coupon", Decimal("-1"), Decimal("-1"), Decimal(0), True),
        ("event", Decimal(8), Decimal(8), Decimal(0), True),
        ("service", Decimal("10.5"), Decimal("10.5"), Decimal(0), True),
        ("service", Decimal(12), Decimal(12), Decimal(0), True),
    ]
    assert otherwise["counted"] == [(Decimal(0), Decimal(9), Decimal(8), Decimal("22.5"))]
