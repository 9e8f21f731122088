"""What two rules without a model expect of each customer: the last period once more, or the own rate so far.

Belongs here: rules that forecasts of purchases and money are held against. Does not belong here: the rule about
silence, which gives a probability (``churn_candidates.py``), and measures (``backtest.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from models.churn import Origin

__all__ = ["last_period", "own_rate", "spent_so_far"]

Floats = NDArray[np.float64]


def last_period(now: Origin, before: Origin) -> tuple[Floats, Floats]:
    """Purchases and money from one day to a later one, which are expected to come once more.

    Parameters
    ----------
    now, before : Origin
        Each as known on its day. Who is not among the customers of the earlier one had not bought by then.

    Returns
    -------
    orders, value : ndarray, shape (n,)
        Per customer of `now`; not negative, also where more was given back than bought.
    """
    known = np.isin(now.customer, before.customer)
    place = np.searchsorted(before.customer, now.customer[known])
    orders, value = now.frequency + 1, spent_so_far(now)
    orders[known] -= before.frequency[place] + 1
    value[known] -= spent_so_far(before)[place]
    return np.maximum(orders, 0.0), np.maximum(value, 0.0)


def own_rate(now: Origin, horizon_days: int) -> tuple[Floats, Floats]:
    """Repeat purchases per day of age so far, times the horizon, and what a purchase was worth so far.

    Parameters
    ----------
    now : Origin
    horizon_days : int

    Returns
    -------
    orders, value : ndarray, shape (n,)
        0 for who bought once.
    """
    age = np.where(now.age > 0, now.age, 1.0)
    orders = now.frequency / age * horizon_days
    return orders, orders * np.maximum(spent_so_far(now) / (now.frequency + 1), 0.0)


def spent_so_far(now: Origin) -> Floats:
    """The money that each customer has spent by a day; 0 where it is not known."""
    return np.zeros(len(now.customer)) if now.spent is None else np.nan_to_num(now.spent)
