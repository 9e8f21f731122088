"""The Gamma-Gamma model of the value of a purchase.

Belongs here: the distribution of a customer's mean spend and what follows from it. Does not belong here: how
often a customer buys (``beta_geometric.py``), currencies, margins, discounting.

The values of a customer's purchases are Gamma(p, nu); nu ~ Gamma(q, v) differs between customers and is
independent of the buying rate. The likelihood of a mean m over x purchases (Fader & Hardie 2013, eq. 1a) is,
with B the beta function,

    f(m | x) = 1 / (m B(px, q)) · (xm / (v+xm))^(px) · (v / (v+xm))^q.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln, digamma

from models.btyd import (
    LOG_SCALE_BOUND,
    LOG_SHAPE_BOUND,
    MIN_REPEATERS,
    Estimator,
    Floats,
    Maximum,
    Objective,
    as_floats,
    case_weights,
    counts,
    group_weighted,
    maximise,
    require,
    require_same_length,
    with_prior,
)

#: Below this value of q - 1 the mean of the population hardly exists: a few large spenders decide it.
HEAVY_TAIL = 0.05
#: From this value of q customers do not differ in what they spend.
NO_HETEROGENEITY = 1e3
#: From this value of p a customer spends the same amount every time.
CONSTANT_SPEND = 1e3

# q - 1 stays above one hundredth, so the mean of the population stays within 100 times p v.
_LOWER = np.array([-LOG_SHAPE_BOUND, np.log(0.01), -LOG_SCALE_BOUND])
_UPPER = np.array([LOG_SHAPE_BOUND, LOG_SHAPE_BOUND, LOG_SCALE_BOUND])
#: Starts, and centre of the prior, as (p, q); v follows from a mean spend of one in scaled money.
_STARTS = ((6.0, 4.0), (1.0, 2.0), (2.0, 20.0), (50.0, 2.0))
_PRIOR = (6.0, 4.0)


class SpendParameters(NamedTuple):
    """p: shape of a customer's purchases; q and v: shape and rate of the rates of customers."""

    p: float
    q: float
    v: float


class GammaGamma(Estimator):
    """Gamma-Gamma model of the mean value of a customer's purchases.

    Attributes
    ----------
    params_ : dict of str to float
        ``p, q, v``; v in the unit of money. q exceeds 1 by construction, so every expectation exists.
    log_likelihood_, standard_errors_, covariance_
        See :class:`models.btyd.Estimator`; ``covariance_`` is that of log p, log (q - 1) and log v.
    status_ : str
        ``ok``: a maximum inside the parameter space, certified by its gradient.
        ``boundary_constant_spend``: p is above 1,000, customers always spend the same.
        ``boundary_no_heterogeneity``: q is above 1,000, customers do not differ from each other.
        ``boundary_heavy_tail``: q is below 1.05, the mean of the population rests on a few large spenders.
        ``too_few_repeaters``: fewer than 10 customers with spend on repeat purchases; ``params_`` are the
        posterior mode under a weakly informative prior: logarithms of p, q - 1 and v normal with standard
        deviation 1 around p = 6, q = 4 and the v that gives the observed mean spend (1 if there is none at
        all).
        ``not_converged``: the gradient does not vanish at the best point found; ``params_`` is that point.
        ``given``: made by :meth:`from_params`.

    References
    ----------
    Fader & Hardie (2013), The Gamma-Gamma Model of Monetary Value, brucehardie.com/notes/025. Fader, Hardie &
    Lee (2005), RFM and CLV: Using Iso-Value Curves, Journal of Marketing Research 42, 415-430.

    Examples
    --------
    >>> model = GammaGamma.from_params(p=6.25, q=3.74, v=15.44)
    >>> model.expected_average_spend(frequency=[2, 0], monetary_value=[22.35, 0.0]).round(2).tolist()
    [24.66, 35.22]
    """

    _NAMES = SpendParameters._fields
    _LIMITS: ClassVar[Mapping[str, float]] = {"q": 1.0}

    @classmethod
    def from_params(cls, *, p: float, q: float, v: float) -> Self:
        """Return a model with known parameters, ready to predict.

        Parameters
        ----------
        p, q, v : float
            Positive, q above 1; v in the unit of the money to be passed.

        Raises
        ------
        ValueError
            If a parameter is not positive and finite, or q does not exceed 1 (no mean would exist).
        """
        model = cls._given(p=p, q=q, v=v)
        if not q > 1:
            raise ValueError(f"q must exceed 1, not {q!r}: the expected spend would be infinite.")
        return model

    def fit(self, frequency: ArrayLike, monetary_value: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """Estimate the parameters by maximum likelihood.

        Customers without repeat purchase and customers whose mean value is zero or negative (refunds, gifts)
        say nothing about the distribution of spend and are left out. Equal rows are grouped, so weights equal
        repeated rows exactly.

        Parameters
        ----------
        frequency : array_like, shape (n,)
            Repeat purchases, whole numbers.
        monetary_value : array_like, shape (n,)
            Mean value of the repeat purchases, in money; not read where ``frequency`` is 0.
        weights : array_like, shape (n,), optional
            Customers that each row stands for; one by default, rows of weight zero are ignored.

        Returns
        -------
        self
            With ``params_``, ``log_likelihood_``, ``standard_errors_`` and ``status_``. Data that cannot
            carry the model lead to a status, not to an exception.

        Raises
        ------
        ValueError
            If a frequency or weight is negative or not finite, or a monetary value that counts is not finite.
        """
        x, mean = _spend_histories(frequency, monetary_value)
        weight = case_weights(weights, len(x))
        used = (x > 0) & (mean > 0)
        (x, mean), weight = group_weighted(weight[used], x[used], mean[used])
        unit = float(np.sum(weight * x * mean) / np.sum(weight * x)) if len(x) else 1.0
        sparse = float(np.sum(weight)) < MIN_REPEATERS

        found = _maximise(x, mean / unit, weight, sparse)
        self._take(found, np.array([1.0, 1.0, unit]))
        self.log_likelihood_ = float(np.sum(weight * _log_density(self.parameters(), x, mean)))
        self.status_ = "too_few_repeaters" if sparse else _status(self.parameters(), found)
        return self

    def expected_average_spend(self, frequency: ArrayLike, monetary_value: ArrayLike) -> Floats:
        """Expected value of a customer's future purchases, given the purchases so far.

        Parameters
        ----------
        frequency : array_like, shape (n,)
            Repeat purchases.
        monetary_value : array_like, shape (n,)
            Mean value of the repeat purchases; not read where ``frequency`` is 0 (NaN is fine there).

        Returns
        -------
        ndarray, shape (n,)
            In the unit of money, always positive: p (v + x m) / (p x + q - 1). The mean of the population
            where the frequency is 0 or the monetary value is not positive, as in :meth:`fit`.

        Raises
        ------
        ValueError
            If a frequency is negative or not finite, or a monetary value that counts is not finite.

        References
        ----------
        Fader & Hardie (2013), The Gamma-Gamma Model of Monetary Value, eq. (5).
        """
        x, mean = _spend_histories(frequency, monetary_value)
        p, q, v = self.parameters()
        known = np.where(mean > 0, x, 0.0)
        return np.asarray(p * (v + known * mean) / (p * known + q - 1), dtype=np.float64)

    def parameters(self) -> SpendParameters:
        """Return ``params_`` as a named tuple.

        Raises
        ------
        RuntimeError
            If the model has neither been fitted nor been given parameters.
        """
        return SpendParameters(*self._values())


def _spend_histories(frequency: ArrayLike, monetary_value: ArrayLike) -> tuple[Floats, Floats]:
    """Check the arguments; values of customers without repeat purchase are replaced by zero."""
    x, mean = counts("frequency", frequency), as_floats("monetary_value", monetary_value)
    require_same_length(frequency=x, monetary_value=mean)
    mean = np.where(x > 0, mean, 0.0)
    require(np.isfinite(mean), "monetary_value", "be finite where frequency is positive", mean)
    return x, mean


def _log_density(parameters: SpendParameters, x: Floats, mean: Floats) -> Floats:
    p, q, v = parameters
    total = x * mean
    return np.asarray(
        -betaln(p * x, q) - p * x * np.log1p(v / total) - q * np.log1p(total / v) - np.log(mean),
        dtype=np.float64,
    )


def _objective(x: Floats, mean: Floats, weight: Floats) -> Objective:
    """Return the mean negative log-likelihood, with its gradient, in log p, log(q - 1), log v."""
    levels, level = np.unique(x, return_inverse=True)
    level_weight = np.bincount(level, weights=weight, minlength=len(levels))
    total_weight = max(float(np.sum(weight)), np.finfo(np.float64).tiny)
    total, log_mean = x * mean, float(np.sum(weight * np.log(mean)))

    def negative(theta: Floats) -> tuple[float, Floats]:
        p, excess, v = np.exp(theta)
        q = 1 + excess
        own, others = np.log1p(v / total), np.log1p(total / v)
        value = -np.sum(level_weight * betaln(p * levels, q)) - np.sum(weight * (p * x * own + q * others)) - log_mean
        both = digamma(p * levels + q)
        gradient = np.array(
            [
                np.sum(level_weight * levels * (both - digamma(p * levels))) - np.sum(weight * x * own),
                np.sum(level_weight * (both - digamma(q))) - np.sum(weight * others),
                np.sum(weight * (q * total / v - p * x) / (v + total)),
            ]
        )
        return -float(value) / total_weight, -gradient * np.array([p, excess, v]) / total_weight

    return negative


def _maximise(x: Floats, mean: Floats, weight: Floats, sparse: bool) -> Maximum:
    total = float(np.sum(weight))
    objective = _objective(x, mean, weight)
    if sparse:
        centre = _start(*_PRIOR)
        return maximise(with_prior(objective, centre, total), [centre], _LOWER, _UPPER, max(total, 1.0))
    return maximise(objective, [_start(p, q) for p, q in _STARTS], _LOWER, _UPPER, total)


def _start(p: float, q: float) -> Floats:
    return np.asarray(np.log([p, q - 1, (q - 1) / p]), dtype=np.float64)


def _status(estimates: SpendParameters, found: Maximum) -> str:
    if not found.certified:
        return "not_converged"
    if estimates.p > CONSTANT_SPEND:
        return "boundary_constant_spend"
    if estimates.q > NO_HETEROGENEITY:
        return "boundary_no_heterogeneity"
    if estimates.q - 1 < HEAVY_TAIL:
        return "boundary_heavy_tail"
    return "ok"
