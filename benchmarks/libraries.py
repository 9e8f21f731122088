"""The two libraries behind one set of questions: this project's models, and ``lifetimes``.

Belongs here: how each is asked, at its natural interface and from data as it likes them. Does not belong here: timing,
judging, data.

``lifetimes`` 0.11.3 works as it is with the versions in the lock. It is given day stamps, because it cuts times to days
itself; only buyers who came back for its spend model, because it refuses others; its default of no penalty.
Time is in days, as in a night.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from warehouse.build import replace_table_from_numpy

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from benchmarks.purchases import Purchases
    from models import BetaGeoNBD, GammaGamma, ModifiedBetaGeoNBD

__all__ = ["MODELS", "MONTHS", "Forecaster", "Histories", "Keeprate", "Library", "Lifetimes"]

Floats = NDArray[np.float64]

#: The models of when, by the name they have in the tables.
MODELS = ("BG/NBD", "MBG/NBD")
#: ``lifetimes`` sums whole months of thirty days, each discounted from its end; both are asked for that.
MONTHS = 12
_DAYS_PER_MONTH = 30

# The part of core.customer_snapshots that answers the same question.
_SUMMARY = """
    with days as (
        select customer, day, sum(amount) as amount
        from purchases
        where day <= $cut
        group by customer, day
    ),

    known as (
        select *, day > min(day) over (partition by customer) as is_repeat
        from days
    )

    select
        customer,
        count(*) - 1 as frequency,
        max(day) - min(day) as recency,
        $cut - min(day) as age,
        coalesce(avg(amount) filter (where is_repeat), 0) as monetary_value
    from known
    group by customer
    order by customer
"""


@dataclass(frozen=True)
class Histories:
    """One row per customer, ascending: repeat purchase days; days from first to last and to the cut; mean repeat."""

    customer: NDArray[np.int64]
    frequency: Floats
    recency: Floats
    T: Floats
    monetary_value: Floats

    @property
    def when(self) -> tuple[Floats, Floats, Floats]:
        """The arguments that every model of when takes."""
        return self.frequency, self.recency, self.T

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The same as ``lifetimes`` returns it, indexed by customer."""
        import pandas as pd

        columns = {"frequency": self.frequency, "recency": self.recency, "T": self.T}
        return pd.DataFrame(columns | {"monetary_value": self.monetary_value}, index=self.customer)


class Forecaster(Protocol):
    """What can be asked of a library once a model is fitted."""

    name: str

    def expected_purchases(self, when: Any, days: float, histories: Histories) -> Floats:
        """Expected purchases of the next days, per customer."""

    def probability_alive(self, when: Any, histories: Histories) -> Floats:
        """P(alive), per customer."""

    def probability_no_purchase(self, when: Any, days: float, histories: Histories) -> Floats | None:
        """P(no purchase in the next days), per customer; None where the library does not offer it."""

    def parameters(self, model: Any) -> dict[str, float]:
        """The estimates by their letters."""


class Library(Forecaster, Protocol):
    """What both libraries are asked."""

    def summarise(self, cut: date) -> Any:
        """Histories up to a day, in the library's own form."""

    def fit(self, model: str, histories: Histories) -> Any:
        """Fit a model of when."""

    def fit_spend(self, histories: Histories) -> Any:
        """Fit the model of how much."""

    def lifetime_value(self, when: Any, spend: Any, histories: Histories, monthly_rate: float) -> Floats:
        """Discounted spend of the next twelve months, per customer."""


class Keeprate:
    """This project: the histories in SQL on a DuckDB table, the rest on arrays."""

    name = "Keeprate"

    def __init__(self, con: duckdb.DuckDBPyConnection, purchases: Purchases) -> None:
        columns = {"customer": purchases.customer, "day": purchases.day, "amount": purchases.amount}
        replace_table_from_numpy(con, "main", "purchases", columns)
        self._con = con

    def summarise(self, cut: date) -> Histories:
        found = self._con.execute(_SUMMARY, {"cut": cut}).fetchnumpy()
        numbers = (found[name].astype(np.float64) for name in ("frequency", "recency", "age", "monetary_value"))
        return Histories(found["customer"], *numbers)

    def fit(self, model: str, histories: Histories) -> BetaGeoNBD | ModifiedBetaGeoNBD:
        from models import BetaGeoNBD, ModifiedBetaGeoNBD

        return (BetaGeoNBD() if model == "BG/NBD" else ModifiedBetaGeoNBD()).fit(*histories.when)

    def fit_spend(self, histories: Histories) -> GammaGamma:
        from models import GammaGamma

        return GammaGamma().fit(histories.frequency, histories.monetary_value)

    def lifetime_value(self, when: Any, spend: Any, histories: Histories, monthly_rate: float) -> Floats:
        from models.btyd import group_rows

        months = np.arange(MONTHS + 1)
        # As in a night, each distinct history is asked for once.
        states, state = group_rows(*histories.when)
        until = np.stack([when.expected_purchases(float(days), *states) for days in months * _DAYS_PER_MONTH])
        purchases = np.diff(until, axis=0) * (1 + monthly_rate) ** -months[1:, np.newaxis]
        value = spend.expected_average_spend(histories.frequency, histories.monetary_value)
        return np.asarray(purchases.sum(axis=0)[state] * value, dtype=np.float64)

    def expected_purchases(self, when: Any, days: float, histories: Histories) -> Floats:
        return np.asarray(when.expected_purchases(days, *histories.when))

    def probability_alive(self, when: Any, histories: Histories) -> Floats:
        return np.asarray(when.probability_alive(*histories.when))

    def probability_no_purchase(self, when: Any, days: float, histories: Histories) -> Floats | None:
        return np.asarray(when.probability_no_purchase(days, *histories.when))

    def parameters(self, model: Any) -> dict[str, float]:
        return dict(model.params_)


class Lifetimes:
    """lifetimes, the library most tutorials use: all of it on data frames."""

    name = "lifetimes"

    def __init__(self, purchases: Purchases) -> None:
        self._frame = purchases.frame()

    def summarise(self, cut: date) -> pd.DataFrame:
        from lifetimes.utils import summary_data_from_transaction_data

        summary: pd.DataFrame = summary_data_from_transaction_data(
            self._frame, "customer", "day", "amount", observation_period_end=cut.isoformat(), freq="D"
        )
        return summary

    def fit(self, model: str, histories: Histories) -> Any:
        from lifetimes import BetaGeoFitter, ModifiedBetaGeoFitter

        frame = histories.frame
        fitter = BetaGeoFitter() if model == "BG/NBD" else ModifiedBetaGeoFitter()
        return fitter.fit(frame["frequency"], frame["recency"], frame["T"])

    def fit_spend(self, histories: Histories) -> Any:
        from lifetimes import GammaGammaFitter

        frame = histories.frame
        back = frame[(frame["frequency"] > 0) & (frame["monetary_value"] > 0)]
        return GammaGammaFitter().fit(back["frequency"], back["monetary_value"])

    def lifetime_value(self, when: Any, spend: Any, histories: Histories, monthly_rate: float) -> Floats:
        frame = histories.frame
        columns = (frame[name] for name in ("frequency", "recency", "T", "monetary_value"))
        value = spend.customer_lifetime_value(when, *columns, time=MONTHS, discount_rate=monthly_rate, freq="D")
        return np.asarray(value, dtype=np.float64)

    def expected_purchases(self, when: Any, days: float, histories: Histories) -> Floats:
        return np.asarray(when.conditional_expected_number_of_purchases_up_to_time(days, *histories.when))

    def probability_alive(self, when: Any, histories: Histories) -> Floats:
        return np.asarray(when.conditional_probability_alive(*histories.when))

    def probability_no_purchase(self, when: Any, days: float, histories: Histories) -> Floats | None:
        return None

    def parameters(self, model: Any) -> dict[str, float]:
        return {str(name): float(value) for name, value in model.params_.items()}
