"""The MBG/CNBD-k model: customers who buy more regularly than by chance.

Belongs here: gamma-distributed gaps between purchases, and how regular they are. Does not belong here: leaving, which
is that of the MBG/NBD (``beta_geometric.py``), and what every model of buying shares (``buying.py``).

A purchase takes k stages, each reached at rate lambda ~ Gamma(r, alpha): gaps are Erlang-k, with k = 1 the Poisson
process of the MBG/NBD, and with k growing ever more like a clock. After each purchase, the first included, the customer
leaves with probability p ~ Beta(a, b). With R = r + kx and u = (T - t_x) / (alpha + T), the likelihood is, up to a
factor that depends on k and the gaps alone,

    L = Γ(R) alpha^r / Γ(r) · B(a, b+x+1) / B(a, b)
        · { (alpha+T)^-R · Σ_j (R)_j u^j / j!  +  a/(b+x) · (alpha+t_x)^-R },    j = 0 … k-1

(Platzer & Reutterer 2016, Ticking Away the Moments, Marketing Science 35(5), 779-799, section 3). Given life at T, j
stages have passed since the last purchase with a probability proportional to the j-th term of the sum, and lambda ~
Gamma(R+j, alpha+T). Everything predicted follows exactly from that; the approximations of the paper are not used.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainc, betaln, digamma, expit, gammaln, xlogy

from models.beta_geometric import BetaGeometricFamily, Parameters
from models.btyd import Floats, Groups, Objective, as_floats, case_weights, group_rows, histories, unit_rule
from models.buying import MOST_PURCHASES, Future, blocks, lengths

#: k is sought up to here: gaps of so many stages vary by two fifths of their mean.
MOST_STAGES = 6

#: So many purchases are summed one by one, more by an integral with so many nodes on each of three pieces.
_SUMMED = 48
_NODES = 32
#: Probabilities below this end a sum.
_NEGLIGIBLE = 1e-13
_BLOCK = 2**17


class ModifiedBetaGeoCNBD(BetaGeometricFamily):
    """Modified beta-geometric / condensed negative binomial model with regular gaps.

    Parameters
    ----------
    k : int, optional
        Stages of a purchase, from 1 to 6. By default the number with the largest likelihood.

    Attributes
    ----------
    k_ : int
        The number of stages used.

    Notes
    -----
    ``params_`` are ``r, alpha, a, b``; r / alpha is the mean rate of stages, so purchases come at r / (k alpha).
    Methods and other fitted attributes: see :class:`models.buying.BuyingModel`.

    References
    ----------
    Platzer & Reutterer (2016), Ticking Away the Moments: Timing Regularity Helps to Better Predict Customer Activity,
    Marketing Science 35(5), 779-799.
    """

    k_: int

    _first_flips = 1
    # Of the MBG/NBD.
    _PRIOR = Parameters(r=0.5, alpha=1.6, a=0.9, b=1.6)
    remembers: ClassVar[bool] = True

    def __init__(self, k: int | None = None) -> None:
        if k is not None and not (isinstance(k, int) and 1 <= k <= MOST_STAGES):
            raise ValueError(f"k must be a whole number from 1 to {MOST_STAGES}, not {k!r}.")
        self.k = k
        self.k_ = k or 1

    @classmethod
    def from_params(cls, *, r: float, alpha: float, a: float, b: float, k: int = 1) -> Self:
        """Return a model with known parameters, ready to predict.

        Parameters
        ----------
        r, alpha, a, b : float
            Positive; alpha in the unit of time of the histories to be passed.
        k : int
            Stages of a purchase.

        Raises
        ------
        ValueError
            If a parameter is not a positive finite number, or k is out of range.
        """
        model = cls._given(r=r, alpha=alpha, a=a, b=b)
        model.k = model.k_ = cls(k).k_
        return model

    def _like(self, values: Floats) -> Self:
        model = super()._like(values)
        model.k = model.k_ = self.k_
        return model

    def fit(
        self,
        frequency: ArrayLike,
        recency: ArrayLike,
        T: ArrayLike,
        weights: ArrayLike | None = None,
        *,
        log_gaps: float | None = None,
    ) -> Self:
        """Estimate the parameters by maximum likelihood, and the number of stages unless it is given.

        Parameters
        ----------
        frequency, recency, T, weights : array_like, shape (n,)
            As in :meth:`models.buying.BuyingModel.fit`.
        log_gaps : float, optional
            Sum of the natural logarithms of all gaps between purchases of all customers, in the unit of ``T``: in SQL
            ``sum(ln(gap))``. With it the likelihood is that of every single gap; without it only what ``frequency``
            and ``recency`` tell of regularity decides k.

        Returns
        -------
        self
            With ``k_`` beside the common attributes. ``log_likelihood_`` is comparable with that of the MBG/NBD, to
            which it is equal at k = 1.

        Raises
        ------
        ValueError
            As the common ``fit``, and if ``log_gaps`` is not finite.
        """
        x, last, age = histories(frequency, recency, T)
        weight = case_weights(weights, len(x))
        logs = None if log_gaps is None else float(as_floats("log_gaps", log_gaps)[0])
        if logs is not None and not np.isfinite(logs):
            raise ValueError(f"log_gaps must be a finite number, not {log_gaps!r}: gaps of zero have no logarithm.")
        best: Self | None = None
        for stages in [self.k] if self.k else range(1, MOST_STAGES + 1):
            tried = type(self)(stages)
            super(ModifiedBetaGeoCNBD, tried).fit(x, last, age, weight)
            if logs is not None:
                # The parts that the row's own likelihood takes from frequency and recency are known exactly here.
                tried.log_likelihood_ += (stages - 1) * logs - float(np.sum(weight * x)) * float(gammaln(stages))
                tried.log_likelihood_ -= float(np.sum(weight * _log_regularity(stages, x, last)))
            if best is not None and tried.log_likelihood_ <= best.log_likelihood_:
                break
            best = tried
            # The prior, not the data, would choose.
            if tried.status_ == "too_few_repeaters":
                break
        chosen = self.k
        self.__dict__.update(vars(best))
        self.k = chosen
        return self

    def _starts(self, rate: float) -> list[Floats]:
        return super()._starts(rate * self.k_)

    def _objective(self, x: Floats, last: Floats, age: Floats, weight: Floats) -> Objective:
        k = self.k_
        levels, level = np.unique(x, return_inverse=True)
        stages, flips = k * levels, levels + 1
        level_weight = np.bincount(level, weights=weight, minlength=len(levels))
        total = max(float(np.sum(weight)), np.finfo(np.float64).tiny)
        constant = float(np.sum(weight * _log_regularity(k, x, last)))

        def negative(theta: Floats) -> tuple[float, Floats]:
            r, alpha, a, b = np.exp(theta)
            shape = (r + stages)[level]
            log_age, log_last = np.log(alpha + age), np.log(alpha + last)
            waiting, by_shape, by_alpha = _waiting(k, shape, alpha, last, age)
            log_odds = shape * (log_age - log_last) + np.log(a / (b + levels))[level] - np.log(waiting)
            dead = weight * expit(log_odds)
            alive = weight - dead
            dead_by_level = np.bincount(level, weights=dead, minlength=len(levels))

            by_level = gammaln(r + stages) - gammaln(r) + betaln(a, b + flips) - betaln(a, b) + r * theta[1]
            value = constant + np.sum(level_weight * by_level)
            value += np.sum(weight * (np.logaddexp(0.0, log_odds) + np.log(waiting) - shape * log_age))
            all_flips = digamma(a + b) - digamma(a + b + flips)
            survived = all_flips + digamma(b + flips) - digamma(b)
            gradient = np.array(
                [
                    np.sum(level_weight * (digamma(r + stages) - digamma(r) + theta[1]))
                    - np.sum(alive * (log_age - by_shape) + dead * log_last),
                    r / alpha * np.sum(weight)
                    - np.sum(alive * (shape / (alpha + age) - by_alpha) + dead * shape / (alpha + last)),
                    np.sum(level_weight * all_flips) + np.sum(dead_by_level) / a,
                    np.sum(level_weight * survived) - np.sum(dead_by_level / (b + levels)),
                ]
            )
            return -float(value) / total, -gradient * np.exp(theta) / total

        return negative

    # ------------------------------------------------------------------------------------------------- pieces

    def _log_likelihood(self, x: Floats, last: Floats, age: Floats) -> Floats:
        r, alpha, a, b = self._parameters()
        shape = r + self.k_ * x
        timing = gammaln(shape) - gammaln(r) - r * np.log1p(age / alpha) - self.k_ * x * np.log(alpha + age)
        survival = betaln(a, b + x + 1) - betaln(a, b)
        waiting = np.log(_waiting(self.k_, shape, alpha, last, age)[0])
        alive = timing + survival + waiting + _log_regularity(self.k_, x, last)
        return np.asarray(alive + np.logaddexp(0.0, self._log_odds_dead(x, last, age)), dtype=np.float64)

    def _log_odds_dead(self, x: Floats, last: Floats, age: Floats) -> Floats:
        r, alpha, a, b = self._parameters()
        shape = r + self.k_ * x
        waiting = np.log(_waiting(self.k_, shape, alpha, last, age)[0])
        silence = shape * np.log1p((age - last) / (alpha + last))
        return np.asarray(np.log(a / (b + x)) + silence - waiting, dtype=np.float64)

    def _stages_passed(self, x: Floats, last: Floats, age: Floats) -> Floats:
        """Return the probabilities of 0 … k-1 stages since the last purchase of the living, shape (k, n)."""
        r, alpha, _, _ = self._parameters()
        terms = _terms(self.k_, r + self.k_ * x, (age - last) / (alpha + age))
        return np.asarray(terms / terms.sum(axis=0), dtype=np.float64)

    def _any_if_alive(self, t: float | Floats, x: Floats, last: Floats, age: Floats) -> Floats:
        r, alpha, _, _ = self._parameters()
        share, shape = t / (alpha + age + t), r + self.k_ * x
        passed = self._stages_passed(x, last, age)
        reached = [betainc(self.k_ - j, shape + j, share) for j in range(self.k_)]
        return np.asarray(np.minimum(np.sum(passed * np.array(reached), axis=0), 1.0), dtype=np.float64)

    def _expected_if_alive(self, t: float, x: Floats, last: Floats, age: Floats) -> Floats:
        (x, last, age), group = group_rows(x, last, age)
        return self._mean(np.full(len(x), t), x, last, age)[group]

    def _expected_new(self, ages: Floats) -> Floats:
        _, _, a, b = self._parameters()
        zero = np.zeros_like(ages)
        return np.asarray(b / (a + b) * self._mean(ages, zero, zero, zero), dtype=np.float64)

    def _mean(self, t: Floats, x: Floats, last: Floats, age: Floats) -> Floats:
        """Expected purchases within ``t`` of the living: the sum of the chances of at least 1, 2, 3 … of them."""
        k, (r, alpha, a, b) = self.k_, self._parameters()
        shape, survived, odds = r + k * x, b + x + 1, t / (alpha + age)
        share, passed = odds / (1 + odds), self._stages_passed(x, last, age)

        def at_least(m: Floats, rows: Groups) -> Floats:
            """Chance of m purchases or more, shape (rows, nodes); m is a number per node, or per row and node."""
            stages = [betainc(k * m - j, shape[rows, None] + j, share[rows, None]) for j in range(k)]
            reached = np.einsum("jr,jrn->rn", passed[:, rows], np.array(stages))
            lives = betaln(a, survived[rows, None] + m - 1) - betaln(a, survived[rows])[:, None]
            return np.asarray(reached * np.exp(lives), dtype=np.float64)

        result = np.zeros(len(x))
        rows = np.flatnonzero(share > 0)
        for m in range(1, _SUMMED + 1):
            chance = at_least(np.array([float(m)]), rows)[:, 0]
            result[rows] += chance
            rows = rows[chance > _NEGLIGIBLE]
        # The rest by the rule of Euler and Maclaurin, on pieces before, around and after the step of the chances.
        nodes, weights = unit_rule(_NODES)
        for part in blocks(len(rows), _BLOCK // _NODES):
            some = rows[part]
            centre = shape[some] * odds[some] / k
            spread = np.sqrt(centre * (1 + odds[some]) / k)
            low = np.full(len(some), _SUMMED + 0.5)
            step = at_least(np.array([_SUMMED + 1.0]), some) - at_least(np.array([float(_SUMMED)]), some)
            result[some] += step[:, 0] / 24
            for high in (centre - 8 * spread, centre + 8 * spread, centre + 50 * spread + 40 * (1 + odds[some]) / k):
                high = np.maximum(low, high)
                span = np.log(high / low)[:, None]
                m_at = low[:, None] * np.exp(span * nodes)
                result[some] += np.einsum("rn,rn,n->r", at_least(m_at, some), m_at * span, weights)
                low = high
        return result

    def _distribution(self, number: Floats, ages: Floats) -> Floats:
        r, alpha, a, b = self._parameters()
        share = ages / (alpha + ages)
        first = self.k_ * number
        exactly = np.zeros_like(first)
        for stages in first + np.arange(self.k_)[:, None]:
            logs = gammaln(r + stages) - gammaln(r) - gammaln(stages + 1) - r * np.log1p(ages / alpha)
            exactly += np.exp(logs + xlogy(stages, share))
        at_least = np.where(first > 0, betainc(np.maximum(first, 1.0), r, share), 1.0)
        alive = np.exp(betaln(a, b + number + 1) - betaln(a, b)) * exactly
        return np.asarray(alive + np.exp(betaln(a + 1, b + number) - betaln(a, b)) * at_least, dtype=np.float64)

    def _future(self, random: np.random.Generator, x: float | Floats, draws: int) -> Future:
        # As without stages, but only every k-th event is a purchase, and some stages may have passed already.
        _, alpha, a, b = self._parameters()
        k, shape = self.k_, self._parameters().r + self.k_ * x
        rates = np.cumsum([random.standard_gamma(shape, draws), *random.standard_exponential((k - 1, draws))], axis=0)
        chosen = random.random(draws)
        leaving = random.beta(a, b + x + 1, draws)
        with np.errstate(divide="ignore", over="ignore"):
            last_purchase = 1 + np.floor(random.standard_exponential(draws) / -np.log1p(-leaving))

        def future(random: np.random.Generator, horizons: Floats, last: Floats, age: Floats) -> Floats:
            passed = self._stages_passed(np.broadcast_to(x, age.shape), last, age)
            stage = np.sum(chosen >= np.cumsum(passed, axis=0)[:-1], axis=0)
            rate = rates[stage, np.arange(draws)] / (alpha + age)
            means = np.minimum(rate * lengths(horizons, age), MOST_PURCHASES)
            events = stage + np.cumsum(random.poisson(means), axis=0)
            return np.asarray(np.minimum(events // k, last_purchase), dtype=np.float64)

        return future


def _terms(k: int, shape: Floats, share: Floats) -> Floats:
    """(R)_j u^j / j! for j = 0 … k-1, shape (k, n)."""
    terms = [np.ones_like(shape)]
    for j in range(1, k):
        terms.append(terms[-1] * share * (shape + (j - 1)) / j)
    return np.array(terms)


def _waiting(k: int, shape: Floats, alpha: float, last: Floats, age: Floats) -> tuple[Floats, Floats, Floats]:
    """The sum of :func:`_terms`, and the slopes of its logarithm by R and by alpha."""
    terms = _terms(k, shape, (age - last) / (alpha + age))
    total = terms.sum(axis=0)
    slopes, by_shape, by_alpha = np.zeros_like(shape), np.zeros_like(shape), np.zeros_like(shape)
    for j in range(1, k):
        slopes += 1 / (shape + (j - 1))
        by_shape += terms[j] * slopes
        by_alpha -= terms[j] * j
    return total, by_shape / total, by_alpha / total / (alpha + age)


def _log_regularity(k: int, x: Floats, last: Floats) -> Floats:
    """What k stages a gap change in the density of ``recency`` apart from the rates: nothing at k = 1.

    Purchases that all fall on one moment have no gaps; they say nothing of k.
    """
    bought = (x > 0) & (last > 0)
    count, span = np.where(bought, x, 1.0), np.where(bought, last, 1.0)
    change = (k - 1) * count * np.log(span) - gammaln(k * count) + gammaln(count)
    return np.where(bought, change, 0.0)
