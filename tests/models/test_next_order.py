"""When the next order comes: the interval that a night publishes, against what customers did afterwards."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from models import ModifiedBetaGeoNBD
from models.scoring import score_states
from models.value import MOST_DAYS
from tests.models.test_churn import Log, cdnow, online_retail, origin

Floats = NDArray[np.float64]


@pytest.mark.parametrize(("data", "horizon"), [(cdnow, 273), (online_retail, 161)], ids=["cdnow", "online_retail"])
def test_four_in_five_next_orders_come_within_their_interval(data: Callable[[], tuple[Log, int]], horizon: int) -> None:
    """Randomised PIT of those who did buy in the hold-out, of what a night says on the day before it.

    Who buys again after the hold-out is not seen, so levels are those among purchases within it; a day holds all its
    moments, so each is drawn within its day.
    """
    log, tonight = data()
    now = origin(log.upto(tonight), tonight, tonight)
    x, last, age = now.frequency, now.recency, now.age
    states = np.unique(np.column_stack([x, last, age]), axis=0, return_inverse=True)
    rows, state = states[0].T, states[1].ravel()
    said = score_states(
        rows[0],
        rows[1],
        rows[2],
        np.bincount(state),
        spend_frequency=[],
        spend_value=[],
        mean_spend=1.0,
        horizon_days=90,
        discount_rate_year=0.0,
    )
    model = ModifiedBetaGeoNBD.from_params(**said.fits[0].parameters)

    def bought_within(days: Floats) -> Floats:
        return np.array(
            [
                1 - model.probability_no_purchase(each, *(column[[row]] for column in (x, last, age)))[0]
                for row, each in enumerate(days.tolist())
            ]
        )

    # The published days are where one and nine in ten of the living have bought.
    alive = model.probability_alive(x, last, age)
    low, high = (np.asarray(said.columns[f"next_order_{end}_days"], float)[state] for end in ("low", "high"))
    assert bought_within(low) == pytest.approx(0.1 * alive, rel=1e-3)
    short = high < MOST_DAYS
    assert bought_within(high)[short] == pytest.approx(0.9 * alive[short], rel=1e-3)

    after = pd.Series(log.day, log.customer)
    after = after[(after > tonight) & (after <= tonight + horizon)]
    ahead = (after.groupby(level=0).min().reindex(now.customer) - tonight).to_numpy(float)
    came = np.isfinite(ahead)
    days = np.where(came, ahead, 1.0)
    eve, day, end = bought_within(days - 1), bought_within(days), bought_within(np.full(len(days), float(horizon)))
    level = (eve + np.random.default_rng(0).random(len(days)) * (day - eve)) / end
    inside = (level >= 0.1) & (level <= 0.9)
    assert came.sum() > 600
    for group in (came, came & (x > 0)):
        assert 0.75 <= inside[group].mean() <= 0.85
