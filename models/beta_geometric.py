"""The family of BG/NBD and MBG/NBD: everything the two models share, which is all but one coin flip.

Belongs here: likelihood and predictions of customers who buy as a Poisson process and leave after a purchase with a
fixed probability. Does not belong here: what is particular to a member of the family (``bg_nbd.py``,
``mbg_nbd.py``), what every model of buying shares (``buying.py``).

A customer buys at rate lambda ~ Gamma(r, alpha) until death; after each purchase death comes with probability
p ~ Beta(a, b). The BG/NBD flips that coin after every *repeat* purchase, the MBG/NBD after the first purchase
too. A customer with x repeat purchases who is alive has therefore survived k flips, with k = x in the BG/NBD
and k = x + 1 in the MBG/NBD, and both likelihoods read

    L = Γ(r+x) alpha^r / Γ(r) · B(a, b+k) / B(a, b)
        · { (alpha+T)^-(r+x)  +  [k > 0] a/(b+k-1) · (alpha+t_x)^-(r+x) }

(Fader, Hardie & Lee 2005, eq. 6; Batislam, Denizel & Filiztekin 2007). The first term of the brace belongs
to the living, the second to those who left right after their last purchase. Given life at T, lambda ~
Gamma(r+x, alpha+T) and p ~ Beta(a, b+k) are independent: the future of a living customer is a fresh process
with these parameters.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple, Self

import numpy as np
from scipy.special import betainc, betaln, digamma, expit, gammaln, xlogy

from models.btyd import Floats, Objective, group_rows
from models.buying import ALL_OR_NOTHING, MOST_PURCHASES, NO_HETEROGENEITY, BuyingModel, Future, blocks, lengths

#: Starts as (r, a, b); alpha follows from the observed rate of buying.
_STARTS = ((1.0, 1.0, 1.0), (0.3, 0.8, 2.5), (1.0, 0.05, 5.0), (5.0, 1.0, 3.0))
#: 128 nodes give about 13 digits for every combination of parameters that the bounds allow.
_NODES = 128
_TAIL = 32.0
_BLOCK = 2**20


class Parameters(NamedTuple):
    """r and alpha of the gamma distribution of buying rates, a and b of the beta distribution of leaving."""

    r: float
    alpha: float
    a: float
    b: float


class BetaGeometricFamily(BuyingModel):
    """Common ground of ``BetaGeoNBD`` and ``ModifiedBetaGeoNBD``; not used by itself.

    ``params_`` are ``r, alpha, a, b``. Methods and other fitted attributes: see :class:`models.buying.BuyingModel`.
    """

    _NAMES = Parameters._fields
    #: Flips of the coin survived by a living customer without repeat purchase.
    _first_flips: ClassVar[int]
    _PRIOR: ClassVar[Parameters]

    @classmethod
    def from_params(cls, *, r: float, alpha: float, a: float, b: float) -> Self:
        """Return a model with known parameters, ready to predict.

        Parameters
        ----------
        r, alpha, a, b : float
            Positive; alpha in the unit of time of the histories to be passed.

        Raises
        ------
        ValueError
            If a parameter is not a positive finite number.
        """
        return cls._given(r=r, alpha=alpha, a=a, b=b)

    def _objective(self, x: Floats, last: Floats, age: Floats, weight: Floats) -> Objective:
        """Return the mean negative log-likelihood of grouped histories, with its gradient, in log-parameters.

        Functions of x alone, all the gamma functions, are computed once per distinct x.
        """
        levels, level = np.unique(x, return_inverse=True)
        flips = levels + self._first_flips
        level_weight = np.bincount(level, weights=weight, minlength=len(levels))
        total = max(float(np.sum(weight)), np.finfo(np.float64).tiny)
        flipped = flips > 0

        def negative(theta: Floats) -> tuple[float, Floats]:
            r, alpha, a, b = np.exp(theta)
            shape = (r + levels)[level]
            log_age, log_last = np.log(alpha + age), np.log(alpha + last)
            left = np.where(flipped, b + flips - 1, 1.0)
            prior_odds = np.where(flipped, np.log(a / left), -np.inf)
            log_odds = shape * (log_age - log_last) + prior_odds[level]
            dead = weight * expit(log_odds)
            alive = weight - dead
            dead_by_level = np.bincount(level, weights=dead, minlength=len(levels))

            by_level = gammaln(r + levels) - gammaln(r) + betaln(a, b + flips) - betaln(a, b) + r * theta[1]
            value = np.sum(level_weight * by_level) + np.sum(weight * (np.logaddexp(0.0, log_odds) - shape * log_age))
            all_flips = digamma(a + b) - digamma(a + b + flips)
            survived = all_flips + digamma(b + flips) - digamma(b)
            gradient = np.array(
                [
                    np.sum(level_weight * (digamma(r + levels) - digamma(r) + theta[1]))
                    - np.sum(alive * log_age + dead * log_last),
                    r / alpha * np.sum(weight) - np.sum(shape * (alive / (alpha + age) + dead / (alpha + last))),
                    np.sum(level_weight * all_flips) + np.sum(dead_by_level) / a,
                    np.sum(level_weight * survived) - np.sum(dead_by_level / left),
                ]
            )
            return -float(value) / total, -gradient * np.exp(theta) / total

        return negative

    def _log_likelihood(self, x: Floats, last: Floats, age: Floats) -> Floats:
        r, alpha, a, b = self._parameters()
        timing = gammaln(r + x) - gammaln(r) - r * np.log1p(age / alpha) - x * np.log(alpha + age)
        survival = betaln(a, b + x + self._first_flips) - betaln(a, b)
        return np.asarray(timing + survival + np.logaddexp(0.0, self._log_odds_dead(x, last, age)), dtype=np.float64)

    # ------------------------------------------------------------------------------------------------- pieces

    def _starts(self, rate: float) -> list[Floats]:
        return [np.log(np.array([r, r / rate, a, b])) for r, a, b in _STARTS]

    def _edge(self) -> str:
        r, _, a, b = self._parameters()
        if max(r, a + b) > NO_HETEROGENEITY:
            return "boundary_no_heterogeneity"
        if a + b < ALL_OR_NOTHING:
            return "boundary_all_or_nothing"
        return "ok"

    def _parameters(self) -> Parameters:
        return Parameters(*self._values())

    def _log_odds_dead(self, x: Floats, last: Floats, age: Floats) -> Floats:
        r, alpha, a, b = self._parameters()
        flips = x + self._first_flips
        silence = (r + x) * np.log1p((age - last) / (alpha + last))
        left = np.where(flips > 0, b + flips - 1, 1.0)
        return np.where(flips > 0, np.log(a / left) + silence, -np.inf)

    def _any_if_alive(self, t: float | Floats, x: Floats, last: Floats, age: Floats) -> Floats:
        # The living buy at a rate that is Gamma(r+x, alpha+T), and nobody leaves before the next purchase.
        r, alpha, _, _ = self._parameters()
        return np.asarray(-np.expm1(-(r + x) * np.log1p(t / (alpha + age))), dtype=np.float64)

    def _expected_if_alive(self, t: float, x: Floats, last: Floats, age: Floats) -> Floats:
        r, alpha, a, b = self._parameters()
        (x, age), group = group_rows(x, age)
        return mean_purchases(r + x, t / (alpha + age), a, b + x + self._first_flips)[group]

    def _expected_new(self, ages: Floats) -> Floats:
        r, alpha, a, b = self._parameters()
        survived = b / (a + b) if self._first_flips else 1.0
        shape, beyond = np.full(len(ages), r), np.full(len(ages), b + self._first_flips)
        return survived * mean_purchases(shape, ages / alpha, a, beyond)

    def _distribution(self, number: Floats, ages: Floats) -> Floats:
        # The finite sum of the published form is the distribution function of the negative binomial.
        r, alpha, a, b = self._parameters()
        flips = number + self._first_flips
        share = ages / (alpha + ages)
        exactly = (
            gammaln(r + number) - gammaln(r) - gammaln(number + 1) - r * np.log1p(ages / alpha) + xlogy(number, share)
        )
        at_least = np.where(number > 0, betainc(np.maximum(number, 1.0), r, share), 1.0)
        alive = np.exp(betaln(a, b + flips) - betaln(a, b) + exactly)
        left = np.where(flips > 0, np.exp(betaln(a + 1, b + np.maximum(flips, 1.0) - 1) - betaln(a, b)), 0.0)
        return np.asarray(alive + left * at_least, dtype=np.float64)

    def _future(self, random: np.random.Generator, x: float | Floats, draws: int) -> Future:
        # N = min(Poisson(lambda t), D): the process makes Poisson(lambda t), but the coin ends it after
        # D ~ Geometric(p) of them, with lambda ~ Gamma(r+x, alpha+T), p ~ Beta(a, b+k).
        r, alpha, a, b = self._parameters()
        rate = random.standard_gamma(r + x, draws)
        leaving = random.beta(a, b + x + self._first_flips, draws)
        # Who never leaves makes a last purchase numbered infinity.
        with np.errstate(divide="ignore", over="ignore"):
            last_purchase = 1 + np.floor(random.standard_exponential(draws) / -np.log1p(-leaving))

        def future(random: np.random.Generator, horizons: Floats, last: Floats, age: Floats) -> Floats:
            means = np.minimum(rate * (lengths(horizons, age) / (alpha + age)), MOST_PURCHASES)
            purchases = np.cumsum(random.poisson(means), axis=0)
            return np.asarray(np.minimum(purchases, last_purchase), dtype=np.float64)

        return future


def mean_purchases(r: Floats, t: Floats, a: float, b: Floats) -> Floats:
    """Expected purchases of a living BG/NBD customer with lambda ~ Gamma(r, 1) and p ~ Beta(a, b) within
    ``t``.

    The published form is (a+b-1)/(a-1) · [1 - (1+t)^-r ₂F₁(r, b; a+b-1; t/(1+t))] (Fader, Hardie & Lee 2005,
    eq. 9). It divides zero by zero at a = 1 and overflows for frequent buyers, so the integral behind it is
    computed instead:

        E = ∫ g(p) Beta(p; a, b) dp,   g(p) = (1 - (1 + p t)^-r) / p,   g(0) = r t.

    The line through g(0) and g(1) is integrated by hand; what remains is h₂(p) · p · (1-p), bounded and with
    a weight Beta(a+1, b+1) without poles, which the trapezoidal rule on the logit of p integrates to about
    13 digits whatever the parameters.

    Parameters
    ----------
    r, t, b : ndarray, shape (n,)
        ``t`` in units of the gamma scale. Work and memory go by the number of distinct ``b`` and of rows.
    a : float

    Returns
    -------
    ndarray, shape (n,)
    """
    distinct, index = np.unique(b, return_inverse=True)
    left_shape, right_shape = a + 1, distinct + 1
    spread = np.sqrt(2 * _TAIL * (1 / left_shape + 1 / right_shape))
    centre = np.log(left_shape / right_shape)
    low, high = centre - _TAIL / left_shape - spread, centre + _TAIL / right_shape + spread
    logit = np.linspace(low, high, _NODES, axis=-1)
    nodes, complements = expit(logit), expit(-logit)
    log_weight = left_shape * np.log(nodes) + right_shape[:, None] * np.log(complements)
    weight = np.exp(log_weight - log_weight.max(axis=-1, keepdims=True))
    weight /= weight.sum(axis=-1, keepdims=True)

    result = np.empty(len(r))
    for rows in blocks(len(r), _BLOCK // _NODES):
        i, shape, horizon, beta = index[rows], r[rows], t[rows], b[rows]
        p = nodes[i]
        at_none, at_all = shape * horizon, -np.expm1(-shape * np.log1p(horizon))
        drop = at_none - at_all
        bought = -np.expm1(-shape[:, None] * np.log1p(p * horizon[:, None])) / p
        curve = ((at_none[:, None] - bought) / p - drop[:, None]) / complements[i]
        remainder = np.einsum("ij,ij->i", weight[i], curve)
        mean = at_none - a / (a + beta) * (drop + beta / (a + beta + 1) * remainder)
        # g falls from g(0) to g(1): rounding must not leave that interval.
        result[rows] = np.clip(mean, at_all, at_none)
    return result
