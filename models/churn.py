"""The probability that a customer buys nothing within a horizon: learned on past days, chosen by a backtest.

Belongs here: candidates, their training on past days, calibration, carrying from a short horizon to a long one, the
fallback where there is too little to learn from, and the reasons of a score in log-odds. Does not belong here: the
purchase models themselves (their own modules), metrics and the choice of a champion (``backtest.py``), tables, files,
risk levels and lists.

The night uses it in three steps::

    plan = origins_for(history_days, horizon_days)      # which past days must be computed, and for which horizon
    result = learn(origins, tonight, horizon_days=90, plan=plan)
    reasons = result.explain(rows)                      # only for the customers on a list: exact reasons cost time

Nothing dated after an origin enters its features, and no label enters that tonight does not know: a purchase after
``tonight.day`` is an error, not something to be ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.backtest import Decile, Quality

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Names = NDArray[np.str_]


class Plan(NamedTuple):
    """Which past days are learned from.

    Attributes
    ----------
    horizon_days : int
        The horizon that is learned, h' <= H; shorter than H where the history has no room for H.
    days_before : tuple of int
        The origins as days before tonight, the nearest first: between none and five.
    """

    horizon_days: int
    days_before: tuple[int, ...]


def origins_for(history_days: int, horizon_days: int) -> Plan:
    """Choose the past days to learn from, and the horizon that they leave room for.

    Parameters
    ----------
    history_days : int
        Days from the first purchase of all to tonight.
    horizon_days : int
        The horizon H that is asked for.

    Returns
    -------
    Plan
        Without days where the history is too short to learn anything.
    """
    raise NotImplementedError


@dataclass(frozen=True)
class Origin:
    """What was known of every buyer at the end of one day, and when each bought next.

    Attributes
    ----------
    day : int
        Days since 1970-01-01.
    customer : ndarray of int64, shape (n,)
        Codes, strictly ascending, the same for a customer on every origin: everybody with a purchase up to `day`.
    frequency, recency, age : ndarray, shape (n,)
        Repeat purchase occasions, days from the first to the last, days from the first to `day`
        (``repeat_occasions``, ``repeat_recency_days``, ``age_days`` of customer_snapshots).
    cadence : ndarray, shape (n,)
        Usual days between two purchases as known on `day` (``personal_gap_days``); NaN where it is not known.
    yearly : ndarray, shape (n,)
        For buyers of a yearly habit (``is_annual_buyer``) the days of their cycle (``own_gap_days``); NaN for others.
    features : dict of str to ndarray, shape (n,)
        What else was known, as numbers, the same names on every origin; NaN = not known. Only LightGBM reads them.
    next_purchase : ndarray, shape (n,), optional
        Days from `day` to the first purchase occasion after it that tonight knows; NaN if there is none. Only
        tonight's own origin has none of this.
    purchases_after : ndarray, shape (n,), optional
        Purchase occasions in (day, day + h'], h' being the plan's horizon: only for the error in orders.
    """

    day: int
    customer: Integers
    frequency: Floats
    recency: Floats
    age: Floats
    cadence: Floats
    yearly: Floats
    features: Mapping[str, Floats] = field(default_factory=dict)
    next_purchase: Floats | None = None
    purchases_after: Floats | None = None


class Activity(NamedTuple):
    """Purchase occasions of the whole company per day, for seasons: one value per day, days without any being 0.

    Attributes
    ----------
    first_day : int
        Days since 1970-01-01 of the first value.
    occasions : ndarray, shape (days,)
        Up to tonight; what lies behind is an error.
    """

    first_day: int
    occasions: Floats


class Reasons(NamedTuple):
    """Why the champion gives some customers their score, before calibration.

    Attributes
    ----------
    names : tuple of str, length k
        What contributes: names of features, or of ``Origin``'s own columns.
    base : float
        Log-odds of no purchase of a customer without any peculiarity.
    contributions : ndarray, shape (m, k)
        In log-odds; positive speaks for churn. ``base + contributions.sum(axis=1) == margin`` up to rounding.
    values : ndarray, shape (m, k)
        The number behind each contribution, as known tonight; NaN where it was not known.
    margin : ndarray, shape (m,)
        The uncalibrated log-odds.
    """

    names: tuple[str, ...]
    base: float
    contributions: Floats
    values: Floats
    margin: Floats


@dataclass(frozen=True)
class ChurnResult:
    """Tonight's probabilities and what they rest on. Rows are those of ``tonight.customer``.

    Attributes
    ----------
    probability : ndarray, shape (n,)
        P(no purchase within `horizon`), calibrated on past origins; in (0, 1), never NaN.
    horizon : ndarray, shape (n,)
        Days that the probability of each row speaks of: H, except for buyers of a yearly habit before they are due.
    status : ndarray of str, shape (n,)
        ``model``, ``segment_average``, ``rule_only`` or ``insufficient``.
    reason : ndarray of str, shape (n,)
        Why that status: a key of ``STATUS_REASONS``, which has the words in Chinese and English.
    champion : str
        Name of the candidate behind the probabilities; ``prior`` or ``average`` below the ladder's steps.
    learned_horizon : int
        h': the horizon of labels and backtest.
    carried : str
        How h' became H: ``not_needed``, ``btyd`` (by the ratio of a purchase model's log-probabilities) or ``none``
        (the champion gives H itself).
    has_season : bool
        Whether time was stretched by the season: only where the backtest got better by it.
    quality : tuple of Quality
        Every candidate on every origin that could be tested.
    deciles : tuple of Decile
        The champion and the gap rule, on every origin.
    base_rate : float
        Mean probability of tonight's rows: what lifts are measured against; NaN without customers.
    """

    probability: Floats
    horizon: Floats
    status: Names
    reason: Names
    champion: str
    learned_horizon: int
    carried: str
    has_season: bool
    quality: tuple[Quality, ...]
    deciles: tuple[Decile, ...]
    base_rate: float
    _explain: Callable[[NDArray[np.intp]], Reasons]

    def explain(self, rows: ArrayLike) -> Reasons:
        """Split the champion's log-odds of some rows into what contributes to them.

        Exact for every champion: TreeSHAP for LightGBM, coefficients for the logistic, and for purchase models the
        Shapley shares of "has left" and "buys seldom". It costs up to a millisecond a row: ask for listed customers.

        Parameters
        ----------
        rows : array_like of int, shape (m,)
            Positions in ``tonight.customer``.

        Raises
        ------
        IndexError
            If a position does not exist.
        """
        return self._explain(np.asarray(rows, dtype=np.intp))


class Estimator(Protocol):
    """A purchase model, such as ``ModifiedBetaGeoNBD``."""

    params_: dict[str, float]
    status_: str

    def fit(self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike, weights: ArrayLike | None = None) -> Self: ...

    def probability_alive(self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Floats: ...

    def probability_no_purchase(self, t: float, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Floats: ...

    def expected_purchases(self, t: float, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Floats: ...


#: Reasons of a status, in Chinese and English.
STATUS_REASONS: Mapping[str, tuple[str, str]] = {
    "champion": ("回测胜出的模型", "The model that won the backtest"),
    "no_model_beats_the_rule": ("没有模型优于间隔规则", "No model beats the rule about silence"),
    "too_few_events": (
        "历史样本太少，采用同类客户的平均值",
        "Too few events: the average of similar customers",
    ),
    "yearly_buyer": ("每年购买一次的客户，按年度周期判断", "Buys once a year: judged by the yearly cycle"),
    "no_past_day": ("历史太短，采用已发表研究的先验值", "The history is too short: a published prior stands in"),
}


def learn(
    origins: Sequence[Origin],
    tonight: Origin,
    *,
    horizon_days: int,
    plan: Plan,
    activity: Activity | None = None,
    estimators: Mapping[str, Callable[[], Estimator]] | None = None,
    seed: int = 20260101,
) -> ChurnResult:
    """Learn on past days, choose the champion by a rolling backtest, score tonight.

    Parameters
    ----------
    origins : sequence of Origin
        The days of ``plan.days_before``, in any order, each with ``next_purchase``. Fewer than planned are legal.
    tonight : Origin
        The rows to score.
    horizon_days : int
        H, at least 1.
    plan : Plan
        From :func:`origins_for`.
    activity : Activity, optional
        For seasons; needs two whole years before an origin to matter.
    estimators : mapping of str to callable, optional
        Purchase models to try; by default those of this project.
    seed : int
        Of folds and bootstrap. The same arguments give the same numbers.

    Returns
    -------
    ChurnResult
        Legal for any number of customers, zero included.

    Raises
    ------
    ValueError
        If arrays differ in length, codes do not ascend, origins do not lie before tonight or differ in their
        features, or a purchase is dated after tonight.
    """
    raise NotImplementedError
