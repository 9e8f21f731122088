"""What every model of repeat buying answers, and how it is fitted: one shape for the whole family.

Belongs here: arguments, estimation and predictions as far as they are the same for every model of customers who buy and
leave unseen; statuses. Does not belong here: a likelihood (``beta_geometric.py``, ``pareto_nbd.py``), the value of a
purchase (``gamma_gamma.py``), tools without a model (``btyd.py``).

A model states how it differs through a few functions of a living customer: the log-odds of having left, the chance of
any purchase, the expected number of purchases, and how to draw them. Everything published follows from these.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

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
    duration,
    group_rows,
    group_weighted,
    histories,
    maximise,
    non_negative,
    require,
    with_prior,
)
from models.gamma_gamma import GammaGamma

#: Fits run on a time axis on which the oldest customer has this age, so starts and bounds suit every unit.
SCALED_AGE = 10.0
#: Where a smaller share of the customers seems to have left, the data show no dropout.
NO_DROPOUT = 0.01
#: From this value of a shape parameter customers differ by a few per cent at most.
NO_HETEROGENEITY = 1e3
#: Below this value of the shape of dropout a customer leaves either at once or never.
ALL_OR_NOTHING = 1e-3

#: Above this number of distinct histories the starts are compared on a sample of them.
_PILOT_STATES = 20_000
_BLOCK = 2**20
#: After so many times alpha + T everybody has bought or left.
_EVER = 1e12
_HALVINGS = 21
#: The generator refuses means beyond 9e18; so many purchases are no different from 1e15.
MOST_PURCHASES = 1e15

#: Takes a generator, ascending horizons (k,), recency and age of living customers, in a shape that goes together with
#: the draws; returns the purchases up to each horizon, shape (k, …).
Future = Callable[[np.random.Generator, Floats, Floats, Floats], Floats]


class BuyingModel(Estimator, ABC):
    """Common ground of all models of when customers buy; not used by itself.

    Attributes
    ----------
    params_, log_likelihood_, standard_errors_, covariance_
        See :class:`models.btyd.Estimator`; parameters of time are in the unit of ``recency`` and ``T``.
    status_ : str
        ``ok``: a maximum inside the parameter space, certified by its gradient.
        ``boundary_no_dropout``: fewer than one customer in a hundred is estimated to have left; P(alive) is
        close to one for everybody and tells customers apart only by chance.
        ``boundary_no_heterogeneity``: a shape parameter (r, a + b or s) is above 1,000, customers do not differ in
        that respect.
        ``boundary_all_or_nothing``: the shape of dropout (a + b or s) is below 0.001, customers leave at once or
        never.
        ``too_few_repeaters``: fewer than 10 customers bought again, or no time has passed. ``params_`` are
        then the posterior mode under a weakly informative prior, so that predictions stay finite: the
        logarithms are normal with standard deviation 1 around the published CDNOW estimates of the model,
        time being scaled so that the oldest customer has age 10. Without any customer it is that centre.
        ``not_converged``: the gradient does not vanish at the best point found; ``params_`` is that point.
        ``given``: made by ``from_params``.
    """

    #: Centre of the prior on the scaled time axis.
    _PRIOR: ClassVar[tuple[float, ...]]
    #: Parameters that are lengths of time.
    _TIMES: ClassVar[frozenset[str]] = frozenset({"alpha"})
    #: Whether the future of a living customer depends on when the last purchase was.
    remembers: ClassVar[bool] = False

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
        unit = time_unit(age)
        repeaters = float(np.sum(weight[x > 0]))
        sparse = repeaters < MIN_REPEATERS or not age.any()

        found = self._maximise(x, last / unit, age / unit, weight, sparse)
        self._take(found, np.array([unit if name in self._TIMES else 1.0 for name in self._NAMES]))
        self.log_likelihood_ = float(np.sum(weight * self._log_likelihood(x, last, age)))
        if sparse:
            self.status_ = "too_few_repeaters"
        elif not found.certified:
            self.status_ = "not_converged"
        elif 1 - float(np.sum(weight * self._alive(x, last, age)) / np.sum(weight)) < NO_DROPOUT:
            self.status_ = "boundary_no_dropout"
        else:
            self.status_ = self._edge()
        return self

    def _maximise(self, x: Floats, last: Floats, age: Floats, weight: Floats, sparse: bool) -> Maximum:
        total = float(np.sum(weight))
        objective = self._objective(x, last, age, weight)
        bound = np.array([LOG_SCALE_BOUND if name in self._TIMES else LOG_SHAPE_BOUND for name in self._NAMES])
        if sparse:
            centre = np.log(np.array(self._PRIOR))
            return maximise(with_prior(objective, centre, total), [centre], -bound, bound, max(total, 1.0))
        rate = float(np.sum(weight * x) / np.sum(weight * age))
        step = -(-len(x) // _PILOT_STATES)
        pilot = self._objective(x[::step], last[::step], age[::step], weight[::step]) if step > 1 else None
        return maximise(objective, self._starts(rate), -bound, bound, total, pilot)

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
        return self._log_likelihood(*histories(frequency, recency, T))

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
        Batislam, Denizel & Filiztekin (2007), eq. (5); Fader & Hardie (2005), A Note on Deriving the Pareto/NBD
        Model, eq. (42).
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
        Fader, Hardie & Lee (2005), Marketing Science 24(2), eq. (10); Wagner & Hoppe (2008) for the MBG/NBD;
        Fader & Hardie (2005), A Note on Deriving the Pareto/NBD Model, eq. (47).
        """
        horizon = duration("t", t)
        x, last, age = histories(frequency, recency, T)
        return self._alive(x, last, age) * self._expected_if_alive(horizon, x, last, age)

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
        x, last, age = histories(frequency, recency, T)
        return self._expected_if_alive(horizon, x, last, age)

    def probability_no_purchase(self, t: float, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Floats:
        """Probability that a customer buys nothing in the next ``t`` time units: the churn score.

        Exact for every model: 1 - P(alive) · P(any purchase | alive).

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
        return np.asarray(1 - self._alive(x, last, age) * self._any_if_alive(horizon, x, last, age), dtype=np.float64)

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
        Fader, Hardie & Lee (2005), Marketing Science 24(2), eq. (9); Fader & Hardie (2005), A Note on Deriving the
        Pareto/NBD Model, eq. (27).
        """
        return self._expected_new(non_negative("t", t))

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
        Fader, Hardie & Lee (2005), Marketing Science 24(2), eq. (8); Fader & Hardie (2005), A Note on Deriving the
        Pareto/NBD Model, eq. (33).
        """
        number, ages = counts("n", n), non_negative("t", t)
        try:
            number, ages = np.broadcast_arrays(number, ages)
        except ValueError as error:
            raise ValueError(f"n and t must have the same length: {len(number)} and {len(ages)}.") from error
        return self._distribution(number, ages)

    def time_to_next_purchase(self, level: float, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Floats:
        """Time after T within which a share of the living who will ever buy again has bought.

        Parameters
        ----------
        level : float
            Share, strictly between 0 and 1.
        frequency, recency, T : array_like, shape (n,)
            Repeat purchases (count), time of the last purchase and age, both since the first purchase. With the age of
            the last purchase it is the gap to the next as foreseen on that day.

        Returns
        -------
        ndarray, shape (n,)
            Positive, to five digits; at most 10^4 times alpha + T.

        Raises
        ------
        ValueError
            As :meth:`fit`, and if the level is out of range.
        """
        if not 0 < level < 1:
            raise ValueError(f"level must lie between 0 and 1, not {level!r}.")
        x, last, age = histories(frequency, recency, T)
        scale = self.params_["alpha"] + age
        share = level * self._any_if_alive(_EVER * scale, x, last, age)
        low, high = np.full(len(x), np.log(1e-6)), np.full(len(x), np.log(1e4))
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            early = self._any_if_alive(np.exp(middle) * scale, x, last, age) < share
            low, high = np.where(early, middle, low), np.where(early, high, middle)
        return np.asarray(np.exp((low + high) / 2) * scale, dtype=np.float64)

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
        A living customer makes N purchases, drawn by the model. Given N, spend is Gamma(pN, nu) with
        nu ~ Gamma(px+q, v+xm) (Fader & Hardie 2013, Gamma-Gamma), and the mean purchase is expected at
        p(v+xm)/(px+q-1) (eq. 5). In the ratio v+xm cancels: (px+q-1)/p · G(pN) / G(px+q) with independent standard
        gamma variables. The dead spend nothing, so only the living are simulated, and a level u of all is the level
        (u - P(dead)) / P(alive) of the living.
        """
        horizon = duration("t", t)
        x, last, age = histories(frequency, recency, T)
        levels = as_floats("quantiles", list(quantiles))
        require((levels > 0) & (levels < 1), "quantiles", "lie between 0 and 1", levels)
        if draws < 2:
            raise ValueError(f"draws must be at least 2, not {draws}.")
        if seed < 0:
            raise ValueError(f"seed must not be negative, not {seed}.")

        since = last if self.remembers else np.zeros_like(last)
        (pair_x, pair_age, pair_last), pair = group_rows(x, age, since)
        alive = self._alive(x, last, age)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            among_living = np.where(levels > 1 - alive, (levels - (1 - alive)) / alive, 0.0)
        result = np.empty((len(x), len(levels)))
        # Rows in the order of their pair: each block of pairs then owns one slice of the rows.
        order = np.argsort(pair, kind="stable")
        ends = np.searchsorted(pair[order], np.arange(len(pair_x) + 1))
        for first, futures in self._simulate(horizon, pair_x, pair_last, pair_age, spend, draws, seed):
            rows = order[ends[first] : ends[first + len(futures)]]
            result[rows] = sorted_quantiles(futures, pair[rows] - first, among_living[rows])
        return result

    def _simulate(
        self, t: float, x: Floats, last: Floats, age: Floats, spend: GammaGamma, draws: int, seed: int
    ) -> Iterator[tuple[int, Floats]]:
        """Yield blocks of (first pair, sorted spend ratios of shape (pairs, draws)) of living customers.

        ``x`` is ascending. Each of its values has its own random stream and shares the draws that do not
        depend on age, so neighbours differ by their ages, not by luck.
        """
        p, q, _ = spend.parameters()
        block = max(1, _BLOCK // draws)
        values, starts, pairs = np.unique(x, return_index=True, return_counts=True)
        for value, start, stop in zip(values.tolist(), starts.tolist(), (starts + pairs).tolist(), strict=True):
            random = np.random.default_rng([seed, int(value)])
            future = self._future(random, value, draws)
            level = (p * value + q - 1) / p / random.standard_gamma(p * value + q, draws)
            for first in range(start, stop, block):
                part = slice(first, min(first + block, stop))
                (purchases,) = future(random, np.array([t]), last[part, None], age[part, None])
                yield first, np.sort(level * random.standard_gamma(p * purchases), axis=1)

    # ----------------------------------------------------------------------------------- what a model must say

    @abstractmethod
    def _starts(self, rate: float) -> list[Floats]:
        """Return log-parameters to begin from, for customers who buy at the given rate on the scaled axis."""

    @abstractmethod
    def _objective(self, x: Floats, last: Floats, age: Floats, weight: Floats) -> Objective:
        """Return the mean negative log-likelihood of grouped histories, with its gradient, in log-parameters."""

    @abstractmethod
    def _edge(self) -> str:
        """Return ``ok``, or the status of an edge of the parameter space that the estimates lie at."""

    @abstractmethod
    def _log_likelihood(self, x: Floats, last: Floats, age: Floats) -> Floats:
        """Return the log-likelihood of each history."""

    @abstractmethod
    def _log_odds_dead(self, x: Floats, last: Floats, age: Floats) -> Floats:
        """Return the log-odds of having left by T; minus infinity where nobody can have left."""

    @abstractmethod
    def _any_if_alive(self, t: float | Floats, x: Floats, last: Floats, age: Floats) -> Floats:
        """Return the probability that a customer who is alive at T buys within ``t``."""

    @abstractmethod
    def _expected_if_alive(self, t: float, x: Floats, last: Floats, age: Floats) -> Floats:
        """Return the expected purchases within ``t`` of a customer who is alive at T."""

    @abstractmethod
    def _expected_new(self, ages: Floats) -> Floats:
        """Return the expected repeat purchases of a new customer up to each age."""

    @abstractmethod
    def _distribution(self, number: Floats, ages: Floats) -> Floats:
        """Return the probability that a new customer makes so many repeat purchases up to each age."""

    @abstractmethod
    def _future(self, random: np.random.Generator, x: float | Floats, draws: int) -> Future:
        """Draw what does not depend on age; return how to draw the purchases of the living from it.

        One frequency makes draws that customers of different ages may share; an array of as many frequencies as draws
        makes one draw for each customer.
        """

    # ------------------------------------------------------------------------------------------------- pieces

    def _alive(self, x: Floats, last: Floats, age: Floats) -> Floats:
        return np.asarray(expit(-self._log_odds_dead(x, last, age)), dtype=np.float64)


def blocks(rows: int, size: int) -> Iterator[slice]:
    """Slices of at most ``size`` rows: temporary arrays then stay small."""
    return (slice(first, first + size) for first in range(0, rows, size))


def lengths(horizons: Floats, age: Floats) -> Floats:
    """Return the time between ascending horizons, shape (k, 1, …), to go together with ages of any shape."""
    return np.asarray(np.diff(horizons, prepend=0.0).reshape(-1, *(1,) * age.ndim), dtype=np.float64)


def time_unit(age: Floats) -> float:
    """Return the length of time that is one on the scaled axis: 1 where no time has passed at all."""
    unit = float(np.max(age, initial=0.0)) / SCALED_AGE
    return unit if unit > np.finfo(np.float64).tiny else 1.0


def sorted_quantiles(draws: Floats, row: NDArray[np.intp], levels: Floats) -> Floats:
    """Quantiles of sorted draws (m, d) by linear interpolation, at levels (n, k) of the given rows."""
    position = levels * (draws.shape[1] - 1)
    below = np.floor(position).astype(np.intp)
    above = np.minimum(below + 1, draws.shape[1] - 1)
    low, high = draws[row[:, None], below], draws[row[:, None], above]
    return np.where(levels > 0, low + (high - low) * (position - below), 0.0)
