"""Buying in fixed periods: the published donations, sums over all histories, recovery, and odd data.

Source: [FHS] Fader, Hardie & Shang (2010), Marketing Science 29(6), 1086-1108: 11,104 donors of 1995, seen for six
years. The data are those packaged in lifetimes.
"""

from __future__ import annotations

import warnings
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from models import BetaGeoBetaBinomial, bg_bb
from tests.models.slopes import central_differences

Floats = NDArray[np.float64]
TRUTH = {"alpha": 1.2, "beta": 0.75, "gamma": 0.66, "delta": 2.8}


@pytest.fixture(scope="module")
def donations() -> tuple[Floats, ...]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifetimes.datasets import load_dataset

        frame = load_dataset("donations.csv")
    return tuple(frame[name].to_numpy(np.float64) for name in ("frequency", "recency", "periods", "weights"))


def simulated(customers: int) -> tuple[Floats, Floats, Floats]:
    """Histories of 4 to 9 periods."""
    random = np.random.default_rng(1)
    chance, leaving = random.beta(1.2, 0.75, customers), random.beta(0.66, 2.8, customers)
    age = random.integers(4, 10, customers).astype(float)
    x, last, alive = np.zeros(customers), np.zeros(customers), np.ones(customers, dtype=bool)
    for period in range(1, 10):
        alive &= random.random(customers) >= leaving
        bought = alive & (random.random(customers) < chance) & (period <= age)
        x += bought
        last[bought] = period
    return x, last, age


def test_published_donors(donations: tuple[Floats, ...]) -> None:
    # [FHS]: 1.204, 0.750, 0.657, 2.783, -33,225.6.
    assert donations[3].sum() == 11_104
    fitted = BetaGeoBetaBinomial().fit(*donations)
    assert fitted.params_ == pytest.approx({"alpha": 1.204, "beta": 0.750, "gamma": 0.657, "delta": 2.783}, abs=6e-4)
    assert fitted.log_likelihood_ == pytest.approx(-33_225.6, abs=0.05)
    assert fitted.status_ == "ok"
    # [FHS]: purchases expected in the next five years, of (frequency, recency) (0, 0), (1, 1) and (6, 6).
    assert fitted.expected_purchases(5, [0, 1, 6], [0, 1, 6], [6] * 3) == pytest.approx([0.07, 0.09, 3.75], abs=0.005)


def test_probabilities_of_all_histories_sum_to_one() -> None:
    model = BetaGeoBetaBinomial.from_params(**TRUTH)
    found = {}
    for outcome in product((0, 1), repeat=7):
        last = max((period for period, bought in enumerate(outcome, 1) if bought), default=0)
        found[outcome] = float(np.exp(model.log_likelihood([sum(outcome)], [last], [7])[0]))
    assert sum(found.values()) == pytest.approx(1, abs=1e-12)
    # What four periods say of the next three is the ratio of such sums.
    past = (1, 0, 1, 0)
    futures = {outcome[4:]: chance for outcome, chance in found.items() if outcome[:4] == past}
    total = sum(futures.values())
    silent = model.probability_no_purchase(3, 2, 3, 4)[0]
    assert silent == pytest.approx(futures[0, 0, 0] / total, rel=1e-10)
    mean = sum(sum(outcome) * chance for outcome, chance in futures.items()) / total
    assert model.expected_purchases(3, 2, 3, 4)[0] == pytest.approx(mean, rel=1e-10)


@pytest.mark.parametrize("theta", [[0.1, 0.7, -0.2, 0.9], [-1.4, 2.0, -3.0, 3.0], [2.0, -1.0, 1.5, -1.5]])
def test_gradient_equals_central_differences(theta: list[float]) -> None:
    x, last, age = simulated(300)
    objective = bg_bb._objective(x, last, age, np.tile([0.5, 1.5, 2.5], 100))
    point = np.array(theta)
    assert objective(point)[1] == pytest.approx(central_differences(objective, point), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("customers", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_simulated_periods_give_their_parameters_back(customers: int) -> None:
    fitted = BetaGeoBetaBinomial().fit(*simulated(customers))
    assert fitted.status_ == "ok"
    for name, value in TRUTH.items():
        assert abs(fitted.params_[name] - value) < 2 * fitted.standard_errors_[name] < value / 2


def test_weights_equal_exploded_rows() -> None:
    states = simulated(400)
    copies = np.arange(400) % 3
    weighted = BetaGeoBetaBinomial().fit(*states, weights=copies)
    plain = BetaGeoBetaBinomial().fit(*(np.repeat(column, copies) for column in states))
    assert weighted.params_ == plain.params_
    assert weighted.log_likelihood_ == plain.log_likelihood_


@pytest.mark.parametrize(
    ("x", "last", "age"),
    [
        ([], [], []),
        ([0], [0], [0]),
        ([0] * 60, [0] * 60, [12] * 60),
        ([12] * 60, [12] * 60, [12] * 60),
        ([1, 3, 0] * 20, [1, 4, 0] * 20, [1, 520, 520] * 20),
        ([1] * 60, [1] * 60, [9] * 60),
    ],
    ids=["nobody", "bought now", "nobody came back", "all always", "ten years of weeks", "all once"],
)
def test_odd_periods_have_a_status_and_finite_predictions(x: list[int], last: list[int], age: list[int]) -> None:
    fitted = BetaGeoBetaBinomial().fit(x, last, age)
    assert fitted.status_ not in ("not_converged", "given")
    for states in ((x, last, age), ([0, 5], [0, 5], [300, 5])):
        for values in (
            fitted.probability_alive(*states),
            fitted.probability_no_purchase(12, *states),
            fitted.expected_purchases(12, *states) / 12,
        ):
            assert ((values >= 0) & (values <= 1)).all()


def test_silence_lowers_life_and_raises_the_chance_of_no_purchase() -> None:
    model = BetaGeoBetaBinomial.from_params(**TRUTH)
    age = np.arange(3, 60)
    states = np.full(57, 2), np.full(57, 3), age
    assert (np.diff(model.probability_alive(*states)) < 0).all()
    assert (np.diff(model.probability_no_purchase(6, *states)) > 0).all()


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("recency must be a whole number", ([1], [1.5], [3])),
        ("T must be a whole number", ([1], [1], [3.5])),
        ("frequency must not exceed recency", ([3], [2], [4])),
    ],
)
def test_impossible_periods_are_refused(name: str, states: tuple[list[float], ...]) -> None:
    with pytest.raises(ValueError, match=name):
        BetaGeoBetaBinomial().fit(*states)
