"""The rhythm in which customers buy, and when they count as lost.

Here belong occasions, gaps, thresholds, spells and the figures about loss and return that follow from them.
"""

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from tests.dbt.twins.documents import Documents
from tests.dbt.twins.night import Night, first_of_month

FEWEST_KNOWN = 20


@dataclass(frozen=True)
class Known:
    """What is known of all customers when a month begins; None where fewer than twenty say so.

    Attributes
    ----------
    gap : float or None
        Median of all gaps.
    gaps : dict
        The same by category.
    ratio : float or None
        Quantile of next gap ÷ personal gap.
    years : bool
        Whether gaps of a year stand out.
    """

    gap: float | None
    gaps: dict[str, float]
    ratio: float | None
    years: bool


@dataclass
class Cadence:
    """The occasions of all customers as known tonight, each with the judgement of its own day."""

    night: Night
    documents: Documents

    def categories(self, purchases: pd.DataFrame) -> pd.Series:
        """What most was spent on, by customer and day of purchase; of equals the first by name."""
        lines = self.documents.lines
        lines = lines[lines["category"].notna()].merge(purchases[["order_id", "customer_id", "day"]], on="order_id")
        spent = lines.groupby(["customer_id", "day", "category"], as_index=False)["stated"].sum()
        spent["stated"] = spent["stated"].round(4)
        spent = spent.sort_values(["stated", "category"], ascending=[False, True])
        return spent.groupby(["customer_id", "day"])["category"].first()

    def bought(self, day: pd.Timestamp) -> pd.DataFrame:
        """One row per customer-day with a purchase, as known on a day: its amount, category and the gaps before it."""
        purchases = self.documents.purchases(day)
        found = purchases.groupby(["customer_id", "day"], as_index=False).agg(
            amount=("left", "sum"), purchases=("order_id", "size")
        )
        found = found.sort_values(["customer_id", "day"], ignore_index=True)
        found["category"] = pd.MultiIndex.from_frame(found[["customer_id", "day"]]).map(self.categories(purchases))
        found["next"] = found.groupby("customer_id")["day"].shift(-1)
        found["number"] = found.groupby("customer_id").cumcount() + 1
        own: dict[str, list[int]] = defaultdict(list)
        history = []
        for customer, gap in zip(found["customer_id"], found["next"].sub(found["day"]).dt.days, strict=True):
            history.append(sorted(own[customer]))
            if not math.isnan(gap):
                own[customer].append(int(gap))
        found["gaps"] = history
        return found

    @cached_property
    def known(self) -> dict[pd.Timestamp, Known]:
        """What is known of all customers on the first day of each month, from the gaps that had ended before it."""
        rules = self.night.rules["churn"]["threshold"]
        bought = self.bought(self.night.as_of)
        ended: list[tuple[pd.Timestamp, str | None, int, float]] = []  # end, category, gap, gap ÷ personal gap
        known = {}
        months = pd.date_range(bought["day"].min().replace(day=1), self.night.as_of, freq="MS")
        by_month = dict(list(bought.groupby(first_of_month(bought["day"]))))
        for month in months:
            of_category: dict[str | None, list[int]] = defaultdict(list)
            before = [each for each in ended if each[0] < month]
            for _, category, gap, _ in before:
                of_category[category].append(gap)
            gaps = [gap for _, _, gap, _ in before]
            ratios = [ratio for *_, ratio in before if not math.isnan(ratio)]
            year = sum(335 <= gap <= 395 for gap in gaps)
            known[month] = Known(
                gap=float(np.median(gaps)) if len(gaps) >= FEWEST_KNOWN else None,
                gaps={
                    category: float(np.median(lengths))
                    for category, lengths in of_category.items()
                    if category is not None and len(lengths) >= FEWEST_KNOWN
                },
                ratio=float(np.quantile(ratios, rules["q"])) if len(ratios) >= FEWEST_KNOWN else None,
                years=year >= FEWEST_KNOWN and year > sum(275 <= gap <= 455 for gap in gaps) - year,
            )
            for row in by_month.get(month, bought[:0]).itertuples():
                if pd.notna(row.next):
                    gap = (row.next - row.day).days
                    personal, is_annual = self.personal_gap(row.gaps, row.category, known[month])
                    # The threshold is for whoever came back; who comes once a year has one of their own.
                    judged = bool(row.gaps) and not is_annual
                    ratio = math.floor(100 * gap / personal + 0.5) / 100 if judged else math.nan
                    ended.append((row.next, row.category, gap, ratio))
        return known

    def personal_gap(self, own: list[int], category: str | None, known: Known) -> tuple[float, bool]:
        """The personal gap of an occasion with so many own gaps before it, and whether it is a yearly one."""
        rules = self.night.rules["churn"]
        tolerance = rules["annual_buyers"]["tolerance"]
        if rules["annual_buyers"]["detect"]:
            several = len(own) >= 2 and own[0] >= 365 / tolerance and own[-1] <= 365 * tolerance
            single = len(own) == 1 and 335 <= own[0] <= 395 and known.years
            if several or single:
                return float(np.median(own)), True
        usual = known.gaps.get(category, known.gap)
        usual = rules["threshold"]["one_time_days"] if usual is None else usual
        n, k = len(own), rules["threshold"]["shrinkage"]
        return ((n * float(np.median(own)) if n else 0.0) + k * usual) / (n + k), False

    def judged(self, day: pd.Timestamp) -> pd.DataFrame:
        """The occasions as known on a day, each with its personal gap, threshold and the day of loss after it."""
        rules = self.night.rules["churn"]
        found = self.bought(day)
        rows = []
        for own, category, month in zip(found["gaps"], found["category"], first_of_month(found["day"]), strict=True):
            known = self.known[month]
            gap, is_annual = self.personal_gap(own, category, known)
            limits = rules["threshold"]
            if is_annual:
                days = max(gap * rules["annual_buyers"]["tolerance"], limits["min_days"])
            elif own:
                days = min(max(gap * (known.ratio or 1), limits["min_days"]), limits["max_days"])
            else:
                days = limits["one_time_days"]
            rows.append((gap, is_annual, math.ceil(round(days, 6))))
        found[["personal", "is_annual", "threshold"]] = pd.DataFrame(rows, index=found.index)
        lost = found["day"] + pd.to_timedelta(found["threshold"] + 1, unit="D")
        silent = found["next"].isna() | (found["next"] > lost)
        found["churned_on"] = lost.where(silent & (lost <= day))
        return found

    @cached_property
    def occasions(self) -> pd.DataFrame:
        """The occasions as known tonight: see ``judged``."""
        return self.judged(self.night.as_of)

    @cached_property
    def spells(self) -> pd.DataFrame:
        """From a first or returning occasion to the day of loss: ``customer_id, number, started_on, churned_on``."""
        occasions = self.occasions
        returned = occasions.groupby("customer_id")["churned_on"].shift(1).notna()
        begins = occasions[(occasions["number"] == 1) | returned]
        spell = ((occasions["number"] == 1) | returned).groupby(occasions["customer_id"]).cumsum()
        ends = occasions.assign(spell=spell).groupby(["customer_id", "spell"])["churned_on"].last()
        begins = begins.assign(spell=spell)
        return pd.DataFrame(
            {
                "customer_id": begins["customer_id"].to_numpy(),
                "number": begins["spell"].to_numpy(),
                "started_on": begins["day"].to_numpy(),
                "churned_on": ends.loc[pd.MultiIndex.from_frame(begins[["customer_id", "spell"]])].to_numpy(),
            }
        )

    def in_spell(self, day: pd.Timestamp) -> pd.Index:
        """The customers in a spell at the end of a day."""
        spells = self.spells
        here = (spells["started_on"] <= day) & (spells["churned_on"].isna() | (spells["churned_on"] > day))
        return pd.Index(spells.loc[here, "customer_id"])
