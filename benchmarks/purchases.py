"""The purchases that both libraries are measured on.

Belongs here: where they come from and how they are split. Does not belong here: any model.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Case", "Purchases", "cases"]

_CDNOW_CUT = date(1997, 9, 30)
_CDNOW_WEEKS = 39
_EXAMPLE_CUT = date(2011, 6, 30)
_EXAMPLE_WEEKS = 23
_COMPANY_CUT = date(2025, 6, 30)
_COMPANY_WEEKS = 26
_COMPANY_CUSTOMERS = 20_000


@dataclass(frozen=True)
class Purchases:
    """One row per purchase: who, on which day, for how much money."""

    customer: NDArray[np.int64]
    day: NDArray[np.datetime64]
    amount: NDArray[np.float64]

    def frame(self) -> pd.DataFrame:
        """The same as a data frame."""
        import pandas as pd

        return pd.DataFrame({"customer": self.customer, "day": self.day, "amount": self.amount})


@dataclass(frozen=True)
class Case:
    """Purchases, and the day after which they are not shown to a model.

    Attributes
    ----------
    name : str
        How it is called in the tables.
    purchases : Purchases
        All of them, of the hold-out too.
    cut : date
        Last day of the calibration; the end of the data where nothing is held out.
    holdout_days : int
        Length of the hold-out; 0 for none.
    """

    name: str
    purchases: Purchases
    cut: date
    holdout_days: int = 0

    def future_days_with_purchase(self, customers: NDArray[np.int64]) -> NDArray[np.int64]:
        """On how many days of the hold-out each of these customers (ascending) bought."""
        last = np.datetime64(self.cut + timedelta(days=self.holdout_days))
        inside = (self.purchases.day > np.datetime64(self.cut)) & (self.purchases.day <= last)
        # One number per customer and day: what is bought on one day is one purchase.
        days = (self.purchases.day[inside] - np.datetime64(self.cut)).astype(np.int64)
        bought = np.unique(self.purchases.customer[inside] * (self.holdout_days + 1) + days) // (self.holdout_days + 1)
        known = bought[np.isin(bought, customers)]
        return np.bincount(np.searchsorted(customers, known), minlength=len(customers)).astype(np.int64)


def cases(home: Path) -> list[Case]:
    """The bundled example as a night of `home` published it, whole and cut; CDNOW, part and all; the demo's people."""
    example, sample = _example(home), _cdnow("CDNOW_sample.txt")
    return [
        Case("Online Retail", example, date(2011, 12, 9)),
        Case("Online Retail to 2011-06-30", example, _EXAMPLE_CUT, _EXAMPLE_WEEKS * 7),
        Case("CDNOW, 1/10 sample", sample, _CDNOW_CUT, _CDNOW_WEEKS * 7),
        Case("CDNOW, all", _cdnow("CDNOW_master.txt"), _CDNOW_CUT, _CDNOW_WEEKS * 7),
        Case("Simulated company", _company(), _COMPANY_CUT, _COMPANY_WEEKS * 7),
    ]


def _example(home: Path) -> Purchases:
    from warehouse.connection import connect

    with connect(home / "current" / "warehouse.duckdb", read_only=True) as con:
        found = con.execute(
            "select dense_rank() over (order by customer_id) as customer, order_date as day, "
            "cast(net_amount as double) as amount from marts.orders "
            "where kind = 'sale' and is_valid and customer_id is not null order by all"
        ).fetchnumpy()
    return Purchases(found["customer"], found["day"].astype("datetime64[D]"), found["amount"])


def _cdnow(file: str) -> Purchases:
    """CDNOW as the lifetimes package ships it: the sample has one more identifier in front, and no header."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifetimes.datasets import load_dataset

        names = ["customer", "day", "discs", "amount"]
        if file == "CDNOW_sample.txt":
            names = ["master_id", *names]
        log = load_dataset(file, header=None, skiprows=int(file == "CDNOW_master.txt"), sep=r"\s+", names=names)
    days = log["day"].astype(str).str.replace(r"(\d{4})(\d\d)(\d\d)", r"\1-\2-\3", regex=True)
    return Purchases(
        log["customer"].to_numpy(np.int64),
        days.to_numpy("datetime64[D]"),
        log["amount"].to_numpy(np.float64),
    )


def _company() -> Purchases:
    """What the people of the demo bought, as it was and not as its systems export it; money in its base currency."""
    from demo.company import simulate
    from warehouse.connection import connect

    with connect() as con:
        simulate(con, customers=_COMPANY_CUSTOMERS, seed=7, ends_on=date(2025, 12, 31))
        found = con.execute("""
            with sales as (
                select person_no as customer, cast(ordered_at + interval 8 hours as date) as day, currency, net_amount
                from company.orders
                where kind = 'sale' and status in ('paid', 'shipped', 'completed')
            )
            select sales.customer, sales.day, cast(sales.net_amount * coalesce(rates.rate, 1) as double) as amount
            from sales
            asof left join company.fx_rates as rates
                on sales.currency = rates.currency and sales.day >= rates.valid_on
            order by all
        """).fetchnumpy()
    return Purchases(found["customer"], found["day"].astype("datetime64[D]"), found["amount"])
