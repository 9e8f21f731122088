"""What was sold: goods, orders with their lines, refunds, attempts that were given up, payments.

Belongs here: turning purchases into documents of the systems they were made in. Does not belong here: when people buy
(``buying.py``).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from demo.buying import History
from demo.people import CURRENCIES, PRICE_FACTOR, SALESFORCE, SHOPIFY, SYSTEMS, YONYOU, ZOHO, People
from demo.schema import moment, money, relation
from demo.vocabulary import DRAWS, GOODS, chance, pick

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Numbers = NDArray[np.int64]
    Flags = NDArray[np.bool_]

__all__ = ["Documents", "Purchases", "documents", "products_priced_for", "write", "write_products"]

SALE, ATTEMPT, REFUND = range(3)
_DAY = 86_400
#: By home system.
_CHANNELS = ("online", "store", "dealer", "sales", "sales", "sales")
#: Shares of the purchases.
REFUNDED, ATTEMPTED = 0.04, 0.03
#: Tax on top of the net amount and the chance of a charge for shipping, by home system.
_TAX = np.array([0.0, 0.0, 0.13, 0.08, 0.18, 0.0])
_SHIPPING = np.array([0.3, 0.0, 0.0, 0.0, 0.0, 0.2])
_SHIPPING_CENTS = 1000
#: What three months of the service plan cost, in hundredths of CNY.
PLAN_PRICES = np.array([14_700, 29_700, 59_700])
_SMALLEST_CENTS = 500
#: Documents worked on at a time, so that memory does not grow with the lines.
_BLOCK = 500_000


def _goods() -> "tuple[Numbers, Numbers]":
    """List price in hundredths of CNY and product number of everything but the plan, cheapest first."""
    prices = np.array([price for _, goods in GOODS[:-1] for _, _, price in goods], dtype=np.int64) * 100 - 10
    order = np.argsort(prices, kind="stable")
    return prices[order], order + 1


def _unit_cost(price: "Numbers", product: "Numbers") -> "Numbers":
    """Between 45 % and 64 % of the list price."""
    return price * (45 + product * 7 % 20) // 100


@dataclass(frozen=True)
class Purchases:
    """What was bought, in the order of the history.

    Attributes
    ----------
    buyer, at : ndarray of int
        Place of the person; seconds since 1970, UTC.
    system, record : ndarray of int
        Where, and the number of the record it names; 0: a guest.
    campaign : ndarray of int
        The campaign it belongs to; 0: none.
    """

    buyer: "Numbers"
    at: "Numbers"
    system: "Numbers"
    record: "Numbers"
    campaign: "Numbers"


@dataclass(frozen=True)
class Lines:
    """Lines of purchases, in their order; money in hundredths.

    Attributes
    ----------
    starts : ndarray, shape (purchases + 1,)
        Where the lines of each begin.
    product, quantity, unit_price, net, cost : ndarray, shape (lines,)
    """

    starts: "Numbers"
    product: "Numbers"
    quantity: "Numbers"
    unit_price: "Numbers"
    net: "Numbers"
    cost: "Numbers"


@dataclass(frozen=True)
class Documents:
    """Sales, attempts and refunds by time: the place is the order number - 1.

    Attributes
    ----------
    purchase : ndarray
        The purchase it is, would have repeated, or takes back.
    kind : ndarray
        SALE, ATTEMPT or REFUND.
    at : ndarray
        Seconds since 1970, UTC.
    partial : ndarray of bool
        A refund of the first line only.
    """

    purchase: "Numbers"
    kind: "Numbers"
    at: "Numbers"
    partial: "Flags"


def documents(rng: np.random.Generator, purchases: Purchases, lines: Lines, planned: "Flags", end: int) -> Documents:
    """Sales, the refunds that follow some of them, and the attempts at another that somebody gave up.

    Parameters
    ----------
    planned : ndarray of bool, shape (purchases,)
        Instalments of a plan: nobody attempts these in vain.
    """
    size = purchases.buyer.size
    attempted = np.flatnonzero((rng.random(size) < ATTEMPTED) & ~planned)
    attempted_at = purchases.at[attempted] + rng.integers(300, 7200, attempted.size)
    refunded = np.flatnonzero(rng.random(size) < REFUNDED)
    refunded_at = purchases.at[refunded] + rng.integers(3 * _DAY, 30 * _DAY, refunded.size)
    partial = (np.diff(lines.starts)[refunded] > 1) & (rng.random(refunded.size) < 0.5)
    attempted, attempted_at = attempted[attempted_at < end], attempted_at[attempted_at < end]
    in_time = refunded_at < end
    refunded, refunded_at, partial = refunded[in_time], refunded_at[in_time], partial[in_time]

    purchase = np.concatenate([np.arange(size), attempted, refunded])
    at = np.concatenate([purchases.at, attempted_at, refunded_at])
    kind = np.repeat([SALE, ATTEMPT, REFUND], [size, attempted.size, refunded.size])
    is_partial = np.concatenate([np.zeros(size + attempted.size, dtype=bool), partial])
    order = np.lexsort((kind, purchase, at))
    return Documents(purchase[order], kind[order], at[order], is_partial[order])


def basket(
    rng: np.random.Generator,
    people: People,
    history: History,
    planned: "Flags",
    plan: "Numbers",
    spend_p: float,
    lines_per_order: float,
) -> Lines:
    """What each purchase consists of; the lines add up to its value exactly.

    Parameters
    ----------
    planned : ndarray of bool, shape (purchases,)
        Instalments of a plan: one line at the plan's price.
    plan : ndarray of int, shape (people,)
        Everybody's price of a plan, in hundredths of the own currency.
    spend_p : float
        Shape of the gamma distribution of an order's value around the person's mean.
    lines_per_order : float
        About how many goods an order has; none has more than five.
    """
    blocks = []
    for begin in range(0, history.buyer.size, _BLOCK):
        buyer, is_plan = history.buyer[begin : begin + _BLOCK], planned[begin : begin + _BLOCK]
        value = people.spend[buyer] * 100 * rng.gamma(spend_p, 1 / spend_p, buyer.size)
        cents = np.where(is_plan, plan[buyer], np.maximum(np.rint(value).astype(np.int64), _SMALLEST_CENTS))
        blocks.append(_filled(rng, cents, is_plan, PRICE_FACTOR[people.home[buyer]], lines_per_order))
    counts = np.concatenate([np.diff(block.starts) for block in blocks])
    return Lines(
        np.concatenate([[0], np.cumsum(counts)]),
        np.concatenate([block.product for block in blocks]),
        np.concatenate([block.quantity for block in blocks]),
        np.concatenate([block.unit_price for block in blocks]),
        np.concatenate([block.net for block in blocks]),
        np.concatenate([block.cost for block in blocks]),
    )


def _filled(
    rng: np.random.Generator, cents: "Numbers", planned: "Flags", price_factor: "Floats", lines_per_order: float
) -> Lines:
    """Goods for the value of each purchase, in hundredths of a currency with this level of prices."""
    count = np.where(planned, 1, np.minimum(1 + rng.poisson(lines_per_order - 1, cents.size), 5))
    starts = np.concatenate([[0], np.cumsum(count)])
    purchase = np.repeat(np.arange(cents.size), count)
    weight = np.cumsum(0.2 + rng.random(purchase.size))
    before = np.concatenate([[0.0], weight])[starts[:-1]]
    total = weight[starts[1:] - 1] - before
    # Rounding the running total, not the parts, makes the parts add up.
    reached = np.rint(cents[purchase] * ((weight - before[purchase]) / total[purchase])).astype(np.int64)
    reached[starts[1:] - 1] = cents
    net = np.diff(reached, prepend=0)
    net[starts[:-1]] = reached[starts[:-1]]

    prices, numbers = _goods()
    factor = price_factor[purchase]
    affordable = np.maximum(np.searchsorted(prices, net / factor, side="right"), 1)
    choice = (affordable * np.sqrt(rng.random(net.size))).astype(np.int64)
    listed = np.rint(prices[choice] * factor).astype(np.int64)
    quantity = np.maximum(np.rint(net / listed).astype(np.int64), 1)
    cost = quantity * np.rint(_unit_cost(prices[choice], numbers[choice]) * factor).astype(np.int64)
    # Where the value does not divide into list prices, the price was raised or a discount given.
    unit_price = np.maximum(listed, -(-net // quantity))
    is_plan = planned[purchase]
    return Lines(
        starts,
        np.where(is_plan, prices.size + 1, numbers[choice]).astype(np.int32),
        np.where(is_plan, 1, quantity).astype(np.int32),
        np.where(is_plan, net, unit_price),
        net,
        np.where(is_plan, net * 3 // 10, cost),
    )


def write_products(con: "duckdb.DuckDBPyConnection") -> None:
    """Fill ``company.products``."""
    goods = [(category, item) for category, items in GOODS for item in items]
    prices = np.array([price for _, (_, _, price) in goods], dtype=np.int64) * 100 - 10
    prices[-1] = PLAN_PRICES[1]
    product = np.arange(1, len(goods) + 1)
    costs = _unit_cost(prices, product)
    costs[-1] = prices[-1] * 3 // 10
    con.executemany(
        f"""insert into company.products
            select ?, 'SKU-' || lpad(cast(? as varchar), 5, '0'), ?, ?, ?, ?, {money("?")}, {money("?")}""",
        [
            [no, 10_000 + no * 37, zh, en, category_zh, category_en, price, cost]
            for no, ((category_zh, category_en), (zh, en, _)), price, cost in zip(
                product.tolist(), goods, prices.tolist(), costs.tolist(), strict=True
            )
        ],
    )


def products_priced_for(system: int) -> str:
    """Select ``company.products`` with prices and costs in the currency that a system counts in."""
    factor = PRICE_FACTOR[system]
    prices = ", ".join(
        f"cast(round({price} * {factor}, 2) as decimal(18, 2)) as {price}" for price in ("list_price", "unit_cost")
    )
    return f"select * replace ({prices}) from company.products"


def write(
    con: "duckdb.DuckDBPyConnection",
    rng: np.random.Generator,
    people: People,
    purchases: Purchases,
    lines: Lines,
    docs: Documents,
    end: int,
) -> None:
    """Fill ``company.orders``, ``company.order_lines`` and ``company.payments``; needs ``company.people``."""
    reps = con.execute("select coalesce(rep_no, 0) as rep_no from company.people order by person_no").fetchnumpy()
    rep = np.asarray(reps["rep_no"])
    shipped = rng.random(purchases.buyer.size) < _SHIPPING[purchases.system]
    sales = np.flatnonzero(docs.kind == SALE)
    number_of_sale = np.zeros(purchases.buyer.size, dtype=np.int64)
    number_of_sale[docs.purchase[sales]] = sales + 1
    for begin in range(0, docs.purchase.size, _BLOCK):
        block = slice(begin, begin + _BLOCK)
        purchase, kind = docs.purchase[block], docs.kind[block]
        order_no = begin + 1 + np.arange(purchase.size)
        net, discount, cost = _write_lines(con, lines, order_no, purchase, kind == REFUND, docs.partial[block])
        system, buyer = purchases.system[purchase], purchases.buyer[purchase]
        columns = {
            "order_no": order_no,
            "system": system,
            "record": purchases.record[purchase],
            "person_no": buyer + 1,
            "at": docs.at[block],
            "kind": kind,
            "original": np.where(kind == REFUND, number_of_sale[purchase], 0),
            "net": net,
            "discount": discount,
            "tax": np.rint(net * _TAX[system]).astype(np.int64),
            "shipping": np.where(shipped[purchase] & (kind != REFUND), _SHIPPING_CENTS, 0),
            "cost": cost,
            "campaign": np.where(kind == SALE, purchases.campaign[purchase], 0),
            "country": people.country[buyer],
            "rep": rep[buyer],
            "dice": rng.integers(0, DRAWS, purchase.size),
            "delay": rng.integers(0, DRAWS, purchase.size),
        }
        with relation(con, "_orders", columns):
            con.execute(_ORDERS)
            con.execute(f"{_PAYMENTS} where paid_at < {end}")


def _write_lines(
    con: "duckdb.DuckDBPyConnection",
    lines: Lines,
    order_no: "Numbers",
    purchase: "Numbers",
    refund: "Flags",
    partial: "Flags",
) -> "tuple[Numbers, Numbers, Numbers]":
    """Fill ``company.order_lines`` for some documents; returns net, discount and cost of each in hundredths."""
    count = np.where(partial, 1, lines.starts[purchase + 1] - lines.starts[purchase])
    first = np.cumsum(count) - count
    within = np.arange(count.sum()) - np.repeat(first, count)
    line = np.repeat(lines.starts[purchase], count) + within
    sign = np.repeat(np.where(refund, -1, 1), count)
    quantity, net = sign * lines.quantity[line], sign * lines.net[line]
    discount = quantity * lines.unit_price[line] - net
    columns = {
        "order_no": np.repeat(order_no, count),
        "line_no": within + 1,
        "product": lines.product[line],
        "quantity": quantity,
        "unit_price": lines.unit_price[line],
        "discount": discount,
        "net": net,
    }
    with relation(con, "_lines", columns):
        con.execute(f"""
            insert into company.order_lines
            select order_no, line_no, product, quantity, {money("unit_price")}, {money("discount")}, {money("net")}
            from _lines
        """)
    return (
        np.add.reduceat(net, first),
        np.add.reduceat(discount, first),
        np.add.reduceat(sign * lines.cost[line], first),
    )


_ORDERS = f"""
    insert into company.orders
    select
        order_no,
        {pick(SYSTEMS, "system")},
        nullif(record, 0),
        person_no,
        {moment('"at"')},
        case when kind = {REFUND} then 'refund' else 'sale' end,
        nullif(original, 0),
        case
            when kind = {ATTEMPT} then {pick(("cancelled", "cancelled", "draft", "open"), "dice")}
            when kind = {REFUND} or system not in ({SHOPIFY}, {SALESFORCE}, {ZOHO}) then 'completed'
            when {chance("dice", 0.7)} then 'completed'
            when {chance("dice", 0.85)} then 'paid'
            else 'shipped'
        end,
        {pick(_CHANNELS, "system")},
        {pick(CURRENCIES, "country")},
        {money("net + tax + shipping")},
        {money("discount")},
        {money("tax")},
        {money("shipping")},
        {money("net")},
        {money("cost")},
        nullif(campaign, 0),
        nullif(rep, 0)
    from _orders
"""

#: Every order is paid at most once, so its number is the payment's.
_PAYMENTS = f"""
    insert into company.payments
    with paid as (
        select
            *,
            -- Tills and web shops are paid at once, businesses pay within six weeks.
            "at" + case
                when system in ({SHOPIFY}, {YONYOU}) or kind = {REFUND} then delay % 600
                else {_DAY} + delay % {40 * _DAY}
            end as paid_at
        from _orders
        where kind <> {ATTEMPT}
    )

    select
        order_no,
        order_no,
        {pick(SYSTEMS, "system")},
        nullif(record, 0),
        {moment("paid_at")},
        case system
            when {SHOPIFY} then {pick(("alipay", "wechat_pay", "card"), "delay")}
            when {YONYOU} then {pick(("cash", "wechat_pay", "alipay", "card"), "delay")}
            else {pick(("bank_transfer", "card"), "delay")}
        end,
        {money("net + tax + shipping")},
        {pick(CURRENCIES, "country")}
    from paid
"""
