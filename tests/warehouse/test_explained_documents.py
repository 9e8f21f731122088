"""What documents are worth, from their raw cells, worked out by hand."""

from datetime import date
from decimal import Decimal

import pytest

from tests.warehouse.explained import RULES, document, pricing, record
from warehouse.explained_documents import occasions, rounded, worth
from warehouse.explained_records import Verdict


def cents(text: str) -> Decimal:
    return Decimal(text).quantize(Decimal("0.0001"))


def test_halves_are_rounded_away_from_zero() -> None:
    assert rounded(Decimal("0.00005")) == cents("0.0001")
    assert rounded(Decimal("-0.00005")) == cents("-0.0001")
    assert rounded(-2.00005) == cents("-2.0001")


def test_a_sale_in_another_currency_takes_the_rate_of_its_day() -> None:
    [sale] = worth(
        [document("a", net_amount="10", currency="USD", ordered_at="2025-05-31T20:00:00Z")],
        pricing(rates={"USD": [("2025-01-01", "7.10"), ("2025-06-01", "7.20"), ("2025-06-02", "7.30")]}),
    )
    # Four in the morning of 1 June in Shanghai.
    assert sale.values["on"] == date(2025, 6, 1)
    assert sale.values["net_amount"] == cents("72")
    assert [rate.cells["rate"] for rate in sale.values["rates"]] == ["7.20"]


def test_a_rate_of_its_own_counts_where_the_source_is_of_base_currency() -> None:
    sale = document("a", net_amount="10", currency="USD", fx_rate="7.05")
    known = {"USD": [("2025-01-01", "7.10")]}
    assert worth([sale], pricing(rates=known))[0].values["net_amount"] == cents("70.5")
    assert worth([sale], pricing(rates=known, currency="USD"))[0].values["net_amount"] == cents("71")


def test_a_missing_rate_leaves_no_amount() -> None:
    [sale] = worth([document("a", net_amount="10", currency="USD")], pricing())
    assert sale.values["net_amount"] is None


@pytest.mark.parametrize(
    ("cells", "verdict"),
    [
        ({"net_amount": "10"}, None),
        ({"net_amount": "10", "status": "cancelled"}, Verdict("status", ("cancelled",))),
        ({"net_amount": "10", "channel": "Test"}, Verdict("test")),
        ({"net_amount": "0"}, Verdict("no_amount")),
        ({"net_amount": "5", "kind": "refund"}, Verdict("no_amount")),
    ],
)
def test_a_document_counts_or_says_why_not(cells: dict[str, str], verdict: Verdict | None) -> None:
    [found] = worth([document("a", **cells)], pricing())
    assert found.verdict == verdict
    assert found.values["is_valid"] is (verdict is None)


def test_a_total_below_zero_makes_a_refund_of_a_sale() -> None:
    lines = (
        record("order_lines", 1, quantity="1", unit_price="5"),
        record("order_lines", 2, quantity="-1", unit_price="8"),
    )
    [found] = worth([document("a", lines=lines)], pricing())
    assert found.values["kind"] == "refund"
    assert found.values["net_amount"] == cents("-3")
    assert found.values["is_sum_of_lines"]


def test_what_is_revenue_is_the_rules_to_say() -> None:
    cells = {"net_amount": "90", "tax_amount": "9", "shipping_amount": "5", "discount_amount": "10"}
    everything = {**RULES["revenue"], "include_tax": True, "include_shipping": True, "deduct_discount": False}
    [plain] = worth([document("a", **cells)], pricing())
    [gross] = worth([document("a", **cells)], pricing(revenue=everything))
    assert plain.values["net_amount"] == cents("90")
    assert gross.values["net_amount"] == cents("114")
    # Tax is nobody's margin: 30 per cent of 105.
    assert gross.values["gross_margin"] == cents("31.5")


def test_a_discount_of_the_whole_falls_upon_the_lines_by_what_they_are_worth() -> None:
    lines = (
        record("order_lines", 1, net_amount="60", cost_amount="30", category="tea"),
        record("order_lines", 2, net_amount="40", category="cups"),
    )
    [found] = worth([document("a", lines=lines, net_amount="90")], pricing(category_rates={"cups": Decimal("0.25")}))
    tea, cups = found.values["lines"]
    # The discount of 10 is shared 60 to 40; the tea costs 30, the cups leave a quarter.
    assert (tea.values["net_amount"], tea.values["gross_margin"]) == (cents("54"), cents("24"))
    assert (cups.values["net_amount"], cups.values["gross_margin"]) == (cents("36"), cents("9"))
    assert (found.values["gross_margin"], found.values["margin_source"]) == (cents("33"), "category_rate")


def test_where_no_line_says_its_cost_the_product_does() -> None:
    line = record("order_lines", 1, product_id="p", quantity="3", unit_price="10")
    product = record("products", 9, product_id="p", unit_cost="4", category="tea")
    [found] = worth([document("a", lines=(line,))], pricing(products=(product,)))
    assert (found.values["gross_margin"], found.values["margin_source"]) == (cents("18"), "product_cost")
    assert found.values["lines"][0].values["products"] == (product,)


def test_a_stated_cost_is_firmer_than_any_line() -> None:
    line = record("order_lines", 1, net_amount="100", cost_amount="1")
    [found] = worth([document("a", lines=(line,), net_amount="100", cost_amount="60")], pricing())
    assert (found.values["gross_margin"], found.values["margin_source"]) == (cents("40"), "cost")


def test_without_lines_and_costs_the_default_rate_counts() -> None:
    [found] = worth([document("a", net_amount="100.01")], pricing())
    assert (found.values["gross_margin"], found.values["margin_source"]) == (cents("30.003"), "default_rate")


def test_a_refund_takes_the_margin_with_it_that_its_sale_had() -> None:
    sale = document("a", net_amount="100", cost_amount="20")
    refund = document("r", 2, net_amount="-50", kind="refund", original="a")
    found = {each.values["order_id"]: each for each in worth([refund, sale], pricing())}
    assert found["r"].values["gross_margin"] == cents("-40")
    assert found["a"].values["is_purchase"]
    assert found["a"].values["refunds"] == ("r",)


def test_a_sale_given_back_in_parts_is_a_purchase_no_more() -> None:
    sale = document("a", net_amount="9.99", currency="USD", ordered_at="2025-05-01T00:00:00Z")
    parts = [
        document(f"r{n}", n + 1, net_amount="-3.33", currency="USD", kind="refund", original="a") for n in (1, 2, 3)
    ]
    moved = pricing(rates={"USD": [("2025-01-01", "7.1"), ("2025-06-01", "7.9")]})
    before = {each.values["order_id"]: each for each in worth([sale, *parts[:2]], moved)}
    after = {each.values["order_id"]: each for each in worth([sale, *parts], moved)}
    # Of the sale a third each, whatever the rate has become: 47.286 of 70.929.
    assert before["a"].values["refunded_amount"] == cents("47.286")
    assert before["a"].values["is_purchase"]
    assert not after["a"].values["is_purchase"]


def test_a_refund_in_another_currency_takes_what_it_is_worth() -> None:
    sale = document("a", net_amount="70")
    refund = document("r", 2, net_amount="-10", currency="USD", kind="refund", original="a")
    [found, _] = worth([sale, refund], pricing(rates={"USD": [("2025-01-01", "7")]}))
    assert not found.values["is_purchase"]


def test_the_refund_of_a_test_is_one_too() -> None:
    sale = document("a", net_amount="70", channel="test")
    refund = document("r", 2, net_amount="-70", kind="refund", original="a")
    assert [each.verdict for each in worth([sale, refund], pricing())] == [Verdict("test"), Verdict("test")]


def test_a_day_counts_once_and_what_was_given_back_is_taken_off() -> None:
    found = worth(
        [
            document("a", 1, net_amount="100"),
            document("b", 2, net_amount="50"),
            document("c", 3, net_amount="10", ordered_at="2025-06-20T00:00:00Z"),
            document("d", 4, net_amount="30", status="cancelled"),
            document("r", 5, net_amount="-50", kind="refund", original="b", ordered_at="2025-06-25T00:00:00Z"),
            document("s", 6, net_amount="-4", kind="refund", original="a", ordered_at="2025-06-25T00:00:00Z"),
        ],
        pricing(),
    )
    first, second = occasions(found)
    assert (first.on, first.purchases, first.amount) == (date(2025, 6, 1), 1, cents("96"))
    assert (second.on, second.purchases, second.amount) == (date(2025, 6, 20), 1, cents("10"))
