"""How long contracts last: published numbers, hand calculation, recovery, and data that cannot carry a model.

Sources: [FH] Fader & Hardie (2007), How to Project Customer Retention, Journal of Interactive Marketing 21(1), table 1
and appendix B. [KK] Kleinbaum & Klein, Survival Analysis, chapter 2, after Freireich et al. (1963).
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models import KaplanMeier, ShiftedBetaGeometric, contracts
from tests.models.slopes import central_differences

Floats = NDArray[np.float64]

#: Of a thousand customers, those left after each of seven years.
HIGH_END, REGULAR = [869, 743, 653, 593, 551, 517, 491], [631, 468, 382, 326, 289, 262, 241]
#: Weeks in remission under 6-MP, relapses first.
WEEKS, RELAPSED = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35], [1] * 9 + [0] * 12


def renewals(left: list[int]) -> tuple[list[int], list[int], Floats]:
    """Periods, losses and weights of a cohort of a thousand."""
    stock = np.array([1000.0, *left])
    years = len(left)
    return [*range(1, years + 1), years], [1] * years + [0], np.array([*-np.diff(stock), stock[-1]])


@pytest.mark.parametrize(
    ("left", "alpha", "beta", "log_likelihood"), [(HIGH_END, 0.668, 3.806, -1611.16), (REGULAR, 0.704, 1.182, -1680.27)]
)
def test_published_cohorts(left: list[int], alpha: float, beta: float, log_likelihood: float) -> None:
    # [FH]: the parameters; the likelihoods as recomputed from the formula there.
    fitted = ShiftedBetaGeometric().fit(*renewals(left))
    assert fitted.params_ == pytest.approx({"alpha": alpha, "beta": beta}, abs=5e-4)
    assert fitted.log_likelihood_ == pytest.approx(log_likelihood, abs=0.005)
    assert fitted.status_ == "ok"


def test_survival_by_hand() -> None:
    # r(t) = (beta + t - 1) / (alpha + beta + t - 1): with alpha 1 and beta 2 it is 2/3, 3/4, 4/5 …
    model = ShiftedBetaGeometric.from_params(alpha=1, beta=2)
    assert model.survival([0, 1, 2, 3]) == pytest.approx([1, 2 / 3, 2 / 4, 2 / 5])
    assert model.probability_renewed(1, [0, 1, 2]) == pytest.approx([2 / 3, 3 / 4, 4 / 5])
    assert model.probability_renewed([0, 1, 2], 1) == pytest.approx([1, 3 / 4, 3 / 5])
    assert model.discounted_renewals(2, [0, 1], 0.1) == pytest.approx(
        [2 / 3 / 1.1 + 1 / 2 / 1.21, 3 / 4 / 1.1 + 3 / 5 / 1.21]
    )


@pytest.mark.parametrize("theta", [[0.1, 0.7], [-2.0, 1.5], [2.0, -1.0]])
def test_gradient_equals_central_differences(theta: list[float]) -> None:
    periods, lost, weight = renewals(REGULAR)
    left = np.array(lost, float)
    objective = contracts._objective(np.array(periods) - left, left, weight)
    point = np.array(theta)
    assert objective(point)[1] == pytest.approx(central_differences(objective, point), rel=1e-6, abs=1e-9)


def simulated(customers: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Contracts of alpha 0.8 and beta 3, seen for one to ten renewals."""
    random = np.random.default_rng(1)
    ends, seen = random.geometric(random.beta(0.8, 3, customers)), random.integers(1, 11, customers)
    return np.minimum(ends, seen).astype(float), ends <= seen


@pytest.mark.parametrize("customers", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_simulated_contracts_give_their_parameters_back_although_most_still_run(customers: int) -> None:
    fitted = ShiftedBetaGeometric().fit(*simulated(customers))
    assert fitted.status_ == "ok"
    for name, value in {"alpha": 0.8, "beta": 3.0}.items():
        assert abs(fitted.params_[name] - value) < 2 * fitted.standard_errors_[name] < value / 5


def test_weights_equal_exploded_rows() -> None:
    periods, lost = simulated(500)
    copies = np.arange(500) % 3
    weighted = ShiftedBetaGeometric().fit(periods, lost, copies)
    plain = ShiftedBetaGeometric().fit(np.repeat(periods, copies), np.repeat(lost, copies))
    assert weighted.params_ == plain.params_
    curves = (
        KaplanMeier().fit(periods, lost, copies),
        KaplanMeier().fit(np.repeat(periods, copies), np.repeat(lost, copies)),
    )
    assert curves[0].survival_.tolist() == curves[1].survival_.tolist()


@pytest.mark.parametrize(
    ("periods", "lost", "status"),
    [
        ([], [], "too_few_losses"),
        ([0], [False], "too_few_losses"),
        ([3000] * 50, [False] * 50, "too_few_losses"),
        ([1] * 50, [True] * 50, "too_few_losses"),
        ([1] * 50 + [40] * 50, [True] * 50 + [False] * 50, "boundary_all_or_nothing"),
        ([*range(1, 31)] * 40, [True] * 1200, "boundary_no_heterogeneity"),
    ],
)
def test_odd_contracts_have_a_status_and_finite_predictions(periods: list[int], lost: list[bool], status: str) -> None:
    fitted = ShiftedBetaGeometric().fit(periods, lost)
    assert fitted.status_ == status
    for values in (fitted.survival([0, 1, 3000]), fitted.probability_renewed(2, [0, 3000])):
        assert ((values >= 0) & (values <= 1)).all()
    assert np.isfinite(fitted.discounted_renewals(24, [0, 5], 0.01)).all()
    curve = KaplanMeier().fit(periods, lost)
    assert np.isfinite(curve.survival([0, 1, 5000])).all()
    assert np.isfinite(curve.standard_errors_).all()
    assert np.isfinite(curve.probability_lost(3, [0, 1, 5000])).all()


def test_equal_risk_for_all_is_reported() -> None:
    ends = np.random.default_rng(2).geometric(0.3, 20_000)
    seen = np.minimum(ends, 3)
    fitted = ShiftedBetaGeometric().fit(seen, ends <= 3)
    # A slight difference between customers cannot be excluded; what it predicts is the same.
    assert fitted.status_ in ("boundary_no_heterogeneity", "ok")
    assert fitted.probability_renewed(1, [0, 1, 2]) == pytest.approx([0.7] * 3, abs=0.02)


# ---- Kaplan-Meier


def test_remissions_under_6_mp() -> None:
    # [KK] tables 2.2 and 2.3, standard errors by Greenwood.
    curve = KaplanMeier().fit(WEEKS, RELAPSED)
    assert curve.times_.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert curve.survival_ == pytest.approx([0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482], abs=5e-5)
    assert curve.standard_errors_ == pytest.approx([0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346], abs=5e-5)
    assert curve.survival([5.9, 6, 22.5, 99]) == pytest.approx([1, 0.8571, 0.5378, 0.4482], abs=5e-5)
    assert curve.probability_lost(10, [6, 13, 30]) == pytest.approx(
        [1 - 0.6275 / 0.8571, 1 - 0.4482 / 0.6902, 0], abs=1e-4
    )
    assert (curve.last_time_, curve.status_) == (35, "too_few_losses")


def test_contracts_that_came_into_sight_late_count_only_from_then_on() -> None:
    # At 2 two of three in sight, at 5 all of four of which one leaves: 1 - 1/3, times 1 - 1/3.
    curve = KaplanMeier().fit([2, 5, 9, 9], [1, 1, 0, 0], entries=[0, 0, 0, 3])
    assert curve.survival_ == pytest.approx([1 - 1 / 3, (1 - 1 / 3) * (1 - 1 / 3)])


def test_nobody_lasts_beyond_the_last_loss_where_all_have_left() -> None:
    curve = KaplanMeier().fit([1, 2, 2], [True, True, True])
    assert curve.survival_.tolist() == pytest.approx([2 / 3, 0])
    assert curve.probability_lost(1, [1, 5]).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("periods must be at least 1", ([0], [True])),
        ("periods must be a whole number", ([1.5], [True])),
        ("lost must be true or false", ([1], [2])),
        ("same length", ([1, 2], [True])),
        ("weights", ([1], [True], [-1])),
    ],
)
def test_impossible_contracts_are_refused(name: str, arguments: tuple[list[float], ...]) -> None:
    with pytest.raises(ValueError, match=name):
        ShiftedBetaGeometric().fit(*arguments)


def test_impossible_durations_are_refused() -> None:
    with pytest.raises(ValueError, match="entries must not exceed durations"):
        KaplanMeier().fit([1], [True], entries=[2])
    with pytest.raises(RuntimeError, match="call fit"):
        KaplanMeier().survival([1])
