"""The published CDNOW sample, for all tests of the models."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from simulated_customers import Customers, Floats

CALIBRATION_END = pd.Timestamp("1997-09-30")


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
