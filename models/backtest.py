"""Measures of a forecast against what happened next, their uncertainty, and the choice between candidates.

Belongs here: metrics of probabilities, counts and money, bootstrap by customer, decile tables, the rule by which a
champion is chosen. Does not belong here: the candidates, their training and calibration (``churn.py``), and anything
that knows of tables or files.

An *event* is "no purchase within the horizon": what a churn probability speaks of.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Quality(NamedTuple):
    """One measure of one candidate on one origin; the grain is (origin, candidate, metric).

    Attributes
    ----------
    origin : int
        Day (days since 1970-01-01) on which the forecast was made; -1 for the mean over all origins.
    candidate, metric : str
        Metrics of the probability: ``auc``, ``brier``, ``brier_skill`` (against the rate of the origins before),
        ``log_loss``, ``ece`` (10 bins of equal mass), ``bias`` (mean probability minus rate), ``lift`` and
        ``capture`` (top decile), ``lead_days`` (median days between the origin and the day on which the silence
        of a hit in the top decile passes the customer's cadence; positive = warned before). Where the candidate
        predicts purchases: ``orders_bias`` (relative), ``orders_mae``, ``orders_rmse``, ``orders_correlation``.
    value, low, high : float
        Point and 10th and 90th percentile over bootstrap samples of customers; NaN where the measure does not exist
        (such as an AUC where everybody bought).
    customers, events : int
        What it was measured on.
    """

    origin: int
    candidate: str
    metric: str
    value: float
    low: float
    high: float
    customers: int
    events: int


class Decile(NamedTuple):
    """A tenth of the customers of one origin by falling probability; the calibration table is the same table.

    Attributes
    ----------
    origin : int
        Day since 1970-01-01.
    candidate : str
    decile : int
        1 holds the highest probabilities.
    customers, events : int
    probability, rate : float
        Mean forecast, and the share that had the event.
    lift, capture : float
        The rate over that of all, and the share of all events in this and the deciles before; NaN without events.
    """

    origin: int
    candidate: str
    decile: int
    customers: int
    events: int
    probability: float
    rate: float
    lift: float
    capture: float
