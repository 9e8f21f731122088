"""The BG/BB model: customers who can buy once in each of a number of fixed periods, such as issues, fairs or seasons.

Belongs here: its likelihood, estimation and predictions. Does not belong here: buying at any time (``buying.py``).

In each period a living customer buys with probability p ~ Beta(alpha, beta); before each period the customer leaves
with probability theta ~ Beta(gamma, delta) (Fader, Hardie & Shang 2010). With x purchases in n periods, the last in
period t_x, and i periods lived without purchase after it,

    L = 1 / (B(alpha, beta) B(gamma, delta)) · { B(alpha+x, beta+n-x) B(gamma, delta+n)
        + Σ_i B(alpha+x, beta+t_x-x+i) B(gamma+1, delta+t_x+i) },    i = 0 … n-t_x-1           (eq. 7)
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln, digamma, logsumexp

from models.btyd import (
    LOG_SHAPE_BOUND,
    MIN_REPEATERS,
    Estimator,
    Floats,
    Objective,
    case_weights,
    counts,
    group_rows,
    group_weighted,
    histories,
    maximise,
    require,
    with_prior,
)
from models.buying import ALL_OR_NOTHING, NO_DROPOUT, NO_HETEROGENEITY

_STARTS = ((1.0, 1.0, 1.0, 3.0), (0.5, 1.5, 0.5, 5.0), (1.2, 0.75, 0.66, 2.8), (3.0, 10.0, 1.0, 20.0))
#: The estimates of the paper, rounded.
_PRIOR = (1.2, 0.75, 0.66, 2.8)


class Parameters(NamedTuple):
    """alpha and beta of the chance to buy in a period, gamma and delta of the chance to leave before one."""

    alpha: float
    beta: float
    gamma: float
    delta: float


class BetaGeoBetaBinomial(Estimator):
    """Beta-geometric / beta-binomial model of buying in fixed periods.

    Time is counted in periods after the first purchase: ``frequency`` of ``T`` periods had a purchase, the last of them
    was period ``recency``. Work and memory grow with the number of distinct histories times the largest ``T``, so
    periods of a week or more are meant.

    Attributes
    ----------
    params_ : dict of str to float
        ``alpha, beta, gamma, delta``.
    log_likelihood_, standard_errors_, covariance_
        See :class:`models.btyd.Estimator`.
    status_ : str
        As :class:`models.buying.BuyingModel`; the shapes are alpha + beta and gamma + delta.

    References
    ----------
    Fader, Hardie & Shang (2010), Customer-Base Analysis in a Discrete-Time Noncontractual Setting, Marketing Science
    29(6), 1086-1108.

    Examples
    --------
    >>> model = BetaGeoBetaBinomial.from_params(alpha=1.204, beta=0.750, gamma=0.657, delta=2.783)
    >>> float(model.expected_purchases(5, frequency=6, recency=6, T=6)[0].round(2))
    3.75
    """

    _NAMES = Parameters._fields

    @classmethod
    def from_params(cls, *, alpha: float, beta: float, gamma: float, delta: float) -> Self:
        """Return a model with known parameters, ready to predict.

        Raises
        ------
        ValueError
            If a parameter is not a positive finite number.
        """
        return cls._given(alpha=alpha, beta=beta, gamma=gamma, delta=delta)

    def fit(self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """Estimate the parameters by maximum likelihood.

        Parameters
        ----------
        frequency, recency, T : array_like, shape (n,)
            Periods with a purchase, the last of them, and all periods, after the first purchase; whole numbers.
        weights : array_like, shape (n,), optional
            Customers that each row stands for; one by default, rows of weight zero are ignored.

        Returns
        -------
        self
            Data that cannot carry the model lead to a status, not to an exception.

        Raises
        ------
        ValueError
            If a number is negative, not finite or not whole, recency exceeds T, or frequency exceeds recency.
        """
        x, last, age = _periods(frequency, recency, T)
        (x, last, age), weight = group_weighted(case_weights(weights, len(x)), x, last, age)
        total, sparse = float(np.sum(weight)), float(np.sum(weight[x > 0])) < MIN_REPEATERS
        objective, bound = _objective(x, last, age, weight), np.full(4, LOG_SHAPE_BOUND)
        if sparse:
            centre = np.log(np.array(_PRIOR))
            found = maximise(with_prior(objective, centre, total), [centre], -bound, bound, max(total, 1.0))
        else:
            found = maximise(objective, [np.log(np.array(start)) for start in _STARTS], -bound, bound, total)
        self._take(found, np.ones(4))
        self.log_likelihood_ = float(np.sum(weight * self.log_likelihood(x, last, age)))
        alpha, beta, gamma, delta = self._parameters()
        if sparse:
            self.status_ = "too_few_repeaters"
        elif not found.certified:
            self.status_ = "not_converged"
        elif 1 - float(np.sum(weight * self.probability_alive(x, last, age)) / total) < NO_DROPOUT:
            self.status_ = "boundary_no_dropout"
        elif max(alpha + beta, gamma + delta) > NO_HETEROGENEITY:
            self.status_ = "boundary_no_heterogeneity"
        elif min(alpha + beta, gamma + delta) < ALL_OR_NOTHING:
            self.status_ = "boundary_all_or_nothing"
        else:
            self.status_ = "ok"
        return self

    def log_likelihood(self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Floats:
        """Log-likelihood of each history, shape (n,). Raises as :meth:`fit`."""
        x, last, age = _periods(frequency, recency, T)
        parameters = self._parameters()
        logs = _log_terms(parameters, x, last, age)
        constant = betaln(parameters.alpha, parameters.beta) + betaln(parameters.gamma, parameters.delta)
        return np.asarray(logsumexp(logs, axis=1) - constant, dtype=np.float64)

    def probability_alive(self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Floats:
        """Probability that a customer was still alive in period T, shape (n,). Raises as :meth:`fit`."""
        logs = _log_terms(self._parameters(), *_periods(frequency, recency, T))
        return np.asarray(np.exp(logs[:, 0] - logsumexp(logs, axis=1)), dtype=np.float64)

    def expected_purchases(self, t: int, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Floats:
        """Expected number of the next ``t`` periods with a purchase, shape (n,) (eq. 13). Raises as :meth:`fit`."""
        return self.probability_alive(frequency, recency, T) * self.expected_purchases_if_alive(
            t, frequency, recency, T
        )

    def expected_purchases_if_alive(self, t: int, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Floats:
        """The same of a customer who was alive in period T."""
        x, _, age = _periods(frequency, recency, T)
        alpha, beta, gamma, delta = self._parameters()
        lives, total = np.ones_like(age), np.zeros_like(age)
        for step in range(int(counts("t", t)[0])):
            lives = lives * (delta + age + step) / (gamma + delta + age + step)
            total += lives
        return np.asarray(total * (alpha + x) / (alpha + beta + age), dtype=np.float64)

    def probability_no_purchase(self, t: int, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Floats:
        """Probability that a customer buys in none of the next ``t`` periods: the churn score.

        Parameters
        ----------
        t : int
            Periods.
        frequency, recency, T : array_like, shape (n,)
            As in :meth:`fit`.

        Returns
        -------
        ndarray, shape (n,)
            Values in [0, 1].

        Raises
        ------
        ValueError
            As :meth:`fit`, and if ``t`` is not a whole number.
        """
        x, last, age = _periods(frequency, recency, T)
        alpha, beta, gamma, delta = self._parameters()
        any_purchase, lives = np.zeros_like(age), np.ones_like(age)
        silent = np.ones_like(age)
        # The first purchase comes in a period that is reached alive and without one before it.
        for step in range(int(counts("t", t)[0])):
            lives = lives * (delta + age + step) / (gamma + delta + age + step)
            any_purchase += lives * silent * (alpha + x) / (alpha + beta + age + step)
            silent = silent * (beta + age - x + step) / (alpha + beta + age + step)
        return np.asarray(1 - self.probability_alive(x, last, age) * np.minimum(any_purchase, 1.0), dtype=np.float64)

    def _parameters(self) -> Parameters:
        return Parameters(*self._values())


def _periods(frequency: ArrayLike, recency: ArrayLike, age: ArrayLike) -> tuple[Floats, Floats, Floats]:
    x, last, total = histories(frequency, recency, age)
    require(last == np.floor(last), "recency", "be a whole number of periods", last)
    require(total == np.floor(total), "T", "be a whole number of periods", total)
    require(x <= last, "frequency", "not exceed recency, with one purchase a period at most", x)
    return x, last, total


def _log_terms(parameters: Parameters, x: Floats, last: Floats, age: Floats) -> Floats:
    """Logarithms of the terms of the likelihood without its constant, shape (n, 1 + longest silence).

    The first column belongs to the living, the others to those who left, minus infinity after the last period.
    """
    alpha, beta, gamma, delta = parameters
    step = np.arange(int(np.max(age - last, initial=0.0)))
    lived = np.minimum(last[:, None] + step, age[:, None])
    # Functions of whole numbers: each distinct pair once.
    (made, total), pair = group_rows(np.repeat(x, len(step)), lived.ravel())
    buying = betaln(alpha + made, beta + total - made)[pair].reshape(lived.shape)
    levels, level = np.unique(lived, return_inverse=True)
    leaving = betaln(gamma + 1, delta + levels)[level].reshape(lived.shape)
    left = np.where(step < (age - last)[:, None], buying + leaving, -np.inf)
    alive = betaln(alpha + x, beta + age - x) + betaln(gamma, delta + age)
    return np.concatenate([alive[:, None], left], axis=1)


def _objective(x: Floats, last: Floats, age: Floats, weight: Floats) -> Objective:
    """Return the mean negative log-likelihood of grouped histories, with its gradient, in log-parameters."""
    total = max(float(np.sum(weight)), np.finfo(np.float64).tiny)
    step = np.arange(int(np.max(age - last, initial=0.0)))
    lived = np.concatenate([age[:, None], np.minimum(last[:, None] + step, age[:, None])], axis=1)
    gone = np.concatenate([np.zeros((len(x), 1)), np.ones((len(x), len(step)))], axis=1)
    (made, periods, left), pair = group_rows(np.repeat(x, lived.shape[1]), lived.ravel(), gone.ravel())

    def negative(theta: Floats) -> tuple[float, Floats]:
        alpha, beta, gamma, delta = np.exp(theta)
        logs = _log_terms(Parameters(alpha, beta, gamma, delta), x, last, age)
        each = logsumexp(logs, axis=1)
        constant = betaln(alpha, beta) + betaln(gamma, delta)
        # Slopes of the terms, weighted by what each has in the likelihood.
        share = np.bincount(pair, weights=(weight[:, None] * np.exp(logs - each[:, None])).ravel(), minlength=len(made))
        both, ends = digamma(alpha + beta + periods), digamma(gamma + delta + periods + left)
        slopes = np.array(
            [
                digamma(alpha + made) - both - (digamma(alpha) - digamma(alpha + beta)),
                digamma(beta + periods - made) - both - (digamma(beta) - digamma(alpha + beta)),
                digamma(gamma + left) - ends - (digamma(gamma) - digamma(gamma + delta)),
                digamma(delta + periods) - ends - (digamma(delta) - digamma(gamma + delta)),
            ]
        )
        gradient = np.einsum("ij,j->i", slopes, share) * np.exp(theta)
        return -float(np.sum(weight * (each - constant))) / total, -gradient / total

    return negative
