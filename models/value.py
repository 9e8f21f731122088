"""What customers are worth from today on: orders, discounted orders, intervals, the next order, the total of a base.

Belongs here: what follows from a fitted model of buying and a model of spend, per distinct purchase history and for all
customers together. Does not belong here: fitting (the models' own modules), which of these figures a night publishes
(``scoring.py``), margins and currencies (SQL).

Everything per history is in purchases or in multiples of a customer's expected spend per purchase, so one row serves
all customers who share a history. With m = ``spend.expected_average_spend(frequency, monetary_value)`` and a margin
rate g,

    predicted value      = discounted_orders · m · g
    10th, 90th percentile = spend_ratio_low · m · g, spend_ratio_high · m · g
    value at risk        = (discounted_orders_if_alive - discounted_orders) · m · g

Horizons are days, like ``recency`` and ``T``; columns of the arrays follow the horizons. All figures are finite, not
negative and do not fall as the horizon grows. Percentiles are predictive: they hold both who is still there and how
much the living buy and spend, with the parameters as estimated. :func:`portfolio` also holds what the parameters leave
open, which does not average out over customers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from models.btyd import (
    Floats,
    as_floats,
    case_weights,
    counts,
    duration,
    group_rows,
    histories,
    non_negative,
    require,
    unit_rule,
)
from models.buying import BuyingModel, sorted_quantiles
from models.gamma_gamma import GammaGamma

__all__ = ["HORIZONS", "LEVELS", "Portfolio", "Value", "portfolio", "value_states"]

#: Days ahead.
HORIZONS = (30.0, 90.0, 180.0, 365.0, 730.0)
#: Levels of low and high.
LEVELS = (0.1, 0.9)
#: No date is given further ahead: nobody plans for it, and calendars end.
MOST_DAYS = 36_500.0

_DAYS_PER_YEAR = 365.0
#: Points at which the discounted integral between two horizons looks at the expected purchases.
_DISCOUNT_NODES = 2
#: Percentiles are simulated at ages whose distance to -alpha grows by this factor, and interpolated between.
_AGE_RATIO = 1.1
_BLOCK = 2**21
#: Customers of a total that are simulated, at most; half of them those worth most.
_SAMPLE = 10_000
#: Customers whose expectation shows how a total moves with the parameters.
_PILOT = 500


@dataclass(frozen=True)
class Value:
    """Figures of n histories at k horizons.

    Attributes
    ----------
    horizons : tuple of float, length k
        Days.
    expected_orders, discounted_orders, discounted_orders_if_alive : ndarray, shape (n, k)
        Purchases within each horizon, the same discounted to today, and that of a customer known to be alive.
    spend_ratio_low, spend_ratio_high : ndarray, shape (n, k)
        10th and 90th predictive percentile of the discounted spend, in multiples of the expected spend per purchase.
    usual_gap_days : ndarray, shape (n, 3)
        10th, 50th and 90th percentile of the days from the last purchase to the next, as foreseen on the day of the
        last one, given that there will be a next. The expected next order is due at the second.
    days_overdue : ndarray, shape (n,)
        Days since that due day; 0 before it.
    next_order_days : ndarray, shape (n, 3)
        The same percentiles seen from today, of those who will buy again: never in the past.
    """

    horizons: tuple[float, ...]
    expected_orders: Floats
    discounted_orders: Floats
    discounted_orders_if_alive: Floats
    spend_ratio_low: Floats
    spend_ratio_high: Floats
    usual_gap_days: Floats
    days_overdue: Floats
    next_order_days: Floats


@dataclass(frozen=True)
class Portfolio:
    """The total of all customers at k horizons.

    Attributes
    ----------
    horizons : tuple of float, length k
        Days.
    expected, low, high : ndarray, shape (k,)
        Expected discounted value, and its 10th and 90th predictive percentile.
    """

    horizons: tuple[float, ...]
    expected: Floats
    low: Floats
    high: Floats


def value_states(
    model: BuyingModel,
    spend: GammaGamma,
    frequency: ArrayLike,
    recency: ArrayLike,
    T: ArrayLike,
    *,
    discount_rate_year: float,
    horizons: Sequence[float] = HORIZONS,
    draws: int = 400,
    seed: int = 0,
) -> Value:
    """Compute everything that follows from each purchase history.

    Parameters
    ----------
    model : BuyingModel
        With parameters; alpha in days.
    spend : GammaGamma
        With parameters.
    frequency, recency, T : array_like, shape (n,)
        Repeat purchase days (count), first to last and first to today, both in days.
    discount_rate_year : float
        Effective yearly rate, such as 0.08.
    horizons : sequence of float, length k
        Days, ascending and positive.
    draws : int
        Simulated futures per history.
    seed : int
        Not negative. Rows of another frequency have no influence, and the order of rows has none.

    Returns
    -------
    Value

    Raises
    ------
    ValueError
        If a history is impossible, the horizons do not ascend from above 0, or the rate is negative.
    """
    ends = _ascending(horizons)
    rate = duration("discount_rate_year", discount_rate_year)
    x, last, age = histories(frequency, recency, T)
    (state_x, state_last, state_age), state = group_rows(x, last, age)
    rows = (state_x, state_last, state_age)
    alive = model.probability_alive(*rows)[:, None]
    orders_if_alive, discounted_if_alive = _discounted(model, ends, rows, rate)
    low, high = _spend_ratios(model, spend, ends, rows, rate, draws, seed)
    usual = np.stack([_until_next(model, level, state_x, state_last, state_last) for level in (0.1, 0.5, 0.9)], axis=1)
    still = np.stack([_until_next(model, level, state_x, state_last, state_age) for level in (0.1, 0.5, 0.9)], axis=1)
    return Value(
        tuple(ends.tolist()),
        (alive * orders_if_alive)[state],
        (alive * discounted_if_alive)[state],
        discounted_if_alive[state],
        low[state],
        high[state],
        usual[state],
        np.maximum(age - last - usual[state, 1], 0.0),
        still[state],
    )


def portfolio(
    model: BuyingModel,
    spend: GammaGamma,
    frequency: ArrayLike,
    recency: ArrayLike,
    T: ArrayLike,
    monetary_value: ArrayLike,
    *,
    discount_rate_year: float,
    horizons: Sequence[float] = HORIZONS,
    margin_rates: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    draws: int = 400,
    seed: int = 0,
) -> Portfolio:
    """Expected total of all customers with an interval, for what they do and for what the parameters leave open.

    Each draw takes other parameters from the distribution of the estimates and plays one future of every customer. Of
    more than 10,000 customers the 5,000 worth most are played, and of the others a systematic sample whose chance is
    counted as often as it stands for.

    Parameters
    ----------
    model, spend
        Fitted; models with given parameters leave nothing open.
    frequency, recency, T, monetary_value : array_like, shape (n,)
        As the models take them; days and money.
    discount_rate_year : float
        Effective yearly rate.
    horizons : sequence of float, length k
        Days, ascending and positive.
    margin_rates : array_like, shape (n,), optional
        Margin per unit of spend; 1 by default. Negative rates count as 0.
    weights : array_like, shape (n,), optional
        Customers that each row stands for, whole numbers; one by default.
    draws, seed : int
        Number of futures; not negative.

    Returns
    -------
    Portfolio

    Raises
    ------
    ValueError
        As :func:`value_states`, and if a weight is not whole.
    """
    ends = _ascending(horizons)
    rate = duration("discount_rate_year", discount_rate_year)
    x, last, age = histories(frequency, recency, T)
    margin = np.ones(len(x)) if margin_rates is None else np.maximum(as_floats("margin_rates", margin_rates), 0.0)
    copies = counts("weights", case_weights(weights, len(x)))
    mean = np.where(x > 0, as_floats("monetary_value", monetary_value), 0.0)
    worth = spend.expected_average_spend(x, mean) * margin

    (state_x, state_last, state_age), state = group_rows(x, last, age)
    rows = (state_x, state_last, state_age)
    orders = model.probability_alive(*rows)[:, None] * _discounted(model, ends, rows, rate)[1]
    each = orders[state] * worth[:, None]
    expected = np.einsum("ik,i->k", each, copies)
    if not copies.any():
        return Portfolio(tuple(ends.tolist()), expected, expected, expected)

    random = np.random.default_rng([seed, draws])
    chosen, stands_for = _sampled(each[:, -1], copies, random)
    histories_of = (x[chosen], last[chosen], age[chosen])
    mean, margin, known = mean[chosen], margin[chosen], each[chosen]
    many = stands_for > 1
    pilot = np.flatnonzero(many)[:: max(1, int(many.sum()) // _PILOT)]
    discounts = _step_discounts(ends, rate)
    totals = np.empty((draws, len(ends)))
    for number, (drawn, drawn_spend) in enumerate(zip(model.drawn(draws, seed), spend.drawn(draws, seed), strict=True)):
        futures = _futures(drawn, drawn_spend, ends, discounts, histories_of, mean, random) * margin[:, None]
        totals[number] = np.einsum("ik,i->k", futures, np.sqrt(stands_for))
        if len(pilot):
            # The chance of w customers adds up to the root of w times that of one, their expectation to w times.
            part = tuple(column[pilot] for column in histories_of)
            orders = drawn.probability_alive(*part)[:, None] * _discounted(drawn, ends, part, rate)[1]
            money = drawn_spend.expected_average_spend(part[0], mean[pilot]) * margin[pilot]
            moved = np.sum(orders * money[:, None], axis=0) / np.maximum(known[pilot].sum(axis=0), 1e-300)
            totals[number] += moved * np.einsum("ik,i->k", known, stands_for - np.sqrt(stands_for))
    # The sample stands for all customers but for its own luck.
    totals *= expected / np.maximum(np.einsum("ik,i->k", known, stands_for), 1e-300)
    low, high = np.quantile(totals, LEVELS, axis=0)
    return Portfolio(tuple(ends.tolist()), expected, low, high)


# ------------------------------------------------------------------------------------------------------- pieces


def _ascending(horizons: Sequence[float]) -> Floats:
    ends = non_negative("horizons", list(horizons))
    require(np.diff(ends, prepend=0.0) > 0, "horizons", "ascend from above 0", ends)
    return ends


def _discounted(
    model: BuyingModel, ends: Floats, rows: tuple[Floats, Floats, Floats], rate: float
) -> tuple[Floats, Floats]:
    """Expected purchases of the living within each horizon, as they are and discounted, shape (n, k).

    With M the expected and D the discount, ∫ D dM = D M - ∫ M dD: only M is needed, at a few moments.
    """
    count = len(rows[0])
    orders, discounted = np.empty((count, len(ends))), np.empty((count, len(ends)))
    force = np.log1p(rate) / _DAYS_PER_YEAR
    nodes, weights = unit_rule(_DISCOUNT_NODES)
    reached, total, start = np.zeros(count), np.zeros(count), 0.0
    for column, end in enumerate(ends.tolist()):
        until = model.expected_purchases_if_alive(end, *rows)
        until = np.maximum(until, reached)
        step = np.exp(-force * end) * until - np.exp(-force * start) * reached
        if rate > 0:
            for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
                moment = start + (end - start) * node
                density = weight * (end - start) * force * np.exp(-force * moment)
                step += density * model.expected_purchases_if_alive(moment, *rows)
        total = total + np.maximum(step, 0.0)
        orders[:, column], discounted[:, column] = until, total
        reached, start = until, end
    return orders, discounted


def _step_discounts(ends: Floats, rate: float) -> Floats:
    """Discount of the middle of each step between horizons."""
    middles = (np.concatenate([[0.0], ends[:-1]]) + ends) / 2
    return np.asarray((1 + rate) ** (-middles / _DAYS_PER_YEAR), dtype=np.float64)


def _until_next(model: BuyingModel, level: float, x: Floats, last: Floats, age: Floats) -> Floats:
    """Days from ``age`` within which a share ``level`` of those living customers who will buy again has bought."""
    since = last if model.remembers else np.zeros_like(last)
    (some_x, some_age, some_last), group = group_rows(x, age, since)
    days = model.time_to_next_purchase(level, some_x, some_last, some_age)
    return np.minimum(days, MOST_DAYS)[group]


def _spend_ratios(
    model: BuyingModel,
    spend: GammaGamma,
    ends: Floats,
    rows: tuple[Floats, Floats, Floats],
    rate: float,
    draws: int,
    seed: int,
) -> tuple[Floats, Floats]:
    """Percentiles of the discounted spend in multiples of the expected spend per purchase, shape (n, k) each.

    A level u of all is the level (u - P(dead)) / P(alive) of the living, who are simulated on a grid of ages.
    """
    x, last, age = rows
    alive = model.probability_alive(*rows)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        levels = np.where(np.array(LEVELS) > 1 - alive, (np.array(LEVELS) - (1 - alive)) / alive, 0.0)
    result = np.zeros((len(x), len(ends), len(LEVELS)))
    alpha = model.params_["alpha"]
    discounts = _step_discounts(ends, rate)
    position = np.log1p(age / alpha) / np.log(_AGE_RATIO)
    values, starts, numbers = np.unique(x, return_index=True, return_counts=True)
    for value, start, stop in zip(values.tolist(), starts.tolist(), (starts + numbers).tolist(), strict=True):
        own = slice(start, stop)
        if model.remembers:
            (grid_age, grid_last), below = group_rows(age[own], last[own])
            above, share = below, np.zeros(len(below))
        else:
            floor = np.floor(position[own])
            steps = np.unique(np.concatenate([floor, floor + 1]))
            grid_age, grid_last = alpha * np.expm1(steps * np.log(_AGE_RATIO)), np.zeros(len(steps))
            below = np.searchsorted(steps, floor)
            above, share = below + 1, position[own] - floor
        order = np.argsort(below, kind="stable")
        sorted_below = below[order]
        for first, futures in _simulated(model, spend, ends, discounts, value, grid_last, grid_age, draws, seed):
            # One more grid point than rows begin at: the upper neighbour of the last is in the block too.
            upto = first + futures.shape[1] - (0 if model.remembers else 1)
            picked = order[np.searchsorted(sorted_below, first) : np.searchsorted(sorted_below, upto)]
            weight = share[picked, None]
            for column, sample in enumerate(futures):
                at = levels[own][picked]
                under = sorted_quantiles(sample, below[picked] - first, at)
                over = sorted_quantiles(sample, above[picked] - first, at)
                result[start + picked, column] = (1 - weight) * under + weight * over
    return result[:, :, 0], result[:, :, 1]


def _simulated(
    model: BuyingModel,
    spend: GammaGamma,
    ends: Floats,
    discounts: Floats,
    x: float,
    last: Floats,
    age: Floats,
    draws: int,
    seed: int,
) -> Iterator[tuple[int, Floats]]:
    """Yield blocks of (first row, sorted discounted spend ratios of shape (k, rows, draws)) of living customers.

    Blocks overlap by one row where neighbours are interpolated. Each frequency has its own random stream.
    """
    p, q, _ = spend.parameters()
    random = np.random.default_rng([seed, int(x)])
    future = model._future(random, x, draws)
    level = (p * x + q - 1) / p / random.standard_gamma(p * x + q, draws)
    overlap = 0 if model.remembers else 1
    block = max(2, _BLOCK // (draws * len(ends)))
    first = 0
    while first < len(age):
        part = slice(first, min(first + block, len(age)))
        purchases = future(random, ends, last[part, None], age[part, None])
        steps = np.diff(purchases, axis=0, prepend=0.0)
        spent = random.standard_gamma(p * steps) * discounts[:, None, None]
        yield first, np.sort(level * np.cumsum(spent, axis=0), axis=-1)
        if part.stop == len(age):
            return
        first = part.stop - overlap


def _sampled(worth: Floats, copies: Floats, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Rows to play, and how many customers each stands for: 1 for the worthiest, more for a sample of the others."""
    order = np.argsort(-worth, kind="stable")
    everyone = np.cumsum(copies[order])
    total = int(everyone[-1])
    certain = total if total <= _SAMPLE else _SAMPLE // 2
    places = np.arange(certain) + 0.5
    stands_for = np.ones(certain)
    if total > certain:
        others = _SAMPLE - certain
        step = (total - certain) / others
        places = np.concatenate([places, certain + (np.arange(others) + random.random()) * step])
        stands_for = np.concatenate([stands_for, np.full(others, step)])
    return order[np.searchsorted(everyone, np.minimum(places, total - 0.5))], stands_for


def _futures(
    model: BuyingModel,
    spend: GammaGamma,
    ends: Floats,
    discounts: Floats,
    rows: tuple[Floats, Floats, Floats],
    mean: Floats,
    random: np.random.Generator,
) -> Floats:
    """One discounted future per customer in money, shape (n, k)."""
    x, last, age = rows
    p, q, v = spend.parameters()
    alive = random.random(len(x)) < model.probability_alive(*rows)
    x, last, age = x[alive], last[alive], age[alive]
    known = np.where(mean[alive] > 0, x, 0.0)
    purchases = model._future(random, x, len(x))(random, ends, last, age)
    # The money of a purchase is Gamma(p, nu), with nu ~ Gamma(p x + q, v + x m).
    scale = (v + known * mean[alive]) / random.standard_gamma(p * known + q)
    spent = random.standard_gamma(p * np.diff(purchases, axis=0, prepend=0.0)) * discounts[:, None]
    result = np.zeros((len(mean), len(ends)))
    result[alive] = (np.cumsum(spent, axis=0) * scale).T
    return result
