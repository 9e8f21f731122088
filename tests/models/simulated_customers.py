"""Customers to test on: the shape of a data set, and a simulator that uses none of the models' formulas."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Customers(NamedTuple):
    """Histories, one row per customer, and what each bought and spent after the end of the calibration."""

    frequency: Floats
    recency: Floats
    T: Floats
    monetary_value: Floats
    future_purchases: Floats
    future_spend: Floats


def live(
    random: np.random.Generator,
    rate: Floats,
    leaving: Floats,
    until: Floats,
    *,
    flip_at_start: bool,
) -> tuple[Floats, Floats]:
    """Return the number and the time of the last of the purchases that each customer makes in (0, until]."""
    purchases, last, now = np.zeros(len(rate)), np.zeros(len(rate)), np.zeros(len(rate))
    alive = np.ones(len(rate), dtype=bool)
    if flip_at_start:
        alive &= random.random(len(rate)) >= leaving
    while alive.any():
        now[alive] += random.exponential(1 / rate[alive])
        alive &= now <= until
        purchases[alive] += 1
        last[alive] = now[alive]
        alive &= random.random(len(rate)) >= leaving
    return purchases, last


def cohort(
    random: np.random.Generator,
    customers: int,
    *,
    r: float,
    alpha: float,
    a: float,
    b: float,
    flip_at_start: bool,
) -> tuple[Floats, Floats, Floats]:
    """Return frequency, recency and T of customers with gamma rates and beta dropout, seen for 20 to 80 units."""
    age = random.uniform(20, 80, customers)
    rate, leaving = random.gamma(r, 1 / alpha, customers), random.beta(a, b, customers)
    frequency, recency = live(random, rate, leaving, age, flip_at_start=flip_at_start)
    return frequency, recency, age
