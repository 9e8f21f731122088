"""How the parameters are found: gradients, units, weights, recovery, and data that cannot carry a model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from models import (
    BetaGeoBetaBinomial,
    BetaGeoNBD,
    GammaGamma,
    ModifiedBetaGeoCNBD,
    ModifiedBetaGeoNBD,
    ParetoNBD,
    ShiftedBetaGeometric,
    gamma_gamma,
)
from models.btyd import Estimator, group_rows, group_weighted
from models.buying import BuyingModel
from tests.models.slopes import central_differences

if TYPE_CHECKING:
    from tests.models.conftest import Customers

Floats = NDArray[np.float64]
Cohort = Callable[..., tuple[Floats, Floats, Floats]]

Counter = Callable[[], BuyingModel]
COUNTERS: list[Counter] = [BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD, partial(ModifiedBetaGeoCNBD, 3)]
FRACTIONAL_WEIGHTS: Floats = np.tile(np.array([0.5, 1.5, 2.5, 3.5]), 75)


def assert_finite(model: BuyingModel, x: Floats, last: Floats, age: Floats) -> None:
    assert np.isfinite(list(model.params_.values())).all()
    assert np.isfinite(model.log_likelihood_)
    for values in (
        model.log_likelihood(x, last, age),
        model.probability_alive(x, last, age),
        model.expected_purchases(365, x, last, age),
        model.expected_purchases_if_alive(365, x, last, age),
        model.probability_no_purchase(365, x, last, age),
        model.expected_purchases_new_customer([0, 1, 365]),
    ):
        assert np.isfinite(values).all()


@pytest.mark.parametrize("model", COUNTERS)
@pytest.mark.parametrize("theta", [[0.1, 0.7, -0.2, 0.9], [-1.4, 2.0, -3.0, 3.0], [2.0, -1.0, 1.5, -1.5]])
def test_gradient_of_purchases_equals_central_differences(model: Counter, theta: list[float], cohort: Cohort) -> None:
    x, last, age = cohort(np.random.default_rng(1), 300, r=0.8, alpha=6, a=0.9, b=1.6, flip_at_start=True)
    objective = model()._objective(x, last, age, FRACTIONAL_WEIGHTS)
    point = np.array(theta)
    assert objective(point)[1] == pytest.approx(central_differences(objective, point), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("theta", [[1.8, 1.0, 2.7], [-0.5, -2.0, 0.3], [4.0, 3.0, -1.0]])
def test_gradient_of_spend_equals_central_differences(theta: list[float]) -> None:
    random = np.random.default_rng(2)
    x, mean = random.integers(1, 20, 300).astype(float), random.gamma(2, 20, 300)
    objective = gamma_gamma._objective(x, mean, FRACTIONAL_WEIGHTS)
    point = np.array(theta)
    assert objective(point)[1] == pytest.approx(central_differences(objective, point), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("model", COUNTERS)
def test_objective_and_likelihood_of_rows_agree(model: Counter, cdnow: Customers) -> None:
    states = (cdnow.frequency, cdnow.recency, cdnow.T)
    fitted = model().fit(*states)
    objective = fitted._objective(*states, np.ones(len(cdnow.T)))
    mean = objective(np.log(list(fitted.params_.values())))[0]
    assert fitted.log_likelihood(*states).sum() == pytest.approx(fitted.log_likelihood_, rel=1e-12)
    assert -mean * len(cdnow.T) == pytest.approx(fitted.log_likelihood_, rel=1e-12)


@pytest.mark.parametrize("model", COUNTERS)
@pytest.mark.parametrize("factor", [7, 168, 1e-3])
def test_the_unit_of_time_does_not_matter(model: Counter, factor: float, cdnow: Customers) -> None:
    states = (cdnow.frequency, cdnow.recency, cdnow.T)
    scaled = (cdnow.frequency, cdnow.recency * factor, cdnow.T * factor)
    weeks, other = model().fit(*states), model().fit(*scaled)
    assert other.params_["alpha"] == pytest.approx(weeks.params_["alpha"] * factor, rel=1e-6)
    assert other.log_likelihood_ == pytest.approx(weeks.log_likelihood_ - 2457 * np.log(factor), abs=1e-6)
    assert other.standard_errors_["r"] == pytest.approx(weeks.standard_errors_["r"], rel=1e-4)
    assert other.covariance_ == pytest.approx(weeks.covariance_, rel=1e-3, abs=1e-8)
    expected = weeks.expected_purchases(39, *states)
    assert other.expected_purchases(39 * factor, *scaled) == pytest.approx(expected, rel=1e-6)
    silent = weeks.probability_no_purchase(39, *states)
    assert other.probability_no_purchase(39 * factor, *scaled) == pytest.approx(silent, rel=1e-6)


def test_the_unit_of_money_does_not_matter(cdnow: Customers) -> None:
    dollars = GammaGamma().fit(cdnow.frequency, cdnow.monetary_value)
    cents = GammaGamma().fit(cdnow.frequency, cdnow.monetary_value * 100)
    assert cents.params_["v"] == pytest.approx(dollars.params_["v"] * 100, rel=1e-6)
    spend = dollars.expected_average_spend(cdnow.frequency, cdnow.monetary_value)
    assert cents.expected_average_spend(cdnow.frequency, cdnow.monetary_value * 100) == pytest.approx(spend * 100)


@pytest.mark.parametrize("model", COUNTERS)
def test_weights_equal_exploded_rows_in_any_order(model: Counter, cohort: Cohort) -> None:
    random = np.random.default_rng(3)
    x, last, age = np.round(cohort(random, 300, r=0.8, alpha=6, a=0.9, b=1.6, flip_at_start=True))
    copies = random.integers(0, 4, 300)
    exploded = random.permutation(np.repeat(np.arange(300), copies))
    weighted = model().fit(x, last, age, weights=copies)
    plain = model().fit(x[exploded], last[exploded], age[exploded])
    assert weighted.params_ == plain.params_
    assert weighted.log_likelihood_ == plain.log_likelihood_
    assert weighted.standard_errors_ == plain.standard_errors_


def test_weights_of_spend_equal_exploded_rows(cdnow: Customers) -> None:
    copies = np.arange(len(cdnow.frequency)) % 3
    weighted = GammaGamma().fit(cdnow.frequency, cdnow.monetary_value, weights=copies)
    plain = GammaGamma().fit(np.repeat(cdnow.frequency, copies), np.repeat(cdnow.monetary_value, copies))
    assert weighted.params_ == plain.params_
    assert weighted.log_likelihood_ == plain.log_likelihood_


@pytest.mark.parametrize(("model", "flip_at_start"), [(BetaGeoNBD, False), (ModifiedBetaGeoNBD, True)])
def test_simulated_purchases_give_their_parameters_back(model: Counter, flip_at_start: bool, cohort: Cohort) -> None:
    truth = {"r": 0.6, "alpha": 6.0, "a": 0.9, "b": 2.0}
    histories = cohort(np.random.default_rng(4), 20_000, **truth, flip_at_start=flip_at_start)
    fitted = model().fit(*histories)
    assert fitted.status_ == "ok"
    for name, value in truth.items():
        assert abs(fitted.params_[name] - value) < 4 * fitted.standard_errors_[name] < value


def test_simulated_lives_that_end_at_any_moment_give_their_parameters_back(pareto_cohort: Cohort) -> None:
    truth = {"r": 0.6, "alpha": 6.0, "s": 0.8, "beta": 15.0}
    fitted = ParetoNBD().fit(*pareto_cohort(np.random.default_rng(4), 20_000, **truth))
    assert fitted.status_ == "ok"
    for name, value in truth.items():
        assert abs(fitted.params_[name] - value) < 4 * fitted.standard_errors_[name] < value


@pytest.mark.parametrize("model", COUNTERS)
def test_drawn_parameters_spread_like_their_estimates(model: Counter, cdnow: Customers) -> None:
    fitted = model().fit(cdnow.frequency, cdnow.recency, cdnow.T)
    drawn = fitted.drawn(4000, seed=1)
    logs = np.log([list(each.params_.values()) for each in drawn])
    relative = np.array(list(fitted.standard_errors_.values())) / list(fitted.params_.values())
    assert logs.mean(axis=0) == pytest.approx(np.log(list(fitted.params_.values())), abs=0.02)
    assert logs.std(axis=0) == pytest.approx(relative, rel=0.05)
    assert {each.status_ for each in drawn} == {"given"}
    assert fitted.drawn(5, seed=2)[3].params_ == fitted.drawn(5, seed=2)[3].params_


def test_parameters_that_are_given_do_not_spread() -> None:
    model = ParetoNBD.from_params(r=1, alpha=2, s=3, beta=4)
    assert model.drawn(1)[0].params_ == pytest.approx(model.params_, rel=1e-12)


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("with_gaps", [False, True])
def test_simulated_regular_purchases_give_their_parameters_and_regularity_back(
    k: int, with_gaps: bool, regular_cohort: Callable[..., tuple[Floats, Floats, Floats, float]]
) -> None:
    truth = {"r": 0.9, "alpha": 6.0 / k, "a": 0.9, "b": 3.0}
    *histories, log_gaps = regular_cohort(np.random.default_rng(17), 10_000, k=k, **truth)
    fitted = ModifiedBetaGeoCNBD().fit(*histories, log_gaps=log_gaps if with_gaps else None)
    assert (fitted.k_, fitted.status_) == (k, "ok")
    for name, value in truth.items():
        assert abs(fitted.params_[name] - value) < 4 * fitted.standard_errors_[name] < value


def test_one_stage_is_the_modified_model(cdnow: Customers) -> None:
    # BTYDplus also finds k = 1 on CDNOW.
    states = (cdnow.frequency, cdnow.recency, cdnow.T)
    regular, plain = ModifiedBetaGeoCNBD().fit(*states), ModifiedBetaGeoNBD().fit(*states)
    assert regular.k_ == 1
    assert regular.params_ == pytest.approx(plain.params_, rel=1e-9)
    assert regular.log_likelihood_ == pytest.approx(plain.log_likelihood_, rel=1e-12)
    assert regular.drawn(1, seed=3)[0].k_ == 1


def test_impossible_stages_and_gaps_are_refused() -> None:
    with pytest.raises(ValueError, match="k must be a whole number from 1 to 6, not 7"):
        ModifiedBetaGeoCNBD(7)
    with pytest.raises(ValueError, match="log_gaps must be a finite number"):
        ModifiedBetaGeoCNBD().fit([1], [1], [2], log_gaps=float("-inf"))


def test_simulated_spend_gives_its_parameters_back() -> None:
    random, truth = np.random.default_rng(5), {"p": 4.0, "q": 3.0, "v": 20.0}
    x = random.integers(1, 8, 20_000).astype(float)
    mean = random.gamma(truth["p"] * x) / random.gamma(truth["q"], 1 / truth["v"], 20_000) / x
    fitted = GammaGamma().fit(x, mean)
    assert fitted.status_ == "ok"
    for name, value in truth.items():
        assert abs(fitted.params_[name] - value) < 4 * fitted.standard_errors_[name] < value


@pytest.mark.parametrize("model", COUNTERS)
@pytest.mark.parametrize(
    ("x", "last", "age"),
    [
        ([], [], []),
        ([0], [0], [0]),
        ([0], [0], [30]),
        ([3000], [29], [30]),
        ([0] * 500, [0] * 500, list(range(500))),
        ([0, 1, 5] * 50, [0] * 150, [0] * 150),
        ([2] * 9 + [0] * 900, [5] * 9 + [0] * 900, [30] * 909),
    ],
    ids=[
        "nobody",
        "bought now",
        "one customer",
        "huge",
        "nobody came back",
        "no time passed",
        "nine came back",
    ],
)
def test_too_little_data_lead_to_the_prior_and_finite_predictions(
    model: Counter, x: list[float], last: list[float], age: list[float]
) -> None:
    fitted = model().fit(x, last, age)
    assert fitted.status_ == "too_few_repeaters"
    assert_finite(fitted, np.array([0.0, 3000.0]), np.array([0.0, 20.0]), np.array([0.0, 21.0]))
    if x:
        assert_finite(fitted, np.array(x, float), np.array(last, float), np.array(age, float))


@pytest.mark.parametrize("model", COUNTERS)
def test_rows_of_weight_zero_are_nobody(model: Counter) -> None:
    assert model().fit([1], [2], [3], weights=[0]).params_ == model().fit([], [], []).params_


@pytest.mark.parametrize("model", [BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD, ModifiedBetaGeoCNBD])
def test_customers_who_never_leave_are_reported(model: Counter) -> None:
    random = np.random.default_rng(6)
    age, rate = random.uniform(50, 100, 3000), random.gamma(3, 0.2, 3000)
    x = random.poisson(rate * age).astype(float)
    last = np.where(x > 0, age * random.random(3000) ** (1 / np.maximum(x, 1)), 0)
    fitted = model().fit(x, last, age)
    assert fitted.status_ == "boundary_no_dropout"
    assert fitted.probability_alive(x, last, age).mean() > 0.99
    assert_finite(fitted, x, last, age)


@pytest.mark.parametrize("model", COUNTERS)
def test_customers_who_all_buy_alike_are_reported(model: Counter) -> None:
    random = np.random.default_rng(7)
    x = random.poisson(4.0, 3000).astype(float)
    last = np.where(x > 0, 40 * random.random(3000) ** (1 / np.maximum(x, 1)), 0)
    # Everybody buys at one rate, and a fifth left at once after the last purchase of a half as long life.
    last[:600], age = last[:600] / 2, np.full(3000, 40.0)
    fitted = model().fit(x, last, age)
    assert fitted.status_ == "boundary_no_heterogeneity"
    assert_finite(fitted, x, last, age)


def test_constant_spend_is_reported() -> None:
    fitted = GammaGamma().fit(np.arange(1, 50), np.full(49, 9.99))
    assert fitted.status_ == "boundary_constant_spend"
    assert fitted.expected_average_spend([0, 3], [0, 9.99]) == pytest.approx([9.99, 9.99], rel=1e-3)


def test_spend_without_mean_is_reported_and_stays_finite() -> None:
    # Half a degree of freedom between customers: the mean of the population does not exist.
    random = np.random.default_rng(8)
    x = random.integers(1, 8, 2000).astype(float)
    fitted = GammaGamma().fit(x, random.gamma(4 * x) / random.gamma(0.5, 1, 2000) / x)
    assert fitted.status_ == "boundary_heavy_tail"
    assert fitted.params_["q"] > 1
    assert np.isfinite(fitted.expected_average_spend([0, 5], [0, 1e6])).all()


def test_too_few_spenders_lead_to_the_prior_around_their_mean() -> None:
    assert GammaGamma().fit([], []).expected_average_spend(0, 0) == pytest.approx([1.0])
    fitted = GammaGamma().fit([2, 3, 0], [50.0, 50.0, np.nan])
    assert fitted.status_ == "too_few_repeaters"
    assert fitted.expected_average_spend(0, np.nan) == pytest.approx([50.0], rel=0.3)


def test_customers_without_positive_repeat_spend_do_not_influence_the_fit(cdnow: Customers) -> None:
    plain = GammaGamma().fit(cdnow.frequency, cdnow.monetary_value)
    extended = GammaGamma().fit(
        np.concatenate([cdnow.frequency, [0, 4, 4]]),
        np.concatenate([cdnow.monetary_value, [77.0, 0.0, -12.0]]),
    )
    assert extended.params_ == plain.params_


def odd_cohort(number: int) -> tuple[NDArray[np.float64], ...]:
    """Histories and mean spend of customers of one of eight kinds, from 50 to 50,000, of any age and rate."""
    random = np.random.default_rng([9, number])
    customers = int(10 ** random.uniform(1.7, 3.4 if number % 20 else 4.7))
    age = random.uniform(0, 10 ** random.uniform(0, 3.5), customers)
    rate = random.gamma(10 ** random.uniform(-2, 1), 10 ** random.uniform(-1, 1), customers)
    x = random.poisson(rate).astype(float)
    kind = number % 8
    if kind == 0:
        x, age = x[:1], age[:1]
    elif kind == 1:
        x += 1
    elif kind == 2:
        x[0] = 3000
    elif kind == 3:
        age[:] = age[0]
    elif kind == 4:
        x[:] = 0
    elif kind == 5:
        age[:] = 0
    elif kind == 6:
        age = np.round(age)
    last = np.where(x > 0, age * random.beta(10 ** random.uniform(-1, 1.5), 1, len(x)), 0)
    return x, last, age, random.gamma(2, 10 ** random.uniform(-2, 4), len(x))


def assert_sound(number: int) -> None:
    """Every model has a status and finite predictions for everybody."""
    x, last, age, money = odd_cohort(number)
    for model in COUNTERS:
        fitted = model().fit(x, last, age)
        assert fitted.status_ not in ("not_converged", "given"), number
        assert_finite(fitted, x, last, age)
    spend = GammaGamma().fit(x, money)
    assert spend.status_ not in ("not_converged", "given"), number
    assert np.isfinite(spend.expected_average_spend(x, money)).all(), number
    periods, made = np.ceil(np.minimum(age, 60)), np.minimum(x, np.ceil(np.minimum(last, 60)))
    seasons = BetaGeoBetaBinomial().fit(made, np.where(made > 0, np.ceil(np.minimum(last, 60)), 0), periods)
    assert seasons.status_ not in ("not_converged", "given"), number
    contracts = ShiftedBetaGeometric().fit(np.minimum(x, 200) + 1, last < age)
    assert contracts.status_ not in ("not_converged", "given"), number
    assert np.isfinite(contracts.survival([0, 1, 24])).all(), number


@pytest.mark.parametrize("number", range(1, 17))
def test_odd_cohorts_end_certified_and_finite(number: int) -> None:
    assert_sound(number)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 1000, 50))
def test_a_thousand_odd_cohorts_end_certified_and_finite(first: int) -> None:
    for number in range(first, first + 50):
        assert_sound(number)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "flip_at_start"), [(BetaGeoNBD, False), (ModifiedBetaGeoNBD, True)])
def test_a_hundred_thousand_customers_give_their_parameters_back(
    model: Counter, flip_at_start: bool, cohort: Cohort
) -> None:
    truth = {"r": 0.6, "alpha": 6.0, "a": 0.9, "b": 2.0}
    assert_recovered(
        model().fit(*cohort(np.random.default_rng(31), 100_000, **truth, flip_at_start=flip_at_start)), truth
    )


@pytest.mark.slow
def test_a_hundred_thousand_customers_of_the_other_models_give_their_parameters_back(
    pareto_cohort: Cohort, regular_cohort: Callable[..., tuple[Floats, Floats, Floats, float]]
) -> None:
    random = np.random.default_rng(32)
    truth = {"r": 0.6, "alpha": 6.0, "s": 0.8, "beta": 15.0}
    assert_recovered(ParetoNBD().fit(*pareto_cohort(random, 100_000, **truth)), truth)
    truth = {"r": 0.9, "alpha": 2.0, "a": 0.9, "b": 3.0}
    *states, log_gaps = regular_cohort(random, 100_000, k=3, **truth)
    regular = ModifiedBetaGeoCNBD().fit(*states, log_gaps=log_gaps)
    assert regular.k_ == 3
    assert_recovered(regular, truth)
    truth = {"p": 4.0, "q": 3.0, "v": 20.0}
    x = random.integers(1, 8, 100_000).astype(float)
    mean = random.gamma(truth["p"] * x) / random.gamma(truth["q"], 1 / truth["v"], 100_000) / x
    assert_recovered(GammaGamma().fit(x, mean), truth)


def assert_recovered(fitted: Estimator, truth: dict[str, float]) -> None:
    """Within two standard errors, which are small."""
    assert fitted.status_ == "ok"
    for name, value in truth.items():
        assert abs(fitted.params_[name] - value) < 2 * fitted.standard_errors_[name] < value / 5


def test_grouping_finds_the_distinct_rows_of_numpy() -> None:
    random = np.random.default_rng(10)
    table = random.integers(0, 4, (500, 3)).astype(float)
    distinct, group = group_rows(*table.T)
    expected, inverse = np.unique(table, axis=0, return_inverse=True)
    assert np.stack(distinct, axis=1).tolist() == expected.tolist()
    assert group.tolist() == inverse.ravel().tolist()
    (only,), weight = group_weighted(np.array([2.0, 0.0, 3.0]), np.array([7.0, 8.0, 7.0]))
    assert (only.tolist(), weight.tolist()) == ([7.0], [5.0])
    assert all(earlier < later for earlier, later in pairwise(np.stack(distinct, axis=1).tolist()))
