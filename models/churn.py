"""The probability that a customer buys nothing within a horizon: learned on past days, chosen by a backtest.

Belongs here: candidates, their training on past days, calibration, carrying from a short horizon to a long one, the
fallback where there is too little to learn from, and the reasons of a score in log-odds. Does not belong here: the
purchase models themselves (their own modules), metrics and the choice of a champion (``backtest.py``), tables, files,
risk levels and lists.

The night uses it in three steps::

    plan = origins_for(history_days, horizon_days)      # which past days must be computed, and for which horizon
    result = learn(origins, tonight, horizon_days=90, plan=plan)
    reasons = result.explain(rows)                      # only for the customers on a list: exact reasons cost time

Nothing dated after an origin enters its features, and no label enters that tonight does not know: a purchase after
``tonight.day`` is an error, not something to be ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import logit
from threadpoolctl import threadpool_limits

from models.backtest import BASELINE, Amounts, Decile, Errors, Forecast, Quality, Skill, Verdict, judge
from models.bg_nbd import BetaGeoNBD
from models.churn_candidates import (
    AGE,
    CADENCE_RATIO,
    LATENESS,
    ONE_TIME,
    REPEATS,
    SILENCE,
    Blend,
    Clock,
    Estimator,
    Fits,
    Learner,
    Lesson,
    Logistic,
    Purchases,
    Reasons,
    Renewal,
    Seen,
    Survival,
    Trees,
    kept,
    scattered,
)
from models.gamma_gamma import GammaGamma
from models.mbg_nbd import ModifiedBetaGeoNBD
from models.naive import last_period, own_rate, spent_so_far
from models.pareto_nbd import ParetoNBD
from models.scoring import usable_spend

__all__ = [
    "ESTIMATORS",
    "STATUS_REASONS",
    "Activity",
    "ChurnResult",
    "Origin",
    "Plan",
    "Reasons",
    "learn",
    "origins_for",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Names = NDArray[np.str_]

#: A history must have room for this many horizons: past days to learn from, and something known on the first.
ROOM = 4
#: Below this horizon, in days, nothing is learned.
SHORTEST_HORIZON = 7
#: Days learned from at most; an earlier one counts an eighth and less.
LESSONS = 3
#: Customers of past days that are learned from and tested on, at most, chosen by their code.
LEARNED_CUSTOMERS = 30_000
#: How often the rarer of return and no return must have happened: for the silence rule, for a comparison of
#: candidates (ten events for each of up to ten coefficients), and for trees, which need some 200 for each column
#: (van der Ploeg, Austin & Steyerberg 2014, BMC Med Res Methodol 14:137).
EVENTS_FOR_RULE = 25
EVENTS_TO_COMPARE = 100
EVENTS_FOR_TREES = 2_000
#: Customers that the average of all weighs as much as, in the average of a class.
SHRINKAGE = 10.0
#: A yearly buyer is overdue after so many cycles, and so many of those who return do so later.
OVERDUE_CYCLES = 1.25
STRAGGLERS = 0.02
#: The power of carrying, at most, in multiples of H / h'.
LONGEST_POWER = 4.0
#: The purchase model that carries, and that is blended.
CARRIER = "mbg_nbd"
#: What marks the candidates whose time runs by the season.
SEASONAL = "_seasonal"
#: Candidates that are rules, not models.
RULES = (BASELINE, "cadence")

#: Rules for purchases and money that purchase models are held against: the last period comes once more, or everybody
#: goes on at the own rate so far. They give no probability.
LAST_PERIOD = "last_period"
NAIVE_RATE = "naive_rate"

#: The purchase models that are tried. MBG/CNBD-k is none of them: where all kinds of buyers mix, its one regularity for
#: everybody wins the backtest by a hair, and weekly buyers who stopped are then noticed late.
ESTIMATORS: Mapping[str, Callable[[], Estimator]] = {
    "bg_nbd": BetaGeoNBD,
    "mbg_nbd": ModifiedBetaGeoNBD,
    "pareto_nbd": ParetoNBD,
}


class Plan(NamedTuple):
    """Which past days are learned from.

    Attributes
    ----------
    horizon_days : int
        The horizon that is learned, h' <= H; shorter than H where the history has no room for H.
    days_before : tuple of int
        The origins as days before tonight, the nearest first: between none and five.
    """

    horizon_days: int
    days_before: tuple[int, ...]


def origins_for(history_days: int, horizon_days: int) -> Plan:
    """Choose the past days to learn from, and the horizon that they leave room for.

    A forecast of day k may learn from days whose whole horizon had passed by k. Days one horizon apart give three
    days that can be forecast so, from four. Where the history is shorter than five horizons, days half a horizon
    apart give three from five.

    Parameters
    ----------
    history_days : int
        Days from the first purchase of all to tonight.
    horizon_days : int
        The horizon H that is asked for.

    Returns
    -------
    Plan
        Without days where the history is too short to learn anything.
    """
    learned = min(int(horizon_days), int(history_days) // ROOM)
    if learned < min(SHORTEST_HORIZON, horizon_days) or learned < 1:
        return Plan(horizon_days, ())
    if (ROOM + 1) * learned <= history_days:
        return Plan(learned, tuple(learned * step for step in (1, 2, 3, 4)))
    return Plan(learned, tuple(learned * halves // 2 for halves in (2, 3, 4, 5, 6)))


@dataclass(frozen=True)
class Origin:
    """What was known of every buyer at the end of one day, and when each bought next.

    Attributes
    ----------
    day : int
        Days since 1970-01-01.
    customer : ndarray of int64, shape (n,)
        Codes, strictly ascending, the same for a customer on every origin: everybody with a purchase up to `day`.
    frequency, recency, age : ndarray, shape (n,)
        Repeat purchase occasions, days from the first to the last, days from the first to `day`
        (``repeat_occasions``, ``repeat_recency_days``, ``age_days`` of customer_snapshots).
    cadence : ndarray, shape (n,)
        Usual days between two purchases as known on `day`; NaN where it is not known. Best with what the gaps of all
        say on that very day: ``personal_gap_days`` goes by what was known when the customer bought last.
    yearly : ndarray, shape (n,)
        For buyers of a yearly habit (``is_annual_buyer``) the days of their cycle (``own_gap_days``); NaN for others.
    features : dict of str to ndarray, shape (n,)
        What else was known, as numbers, the same names on every origin; NaN = not known. Only LightGBM reads them.
    next_purchase : ndarray, shape (n,), optional
        Days from `day` to the first purchase occasion after it that tonight knows; NaN if there is none. Only
        tonight's own origin has none of this.
    purchases_after, spent_after : ndarray, shape (n,), optional
        Purchase occasions in (day, day + h'], h' being the plan's horizon, and the money spent on them: only for the
        error in orders and in value.
    variation : ndarray, shape (n,), optional
        Standard deviation of the customer's own gaps over their mean, as known on `day`: 1 for a buyer at random, 0
        for one of fixed dates; NaN below two gaps. Without it, who buys every Monday is noticed late.
    mean_spend, spent : ndarray, shape (n,), optional
        Mean money of a repeat occasion (``monetary_value``), and all money so far (``net_revenue``), as known on
        `day`; NaN = not known. Only the backtest of value reads them.
    """

    day: int
    customer: Integers
    frequency: Floats
    recency: Floats
    age: Floats
    cadence: Floats
    yearly: Floats
    features: Mapping[str, Floats] = field(default_factory=dict)
    next_purchase: Floats | None = None
    purchases_after: Floats | None = None
    variation: Floats | None = None
    mean_spend: Floats | None = None
    spent: Floats | None = None
    spent_after: Floats | None = None


class Activity(NamedTuple):
    """Purchase occasions of the whole company per day, for seasons: one value per day, days without any being 0.

    Attributes
    ----------
    first_day : int
        Days since 1970-01-01 of the first value.
    occasions : ndarray, shape (days,)
        Up to tonight; what lies behind is an error.
    """

    first_day: int
    occasions: Floats


@dataclass(frozen=True)
class ChurnResult:
    """Tonight's probabilities and what they rest on. Rows are those of ``tonight.customer``.

    Attributes
    ----------
    probability : ndarray, shape (n,)
        P(no purchase within `horizon`), calibrated on past origins; in (0, 1), never NaN.
    horizon : ndarray, shape (n,)
        Days that the probability of each row speaks of: H, except for buyers of a yearly habit before they are due.
    status : ndarray of str, shape (n,)
        ``model``, ``segment_average``, ``rule_only`` or ``insufficient``.
    reason : ndarray of str, shape (n,)
        Why that status: a key of ``STATUS_REASONS``, which has the words in Chinese and English.
    champion : str
        Name of the candidate behind the probabilities; ``prior`` or ``average`` below the ladder's steps.
    learned_horizon : int
        h': the horizon of labels and backtest.
    carried : str
        How h' became H: ``not_needed``, ``btyd`` (by the ratio of a purchase model's log-probabilities) or ``none``
        (the champion gives H itself).
    has_season : bool
        Whether time was stretched by the season: only where the backtest got better by it.
    quality : tuple of Quality
        Every candidate on every origin that could be tested.
    deciles : tuple of Decile
        The champion and the gap rule, on every origin, at h'.
    errors : tuple of Errors
        What an alert above a threshold would have got wrong; thresholds are carried to H, so that they are compared
        with `probability`. ``backtest.cheapest`` chooses by cost.
    skill : Skill or None
        How good the champion was on past days, at h'; None where nothing was tested.
    base_rate : float
        Mean probability of tonight's rows: what lifts are measured against; NaN without customers.
    """

    probability: Floats
    horizon: Floats
    status: Names
    reason: Names
    champion: str
    learned_horizon: int
    carried: str
    has_season: bool
    quality: tuple[Quality, ...]
    deciles: tuple[Decile, ...]
    errors: tuple[Errors, ...]
    skill: Skill | None
    base_rate: float
    _explain: Callable[[NDArray[np.intp]], Reasons]

    def explain(self, rows: ArrayLike) -> Reasons:
        """Split the champion's log-odds of some rows into what contributes to them.

        Exact for every champion: TreeSHAP for LightGBM, coefficients for the logistic, and for purchase models the
        Shapley shares of "has left" and "buys seldom". It costs up to a millisecond a row: ask for listed customers.

        Parameters
        ----------
        rows : array_like of int, shape (m,)
            Positions in ``tonight.customer``.

        Raises
        ------
        IndexError
            If a position does not exist.
        """
        return self._explain(np.asarray(rows, dtype=np.intp))


#: Reasons of a status, in Chinese and English.
STATUS_REASONS: Mapping[str, tuple[str, str]] = {
    "champion": ("回测胜出的模型", "The model that won the backtest"),
    "no_model_beats_the_rule": ("没有模型优于间隔规则", "No model beats the rule about silence"),
    "too_few_events": (
        "历史样本太少，采用同类客户的平均值",
        "Too few events: the average of similar customers",
    ),
    "yearly_buyer": ("每年购买一次的客户，按年度周期判断", "Buys once a year: judged by the yearly cycle"),
    "too_few_to_compare": (
        "样本太少，无法比较模型，采用间隔规则",
        "Too few events to compare models: the silence rule",
    ),
    "no_past_day": ("历史太短，采用已发表研究的先验值", "The history is too short: a published prior stands in"),
}


def learn(
    origins: Sequence[Origin],
    tonight: Origin,
    *,
    horizon_days: int,
    plan: Plan,
    activity: Activity | None = None,
    estimators: Mapping[str, Callable[[], Estimator]] | None = None,
    seed: int = 20260101,
) -> ChurnResult:
    """Learn on past days, choose the champion by a rolling backtest, score tonight.

    Parameters
    ----------
    origins : sequence of Origin
        The days of ``plan.days_before``, in any order, each with ``next_purchase``. Fewer than planned are legal.
    tonight : Origin
        The rows to score.
    horizon_days : int
        H, at least 1.
    plan : Plan
        From :func:`origins_for`.
    activity : Activity, optional
        For seasons; needs two whole years before the first day that is forecast.
    estimators : mapping of str to callable, optional
        Purchase models to try, ``mbg_nbd`` among them; by default ``ESTIMATORS``.
    seed : int
        Of folds and bootstrap. The same arguments give the same numbers.

    Returns
    -------
    ChurnResult
        Legal for any number of customers, zero included.

    Raises
    ------
    ValueError
        If arrays differ in length, codes do not ascend, origins do not lie a whole horizon before tonight or differ
        in their features, or a purchase is dated after tonight.
    """
    past = sorted(origins, key=lambda origin: origin.day)
    _check(past, tonight, horizon_days, plan, activity)
    # Matrices of a few columns: threads of the linear algebra would only wait for each other.
    with threadpool_limits(limits=1, user_api="blas"):
        night = _Night(past, tonight, horizon_days, plan, activity, estimators or ESTIMATORS, seed)
        return night.result()


def _check(past: Sequence[Origin], tonight: Origin, horizon_days: int, plan: Plan, activity: Activity | None) -> None:
    """Refuse what would be learned wrongly."""
    if horizon_days < 1 or not 1 <= plan.horizon_days <= horizon_days:
        raise ValueError(f"horizon_days must be at least that of the plan, {plan.horizon_days}, not {horizon_days}")
    days = [origin.day for origin in past]
    if len(set(days)) < len(days):
        raise ValueError("origins must be of different days")
    if activity is not None and activity.first_day + len(activity.occasions) - 1 > tonight.day:
        raise ValueError("activity must end tonight: it knows of later days")
    for origin in (*past, tonight):
        size = origin.customer.shape
        columns = {
            "frequency": origin.frequency,
            "recency": origin.recency,
            "age": origin.age,
            "cadence": origin.cadence,
            "yearly": origin.yearly,
            "variation": _variation(origin),
            **origin.features,
        }
        for name, column in columns.items():
            if column.shape != size:
                raise ValueError(f"{name} of day {origin.day} must have one value per customer")
        if np.any(np.diff(origin.customer) <= 0):
            raise ValueError(f"customers of day {origin.day} must ascend")
        if list(origin.features) != list(tonight.features):
            raise ValueError(f"day {origin.day} must have the features of tonight, in their order")
    for origin in past:
        if origin.day + plan.horizon_days > tonight.day:
            raise ValueError(f"day {origin.day} is not {plan.horizon_days} days old: who returns is not known yet")
        if origin.next_purchase is None or origin.next_purchase.shape != origin.customer.shape:
            raise ValueError(f"day {origin.day} must have next_purchase, one value per customer")
        known = origin.next_purchase[np.isfinite(origin.next_purchase)]
        if np.any(known <= 0) or np.any(origin.day + known > tonight.day):
            raise ValueError(f"next_purchase of day {origin.day} must lie after it, and not after tonight")


class _Night:
    """One call of :func:`learn`."""

    def __init__(
        self,
        past: Sequence[Origin],
        tonight: Origin,
        horizon_days: int,
        plan: Plan,
        activity: Activity | None,
        estimators: Mapping[str, Callable[[], Estimator]],
        seed: int,
    ) -> None:
        self.tonight, self.horizon_days, self.plan, self.activity, self.seed = (
            tonight,
            horizon_days,
            plan,
            activity,
            seed,
        )
        self.estimators = estimators
        self.fits = Fits(estimators)
        self.past = _thinned([origin for origin in past if len(origin.customer)], seed)
        self._seen: dict[tuple[int, bool], Seen] = {}
        self._worths: dict[int, Floats] = {}
        # A season must be known on the first day that is forecast, else the backtest would compare nothing.
        tested = [origin.day for origin in self.past if self._before(origin.day)]
        self.knows_seasons = bool(tested) and self._clock(min(tested)) is not None

    # --------------------------------------------------------------------------------------------- what was seen

    def _clock(self, day: int) -> Clock | None:
        if self.activity is None:
            return None
        return Clock.of(self.activity.first_day, self.activity.occasions, day)

    def _see(self, origin: Origin, *, in_season: bool) -> Seen:
        key = origin.day, in_season
        if key not in self._seen:
            # Before two years have passed, a day knows no season: its time is days.
            clock = (self._clock(origin.day) if in_season else None) or Clock()
            first = origin.day - origin.age
            self._seen[key] = Seen(
                day=origin.day,
                customer=origin.customer,
                frequency=origin.frequency,
                recency=clock.between(first, first + origin.recency),
                age=clock.between(first, np.full(len(first), float(origin.day))),
                silence_days=origin.age - origin.recency,
                age_days=origin.age,
                cadence=origin.cadence,
                variation=_variation(origin),
                features=origin.features,
                clock=clock,
                horizon_days=self.plan.horizon_days,
            )
        return self._seen[key]

    def _event(self, origin: Origin) -> NDArray[np.bool_]:
        """Who bought nothing within the horizon; a purchase that is not known is NaN, and none."""
        assert origin.next_purchase is not None
        return ~(origin.next_purchase <= self.plan.horizon_days)

    def _before(self, day: int) -> list[Origin]:
        """The days whose whole horizon had passed by a day, the newest first."""
        known = [origin for origin in self.past if origin.day + self.plan.horizon_days <= day]
        return known[::-1][:LESSONS]

    def _lessons(self, day: int, *, in_season: bool) -> list[Lesson]:
        known = self._before(day)
        return [
            Lesson(
                self._see(origin, in_season=in_season),
                self._event(origin),
                # What happened a horizon earlier counts half.
                0.5 ** ((known[0].day - origin.day) / self.plan.horizon_days),
            )
            for origin in known
        ]

    def _rarer(self, day: int) -> int:
        """How often the rarer of return and no return happened, among what a day can learn from."""
        events = [self._event(origin) for origin in self._before(day)]
        lost = sum(int(event.sum()) for event in events)
        return min(lost, sum(len(event) for event in events) - lost)

    # ------------------------------------------------------------------------------------------------ candidates

    def _candidates(self, rarer: int) -> dict[str, Callable[[], Learner]]:
        """Every candidate that so many events can carry, the simplest first: of equals it wins."""
        columns = (SILENCE, REPEATS, AGE, CADENCE_RATIO, LATENESS, ONE_TIME)
        made: dict[str, Callable[[], Learner]] = {
            BASELINE: lambda: Logistic(BASELINE, (SILENCE,)),
            "cadence": lambda: Logistic("cadence", (CADENCE_RATIO,)),
            "gap_survival": Survival,
        }
        for name in self.estimators:
            made[name] = partial(Purchases, name, self.fits)
        made["renewal"] = lambda: Renewal("renewal", self.fits, CARRIER)
        made["logistic"] = lambda: Logistic("logistic", columns)
        made["blend"] = lambda: Blend(Logistic("logistic", columns), Renewal("renewal", self.fits, CARRIER))
        if self.knows_seasons:
            for name in ("renewal", "logistic", "blend"):
                made[name + SEASONAL] = made[name]
        if rarer >= EVENTS_FOR_TREES:
            made["lightgbm"] = lambda: Trees(Logistic("logistic", columns), tuple(self.tonight.features), self.seed)
        return made

    def _trained(self, name: str, make: Callable[[], Learner], target: Origin) -> tuple[Learner, Seen]:
        in_season = name.endswith(SEASONAL)
        learner, seen = make(), self._see(target, in_season=in_season)
        learner.fit(self._lessons(target.day, in_season=in_season), seen)
        return learner, seen

    def _backtest(self) -> Verdict | None:
        """Forecast every past day that has days to learn from, by every candidate."""
        tested = [origin for origin in self.past if self._rarer(origin.day) >= EVENTS_TO_COMPARE]
        if not tested:
            return None
        forecasts = list(self._naive(tested))
        candidates = self._candidates(min(self._rarer(origin.day) for origin in tested))
        for origin in tested:
            event = self._event(origin)
            for name, make in candidates.items():
                learner, seen = self._trained(name, make, origin)
                forecasts.append(
                    Forecast(
                        origin.day,
                        name,
                        origin.customer,
                        learner.calibrated(learner.margin(seen)),
                        event,
                        seen.silence_days,
                        self._expected(origin, learner, seen) if isinstance(learner, Purchases) else {},
                    )
                )
        return judge(forecasts, seed=self.seed)

    def _expected(self, origin: Origin, learner: Purchases, seen: Seen) -> dict[str, Amounts]:
        """The purchases that a purchase model expects after a day, and their money."""
        orders = learner.expected(seen)
        return _amounts(origin, orders, None if origin.spent_after is None else orders * self._worth(origin))

    def _worth(self, origin: Origin) -> Floats:
        """The money that a customer's next purchase is expected to be worth, by the model of spend of that day."""
        if origin.day not in self._worths:
            mean = np.zeros(len(origin.customer)) if origin.mean_spend is None else np.nan_to_num(origin.mean_spend)
            of_all = float(spent_so_far(origin).sum() / (origin.frequency + 1).sum())
            spend = usable_spend(GammaGamma().fit(origin.frequency, mean), of_all)
            self._worths[origin.day] = spend.expected_average_spend(origin.frequency, mean)
        return self._worths[origin.day]

    def _naive(self, tested: Sequence[Origin]) -> Iterator[Forecast]:
        """What rules without a model expect after each day that is forecast."""
        days, horizon = {origin.day: origin for origin in self.past}, self.plan.horizon_days
        if any(origin.purchases_after is None or origin.day - horizon not in days for origin in tested):
            return
        for origin in tested:
            rules = {
                LAST_PERIOD: last_period(origin, days[origin.day - horizon]),
                NAIVE_RATE: own_rate(origin, horizon),
            }
            event, silence = self._event(origin), origin.age - origin.recency
            for name, expected in rules.items():
                came = _amounts(origin, *expected)
                yield Forecast(origin.day, name, origin.customer, None, event, silence, came)

    # ---------------------------------------------------------------------------------------------------- result

    def result(self) -> ChurnResult:
        """Climb the ladder as far as the data carry."""
        rarer = self._rarer(self.tonight.day)
        verdict = self._backtest() if rarer >= EVENTS_TO_COMPARE else None
        if rarer >= EVENTS_FOR_RULE:
            champion = verdict.champion if verdict else BASELINE
            make = self._candidates(max(rarer, EVENTS_FOR_TREES))[champion]
            learner, seen = self._trained(champion, make, self.tonight)
            short = learner.calibrated(learner.margin(seen))
            if verdict is None:
                status, reason = "rule_only", "too_few_to_compare"
            elif champion in RULES:
                status, reason = "rule_only", "no_model_beats_the_rule"
            else:
                status, reason = "model", "champion"
            explain: Callable[[NDArray[np.intp]], Reasons] = partial(learner.reasons, seen)
        else:
            seen = self._see(self.tonight, in_season=False)
            prior = self._prior(seen)
            if self._before(self.tonight.day):
                champion, status, reason = "average", "segment_average", "too_few_events"
                short = self._averages(seen, prior)
            else:
                champion, status, reason = "prior", "insufficient", "no_past_day"
                short = prior
            explain = _plain(short)
        power = self._power(seen)
        probability = kept(short**power)
        size = len(probability)
        horizon = np.full(size, float(self.horizon_days))
        is_yearly, at_due, due = self._yearly()
        probability[is_yearly], horizon[is_yearly] = at_due[is_yearly], due[is_yearly]
        return ChurnResult(
            probability=probability,
            horizon=horizon,
            status=np.where(is_yearly, "segment_average", status),
            reason=np.where(is_yearly, "yearly_buyer", reason),
            champion=champion,
            learned_horizon=self.plan.horizon_days,
            carried="not_needed" if self.plan.horizon_days == self.horizon_days else CARRIER,
            has_season=champion.endswith(SEASONAL),
            quality=verdict.quality if verdict else (),
            deciles=verdict.deciles if verdict else (),
            errors=tuple(row._replace(threshold=row.threshold**power) for row in verdict.errors) if verdict else (),
            skill=verdict.skill if verdict else None,
            base_rate=float(probability.mean()) if size else float("nan"),
            _explain=explain,
        )

    def _prior(self, seen: Seen) -> Floats:
        """The purchase model alone; where few have come back, it rests on published estimates."""
        if not len(seen.customer):
            return np.zeros(0)
        return kept(self.fits.of(CARRIER, seen).probability_no_purchase(seen.horizon, *seen.history))

    def _averages(self, seen: Seen, prior: Floats) -> Floats:
        """What happened to customers of the same class, drawn towards the average of all, and that to the prior."""
        if not len(prior):
            return prior
        lessons = self._lessons(self.tonight.day, in_season=False)
        event = np.concatenate([lesson.event for lesson in lessons])
        group = np.concatenate([_classes(lesson.seen) for lesson in lessons])
        average = (event.sum() + SHRINKAGE * prior.mean()) / (len(event) + SHRINKAGE)
        hits, size = np.bincount(group, weights=event, minlength=4), np.bincount(group, minlength=4)
        return kept((hits + SHRINKAGE * average) / (size + SHRINKAGE))[_classes(seen)]

    def _power(self, seen: Seen) -> float:
        """What takes the learned horizon to the one that is asked for: p(H) = p(h') ** power, one power for all.

        It is the power that takes a purchase model's own probabilities from h' to H on average. A power for each
        customer, log p(H) / log p(h'), would follow the model further than it can be trusted: it changes the order.
        """
        if self.plan.horizon_days == self.horizon_days or not len(seen.customer):
            return 1.0
        model = self.fits.of(CARRIER, seen)
        near = model.probability_no_purchase(seen.horizon, *seen.history)
        far = float(model.probability_no_purchase(seen.time_ahead(self.horizon_days), *seen.history).mean())
        longest = LONGEST_POWER * self.horizon_days / self.plan.horizon_days

        def excess(power: float) -> float:
            return float(np.mean(near**power)) - far

        if excess(1.0) <= 0:
            return 1.0
        return longest if excess(longest) > 0 else float(brentq(excess, 1.0, longest))

    def _yearly(self) -> tuple[NDArray[np.bool_], Floats, Floats]:
        """Yearly buyers before they are overdue: who, the probability that the habit has ended, and until when.

        Silence says nothing about them before the year is round, and a horizon of three months less than nothing. So
        their horizon reaches to the day on which they are overdue, and the probability that they buy nothing until
        then is that of a habit that ends between two purchases, as often as those of tonight's yearly buyers did,
        seen after a silence of u cycles: (1 - q) / ((1 - q) + q S(u)), where q is the share that returned and S falls
        evenly from 1 at 0.8 cycles to 0.02 at 1.25, between which returns are taken for yearly.
        """
        tonight = self.tonight
        silence = tonight.age - tonight.recency
        has_habit = np.isfinite(tonight.yearly) & (tonight.yearly > 0)
        cycles = np.divide(silence, tonight.yearly, out=np.full(len(silence), np.inf), where=has_habit)
        returned = float(tonight.frequency[has_habit].sum())
        lapsed = float(np.sum(has_habit & (cycles >= OVERDUE_CYCLES)))
        kept_up = (returned + 1) / (returned + lapsed + 2)
        still = np.interp(cycles, [1 / OVERDUE_CYCLES, OVERDUE_CYCLES], [1.0, STRAGGLERS])
        due = np.maximum(self.horizon_days, np.ceil(OVERDUE_CYCLES * np.nan_to_num(tonight.yearly) - silence))
        is_yearly = has_habit & (cycles < OVERDUE_CYCLES)
        return is_yearly, kept((1 - kept_up) / (1 - kept_up + kept_up * still)), due


def _amounts(origin: Origin, orders: Floats, value: Floats | None) -> dict[str, Amounts]:
    """What was expected after a day beside what came, as far as that is known."""
    found = {}
    if origin.purchases_after is not None:
        found["orders"] = Amounts(orders, origin.purchases_after)
    if origin.spent_after is not None and value is not None:
        found["value"] = Amounts(value, origin.spent_after)
    return found


def _variation(origin: Origin) -> Floats:
    return np.full(origin.customer.shape, np.nan) if origin.variation is None else origin.variation


def _thinned(past: list[Origin], seed: int) -> list[Origin]:
    """The same customers on every day, at most so many: what is learned from more moves no digit that counts."""
    if not past or max(len(origin.customer) for origin in past) <= LEARNED_CUSTOMERS:
        return past
    share = LEARNED_CUSTOMERS / max(len(origin.customer) for origin in past)
    limit = np.uint64(share * 2**64)

    def thin(origin: Origin) -> Origin:
        rows = scattered(origin.customer, seed + 1) < limit

        def of(values: Any) -> Any:
            if isinstance(values, Mapping):
                return {name: column[rows] for name, column in values.items()}
            return values[rows] if isinstance(values, np.ndarray) else values

        return replace(origin, **{each.name: of(getattr(origin, each.name)) for each in fields(origin)})

    return [thin(origin) for origin in past]


def _classes(seen: Seen) -> Integers:
    """Once or more often, and within the usual gap or beyond it: four classes."""
    return np.asarray(2 * (seen.frequency > 0) + (seen.silence_days > seen.cadence), dtype=np.int64)


def _plain(short: Floats) -> Callable[[NDArray[np.intp]], Reasons]:
    """Below the models there is one reason: the average."""
    margin = logit(short)

    def explain(rows: NDArray[np.intp]) -> Reasons:
        base = float(margin.mean()) if len(margin) else 0.0
        return Reasons(("average",), base, margin[rows, None] - base, short[rows, None], margin[rows])

    return explain
