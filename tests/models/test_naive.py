"""What the rules without a model expect, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.churn import Origin
from models.naive import last_period, own_rate


def origin(
    day: int, customer: list[int], frequency: list[float], age: list[float], spent: list[float] | None
) -> Origin:
    nothing = np.full(len(customer), np.nan)
    return Origin(
        day=day,
        customer=np.array(customer, dtype=np.int64),
        frequency=np.array(frequency),
        recency=np.zeros(len(customer)),
        age=np.array(age),
        cadence=nothing,
        yearly=nothing,
        spent=None if spent is None else np.array(spent),
    )


# Of four customers, 3 bought twice more since, 5 nothing, 7 gave back an order of before, and 8 is new with two orders.
BEFORE = origin(100, [3, 5, 7], [1.0, 0.0, 2.0], [50.0, 20.0, 90.0], [30.0, 5.0, 120.0])
NOW = origin(130, [3, 5, 7, 8], [3.0, 0.0, 1.0, 1.0], [80.0, 50.0, 120.0, 0.0], [90.0, 5.0, 70.0, np.nan])


def test_the_last_period_is_what_came_between_two_days() -> None:
    orders, value = last_period(NOW, BEFORE)
    assert orders.tolist() == [2.0, 0.0, 0.0, 2.0]
    assert value.tolist() == [60.0, 0.0, 0.0, 0.0]


def test_the_own_rate_is_repeat_purchases_per_day_at_what_a_purchase_was_worth() -> None:
    orders, value = own_rate(NOW, 40)
    assert orders == pytest.approx([3 / 80 * 40, 0, 1 / 120 * 40, 40])
    assert value == pytest.approx([1.5 * 90 / 4, 0, 1 / 3 * 70 / 2, 0])


def test_without_money_only_purchases_are_expected() -> None:
    plain = origin(130, [3], [3.0], [80.0], None)
    assert last_period(plain, BEFORE)[1].tolist() == own_rate(plain, 40)[1].tolist() == [0.0]
