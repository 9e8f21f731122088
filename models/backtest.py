"""Measures of a forecast against what happened next, their uncertainty, and the choice between candidates.

Belongs here: metrics of probabilities, counts and money, bootstrap by customer, decile tables, the rule by which a
champion is chosen. Does not belong here: the candidates, their training and calibration (``churn.py``), and anything
that knows of tables or files.

An *event* is "no purchase within the horizon": what a churn probability speaks of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BASELINE",
    "Amounts",
    "Decile",
    "Errors",
    "Forecast",
    "Quality",
    "Skill",
    "Verdict",
    "amounts",
    "cheapest",
    "errors",
    "judge",
    "probabilities",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: The naive rule that every candidate has to beat: the longer silent, the likelier lost.
BASELINE = "gap"
#: The origin of rows that are means over all origins.
ALL_ORIGINS = -1
#: Bootstrap samples; their 10th and 90th percentile are published, their standard deviation decides.
SAMPLES = 100
#: Bootstrap standard errors by which the naive rule must be beaten: of eight candidates that know nothing, one beats
#: it by one.
MARGIN = 2.0
#: Customers that the measures are taken on, at most: beyond, they move in the third digit only.
MEASURED_CUSTOMERS = 50_000
#: Parts of equal size of the calibration error and of the decile table.
PARTS = 10
#: Where a probability is taken to its logarithm, it is kept this far from 0 and 1.
EDGE = 1e-9


class Quality(NamedTuple):
    """One measure of one candidate on one origin; the grain is (origin, candidate, metric).

    Attributes
    ----------
    origin : int
        Day (days since 1970-01-01) on which the forecast was made; -1 for the mean over all origins.
    candidate : str
    metric : str
        Of the probability: ``auc``; ``brier``; ``log_loss``; ``ece`` (10 bins of equal mass); ``bias`` (mean
        probability minus rate); ``lift`` (rate in the top decile over that of all) and ``capture`` (its share of all
        events); ``lead_days`` (days by which customers of the top decile who did leave are named before the silence
        rule would name as many; their mean). Where the candidate expects amounts, such as ``orders`` and ``value``:
        ``orders_bias`` (relative), ``orders_mae``, ``orders_rmse``, ``orders_correlation``, ``orders_gini``
        (normalised), and the same of the others. A rule that only expects amounts has only these.
    value, low, high : float
        The measure, and its 10th and 90th percentile over samples of customers drawn with replacement; NaN where it
        does not exist, such as an AUC where everybody bought.
    customers, events : int
        What it was measured on.
    """

    origin: int
    candidate: str
    metric: str
    value: float
    low: float
    high: float
    customers: int
    events: int


class Decile(NamedTuple):
    """A tenth of the customers of one origin by falling probability; the calibration table is the same table.

    Attributes
    ----------
    origin : int
        Day since 1970-01-01.
    candidate : str
    decile : int
        1 holds the highest probabilities.
    customers, events : int
    probability, rate : float
        Mean forecast, and the share that had the event.
    lift, capture : float
        The rate over that of all, and the share of all events in this and the deciles before; NaN without events.
    """

    origin: int
    candidate: str
    decile: int
    customers: int
    events: int
    probability: float
    rate: float
    lift: float
    capture: float


class Amounts(NamedTuple):
    """What was expected of each customer, and what came: purchases, or money; shape (n,)."""

    expected: Floats
    actual: Floats


class Forecast(NamedTuple):
    """What one candidate said on one day, and what happened.

    Attributes
    ----------
    origin : int
        Day since 1970-01-01.
    candidate : str
    customer : ndarray of int64, shape (n,)
        Ascending; the same customers for every candidate of an origin.
    probability : ndarray, shape (n,), optional
        Of the event; None of a rule that only expects amounts, and cannot be champion.
    event : ndarray of bool, shape (n,)
    silence : ndarray, shape (n,)
        Days since the last purchase: what the naive rule goes by.
    amounts : mapping of str to Amounts
        What is expected within the horizon beside, by the name that its measures begin with.
    """

    origin: int
    candidate: str
    customer: Integers
    probability: Floats | None
    event: Flags
    silence: Floats
    amounts: Mapping[str, Amounts] = MappingProxyType({})


class Errors(NamedTuple):
    """What an alert above a probability would have got wrong, over all origins.

    Attributes
    ----------
    threshold : float
        Customers of this probability and above are flagged.
    flagged : float
        Their share of all customers.
    disturbed : float
        Share of those who bought again that is flagged: errors of the first kind; NaN if nobody bought.
    missed : float
        Share of those who were lost that is not flagged: errors of the second kind; NaN if nobody was lost.
    rate : float
        Share of all customers that was lost.
    """

    threshold: float
    flagged: float
    disturbed: float
    missed: float
    rate: float


class Skill(NamedTuple):
    """How much better than the mean alone the champion is: 1 - Brier score / (rate (1 - rate)), over all origins.

    Attributes
    ----------
    value, of_rule : float
        Of the champion and of the naive rule; 1 is perfect, 0 no better than the mean.
    error, difference_error : float
        Bootstrap standard errors of `value`, and of its difference to the naive rule on the same customers.
    """

    value: float
    error: float
    of_rule: float
    difference_error: float


class Verdict(NamedTuple):
    """The backtest's result.

    Attributes
    ----------
    champion : str
        The candidate of the lowest Brier score, averaged over the origins, among those that beat the naive rule by
        more than two bootstrap standard errors of the difference, and whose AUC is not below the rule's by more than
        one. The naive rule, where there is none.
    quality : tuple of Quality
    deciles : tuple of Decile
        Of the champion and of the naive rule.
    errors : tuple of Errors
        Of the champion, for every hundredth from 0.01 to 0.99.
    skill : Skill or None
        None where everybody did the same.
    """

    champion: str
    quality: tuple[Quality, ...]
    deciles: tuple[Decile, ...]
    errors: tuple[Errors, ...]
    skill: Skill | None


def judge(forecasts: Sequence[Forecast], *, seed: int) -> Verdict:
    """Measure all candidates and choose between them.

    Parameters
    ----------
    forecasts : sequence of Forecast
        Every candidate on every origin, the naive rule (``BASELINE``) with a probability among them; of equal
        candidates the first wins.
    seed : int
        Of the bootstrap. One sample takes a customer on all origins or on none, so that the same people seen on
        several days do not count as several.

    Raises
    ------
    ValueError
        If the naive rule is missing, or not every candidate stands on every origin.
    """
    origins = sorted({forecast.origin for forecast in forecasts})
    candidates = list(dict.fromkeys(forecast.candidate for forecast in forecasts))
    found = {(forecast.origin, forecast.candidate): forecast for forecast in forecasts}
    if BASELINE not in candidates or len(found) != len(forecasts) or len(found) != len(origins) * len(candidates):
        raise ValueError(f"every origin needs one forecast of each candidate, {BASELINE!r} among them")
    everybody = np.unique(np.concatenate([found[origin, BASELINE].customer for origin in origins]))
    chances = np.random.default_rng(seed).poisson(1.0, (SAMPLES, len(everybody))).astype(np.float64)
    # The first row is the sample itself, the others are drawn from it.
    chances = np.vstack([np.ones(len(everybody)), chances])

    measured: dict[tuple[int, str], dict[str, Floats]] = {}
    quality: list[Quality] = []
    lost, people = np.zeros(len(chances)), np.zeros(len(chances))
    for origin in origins:
        # The order of customers is that of all candidates of a day: their weights are looked up once.
        weights = chances[:, np.searchsorted(everybody, found[origin, BASELINE].customer)]
        lost += _sums(weights, found[origin, BASELINE].event.astype(np.float64)[None])[0]
        people += weights.sum(axis=1)
        for candidate in candidates:
            forecast = found[origin, candidate]
            measures: dict[str, Floats] = {}
            if forecast.probability is not None:
                measures = probabilities(forecast.probability, forecast.event, forecast.silence, weights)
            for what, (expected, actual) in forecast.amounts.items():
                found_of = amounts(expected, actual, weights)
                measures |= {f"{what}_{name}": values for name, values in found_of.items()}
            measured[origin, candidate] = measures
            size = len(forecast.event), int(forecast.event.sum())
            quality += [_row(origin, candidate, metric, values, size) for metric, values in measures.items()]
    means: dict[str, dict[str, Floats]] = {}
    for candidate in candidates:
        days = [measured[origin, candidate] for origin in origins]
        means[candidate] = {metric: np.mean([day[metric] for day in days], axis=0) for metric in days[0]}
        size = (
            sum(len(found[origin, candidate].event) for origin in origins),
            sum(int(found[origin, candidate].event.sum()) for origin in origins),
        )
        quality += [_row(ALL_ORIGINS, candidate, metric, values, size) for metric, values in means[candidate].items()]
    champion = _champion(means)
    shown = {BASELINE, champion}
    deciles: list[Decile] = []
    said, happened = [], []
    for forecast in forecasts:
        if forecast.candidate in shown and forecast.probability is not None:
            deciles += _deciles(forecast, forecast.probability)
        if forecast.candidate == champion and forecast.probability is not None:
            said.append(forecast.probability)
            happened.append(forecast.event)
    curve = errors(np.concatenate(said), np.concatenate(happened))
    skill = _skill(means[champion]["brier"], means[BASELINE]["brier"], _ratio(lost, people))
    return Verdict(champion, tuple(quality), tuple(deciles), curve, skill)


def _skill(brier: Floats, of_rule: Floats, rate: Floats) -> Skill | None:
    """The skill in the sample itself, which stands first, and its deviation over those drawn from it."""
    of_mean = rate * (1 - rate)
    if not of_mean[0] > 0:
        return None
    champion, rule = (1 - _ratio(score, of_mean) for score in (brier, of_rule))
    error, difference_error = (float(np.nanstd(each[1:])) for each in (champion, champion - rule))
    return Skill(float(champion[0]), error, float(rule[0]), difference_error)


def _row(origin: int, candidate: str, metric: str, values: Floats, size: tuple[int, int]) -> Quality:
    drawn = values[1:]
    known = drawn[np.isfinite(drawn)]
    low, high = np.percentile(known, [10, 90]).tolist() if len(known) else (float("nan"), float("nan"))
    return Quality(origin, candidate, metric, float(values[0]), low, high, *size)


def _champion(means: dict[str, dict[str, Floats]]) -> str:
    rule = means[BASELINE]
    better = {}
    for candidate, measures in means.items():
        if "brier" not in measures:
            continue
        gain = rule["brier"] - measures["brier"]
        order = measures["auc"] - rule["auc"]
        # An AUC may not exist where nobody, or everybody, came back; then only the Brier score speaks.
        is_behind = order[0] < -np.nanstd(order[1:]) if np.isfinite(order).any() else False
        if candidate != BASELINE and gain[0] > MARGIN * np.std(gain[1:]) and not is_behind:
            better[candidate] = measures["brier"][0]
    return min(better, key=lambda candidate: better[candidate]) if better else BASELINE


# ---------------------------------------------------------------------------------------------------- measures


def probabilities(probability: Floats, event: Flags, silence: Floats, weights: Floats) -> dict[str, Floats]:
    """Measure probabilities of an event, for several weightings of the customers at once.

    Parameters
    ----------
    probability, event, silence : ndarray, shape (n,)
        See :class:`Forecast`.
    weights : ndarray, shape (b, n)
        How often each customer counts in each of b samples.

    Returns
    -------
    dict of str to ndarray, shape (b,)
        See :class:`Quality`.

    References
    ----------
    Brier (1950); Naeini, Cooper & Hauskrecht (2015) for the calibration error, here with bins of equal mass.
    """
    outcome = event.astype(np.float64)
    total = weights.sum(axis=1)
    kept = np.clip(probability, EDGE, 1 - EDGE)
    losses = np.where(event, -np.log(kept), -np.log1p(-kept))
    columns = np.stack([(probability - outcome) ** 2, losses, probability - outcome, outcome])
    brier, loss, bias, rate = _ratio(_sums(weights, columns), total)
    order = _falling(probability)
    parts = np.array_split(order, PARTS)
    apart = [np.abs(_sums(weights[:, part], (probability - outcome)[None, part])[0]) for part in parts]
    top = parts[0]
    # Named by the rule: as many of those that are silent longest. A hit is named early by the days that its silence
    # lacks to that.
    cut = np.sort(silence)[::-1][: len(top)].min(initial=np.inf)
    early = np.maximum(cut - silence[top], 0.0)
    of_top = weights[:, top]
    hits, early_days, of_all = *_sums(of_top, np.stack([outcome[top], outcome[top] * early])), rate * total
    return {
        "auc": _auc(probability, event, weights),
        "brier": brier,
        "log_loss": loss,
        "ece": _ratio(np.sum(apart, axis=0), total),
        "bias": bias,
        "lift": _ratio(_ratio(hits, of_top.sum(axis=1)), rate),
        "capture": _ratio(hits, of_all),
        "lead_days": _ratio(early_days, hits),
    }


def amounts(expected: Floats, actual: Floats, weights: Floats | None = None) -> dict[str, Floats]:
    """Measure expected amounts, of purchases or of money, against actual ones.

    Parameters
    ----------
    expected, actual : ndarray, shape (n,)
    weights : ndarray, shape (b, n), optional
        How often each customer counts in each of b samples; without, each counts once.

    Returns
    -------
    dict of str to ndarray, shape (b,)
        ``bias`` (sum of the expected over the actual, minus 1), ``mae``, ``rmse``, ``correlation``, and ``gini``: the
        Gini index of the actual amounts in the order of the expected ones over that in their own order, so that 1 is
        a perfect order and 0 none. NaN where they do not exist.
    """
    if weights is None:
        weights = np.ones((1, len(expected)))
    total = weights.sum(axis=1)
    error = expected - actual
    columns = np.stack([expected, actual, np.abs(error), error**2, expected**2, actual**2, expected * actual])
    mean, real, mae, square, mean2, real2, product = _ratio(_sums(weights, columns), total)
    spread = np.sqrt(np.maximum(mean2 - mean**2, 0.0) * np.maximum(real2 - real**2, 0.0))
    return {
        "bias": _ratio(mean - real, real),
        "mae": mae,
        "rmse": np.sqrt(square),
        "correlation": _ratio(product - mean * real, spread),
        "gini": _ratio(_gini(expected, actual, weights), _gini(actual, actual, weights)),
    }


def errors(probability: Floats, event: Flags) -> tuple[Errors, ...]:
    """The trade-off between disturbing who would have stayed and missing who leaves, by threshold.

    Parameters
    ----------
    probability : ndarray, shape (n,)
    event : ndarray of bool, shape (n,)
    """
    if not len(event):
        return ()
    lost, kept = np.sort(probability[event]), np.sort(probability[~event])
    rows = []
    for threshold in np.arange(1, 100) / 100:
        missed = int(np.searchsorted(lost, threshold))
        disturbed = len(kept) - int(np.searchsorted(kept, threshold))
        rows.append(
            Errors(
                float(threshold),
                (len(lost) - missed + disturbed) / len(event),
                disturbed / len(kept) if len(kept) else float("nan"),
                missed / len(lost) if len(lost) else float("nan"),
                len(lost) / len(event),
            )
        )
    return tuple(rows)


def cheapest(curve: Sequence[Errors], *, cost_missed: float, cost_disturbed: float) -> Errors:
    """The threshold whose errors would have cost least; of equal ones the highest, which disturbs fewest.

    Parameters
    ----------
    curve : sequence of Errors
        At least one.
    cost_missed, cost_disturbed : float
        Of one customer lost without an alert, and of one alert for a customer who would have stayed; money.

    Raises
    ------
    ValueError
        If the curve is empty.
    """
    if not curve:
        raise ValueError("there is no threshold to choose from: nothing could be tested")

    def cost(row: Errors) -> float:
        lost = row.rate * cost_missed * row.missed if row.rate > 0 else 0.0
        kept = (1 - row.rate) * cost_disturbed * row.disturbed if row.rate < 1 else 0.0
        return lost + kept

    return min(reversed(curve), key=cost)


def _sums(weights: Floats, columns: Floats) -> Floats:
    """The weighted sum of each column in each sample, shape (columns, b); in a fixed order, whatever the threads."""
    return np.asarray(np.einsum("bn,kn->kb", weights, columns), dtype=np.float64)


def _ratio(above: Floats, below: Floats) -> Floats:
    """The quotient, and NaN where there is nothing to divide by."""
    shape = np.broadcast_shapes(above.shape, below.shape)
    out: Floats = np.full(shape, np.nan)
    np.divide(above, below, out=out, where=np.broadcast_to(below != 0, shape))
    return out


def _falling(values: Floats) -> NDArray[np.intp]:
    """Positions by falling value, of equals the first first."""
    return np.argsort(-values, kind="stable")


def _tied(ordered: Floats) -> NDArray[np.intp]:
    """Where runs of equal values begin."""
    return np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, dtype=np.intp)


def _auc(score: Floats, event: Flags, weights: Floats) -> Floats:
    """Chance that an event has a higher score than a non-event, ties counting half (Mann & Whitney 1947)."""
    if not len(score):
        return np.full(len(weights), np.nan)
    order = np.argsort(score, kind="stable")
    begins = _tied(score[order])
    auc = np.empty(len(weights))
    # One sample at a time: all at once they would not fit into the processor's cache.
    for row, weight in enumerate(weights[:, order]):
        hit = event[order]
        positive = np.add.reduceat(weight * hit, begins)
        negative = np.add.reduceat(weight * ~hit, begins)
        below = np.cumsum(negative) - negative / 2
        pairs = positive.sum() * negative.sum()
        auc[row] = np.sum(positive * below) / pairs if pairs else np.nan
    return auc


def _gini(by: Floats, amount: Floats, weights: Floats) -> Floats:
    """Gini index of amounts, taken in falling order of another column; equals share what they have together."""
    if not len(by):
        return np.full(len(weights), np.nan)
    order = _falling(by)
    begins = _tied(by[order])
    gini = np.empty(len(weights))
    for row, weight in enumerate(weights[:, order]):
        people = np.add.reduceat(weight, begins)
        money = np.add.reduceat(weight * amount[order], begins)
        everybody, everything = people.sum(), money.sum()
        if not everybody or not everything:
            gini[row] = np.nan
            continue
        curve = np.cumsum(money) / everything
        gini[row] = np.sum(people / everybody * (curve + curve - money / everything)) - 1
    return gini


def _deciles(forecast: Forecast, probability: Floats) -> Iterator[Decile]:
    event, total = forecast.event, int(forecast.event.sum())
    before = 0
    for number, part in enumerate(np.array_split(_falling(probability), PARTS), start=1):
        if not len(part):
            continue
        hits = int(event[part].sum())
        before += hits
        rate = hits / len(part)
        yield Decile(
            forecast.origin,
            forecast.candidate,
            number,
            len(part),
            hits,
            float(probability[part].mean()),
            rate,
            rate / (total / len(event)) if total else float("nan"),
            before / total if total else float("nan"),
        )
