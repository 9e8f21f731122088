"""What customers are worth: against integrals, against futures that were played, and by what must always hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.integrate import quad

from models import BetaGeoNBD, GammaGamma, ModifiedBetaGeoCNBD, ModifiedBetaGeoNBD, ParetoNBD
from models.buying import BuyingModel
from models.value import HORIZONS, discounted_orders, portfolio, value_states

if TYPE_CHECKING:
    from tests.models.conftest import Customers

Floats = NDArray[np.float64]
SPEND = GammaGamma.from_params(p=6.25, q=3.74, v=15.44)
# The estimates on CDNOW, in days.
MODELS: list[BuyingModel] = [
    BetaGeoNBD.from_params(r=0.2426, alpha=30.895, a=0.7929, b=2.4259),
    ModifiedBetaGeoNBD.from_params(r=0.5248, alpha=43.282, a=0.8914, b=1.614),
    ParetoNBD.from_params(r=0.5533, alpha=74.044, s=0.6062, beta=81.679),
    ModifiedBetaGeoCNBD.from_params(r=0.5248, alpha=21.6, a=0.8914, b=1.614, k=2),
]
every_model = pytest.mark.parametrize("model", MODELS, ids=["bg", "mbg", "pareto", "regular"])
STATES = ([0, 0, 1, 2, 7, 60], [0, 0, 30, 200, 250, 400], [10, 270, 90, 270, 270, 401])


# ------------------------------------------------------------------------------------------------ per history


@every_model
def test_discounted_orders_are_the_integral_over_the_days(model: BuyingModel) -> None:
    found = value_states(model, SPEND, *STATES, discount_rate_year=0.2)
    assert found.horizons == HORIZONS
    reached = np.array([model.expected_purchases(day, *STATES) for day in range(366)])
    discounted = np.cumsum(np.diff(reached, axis=0) * 1.2 ** (-(np.arange(365)[:, None] + 0.5) / 365), axis=0)
    for column, horizon in enumerate((30, 90, 180, 365)):
        assert found.expected_orders[:, column] == pytest.approx(reached[horizon], rel=1e-9, abs=1e-14)
        assert found.discounted_orders[:, column] == pytest.approx(discounted[horizon - 1], rel=2e-4, abs=1e-12)
    assert found.expected_orders[:, 4] == pytest.approx(model.expected_purchases(730, *STATES), rel=1e-9)
    alone = discounted_orders(model, *STATES, discount_rate_year=0.2, horizons=HORIZONS)
    assert (alone == found.discounted_orders).all()
    undiscounted = value_states(model, SPEND, *STATES, discount_rate_year=0)
    assert undiscounted.discounted_orders == pytest.approx(undiscounted.expected_orders, rel=1e-12, abs=1e-14)


@every_model
def test_value_if_alive_is_the_value_over_the_chance_to_be_alive(model: BuyingModel) -> None:
    found = value_states(model, SPEND, *STATES, discount_rate_year=0.1)
    alive = model.probability_alive(*STATES)
    assert found.discounted_orders_if_alive * alive[:, None] == pytest.approx(found.discounted_orders, rel=1e-12)


@every_model
def test_percentiles_are_those_of_many_draws_at_the_very_ages(model: BuyingModel) -> None:
    found = value_states(model, SPEND, *STATES, discount_rate_year=0, horizons=(90, 365), draws=20_000)
    for column, horizon in enumerate(found.horizons):
        exact = model.spend_ratio_quantiles(horizon, *STATES, spend=SPEND, draws=100_000)
        assert found.spend_ratio_low[:, column] == pytest.approx(exact[:, 0], rel=0.06, abs=0.02)
        assert found.spend_ratio_high[:, column] == pytest.approx(exact[:, 1], rel=0.06, abs=0.02)


def test_discounts_shorten_the_percentiles_too() -> None:
    plain, dear = (value_states(MODELS[1], SPEND, *STATES, discount_rate_year=rate) for rate in (0, 0.5))
    assert (dear.spend_ratio_high <= plain.spend_ratio_high).all()
    # A year at 50 per cent, from its middle on average.
    assert dear.spend_ratio_high[-1, 3] == pytest.approx(plain.spend_ratio_high[-1, 3] * 1.5**-0.5, rel=0.03)


def test_rows_are_independent_of_their_order_and_number() -> None:
    random = np.random.default_rng(1)
    age = np.round(random.uniform(1, 700, 300))
    x = np.minimum(random.poisson(2, 300), age)
    last = np.where(x > 0, np.maximum(np.round(age * random.random(300)), 1), 0)
    order = random.permutation(300)
    whole = value_states(MODELS[1], SPEND, x, last, age, discount_rate_year=0.08)
    shuffled = value_states(MODELS[1], SPEND, x[order], last[order], age[order], discount_rate_year=0.08)
    assert (shuffled.spend_ratio_high == whole.spend_ratio_high[order]).all()
    assert (shuffled.next_order_days == whole.next_order_days[order]).all()
    again = value_states(MODELS[1], SPEND, x, last, age, discount_rate_year=0.08, seed=1)
    assert (again.spend_ratio_high != whole.spend_ratio_high).any()


parameter = st.floats(1e-3, 1e3)


@settings(max_examples=40, deadline=None)
@given(
    number=st.integers(0, 3),
    values=st.tuples(parameter, parameter, parameter, parameter),
    rate=st.floats(0, 3),
    rows=st.lists(st.tuples(st.integers(0, 3000), st.floats(0, 1), st.floats(0, 1e4)), min_size=1, max_size=6),
)
def test_figures_are_finite_and_grow_with_the_horizon(
    number: int, values: tuple[float, ...], rate: float, rows: list[tuple[int, float, float]]
) -> None:
    kind = (BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD, ModifiedBetaGeoCNBD)[number]
    model = kind.from_params(**dict(zip(kind._NAMES, values, strict=True)), **({"k": 3} if number == 3 else {}))
    x, share, age = np.array(rows, dtype=float).T
    last = np.where(x > 0, np.minimum(share * age, age), 0)
    found = value_states(model, SPEND, x, last, age, discount_rate_year=rate, draws=20)
    for name in ("expected_orders", "discounted_orders", "discounted_orders_if_alive", "spend_ratio_low",
                 "spend_ratio_high", "usual_gap_days", "next_order_days"):  # fmt: skip
        figures = getattr(found, name)
        assert np.isfinite(figures).all(), name
        assert (figures >= 0).all(), name
        assert (np.diff(figures, axis=1) >= 0).all(), name
    assert (found.spend_ratio_low <= found.spend_ratio_high).all()
    assert (found.discounted_orders <= found.expected_orders * (1 + 1e-9) + 1e-12).all()
    assert (found.days_overdue >= 0).all()
    assert (found.days_overdue <= age - last).all()


@pytest.mark.parametrize("model", MODELS[1:], ids=["mbg", "pareto", "regular"])
def test_two_orders_are_worth_more_than_one_unless_silence_says_otherwise(model: BuyingModel) -> None:
    """For equal silence, up to twice the gap between the two. Not so in the BG/NBD: its one-time buyers never leave.

    The second order must not have been late itself: right after it, the rate (r + 1) / (alpha + gap) exceeds the
    r / alpha of a new customer only where gap <= alpha / r. Of k stages, a gap takes k times as long.
    """
    gap, silence = (each.ravel() for each in np.meshgrid(np.geomspace(1, 300, 15), np.linspace(0, 2, 21)))
    silence = silence * gap
    stages = model.k_ if isinstance(model, ModifiedBetaGeoCNBD) else 1
    in_time = gap <= stages * model.params_["alpha"] / model.params_["r"]
    assert in_time.mean() > 0.7
    one = value_states(model, SPEND, 0 * gap, 0 * gap, silence, discount_rate_year=0.08, draws=2)
    two = value_states(model, SPEND, 0 * gap + 1, gap, gap + silence, discount_rate_year=0.08, draws=2)
    assert (one.discounted_orders <= two.discounted_orders)[in_time].all()


def test_after_a_day_and_long_silence_two_orders_are_worth_less_than_one() -> None:
    # Whoever bought on two days running and then fell silent for 39 weeks has gone more surely.
    one = value_states(MODELS[1], SPEND, 0, 0, 273, discount_rate_year=0.08).discounted_orders
    two = value_states(MODELS[1], SPEND, 1, 1, 274, discount_rate_year=0.08).discounted_orders
    assert (two < one).all()


# ---------------------------------------------------------------------------------------------- the next order


def test_the_usual_gap_by_hand() -> None:
    # P(gap > g) = ((alpha + t_x) / (alpha + t_x + g))^(r + x): here (40 / (40 + g))^2, which is a half at 40 (√2 - 1).
    model = ModifiedBetaGeoNBD.from_params(r=1, alpha=10, a=1, b=1)
    found = value_states(model, SPEND, [1, 1], [30, 30], [35, 90], discount_rate_year=0)
    quantiles = [40 * ((1 - level) ** -0.5 - 1) for level in (0.1, 0.5, 0.9)]
    assert found.usual_gap_days == pytest.approx(np.array([quantiles] * 2), rel=1e-4)
    assert found.days_overdue == pytest.approx([0, 60 - 40 * (2**0.5 - 1)], rel=1e-4)
    # From today: (45 / (45 + g))^2 and (100 / (100 + g))^2.
    assert found.next_order_days[:, 1] == pytest.approx(np.array([45, 100]) * (2**0.5 - 1), rel=1e-4)


@every_model
def test_a_share_of_those_who_buy_again_has_bought_by_the_quantile(model: BuyingModel) -> None:
    # For the Pareto/NBD the chance to buy at all is below one even for the living.
    ever = 1 - model.probability_no_purchase(1e9, 3, 90, 140)[0]
    for level in (0.1, 0.5, 0.9):
        until = float(model.time_to_next_purchase(level, 3, 90, 140)[0])
        bought = 1 - model.probability_no_purchase(until, 3, 90, 140)[0]
        assert bought / ever == pytest.approx(level, abs=2e-4)


def test_the_chance_to_buy_again_of_the_pareto_nbd_is_an_integral_over_the_next_purchase() -> None:
    model = MODELS[2]
    r, alpha, s, beta = model._values()
    rate, leave, shape = alpha + 140, beta + 140, r + 3
    density = quad(lambda u: shape / rate * (1 + u / rate) ** (-shape - 1) * (1 + u / leave) ** -s, 0, 300)[0]
    alive = model.probability_alive(3, 90, 140)[0]
    assert 1 - model.probability_no_purchase(300, 3, 90, 140)[0] == pytest.approx(alive * density, rel=1e-9)


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("horizons must ascend", {"horizons": (90, 30)}),
        ("horizons must ascend", {"horizons": (0, 30)}),
        ("discount_rate_year must", {"discount_rate_year": -0.1}),
    ],
)
def test_impossible_questions_are_refused(message: str, arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=message):
        value_states(MODELS[0], SPEND, *STATES, **{"discount_rate_year": 0.08, **arguments})
    with pytest.raises(ValueError, match="level must lie between"):
        MODELS[0].time_to_next_purchase(1.0, 1, 1, 2)


# --------------------------------------------------------------------------------------- futures that were played


class Played(NamedTuple):
    """Histories up to T, and the money spent in the 60 units after it."""

    frequency: Floats
    recency: Floats
    T: Floats
    monetary_value: Floats
    future: Floats


AHEAD = 60.0


def played(random: np.random.Generator, customers: int) -> Played:
    """Customers who may leave after every purchase, and whose purchases cost what a gamma of their own says."""
    age = random.uniform(10, 120, customers)
    rate, leaving = random.gamma(0.8, 1 / 12.0, customers), random.beta(0.8, 3, customers)
    now, last = np.zeros(customers), np.zeros(customers)
    before, after = np.zeros(customers), np.zeros(customers)
    alive = random.random(customers) >= leaving
    while alive.any():
        now[alive] += random.exponential(1 / rate[alive])
        alive &= now <= age + AHEAD
        past = alive & (now <= age)
        before += past
        last[past] = now[past]
        after += alive & (now > age)
        alive &= random.random(customers) >= leaving
    money = random.gamma(4, 1 / 60, customers)
    mean = np.divide(random.standard_gamma(5 * before) / money, before, out=np.zeros(customers), where=before > 0)
    return Played(before, last, age, mean, random.standard_gamma(5 * after) / money)


def covered(low: Floats, high: Floats, silent: Floats, spent: Floats, random: np.random.Generator) -> float:
    """Share of customers whose randomised PIT lies between the two levels.

    Who spends nothing is anywhere below the probability of it, with equal chance; among those who spend, low and high
    are plain quantiles.
    """
    place = random.random(len(spent)) * silent
    inside = np.where(spent > 0, (low <= spent) & (spent <= high), (place >= 0.1) & (place <= 0.9))
    return float(inside.mean())


@pytest.mark.parametrize("seed", range(3))
def test_four_customers_of_five_spend_between_low_and_high(seed: int) -> None:
    random = np.random.default_rng([20, seed])
    cohort = played(random, 6000)
    when = ModifiedBetaGeoNBD().fit(*cohort[:3])
    spend = GammaGamma().fit(cohort.frequency, cohort.monetary_value)
    found = value_states(when, spend, *cohort[:3], discount_rate_year=0, horizons=(AHEAD,))
    unit = spend.expected_average_spend(cohort.frequency, cohort.monetary_value)
    silent = when.probability_no_purchase(AHEAD, *cohort[:3])
    low, high = found.spend_ratio_low[:, 0] * unit, found.spend_ratio_high[:, 0] * unit
    assert 0.78 < covered(low, high, silent, cohort.future, random) < 0.82
    often = cohort.frequency > 3
    assert 0.75 < covered(low[often], high[often], silent[often], cohort.future[often], random) < 0.85


@pytest.mark.parametrize("model", [BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD])
def test_four_customers_of_five_of_cdnow_spend_between_low_and_high(model: type[BuyingModel], cdnow: Customers) -> None:
    states = (cdnow.frequency, cdnow.recency * 7, cdnow.T * 7)
    when, spend = model().fit(*states), GammaGamma().fit(cdnow.frequency, cdnow.monetary_value)
    found = value_states(when, spend, *states, discount_rate_year=0, horizons=(273,))
    unit = spend.expected_average_spend(cdnow.frequency, cdnow.monetary_value)
    low, high = found.spend_ratio_low[:, 0] * unit, found.spend_ratio_high[:, 0] * unit
    silent = when.probability_no_purchase(273, *states)
    assert 0.75 < covered(low, high, silent, cdnow.future_spend, np.random.default_rng(24)) < 0.85


def in_portfolio(random: np.random.Generator, customers: int) -> bool:
    cohort = played(random, customers)
    when = ModifiedBetaGeoNBD().fit(*cohort[:3])
    spend = GammaGamma().fit(cohort.frequency, cohort.monetary_value)
    total = portfolio(when, spend, *cohort[:4], discount_rate_year=0, horizons=(AHEAD,))
    return bool(total.low[0] <= cohort.future.sum() <= total.high[0])


@pytest.mark.slow
def test_totals_lie_in_their_interval_as_often_as_they_should() -> None:
    hits = [
        in_portfolio(np.random.default_rng([21, number]), (300, 1000, 3000, 12_000)[number % 4])
        for number in range(200)
    ]
    # Four of five, give or take two and a half standard deviations.
    assert 0.73 < np.mean(hits) < 0.87


def test_the_interval_of_a_total_holds_chance_and_what_the_parameters_leave_open() -> None:
    cohort = played(np.random.default_rng(22), 2000)
    when = ModifiedBetaGeoNBD().fit(*cohort[:3])
    spend = GammaGamma().fit(cohort.frequency, cohort.monetary_value)
    known = ModifiedBetaGeoNBD.from_params(**when.params_), GammaGamma.from_params(**spend.params_)
    both = portfolio(when, spend, *cohort[:4], discount_rate_year=0.08)
    chance = portfolio(*known, *cohort[:4], discount_rate_year=0.08)
    assert both.expected == pytest.approx(chance.expected)
    assert (both.low < both.expected).all()
    assert (both.expected < both.high).all()
    assert (both.high - both.low > 1.15 * (chance.high - chance.low))[-1]
    assert (np.diff(both.low) > 0).all()
    # Of independent customers alone, the spread is the root of the sum of squares: here of a known future of each.
    unit = spend.expected_average_spend(cohort.frequency, cohort.monetary_value)
    each = value_states(when, spend, *cohort[:3], discount_rate_year=0.08).discounted_orders * unit[:, None]
    assert each.sum(axis=0) == pytest.approx(both.expected, rel=1e-9)


def test_a_sample_stands_for_a_large_base() -> None:
    """Every history 40 times, more than are played one by one."""
    cohort = played(np.random.default_rng(23), 500)
    when = ModifiedBetaGeoNBD().fit(*cohort[:3])
    spend = GammaGamma().fit(cohort.frequency, cohort.monetary_value)
    known = ModifiedBetaGeoNBD.from_params(**when.params_), GammaGamma.from_params(**spend.params_)
    question = {"discount_rate_year": 0, "horizons": (AHEAD,), "draws": 500}
    chance = portfolio(*known, *cohort[:4], **question)
    of_many = portfolio(*known, *cohort[:4], **question, weights=np.full(500, 40))
    with_parameters = portfolio(when, spend, *cohort[:4], **question, weights=np.full(500, 40))
    assert of_many.expected == pytest.approx(40 * chance.expected)
    # Chance grows with the root of the number, what the parameters leave open with the number.
    assert (of_many.high - of_many.low)[0] / (chance.high - chance.low)[0] == pytest.approx(40**0.5, rel=0.15)
    assert (with_parameters.high - with_parameters.low)[0] > 2 * (of_many.high - of_many.low)[0]


def test_totals_of_nobody_are_zero_and_margins_scale_them() -> None:
    nobody = portfolio(MODELS[1], SPEND, [], [], [], [], discount_rate_year=0.1)
    assert nobody.expected.tolist() == nobody.low.tolist() == nobody.high.tolist() == [0] * 5
    states, mean = ([0, 2, 9], [0, 80, 300], [30, 100, 320]), [0, 30, 20]
    full = portfolio(MODELS[1], SPEND, *states, mean, discount_rate_year=0.1)
    third = portfolio(MODELS[1], SPEND, *states, mean, discount_rate_year=0.1, margin_rates=[1 / 3] * 3)
    assert third.high == pytest.approx(full.high / 3)
    assert (full.low <= full.expected).all()
