"""What the documents of one customer are worth, worked out from their raw cells.

Belongs here: amounts, margins, refunds and purchase days of documents, in exact decimals. Does not belong here: finding
the rows (``explained_records.py``), and what is made of them (``explained_metrics.py``).

The tables do all this in SQL; here it is done a second time, by the definitions of ``docs/metrics.md``.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final, cast

from warehouse.explained_records import Calendar, Delivery, Record, Verdict, amount, instant

__all__ = ["MARGIN_SOURCES", "Occasion", "Pricing", "occasions", "rounded", "worth"]

#: From the firmest knowledge of a margin to the weakest.
MARGIN_SOURCES: Final = ("cost", "product_cost", "category_rate", "default_rate")
_ZERO: Final = Decimal(0)
_CENTS: Final = Decimal("0.0001")


def rounded(value: Decimal | float) -> Decimal:
    """A number with four decimals, halves away from zero, as the tables round decimals and doubles."""
    if isinstance(value, float):
        scaled = value * 10_000
        return Decimal(int(math.copysign(math.floor(abs(scaled) + 0.5), scaled))) * _CENTS
    return value.quantize(_CENTS, ROUND_HALF_UP)


@dataclass(frozen=True)
class Pricing:
    """What holds for all documents.

    Attributes
    ----------
    variables : mapping
        The business rules as the tables read them.
    calendar : Calendar
        The business's day.
    deliveries : mapping of (str, str) to Delivery
        By source and id.
    rates : callable
        Takes a currency, returns the records of its rates by the day from which each holds.
    products : mapping of (str, str, str) to Record
        The standing record of a product, by system, source and id.
    category_rate : callable
        Share of a category's revenue that is margin, by category and month; None where too little is known.
    emails : mapping of (str, str) to str
        The e-mail address of a customer, by source and id: orders of a test domain are tests.
    """

    variables: Mapping[str, Any]
    calendar: Calendar
    deliveries: Mapping[tuple[str, str], Delivery]
    rates: Callable[[str], Sequence[tuple[date, Record]]]
    products: Mapping[tuple[str, str, str], Record]
    category_rate: Callable[[str, date], Decimal | None]
    emails: Mapping[tuple[str, str], str]

    def rate(self, currency: str | None, day: date) -> Decimal | None:
        """What one unit of a currency is worth on a day."""
        if currency == self.variables["base_currency"]:
            return Decimal(1)
        record = self.rate_record(currency, day)
        return None if record is None else Decimal(record.cells["rate"])

    def rate_record(self, currency: str | None, day: date) -> Record | None:
        """The record of the rate that holds on a day."""
        if currency is None:
            return None
        known = [record for valid_from, record in self.rates(currency) if valid_from <= day]
        return known[-1] if known else None

    def in_base(self, value: Decimal | None, currency: str | None, day: date) -> Decimal | None:
        """An amount of a day in base currency."""
        rate = self.rate(currency, day)
        return None if value is None or rate is None else rounded(value * rate)


def _line_amount(line: Record) -> Decimal | None:
    """Worth of a line: what it says, else quantity times price."""
    stated = amount(line.cell("net_amount"))
    quantity, price = amount(line.cell("quantity")), amount(line.cell("unit_price"))
    if stated is None and quantity is not None and price is not None:
        return rounded(quantity * price)
    return stated


def _line_cost(kind: str, net: Decimal | None, cost: Decimal | None) -> Decimal | None:
    """Cost of a line with its sign: goods that come back give their cost back."""
    if cost is None:
        return None
    if (net or _ZERO) < 0:
        return -abs(cost)
    if kind == "refund":
        return abs(cost) if (net or _ZERO) > 0 else -abs(cost)
    return cost


def _sum(values: Iterable[Decimal | None]) -> Decimal | None:
    """Sum of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known, _ZERO) if known else None


def worth(heads: Sequence[Record], pricing: Pricing) -> list[Record]:
    """Say of every document what it is worth and whether it counts.

    Parameters
    ----------
    heads : sequence of Record
        Standing rows of ``orders`` with the values ``order_id``, ``original_order_id``, ``lines`` (records of their
        lines) and ``has_rejected_lines``. All documents that refund one another must be among them.
    pricing : Pricing
        What holds for all.

    Returns
    -------
    list of Record
        The same documents. Those that do not count in revenue have a verdict.
    """
    valued = [_valued(head, pricing) for head in heads]
    tests = {each.values["order_id"] for each in valued if each.values["is_named_test"]}
    counted = [_judged(each, tests, pricing) for each in valued]
    sales = {each.values["order_id"]: each for each in counted if each.values["kind"] == "sale"}
    counted = [_with_margin_of_sale(each, sales) for each in counted]
    return _refunded(counted)


def _valued(head: Record, pricing: Pricing) -> Record:
    """A document's amounts, in its own currency and in base currency."""
    revenue = pricing.variables["revenue"]
    lines = cast(Sequence[Record], head.values["lines"])
    lines_amount = _sum(map(_line_amount, lines))
    net = amount(head.cell("net_amount"))
    stated = lines_amount if net is None else net
    kind = head.cell("kind")
    if kind == "sale" and (stated or _ZERO) < 0:
        kind = "refund"

    def signed(column: str, *, positive: bool = False) -> Decimal | None:
        value = amount(head.cell(column))
        if value is None:
            return None
        return -abs(value) if kind == "refund" else (abs(value) if positive else value)

    tax, shipping = signed("tax_amount"), signed("shipping_amount")
    discount, stated_cost = signed("discount_amount", positive=True), signed("cost_amount")
    orig = stated
    if orig is not None:
        orig += (tax or _ZERO) if revenue["include_tax"] else _ZERO
        orig += (shipping or _ZERO) if revenue["include_shipping"] else _ZERO
        orig += _ZERO if revenue["deduct_discount"] else (discount or _ZERO)
    before_tax = orig if orig is None or not revenue["include_tax"] else orig - (tax or _ZERO)

    at = instant(head.cell("ordered_at"))
    day = pricing.calendar.day(at)
    assert day is not None, "a document without a date is rejected"
    delivery = pricing.deliveries[head.place[:2]]
    currency, base = head.cell("currency"), pricing.variables["base_currency"]
    own_rate = head.cell("fx_rate")
    if currency != base and delivery.currency == base and own_rate is not None:
        rate: Decimal | None = Decimal(own_rate)
        rate_record = None
    else:
        rate = pricing.rate(currency, day)
        rate_record = pricing.rate_record(currency, day)

    def in_base(value: Decimal | None) -> Decimal | None:
        return None if value is None or rate is None else rounded(value * rate)

    tests = revenue["test_orders"]
    customer = head.values.get("named_customer", head.cell("source_customer_id")) or ""
    email = pricing.emails.get((head.place.source, customer), "").lower()
    named_test = (
        head.place.source in tests["sources"]
        or (head.cell("channel") or "").lower() in tests["channels"]
        or customer in tests["customers"]
        or any(email.endswith(f"@{domain}") for domain in tests["email_domains"])
    )
    document = head.saying(
        at=at,
        on=day,
        kind=kind,
        net_amount_orig=orig,
        net_amount=in_base(orig),
        base_rate=rate,
        rates=() if rate_record is None or currency == base else (rate_record,),
        before_tax_orig=before_tax,
        before_tax=in_base(before_tax),
        discount_amount=in_base(discount or _ZERO),
        stated_cost_orig=stated_cost,
        stated_cost=in_base(stated_cost),
        is_sum_of_lines=net is None,
        is_named_test=named_test,
    )
    return document.saying(**_margin(document, pricing))


def _margin(document: Record, pricing: Pricing) -> dict[str, Any]:
    """Margin of a document by its own lines and costs, and where it comes from."""
    said = document.values
    lines = cast(Sequence[Record], said["lines"])
    before_tax, rate, stated_cost = said["before_tax"], said["base_rate"], said["stated_cost"]
    default = rounded_share(pricing.variables["default_margin_rate"])
    if before_tax is None or rate is None:
        return {"gross_margin": None, "margin_source": "default_rate", "lines": lines}
    if not lines:
        margin = before_tax - stated_cost if stated_cost is not None else rounded(before_tax * default)
        source = "cost" if stated_cost is not None else "default_rate"
        return {"gross_margin": margin, "margin_source": source, "lines": lines}

    amounts = [_line_amount(line) for line in lines]
    total, absolute = _sum(amounts), _sum(map(abs, filter(None, amounts)))
    costs = [
        _line_cost(said["kind"], net, amount(line.cell("cost_amount")))
        for line, net in zip(lines, amounts, strict=True)
    ]
    have_all_costs, lines_cost = None not in costs, _sum(costs)
    is_incomplete = said["has_rejected_lines"] and not said["is_sum_of_lines"]
    difference = said["before_tax_orig"] - (total or _ZERO)
    month = said["on"].replace(day=1)
    valued = []
    for line, net, cost in zip(lines, amounts, costs, strict=True):
        weight = float(abs(net or _ZERO)) / float(absolute) if absolute else 1 / len(lines)
        share = (net or _ZERO) + (rounded(float(difference) * weight) if difference else _ZERO)
        own_cost = _share_of_cost(cost, weight, said["stated_cost_orig"], lines_cost, have_all_costs, is_incomplete)
        net_base = rounded(share * rate)
        cost_base = None if own_cost is None else rounded(own_cost * rate)
        source = "cost"
        product = pricing.products.get((document.source_system, document.place.source, line.cell("product_id") or ""))
        if cost_base is None and said["stated_cost_orig"] is None and not is_incomplete and product is not None:
            cost_base = _cost_of_product(document, line, net, product, pricing)
            source = "product_cost"
        category = line.cell("category") or (product.cell("category") if product is not None else None)
        if cost_base is not None:
            margin = net_base - cost_base
        else:
            known = pricing.category_rate(category, month) if category is not None else None
            source = "default_rate" if known is None else "category_rate"
            margin = rounded(net_base * (default if known is None else known))
        products = (product,) if source == "product_cost" and cost_base is not None else ()
        valued.append(
            line.saying(
                stated_amount=net,
                net_amount=net_base,
                cost_amount=cost_base,
                gross_margin=margin,
                margin_source=source,
                category=category,
                products=products,
            )
        )
    margin = sum((line.values["gross_margin"] for line in valued), _ZERO)
    # What is left over when the lines are rounded one by one.
    margin += before_tax - sum((line.values["net_amount"] for line in valued), _ZERO)
    if stated_cost is not None:
        margin -= stated_cost - sum((line.values["cost_amount"] for line in valued), _ZERO)
    weakest = max((line.values["margin_source"] for line in valued), key=MARGIN_SOURCES.index)
    return {
        "gross_margin": margin,
        "margin_source": "cost" if stated_cost is not None else weakest,
        "lines": tuple(valued),
    }


def rounded_share(rate: float) -> Decimal:
    """A share of the rules with six decimals, as the tables hold it."""
    return Decimal(str(rate)).quantize(Decimal("0.000001"), ROUND_HALF_UP)


def _share_of_cost(
    cost: Decimal | None,
    weight: float,
    stated: Decimal | None,
    of_lines: Decimal | None,
    have_all: bool,
    is_incomplete: bool,
) -> Decimal | None:
    """A line's part of what its document costs, in the document's own currency."""
    if stated is None:
        return None if is_incomplete else cost
    if have_all and cost is not None and of_lines is not None:
        return cost if stated == of_lines else cost + rounded(float(stated - of_lines) * weight)
    return rounded(float(stated) * weight)


def _cost_of_product(
    document: Record, line: Record, net: Decimal | None, product: Record, pricing: Pricing
) -> Decimal | None:
    """What the pieces of a line cost by the product's own record, in base currency."""
    quantity, unit_cost = amount(line.cell("quantity")), amount(product.cell("unit_cost"))
    if quantity is None or unit_cost is None:
        return None
    currency = pricing.deliveries[product.place[:2]].currency
    rate = pricing.rate(currency, document.values["on"])
    if currency != pricing.variables["base_currency"] and currency == document.cell("currency"):
        rate = document.values["base_rate"]
    cost = _line_cost(document.values["kind"], net, quantity * unit_cost)
    return None if rate is None or cost is None else rounded(cost * rate)


def _judged(document: Record, tests: frozenset[str] | set[str], pricing: Pricing) -> Record:
    """A document with the reason why it does not count in revenue, if there is one."""
    said = document.values
    worth_it = said["net_amount_orig"] or _ZERO
    if said["is_named_test"] or said["original_order_id"] in tests:
        verdict: Verdict | None = Verdict("test")
    elif document.cell("status") not in pricing.variables["valid_order_statuses"]:
        verdict = Verdict("status", (document.cell("status") or "",))
    elif not (worth_it > 0 if said["kind"] == "sale" else worth_it < 0):
        verdict = Verdict("no_amount")
    else:
        verdict = None
    return document.saying(verdict, is_valid=verdict is None)


def _with_margin_of_sale(document: Record, sales: Mapping[str, Record]) -> Record:
    """A refund that does not state its cost takes the share of margin with it that its sale had."""
    said = document.values
    sale = sales.get(said["original_order_id"] or "")
    if said["kind"] != "refund" or said["margin_source"] == "cost" or sale is None or said["before_tax"] is None:
        return document
    of_sale = sale.values
    if of_sale["before_tax"] is None or of_sale["before_tax"] <= 0:
        return document
    rate = float(of_sale["gross_margin"]) / float(of_sale["before_tax"])
    return document.saying(
        gross_margin=rounded(float(said["before_tax"]) * rate), margin_source=of_sale["margin_source"]
    )


def _refunded(documents: Sequence[Record]) -> list[Record]:
    """The documents, each sale with what was given back of it and whether it still is a purchase."""
    sales = {each.values["order_id"]: each for each in documents if each.values["is_valid"]}
    sales = {order_id: each for order_id, each in sales.items() if each.values["kind"] == "sale"}
    refunds: dict[str, list[Record]] = defaultdict(list)
    for each in documents:
        said = each.values
        if said["is_valid"] and said["kind"] == "refund" and said["original_order_id"] in sales:
            refunds[said["original_order_id"]].append(each)
    found = []
    for each in documents:
        said = each.values
        # A night without a rate is refused, so that nothing without an amount is ever published.
        if said["kind"] != "sale" or not said["is_valid"] or said["net_amount"] is None:
            found.append(each.saying(is_purchase=False, refunds=(), refunded_amount=_ZERO))
            continue
        parts = _shares(each, refunds[said["order_id"]])
        given_back = sum(parts, _ZERO)
        found.append(
            each.saying(
                is_purchase=said["net_amount"] > given_back,
                refunded_amount=min(given_back, said["net_amount"]),
                refunds=tuple(refund.values["order_id"] for refund in refunds[said["order_id"]]),
            )
        )
    return found


def _shares(sale: Record, refunds: Sequence[Record]) -> list[Decimal]:
    """What each refund takes from its sale, in base currency: in the sale's currency a share of it."""
    parts: list[Decimal] = []
    orig, base = sale.values["net_amount_orig"], sale.values["net_amount"]
    so_far, taken = _ZERO, _ZERO
    for refund in sorted(refunds, key=lambda each: (each.values["on"], each.values["order_id"])):
        if refund.cell("currency") != sale.cell("currency"):
            parts.append(-refund.values["net_amount"])
            continue
        so_far -= refund.values["net_amount_orig"]
        total = base if so_far == orig else _quotient(base * so_far, orig)
        parts.append(total - taken)
        taken = total
    return parts


def _quotient(numerator: Decimal, denominator: Decimal) -> Decimal:
    """A quotient as the tables round it: in doubles."""
    return rounded(float(numerator) / float(denominator))


@dataclass(frozen=True, slots=True)
class Occasion:
    """A day with at least one purchase that is still worth something."""

    on: date
    purchases: int
    amount: Decimal


def occasions(documents: Iterable[Record]) -> list[Occasion]:
    """The purchase days of a customer, in order."""
    days: dict[date, list[Record]] = defaultdict(list)
    for each in documents:
        if each.values["is_valid"] and each.values["kind"] == "sale":
            days[each.values["on"]].append(each)
    found = []
    for day, sales in sorted(days.items()):
        purchases = sum(sale.values["is_purchase"] for sale in sales)
        if purchases:
            left = sum((sale.values["net_amount"] - sale.values["refunded_amount"] for sale in sales), _ZERO)
            found.append(Occasion(day, purchases, left))
    return found
