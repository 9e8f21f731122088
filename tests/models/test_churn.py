"""Churn probabilities against what happened next, on two published data sets and on planted customers.

Nothing here is computed by the code under test that it is compared with: returns are read from the logs.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize

from models.backtest import ALL_ORIGINS, BASELINE, amounts, probabilities
from models.churn import ESTIMATORS, STATUS_REASONS, Activity, ChurnResult, Origin, Plan, learn, origins_for
from models.churn_candidates import (
    AGE,
    CADENCE_RATIO,
    LATENESS,
    REPEATS,
    SILENCE,
    Blend,
    Clock,
    Fits,
    Learner,
    Lesson,
    Logistic,
    Platt,
    Purchases,
    Renewal,
    Seen,
    Survival,
    Trees,
)
from models.gamma_gamma import GammaGamma
from models.mbg_cnbd_k import ModifiedBetaGeoCNBD

EXAMPLE = Path(__file__).parents[2] / "examples/online_retail/online_retail.csv.gz"
EPOCH = pd.Timestamp("1970-01-01")
#: Above this probability a customer counts as flagged.
ALERT = 0.5

Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Log:
    """Purchase occasions: a customer and a day since 1970-01-01 in each row."""

    customer: NDArray[np.int64]
    day: NDArray[np.int64]

    def upto(self, day: int) -> Log:
        known = self.day <= day
        return Log(self.customer[known], self.day[known])


def origin(log: Log, day: int, tonight: int, horizon_days: int = 0) -> Origin:
    """What the tables of a night would hold for a day, computed by pandas from the log."""
    table = pd.DataFrame({"customer": log.customer, "day": log.day}).sort_values(["customer", "day"])
    past = table[table["day"] <= day]
    of = past.groupby("customer")["day"]
    first, last, occasions = of.min(), of.max(), of.count()
    gaps = past.assign(gap=of.diff()).dropna().groupby("customer")["gap"]
    usual = past.assign(gap=of.diff())["gap"].median()
    shown, kept = (occasions - 1).astype(float), gaps.median().reindex(first.index)
    is_yearly = ((gaps.count() >= 2) & (gaps.min() > 365 * 0.8) & (gaps.max() < 365 * 1.25)).reindex(
        first.index, fill_value=False
    )
    after = table[(table["day"] > day) & (table["day"] <= tonight)]
    counted = after[after["day"] <= day + horizon_days].groupby("customer")["day"].count()
    is_past = day < tonight

    def column(series: pd.Series) -> Floats:
        return series.to_numpy(dtype=np.float64)

    return Origin(
        day=day,
        customer=first.index.to_numpy(np.int64),
        frequency=column(shown),
        recency=column(last - first),
        age=column(day - first),
        cadence=column((shown * kept.fillna(0) + 3 * usual) / (shown + 3)),
        yearly=column(kept.where(is_yearly)),
        next_purchase=column(after.groupby("customer")["day"].min().reindex(first.index) - day) if is_past else None,
        purchases_after=column(counted.reindex(first.index, fill_value=0)) if is_past else None,
        variation=column((gaps.std() / gaps.mean()).reindex(first.index)),
    )


def night(log: Log, tonight: int, horizon_days: int, *, in_season: bool = False) -> tuple[ChurnResult, Origin]:
    """Learn and score as a night would that knows the log up to tonight."""
    known = log.upto(tonight)
    start = int(known.day.min(initial=tonight))
    plan = origins_for(tonight - start, horizon_days)
    past = [origin(known, tonight - back, tonight, plan.horizon_days) for back in plan.days_before]
    activity = Activity(start, np.bincount(known.day - start).astype(np.float64)) if in_season else None
    now = origin(known, tonight, tonight)
    return learn(past, now, horizon_days=horizon_days, plan=plan, activity=activity), now


def is_lost(log: Log, now: Origin, horizon_days: int) -> NDArray[np.bool_]:
    """Who bought nothing in the horizon after tonight: read from the log, which goes on."""
    ahead = (log.day > now.day) & (log.day <= now.day + horizon_days)
    return ~np.isin(now.customer, log.customer[ahead])


@cache
def cdnow() -> tuple[Log, int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifetimes.datasets import load_dataset

        names = ["master_id", "customer", "day", "discs", "value"]
        table = load_dataset("CDNOW_sample.txt", header=None, sep=r"\s+", names=names)
    table["day"] = (pd.to_datetime(table["day"].astype(str)) - EPOCH).dt.days
    table = table.drop_duplicates(["customer", "day"])
    log = Log(table["customer"].to_numpy(np.int64), table["day"].to_numpy(np.int64))
    return log, (pd.Timestamp("1997-09-30") - EPOCH).days


@cache
def cdnow_money() -> tuple[Log, Floats, int]:
    """CDNOW's occasions with what was spent on each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifetimes.datasets import load_dataset

        names = ["master_id", "customer", "day", "discs", "value"]
        table = load_dataset("CDNOW_sample.txt", header=None, sep=r"\s+", names=names)
    table["day"] = (pd.to_datetime(table["day"].astype(str)) - EPOCH).dt.days
    table = table.groupby(["customer", "day"], as_index=False)["value"].sum()
    log = Log(table["customer"].to_numpy(np.int64), table["day"].to_numpy(np.int64))
    return log, table["value"].to_numpy(), cdnow()[1]


def with_money(log: Log, spent: Floats, day: int, tonight: int, horizon_days: int) -> Origin:
    """What a day knew, with the money: the mean of repeat occasions, all so far, and what came within the horizon."""
    known = origin(log.upto(tonight), day, tonight, horizon_days)
    table = pd.DataFrame({"customer": log.customer, "day": log.day, "spent": spent})
    past = table[table["day"] <= day]
    repeat = past[past["day"] > past.groupby("customer")["day"].transform("min")]
    ahead = table[(table["day"] > day) & (table["day"] <= day + horizon_days)]
    money = [repeat.groupby("customer")["spent"].mean(), *(t.groupby("customer")["spent"].sum() for t in (past, ahead))]
    mean, so_far, after = (each.reindex(known.customer).to_numpy() for each in money)
    return changed(known, mean_spend=mean, spent=so_far, spent_after=np.nan_to_num(after))


@cache
def online_retail() -> tuple[Log, int]:
    columns = ["InvoiceNo", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID"]
    table = pd.read_csv(EXAMPLE, usecols=columns, dtype={"InvoiceNo": str}).dropna(subset=["CustomerID"])
    is_sale = ~table["InvoiceNo"].str.startswith("C") & (table["Quantity"] > 0) & (table["UnitPrice"] > 0)
    table = table[is_sale]
    day = (pd.to_datetime(table["InvoiceDate"].str.slice(0, 10)) - EPOCH).dt.days
    table = pd.DataFrame({"customer": table["CustomerID"].astype(np.int64), "day": day}).drop_duplicates()
    log = Log(table["customer"].to_numpy(), table["day"].to_numpy(np.int64))
    return log, (pd.Timestamp("2011-06-30") - EPOCH).days


@cache
def scored(data: Callable[[], tuple[Log, int]], horizon_days: int) -> tuple[ChurnResult, Origin, NDArray[np.bool_]]:
    log, tonight = data()
    result, now = night(log, tonight, horizon_days)
    return result, now, is_lost(log, now, horizon_days)


HOLD_OUTS = [pytest.param(cdnow, 273, id="cdnow"), pytest.param(online_retail, 161, id="online_retail")]


# --------------------------------------------------------------------------------------------------- hold-outs


def test_cdnow_hold_out() -> None:
    result, now, lost = scored(cdnow, 273)
    assert len(now.customer) == 2357
    assert lost.mean() == pytest.approx(1 - 0.290, abs=5e-4)
    found = probabilities(result.probability, lost, now.age - now.recency, np.ones((1, len(lost))))
    assert found["auc"][0] >= 0.775
    assert found["brier"][0] <= 0.160
    assert found["ece"][0] <= 0.05
    # As docs/models.md has them.
    shown = [found[name][0] for name in ("auc", "brier", "ece")]
    assert shown == pytest.approx([0.780, 0.155, 0.017], abs=2e-3)
    assert (result.learned_horizon, result.carried) == (68, "mbg_nbd")
    # The share that the backtest would have flagged at h' is that of tonight at H, for thresholds are carried along.
    half = next(row for row in result.errors if row.flagged <= 0.5)
    assert np.mean(result.probability >= half.threshold) == pytest.approx(half.flagged, abs=0.15)


def test_online_retail_hold_out() -> None:
    result, now, lost = scored(online_retail, 161)
    assert lost.mean() == pytest.approx(1 - 0.672, abs=2e-3)
    found = probabilities(result.probability, lost, now.age - now.recency, np.ones((1, len(lost))))
    assert found["auc"][0] >= 0.735
    assert found["ece"][0] <= 0.05
    shown = [found[name][0] for name in ("auc", "brier", "ece")]
    assert shown == pytest.approx([0.736, 0.188, 0.034], abs=2e-3)


@pytest.mark.parametrize(("data", "horizon_days"), HOLD_OUTS)
def test_nowhere_below_the_gap_rule(data: Callable[[], tuple[Log, int]], horizon_days: int) -> None:
    result, now, lost = scored(data, horizon_days)
    silence = now.age - now.recency
    weights = np.random.default_rng(0).poisson(1.0, (200, len(lost))).astype(np.float64)
    ours = probabilities(result.probability, lost, silence, weights)["auc"]
    rules = probabilities(silence / silence.max(), lost, silence, weights)["auc"]
    assert np.mean(ours - rules) > -np.std(ours - rules)
    # As docs/models.md has them: the rule's AUC, the distance to it, and the distance's standard error.
    shown = {cdnow: (0.771, 0.008, 0.004), online_retail: (0.677, 0.060, 0.008)}[data]
    rule = probabilities(silence / silence.max(), lost, silence, np.ones((1, len(lost))))["auc"][0]
    assert (rule, np.mean(ours - rules), np.std(ours - rules)) == pytest.approx(shown, abs=1e-3)


# ------------------------------------------------------------------------- known failures, as docs/models.md has them


@pytest.mark.parametrize(
    ("data", "horizon_days", "measured"),
    [(cdnow, 273, 0.316), (online_retail, 161, 0.333)],
    ids=["cdnow", "online_retail"],
)
def test_p_alive_as_an_alert_is_worse_than_chance(
    data: Callable[[], tuple[Log, int]], horizon_days: int, measured: float
) -> None:
    """The common mistake of shipping 1 - P(alive) of BG/NBD, to which every one-time buyer is alive."""
    _, now, lost = scored(data, horizon_days)
    model = ESTIMATORS["bg_nbd"]().fit(now.frequency, now.recency, now.age)
    dead = 1 - model.probability_alive(now.frequency, now.recency, now.age)
    assert probabilities(dead, lost, dead, np.ones((1, len(lost))))["auc"][0] == pytest.approx(measured, abs=5e-4)


@pytest.mark.parametrize(
    ("data", "horizon_days", "name", "bias", "auc", "brier", "ece"),
    [
        (cdnow, 273, "bg_nbd", -0.121, 0.757, 0.161, 0.053),
        (cdnow, 273, "mbg_nbd", -0.162, 0.760, 0.161, 0.055),
        (online_retail, 161, "bg_nbd", -0.125, 0.733, 0.194, 0.064),
        (online_retail, 161, "mbg_nbd", -0.125, 0.733, 0.194, 0.064),
    ],
)
def test_purchase_models_alone_expect_too_few_orders_and_are_not_calibrated(
    data: Callable[[], tuple[Log, int]], horizon_days: int, name: str, bias: float, auc: float, brier: float, ece: float
) -> None:
    log, tonight = data()
    result, now, lost = scored(data, horizon_days)
    model = ESTIMATORS[name]().fit(now.frequency, now.recency, now.age)
    ahead = log.customer[(log.day > tonight) & (log.day <= tonight + horizon_days)]
    actual = np.bincount(np.searchsorted(now.customer, ahead[np.isin(ahead, now.customer)]), minlength=len(lost))
    expected = model.expected_purchases(horizon_days, now.frequency, now.recency, now.age)
    assert amounts(expected, actual.astype(np.float64))["bias"][0] == pytest.approx(bias, abs=1e-3)
    raw = model.probability_no_purchase(horizon_days, now.frequency, now.recency, now.age)
    silence, once = now.age - now.recency, np.ones((1, len(lost)))
    found = probabilities(raw, lost, silence, once)
    assert [found[n][0] for n in ("auc", "brier", "ece")] == pytest.approx([auc, brier, ece], abs=1e-3)
    ours = probabilities(result.probability, lost, silence, once)
    assert ours["brier"][0] < found["brier"][0]
    assert ours["ece"][0] < found["ece"][0]


def test_online_retail_shows_no_dropout() -> None:
    _, now, _ = scored(online_retail, 161)
    for make in ESTIMATORS.values():
        assert make().fit(now.frequency, now.recency, now.age).status_ == "boundary_no_dropout"


def test_a_second_order_a_day_after_the_first_makes_a_later_return_less_likely() -> None:
    """The increasing-frequency paradox: who came twice in two days and then not for 39 weeks has left, rather."""
    _, now, _ = scored(cdnow, 273)
    model = ESTIMATORS["mbg_nbd"]().fit(now.frequency, now.recency, now.age)
    once, twice = model.expected_purchases(273, [0, 1], [0, 1], [273, 274])
    assert (once, twice) == (pytest.approx(0.153, abs=1e-3), pytest.approx(0.140, abs=1e-3))


def test_a_power_per_customer_would_worsen_the_order() -> None:
    result, now, lost = scored(cdnow, 273)
    model = ESTIMATORS["mbg_nbd"]().fit(now.frequency, now.recency, now.age)
    near, far = (model.probability_no_purchase(days, now.frequency, now.recency, now.age) for days in (68, 273))
    # The one power is found again, and taken back, so that each customer's own can be tried.
    power = brentq(lambda power: float(np.mean(near**power) - np.mean(far)), 1.0, 20.0)
    own = (result.probability ** (1 / power)) ** (np.log(far) / np.log(near))
    found = probabilities(own, lost, now.age - now.recency, np.ones((1, len(lost))))
    assert found["auc"][0] == pytest.approx(0.772, abs=1e-3)


def test_trees_on_few_customers_win_the_backtest_and_lose_the_hold_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why they are not tried on fewer than 2,000 events."""
    log, tonight = online_retail()
    monkeypatch.setattr("models.churn.EVENTS_FOR_TREES", 500)
    result, now = night(log, tonight, 161)
    lost = is_lost(log, now, 161)
    assert result.champion == "lightgbm"
    trees = probabilities(result.probability, lost, now.age - now.recency, np.ones((1, len(lost))))
    assert trees["auc"][0] == pytest.approx(0.724, abs=3e-3)
    assert trees["brier"][0] == pytest.approx(0.193, abs=2e-3)


@pytest.mark.parametrize(("data", "horizon_days"), HOLD_OUTS)
def test_the_table_of_quality_has_every_candidate_on_three_days(
    data: Callable[[], tuple[Log, int]], horizon_days: int
) -> None:
    result, now, _ = scored(data, horizon_days)
    rows = pd.DataFrame(result.quality)
    assert not rows.duplicated(["origin", "candidate", "metric"]).any()
    days = sorted(set(rows["origin"]) - {ALL_ORIGINS})
    assert len(days) == 3
    assert max(days) + result.learned_horizon == now.day
    assert {BASELINE, "cadence", "gap_survival", "bg_nbd", "mbg_nbd", "renewal", "logistic", "blend"} <= set(
        rows["candidate"]
    )
    values = rows.pivot_table(index="candidate", columns=["metric", "origin"], values="value")
    assert values["brier"][ALL_ORIGINS].idxmin() == result.champion
    assert values["orders_mae"].loc["mbg_nbd"].notna().all()
    assert {row.candidate for row in result.deciles} == {BASELINE, result.champion}


@pytest.mark.parametrize(("data", "horizon_days"), HOLD_OUTS)
def test_with_2000_forecasts_two_standard_errors_of_the_skill_are_a_twentieth(
    data: Callable[[], tuple[Log, int]], horizon_days: int
) -> None:
    result, *_ = scored(data, horizon_days)
    brier = {row.candidate: row for row in result.quality if row[0] == ALL_ORIGINS and row.metric == "brier"}
    rate = brier[BASELINE].events / brier[BASELINE].customers
    assert result.skill is not None
    for found, name in ((result.skill.value, result.champion), (result.skill.of_rule, BASELINE)):
        assert found == pytest.approx(1 - brier[name].value / (rate * (1 - rate)), rel=1e-12)
    # Errors fall with the root of the number.
    assert 2 * result.skill.error * (brier[BASELINE].customers / 2000) ** 0.5 == pytest.approx(0.05, abs=0.005)


@pytest.mark.parametrize(("data", "horizon_days"), HOLD_OUTS)
def test_purchase_models_are_held_against_two_rules_that_need_no_model(
    data: Callable[[], tuple[Log, int]], horizon_days: int
) -> None:
    result, *_ = scored(data, horizon_days)
    log, h = data()[0], result.learned_horizon
    table = pd.DataFrame(result.quality).set_index(["origin", "candidate", "metric"])["value"]
    for day in sorted(set(table.index.get_level_values("origin")) - {ALL_ORIGINS}):
        first = pd.Series(log.day).groupby(log.customer).min()
        first = first[first <= day]
        came, last, before = (
            pd.Series(log.customer[(log.day > low) & (log.day <= high)]).value_counts().reindex(first.index).fillna(0)
            for low, high in ((day, day + h), (day - h, day), (-1, day))
        )
        naive = (before - 1) / (day - first).clip(lower=1) * h
        for name, expected in (("last_period", last), ("naive_rate", naive)):
            assert table[day, name, "orders_mae"] == pytest.approx((expected - came).abs().mean(), rel=1e-9)
            assert table[day, name, "orders_bias"] == pytest.approx(expected.sum() / came.sum() - 1, rel=1e-9)
        assert (day, "last_period", "brier") not in table.index
    # Both models err less than the better of the two rules, in squares.
    means = table[ALL_ORIGINS].unstack()["orders_rmse"]
    assert means[["mbg_nbd", "pareto_nbd"]].max() < means[["last_period", "naive_rate"]].min()


def test_customers_are_ranked_by_what_they_will_spend() -> None:
    """CDNOW with its money, from the log: what each was expected to spend, and spent, in 68 days after a past day."""
    log, spent, tonight = cdnow_money()
    plan = origins_for(tonight - int(log.day.min()), 273)
    past = [with_money(log, spent, tonight - back, tonight, plan.horizon_days) for back in plan.days_before]
    result = learn(past, origin(log.upto(tonight), tonight, tonight), horizon_days=273, plan=plan)
    means = {(row.candidate, row.metric): row for row in result.quality if row.origin == ALL_ORIGINS}
    gini = {name: means[name, "value_gini"] for name in ("mbg_nbd", "pareto_nbd", "last_period", "naive_rate")}
    assert {name: round(row.value, 2) for name, row in gini.items()} == {
        "mbg_nbd": 0.57,
        "pareto_nbd": 0.59,
        "last_period": 0.49,
        "naive_rate": 0.57,
    }
    wrong = [means[name, "orders_rmse"].value for name in ("naive_rate", "mbg_nbd")]
    assert [*wrong, means["naive_rate", "orders_bias"].value] == pytest.approx([0.88, 0.64, 0.53], abs=0.005)
    # The last day again, by hand: Gamma-Gamma and MBG/NBD of that day, and the areas below two curves.
    last = past[0]
    model = ESTIMATORS["mbg_nbd"]().fit(last.frequency, last.recency, last.age)
    worth = GammaGamma().fit(last.frequency, last.mean_spend).expected_average_spend(last.frequency, last.mean_spend)
    orders = model.expected_purchases(plan.horizon_days, last.frequency, last.recency, last.age)
    assert last.spent_after is not None

    def area(order: NDArray[np.intp]) -> float:
        share = np.cumsum(last.spent_after[order]) / last.spent_after.sum()
        return float(np.mean(np.r_[0.0, share[:-1]] + share) - 1)

    by_hand = area(np.argsort(-orders * worth)) / area(np.argsort(-last.spent_after))
    row = next(r for r in result.quality if r[:3] == (last.day, "mbg_nbd", "value_gini"))
    assert row.value == pytest.approx(by_hand, abs=1e-3)
    assert gini["mbg_nbd"].low > gini["last_period"].high


# ------------------------------------------------------------------------------------------------- point in time


def changed(origin: Origin, **columns: object) -> Origin:
    return dataclasses.replace(origin, **columns)


@pytest.fixture(scope="module")
def shop() -> tuple[list[Origin], Origin, Plan]:
    """1,500 customers over three years who buy at random and leave at random."""
    log = at_random(1500, seed=4)
    plan = origins_for(1000, 90)
    tonight = 1000
    known = log.upto(tonight)
    past = [origin(known, tonight - back, tonight, plan.horizon_days) for back in plan.days_before]
    return past, origin(known, tonight, tonight), plan


def at_random(customers: int, seed: int, days: int = 1100) -> Log:
    random = np.random.default_rng(seed)
    rows = []
    for number in range(customers):
        at, gap, leaving = random.uniform(0, days), random.gamma(1.5, 40) + 5, random.beta(1, 5)
        while at < days:
            rows.append((number, int(at)))
            if random.random() < leaving:
                break
            at += random.exponential(gap) + 1
    table = pd.DataFrame(rows, columns=["customer", "day"]).drop_duplicates()
    return Log(table["customer"].to_numpy(np.int64), table["day"].to_numpy(np.int64))


def test_what_comes_after_tonight_cannot_enter(shop: tuple[list[Origin], Origin, Plan]) -> None:
    past, now, plan = shop
    run = partial(learn, horizon_days=90, plan=plan)
    late = past[0].next_purchase
    assert late is not None
    late = late.copy()
    late[5] = now.day - past[0].day + 1
    with pytest.raises(ValueError, match="not after tonight"):
        run([changed(past[0], next_purchase=late), *past[1:]], now)
    same_day = late.copy()
    same_day[5] = 0
    with pytest.raises(ValueError, match="must lie after it"):
        run([changed(past[0], next_purchase=same_day), *past[1:]], now)
    with pytest.raises(ValueError, match="is not 90 days old"):
        run([changed(past[0], day=now.day - 89), *past[1:]], now)
    with pytest.raises(ValueError, match="it knows of later days"):
        run(past, now, activity=Activity(0, np.ones(now.day + 2)))
    with pytest.raises(ValueError, match="must have next_purchase"):
        run([changed(past[0], next_purchase=None), *past[1:]], now)


def test_a_past_day_is_judged_without_what_came_after_it(shop: tuple[list[Origin], Origin, Plan]) -> None:
    """Whatever happened after a day's horizon, its row of the backtest stays what it was."""
    past, now, plan = shop
    before = learn(past, now, horizon_days=90, plan=plan)
    newest = max(past, key=lambda origin: origin.day)
    nobody = changed(newest, next_purchase=np.full(len(newest.customer), np.nan))
    after = learn([nobody, *(one for one in past if one is not newest)], now, horizon_days=90, plan=plan)

    def rows(result: ChurnResult, days: Sequence[int]) -> list[tuple[object, ...]]:
        # Samples are drawn of all customers at once; the measures themselves are compared.
        return [(r.origin, r.candidate, r.metric, r.value) for r in result.quality if r.origin in days]

    older = [one.day for one in past if one is not newest]
    np.testing.assert_equal(rows(after, older), rows(before, older))
    assert len(rows(before, older)) > 100
    assert after.base_rate > before.base_rate


def test_the_season_of_a_day_is_what_that_day_knew() -> None:
    counts = np.random.default_rng(0).poisson(50, 1500).astype(np.float64)
    later = counts.copy()
    later[1001:] *= 9
    one, other = Clock.of(0, counts, 1000), Clock.of(0, later, 1000)
    assert one is not None
    assert other is not None
    np.testing.assert_array_equal(one.index, other.index)
    assert Clock.of(0, counts, 728) is None


def test_shapes_are_checked(shop: tuple[list[Origin], Origin, Plan]) -> None:
    past, now, plan = shop
    run = partial(learn, horizon_days=90, plan=plan)
    with pytest.raises(ValueError, match="one value per customer"):
        run(past, changed(now, age=now.age[:-1]))
    with pytest.raises(ValueError, match="must ascend"):
        run(past, changed(now, customer=now.customer[::-1]))
    with pytest.raises(ValueError, match="the features of tonight"):
        run(past, changed(now, features={"tickets": now.age}))
    with pytest.raises(ValueError, match="different days"):
        run([*past, past[0]], now)
    with pytest.raises(ValueError, match="at least that of the plan"):
        run(past, now, horizon_days=30)


# --------------------------------------------------------------------------------------------------------- plan


@pytest.mark.parametrize(
    ("history", "horizon", "expected"),
    [
        (1825, 90, Plan(90, (90, 180, 270, 360))),
        (450, 90, Plan(90, (90, 180, 270, 360))),
        (373, 90, Plan(90, (90, 135, 180, 225, 270))),
        (272, 273, Plan(68, (68, 102, 136, 170, 204))),
        (28, 90, Plan(7, (7, 10, 14, 17, 21))),
        (27, 90, Plan(90, ())),
        (0, 90, Plan(90, ())),
    ],
)
def test_the_plan(history: int, horizon: int, expected: Plan) -> None:
    assert origins_for(history, horizon) == expected


def test_every_plan_leaves_three_days_to_forecast_and_a_horizon_before_the_first() -> None:
    for history in range(28, 2000, 7):
        for horizon in (7, 30, 90, 365, 730):
            plan = origins_for(history, horizon)
            if not plan.days_before:
                continue
            can_learn = [day for day in plan.days_before if any(b >= day + plan.horizon_days for b in plan.days_before)]
            assert len(can_learn) >= 3
            assert min(plan.days_before) >= plan.horizon_days
            assert history - max(plan.days_before) >= plan.horizon_days
            assert len(plan.days_before) <= 5


# ------------------------------------------------------------------------------------------------------- ladder


@pytest.mark.parametrize("customers", [0, 1, 50, 200, 5000])
def test_any_number_of_buyers_has_a_legal_result(customers: int) -> None:
    result, now = night(at_random(customers, seed=7), 1000, 90)
    size = len(now.customer)
    assert result.probability.shape == result.horizon.shape == result.status.shape == result.reason.shape == (size,)
    assert np.isfinite(result.probability).all()
    assert ((result.probability > 0) & (result.probability < 1)).all()
    assert set(result.status) <= {"model", "segment_average", "rule_only", "insufficient"}
    assert set(result.reason) <= set(STATUS_REASONS)
    reasons = result.explain(np.arange(min(size, 20)))
    np.testing.assert_allclose(reasons.base + reasons.contributions.sum(axis=1), reasons.margin, atol=1e-9)
    # Yearly buyers, where there are any, always rest on the average of their kind.
    expected = {0: set(), 1: {"segment_average"}, 50: {"rule_only"}, 200: {"rule_only", "model"}, 5000: {"model"}}
    assert set(result.status) <= expected[customers] | {"segment_average"}


def test_a_short_history_rests_on_the_prior() -> None:
    log = at_random(300, seed=2)
    result, _ = night(log, 20, 90)
    assert result.champion == "prior"
    assert set(result.status) == {"insufficient"}
    assert result.quality == ()


def test_where_nothing_speaks_the_rule_stays_champion() -> None:
    """Everybody returns with the same chance, whatever was seen before: only luck can beat the rule, and seldom."""
    plan, size, champions = origins_for(900, 90), 1500, []
    for seed in range(6):
        random = np.random.default_rng(seed)

        def day(back: int, random: np.random.Generator = random) -> Origin:
            age = random.integers(200, 400, size).astype(np.float64)
            frequency = random.integers(0, 5, size).astype(np.float64)
            returns = np.where(random.random(size) < 0.5, random.integers(1, 91, size), np.nan)
            return Origin(
                day=2000 - back,
                customer=np.arange(size),
                frequency=frequency,
                recency=np.where(frequency > 0, np.floor(age * random.random(size)), 0.0),
                age=age,
                cadence=np.full(size, 60.0),
                yearly=np.full(size, np.nan),
                next_purchase=returns if back else None,
            )

        result = learn([day(back) for back in plan.days_before], day(0), horizon_days=90, plan=plan)
        champions.append(result.champion)
        assert {row.candidate for row in result.quality} > {BASELINE, "logistic", "mbg_nbd"}
        assert result.probability.mean() == pytest.approx(0.5, abs=0.04)
        if result.champion == BASELINE:
            assert set(result.status) == {"rule_only"}
            assert set(result.reason) == {"no_model_beats_the_rule"}
    assert champions.count(BASELINE) >= 5


def test_the_same_arguments_give_the_same_numbers(shop: tuple[list[Origin], Origin, Plan]) -> None:
    past, now, plan = shop
    one = learn(past, now, horizon_days=90, plan=plan)
    other = learn(past[::-1], now, horizon_days=90, plan=plan)
    np.testing.assert_array_equal(one.probability, other.probability)
    np.testing.assert_equal(one.quality, other.quality)


def test_a_longer_horizon_is_never_likelier_to_pass_without_purchase_less_often(
    shop: tuple[list[Origin], Origin, Plan],
) -> None:
    past, now, _ = shop
    short = Plan(30, tuple(now.day - one.day for one in past))
    found = {days: learn(past, now, horizon_days=days, plan=short) for days in (30, 60, 180, 365)}
    for near, far in ((30, 60), (60, 180), (180, 365)):
        assert (found[far].probability <= found[near].probability).all()
        # One power for all keeps the order.
        np.testing.assert_array_equal(np.argsort(found[far].probability), np.argsort(found[near].probability))
    assert found[30].carried == "not_needed"


# ------------------------------------------------------------------------------------------ yearly, weekly, seasons


def planted(*, seed: int = 3, tonight: int = 1500) -> tuple[Log, dict[str, range]]:
    """Customers at random, weekly ones of whom a batch stops three weeks ago, and yearly ones."""
    random = np.random.default_rng(seed)
    rows: list[tuple[int, int]] = []
    kinds: dict[str, range] = {}

    def plant(kind: str, lives: Sequence[Floats]) -> None:
        first = kinds[next(reversed(kinds))].stop if kinds else 0
        kinds[kind] = range(first, first + len(lives))
        for number, days in zip(kinds[kind], lives, strict=True):
            rows.extend((number, int(day)) for day in np.unique(np.floor(days)) if 0 <= day <= tonight)

    others = at_random(1500, seed=seed, days=tonight)
    kinds["random"] = range(1500)
    rows.extend(zip(others.customer.tolist(), others.day.tolist(), strict=True))

    def weekly(start: float, end: float) -> Floats:
        days = np.arange(start, end, 7.0)
        return days + random.normal(0, 0.8, len(days))

    starts = random.uniform(0, 1300, 200)
    ends = np.minimum(starts + random.exponential(500, 200), tonight + 7)
    plant("weekly", [weekly(start, end) for start, end in zip(starts, ends, strict=True)])
    # The last purchase of these lies 21 days back, give or take the jitter.
    plant("stopped", [weekly(tonight - 21.0 - 7 * count, tonight - 20.5) for count in random.integers(15, 100, 100)])
    plant(
        "yearly",
        [
            start + 365.0 * np.arange(years) + random.normal(0, 12, years)
            for start, years in zip(random.uniform(0, 365, 300), random.geometric(0.1, 300) + 2, strict=True)
        ],
    )
    return Log(*np.array(rows).T), kinds


@pytest.fixture(scope="module")
def habits() -> tuple[ChurnResult, Origin, dict[str, range]]:
    log, kinds = planted()
    return *night(log, 1500, 90), kinds


def test_yearly_buyers_are_not_flagged_before_they_are_overdue(
    habits: tuple[ChurnResult, Origin, dict[str, range]],
) -> None:
    result, now, kinds = habits
    silence = now.age - now.recency
    yearly = np.isin(now.customer, kinds["yearly"]) & (now.frequency >= 2)
    before = yearly & (silence < 1.25 * now.yearly)
    assert before.sum() > 100
    assert np.mean(result.probability[before] > ALERT) < 0.05
    assert set(result.reason[before]) == {"yearly_buyer"}
    # The probability speaks of the day on which they are overdue, and says so.
    np.testing.assert_allclose(
        result.horizon[before], np.maximum(90, np.ceil(1.25 * now.yearly[before] - silence[before]))
    )
    after = yearly & (silence >= 1.25 * now.yearly)
    assert after.sum() > 5
    assert np.mean(result.probability[after] > ALERT) > 0.95


def test_weekly_buyers_are_flagged_within_three_cycles(
    habits: tuple[ChurnResult, Origin, dict[str, range]],
) -> None:
    result, now, kinds = habits
    silence = now.age - now.recency
    stopped = np.isin(now.customer, kinds["stopped"])
    assert stopped.sum() == 100
    assert silence[stopped].max() <= 24
    assert np.mean(result.probability[stopped] > ALERT) > 0.95
    busy = np.isin(now.customer, kinds["weekly"]) & (silence <= 7) & (now.frequency >= 10)
    assert busy.sum() > 20
    assert np.mean(result.probability[busy] > ALERT) < 0.05


def test_to_a_purchase_model_all_buying_is_random(habits: tuple[ChurnResult, Origin, dict[str, range]]) -> None:
    """It notices no weekly buyer who stopped three weeks ago, and flags every yearly buyer in between."""
    result, now, kinds = habits
    model = ESTIMATORS["mbg_nbd"]().fit(now.frequency, now.recency, now.age)
    alone = model.probability_no_purchase(90, now.frequency, now.recency, now.age)
    stopped = np.isin(now.customer, kinds["stopped"])
    assert np.mean(alone[stopped] > ALERT) == 0
    assert np.mean(alone[result.reason == "yearly_buyer"] > ALERT) == 1


def test_one_regularity_for_all_wins_the_backtest_and_notices_no_weekly_buyer() -> None:
    """Why MBG/CNBD-k is no candidate."""
    log, kinds = planted()
    plan = origins_for(1500, 90)
    past = [origin(log, 1500 - back, 1500) for back in plan.days_before]
    now = origin(log, 1500, 1500)
    tried = {**ESTIMATORS, "mbg_cnbd_k": ModifiedBetaGeoCNBD}
    result = learn(past, now, horizon_days=90, plan=plan, estimators=tried)
    assert result.champion == "mbg_cnbd_k"
    brier = {row.candidate: row.value for row in result.quality if row[0] == ALL_ORIGINS and row.metric == "brier"}
    assert 0 < brier["renewal"] - brier["mbg_cnbd_k"] < 0.002
    stopped = np.isin(now.customer, kinds["stopped"])
    assert np.mean(result.probability[stopped] > ALERT) == 0


def test_without_the_variation_of_gaps_weekly_buyers_are_noticed_late() -> None:
    log, kinds = planted()
    plan = origins_for(1500, 90)
    past = [changed(origin(log, 1500 - back, 1500), variation=None) for back in plan.days_before]
    now = changed(origin(log, 1500, 1500), variation=None)
    result = learn(past, now, horizon_days=90, plan=plan)
    stopped = np.isin(now.customer, kinds["stopped"])
    assert np.mean(result.probability[stopped] > ALERT) < 0.5


def test_a_year_has_its_length_and_a_busy_week_counts_for_more() -> None:
    random = np.random.default_rng(1)
    days = np.arange(4 * 365)
    december = pd.to_datetime(days, unit="D").month == 12
    clock = Clock.of(0, random.poisson(np.where(december, 300, 100)).astype(np.float64), int(days[-1]))
    assert clock is not None
    # Over a whole year the seasons even out, up to the day or two by which 53 weeks exceed it.
    assert clock.between(1461, 1461 + 365) == pytest.approx(365, rel=0.01)
    in_december = float(clock.between(1461 + 339, 1461 + 360)) / 21
    in_june = float(clock.between(1461 + 155, 1461 + 176)) / 21
    assert in_december / in_june == pytest.approx(3, rel=0.15)


def test_a_season_is_used_where_it_forecasts_better() -> None:
    """A gift shop, planted: time runs six times as fast from mid-November to Christmas."""
    days = np.arange(1700)
    calendar = pd.DatetimeIndex(pd.to_datetime(days, unit="D"))
    speed = np.where(
        (calendar.month == 12) & (calendar.day < 25) | (calendar.month == 11) & (calendar.day > 14), 6, 0.5
    )
    passed = np.cumsum(speed)
    steady = at_random(2500, seed=12, days=int(passed[-1]))
    on = np.searchsorted(passed, steady.day)
    table = pd.DataFrame({"customer": steady.customer, "day": on}).drop_duplicates()
    log = Log(table["customer"].to_numpy(), table["day"].to_numpy(np.int64))
    # On the fourth 1st of November the feast is ahead, and the days that were learned from were dull.
    tonight = (pd.Timestamp("1973-11-01") - EPOCH).days
    result, now = night(log, tonight, 45, in_season=True)
    plain, _ = night(log, tonight, 45)
    lost = is_lost(log, now, 45)
    assert result.has_season
    assert result.champion.endswith("_seasonal")
    assert not plain.has_season
    assert abs(result.probability.mean() - lost.mean()) < 0.5 * abs(plain.probability.mean() - lost.mean())
    assert np.mean((result.probability - lost) ** 2) < np.mean((plain.probability - lost) ** 2)
    assert "_seasonal" not in str(plain.quality)


def test_growth_is_no_season() -> None:
    growing = 100 * np.exp(np.arange(4 * 365) * np.log(2) / 365)
    clock = Clock.of(0, growing, 4 * 365 - 1)
    assert clock is not None
    assert clock.index is not None
    np.testing.assert_allclose(clock.index, 1, atol=0.02)


# ------------------------------------------------------------------------------------------------------ learners


def seen(random: np.random.Generator, size: int = 1200, day: int = 1000) -> Seen:
    age = random.integers(30, 900, size).astype(np.float64)
    frequency = random.poisson(random.gamma(1, 3, size)).astype(np.float64)
    recency = np.where(frequency > 0, np.floor(age * random.beta(3, 1, size)), 0.0)
    return Seen(
        day=day,
        customer=np.arange(size),
        frequency=frequency,
        recency=recency,
        age=age,
        silence_days=age - recency,
        age_days=age,
        cadence=np.where(frequency > 0, np.maximum(recency / np.maximum(frequency, 1), 1.0), np.nan),
        variation=np.where(frequency > 1, random.gamma(4, 0.2, size), np.nan),
        features={"logins": np.where(random.random(size) < 0.2, np.nan, random.poisson(3, size))},
        clock=Clock(),
        horizon_days=90,
    )


def lesson(random: np.random.Generator, *, day: int, weight: float) -> Lesson:
    what = seen(random, day=day)
    logins = np.nan_to_num(what.features["logins"], nan=3.0)
    log_odds = 0.8 * np.log1p(what.silence) - 0.5 * logins - 1.0
    return Lesson(what, random.random(len(log_odds)) < 1 / (1 + np.exp(-log_odds)), weight)


COLUMNS = (SILENCE, REPEATS, AGE, CADENCE_RATIO, LATENESS)
FITS = Fits(ESTIMATORS)
LEARNERS: dict[str, Callable[[], Learner]] = {
    BASELINE: lambda: Logistic(BASELINE, (SILENCE,)),
    "logistic": lambda: Logistic("logistic", COLUMNS),
    "gap_survival": Survival,
    "bg_nbd": lambda: Purchases("bg_nbd", FITS),
    "mbg_nbd": lambda: Purchases("mbg_nbd", FITS),
    "renewal": lambda: Renewal("renewal", FITS, "mbg_nbd"),
    "blend": lambda: Blend(Logistic("logistic", COLUMNS), Renewal("renewal", FITS, "mbg_nbd")),
    "lightgbm": lambda: Trees(Logistic("logistic", COLUMNS), ("logins",), 1),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_contributions_sum_to_the_margin(name: str) -> None:
    random = np.random.default_rng(5)
    learner, target = LEARNERS[name](), seen(random)
    learner.fit([lesson(random, day=900, weight=1.0), lesson(random, day=810, weight=0.5)], target)
    rows = np.array([3, 700, 0, 1199])
    reasons = learner.reasons(target, rows)
    assert reasons.contributions.shape == reasons.values.shape == (4, len(reasons.names))
    np.testing.assert_allclose(reasons.margin, learner.margin(target)[rows], rtol=0, atol=1e-9)
    np.testing.assert_allclose(reasons.base + reasons.contributions.sum(axis=1), reasons.margin, rtol=0, atol=1e-9)
    assert np.abs(reasons.contributions).max() > 0.01
    assert learner.reasons(target, rows[:0]).contributions.shape == (0, len(reasons.names))
    probability = learner.calibrated(learner.margin(target))
    assert ((probability > 0) & (probability < 1)).all()


def test_the_logistic_is_the_maximum_that_a_general_search_finds() -> None:
    random = np.random.default_rng(6)
    lessons = [lesson(random, day=900, weight=1.0), lesson(random, day=810, weight=0.5)]
    learner = Logistic("logistic", (SILENCE, REPEATS))
    learner.fit(lessons, lessons[0].seen)
    design = np.concatenate([np.log1p(np.stack([one.seen.silence, one.seen.frequency], axis=1)) for one in lessons])
    event = np.concatenate([one.event for one in lessons])
    weight = np.repeat([1.0, 0.5], [len(one.event) for one in lessons])
    centre = np.average(design, axis=0, weights=weight)
    scale = np.sqrt(np.average((design - centre) ** 2, axis=0, weights=weight))

    def loss(at: Floats) -> float:
        eta = at[0] + (design - centre) / scale @ at[1:]
        return float(np.sum(weight * (np.logaddexp(0, eta) - event * eta)) + np.sum(at[1:] ** 2) / 2)

    found = minimize(loss, np.zeros(3), tol=1e-10).x
    np.testing.assert_allclose([learner.intercept, *(learner.slopes * scale)], found, atol=1e-4)


def test_trees_use_what_only_they_read() -> None:
    random = np.random.default_rng(9)
    lessons, target = [lesson(random, day=900, weight=1.0)], seen(random)
    trees, linear = LEARNERS["lightgbm"](), LEARNERS["logistic"]()
    future = lesson(random, day=1000, weight=1.0)
    brier = {}
    for learner in (trees, linear):
        learner.fit(lessons, target)
        brier[learner.name] = np.mean((learner.calibrated(learner.margin(future.seen)) - future.event) ** 2)
    assert brier["lightgbm"] < 0.96 * brier["logistic"]
    reasons = trees.reasons(target, np.arange(200))
    logins = reasons.names.index("logins")
    # Who logs in often stays, in the data and in the reasons.
    known = np.isfinite(reasons.values[:, logins])
    assert np.corrcoef(reasons.values[known, logins], reasons.contributions[known, logins])[0, 1] < -0.7


def test_survival_counts_who_stayed_silent() -> None:
    random = np.random.default_rng(2)
    what = dataclasses.replace(seen(random), frequency=np.zeros(1200), recency=np.zeros(1200))
    event = what.silence > 300
    learner = Survival()
    learner.fit([Lesson(what, event, 1.0)], what)
    margin = learner.margin(what)
    assert (np.diff(margin[np.argsort(what.silence)]) >= 0).all()
    below, above = int(np.sum(~event)), int(np.sum(event))
    # One more customer of the usual kind joins each step.
    usual = (above + (above + 0.5) / 1201) / 1201
    np.testing.assert_allclose(learner.calibrated(margin)[~event], usual / (below + 1), rtol=1e-3)
    np.testing.assert_allclose(learner.calibrated(margin)[event], (above + usual) / (above + 1), rtol=1e-3)


def test_calibration_corrects_a_level_and_keeps_the_order() -> None:
    random = np.random.default_rng(3)
    truth = random.normal(0, 1.5, 20_000)
    event = random.random(20_000) < 1 / (1 + np.exp(-truth))
    bold = 2 * truth + 1
    platt = Platt().fit(bold, event, np.ones(20_000))
    # truth = (bold - 1) / 2
    assert platt.slope == pytest.approx(0.5, abs=0.02)
    assert platt.shift == pytest.approx(-0.5, abs=0.05)
    assert (np.diff(platt(np.sort(bold))) >= 0).all()
    # A few customers do not turn it over.
    few = Platt().fit(np.array([1.0, -1.0]), np.array([False, True]), np.ones(2))
    assert 0 < few.slope <= 1


def test_the_renewal_of_a_buyer_at_random_is_the_purchase_model() -> None:
    random = np.random.default_rng(4)
    target = dataclasses.replace(seen(random), variation=np.full(1200, np.nan))
    np.testing.assert_allclose(
        LEARNERS["renewal"]().margin(target), LEARNERS["mbg_nbd"]().margin(target), rtol=0, atol=1e-9
    )
