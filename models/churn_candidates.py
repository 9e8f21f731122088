"""The candidates for the churn probability: how each is trained on past days, and what speaks for its scores.

Belongs here: learners, the season's clock, calibration. Does not belong here: which days are learned from, the choice
of a champion and the fallback (``churn.py``), metrics (``backtest.py``).

A learner is trained on what was seen on past days and on who bought within the horizon after them. It returns
*margins*: log-odds of buying nothing within that horizon.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression
from scipy.special import expit, gammaincc, logit

if TYPE_CHECKING:
    import lightgbm as lgb

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Rows = NDArray[np.intp]

#: Probabilities stay this far from 0 and 1: nobody is certain.
EDGE = 1e-6
#: Precision of the prior of standardised coefficients: about one log-odds per standard deviation.
RIDGE = 1.0
#: Boosted trees: small ones, because their reasons are asked for, and what they find is not deep.
LEAVES = 15
ROUNDS = 100
LEARNING_RATE = 0.05
FOLDS = 2
#: Two calendar years at least make a season; fewer are one observation of each week.
SEASON_DAYS = 730
WEEKS = 53
#: Purchases of the whole company per week that weigh as much as the belief that weeks are alike.
SEASON_SHRINKAGE = 50.0
SEASON_BOUNDS = (0.25, 4.0)
#: Gaps of a buyer at random that join a customer's own.
VARIATION_SHRINKAGE = 10.0
#: Nobody is more punctual than this: weekends, holidays and the mail see to it.
LEAST_VARIATION = 0.1
DAYS_PER_YEAR = 365


class Reasons(NamedTuple):
    """Why the champion gives some customers their score, before calibration.

    Attributes
    ----------
    names : tuple of str, length k
        What contributes: names of columns of customer_snapshots where it is one, else ``has_left`` and
        ``buys_seldom`` (the two ways in which a purchase model explains silence), or a feature's own name.
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


class Estimator(Protocol):
    """A purchase model, such as ``ModifiedBetaGeoNBD``."""

    params_: dict[str, float]

    def fit(self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike, weights: ArrayLike | None = None) -> Self: ...

    def probability_alive(self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Floats: ...

    def probability_no_purchase(self, t: float, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Floats: ...

    def expected_purchases(self, t: float, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Floats: ...


# ------------------------------------------------------------------------------------------------------ season


class Clock:
    """Time that runs faster in busy weeks: operational time, warped by a weekly index.

    Parameters
    ----------
    index : ndarray, shape (53,), optional
        Speed of each week of the calendar year, 1 on average; without, time is days.

    References
    ----------
    Bachmann, Meierer & Naef (2021), Marketing Science 40(4), give BTYD models covariates of calendar time; here the
    seasonal covariate is the company's own, and enters as the speed of time.
    """

    def __init__(self, index: Floats | None = None) -> None:
        self.index = index

    @classmethod
    def of(cls, first_day: int, occasions: Floats, day: int) -> Self | None:
        """The clock as known on a day, or None before two years of purchases.

        Parameters
        ----------
        first_day : int
            Days since 1970-01-01 of the first value.
        occasions : ndarray
            Purchase occasions of the company per day; those after `day` are not looked at.
        day : int
        """
        known: Floats = np.asarray(occasions, dtype=np.float64)[: max(day - first_day + 1, 0)]
        if len(known) < SEASON_DAYS:
            return None
        # Whole years only, so that every week of the calendar counts alike.
        years = len(known) // DAYS_PER_YEAR
        known = known[-years * DAYS_PER_YEAR :]
        per_year = known.reshape(years, DAYS_PER_YEAR).sum(axis=1)
        if not per_year.all():
            return None
        # A growing company sells more in the later weeks of any year: that is no season.
        growth = np.log(per_year[-1] / per_year[0]) / ((years - 1) * DAYS_PER_YEAR)
        days = np.arange(day - len(known) + 1, day + 1)
        level = np.exp(growth * (days - days[0]))
        level *= known.sum() / level.sum()
        week = _week_of_year(days)
        seen, usual = (np.bincount(week, weights=values, minlength=WEEKS) for values in (known, level))
        index = (seen + SEASON_SHRINKAGE) / (usual + SEASON_SHRINKAGE)
        # A feast moves by a week from year to year.
        index = (np.roll(index, 1) + 2 * index + np.roll(index, -1)) / 4
        index = np.clip(index, *SEASON_BOUNDS)
        # Of the calendar's 53 weeks the last has a day or two.
        length = np.bincount(_week_of_year(np.arange(DAYS_PER_YEAR)), minlength=WEEKS)
        return cls(np.asarray(index / np.average(index, weights=length), dtype=np.float64))

    def between(self, start: ArrayLike, end: ArrayLike) -> Floats:
        """Time between two days (end of day to end of day, days since 1970-01-01), elementwise."""
        start, end = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
        if self.index is None or not (start.size and end.size):
            return np.asarray(end - start, dtype=np.float64)
        first, last = int(min(start.min(), end.min())), int(np.ceil(max(start.max(), end.max())))
        days = np.arange(first, last + 1)
        passed = np.concatenate([[0.0], np.cumsum(self.index[_week_of_year(days[1:])])])
        return np.asarray(np.interp(end, days, passed) - np.interp(start, days, passed), dtype=np.float64)


def _week_of_year(days: Integers) -> Integers:
    dates = days.astype("datetime64[D]")
    return np.asarray((dates - dates.astype("datetime64[Y]")).astype(np.int64) // 7, dtype=np.int64)


# -------------------------------------------------------------------------------------------------------- seen


@dataclass(frozen=True)
class Seen:
    """One day as the learners see it: histories on a clock, the horizon on that clock, and everything else known."""

    day: int
    customer: Integers
    frequency: Floats
    recency: Floats
    age: Floats
    silence_days: Floats
    age_days: Floats
    cadence: Floats
    variation: Floats
    features: Mapping[str, Floats]
    clock: Clock
    horizon_days: int

    @property
    def silence(self) -> Floats:
        """Time since the last purchase."""
        return self.age - self.recency

    @property
    def horizon(self) -> float:
        """The horizon on the clock."""
        return self.time_ahead(self.horizon_days)

    @property
    def offset(self) -> float:
        """Log-odds by which no purchase is likelier than over the same number of days of the usual season."""
        return -float(np.log(self.horizon / self.horizon_days))

    def time_ahead(self, days: int) -> float:
        """So many days ahead, on the clock."""
        return float(self.clock.between(self.day, self.day + days))

    @property
    def history(self) -> tuple[Floats, Floats, Floats]:
        """Frequency, recency and age on the clock: what purchase models take."""
        return self.frequency, self.recency, self.age


@dataclass(frozen=True)
class Lesson:
    """A past day, who of those seen bought nothing within the horizon after it, and how much it counts."""

    seen: Seen
    event: Flags
    weight: float


class Learner(Protocol):
    """A candidate."""

    name: str

    def fit(self, lessons: Sequence[Lesson], target: Seen) -> None:
        """Learn; `target` is the day to be scored, whose own histories a purchase model may be fitted to."""

    def margin(self, target: Seen) -> Floats:
        """Log-odds of no purchase, shape (n,), before calibration."""

    def calibrated(self, margin: Floats) -> Floats:
        """The probability that a margin stands for."""

    def reasons(self, target: Seen, rows: Rows) -> Reasons:
        """What the margins of some rows consist of."""


# -------------------------------------------------------------------------------------------------- calibration


class Platt:
    """A straight line through log-odds: recalibration that keeps the order (Platt 1999).

    A weak prior holds it at the identity, so that few events do not turn it over.
    """

    def __init__(self) -> None:
        self.shift, self.slope = 0.0, 1.0

    def fit(self, margin: Floats, event: Flags, weight: Floats) -> Self:
        """Fit to margins that were not computed with the events they are compared with."""
        design = np.stack([np.ones_like(margin), margin], axis=1)
        self.shift, self.slope = _newton(
            design, event, weight, offset=margin, penalty=np.array([RIDGE, RIDGE]) * 4
        ) + np.array([0.0, 1.0])
        # A slope of zero or less would turn the order over: then the margins say nothing beyond their mean.
        self.slope = max(self.slope, EDGE)
        return self

    def __call__(self, margin: Floats) -> Floats:
        return kept(expit(self.shift + self.slope * margin))


def kept(probability: Floats) -> Floats:
    """The probabilities, away from 0 and 1."""
    return np.asarray(np.clip(probability, EDGE, 1 - EDGE), dtype=np.float64)


def _newton(design: Floats, event: Flags, weight: Floats, offset: Floats, penalty: Floats) -> Floats:
    """Coefficients of a ridge logistic regression, by Newton's method with halved steps.

    Not by a general search: scipy's trust-exact takes twice as long and ends on two of three of these unsure of itself,
    because the gradient of a sum drowns in rounding; ``btyd.maximise`` knows the curvature by differences only, and
    takes twelve times as long.
    """
    coefficients = np.zeros(design.shape[1])

    def loss(at: Floats) -> float:
        eta = offset + np.einsum("nk,k->n", design, at)
        return float(np.sum(weight * (np.logaddexp(0.0, eta) - event * eta)) + np.sum(penalty * at**2) / 2)

    best = loss(coefficients)
    for _ in range(50):
        probability = expit(offset + np.einsum("nk,k->n", design, coefficients))
        gradient = np.einsum("nk,n->k", design, weight * (probability - event)) + penalty * coefficients
        curved = design * (weight * probability * (1 - probability))[:, None]
        hessian = np.einsum("nk,nl->kl", design, curved) + np.diag(penalty + 1e-9)
        step = np.linalg.solve(hessian, gradient)
        for _ in range(30):
            value = loss(coefficients - step)
            if value <= best:
                break
            step /= 2
        else:
            break
        coefficients, gained, best = coefficients - step, best - value, value
        if gained <= 1e-12 * (1 + abs(best)):
            break
    return coefficients


def _pooled(lessons: Sequence[Lesson]) -> tuple[Flags, Floats, Floats]:
    """Events, weights and offsets of the rows of all lessons, one after the other."""
    event = np.concatenate([lesson.event for lesson in lessons])
    weight = np.concatenate([np.full(len(lesson.event), lesson.weight) for lesson in lessons])
    offset = np.concatenate([np.full(len(lesson.event), lesson.seen.offset) for lesson in lessons])
    return event, weight, offset


# ---------------------------------------------------------------------------------------------------- logistic


class Column(NamedTuple):
    """A column of a logistic model: its name among the reasons, what enters, and the number that a reader knows."""

    name: str
    transform: Callable[[Seen], Floats]
    value: Callable[[Seen], Floats]


def _per_cadence(silence: Floats, seen: Seen) -> Floats:
    return silence / np.where(np.isfinite(seen.cadence) & (seen.cadence > 0), seen.cadence, np.nan)


def _log_cadence_ratio(seen: Seen) -> Floats:
    # Whose cadence is not known is neither early nor late.
    return np.asarray(np.nan_to_num(np.log1p(_per_cadence(seen.silence, seen)), nan=np.log(2.0)), dtype=np.float64)


def _shrunk_variation(seen: Seen) -> Floats:
    """Variation of the gaps: that of a buyer at random is 1, and what few gaps show is drawn towards it."""
    known = np.isfinite(seen.variation)
    gaps = np.where(known, np.maximum(seen.frequency - 1, 0.0), 0.0)
    square = (gaps * np.where(known, seen.variation, 1.0) ** 2 + VARIATION_SHRINKAGE) / (gaps + VARIATION_SHRINKAGE)
    return np.asarray(np.sqrt(square), dtype=np.float64)


def _lateness(seen: Seen) -> Floats:
    """By how many of the usual deviations of the gap the customer is late; 0 for who is not."""
    late = np.maximum(np.nan_to_num(_per_cadence(seen.silence, seen), nan=1.0) - 1.0, 0.0)
    return np.asarray(late / np.maximum(_shrunk_variation(seen), LEAST_VARIATION), dtype=np.float64)


SILENCE = Column("recency_days", lambda seen: np.log1p(seen.silence), lambda seen: seen.silence_days)
CADENCE_RATIO = Column("learned_gap_ratio", _log_cadence_ratio, lambda seen: _per_cadence(seen.silence_days, seen))
REPEATS = Column("repeat_occasions", lambda seen: np.log1p(seen.frequency), lambda seen: seen.frequency)
LATENESS = Column("deviations_late", lambda seen: np.log1p(_lateness(seen)), _lateness)
AGE = Column("age_days", lambda seen: np.log1p(seen.age), lambda seen: seen.age_days)
ONE_TIME = Column(
    "bought_once",
    lambda seen: (seen.frequency == 0).astype(np.float64),
    lambda seen: (seen.frequency == 0).astype(np.float64),
)


class Logistic:
    """Logistic regression on a few columns; with the silence alone it is the naive rule.

    Maximum likelihood is calibrated on what it was fitted to, and so few coefficients do not overfit: no second
    calibration.
    """

    def __init__(self, name: str, columns: Sequence[Column]) -> None:
        self.name, self.columns = name, tuple(columns)

    def fit(self, lessons: Sequence[Lesson], target: Seen) -> None:
        event, weight, offset = _pooled(lessons)
        design = np.concatenate([self._design(lesson.seen) for lesson in lessons])
        self.centre = np.average(design, axis=0, weights=weight)
        spread = np.sqrt(np.average((design - self.centre) ** 2, axis=0, weights=weight))
        # A column that never changes explains nothing, and gets no coefficient.
        self.scale = np.where(spread > EDGE, spread, np.inf)
        standard = np.concatenate([np.ones((len(design), 1)), (design - self.centre) / self.scale], axis=1)
        penalty = np.array([0.0] + [RIDGE] * len(self.columns))
        self.intercept, *slopes = _newton(standard, event, weight, offset, penalty).tolist()
        self.slopes = np.array(slopes) / self.scale

    def _design(self, seen: Seen) -> Floats:
        return np.stack([column.transform(seen) for column in self.columns], axis=1)

    def margin(self, target: Seen) -> Floats:
        parts = np.einsum("nk,k->n", self._design(target) - self.centre, self.slopes)
        return np.asarray(self.intercept + target.offset + parts, dtype=np.float64)

    def calibrated(self, margin: Floats) -> Floats:
        return kept(expit(margin))

    def reasons(self, target: Seen, rows: Rows) -> Reasons:
        base = self.intercept + target.offset
        contributions = (self._design(target)[rows] - self.centre) * self.slopes
        values = np.stack([column.value(target)[rows] for column in self.columns], axis=1)
        names = tuple(column.name for column in self.columns)
        return Reasons(names, base, contributions, values, base + contributions.sum(axis=1))


# ---------------------------------------------------------------------------------------------------- survival


class Survival:
    """Survival of the gap: how many of those silent as long stayed silent, for one-time, second-time, later buyers.

    Without any shape but one: the longer the silence, the rarer the return (isotonic regression, Ayer et al. 1955).
    """

    name = "gap_survival"

    def fit(self, lessons: Sequence[Lesson], target: Seen) -> None:
        event, weight, _ = _pooled(lessons)
        silence = np.concatenate([lesson.seen.silence for lesson in lessons])
        stratum = np.concatenate([self._stratum(lesson.seen) for lesson in lessons])
        self.base = self._log_odds(event, weight, 0.5)
        overall = expit(self.base)
        self.levels = np.full(3, self.base)
        self.steps: list[tuple[Floats, Floats]] = []
        for number in range(3):
            rows = np.flatnonzero(stratum == number)
            if not len(rows):
                self.steps.append((np.zeros(1), np.full(1, self.base)))
                continue
            self.levels[number] = self._log_odds(event[rows], weight[rows], overall)
            rows = rows[np.argsort(silence[rows], kind="stable")]
            at, where = np.unique(silence[rows], return_inverse=True)
            total = np.bincount(where, weights=weight[rows])
            hits = np.bincount(where, weights=weight[rows] * event[rows])
            fitted = isotonic_regression(hits / total, weights=total).x
            # The ends of such a regression are often 0 and 1 after a handful of customers: one more of the usual
            # kind joins each step.
            runs = np.cumsum(np.r_[True, fitted[1:] != fitted[:-1]]) - 1
            seen, lost = np.bincount(runs, weights=total), np.bincount(runs, weights=hits)
            level = (lost + expit(self.levels[number])) / (seen + 1)
            self.steps.append((at, logit(kept(np.maximum.accumulate(level)))[runs]))

    @staticmethod
    def _log_odds(event: Flags, weight: Floats, prior: float) -> float:
        return float(logit((np.sum(weight * event) + prior) / (np.sum(weight) + 1)))

    @staticmethod
    def _stratum(seen: Seen) -> Integers:
        return np.asarray(np.minimum(seen.frequency, 2), dtype=np.int64)

    def margin(self, target: Seen) -> Floats:
        stratum, silence = self._stratum(target), target.silence
        margin = np.empty(len(silence))
        for number, (at, value) in enumerate(self.steps):
            rows = stratum == number
            margin[rows] = value[np.clip(np.searchsorted(at, silence[rows], side="right") - 1, 0, None)]
        return margin

    def calibrated(self, margin: Floats) -> Floats:
        return kept(expit(margin))

    def reasons(self, target: Seen, rows: Rows) -> Reasons:
        margin = self.margin(target)[rows]
        of_stratum = self.levels[self._stratum(target)[rows]]
        contributions = np.stack([of_stratum - self.base, margin - of_stratum], axis=1)
        values = np.stack([target.frequency[rows], target.silence_days[rows]], axis=1)
        return Reasons(("repeat_occasions", "recency_days"), self.base, contributions, values, margin)


# --------------------------------------------------------------------------------------------- purchase models


class Fits:
    """Purchase models, each fitted once to the histories of a day."""

    def __init__(self, estimators: Mapping[str, Callable[[], Estimator]]) -> None:
        self.estimators = estimators
        self._fits: dict[tuple[str, int], tuple[Seen, Estimator]] = {}

    def of(self, name: str, seen: Seen) -> Estimator:
        """The model of a day."""
        key = name, id(seen)
        if key not in self._fits:
            # The day is kept with its fit: its id must not be given to another one.
            self._fits[key] = seen, self.estimators[name]().fit(*seen.history)
        return self._fits[key][1]


class Purchases:
    """A purchase model (BG/NBD, MBG/NBD, Pareto/NBD …), fitted to the day itself and calibrated on past days.

    Parameters
    ----------
    name : str
        Of the candidate.
    fits : Fits
    model : str, optional
        Of the purchase model among the fits; the candidate's own by default.
    """

    def __init__(self, name: str, fits: Fits, model: str | None = None) -> None:
        self.name, self._fits, self._model = name, fits, model or name

    def fit(self, lessons: Sequence[Lesson], target: Seen) -> None:
        event, weight, _ = _pooled(lessons)
        self.platt = Platt().fit(np.concatenate([self.margin(lesson.seen) for lesson in lessons]), event, weight)

    def _parts(self, target: Seen) -> tuple[Floats, Floats]:
        """P(alive), and P(no purchase within the horizon) if alive."""
        model = self._fits.of(self._model, target)
        none = model.probability_no_purchase(target.horizon, *target.history)
        alive = model.probability_alive(*target.history)
        seldom = np.divide(none - (1 - alive), alive, out=np.ones_like(none), where=alive > EDGE)
        return alive, np.clip(seldom, 0.0, 1.0)

    def margin(self, target: Seen) -> Floats:
        return _log_odds_of_none(*self._parts(target))

    def calibrated(self, margin: Floats) -> Floats:
        return self.platt(margin)

    def expected(self, target: Seen) -> Floats:
        """Purchases expected within the horizon."""
        return self._fits.of(self._model, target).expected_purchases(target.horizon, *target.history)

    def reasons(self, target: Seen, rows: Rows) -> Reasons:
        """Shapley shares of having left (1 - P(alive)) and of buying seldom (P(no purchase) if alive).

        Both are measured from their means over all customers; two players, so the shares are exact.
        """
        alive, seldom = self._parts(target)
        usual_alive, usual_seldom = alive.mean(keepdims=True), seldom.mean(keepdims=True)
        base = _log_odds_of_none(usual_alive, usual_seldom)
        alive, seldom = alive[rows], seldom[rows]
        margin = _log_odds_of_none(alive, seldom)
        # Each is changed first, and changed last; its share is the mean of both.
        only_left, only_seldom = _log_odds_of_none(alive, usual_seldom), _log_odds_of_none(usual_alive, seldom)
        left = (only_left - base + margin - only_seldom) / 2
        contributions = np.stack([left, margin - base - left], axis=1)
        values = np.stack([1 - alive, seldom], axis=1)
        return Reasons(("has_left", "buys_seldom"), float(base[0]), contributions, values, margin)


def _log_odds_of_none(alive: Floats, seldom: Floats) -> Floats:
    return np.asarray(logit(kept(1 - alive + alive * seldom)), dtype=np.float64)


class Renewal(Purchases):
    """A purchase model for those who buy at random, and a renewal process for those who buy on fixed days.

    Purchase models know how often somebody buys, not how evenly: to them a weekly buyer who misses three weeks is
    hardly late. Here the gaps of a customer are gamma with their own mean (the cadence) and variation, and the chance
    to leave after the last purchase is the purchase model's own, a / (a + b + x). The two views of P(alive), and of
    P(no purchase) if alive, are averaged in log-odds with the weight 1 - variation², which is 0 for a buyer at random
    and 1 for clockwork (Platzer & Reutterer 2016 bring the same regularity in for all customers together).
    """

    def _parts(self, target: Seen) -> tuple[Floats, Floats]:
        alive, seldom = super()._parts(target)
        parameters = self._fits.of(self._model, target).params_
        a, b = parameters["a"], parameters["b"]
        square = np.clip(_shrunk_variation(target) ** 2, LEAST_VARIATION**2, 1.0)
        has_cadence = np.isfinite(target.cadence) & (target.cadence > 0)
        evenness = np.where(has_cadence, 1.0 - square, 0.0)
        rate = 1 / (square * np.where(has_cadence, target.cadence, 1.0))
        silent = gammaincc(1 / square, rate * target.silence)
        silent_on = gammaincc(1 / square, rate * (target.silence + target.horizon))
        leaving = a / (a + b + target.frequency)
        still = (1 - leaving) * silent / ((1 - leaving) * silent + leaving)
        longer = np.divide(silent_on, silent, out=np.zeros_like(silent), where=silent > 0)
        return _between(alive, still, evenness), _between(seldom, longer, evenness)


def _between(one: Floats, other: Floats, weight: Floats) -> Floats:
    """From one probability to another, in log-odds."""
    return np.asarray(expit((1 - weight) * logit(kept(one)) + weight * logit(kept(other))), dtype=np.float64)


class Blend:
    """The mean log-odds of two candidates: what one of them gets wrong, the other halves."""

    name = "blend"

    def __init__(self, one: Learner, other: Learner) -> None:
        self.parts = (one, other)

    def fit(self, lessons: Sequence[Lesson], target: Seen) -> None:
        for part in self.parts:
            part.fit(lessons, target)
        event, weight, _ = _pooled(lessons)
        self.platt = Platt().fit(np.concatenate([self.margin(lesson.seen) for lesson in lessons]), event, weight)

    def margin(self, target: Seen) -> Floats:
        one, other = (part.margin(target) for part in self.parts)
        return (one + other) / 2

    def calibrated(self, margin: Floats) -> Floats:
        return self.platt(margin)

    def reasons(self, target: Seen, rows: Rows) -> Reasons:
        one, other = (part.reasons(target, rows) for part in self.parts)
        return Reasons(
            one.names + other.names,
            (one.base + other.base) / 2,
            np.concatenate([one.contributions, other.contributions], axis=1) / 2,
            np.concatenate([one.values, other.values], axis=1),
            (one.margin + other.margin) / 2,
        )


# ------------------------------------------------------------------------------------------------------- trees


class Trees:
    """LightGBM on everything that was known of a customer (Ke et al. 2017), on top of a logistic regression.

    The trees begin at the margins of the regression: with few customers they add little to it, and with many they
    find what else speaks. They are calibrated on customers that they have not seen.
    """

    name = "lightgbm"

    def __init__(self, base: Logistic, features: Sequence[str], seed: int) -> None:
        self.base, self.features, self.seed = base, tuple(features), seed

    def fit(self, lessons: Sequence[Lesson], target: Seen) -> None:
        self.base.fit(lessons, target)
        event, weight, _ = _pooled(lessons)
        start = np.concatenate([self.base.margin(lesson.seen) for lesson in lessons])
        design = np.concatenate([self._design(lesson.seen) for lesson in lessons])
        fold = np.concatenate([scattered(lesson.seen.customer, self.seed) for lesson in lessons]) % np.uint64(FOLDS)
        # By customer: the same customer on two days is nearly the same row.
        unseen = start.copy()
        for number in range(FOLDS):
            out = fold == number
            if out.any() and not out.all():
                booster = self._boost(design[~out], event[~out], weight[~out], start[~out])
                unseen[out] += booster.predict(design[out], raw_score=True)
        self.platt = Platt().fit(unseen, event, weight)
        self.booster = self._boost(design, event, weight, start)

    def _boost(self, design: Floats, event: Flags, weight: Floats, start: Floats) -> lgb.Booster:
        import lightgbm as lgb

        parameters = {
            "objective": "binary",
            "num_leaves": LEAVES,
            "learning_rate": LEARNING_RATE,
            "min_data_in_leaf": max(50, len(event) // 500),
            "lambda_l2": 10.0,
            "boost_from_average": False,
            "deterministic": True,
            "force_col_wise": True,
            # A round on so few rows takes milliseconds: on a busy machine threads would only wait for each other.
            "num_threads": 1,
            "seed": self.seed % 2**31,
            "verbosity": -1,
        }
        data = lgb.Dataset(design, label=event.astype(np.float64), weight=weight, init_score=start, params=parameters)
        return lgb.train(parameters, data, num_boost_round=ROUNDS)

    def _design(self, seen: Seen) -> Floats:
        own = [column(seen) for column in _OWN.values()]
        return np.stack(own + [seen.features[name] for name in self.features], axis=1)

    def margin(self, target: Seen) -> Floats:
        found = np.asarray(self.booster.predict(self._design(target), raw_score=True), dtype=np.float64)
        return self.base.margin(target) + found

    def calibrated(self, margin: Floats) -> Floats:
        return self.platt(margin)

    def reasons(self, target: Seen, rows: Rows) -> Reasons:
        """Exact TreeSHAP (Lundberg et al. 2020), from LightGBM itself, added to the terms of the regression."""
        linear = self.base.reasons(target, rows)
        names = (*linear.names, *(name for name in (*_OWN, *self.features) if name not in linear.names))
        contributions, values = (np.zeros((len(rows), len(names))) for _ in range(2))
        contributions[:, : len(linear.names)], values[:, : len(linear.names)] = linear.contributions, linear.values
        base = linear.base
        design = self._design(target)[rows]
        if len(rows):
            shares = np.asarray(self.booster.predict(design, pred_contrib=True), dtype=np.float64)
            base += float(shares[0, -1])
            for number, name in enumerate((*_OWN, *self.features)):
                place = names.index(name)
                contributions[:, place] += shares[:, number]
                if name not in linear.names:
                    values[:, place] = design[:, number]
        return Reasons(names, base, contributions, values, base + contributions.sum(axis=1))


#: What trees see of the purchases themselves, on the clock's time; the names are those of customer_snapshots where it
#: says the same.
_OWN: Mapping[str, Callable[[Seen], Floats]] = {
    "repeat_occasions": lambda seen: seen.frequency,
    "recency_days": lambda seen: seen.silence,
    "age_days": lambda seen: seen.age,
    "learned_gap_days": lambda seen: seen.cadence,
    "learned_gap_ratio": lambda seen: _per_cadence(seen.silence, seen),
    "deviations_late": _lateness,
    "repeats_per_day": lambda seen: seen.frequency / np.where(seen.age > 0, seen.age, np.nan),
}


def scattered(customer: Integers, seed: int) -> NDArray[np.uint64]:
    """A number per customer that looks drawn at random but is always the same (splitmix64)."""
    with np.errstate(over="ignore"):
        mixed = customer.astype(np.uint64) + np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return mixed ^ (mixed >> np.uint64(31))
