"""From distinct purchase histories to everything a night publishes about them.

Belongs here: which models are fitted, in which order, and what is computed from them per distinct state.
Does not belong here: the models
themselves (their own modules), customers, margins, currencies (SQL).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.bg_nbd import BetaGeoNBD
from models.gamma_gamma import GammaGamma
from models.mbg_nbd import ModifiedBetaGeoNBD
from models.value import HORIZONS, Value, value_states

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["ModelFit", "Scores", "score_states", "usable_spend"]

DRAWS = 400
#: Shape of spend where nobody has bought twice; it only decides how wide the interval is.
UNKNOWN_SPEND = {"p": 6.0, "q": 4.0}


@dataclass(frozen=True)
class ModelFit:
    """What one fit found: values and standard errors by parameter, total log-likelihood, status."""

    model: str
    parameters: dict[str, float]
    standard_errors: dict[str, float]
    log_likelihood: float
    status: str


@dataclass(frozen=True)
class Scores:
    """Scores of n distinct states.

    Attributes
    ----------
    columns : dict of str to ndarray, shape (n,)
        Probabilities in [0, 1]; orders are purchase occasions; spend ratios are multiples of the expected
        spend per occasion; days to the next order are the 10th and 90th percentile of those who will buy again.
    value : Value
        Orders, discounted orders and percentiles of spend at every horizon; 90 and 365 days are in `columns`, too.
    spend : GammaGamma
        The model of spend per occasion.
    fits : list of ModelFit
        The churn model, its plainer sibling for comparison, and the spend model.
    """

    columns: dict[str, NDArray[np.float64] | NDArray[np.str_]]
    value: Value
    spend: GammaGamma
    fits: list[ModelFit]


def score_states(
    frequency: ArrayLike,
    recency: ArrayLike,
    age: ArrayLike,
    customers: ArrayLike,
    *,
    spend_frequency: ArrayLike,
    spend_value: ArrayLike,
    mean_spend: float,
    horizon_days: float,
    discount_rate_year: float,
) -> Scores:
    """Fit the models on all states and score each state once.

    Parameters
    ----------
    frequency, recency, age : array_like, shape (n,)
        Repeat purchase occasions (count), first to last occasion and first occasion to today, both in days.
    customers : array_like, shape (n,)
        How many customers share the state.
    spend_frequency, spend_value : array_like, shape (m,)
        Repeat occasions and mean value of a repeat occasion (money) of the customers who came back.
    mean_spend : float
        Mean value of all occasions (money): stands for the expected spend while too few have come back.
    horizon_days : float
        Horizon of the churn probability.
    discount_rate_year : float
        Effective yearly rate, such as 0.08.

    Returns
    -------
    Scores
        Every value is finite, also for no states at all.

    References
    ----------
    Batislam, Denizel & Filiztekin (2007), IJRM 24(3), for the modified BG/NBD; Fader & Hardie (2013) for
    Gamma-Gamma.
    """
    x, last, T = (np.asarray(values, dtype=np.float64) for values in (frequency, recency, age))
    histories = (x, last, T)
    weights = np.asarray(customers, dtype=np.float64)
    churn = ModifiedBetaGeoNBD().fit(x, last, T, weights)
    plain = BetaGeoNBD().fit(x, last, T, weights)
    fitted_spend = GammaGamma().fit(spend_frequency, spend_value)
    spend = usable_spend(fitted_spend, mean_spend)
    value = value_states(churn, spend, *histories, discount_rate_year=discount_rate_year, draws=DRAWS)
    quarter, year = HORIZONS.index(90.0), HORIZONS.index(365.0)
    status = "rule_only" if churn.status_ == "too_few_repeaters" else "model"
    columns: dict[str, NDArray[np.float64] | NDArray[np.str_]] = {
        "p_alive": churn.probability_alive(*histories),
        "p_no_purchase": churn.probability_no_purchase(horizon_days, *histories),
        "expected_orders_90d": value.expected_orders[:, quarter],
        "expected_orders_365d": value.expected_orders[:, year],
        "discounted_orders_90d": value.discounted_orders[:, quarter],
        "discounted_orders_365d": value.discounted_orders[:, year],
        "discounted_orders_365d_if_alive": value.discounted_orders_if_alive[:, year],
        "discounted_spend_ratio_365d_low": value.spend_ratio_low[:, year],
        "discounted_spend_ratio_365d_high": value.spend_ratio_high[:, year],
        "next_order_low_days": value.next_order_days[:, 0],
        "next_order_high_days": value.next_order_days[:, 2],
        "prediction_status": np.full(len(weights), status),
    }
    fits = [
        ModelFit(name, model.params_, model.standard_errors_, model.log_likelihood_, model.status_)
        for name, model in (("mbg_nbd", churn), ("bg_nbd", plain), ("gamma_gamma", fitted_spend))
    ]
    return Scores(columns, value, spend, fits)


def usable_spend(fitted: GammaGamma, mean_spend: float) -> GammaGamma:
    """The model of spend to predict with: the fitted one, or where too few have come back the mean of everybody.

    Parameters
    ----------
    fitted : GammaGamma
    mean_spend : float
        Mean value of all occasions (money).
    """
    if fitted.status_ != "too_few_repeaters":
        return fitted
    p, q = UNKNOWN_SPEND["p"], UNKNOWN_SPEND["q"]
    scale = mean_spend if np.isfinite(mean_spend) and mean_spend > 0 else 1.0
    return GammaGamma.from_params(p=p, q=q, v=scale * (q - 1) / p)
