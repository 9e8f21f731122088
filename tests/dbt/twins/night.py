"""What a night leaves behind, as data frames.

Here belongs reading: current records of each feed, who is who, the rules, the published tables. Any figure belongs to
the modules beside this one.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import yaml

DAY = pd.Timedelta(days=1)
ZONE = timedelta(hours=8)  # Asia/Shanghai has known no other time since 1991.


def money(values: pd.Series) -> pd.Series:
    """Values to four digits after the point, halves away from zero, as money is kept."""
    return np.sign(values) * np.floor(values.abs() * 10_000 + 0.5 + 1e-7) / 10_000


def local_day(moments: pd.Series) -> pd.Series:
    """The business day of a moment in UTC."""
    return (pd.to_datetime(moments) + ZONE).dt.normalize()


def first_of_month(days: pd.Series) -> pd.Series:
    """The first day of each day's month."""
    return days.dt.to_period("M").dt.start_time


@dataclass
class Night:
    """A night that has been published.

    Attributes
    ----------
    home : Path
        The home it ran in.
    rules : dict
        Its ``business.yml``.
    """

    home: Path
    rules_file: Path
    _tables: dict[str, pd.DataFrame] = field(default_factory=dict)

    @cached_property
    def rules(self) -> dict[str, Any]:
        """The rules of the night."""
        return yaml.safe_load(self.rules_file.read_text(encoding="utf-8"))

    @cached_property
    def built(self) -> duckdb.DuckDBPyConnection:
        """The build file."""
        return duckdb.connect(str(self.home / "build" / "warehouse.duckdb"), read_only=True)

    @cached_property
    def release(self) -> duckdb.DuckDBPyConnection:
        """The published file."""
        return duckdb.connect(str(self.home / "current" / "warehouse.duckdb"), read_only=True)

    @cached_property
    def as_of(self) -> pd.Timestamp:
        """The last day that counts."""
        return pd.Timestamp(self.release.execute("select as_of from marts.release").fetchone()[0])

    @cached_property
    def grid(self) -> list[pd.Timestamp]:
        """The days on which states are read, tonight's the last."""
        return self._wanted("grid", "tonight")

    @cached_property
    def learned(self) -> list[pd.Timestamp]:
        """The past days that the churn scores are learned from."""
        return self._wanted("training")

    def _wanted(self, *purposes: str) -> list[pd.Timestamp]:
        days = self.table("run.as_of_dates")
        return sorted(days.loc[days["purpose"].isin(purposes), "as_of"].unique())

    def table(self, name: str) -> pd.DataFrame:
        """A table of the build file, ``schema.table``; decimals as floats, days as timestamps. Do not change it."""
        if name not in self._tables:
            self._tables[name] = self._read(self.built if not name.startswith("marts.") else self.release, name)
        return self._tables[name]

    @staticmethod
    def _read(con: duckdb.DuckDBPyConnection, name: str) -> pd.DataFrame:
        frame = con.execute(f"select * from {name}").df()
        for column in frame.columns:
            if str(frame[column].dtype).startswith("datetime64"):
                frame[column] = frame[column].astype("datetime64[us]")
        return frame

    @cached_property
    def who(self) -> pd.Series:
        """Customer by source record. Identity is not computed twice here: it has figures of its own."""
        records = self.table("core.source_customers")
        return records.set_index("source_record_id")["customer_id"]

    @cached_property
    def customers(self) -> pd.Index:
        """All customers."""
        return pd.Index(sorted(self.who.dropna().unique()), name="customer_id")

    def current(self, feed: str) -> pd.DataFrame:
        """The standing rows of a feed about customers, with ``customer_id``; deleted ones are left out.

        Rows about nobody who is known have no customer.
        """
        rows = self.table(f"core.{feed}_current")
        rows = rows[~rows["is_deleted"]].copy()
        rows["customer_id"] = rows["source_record_id"].map(self.who)
        return rows

    @cached_property
    def rates(self) -> pd.DataFrame:
        """Exchange rates: currency, valid_from, rate."""
        rates = self.table("core.fx_rates_current")
        return rates[~rates["is_deleted"]].sort_values("valid_from")[["currency", "valid_from", "rate"]]

    def rate_on(self, currencies: pd.Series, days: pd.Series) -> pd.Series:
        """Worth of one unit in base currency on each day: the rate that is valid from the latest day up to it."""
        asked = pd.DataFrame(
            {"currency": currencies.to_numpy(), "day": pd.to_datetime(days).astype("datetime64[us]").to_numpy()}
        )
        asked["place"] = range(len(asked))
        found = pd.merge_asof(
            asked.sort_values("day"),
            self.rates.assign(valid_from=self.rates["valid_from"].astype("datetime64[us]")),
            left_on="day",
            right_on="valid_from",
            by="currency",
        ).sort_values("place")
        base = self.rules["business"]["base_currency"]
        rate = np.where(found["currency"] == base, 1.0, found["rate"])
        return pd.Series(rate, index=currencies.index)
