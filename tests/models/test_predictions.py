"""What the models predict, against simulation, integrals and limits, and for every legal argument."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import hyp2f1
from scipy.stats import beta as beta_distribution

from models import BetaGeoNBD, GammaGamma, ModifiedBetaGeoCNBD, ModifiedBetaGeoNBD, ParetoNBD
from models.beta_geometric import mean_purchases
from models.buying import BuyingModel

Floats = NDArray[np.float64]
Live = Callable[..., tuple[Floats, Floats]]
Cohort = Callable[..., tuple[Floats, Floats, Floats]]
Model = BuyingModel
TRUTH = {"r": 0.6, "alpha": 6.0, "a": 0.9, "b": 2.0}
PARETO_TRUTH = {"r": 0.6, "alpha": 6.0, "s": 0.8, "beta": 15.0}
MODELS: list[Model] = [
    BetaGeoNBD.from_params(**TRUTH),
    ModifiedBetaGeoNBD.from_params(**TRUTH),
    ParetoNBD.from_params(**PARETO_TRUTH),
    ModifiedBetaGeoCNBD.from_params(**TRUTH, k=3),
]
SPEND = GammaGamma.from_params(p=4.0, q=3.0, v=20.0)
every_model = pytest.mark.parametrize("model", MODELS, ids=["bg", "mbg", "pareto", "regular"])

parameter = st.floats(1e-4, 1e4)
history = st.tuples(st.integers(0, 5000), st.floats(0, 1), st.floats(0, 1e5))


def posterior_futures(live: Live, model: Model, x: float, last: float, age: float, t: float, customers: int) -> Floats:
    """Simulate purchases in (T, T+t] of customers with a given history, by weighting draws from the prior.

    Buying rate and dropout come from the prior, their weight is the likelihood of the history given both;
    whether the customer is alive follows from Bayes' rule. Nothing of the models' posterior algebra is used.
    """
    random = np.random.default_rng(11)
    rate = random.gamma(TRUTH["r"], 1 / TRUTH["alpha"], customers)
    if isinstance(model, ParetoNBD):
        death = random.exponential(1 / random.gamma(PARETO_TRUTH["s"], 1 / PARETO_TRUTH["beta"], customers))
        # A life that ends before the last purchase is impossible; purchases stop at its end.
        weight = np.where(death > last, rate**x * np.exp(-rate * np.minimum(death, age)), 0)
        chosen = random.choice(customers, customers, p=weight / weight.sum())
        left = np.clip(death[chosen] - age, 0, t)
        return live(random, rate[chosen], np.zeros(customers), left, flip_at_start=False)[0]
    leaving = random.beta(TRUTH["a"], TRUTH["b"], customers)
    if isinstance(model, ModifiedBetaGeoCNBD):
        # Up to the last purchase by weight; from there on lives go on, and those silent up to T are kept.
        weight = rate ** (model.k_ * x) * (1 - leaving) ** x * np.exp(-rate * last)
        chosen = random.choice(customers, customers, p=weight / weight.sum())
        rate, leaving = rate[chosen], leaving[chosen]
        alive = random.random(customers) >= leaving
        moment = random.gamma(model.k_, 1 / rate)
        kept = ~alive | (moment > age - last)
        bought = np.zeros(customers)
        while alive.any():
            alive &= moment <= age - last + t
            bought[alive] += 1
            alive &= random.random(customers) >= leaving
            moment += random.gamma(model.k_, 1 / rate)
        return bought[kept]
    flips = x + (1 if isinstance(model, ModifiedBetaGeoNBD) else 0)
    survived = rate**x * (1 - leaving) ** flips * np.exp(-rate * age)
    left = rate**x * leaving * (1 - leaving) ** max(flips - 1, 0) * np.exp(-rate * last) * (flips > 0)
    chosen = random.choice(customers, customers, p=(survived + left) / np.sum(survived + left))
    alive = random.random(customers) < (survived / (survived + left))[chosen]
    bought, _ = live(random, rate[chosen], leaving[chosen], np.full(customers, t), flip_at_start=False)
    return np.where(alive, bought, 0)


@every_model
@pytest.mark.parametrize(("x", "last", "age"), [(0, 0, 10), (1, 4, 12), (4, 20, 26), (3, 6, 30)])
def test_predictions_equal_simulated_futures(live: Live, model: Model, x: float, last: float, age: float) -> None:
    futures = posterior_futures(live, model, x, last, age, t=15, customers=200_000)
    # Importance sampling thins the draws: about one per cent is left as noise.
    assert model.probability_no_purchase(15, x, last, age)[0] == pytest.approx(np.mean(futures == 0), abs=0.01)
    assert model.expected_purchases(15, x, last, age)[0] == pytest.approx(futures.mean(), rel=0.04, abs=0.01)


@every_model
def test_new_customers_buy_as_simulated(live: Live, model: Model) -> None:
    random, customers = np.random.default_rng(12), 200_000
    rate = random.gamma(TRUTH["r"], 1 / TRUTH["alpha"], customers)
    leaving, until = random.beta(TRUTH["a"], TRUTH["b"], customers), np.full(customers, 25.0)
    if isinstance(model, ParetoNBD):
        leaving = np.zeros(customers)
        until = np.minimum(
            25, random.exponential(1 / random.gamma(PARETO_TRUTH["s"], 1 / PARETO_TRUTH["beta"], customers))
        )
    if isinstance(model, ModifiedBetaGeoCNBD):
        bought = posterior_futures(live, model, 0, 0, 0, 25, customers)
    else:
        bought, _ = live(random, rate, leaving, until, flip_at_start=isinstance(model, ModifiedBetaGeoNBD))
    assert model.expected_purchases_new_customer(25) == pytest.approx([bought.mean()], rel=0.01)
    shares = [np.mean(bought == n) for n in range(6)]
    assert model.probability_of_n_purchases(range(6), 25) == pytest.approx(shares, abs=0.004)


@every_model
def test_probabilities_of_n_purchases_sum_to_one_and_have_the_expected_mean(model: Model) -> None:
    n = np.arange(400)
    probabilities = model.probability_of_n_purchases(n, 25)
    assert probabilities.sum() == pytest.approx(1, abs=1e-9)
    assert np.sum(n * probabilities) == pytest.approx(model.expected_purchases_new_customer(25)[0], rel=1e-8)


@every_model
def test_probability_of_no_purchase_of_a_new_customer_is_that_of_zero_purchases(model: Model) -> None:
    silent = model.probability_no_purchase(25, 0, 0, 0)
    assert silent == pytest.approx(model.probability_of_n_purchases(0, 25), abs=1e-12)


@every_model
def test_likelihood_sums_the_histories_of_one_purchase(model: Model) -> None:
    # Over every moment at which a single repeat purchase may fall, the density adds up to the probability
    # of one.
    total = quad(lambda moment: float(np.exp(model.log_likelihood(1, moment, 20.0)[0])), 0, 20)[0]
    assert total == pytest.approx(model.probability_of_n_purchases(1, 20)[0], rel=1e-8)


def test_leaving_at_any_moment_equals_the_published_hypergeometric_form() -> None:
    # Fader & Hardie (2005), note 009, eq. 20-22, for alpha at least beta, where it does not overflow.
    random = np.random.default_rng(16)
    r, s, x, age = random.uniform(0.2, 3, 300), random.uniform(0.2, 3, 300), random.integers(0, 20, 300), 30.0
    alpha, last = random.uniform(10, 20, 300), np.where(x > 0, random.uniform(0, age, 300), 0)
    beta = alpha * random.uniform(0.3, 1, 300)

    def term(y: Floats) -> Floats:
        ratio = (alpha - beta) / (alpha + y)
        return np.asarray(hyp2f1(r + s + x, s + 1, r + s + x + 1, ratio) / (alpha + y) ** (r + s + x))

    odds = s / (r + s + x) * (alpha + age) ** (r + x) * (beta + age) ** s * (term(last) - term(np.full(300, age)))
    alive = [
        ParetoNBD.from_params(r=a, alpha=b, s=c, beta=d).probability_alive(n, y, age)[0]
        for a, b, c, d, n, y in zip(r, alpha, s, beta, x, last, strict=True)
    ]
    assert alive == pytest.approx(1 / (1 + odds), rel=1e-8)


@pytest.mark.parametrize("t", [0.1, 15, 365, 3000])
def test_one_stage_predicts_what_the_modified_model_predicts(t: float) -> None:
    x, last, age = [0, 1, 4, 40, 400, 3000], [0, 3, 20, 20, 30, 20], [5, 5, 26, 26, 31, 21]
    modified, regular = MODELS[1], ModifiedBetaGeoCNBD.from_params(**TRUTH, k=1)
    # Sums of thousands of chances against one integral.
    expected = modified.expected_purchases_if_alive(t, x, last, age)
    assert regular.expected_purchases_if_alive(t, x, last, age) == pytest.approx(expected, rel=2e-8)
    silent = modified.probability_no_purchase(t, x, last, age)
    assert regular.probability_no_purchase(t, x, last, age) == pytest.approx(silent, abs=1e-12)


def test_a_regular_customer_is_missed_sooner_than_a_random_one() -> None:
    # Ten purchases a week apart, then three weeks of silence.
    alive = [
        ModifiedBetaGeoCNBD.from_params(**TRUTH | {"alpha": 6.0 / k}, k=k).probability_alive(10, 70, 91)[0]
        for k in (1, 2, 4, 6)
    ]
    assert (np.diff(alive) < 0).all()


def test_expected_purchases_are_smooth_where_the_published_form_divides_by_zero() -> None:
    below, at, above = (
        ParetoNBD.from_params(r=1, alpha=9, s=s, beta=12).expected_purchases(50, 3, 20, 25)[0]
        for s in (1 - 1e-7, 1, 1 + 1e-7)
    )
    assert below == pytest.approx(at, rel=1e-6)
    assert above == pytest.approx(at, rel=1e-6)


@pytest.mark.parametrize("shape", [0.05, 0.6, 12.0, 3000.0])
@pytest.mark.parametrize("horizon", [1e-3, 0.5, 30.0])
@pytest.mark.parametrize(("a", "b"), [(1.0, 2.4), (0.8, 2.4), (1.5, 40.0), (5.0, 3.0)])
def test_mean_purchases_equal_an_adaptive_integral(shape: float, horizon: float, a: float, b: float) -> None:
    def bought(p: float) -> float:
        return float(-np.expm1(-shape * np.log1p(p * horizon)) / p * beta_distribution.pdf(p, a, b))

    edges = [0.0, *np.geomspace(1e-9, 1, 19)]
    pieces = [quad(bought, low, high, epsabs=0, epsrel=1e-10)[0] for low, high in pairwise(edges)]
    mean = mean_purchases(np.array([shape]), np.array([horizon]), a, np.array([b]))
    assert mean == pytest.approx([sum(pieces)], rel=1e-6)


def test_mean_purchases_equal_the_published_hypergeometric_form() -> None:
    random = np.random.default_rng(13)
    r, t, b = random.uniform(0.1, 20, 200), random.uniform(0.05, 3, 200), random.uniform(1, 30, 200)
    a = 0.7929
    published = (a + b - 1) / (a - 1) * (1 - (1 + t) ** -r * hyp2f1(r, b, a + b - 1, t / (1 + t)))
    assert mean_purchases(r, t, a, b) == pytest.approx(published, rel=1e-9)


def test_mean_purchases_at_the_limits_of_dropout() -> None:
    shape, horizon = np.array([2.5]), np.array([4.0])
    without = mean_purchases(shape, horizon, 1e-9, np.array([5.0]))
    certain = mean_purchases(shape, horizon, 5.0, np.array([1e-9]))
    assert without == pytest.approx([10.0], rel=1e-7)
    assert certain == pytest.approx([1 - 5.0**-2.5], rel=1e-7)


@every_model
def test_expected_purchases_grow_with_the_horizon(model: Model) -> None:
    expected = [model.expected_purchases(t, [0, 3], [0, 8], [10, 10]) for t in (0, 1, 10, 100, 1000)]
    assert expected[0].tolist() == [0, 0]
    assert (np.diff(expected, axis=0) > 0).all()
    silent = [model.probability_no_purchase(t, [0, 3], [0, 8], [10, 10]) for t in (0, 1, 10, 100, 1000)]
    assert silent[0].tolist() == [1, 1]
    assert (np.diff(silent, axis=0) < 0).all()


def test_silence_lowers_life_of_one_time_buyers_in_all_but_the_bg_nbd() -> None:
    ages = np.arange(0.0, 200.0)
    plain, modified, pareto, regular = (model.probability_alive(np.zeros(200), np.zeros(200), ages) for model in MODELS)
    assert (np.diff(regular) < 0).all()
    assert (plain == 1).all()
    assert (np.diff(modified) < 0).all()
    assert modified[0] == pytest.approx(TRUTH["b"] / (TRUTH["a"] + TRUTH["b"]))
    assert (np.diff(pareto) < 0).all()
    assert pareto[0] == 1


@every_model
def test_expectation_if_alive_survives_where_life_underflows(model: Model) -> None:
    assert model.probability_alive(3000, 1, 1e6)[0] == 0
    assert model.expected_purchases(30, 3000, 1, 1e6)[0] == 0
    assert model.expected_purchases_if_alive(30, 3000, 1, 1e6)[0] > 0
    ratio = model.expected_purchases(30, 2, 5, 9) / model.probability_alive(2, 5, 9)
    assert model.expected_purchases_if_alive(30, 2, 5, 9) == pytest.approx(ratio, rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    model=st.sampled_from([BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD, ModifiedBetaGeoCNBD]),
    k=st.integers(1, 6),
    values=st.tuples(parameter, parameter, parameter, parameter),
    t=st.floats(0, 1e6),
    rows=st.lists(history, min_size=1, max_size=6),
)
def test_every_prediction_is_finite_and_in_range(
    model: Any, k: int, values: tuple[float, ...], t: float, rows: list[tuple[int, float, float]]
) -> None:
    stages = {"k": k} if model is ModifiedBetaGeoCNBD else {}
    fitted = model.from_params(**dict(zip(model._NAMES, values, strict=True)), **stages)
    x, share, age = np.array(rows, dtype=float).T
    last = np.where(x > 0, np.minimum(share * age, age), 0)
    alive, silent = fitted.probability_alive(x, last, age), fitted.probability_no_purchase(t, x, last, age)
    expected = fitted.expected_purchases(t, x, last, age)
    assert ((alive >= 0) & (alive <= 1) & (silent >= 0) & (silent <= 1)).all()
    assert np.isfinite(expected).all()
    assert (expected >= (1 - silent) * (1 - 1e-9) - 1e-12).all()
    assert np.isfinite(fitted.log_likelihood(x, last, age)).all()
    ratios = fitted.spend_ratio_quantiles(t, x, last, age, spend=SPEND, draws=20)
    assert np.isfinite(ratios).all()
    assert (ratios >= 0).all()


# ---------------------------------------------------------------------------------------- quantiles of spend


@every_model
def test_spend_quantiles_equal_simulated_spend(live: Live, model: Model) -> None:
    x, last, age, t, mean = 4.0, 20.0, 26.0, 40.0, 31.0
    futures = posterior_futures(live, model, x, last, age, t, customers=200_000)
    random, p, q, v = np.random.default_rng(14), *SPEND.parameters()
    nu = random.gamma(p * x + q, 1 / (v + x * mean), len(futures))
    spent = random.standard_gamma(p * futures) / nu
    levels = (0.5, 0.8, 0.9)
    ratios = model.spend_ratio_quantiles(t, x, last, age, spend=SPEND, quantiles=levels, draws=100_000)
    money = ratios[0] * SPEND.expected_average_spend(x, mean)
    assert money == pytest.approx(np.quantile(spent, levels), rel=0.05, abs=1.0)


@every_model
def test_spend_ratio_averages_to_the_expected_purchases(model: Model) -> None:
    levels = (np.arange(4000) + 0.5) / 4000
    ratios = model.spend_ratio_quantiles(30, 3, 8, 10, spend=SPEND, quantiles=levels.tolist(), draws=100_000)
    assert ratios.mean() == pytest.approx(model.expected_purchases(30, 3, 8, 10)[0], rel=0.02)


def test_spend_quantiles_follow_seed_and_history_not_the_order_of_rows(cohort: Cohort) -> None:
    model = MODELS[1]
    random = np.random.default_rng(15)
    states = np.round(cohort(random, 400, **TRUTH, flip_at_start=True))
    order = random.permutation(400)
    quantiles = model.spend_ratio_quantiles(30, *states, spend=SPEND)
    shuffled = model.spend_ratio_quantiles(30, *(column[order] for column in states), spend=SPEND)
    twice = model.spend_ratio_quantiles(30, *np.hstack([states, states]), spend=SPEND)
    frequent = states[0] > 1
    alone = model.spend_ratio_quantiles(30, *(column[frequent] for column in states), spend=SPEND)
    assert quantiles.shape == (400, 2)
    assert (quantiles[:, 0] <= quantiles[:, 1]).all()
    assert (shuffled == quantiles[order]).all()
    assert (twice[400:] == quantiles).all()
    assert (alone == quantiles[frequent]).all()
    assert (model.spend_ratio_quantiles(30, *states, spend=SPEND, seed=1) != quantiles).any()


def test_spend_quantiles_are_the_same_in_blocks_and_alone() -> None:
    # So many draws fill one block per age; every age but the first then has other random numbers than alone.
    x, age = np.zeros(3), np.array([1.0, 20.0, 90.0])
    together = MODELS[1].spend_ratio_quantiles(300, x, x, age, spend=SPEND, quantiles=(0.9,), draws=600_000)
    alone = [
        MODELS[1].spend_ratio_quantiles(300, 0, 0, one, spend=SPEND, quantiles=(0.9,), draws=600_000)[0] for one in age
    ]
    assert together == pytest.approx(np.array(alone), rel=0.02)


# -------------------------------------------------------------------------------------------------- spend


def test_expected_spend_lies_between_the_population_and_the_customer() -> None:
    population = SPEND.expected_average_spend(0, 0)[0]
    assert population == pytest.approx(4 * 20 / 2)
    x = np.array([1, 10, 100, 10_000])
    spend = SPEND.expected_average_spend(x, np.full(4, 100.0))
    assert (np.diff(spend) > 0).all()
    assert (spend > population).all()
    assert spend[-1] == pytest.approx(100, rel=1e-3)


def test_spend_that_says_nothing_gives_the_population_mean() -> None:
    spend = SPEND.expected_average_spend([0, 0, 3, 3], [np.nan, 80, 0, -5])
    assert spend == pytest.approx([40.0] * 4)


# ---------------------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("name", "x", "last", "age"),
    [
        ("frequency", [1, -1], [1, 1], [2, 2]),
        ("frequency", [1.5], [1], [2]),
        ("frequency", ["many"], [1], [2]),
        ("frequency", [[1]], [1], [2]),
        ("recency", [1], [float("nan")], [2]),
        ("recency", [1], [3], [2]),
        ("recency", [0], [1], [2]),
        ("T", [1], [1], [float("inf")]),
        ("same length", [1, 2], [1], [2]),
    ],
)
def test_impossible_histories_are_refused_by_name(name: str, x: list, last: list, age: list) -> None:
    with pytest.raises(ValueError, match=name):
        BetaGeoNBD().fit(x, last, age)
    with pytest.raises(ValueError, match=name):
        MODELS[1].expected_purchases(1, x, last, age)


@pytest.mark.parametrize("t", [-1, float("nan"), float("inf"), [1, 2]])
def test_impossible_horizons_are_refused(t: float) -> None:
    with pytest.raises(ValueError, match="t must"):
        MODELS[0].expected_purchases(t, 1, 1, 2)
    with pytest.raises(ValueError, match="t must"):
        MODELS[0].probability_no_purchase(t, 1, 1, 2)


@pytest.mark.parametrize("weights", [[-1.0], [float("nan")], [1.0, 1.0]])
def test_impossible_weights_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        BetaGeoNBD().fit([1], [1], [2], weights=weights)
    with pytest.raises(ValueError, match="weights"):
        GammaGamma().fit([1], [1], weights=weights)


def test_a_refusal_says_which_row() -> None:
    with pytest.raises(ValueError, match="recency must not exceed T: row 2 holds 9"):
        MODELS[0].probability_alive([1, 1, 1], [1, 2, 9], [5, 5, 5])


def test_impossible_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="alpha"):
        BetaGeoNBD.from_params(r=1, alpha=0, a=1, b=1)
    with pytest.raises(ValueError, match="q must exceed 1"):
        GammaGamma.from_params(p=6, q=1, v=15)
    with pytest.raises(ValueError, match="monetary_value"):
        GammaGamma().fit([1], [np.nan])


def test_impossible_quantiles_are_refused() -> None:
    with pytest.raises(ValueError, match="quantiles"):
        MODELS[0].spend_ratio_quantiles(1, 1, 1, 2, spend=SPEND, quantiles=(0.5, 1.0))
    with pytest.raises(ValueError, match="draws"):
        MODELS[0].spend_ratio_quantiles(1, 1, 1, 2, spend=SPEND, draws=1)


def test_a_model_without_parameters_says_so() -> None:
    with pytest.raises(RuntimeError, match="call fit"):
        BetaGeoNBD().probability_alive(1, 1, 2)
    with pytest.raises(RuntimeError, match="call fit"):
        GammaGamma().expected_average_spend(1, 1)


@every_model
def test_no_rows_give_no_predictions(model: Model) -> None:
    assert model.expected_purchases(1, [], [], []).shape == (0,)
    assert model.spend_ratio_quantiles(1, [], [], [], spend=SPEND).shape == (0, 2)
    assert SPEND.expected_average_spend([], []).shape == (0,)
