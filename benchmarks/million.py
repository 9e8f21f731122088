"""A child that takes a million customers through one library: histories, fits, value; and what only this project has.

Belongs here: making the customers, the order of the tasks. Does not belong here: how a library is asked
(``libraries.py``).

::

    python -m benchmarks.million keeprate|lifetimes

The customers buy as a Poisson process and may leave after every purchase; two years, whole days, some 2.4 million
purchases. Both children make the same ones.
"""

from __future__ import annotations

import sys
import warnings
from datetime import date, timedelta

import numpy as np

from benchmarks.libraries import Keeprate, Library, Lifetimes
from benchmarks.measure import Report
from benchmarks.purchases import Purchases

__all__ = ["CUSTOMERS", "CUT", "PEERS", "simulate"]

PEERS = ("keeprate", "lifetimes")

CUSTOMERS = 1_000_000
_DAYS = 730
CUT = date(2025, 6, 30)
_MONTHLY_RATE = 1.08 ** (1 / 12) - 1


def main(which: str) -> None:
    """Do every task once, and report seconds and processor seconds."""
    warnings.simplefilter("ignore")
    from warehouse.connection import connect

    purchases = simulate(np.random.default_rng(1), CUSTOMERS)
    report = Report(facts={"customers": CUSTOMERS, "purchases": len(purchases.customer)})

    with connect() as con:
        ours = Keeprate(con, purchases)
        library: Library = ours if which == "keeprate" else Lifetimes(purchases)
        # The peer is given the same arrays afterwards, so its histories are built and let go.
        with report.stage("histories"):
            built = library.summarise(CUT)
        histories = built if which == "keeprate" else ours.summarise(CUT)
        with report.stage("BG/NBD fit"):
            when = library.fit("BG/NBD", histories)
        with report.stage("Gamma-Gamma fit"):
            spend = library.fit_spend(histories)
        with report.stage("value of the next 12 months"):
            value = library.lifetime_value(when, spend, histories, _MONTHLY_RATE)
        report.facts["value"] = float(np.sum(value))
        if which == "keeprate":
            from models import ParetoNBD
            from models.value import portfolio, value_states

            with report.stage("MBG/NBD fit"):
                modified = library.fit("MBG/NBD", histories)
            with report.stage("Pareto/NBD fit"):
                ParetoNBD().fit(*histories.when)
            with report.stage("value at 5 horizons, percentiles, next order"):
                value_states(modified, spend, *histories.when, discount_rate_year=0.08)
            with report.stage("total at 5 horizons with interval"):
                x, last, age = histories.when
                portfolio(modified, spend, x, last, age, histories.monetary_value, discount_rate_year=0.08)
    report.send()


def simulate(random: np.random.Generator, customers: int) -> Purchases:
    """Purchases of customers who came on a random day of two years, up to the last of them."""
    first = random.integers(0, _DAYS, customers)
    rate, leaving = random.gamma(0.7, 1 / 70, customers), random.beta(0.9, 2.2, customers)
    money = random.gamma(4, 1 / 60, customers)
    everybody = np.arange(customers)
    who, when = [everybody], [first]
    buying = everybody[random.random(customers) >= leaving]
    now = first.astype(np.float64)
    while len(buying):
        now[buying] += random.exponential(1 / rate[buying])
        buying = buying[now[buying] < _DAYS]
        who.append(buying)
        when.append(now[buying].astype(np.int64))
        buying = buying[random.random(len(buying)) >= leaving[buying]]
    customer = np.concatenate(who)
    day = np.datetime64(CUT - timedelta(days=_DAYS - 1)) + np.concatenate(when)
    amount = np.round(random.standard_gamma(5.0, len(customer)) / money[customer] + 0.01, 2)
    return Purchases(customer, day.astype("datetime64[D]"), amount)


if __name__ == "__main__":
    main(sys.argv[1])
