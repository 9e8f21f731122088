"""Measures against numbers worked out by hand or counted pair by pair, and the choice of a champion."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.backtest import (
    ALL_ORIGINS,
    BASELINE,
    Amounts,
    Errors,
    Forecast,
    Verdict,
    amounts,
    cheapest,
    errors,
    judge,
    probabilities,
)

ONCE = np.ones((1, 4))


def test_measures_of_four_customers_worked_out_by_hand() -> None:
    probability = np.array([0.9, 0.8, 0.3, 0.1])
    event = np.array([True, False, True, False])
    found = probabilities(probability, event, np.array([50.0, 60.0, 10.0, 5.0]), ONCE)

    # Of four pairs of a lost and a kept customer, only (0.3, 0.8) is in the wrong order.
    assert found["auc"][0] == 0.75
    assert found["brier"][0] == pytest.approx((0.1**2 + 0.8**2 + 0.7**2 + 0.1**2) / 4)
    assert found["log_loss"][0] == pytest.approx(-sum(map(math.log, (0.9, 0.2, 0.3, 0.9))) / 4)
    assert found["bias"][0] == pytest.approx(0.525 - 0.5)
    # Bins of one customer each.
    assert found["ece"][0] == pytest.approx((0.1 + 0.8 + 0.7 + 0.1) / 4)
    # One customer is named, and was lost: twice the usual rate, half of the lost.
    assert found["lift"][0] == 2.0
    assert found["capture"][0] == 0.5
    # The rule would name the one that is silent for 60 days; the one that is named has 10 days to go to that.
    assert found["lead_days"][0] == 10.0


def test_the_calibration_error_compares_bins_of_equal_size() -> None:
    # Twenty customers, two in each of ten bins; in the lowest bin both are lost against 0.05 on average, in the
    # others everybody is kept.
    probability = np.arange(20) / 20 + 0.025
    event = np.zeros(20, dtype=bool)
    event[:2] = True
    by_hand = (abs(0.05 - 1) + sum(probability[2 * number : 2 * number + 2].mean() for number in range(1, 10))) / 10
    assert probabilities(probability, event, probability, np.ones((1, 20)))["ece"][0] == pytest.approx(by_hand)


def test_a_weight_counts_like_so_many_customers() -> None:
    random = np.random.default_rng(1)
    score, expected = np.round(random.random(60), 1), np.round(random.gamma(1, 2, 60))
    event, actual = random.random(60) < score, random.poisson(expected).astype(np.float64)
    weight = random.poisson(1.0, 60)
    rows = np.repeat(np.arange(60), weight)

    weighted = probabilities(score, event, score, weight[None].astype(np.float64))
    exploded = probabilities(score[rows], event[rows], score[rows], np.ones((1, len(rows))))
    for name in ("auc", "brier", "log_loss", "bias"):
        assert weighted[name][0] == pytest.approx(exploded[name][0], rel=1e-12), name
    heavy = amounts(expected, actual, weight[None].astype(np.float64))
    for name, value in amounts(expected[rows], actual[rows]).items():
        assert heavy[name][0] == pytest.approx(value[0], rel=1e-12), name


def test_the_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    random = np.random.default_rng(2)
    score, event = np.round(random.random(200), 1), random.random(200) < 0.4
    lost, kept = score[event][:, None], score[~event][None]
    pairs = np.mean((lost > kept) + 0.5 * (lost == kept))
    assert probabilities(score, event, score, np.ones((1, 200)))["auc"][0] == pytest.approx(pairs, rel=1e-12)


def test_amounts_worked_out_by_hand() -> None:
    expected, actual = np.array([3.0, 1.0, 2.0, 0.0]), np.array([4.0, 0.0, 2.0, 2.0])
    found = amounts(expected, actual)
    assert found["bias"][0] == pytest.approx(6 / 8 - 1)
    assert found["mae"][0] == pytest.approx((1 + 1 + 0 + 2) / 4)
    assert found["rmse"][0] == pytest.approx(math.sqrt((1 + 1 + 0 + 4) / 4))
    assert found["correlation"][0] == pytest.approx(np.corrcoef(expected, actual)[0, 1])
    # Lorenz curves: expected order 4, 2, 0, 2 of 8; own order 4, (2, 2), 0. Area by trapezia, times two, minus one.
    in_expected_order = 2 * (0.25 / 8 * (4 / 2 + (4 + 6) / 2 + (6 + 6) / 2 + (6 + 8) / 2)) - 1
    in_own_order = 2 * (0.25 / 8 * (4 / 2 + (4 + 8) / 2 * 2 + (8 + 8) / 2)) - 1
    assert found["gini"][0] == pytest.approx(in_expected_order / in_own_order)


def test_the_gini_of_the_right_order_is_one_and_of_no_order_none() -> None:
    actual = np.array([5.0, 1.0, 0.0, 3.0])
    assert amounts(actual * 10, actual)["gini"][0] == pytest.approx(1)
    assert amounts(np.ones(4), actual)["gini"][0] == pytest.approx(0)


def test_the_ranking_by_value_worked_out_by_hand_stands_in_the_table() -> None:
    event, silence, codes = np.array([False, True, False, True]), np.arange(4.0), np.arange(4)
    spent = np.array([60.0, 0.0, 40.0, 0.0])
    # Expected money in the order 40, 60, 0, 0 of 100 and in the best order 60, 40, 0, 0.
    expected = np.array([20.0, 1.0, 30.0, 0.0])
    by_hand = (2 * 0.25 * (0.4 / 2 + 1.4 / 2 + 1 + 1) - 1) / (2 * 0.25 * (0.6 / 2 + 1.6 / 2 + 1 + 1) - 1)
    rule = Forecast(0, BASELINE, codes, np.full(4, 0.5), event, silence)
    naive = Forecast(0, "naive", codes, None, event, silence, {"value": Amounts(expected, spent)})
    found = judge([rule, naive], seed=1)
    rows = {(row.candidate, row.metric): row for row in found.quality if row.origin == 0}
    assert rows["naive", "value_gini"].value == pytest.approx(by_hand) == pytest.approx(0.45 / 0.55)
    assert rows["naive", "value_mae"].value == pytest.approx((40 + 1 + 10 + 0) / 4)
    assert rows["naive", "value_bias"].value == pytest.approx(51 / 100 - 1)
    # Without a probability there is nothing else to measure, and no champion.
    assert {metric for candidate, metric in rows if candidate == "naive"} == {
        f"value_{name}" for name in ("bias", "mae", "rmse", "correlation", "gini")
    }
    assert not any(metric.startswith("value") for candidate, metric in rows if candidate == BASELINE)
    assert found.champion == BASELINE
    assert {row.candidate for row in found.deciles} == {BASELINE}


@pytest.mark.parametrize("is_lost", [True, False])
def test_what_does_not_exist_is_nan(is_lost: bool) -> None:
    event = np.full(4, is_lost)
    found = probabilities(np.full(4, 0.5), event, np.ones(4), ONCE)
    assert np.isnan(found["auc"][0])
    assert found["brier"][0] == 0.25
    assert np.isnan(found["capture"][0]) == (not is_lost)


# -------------------------------------------------------------------------------------------------- champion


def shop(customers: int = 2000, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True probabilities, what happened, and a silence that says a little about them."""
    random = np.random.default_rng(seed)
    truth = random.beta(2, 2, customers)
    return truth, random.random(customers) < truth, truth * 100 + random.normal(0, 60, customers)


def verdict(*candidates: tuple[str, np.ndarray], origins: int = 1, seed: int = 5) -> Verdict:
    _, event, silence = shop()
    codes = np.arange(len(event))
    return judge(
        [
            Forecast(day, name, codes, values, event, silence)
            for day in range(origins)
            for name, values in ((BASELINE, np.full(len(event), event.mean())), *candidates)
        ],
        seed=seed,
    )


def test_who_knows_the_truth_is_champion() -> None:
    truth, *_ = shop()
    noise = np.random.default_rng(0).permutation(truth)
    assert verdict(("noise", noise), ("truth", truth)).champion == "truth"
    assert verdict(("noise", noise)).champion == BASELINE


def test_a_gain_within_two_standard_errors_is_none() -> None:
    truth, event, _ = shop()
    flat = np.full(len(event), event.mean())

    def beaten(share: float) -> tuple[float, np.ndarray]:
        """By how many standard errors the rule is beaten, by the formula for a mean and not by samples."""
        forecast = flat + share * (truth - truth.mean()) + np.random.default_rng(8).normal(0, 0.12, len(event))
        gain = (flat - event) ** 2 - (forecast - event) ** 2
        return float(gain.mean() / (gain.std() / math.sqrt(len(event)))), forecast

    within, luck = beaten(0.32)
    beyond, gained = beaten(0.5)
    assert 1.0 < within < 1.7
    assert beyond > 3
    assert verdict(("luck", luck)).champion == BASELINE
    assert verdict(("luck", luck), ("gained", gained)).champion == "gained"


def test_a_better_score_does_not_make_up_for_a_worse_order() -> None:
    truth, event, silence = shop()
    codes = np.arange(len(event))
    # The rule has the right order on a wrong level; the other has the right level in no order.
    forecasts = [
        Forecast(0, BASELINE, codes, truth * 0.2, event, silence),
        Forecast(0, "level", codes, np.full(len(event), event.mean()), event, silence),
    ]
    found = judge(forecasts, seed=1)
    brier = {row.candidate: row.value for row in found.quality if row.metric == "brier" and row.origin == 0}
    assert brier["level"] < brier[BASELINE]
    assert found.champion == BASELINE


def test_of_equal_candidates_the_first_wins() -> None:
    truth, *_ = shop()
    assert verdict(("simple", truth), ("complicated", truth.copy())).champion == "simple"


def test_intervals_are_as_wide_as_theory_says() -> None:
    truth, event, _ = shop()
    row = next(row for row in verdict(("truth", truth)).quality if row.metric == "brier" and row.candidate == "truth")
    error = ((truth - event) ** 2).std() / math.sqrt(len(event))
    # From the 10th to the 90th percentile of a normal distribution are 2.563 standard deviations.
    assert row.high - row.low == pytest.approx(2.563 * error, rel=0.35)
    assert row.low < row.value < row.high


def test_the_errors_of_the_skill_are_those_of_the_delta_method() -> None:
    truth, event, _ = shop()
    skill = verdict(("truth", truth)).skill
    assert skill is not None
    rate = event.mean()
    of_mean = rate * (1 - rate)
    loss, of_rule = (truth - event) ** 2, (rate - event) ** 2
    assert skill.value == pytest.approx(1 - loss.mean() / of_mean, rel=1e-12)
    # The rule gives everybody the mean.
    assert skill.of_rule == pytest.approx(0, abs=1e-12)

    def error(losses: np.ndarray) -> float:
        """What each customer adds to a ratio of a mean to rate (1 - rate), in first order."""
        own = (losses - losses.mean()) / of_mean
        own -= losses.mean() * (1 - 2 * rate) * (event - rate) / of_mean**2
        return float(own.std() / math.sqrt(len(event)))

    # A hundred samples know a deviation to 7 per cent.
    assert skill.error == pytest.approx(error(loss), rel=0.2)
    assert skill.difference_error == pytest.approx(error(loss - of_rule), rel=0.2)


def test_where_all_did_the_same_there_is_no_skill() -> None:
    same = np.ones(10, dtype=bool)
    rule = Forecast(0, BASELINE, np.arange(10), np.full(10, 0.9), same, np.arange(10.0))
    assert judge([rule], seed=1).skill is None


def test_the_same_customers_on_three_days_are_not_three_times_as_many() -> None:
    truth, *_ = shop()

    def width(origins: int) -> float:
        rows = verdict(("truth", truth), origins=origins).quality
        row = next(r for r in rows if (r.metric, r.candidate, r.origin) == ("brier", "truth", ALL_ORIGINS))
        return row.high - row.low

    assert width(3) == pytest.approx(width(1))


def test_deciles_add_up() -> None:
    truth, event, _ = shop()
    rows = [row for row in verdict(("truth", truth)).deciles if row.candidate == "truth"]
    assert [row.decile for row in rows] == list(range(1, 11))
    assert sum(row.customers for row in rows) == len(event)
    assert sum(row.events for row in rows) == event.sum()
    assert rows[-1].capture == 1
    top = np.argsort(-truth)[:200]
    assert rows[0].rate == event[top].mean()
    assert rows[0].lift == pytest.approx(event[top].mean() / event.mean())
    assert rows[0].probability == pytest.approx(truth[top].mean())


def test_errors_of_an_alert_counted_by_hand() -> None:
    probability = np.array([0.9, 0.8, 0.5, 0.3, 0.1])
    event = np.array([True, False, True, False, False])
    at = {round(row.threshold, 2): row for row in errors(probability, event)}
    assert len(at) == 99
    assert at[0.5] == Errors(0.5, 3 / 5, 1 / 3, 0.0, 2 / 5)
    assert at[0.51] == Errors(0.51, 2 / 5, 1 / 3, 1 / 2, 2 / 5)
    assert errors(probability[:0], event[:0]) == ()


def test_the_cheapest_threshold_is_where_both_costs_are_equal() -> None:
    truth, event, _ = shop(20_000)
    curve = errors(truth, event)
    # For true probabilities: flag where p times the loss exceeds (1 - p) times the disturbance.
    for missed, disturbed in ((1, 1), (4, 1), (1, 3)):
        chosen = cheapest(curve, cost_missed=missed, cost_disturbed=disturbed)
        assert chosen.threshold == pytest.approx(disturbed / (missed + disturbed), abs=0.04)
    with pytest.raises(ValueError, match="nothing could be tested"):
        cheapest([], cost_missed=1, cost_disturbed=1)


def test_the_same_seed_gives_the_same_rows() -> None:
    truth, *_ = shop()
    assert verdict(("truth", truth)) == verdict(("truth", truth))
    assert verdict(("truth", truth)).quality != verdict(("truth", truth), seed=6).quality


def test_every_candidate_stands_on_every_origin() -> None:
    _, event, silence = shop()
    codes = np.arange(len(event))
    rule = Forecast(0, BASELINE, codes, np.full(len(event), 0.5), event, silence)
    with pytest.raises(ValueError, match="each candidate, 'gap' among them"):
        judge([rule._replace(candidate="other")], seed=1)
    with pytest.raises(ValueError, match="every origin"):
        judge([rule, rule._replace(origin=1), rule._replace(origin=1, candidate="other")], seed=1)
