"""The family of BG/NBD and MBG/NBD: everything the two models share, which is all but one coin flip.

Belongs here: likelihood, estimation and predictions of customers who buy as a Poisson process and leave after
a purchase with a fixed probability. Does not belong here: what is particular to a member of the family
(``bg_nbd.py``, ``mbg_nbd.py``), the value of a purchase (``gamma_gamma.py``).

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

from collections.abc import Iterator, Sequence
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaln, digamma, expit, gammaln, xlogy

from models.btyd import (
    LOG_SCALE_BOUND,
    LOG_SHAPE_BOUND,
    MIN_REPEATERS,
    Floats,
    Maximum,
    Objective,
    as_floats,
    case_weights,
    counts,
    duration,
    group_rows,
    group_weighted,
    histories,
    maximise,
    non_negative,
    positive_parameters,
    require,
    with_prior,
)
from models.gamma_gamma import GammaGamma

#: Fits run on a time axis on which the oldest customer has this age, so starts and bounds suit every unit.
SCALED_AGE = 10.0
#: Where a smaller share of the customers seems to have left, the data show no dropout.
NO_DROPOUT = 0.01
#: From this value of r, or of a + b, customers differ by a few per cent at most.
NO_HETEROGENEITY = 1e3
#: Below this value of a + b a customer leaves either at once or never.
ALL_OR_NOTHING = 1e-3

#: Starts as (r, a, b); alpha follows from the observed rate of buying.
_STARTS = ((1.0, 1.0, 1.0), (0.3, 0.8, 2.5), (1.0, 0.05, 5.0), (5.0, 1.0, 3.0))
#: Above this number of distinct histories the starts are compared on a sample of them.
_PILOT_STATES = 20_000
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


class BetaGeometricFamily:
    """Common ground of ``BetaGeoNBD`` and ``ModifiedBetaGeoNBD``; not used by itself.

    Attributes
    ----------
    params_ : dict of str to float
        ``r, alpha, a, b``; alpha in the unit of ``recency`` and ``T``.
    log_likelihood_ : float
        Total log-likelihood at ``params_`` in natural units; NaN if the parameters were given.
    standard_errors_ : dict of str to float
        From the inverse Hessian; NaN where it is singular (a maximum at the edge) or the parameters were
        given.
    status_ : str
        ``ok``: a maximum inside the parameter space, certified by its gradient.
        ``boundary_no_dropout``: fewer than one customer in a hundred is estimated to have left; P(alive) is
        close to one for everybody and tells customers apart only by chance.
        ``boundary_no_heterogeneity``: r or a + b is above 1,000, customers do not differ in that respect.
        ``boundary_all_or_nothing``: a + b is below 0.001, customers leave at once or never.
        ``too_few_repeaters``: fewer than 10 customers bought again, or no time has passed. ``params_`` are
        then the posterior mode under a weakly informative prior, so that predictions stay finite: the
        logarithms are normal with standard deviation 1 around the published CDNOW estimates of the model,
        time being scaled so that the oldest customer has age 10. Without any customer it is that centre.
        ``not_converged``: the gradient does not vanish at the best point found; ``params_`` is that point.
        ``given``: made by :meth:`from_params`.
    """

    params_: dict[str, float]
    log_likelihood_: float
    standard_errors_: dict[str, float]
    status_: str

    #: Flips of the coin survived by a living customer without repeat purchase.
    _first_flips: ClassVar[int]
    #: Centre of the prior on the scaled time axis.
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
        model = cls()
        model.params_ = positive_parameters(r=r, alpha=alpha, a=a, b=b)
        model.log_likelihood_ = float("nan")
        model.standard_errors_ = dict.fromkeys(model.params_, float("nan"))
        model.status_ = "given"
        return model

    # --------------------------------------------------------------------------------------------- estimation

    def fit(self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """Estimate the parameters by maximum likelihood.

        Equal rows are grouped first, so a table of distinct histories with weights gives exactly the fit of
        the customers behind it. The unit of time does not matter: time is rescaled inside.

        Parameters
        ----------
        frequency : array_like, shape (n,)
            Repeat purchases, whole numbers.
        recency, T : array_like, shape (n,)
            Time of the last purchase and age, both since the first purchase, real numbers of any one unit.
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
            If an argument is negative or not finite, recency exceeds T, or a customer with frequency 0 has
            a recency; the message names the argument and the first such row.
        """
        x, last, age = histories(frequency, recency, T)
        (x, last, age), weight = group_weighted(case_weights(weights, len(x)), x, last, age)
        unit = _time_unit(age)
        repeaters = float(np.sum(weight[x > 0]))
        sparse = repeaters < MIN_REPEATERS or not age.any()

        found = self._maximise(x, last / unit, age / unit, weight, sparse)
        scale = np.array([1.0, unit, 1.0, 1.0])
        estimates = Parameters(*(np.exp(found.theta) * scale).tolist())
        self.params_ = estimates._asdict()
        self.standard_errors_ = dict(
            zip(self.params_, (np.exp(found.theta) * scale * found.deviations).tolist(), strict=True)
        )
        self.log_likelihood_ = float(np.sum(weight * self._log_likelihood(estimates, x, last, age)))
        if sparse:
            self.status_ = "too_few_repeaters"
        else:
            share_left = 1 - float(np.sum(weight * self._alive(x, last, age)) / np.sum(weight))
            self.status_ = _status(estimates, found, share_left)
        return self

    def _maximise(self, x: Floats, last: Floats, age: Floats, weight: Floats, sparse: bool) -> Maximum:
        total = float(np.sum(weight))
        objective = self._objective(x, last, age, weight)
        bound = np.array([LOG_SHAPE_BOUND, LOG_SCALE_BOUND, LOG_SHAPE_BOUND, LOG_SHAPE_BOUND])
        if sparse:
            centre = np.log(np.array(self._PRIOR))
            return maximise(with_prior(objective, centre, total), [centre], -bound, bound, max(total, 1.0))
        rate = float(np.sum(weight * x) / np.sum(weight * age))
        starts = [np.log([r, r / rate, a, b]) for r, a, b in _STARTS]
        step = -(-len(x) // _PILOT_STATES)
        pilot = self._objective(x[::step], last[::step], age[::step], weight[::step]) if step > 1 else None
        return maximise(objective, starts, -bound, bound, total, pilot)

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

    def log_likelihood(self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Floats:
        """Log-likelihood of each history, in natural units: changing the unit of time by c adds -x log c.

        Parameters
        ----------
        frequency, recency, T : array_like, shape (n,)
            Repeat purchases (count), time of the last purchase and age, both since the first purchase.

        Returns
        -------
        ndarray, shape (n,)

        Raises
        ------
        ValueError
            As :meth:`fit`.

        References
        ----------
        Fader & Hardie (2013), Overcoming the BG/NBD Model's #NUM! Error Problem: terms are added as
        logarithms.
        """
        return self._log_likelihood(self._parameters(), *histories(frequency, recency, T))

    def _log_likelihood(self, parameters: Parameters, x: Floats, last: Floats, age: Floats) -> Floats:
        r, alpha, a, b = parameters
        timing = gammaln(r + x) - gammaln(r) - r * np.log1p(age / alpha) - x * np.log(alpha + age)
        survival = betaln(a, b + x + self._first_flips) - betaln(a, b)
        return np.asarray(
            timing + survival + np.logaddexp(0.0, self._log_odds_dead(parameters, x, last, age)),
            dtype=np.float64,
        )

    # -------------------------------------------------------------------------------------------- predictions

    def probability_alive(self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Floats:
        """Probability that a customer is still alive at T.

        In the BG/NBD this is 1 for everyone without a repeat purchase. It is not a churn score:
        :meth:`probability_no_purchase` is.

        Parameters
        ----------
        frequency, recency, T : array_like, shape (n,)
            Repeat purchases (count), time of the last purchase and age, both since the first purchase.

        Returns
        -------
        ndarray, shape (n,)
            Values in [0, 1].

        Raises
        ------
        ValueError
            As :meth:`fit`.

        References
        ----------
        Fader, Hardie & Lee (2008), Computing P(alive) Using the BG/NBD Model, eq. (1);
        Batislam, Denizel & Filiztekin (2007), eq. (5).
        """
        return self._alive(*histories(frequency, recency, T))

    def expected_purchases(self, t: float, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Floats:
        """Expected number of purchases in the next ``t`` time units.

        Parameters
        ----------
        t : float
            Horizon, in the unit of ``recency`` and ``T``.
        frequency, recency, T : array_like, shape (n,)
            Repeat purchases (count), time of the last purchase and age, both since the first purchase.

        Returns
        -------
        ndarray, shape (n,)

        Raises
        ------
        ValueError
            As :meth:`fit`, and if ``t`` is negative or not finite.

        References
        ----------
        Fader, Hardie & Lee (2005), Marketing Science 24(2), eq. (10); Wagner & Hoppe (2008) for the MBG/NBD.
        """
        horizon = duration("t", t)
        x, last, age = histories(frequency, recency, T)
        return self._alive(x, last, age) * self._expected_if_alive(horizon, x, age)

    def expected_purchases_if_alive(
        self,
        t: float,
        frequency: ArrayLike,
        recency: ArrayLike,
        T: ArrayLike,
    ) -> Floats:
        """Expected number of purchases in the next ``t`` time units of a customer known to be alive at T.

        It is :meth:`expected_purchases` over :meth:`probability_alive`, found without that division, so it is
        right also where P(alive) underflows.

        Parameters
        ----------
        t : float
            Horizon, in the unit of ``recency`` and ``T``.
        frequency, recency, T : array_like, shape (n,)
            Repeat purchases (count), time of the last purchase and age, both since the first purchase.

        Returns
        -------
        ndarray, shape (n,)

        Raises
        ------
        ValueError
            As :meth:`fit`, and if ``t`` is negative or not finite.
        """
        horizon = duration("t", t)
        x, _, age = histories(frequency, recency, T)
        return self._expected_if_alive(horizon, x, age)

    def probability_no_purchase(self, t: float, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Floats:
        """Probability that a customer buys nothing in the next ``t`` time units: the churn score.

        Exact for both models: 1 - P(alive) · (1 - ((alpha+T) / (alpha+T+t))^(r+x)). The living buy at a rate
        that is Gamma(r+x, alpha+T), and nobody leaves before the next purchase.

        Parameters
        ----------
        t : float
            Horizon, in the unit of ``recency`` and ``T``.
        frequency, recency, T : array_like, shape (n,)
            Repeat purchases (count), time of the last purchase and age, both since the first purchase.

        Returns
        -------
        ndarray, shape (n,)
            Values in [0, 1].

        Raises
        ------
        ValueError
            As :meth:`fit`, and if ``t`` is negative or not finite.
        """
        horizon = duration("t", t)
        x, last, age = histories(frequency, recency, T)
        r, alpha, _, _ = self._parameters()
        any_purchase = -np.expm1(-(r + x) * np.log1p(horizon / (alpha + age)))
        return np.asarray(1 - self._alive(x, last, age) * any_purchase, dtype=np.float64)

    def expected_purchases_new_customer(self, t: ArrayLike) -> Floats:
        """Expected number of repeat purchases of a customer in the ``t`` time units after the first purchase.

        Parameters
        ----------
        t : array_like, shape (n,)
            Ages.

        Returns
        -------
        ndarray, shape (n,)

        Raises
        ------
        ValueError
            If an age is negative or not finite.

        References
        ----------
        Fader, Hardie & Lee (2005), Marketing Science 24(2), eq. (9).
        """
        ages = non_negative("t", t)
        r, alpha, a, b = self._parameters()
        survived = b / (a + b) if self._first_flips else 1.0
        shape, beyond = np.full(len(ages), r), np.full(len(ages), b + self._first_flips)
        return survived * mean_purchases(shape, ages / alpha, a, beyond)

    def probability_of_n_purchases(self, n: ArrayLike, t: ArrayLike) -> Floats:
        """Probability that a new customer makes exactly ``n`` repeat purchases within ``t`` time units.

        Parameters
        ----------
        n : array_like, shape (m,)
            Repeat purchases, whole numbers.
        t : array_like, shape (m,) or scalar
            Age.

        Returns
        -------
        ndarray, shape (m,)

        Raises
        ------
        ValueError
            If an argument is negative or not finite, ``n`` is not whole, or the lengths do not fit.

        References
        ----------
        Fader, Hardie & Lee (2005), Marketing Science 24(2), eq. (8). The finite sum there is the distribution
        function of the negative binomial, hence an incomplete beta function.
        """
        number, ages = counts("n", n), non_negative("t", t)
        try:
            number, ages = np.broadcast_arrays(number, ages)
        except ValueError as error:
            raise ValueError(f"n and t must have the same length: {len(number)} and {len(ages)}.") from error
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

    def spend_ratio_quantiles(
        self,
        t: float,
        frequency: ArrayLike,
        recency: ArrayLike,
        T: ArrayLike,
        *,
        spend: GammaGamma,
        quantiles: Sequence[float] = (0.1, 0.9),
        draws: int = 400,
        seed: int = 0,
    ) -> Floats:
        """Predictive quantiles of the money spent in the next ``t`` units, per unit of expected spend.

        Multiply by ``spend.expected_average_spend(frequency, monetary_value)`` to get money: the ratio
        depends on the history alone, so it is computed per distinct history and serves all who share it.

        Parameters
        ----------
        t : float
            Horizon, in the unit of ``recency`` and ``T``.
        frequency, recency, T : array_like, shape (n,)
            Repeat purchases (count), time of the last purchase and age, both since the first purchase.
        spend : GammaGamma
            A model of spend with parameters.
        quantiles : sequence of float, length k
            Levels strictly between 0 and 1.
        draws : int
            Simulated futures per distinct (frequency, T), at least 2.
        seed : int
            Not negative. The same seed gives the same answer in every order of the rows; rows of another
            frequency have no influence.

        Returns
        -------
        ndarray, shape (n, k)
            Zero where the level lies below the probability of no purchase.

        Raises
        ------
        ValueError
            As :meth:`fit`, and if ``t``, a level, ``draws`` or ``seed`` is out of range.

        Notes
        -----
        A living customer's number of purchases is N = min(Poisson(lambdat), D): the process makes
        Poisson(lambdat), but the coin ends it after D ~ Geometric(p) of them, with lambda ~ Gamma(r+x,
        alpha+T), p ~ Beta(a, b+k). Given N, spend is Gamma(pN, nu) with nu ~ Gamma(px+q, v+xm) (Fader &
        Hardie 2013, Gamma-Gamma), and the mean purchase is expected at p(v+xm)/(px+q-1) (eq. 5). In the ratio
        v+xm cancels: (px+q-1)/p · G(pN) / G(px+q) with independent standard gamma variables. The dead spend
        nothing, so only the living are simulated, and a level u of all is the level (u - P(dead)) / P(alive)
        of the living.
        """
        horizon = duration("t", t)
        x, last, age = histories(frequency, recency, T)
        levels = as_floats("quantiles", list(quantiles))
        require((levels > 0) & (levels < 1), "quantiles", "lie between 0 and 1", levels)
        if draws < 2:
            raise ValueError(f"draws must be at least 2, not {draws}.")
        if seed < 0:
            raise ValueError(f"seed must not be negative, not {seed}.")

        (pair_x, pair_age), pair = group_rows(x, age)
        alive = self._alive(x, last, age)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            among_living = np.where(levels > 1 - alive, (levels - (1 - alive)) / alive, 0.0)
        result = np.empty((len(x), len(levels)))
        # Rows in the order of their pair: each block of pairs then owns one slice of the rows.
        order = np.argsort(pair, kind="stable")
        ends = np.searchsorted(pair[order], np.arange(len(pair_x) + 1))
        for first, futures in self._simulate(horizon, pair_x, pair_age, spend, draws, seed):
            rows = order[ends[first] : ends[first + len(futures)]]
            result[rows] = _sorted_quantiles(futures, pair[rows] - first, among_living[rows])
        return result

    def _simulate(
        self, t: float, x: Floats, age: Floats, spend: GammaGamma, draws: int, seed: int
    ) -> Iterator[tuple[int, Floats]]:
        """Yield blocks of (first pair, sorted spend ratios of shape (pairs, draws)) of living customers.

        ``x`` is ascending. Each of its values has its own random stream and shares the draws that do not
        depend on age, so neighbours differ by their ages, not by luck.
        """
        r, alpha, a, b = self._parameters()
        p, q, _ = spend.parameters()
        block = max(1, _BLOCK // draws)
        values, starts, pairs = np.unique(x, return_index=True, return_counts=True)
        for value, start, stop in zip(values.tolist(), starts.tolist(), (starts + pairs).tolist(), strict=True):
            random = np.random.default_rng([seed, int(value)])
            rate = random.standard_gamma(r + value, draws)
            leaving = random.beta(a, b + value + self._first_flips, draws)
            # Who never leaves makes a last purchase numbered infinity.
            with np.errstate(divide="ignore", over="ignore"):
                last_purchase = 1 + np.floor(random.standard_exponential(draws) / -np.log1p(-leaving))
            level = (p * value + q - 1) / p / random.standard_gamma(p * value + q, draws)
            for first in range(start, stop, block):
                ages = age[first : min(first + block, stop)]
                # The generator refuses means beyond 9e18; so many purchases are no different from 1e15.
                means = np.minimum(rate * (t / (alpha + ages))[:, None], 1e15)
                purchases = np.minimum(random.poisson(means), last_purchase)
                yield first, np.sort(level * random.standard_gamma(p * purchases), axis=1)

    # ------------------------------------------------------------------------------------------------- pieces

    def _parameters(self) -> Parameters:
        try:
            return Parameters(**self.params_)
        except AttributeError:
            name = type(self).__name__
            raise RuntimeError(
                f"This {name} has no parameters yet: call fit(...) or {name}.from_params(...)."
            ) from None

    def _log_odds_dead(self, parameters: Parameters, x: Floats, last: Floats, age: Floats) -> Floats:
        r, alpha, a, b = parameters
        flips = x + self._first_flips
        silence = (r + x) * np.log1p((age - last) / (alpha + last))
        left = np.where(flips > 0, b + flips - 1, 1.0)
        return np.where(flips > 0, np.log(a / left) + silence, -np.inf)

    def _alive(self, x: Floats, last: Floats, age: Floats) -> Floats:
        return np.asarray(expit(-self._log_odds_dead(self._parameters(), x, last, age)), dtype=np.float64)

    def _expected_if_alive(self, t: float, x: Floats, age: Floats) -> Floats:
        r, alpha, a, b = self._parameters()
        (x, age), group = group_rows(x, age)
        return mean_purchases(r + x, t / (alpha + age), a, b + x + self._first_flips)[group]


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
    for rows in _blocks(len(r), _BLOCK // _NODES):
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


def _blocks(rows: int, size: int) -> Iterator[slice]:
    return (slice(first, first + size) for first in range(0, rows, size))


def _time_unit(age: Floats) -> float:
    """Return the length of time that is one on the scaled axis: 1 where no time has passed at all."""
    unit = float(np.max(age, initial=0.0)) / SCALED_AGE
    return unit if unit > np.finfo(np.float64).tiny else 1.0


def _status(estimates: Parameters, found: Maximum, share_left: float) -> str:
    r, _, a, b = estimates
    if not found.certified:
        return "not_converged"
    if share_left < NO_DROPOUT:
        return "boundary_no_dropout"
    if max(r, a + b) > NO_HETEROGENEITY:
        return "boundary_no_heterogeneity"
    if a + b < ALL_OR_NOTHING:
        return "boundary_all_or_nothing"
    return "ok"


def _sorted_quantiles(draws: Floats, row: NDArray[np.intp], levels: Floats) -> Floats:
    """Quantiles of sorted draws (m, d) by linear interpolation, at levels (n, k) of the given rows."""
    position = levels * (draws.shape[1] - 1)
    below = np.floor(position).astype(np.intp)
    above = np.minimum(below + 1, draws.shape[1] - 1)
    low, high = draws[row[:, None], below], draws[row[:, None], above]
    return np.where(levels > 0, low + (high - low) * (position - below), 0.0)
