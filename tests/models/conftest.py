"""Customers to test on: the published CDNOW sample, and a simulator without the models' formulas."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

CALIBRATION_END = pd.Timestamp("1997-09-30")


Floats = NDArray[np.float64]


class Customers(NamedTuple):
    """Histories, one row per customer, and what each bought and spent after the end of the calibration."""

    frequency: Floats
    recency: Floats
    T: Floats
    monetary_value: Floats
    future_purchases: Floats
    future_spend: Floats


def simulate_lives(
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


def simulate_cohort(
    random: np.random.Generator,
    customers: int,
    *,
    r: float,
    alpha: float,
    a: float,
    b: float,
    flip_at_start: bool,
) -> tuple[Floats, Floats, Floats]:
    """Return frequency, recency and T of customers who are seen for 20 to 80 units."""
    age = random.uniform(20, 80, customers)
    rate, leaving = random.gamma(r, 1 / alpha, customers), random.beta(a, b, customers)
    frequency, recency = simulate_lives(random, rate, leaving, age, flip_at_start=flip_at_start)
    return frequency, recency, age


def simulate_pareto_cohort(
    random: np.random.Generator, customers: int, *, r: float, alpha: float, s: float, beta: float
) -> tuple[Floats, Floats, Floats]:
    """Return frequency, recency and T of customers who may leave at any moment, seen for 20 to 80 units."""
    age = random.uniform(20, 80, customers)
    rate, death = random.gamma(r, 1 / alpha, customers), random.exponential(1 / random.gamma(s, 1 / beta, customers))
    frequency, recency = simulate_lives(random, rate, np.zeros(customers), np.minimum(age, death), flip_at_start=False)
    return frequency, recency, age


def simulate_regular_cohort(
    random: np.random.Generator, customers: int, *, k: int, r: float, alpha: float, a: float, b: float
) -> tuple[Floats, Floats, Floats, float]:
    """Return frequency, recency and T of customers with Erlang-k gaps, and the sum of the logarithms of the gaps."""
    age, rate = random.uniform(20, 80, customers), random.gamma(r, 1 / alpha, customers)
    leaving = random.beta(a, b, customers)
    frequency, last, log_gaps = np.zeros(customers), np.zeros(customers), 0.0
    alive = random.random(customers) >= leaving
    while alive.any():
        gap = random.gamma(k, 1 / rate)
        alive &= last + gap <= age
        log_gaps += float(np.sum(np.log(gap[alive])))
        frequency[alive] += 1
        last[alive] += gap[alive]
        alive &= random.random(customers) >= leaving
    return frequency, last, age, log_gaps


@pytest.fixture(scope="session")
def regular_cohort() -> Callable[..., tuple[Floats, Floats, Floats, float]]:
    """:func:`simulate_regular_cohort`."""
    return simulate_regular_cohort


@pytest.fixture(scope="session")
def pareto_cohort() -> Callable[..., tuple[Floats, Floats, Floats]]:
    """:func:`simulate_pareto_cohort`."""
    return simulate_pareto_cohort


@pytest.fixture(scope="session")
def live() -> Callable[..., tuple[Floats, Floats]]:
    """:func:`simulate_lives`."""
    return simulate_lives


@pytest.fixture(scope="session")
def cohort() -> Callable[..., tuple[Floats, Floats, Floats]]:
    """:func:`simulate_cohort`."""
    return simulate_cohort


@pytest.fixture(scope="session")
def cdnow() -> Customers:
    """The 1/10 sample of CDNOW, in weeks, not rounded, one purchase per customer and day.

    Built from the transaction log in the lifetimes package. The summary that is packaged beside it is rounded
    to two decimals, which moves the Gamma-Gamma likelihood in the third.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifetimes.datasets import load_dataset

        names = ["master_id", "customer", "day", "discs", "value"]
        log = load_dataset("CDNOW_sample.txt", header=None, sep=r"\s+", names=names)
    log["day"] = pd.to_datetime(log["day"].astype(str))
    days = log.groupby(["customer", "day"], as_index=False)["value"].sum()
    first = days.groupby("customer")["day"].min()
    past, future = days[days["day"] <= CALIBRATION_END], days[days["day"] > CALIBRATION_END]
    last = past.groupby("customer")["day"].max()
    repeats = past[past["day"] > past["customer"].map(first)]

    def per_customer(series: pd.Series) -> Floats:
        return series.reindex(first.index).fillna(0).to_numpy(np.float64)

    return Customers(
        frequency=per_customer(past.groupby("customer").size() - 1),
        recency=per_customer((last - first).dt.days / 7),
        T=per_customer((CALIBRATION_END - first).dt.days / 7),
        monetary_value=per_customer(repeats.groupby("customer")["value"].mean()),
        future_purchases=per_customer(future.groupby("customer").size()),
        future_spend=per_customer(future.groupby("customer")["value"].sum()),
    )
