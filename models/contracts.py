"""How long contracts last: the shifted-beta-geometric model and the Kaplan-Meier estimate.

Belongs here: customers whose leaving is seen, because a contract ends or is not renewed. Does not belong here:
customers who leave unseen (``buying.py``), which contract belongs to whom and when it ends (SQL).

Both count contracts that still run as what they are: seen so far, end unknown (right-censored).
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln, digamma

from models.btyd import (
    LOG_SHAPE_BOUND,
    MIN_REPEATERS,
    Estimator,
    Floats,
    Objective,
    as_floats,
    case_weights,
    counts,
    duration,
    group_weighted,
    maximise,
    non_negative,
    require,
    require_same_length,
    with_prior,
)

#: From this value of alpha + beta all customers leave at the same rate.
NO_HETEROGENEITY = 1e3
#: Below this value of alpha + beta a customer leaves at the first renewal or never.
ALL_OR_NOTHING = 1e-3

_STARTS = ((1.0, 1.0), (0.7, 3.0), (5.0, 20.0))
#: The estimates for the high-end customers of the paper, rounded.
_PRIOR = (0.7, 3.8)


class RenewalParameters(NamedTuple):
    """alpha and beta of the beta distribution of the chance to leave at a renewal."""

    alpha: float
    beta: float


class ShiftedBetaGeometric(Estimator):
    """Shifted-beta-geometric model of contracts that come up for renewal again and again.

    At each renewal a customer leaves with a probability of their own, theta ~ Beta(alpha, beta). Those who leave easily
    go first, so the rate of renewal of the rest rises with every period.

    Attributes
    ----------
    params_ : dict of str to float
        ``alpha, beta``.
    log_likelihood_, standard_errors_, covariance_
        See :class:`models.btyd.Estimator`.
    status_ : str
        ``ok``: a maximum inside the parameter space, certified by its gradient.
        ``boundary_no_heterogeneity``: alpha + beta is above 1,000, all customers leave at one rate.
        ``boundary_all_or_nothing``: alpha + beta is below 0.001, customers leave at the first renewal or never.
        ``too_few_losses``: fewer than 10 customers have left, or fewer than 10 have renewed. ``params_`` are then the
        posterior mode under a weakly informative prior around published estimates.
        ``not_converged``: the gradient does not vanish at the best point found; ``params_`` is that point.
        ``given``: made by :meth:`from_params`.

    References
    ----------
    Fader & Hardie (2007), How to Project Customer Retention, Journal of Interactive Marketing 21(1), 76-90.
    Fader & Hardie (2010), Customer-Base Valuation in a Contractual Setting, Marketing Science 29(1), 85-93.

    Examples
    --------
    >>> model = ShiftedBetaGeometric.from_params(alpha=0.668, beta=3.806)
    >>> model.survival([1, 7]).round(3).tolist()
    [0.851, 0.489]
    """

    _NAMES = RenewalParameters._fields

    @classmethod
    def from_params(cls, *, alpha: float, beta: float) -> Self:
        """Return a model with known parameters, ready to predict.

        Raises
        ------
        ValueError
            If a parameter is not a positive finite number.
        """
        return cls._given(alpha=alpha, beta=beta)

    def fit(self, periods: ArrayLike, lost: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """Estimate the parameters by maximum likelihood.

        Parameters
        ----------
        periods : array_like, shape (n,)
            Of customers who left: at which renewal, from 1. Of the others: how many renewals they have made.
        lost : array_like of bool, shape (n,)
            Whether the customer has left.
        weights : array_like, shape (n,), optional
            Customers that each row stands for; one by default, rows of weight zero are ignored.

        Returns
        -------
        self
            Data that cannot carry the model lead to a status, not to an exception.

        Raises
        ------
        ValueError
            If a period or weight is negative or not finite, a period is not whole, a customer left at renewal 0, or
            ``lost`` holds anything but true and false.
        """
        time, left = counts("periods", periods), _flags("lost", lost)
        require_same_length(periods=time, lost=left)
        require((left == 0) | (time > 0), "periods", "be at least 1 where lost is true", time)
        (time, left), weight = group_weighted(case_weights(weights, len(time)), time, left)
        renewals = time - left
        sparse = min(float(np.sum(weight * left)), float(np.sum(weight * (renewals > 0)))) < MIN_REPEATERS
        total = float(np.sum(weight))
        objective, bound = _objective(renewals, left, weight), np.full(2, LOG_SHAPE_BOUND)
        if sparse:
            centre = np.log(np.array(_PRIOR))
            found = maximise(with_prior(objective, centre, total), [centre], -bound, bound, max(total, 1.0))
        else:
            found = maximise(objective, [np.log(np.array(start)) for start in _STARTS], -bound, bound, total)
        self._take(found, np.ones(2))
        alpha, beta = self._values()
        self.log_likelihood_ = float(np.sum(weight * (betaln(alpha + left, beta + renewals) - betaln(alpha, beta))))
        if sparse:
            self.status_ = "too_few_losses"
        elif not found.certified:
            self.status_ = "not_converged"
        elif alpha + beta > NO_HETEROGENEITY:
            self.status_ = "boundary_no_heterogeneity"
        elif alpha + beta < ALL_OR_NOTHING:
            self.status_ = "boundary_all_or_nothing"
        else:
            self.status_ = "ok"
        return self

    def survival(self, periods: ArrayLike) -> Floats:
        """Share of new customers who make so many renewals, shape (n,) (2007, eq. 6)."""
        return self.probability_renewed(counts("periods", periods), 0)

    def probability_renewed(self, ahead: ArrayLike, periods: ArrayLike) -> Floats:
        """Probability that a customer who has made ``periods`` renewals makes ``ahead`` more.

        Parameters
        ----------
        ahead, periods : array_like, shape (n,) or scalar
            Whole numbers.

        Returns
        -------
        ndarray, shape (n,)
            Values in [0, 1]; (2007, eq. 8) where ``ahead`` is 1. One less it is the churn probability.

        Raises
        ------
        ValueError
            If an argument is negative, not finite or not whole.
        """
        alpha, beta = self._values()
        more, made = np.broadcast_arrays(counts("ahead", ahead), counts("periods", periods))
        return np.asarray(np.exp(betaln(alpha, beta + made + more) - betaln(alpha, beta + made)), dtype=np.float64)

    def discounted_renewals(self, horizon: int, periods: ArrayLike, rate: float = 0.0) -> Floats:
        """Expected number of renewals among the next ``horizon``, discounted by ``rate`` a period.

        The first of them is one period away. Multiply by the margin of a period to get the value of what is still to
        come (2010, eq. 6, which has no horizon).

        Parameters
        ----------
        horizon : int
            Renewals to come.
        periods : array_like, shape (n,)
            Renewals made so far.
        rate : float
            Discount rate of one period, not negative.

        Returns
        -------
        ndarray, shape (n,)

        Raises
        ------
        ValueError
            If an argument is negative, not finite or not whole.
        """
        steps = int(counts("horizon", horizon)[0])
        per_period = duration("rate", rate)
        alpha, beta = self._values()
        made = counts("periods", periods)
        alive, total = np.ones_like(made), np.zeros_like(made)
        for step in range(steps):
            alive = alive * (beta + made + step) / (alpha + beta + made + step)
            total += alive * (1 + per_period) ** -(step + 1.0)
        return total


def _flags(name: str, values: ArrayLike) -> Floats:
    flags = as_floats(name, values)
    require((flags == 0) | (flags == 1), name, "be true or false", flags)
    return flags


def _objective(renewals: Floats, left: Floats, weight: Floats) -> Objective:
    """Return the mean negative log-likelihood of grouped contracts, with its gradient, in log-parameters."""
    total = max(float(np.sum(weight)), np.finfo(np.float64).tiny)

    def negative(theta: Floats) -> tuple[float, Floats]:
        alpha, beta = np.exp(theta)
        value = np.sum(weight * (betaln(alpha + left, beta + renewals) - betaln(alpha, beta)))
        both = digamma(alpha + beta) - digamma(alpha + beta + left + renewals)
        by_alpha = np.sum(weight * (digamma(alpha + left) - digamma(alpha) + both))
        by_beta = np.sum(weight * (digamma(beta + renewals) - digamma(beta) + both))
        return -float(value) / total, -np.array([by_alpha * alpha, by_beta * beta]) / total

    return negative


class KaplanMeier:
    """Product-limit estimate of how long contracts last, without any assumption on its shape.

    Attributes
    ----------
    times_ : ndarray, shape (m,)
        Durations at which somebody left, ascending.
    survival_ : ndarray, shape (m,)
        Share that lasts longer than each of them.
    standard_errors_ : ndarray, shape (m,)
        Of ``survival_``, by Greenwood's formula.
    last_time_ : float
        The longest duration seen; beyond, nothing is known and the last share stands.
    status_ : str
        ``ok``, or ``too_few_losses`` if fewer than 10 have left.

    References
    ----------
    Kaplan & Meier (1958), Nonparametric Estimation from Incomplete Observations, JASA 53(282), 457-481.
    """

    times_: Floats
    survival_: Floats
    standard_errors_: Floats
    last_time_: float
    status_: str

    def fit(
        self,
        durations: ArrayLike,
        lost: ArrayLike,
        weights: ArrayLike | None = None,
        *,
        entries: ArrayLike | None = None,
    ) -> Self:
        """Estimate the survival curve.

        Parameters
        ----------
        durations : array_like, shape (n,)
            How long each contract has lasted so far, or until it ended; any unit.
        lost : array_like of bool, shape (n,)
            Whether it has ended. Who is seen up to a moment at which others leave counts among those at risk.
        weights : array_like, shape (n,), optional
            Contracts that each row stands for; one by default.
        entries : array_like, shape (n,), optional
            Duration at which each contract came into sight (left truncation); zero by default.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a number is negative or not finite, ``lost`` holds anything but true and false, or an entry is later
            than its duration.
        """
        time, left = non_negative("durations", durations), _flags("lost", lost)
        start = np.zeros_like(time) if entries is None else non_negative("entries", entries)
        require_same_length(durations=time, lost=left, entries=start)
        require(start <= time, "entries", "not exceed durations", start)
        (time, left, start), weight = group_weighted(case_weights(weights, len(time)), time, left, start)
        self.times_, event = np.unique(time[left > 0], return_inverse=True)
        losses = np.bincount(event, weights=weight[left > 0], minlength=len(self.times_))
        # At risk at a time: those seen up to it at least, and in sight before it.
        at_risk = _weight_from(time, weight, self.times_) - _weight_from(start, weight, self.times_)
        at_zero = self.times_ == 0
        at_risk[at_zero] = np.sum(weight)
        kept = 1 - losses / at_risk
        self.survival_ = np.asarray(np.cumprod(kept), dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.cumsum(losses / (at_risk * (at_risk - losses)))
            errors = np.where(self.survival_ > 0, self.survival_ * np.sqrt(terms), 0.0)
        self.standard_errors_ = np.asarray(errors, dtype=np.float64)
        self.last_time_ = float(np.max(time, initial=0.0))
        self.status_ = "ok" if float(np.sum(weight * left)) >= MIN_REPEATERS else "too_few_losses"
        return self

    def survival(self, durations: ArrayLike) -> Floats:
        """Share that lasts longer than each duration, shape (n,)."""
        steps = np.concatenate([[1.0], self._fitted()])
        return np.asarray(steps[np.searchsorted(self.times_, non_negative("durations", durations), side="right")])

    def probability_lost(self, ahead: ArrayLike, durations: ArrayLike) -> Floats:
        """Probability that a contract which has lasted ``durations`` ends within ``ahead``.

        Parameters
        ----------
        ahead, durations : array_like, shape (n,) or scalar
            In one unit of time.

        Returns
        -------
        ndarray, shape (n,)
            Values in [0, 1]. 1 where nobody seen has lasted so long, and 0 beyond the last loss where some have:
            compare ``last_time_``.

        Raises
        ------
        ValueError
            If an argument is negative or not finite.
        """
        more, now = np.broadcast_arrays(non_negative("ahead", ahead), non_negative("durations", durations))
        today, then = self.survival(now), self.survival(now + more)
        return np.asarray(1 - np.divide(then, today, out=np.zeros_like(then), where=today > 0), dtype=np.float64)

    def _fitted(self) -> Floats:
        try:
            return self.survival_
        except AttributeError:
            raise RuntimeError("This KaplanMeier has not been fitted yet: call fit(...).") from None


def _weight_from(values: Floats, weight: Floats, times: Floats) -> Floats:
    """Total weight of the values at or above each time."""
    order = np.argsort(values, kind="stable")
    below = np.concatenate([[0.0], np.cumsum(weight[order])])
    return np.asarray(below[-1] - below[np.searchsorted(values[order], times, side="left")], dtype=np.float64)
