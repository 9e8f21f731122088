"""The Pareto/NBD model.

Belongs here: its likelihood and predictions. Does not belong here: what every model of buying shares (``buying.py``).

A customer buys at rate lambda ~ Gamma(r, alpha) and leaves at any moment, at rate mu ~ Gamma(s, beta) (Schmittlein,
Morrison & Colombo 1987). With x repeat purchases, the last at t_x,

    L = Γ(r+x) alpha^r beta^s / Γ(r)
        · { (alpha+T)^-(r+x) (beta+T)^-s  +  ∫ s (alpha+y)^-(r+x) (beta+y)^-(s+1) dy,  y from t_x to T }

(Fader & Hardie 2005, A Note on Deriving the Pareto/NBD Model, eq. 17 and 18): the first term belongs to the living, the
second to those who left at y. The published form of the integral is a difference of hypergeometric functions, which
cancels or overflows for frequent buyers and long silence. Here it is a sum of positive terms: the integrand falls from
its value at t_x, at first over the length 1 / ((r+x)/(alpha+t_x) + (s+1)/(beta+t_x)) and then like a power, so it is
smooth on a logarithmic axis with that origin and unit. Given life at T, lambda ~ Gamma(r+x, alpha+T) and mu ~
Gamma(s, beta+T) are independent: the future of a living customer is a fresh process with these parameters.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple, Self

import numpy as np
from scipy.special import digamma, expit, exprel, gammaln, xlog1py, xlogy

from models.btyd import Floats, Objective, unit_rule
from models.buying import ALL_OR_NOTHING, MOST_PURCHASES, NO_HETEROGENEITY, BuyingModel, Future, blocks, lengths

#: Starts as (r, s, beta on the scaled time axis); alpha follows from the observed rate of buying.
_STARTS = ((0.5, 0.6, 3.0), (1.0, 1.0, 10.0), (3.0, 0.3, 1.0), (0.3, 5.0, 30.0))
#: Gauss-Legendre nodes: they give 9 digits for any history that the bounds of a fit allow, and 13 for most.
_NODES = 40
#: So many nodes see also the narrow peak that many purchases by a new customer make.
_FINE_NODES = 256
_BLOCK = 2**17


class Parameters(NamedTuple):
    """r and alpha of the gamma distribution of buying rates, s and beta of that of the rates of leaving."""

    r: float
    alpha: float
    s: float
    beta: float


class ParetoNBD(BuyingModel):
    """Pareto / negative binomial model of repeat buying.

    A customer may leave at any moment, not only after a purchase. ``params_`` are ``r, alpha, s, beta``, with alpha and
    beta in the unit of time. Methods and other fitted attributes: see :class:`models.buying.BuyingModel`.

    References
    ----------
    Schmittlein, Morrison & Colombo (1987), Counting Your Customers: Who Are They and What Will They Do Next?,
    Management Science 33(1), 1-24. Fader & Hardie (2005), A Note on Deriving the Pareto/NBD Model and Related
    Expressions, brucehardie.com/notes/009.

    Examples
    --------
    >>> model = ParetoNBD.from_params(r=0.5534, alpha=10.5802, s=0.6061, beta=11.6562)
    >>> float(model.expected_purchases(52, frequency=26, recency=30.86, T=31)[0].round(4))
    25.4549
    """

    _NAMES = Parameters._fields
    # The CDNOW estimates, rounded, with alpha and beta on the scaled axis.
    _PRIOR = Parameters(r=0.55, alpha=2.7, s=0.6, beta=3.0)
    _TIMES: ClassVar[frozenset[str]] = frozenset({"alpha", "beta"})

    @classmethod
    def from_params(cls, *, r: float, alpha: float, s: float, beta: float) -> Self:
        """Return a model with known parameters, ready to predict.

        Parameters
        ----------
        r, alpha, s, beta : float
            Positive; alpha and beta in the unit of time of the histories to be passed.

        Raises
        ------
        ValueError
            If a parameter is not a positive finite number.
        """
        return cls._given(r=r, alpha=alpha, s=s, beta=beta)

    def _starts(self, rate: float) -> list[Floats]:
        return [np.log(np.array([r, r / rate, s, beta])) for r, s, beta in _STARTS]

    def _objective(self, x: Floats, last: Floats, age: Floats, weight: Floats) -> Objective:
        levels, level = np.unique(x, return_inverse=True)
        level_weight = np.bincount(level, weights=weight, minlength=len(levels))
        total = max(float(np.sum(weight)), np.finfo(np.float64).tiny)

        def negative(theta: Floats) -> tuple[float, Floats]:
            r, alpha, s, beta = np.exp(theta)
            value = float(np.sum(level_weight * (gammaln(r + levels) - gammaln(r))))
            gradient = np.array([np.sum(level_weight * (digamma(r + levels) - digamma(r))), 0.0, 0.0, 0.0])
            for rows in blocks(len(x), _BLOCK // _NODES):
                w, start = weight[rows], last[rows]
                shape, rate, leaving = r + x[rows], alpha + start, beta + start
                silence = age[rows] - start
                to_last = -r * np.log1p(start / alpha) - x[rows] * np.log(rate) - s * np.log1p(start / beta)
                buying, staying = np.log1p(silence / rate), np.log1p(silence / leaving)
                gone = _Integral(shape, rate, s + 1, leaving, silence)
                log_odds = np.log(s / leaving) + shape * buying + s * staying + gone.log
                dead = expit(log_odds)
                alive = 1 - dead
                value += float(np.sum(w * (to_last - shape * buying - s * staying + np.logaddexp(0.0, log_odds))))
                # Means over the moment of leaving, which for the living is T.
                log_rate = alive * buying + dead * gone.mean(gone.log_a)
                log_leaving = alive * staying + dead * gone.mean(gone.log_b)
                per_rate = alive / (alpha + age[rows]) + dead * gone.mean(1 / (rate[:, None] + gone.moments))
                per_leaving = s * alive / (beta + age[rows]) + (s + 1) * dead * gone.mean(
                    1 / (leaving[:, None] + gone.moments)
                )
                gradient += [
                    -np.sum(w * (np.log1p(start / alpha) + log_rate)),
                    np.sum(w * (r / alpha - shape * per_rate)),
                    np.sum(w * (dead / s - np.log1p(start / beta) - log_leaving)),
                    np.sum(w * (s / beta - per_leaving)),
                ]
            return -value / total, -gradient * np.array([r, alpha, s, beta]) / total

        return negative

    def _edge(self) -> str:
        r, _, s, _ = self._parameters()
        if max(r, s) > NO_HETEROGENEITY:
            return "boundary_no_heterogeneity"
        if s < ALL_OR_NOTHING:
            return "boundary_all_or_nothing"
        return "ok"

    # ------------------------------------------------------------------------------------------------- pieces

    def _parameters(self) -> Parameters:
        return Parameters(*self._values())

    def _log_likelihood(self, x: Floats, last: Floats, age: Floats) -> Floats:
        r, alpha, s, beta = self._parameters()
        alive = (
            gammaln(r + x) - gammaln(r) - r * np.log1p(age / alpha) - x * np.log(alpha + age) - s * np.log1p(age / beta)
        )
        return np.asarray(alive + np.logaddexp(0.0, self._log_odds_dead(x, last, age)), dtype=np.float64)

    def _log_odds_dead(self, x: Floats, last: Floats, age: Floats) -> Floats:
        r, alpha, s, beta = self._parameters()
        rate, leaving, silence = alpha + last, beta + last, age - last
        gone = _log_integral(r + x, rate, s + 1, leaving, silence)
        return np.asarray(
            np.log(s / leaving) + (r + x) * np.log1p(silence / rate) + s * np.log1p(silence / leaving) + gone,
            dtype=np.float64,
        )

    def _any_if_alive(self, t: float | Floats, x: Floats, last: Floats, age: Floats) -> Floats:
        # The first purchase comes after u, and the customer has not left before it.
        r, alpha, s, beta = self._parameters()
        shape, rate = r + x, alpha + age
        log_any = np.log(shape / rate) + _log_integral(shape + 1, rate, s, beta + age, np.broadcast_to(t, x.shape))
        return np.asarray(np.exp(np.minimum(log_any, 0.0)), dtype=np.float64)

    def _expected_if_alive(self, t: float, x: Floats, last: Floats, age: Floats) -> Floats:
        # (r+x) / (alpha+T) · (beta+T) / (s-1) · [1 - ((beta+T) / (beta+T+t))^(s-1)], which at s = 1 is a logarithm.
        r, alpha, s, beta = self._parameters()
        stretch = np.log1p(t / (beta + age))
        return np.asarray((r + x) * ((beta + age) / (alpha + age)) * stretch * exprel(-(s - 1) * stretch))

    def _expected_new(self, ages: Floats) -> Floats:
        r, alpha, s, beta = self._parameters()
        stretch = np.log1p(ages / beta)
        return np.asarray(r * (beta / alpha) * stretch * exprel(-(s - 1) * stretch), dtype=np.float64)

    def _distribution(self, number: Floats, ages: Floats) -> Floats:
        """Purchases of those who live to an age, and of those who left before, over every moment of leaving."""
        r, alpha, s, beta = self._parameters()

        def log_purchases(n: Floats, until: Floats) -> Floats:
            constant = gammaln(r + n) - gammaln(r) - gammaln(n + 1)
            return np.asarray(constant - xlog1py(r + n, until / alpha) + xlogy(n, until / alpha), dtype=np.float64)

        result = np.exp(log_purchases(number, ages) - s * np.log1p(ages / beta))
        nodes, weights = unit_rule(_FINE_NODES)
        scale = min(alpha, beta)
        for rows in blocks(len(number), _BLOCK // _FINE_NODES):
            span = np.log1p(ages[rows] / scale)[:, None]
            moment = np.expm1(span * nodes)
            density = s * scale / beta * (1 + moment) * (1 + moment * scale / beta) ** (-s - 1) * span * weights
            bought = np.exp(log_purchases(number[rows, None], moment * scale))
            result[rows] += np.einsum("ij,ij->i", bought, density)
        return np.asarray(result, dtype=np.float64)

    def _future(self, random: np.random.Generator, x: float | Floats, draws: int) -> Future:
        # Purchases are Poisson over the time until the customer leaves; that time is Lomax(s) in units of beta+T.
        r, alpha, s, beta = self._parameters()
        rate = random.standard_gamma(r + x, draws)
        with np.errstate(over="ignore"):
            life = np.expm1(random.standard_exponential(draws) / s)

        def future(random: np.random.Generator, horizons: Floats, last: Floats, age: Floats) -> Floats:
            with np.errstate(over="ignore"):
                left = (beta + age) * life
            lived = np.minimum(left, np.cumsum(lengths(horizons, age), axis=0))
            means = rate * (np.diff(lived, axis=0, prepend=0.0) / (alpha + age))
            return np.cumsum(random.poisson(np.minimum(means, MOST_PURCHASES)), axis=0).astype(np.float64)

        return future


class _Integral:
    """∫ (1 + u/a)^-p (1 + u/b)^-q du over u from 0 to ``end``, and means under its integrand.

    Attributes
    ----------
    log : ndarray, shape (n,)
        Logarithm of the integral; minus infinity where ``end`` is 0.
    moments, log_a, log_b : ndarray, shape (n, nodes)
        u at the nodes, and the logarithms of 1 + u/a and 1 + u/b there.
    """

    def __init__(self, p: Floats, a: Floats, q: float, b: Floats, end: Floats) -> None:
        scale = 1 / (p / a + q / b)
        span = np.log1p(end / scale)
        nodes, weights = unit_rule(_NODES)
        at = span[:, None] * nodes
        self.moments = scale[:, None] * np.expm1(at)
        self.log_a, self.log_b = np.log1p(self.moments / a[:, None]), np.log1p(self.moments / b[:, None])
        self._density = np.exp(at - p[:, None] * self.log_a - q * self.log_b) * weights
        self._total = self._density.sum(axis=1)
        with np.errstate(divide="ignore"):
            self.log = np.log(scale * span * self._total)

    def mean(self, values: Floats) -> Floats:
        """Mean of values at the nodes, shape (n, nodes), under the integrand."""
        return np.asarray(np.einsum("ij,ij->i", self._density, values) / self._total, dtype=np.float64)


def _log_integral(p: Floats, a: Floats, q: float, b: Floats, end: Floats) -> Floats:
    result = np.empty(len(p))
    for rows in blocks(len(p), _BLOCK // _NODES):
        result[rows] = _Integral(p[rows], a[rows], q, b[rows], end[rows]).log
    return result
