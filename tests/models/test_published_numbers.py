"""Numbers from the papers and from other implementations.

Sources: [FHL] Fader, Hardie & Lee (2005), Marketing Science 24(2), 275-284. [BDF] Batislam, Denizel &
Filiztekin (2007), IJRM 24(3), 201-209. [GG] Fader & Hardie (2013), The Gamma-Gamma Model of Monetary Value,
brucehardie.com/notes/025. [CLVT] CLVTools, tests/testthat/test_correctness_*.R. [BTYD] the R package BTYD, by
way of lifetimes, tests/test_estimation.py. [PYMC] pymc-marketing, tests/clv. [NUM] Fader & Hardie (2013),
Overcoming the BG/NBD Model's #NUM! Error Problem. Digits beyond the papers were computed independently of
this project from the same data. Unit of time: weeks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import rankdata

from models import BetaGeoNBD, GammaGamma, ModifiedBetaGeoNBD, ParetoNBD

if TYPE_CHECKING:
    from tests.models.conftest import Customers

Floats = NDArray[np.float64]

CDNOW_BG = {"r": 0.2425945, "alpha": 4.4136025, "a": 0.792922, "b": 2.4259068}
CDNOW_MBG = {"r": 0.5248431, "alpha": 6.1830852, "a": 0.8913594, "b": 1.6140023}
CDNOW_GG = {"p": 6.249572, "q": 3.744225, "v": 15.443521}


@pytest.fixture(scope="module")
def bg(cdnow: Customers) -> BetaGeoNBD:
    return BetaGeoNBD().fit(cdnow.frequency, cdnow.recency, cdnow.T)


@pytest.fixture(scope="module")
def mbg(cdnow: Customers) -> ModifiedBetaGeoNBD:
    return ModifiedBetaGeoNBD().fit(cdnow.frequency, cdnow.recency, cdnow.T)


@pytest.fixture(scope="module")
def pareto(cdnow: Customers) -> ParetoNBD:
    return ParetoNBD().fit(cdnow.frequency, cdnow.recency, cdnow.T)


@pytest.fixture(scope="module")
def gg(cdnow: Customers) -> GammaGamma:
    return GammaGamma().fit(cdnow.frequency, cdnow.monetary_value)


def auc(score: Floats, event: Floats) -> float:
    """Area under the ROC curve, from the ranks of the events."""
    ranks, events = rankdata(score)[event > 0], int(np.sum(event > 0))
    return float((ranks.sum() - events * (events + 1) / 2) / (events * (len(score) - events)))


def test_the_cdnow_sample_is_the_published_one(cdnow: Customers) -> None:
    assert len(cdnow.frequency) == 2357
    assert cdnow.frequency.sum() == 2457
    assert cdnow.future_purchases.sum() == 1882
    assert (cdnow.frequency > 0).sum() == 946


def test_bg_nbd_fit_on_cdnow(bg: BetaGeoNBD) -> None:
    # [FHL] table 2: .243, 4.414, .793, 2.426, -9582.4; [CLVT]: 0.2425945, 4.4136019, 0.7929199, 2.4258881.
    assert bg.params_ == pytest.approx(CDNOW_BG, abs=5e-4)
    assert bg.log_likelihood_ == pytest.approx(-9582.4292, abs=1e-3)
    assert bg.status_ == "ok"
    assert list(bg.params_) == ["r", "alpha", "a", "b"]


def test_bg_nbd_standard_errors_on_cdnow(bg: BetaGeoNBD) -> None:
    expected = {"r": 0.01256, "alpha": 0.37822, "a": 0.18573, "b": 0.70541}
    assert bg.standard_errors_ == pytest.approx(expected, abs=2e-5)


def test_bg_nbd_fit_on_cdnow_in_days(cdnow: Customers) -> None:
    model = BetaGeoNBD().fit(cdnow.frequency, cdnow.recency * 7, cdnow.T * 7)
    assert model.params_ == pytest.approx({"r": 0.24259, "alpha": 30.8952, "a": 0.79292, "b": 2.42591}, abs=5e-4)
    assert model.log_likelihood_ == pytest.approx(-14363.5304, abs=1e-3)


def test_mbg_nbd_fit_on_cdnow(mbg: ModifiedBetaGeoNBD) -> None:
    # [BDF]: .525, 6.183, .891, 1.614.
    assert mbg.params_ == pytest.approx(CDNOW_MBG, abs=5e-4)
    assert mbg.log_likelihood_ == pytest.approx(-9582.1357, abs=1e-3)
    assert mbg.status_ == "ok"


def test_pareto_nbd_fit_on_cdnow(pareto: ParetoNBD) -> None:
    # [FHL] table 2: .553, 10.578, .606, 11.669, -9595.0; [CLVT]: 0.55315, 10.57633, 0.60625, 11.6715, -9594.976.
    expected = {"r": 0.553278, "alpha": 10.577688, "s": 0.60623, "beta": 11.668399}
    assert pareto.params_ == pytest.approx(expected, abs=5e-4)
    assert pareto.log_likelihood_ == pytest.approx(-9594.9762, abs=1e-3)
    assert pareto.status_ == "ok"
    # [CLVT].
    errors = {"r": 0.0476264, "alpha": 0.8427222, "s": 0.1872594, "beta": 6.2105448}
    assert pareto.standard_errors_ == pytest.approx(errors, rel=2e-4)


def test_pareto_nbd_customer_with_many_purchases() -> None:
    # [BTYD]: 25.46 and .9979.
    model = ParetoNBD.from_params(r=0.5534, alpha=10.5802, s=0.6061, beta=11.6562)
    assert model.expected_purchases(52, 26, 30.86, 31) == pytest.approx([25.4549], abs=5e-5)
    assert model.probability_alive(26, 30.86, 31) == pytest.approx([0.9979178], abs=1e-7)


def test_gamma_gamma_fit_on_cdnow(gg: GammaGamma) -> None:
    # [GG]: 6.25, 3.74, 15.44, -4055.9177 for 946 customers.
    assert gg.params_ == pytest.approx(CDNOW_GG, abs=5e-4)
    assert gg.log_likelihood_ == pytest.approx(-4055.9177, abs=1e-3)
    assert gg.status_ == "ok"
    assert list(gg.params_) == ["p", "q", "v"]
    assert gg.expected_average_spend(0, 0) == pytest.approx([35.17], abs=0.005)


def test_bg_nbd_customer_with_two_repeat_purchases() -> None:
    # [FHL] section 5: 1.226.
    model = BetaGeoNBD.from_params(**CDNOW_BG)
    assert model.expected_purchases(39, 2, 30.43, 38.86) == pytest.approx([1.2259068], abs=1e-5)
    assert model.probability_alive(2, 30.43, 38.86) == pytest.approx([0.7266092], abs=1e-6)


def test_bg_nbd_customer_without_repeat_purchase() -> None:
    model = BetaGeoNBD.from_params(**CDNOW_BG)
    assert model.expected_purchases(39, 0, 0, 38.86) == pytest.approx([0.1947821], abs=1e-5)
    assert model.probability_alive(0, 0, 38.86) == pytest.approx([1.0], abs=0)


def test_mbg_nbd_customer_with_two_repeat_purchases() -> None:
    model = ModifiedBetaGeoNBD.from_params(**CDNOW_MBG)
    assert model.expected_purchases(39, 2, 30.43, 38.86) == pytest.approx([1.2626692], abs=1e-5)
    assert model.probability_alive(2, 30.43, 38.86) == pytest.approx([0.7061257], abs=1e-6)


def test_bg_nbd_unconditional_expectation() -> None:
    # [BTYD]: .0078, .0532, .1506, 1.0405, 1.0437, 1.8576.
    times = [0.142857, 1, 3, 31.857143, 32, 39, 52, 78]
    expected = [0.007814, 0.053184, 0.150631, 1.04049, 1.043732, 1.19501, 1.444012, 1.857958]
    model = BetaGeoNBD.from_params(**CDNOW_BG)
    assert model.expected_purchases_new_customer(times) == pytest.approx(expected, abs=1e-6)


def test_bg_nbd_distribution_of_purchases() -> None:
    # [BTYD].
    model = BetaGeoNBD.from_params(r=0.243, alpha=4.414, a=0.793, b=2.426)
    assert model.probability_of_n_purchases([0, 10], [39, 2]) == pytest.approx([0.5737864, 1.07869e-07], rel=1e-5)
    eleven_to_twenty = [
        0.0019995214,
        0.0015170236,
        0.001163315,
        0.0009003148,
        0.0007023638,
        0.0005517902,
        0.0004361913,
        0.0003467171,
        0.0002769613,
        0.000222226,
    ]
    assert model.probability_of_n_purchases(range(11, 21), 30) == pytest.approx(eleven_to_twenty, rel=1e-6)


def test_bg_nbd_log_likelihood_of_a_frequent_buyer() -> None:
    # [PYMC], after [NUM].
    model = BetaGeoNBD.from_params(r=0.25, alpha=4.0, a=0.8, b=2.5)
    assert model.log_likelihood([0, 200], [0, 38], [40, 40]) == pytest.approx([-0.59947382, 100.7957], abs=1e-4)


def test_gamma_gamma_conditional_means_of_the_first_ten_customers(cdnow: Customers) -> None:
    # [GG], with the rounded parameters of the note.
    model = GammaGamma.from_params(p=6.25, q=3.74, v=15.44)
    published = [24.65, 18.91, 35.17, 35.17, 35.17, 71.46, 18.91, 35.17, 27.28, 35.17]
    spend = model.expected_average_spend(cdnow.frequency[:10], cdnow.monetary_value[:10])
    assert spend == pytest.approx(published, abs=0.1)


@pytest.mark.parametrize(
    "model",
    [
        BetaGeoNBD.from_params(**CDNOW_BG),
        ModifiedBetaGeoNBD.from_params(**CDNOW_MBG),
        ParetoNBD.from_params(r=0.5143, alpha=2.8845, s=0.2856, beta=14.1087),
    ],
)
def test_frequent_buyers_over_two_years_stay_finite(model: BetaGeoNBD | ModifiedBetaGeoNBD | ParetoNBD) -> None:
    # [CLVT]: histories that once gave NaN there.
    x, last = [221, 254, 161, 204], [103.42857, 97.14286, 94.71429, 98.57143]
    age = [103.57143, 97.28571, 98.0, 99.42857]
    assert np.isfinite(model.probability_alive(x, last, age)).all()
    assert np.isfinite(model.expected_purchases(52, x, last, age)).all()


def test_bg_nbd_reproduces_the_histogram_of_cdnow(bg: BetaGeoNBD, cdnow: Customers) -> None:
    # [FHL] figure 2: chi-squared 4.82 on three degrees of freedom.
    actual = np.array([1411, 439, 214, 100, 62, 38, 29, 64])
    assert np.bincount(np.minimum(cdnow.frequency, 7).astype(int)).tolist() == actual.tolist()
    expected = [float(np.sum(bg.probability_of_n_purchases(np.full(2357, n), cdnow.T))) for n in range(7)]
    expected.append(2357 - sum(expected))
    assert expected == pytest.approx([1407.7, 460.3, 192.5, 101.2, 59.8, 38.1, 25.5, 71.9], abs=0.06)
    assert np.sum((actual - expected) ** 2 / expected) == pytest.approx(4.821, abs=0.002)


def test_bg_nbd_tracks_cumulative_purchases_of_cdnow(bg: BetaGeoNBD, cdnow: Customers) -> None:
    # [FHL] figure 3: some 4 per cent below the 4,339 purchases of week 78.
    # Week 39 ends with the last day of the calibration, one day later than its beginning, where T ends.
    ends = [cdnow.T + 1 / 7 + weeks for weeks in (0, 13, 39)]
    predicted = [float(np.sum(bg.expected_purchases_new_customer(end))) for end in ends]
    assert predicted == pytest.approx([2501.5, 3134.1, 4165.7], abs=0.2)


def test_bg_nbd_on_the_hold_out_of_cdnow(bg: BetaGeoNBD, cdnow: Customers) -> None:
    states = (cdnow.frequency, cdnow.recency, cdnow.T)
    expected, active = bg.expected_purchases(39, *states), cdnow.future_purchases
    any_purchase = 1 - bg.probability_no_purchase(39, *states)
    assert expected.sum() == pytest.approx(1653.4, abs=0.1)
    assert np.abs(expected - active).mean() == pytest.approx(0.7855, abs=1e-4)
    assert np.sqrt(np.mean((expected - active) ** 2)) == pytest.approx(1.608, abs=1e-3)
    assert np.corrcoef(expected, active)[0, 1] == pytest.approx(0.6256, abs=1e-4)
    assert auc(expected, active) == pytest.approx(0.7725, abs=1e-4)
    assert auc(any_purchase, active) == pytest.approx(0.7569, abs=1e-4)
    assert np.mean((any_purchase - (active > 0)) ** 2) == pytest.approx(0.1612, abs=1e-4)
    # Worse than chance: this is why P(alive) is not the churn score.
    assert auc(bg.probability_alive(*states), active) == pytest.approx(0.3158, abs=1e-4)
    by_frequency = [expected[np.minimum(cdnow.frequency, 7) == x].mean() for x in range(8)]
    assert by_frequency == pytest.approx([0.225, 0.523, 1.044, 1.52, 2.164, 2.654, 3.504, 6.157], abs=6e-4)


def test_mbg_nbd_on_the_hold_out_of_cdnow(mbg: ModifiedBetaGeoNBD, cdnow: Customers) -> None:
    states = (cdnow.frequency, cdnow.recency, cdnow.T)
    expected, active = mbg.expected_purchases(39, *states), cdnow.future_purchases
    any_purchase = 1 - mbg.probability_no_purchase(39, *states)
    assert expected.sum() == pytest.approx(1576.7, abs=0.1)
    assert np.abs(expected - active).mean() == pytest.approx(0.7648, abs=1e-4)
    assert auc(any_purchase, active) == pytest.approx(0.7601, abs=1e-4)
    assert np.mean((any_purchase - (active > 0)) ** 2) == pytest.approx(0.1614, abs=1e-4)
    assert auc(mbg.probability_alive(*states), active) == pytest.approx(0.6866, abs=1e-4)


def test_pareto_nbd_on_the_hold_out_of_cdnow(pareto: ParetoNBD, cdnow: Customers) -> None:
    states = (cdnow.frequency, cdnow.recency, cdnow.T)
    expected, active = pareto.expected_purchases(39, *states), cdnow.future_purchases
    assert expected.sum() == pytest.approx(1665.5, abs=0.1)
    assert np.abs(expected - active).mean() == pytest.approx(0.7545, abs=1e-4)
    assert np.sqrt(np.mean((expected - active) ** 2)) == pytest.approx(1.6028, abs=1e-3)
    assert np.corrcoef(expected, active)[0, 1] == pytest.approx(0.6302, abs=1e-4)
    assert auc(expected, active) == pytest.approx(0.7787, abs=1e-4)
    assert auc(pareto.probability_alive(*states), active) == pytest.approx(0.7262, abs=1e-4)
    by_frequency = [expected[np.minimum(cdnow.frequency, 7) == x].mean() for x in range(8)]
    assert by_frequency == pytest.approx([0.138, 0.599, 1.196, 1.714, 2.398, 2.907, 3.819, 6.403], abs=6e-4)


def test_predicted_spend_on_the_hold_out_of_cdnow(bg: BetaGeoNBD, gg: GammaGamma, cdnow: Customers) -> None:
    orders = bg.expected_purchases(39, cdnow.frequency, cdnow.recency, cdnow.T)
    spend = orders * gg.expected_average_spend(cdnow.frequency, cdnow.monetary_value)
    assert cdnow.future_spend.sum() == pytest.approx(70976, abs=1)
    assert spend.sum() == pytest.approx(59932, abs=1)
    assert np.corrcoef(spend, cdnow.future_spend)[0, 1] == pytest.approx(0.5647, abs=1e-4)
