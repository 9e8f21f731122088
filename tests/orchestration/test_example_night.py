"""One night on the whole bundled export, figure by figure.

The figures of the export are known from elsewhere or computed here from the file alone, with pandas and whole
numbers, by the definitions in the project's YAML; no SQL of the project takes part.
"""

import csv
import hashlib
import json
import math
import re
import stat
import struct
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

PROJECT = Path(__file__).resolve().parents[2]
EXPORT = PROJECT / "examples" / "online_retail" / "online_retail.csv.gz"
AS_OF = pd.Timestamp("2011-12-09")
RECORDS = 541_909

# What examples/online_retail/business.yml says, repeated so that a change there has to be meant.
MARGIN = 0.30
MIN_OBSERVATION_DAYS, CAP_YEARS = 90, 5
BINS = 5
QUANTILE, MIN_DAYS, MAX_DAYS, ONE_TIME_DAYS, SHRINKAGE = 0.90, 30, 400, 180, 3
# Fewer ended gaps than these say nothing of the next one; no rule, docs/metrics.md says it.
FEWEST_GAPS = 20
LEVELS = {"medium": 40, "high": 60, "critical": 80}
LIST_SIZE, LIST_RECENCY_DAYS = 50, 365
WINDOWS = (30, 60, 90, 180, 365)

# Published doubles have nine significant digits.
close = {"rtol": 1e-8, "atol": 1e-9}


def known_quantile(ended: pd.Series, quantile: float, *, otherwise: float) -> float:
    """A quantile of what had ended by then; with too little, what stands in for it."""
    return float(np.quantile(ended, quantile)) if len(ended) >= FEWEST_GAPS else otherwise


@dataclass(frozen=True)
class Export:
    """The export as pandas reads it; money in thousandths, which every price of the file is a whole number of."""

    lines: pd.DataFrame

    @classmethod
    def read(cls) -> "Export":
        lines = pd.read_csv(EXPORT, dtype=str, keep_default_na=False)
        prices = lines["UnitPrice"].str.extract(r"^(?P<sign>-?)(?P<whole>\d+)\.(?P<part>\d{3})$")
        assert not prices.isna().any(axis=None), "every price has three decimals"
        milli = prices["whole"].astype("int64") * 1000 + prices["part"].astype("int64")
        milli = milli.where(prices["sign"] == "", -milli)
        return cls(
            pd.DataFrame(
                {
                    "number": lines["InvoiceNo"],
                    "customer": lines["CustomerID"],
                    "country": lines["Country"],
                    "at": pd.to_datetime(lines["InvoiceDate"], format="%Y-%m-%d %H:%M:%S"),
                    "milli": lines["Quantity"].astype("int64") * milli,
                }
            )
        )

    @cached_property
    def invoices(self) -> pd.DataFrame:
        """One row per invoice: C or a total below zero is a refund; A, an adjustment, and no worth count as neither."""
        groups = self.lines.groupby("number", sort=True)
        assert (groups["customer"].nunique() == 1).all(), "an invoice has one customer or none"
        found = groups.agg(customer=("customer", "first"), at=("at", "min"), milli=("milli", "sum")).reset_index()
        letter = found["number"].str[0]
        found["kind"] = np.where((letter == "C") | (found["milli"] < 0), "refund", "sale")
        found["valid"] = (letter != "A") & np.where(letter == "C", found["milli"] < 0, found["milli"] > 0)
        # The times of the file are local, and so is the business day.
        found["day"] = found["at"].dt.normalize()
        found["ordered_at"] = found["at"].dt.tz_localize("Europe/London").dt.tz_convert("UTC").dt.tz_localize(None)
        return found

    @cached_property
    def documents(self) -> pd.DataFrame:
        """Valid documents of customers with a number."""
        return self.invoices[self.invoices["valid"] & (self.invoices["customer"] != "")]

    @cached_property
    def purchases(self) -> pd.DataFrame:
        """Sales; no refund of this export names its sale, so each of them is a purchase."""
        return self.documents[self.documents["kind"] == "sale"]

    @cached_property
    def occasions(self) -> pd.DataFrame:
        """One row per customer and day with a purchase, numbered from 1, with the gap before and the day after."""
        days = self.purchases[["customer", "day"]].drop_duplicates().sort_values(["customer", "day"], ignore_index=True)
        groups = days.groupby("customer")["day"]
        days["no"] = groups.cumcount() + 1
        days["gap"] = (days["day"] - groups.shift(1)).dt.days
        days["next"] = groups.shift(-1)
        return days

    @cached_property
    def buyers(self) -> pd.DataFrame:
        """One row per customer with a purchase: days in time, money in thousandths over all valid documents."""
        bought = self.purchases.groupby("customer").agg(
            first=("day", "min"), last=("day", "max"), orders=("number", "size")
        )
        bought["net"] = self.documents.groupby("customer")["milli"].sum()
        bought["recency"] = (AS_OF - bought["last"]).dt.days
        bought["age"] = (AS_OF - bought["first"]).dt.days
        return bought

    @cached_property
    def cadence(self) -> pd.DataFrame:
        """Occasions with the personal gap and the threshold as known on the first day of their month.

        personal gap = (n × median of the own gaps so far + k × median of all gaps) / (n + k); the threshold is the
        quantile of next gap / personal gap, over all who had a gap before, times the personal gap, within its bounds.
        Of all gaps and of all ratios, to the hundredth, only those that had ended before the month count.
        """
        days = self.occasions.copy()
        month = days["day"].dt.to_period("M").dt.start_time
        repeat, followed = days["no"] > 1, days["next"].notna()
        prior = month.map(
            {
                first: known_quantile(days["gap"][repeat & (days["day"] < first)], 0.5, otherwise=ONE_TIME_DAYS)
                for first in month.unique()
            }
        )
        own = days.groupby("customer")["gap"].expanding().median().reset_index(level=0, drop=True)
        gaps = days["no"] - 1
        days["personal"] = (gaps * own.fillna(0) + SHRINKAGE * prior) / (gaps + SHRINKAGE)
        ahead = (days["next"] - days["day"]).dt.days
        hundredths = np.floor(100 * ahead / days["personal"] + 0.5)
        ratio = month.map(
            {
                first: known_quantile(hundredths[repeat & (days["next"] < first)], QUANTILE, otherwise=100)
                for first in month.unique()
            }
        )
        # The last bits of a product must not make a day of it.
        bounded = np.ceil((days["personal"] * ratio / 100).clip(MIN_DAYS, MAX_DAYS).round(6))
        days["threshold"] = bounded.where(repeat, ONE_TIME_DAYS).astype(int)
        lost = days["day"] + pd.to_timedelta(days["threshold"] + 1, unit="D")
        days["churned_on"] = lost.where((days["next"] > lost) | (~followed & (lost <= AS_OF)))
        return days

    @cached_property
    def spells(self) -> pd.DataFrame:
        """One row per time that a customer stayed: from a first purchase or a return until lost."""
        rows = []
        for customer, days in self.cadence.groupby("customer"):
            started, no = days["day"].iloc[0], 1
            for day, churned_on, following in zip(days["day"], days["churned_on"], days["next"], strict=True):
                assert day >= started
                if pd.notna(churned_on):
                    rows.append((customer, no, started, churned_on))
                    started, no = following, no + 1
            if pd.notna(started):
                rows.append((customer, no, started, pd.NaT))
        return pd.DataFrame(rows, columns=["customer", "no", "started_on", "churned_on"])


@pytest.fixture(scope="module")
def export() -> Export:
    return Export.read()


@pytest.fixture(scope="module")
def home(tmp_path_factory, night, deliver) -> Path:
    """A home that has published the bundled export once."""
    home = tmp_path_factory.mktemp("example") / "home"
    deliver(home, EXPORT.name, EXPORT.read_bytes())
    outcome = night(home)
    assert (outcome.exit_code, outcome.kind, outcome.served) == (0, "published", True), outcome.reasons
    return home


@pytest.fixture(scope="module")
def con(home):
    with duckdb.connect(str(home / "current" / "warehouse.duckdb"), read_only=True) as con:
        yield con


@pytest.fixture(scope="module")
def table(con):
    """A published table by name; ``customer`` is the number in the export, found through customer_identities."""
    numbers = con.execute("select customer_id, source_customer_id as customer from marts.customer_identities").df()

    def read(name: str) -> pd.DataFrame:
        # Money as text: a decimal would become a double on its way into a frame.
        columns = con.execute(
            "select column_name, data_type from duckdb_columns() where table_name = ? order by column_index", [name]
        ).fetchall()
        wanted = ", ".join(
            f"cast({column} * 10000 as bigint) as {column}" if kind.startswith("DECIMAL") else f'"{column}"'
            for column, kind in columns
        )
        frame = con.execute(f"select {wanted} from marts.{name}").df()
        return frame.merge(numbers, on="customer_id", how="left") if "customer_id" in frame else frame

    return read


def per_customer(frame: pd.DataFrame) -> pd.DataFrame:
    assert frame["customer"].is_unique
    return frame.set_index("customer").sort_index()


def amount(con, query: str) -> tuple:
    return con.execute(query).fetchone()


# The totals of the export, known before any of this was written.


@pytest.mark.parametrize(
    ("condition", "documents", "worth"),
    [
        ("kind = 'sale'", 19_959, "10655622.4840"),
        ("kind = 'sale' and customer_id is not null", 18_532, "8911407.9040"),
        ("kind = 'refund'", 3_836, "-896812.4900"),
        ("kind = 'refund' and customer_id is not null", 3_654, "-611342.0900"),
    ],
)
def test_valid_documents_are_counted_and_worth_what_is_known_of_the_export(con, condition, documents, worth):
    query = f"select count(*), cast(sum(net_amount) as varchar) from marts.orders where is_valid and {condition}"
    assert amount(con, query) == (documents, worth)


def test_adjustments_and_invoices_without_a_priced_line_are_not_valid(con):
    invalid = "from marts.orders where not is_valid and"
    assert amount(con, f"select count(*) {invalid} source_order_id like 'A%'") == (3,)
    assert amount(con, f"select count(*) {invalid} source_order_id not like 'A%'") == (2_102,)
    assert amount(con, "select count(*) from marts.orders where is_purchase <> (is_valid and kind = 'sale')") == (0,)


def test_every_customer_stands_once_and_every_buyer_is_scored(con):
    counts = {
        "customers": 4_372,
        "customer_360": 4_372,
        "customer_rfm": 4_338,
        "customer_clv": 4_338,
        "churn_risk": 4_338,
    }
    for table, rows in counts.items():
        query = f"select count(*), count(distinct customer_id) from marts.{table}"
        assert amount(con, query) == (rows, rows), table


def test_the_best_known_customer_has_the_known_figures(con):
    query = """
        select customers.orders, cast(customers.gross_revenue as varchar), cast(customer_id as varchar)
        from marts.customers
        inner join marts.customer_identities using (customer_id)
        where source_customer_id = '14646'
    """
    orders, gross_revenue, customer_id = amount(con, query)
    assert (orders, gross_revenue) == (73, "280206.0200")
    assert customer_id == hashlib.sha256(b"online_retail|online_retail|14646").hexdigest()[:16]


def test_every_record_of_the_file_is_accounted_for(con):
    query = "select file, feed, records, documents, loaded, duplicates, excluded, rejected from marts.deliveries"
    # The three adjustments have one line each.
    expected = ("online_retail.csv.gz", "order_lines", RECORDS, 25_900, RECORDS - 3, 0, 3, 0)
    assert con.execute(query).fetchall() == [expected]
    assert amount(con, "select count(*) from marts.order_lines") == (RECORDS,)


# The same tables, computed again from the file.


def test_orders_are_the_invoices_of_the_file(export, table):
    found = table("orders").set_index("source_order_id").sort_index()
    expected = export.invoices.set_index("number").sort_index()
    assert found.index.equals(expected.index.rename(found.index.name))
    np.testing.assert_array_equal(found["net_amount"], expected["milli"] * 10)
    np.testing.assert_array_equal(found["gross_margin"], expected["milli"] * 3)
    np.testing.assert_array_equal(found["kind"], expected["kind"])
    np.testing.assert_array_equal(found["is_valid"], expected["valid"])
    np.testing.assert_array_equal(found["customer"].fillna(""), expected["customer"])
    np.testing.assert_array_equal(pd.to_datetime(found["order_date"]), expected["day"])
    np.testing.assert_array_equal(found["ordered_at"], expected["ordered_at"])


def test_customers_have_the_totals_of_their_invoices(export, table):
    found = per_customer(table("customers"))
    named = export.invoices[export.invoices["customer"] != ""]
    assert list(found.index) == sorted(named["customer"].unique())
    valid, sales = export.documents, export.purchases
    expected = {
        "orders": sales.groupby("customer").size(),
        "gross_revenue": sales.groupby("customer")["milli"].sum() * 10,
        "refund_amount": valid[valid["kind"] == "refund"].groupby("customer")["milli"].sum() * 10,
        "net_revenue": valid.groupby("customer")["milli"].sum() * 10,
        "gross_margin": valid.groupby("customer")["milli"].sum() * 3,
    }
    for column, values in expected.items():
        np.testing.assert_array_equal(found[column], values.reindex(found.index, fill_value=0), err_msg=column)
    times = sales.groupby("customer")["ordered_at"].agg(["min", "max"]).reindex(found.index)
    pd.testing.assert_series_equal(found["first_order_at"], times["min"], check_names=False, check_dtype=False)
    pd.testing.assert_series_equal(found["last_order_at"], times["max"], check_names=False, check_dtype=False)
    created = named.groupby("customer")["ordered_at"].min()
    pd.testing.assert_series_equal(found["created_at"], created, check_names=False, check_dtype=False)


def test_a_customer_lives_in_the_country_of_the_newest_invoice(export, table):
    lines = export.lines[export.lines["customer"] != ""]
    newest = lines[lines["at"] == lines.groupby("customer")["at"].transform("max")]
    countries = newest.groupby("customer")["country"].agg(["nunique", "first"])
    certain = countries[countries["nunique"] == 1]["first"]
    assert len(certain) > 4_300
    found = per_customer(table("customers"))["country"]
    np.testing.assert_array_equal(found[certain.index], certain)


def scores(values: np.ndarray) -> np.ndarray:
    """One more than the number of quintile cut points that a value exceeds: equal values, equal scores."""
    cuts = np.quantile(values, np.arange(1, BINS) / BINS)
    return 1 + (values[:, None] > cuts[None, :]).sum(axis=1)


def test_rfm_is_recency_frequency_and_monetary_cut_at_quintiles(export, table):
    found, buyers = per_customer(table("customer_rfm")), export.buyers
    assert list(found.index) == list(buyers.index)
    assert set(found["as_of"]) == {AS_OF}
    np.testing.assert_array_equal(found["recency_days"], buyers["recency"])
    np.testing.assert_array_equal(found["frequency"], buyers["orders"])
    np.testing.assert_array_equal(found["monetary"], buyers["net"] * 10)
    np.testing.assert_array_equal(found["r_score"], BINS + 1 - scores(buyers["recency"].to_numpy()))
    np.testing.assert_array_equal(found["f_score"], scores(buyers["orders"].to_numpy()))
    np.testing.assert_array_equal(found["m_score"], scores(buyers["net"].to_numpy()))


def test_a_score_is_a_matter_of_the_value_alone_whatever_row_it_stands_in(table):
    found = table("customer_rfm")
    for value, score, rising in (
        ("recency_days", "r_score", False),
        ("frequency", "f_score", True),
        ("monetary", "m_score", True),
    ):
        per_value = found.groupby(value)[score].agg(["nunique", "first"])
        assert (per_value["nunique"] == 1).all(), "ties share a score"
        ordered = per_value["first"].to_list()
        assert ordered == sorted(ordered, reverse=not rising)


def test_every_buyer_is_in_the_first_segment_that_holds_the_scores(table):
    def segment(r: int, f: int, m: int) -> str:
        high = {4, 5}
        if m in high and f in high:
            return "champions" if r in high else "keep_close" if r == 3 else "win_back"
        if m in high:
            return "big_spenders" if r >= 3 else "big_spenders_lost"
        if r >= 3 and f in high:
            return "loyal"
        return "promising" if r in high else "cooling" if r in {2, 3} else "other"

    found = table("customer_rfm")
    expected = [segment(*cell) for cell in zip(found["r_score"], found["f_score"], found["m_score"], strict=True)]
    assert list(found["rfm_segment"]) == expected


def months_between(earlier: pd.Series, later: pd.Series) -> pd.Series:
    return (later.dt.year - earlier.dt.year) * 12 + later.dt.month - earlier.dt.month


def test_cohort_retention_counts_the_customers_of_a_first_month_who_bought_again(export, table):
    first = export.buyers["first"].dt.to_period("M").dt.to_timestamp()
    sizes = first.value_counts()
    months = pd.date_range(first.min(), AS_OF, freq="MS")
    bought, paid = (
        rows.assign(cohort=rows["customer"].map(first), month=rows["day"].dt.to_period("M").dt.to_timestamp()).dropna()
        for rows in (export.purchases, export.documents)
    )
    active = bought.groupby(["cohort", "month"])["customer"].nunique()
    money = paid.groupby(["cohort", "month"])["milli"].sum()

    found = table("cohort_retention").set_index(["cohort_month", "period"])
    seen = 0
    for cohort in months:
        cumulative = 0
        for period, month in enumerate(months[months >= cohort]):
            row = found.loc[(cohort, period)]
            revenue = int(money.get((cohort, month), 0))
            cumulative += revenue
            customers = int(active.get((cohort, month), 0))
            assert (row["cohort_size"], row["active_customers"]) == (sizes[cohort], customers)
            assert (row["net_revenue"], row["cumulative_net_revenue"]) == (revenue * 10, cumulative * 10)
            assert row["cumulative_gross_margin"] == cumulative * 3
            # December 2011 had nine days by then.
            assert row["is_complete"] == (month < pd.Timestamp("2011-12-01"))
            if row["is_complete"]:
                assert math.isclose(row["retention_rate"], customers / sizes[cohort], rel_tol=1e-8)
            else:
                assert math.isnan(row["retention_rate"])
            seen += 1
    assert len(found) == seen == 13 * 14 / 2


def test_repurchase_asks_only_those_whose_window_has_passed(export, table):
    first = export.occasions[export.occasions["no"] == 1].copy()
    first["cohort"] = first["day"].dt.to_period("M").dt.to_timestamp()
    first["wait"] = (first["next"] - first["day"]).dt.days
    first["age"] = (AS_OF - first["day"]).dt.days

    found = table("repurchase").set_index(["cohort_month", "window_days"])
    assert sorted(found.index) == sorted((cohort, days) for cohort in first["cohort"].unique() for days in WINDOWS)
    for (cohort, days), row in found.iterrows():
        mature = first[(first["cohort"] == cohort) & (first["age"] >= days)]
        back = mature[mature["wait"] <= days]
        assert (row["mature_customers"], row["repurchased"]) == (len(mature), len(back))
        rate = len(back) / len(mature) if len(mature) else math.nan
        np.testing.assert_allclose(row["repurchase_rate"], rate, **close)
        np.testing.assert_allclose(row["median_days_to_2nd"], back["wait"].median(), **close)


def test_value_formulas_are_order_value_times_frequency_times_years(export, table):
    found, buyers = per_customer(table("customer_clv")), export.buyers
    years = (buyers["age"] / 365).clip(lower=MIN_OBSERVATION_DAYS / 365)
    relationship = years.clip(upper=CAP_YEARS)
    order_value = buyers["net"] / 1000 / buyers["orders"]
    formula = order_value * (buyers["orders"] / years) * relationship
    expected = {
        "aov": order_value,
        "orders_per_year": buyers["orders"] / years,
        "relationship_years": relationship,
        "margin_rate": pd.Series(MARGIN, buyers.index),
        "clv_revenue_formula": formula,
        "clv_margin_formula": formula * MARGIN,
    }
    for column, values in expected.items():
        np.testing.assert_allclose(found[column], values, err_msg=column, **close)
    # No cost is allocated yet: what is left of all sales and refunds, exactly.
    np.testing.assert_array_equal(found["clv_net"], buyers["net"] * 3)


def test_predictions_follow_from_the_published_parameters(export, table):
    """MBG/NBD, whose customers may leave after their first purchase already: Batislam et al. (2007).

    Gamma-Gamma's conditional mean: Fader & Hardie (2013).
    """
    fits = table("model_fits")
    mbg = fits[fits["model"] == "mbg_nbd"].set_index("parameter")["value"]
    spend = fits[fits["model"] == "gamma_gamma"].set_index("parameter")["value"]
    found, buyers = per_customer(table("customer_clv")), export.buyers
    frequency = export.occasions.groupby("customer").size() - 1
    recency = (buyers["last"] - buyers["first"]).dt.days

    odds = mbg["a"] / (mbg["b"] + frequency)
    odds *= ((mbg["alpha"] + buyers["age"]) / (mbg["alpha"] + recency)) ** (mbg["r"] + frequency)
    # The shop hardly loses anybody for good, so it is the small chance of having left that has to agree.
    np.testing.assert_allclose(1 - found["p_alive"], odds / (1 + odds), rtol=1e-5, atol=2e-9)

    days = export.purchases.groupby(["customer", "day"])["milli"].sum() / 1000
    repeats = days[days.index.get_level_values("day") != days.index.get_level_values("customer").map(buyers["first"])]
    mean = repeats.groupby("customer").mean().reindex(buyers.index).fillna(0)
    p, q, v = spend[["p", "q", "v"]]
    expected = p * (v + frequency * mean) / (p * frequency + q - 1)
    np.testing.assert_allclose(found["expected_spend"], expected, rtol=1e-6)
    ordered = found["clv_predicted_365d_low"] <= found["clv_predicted_365d_high"]
    assert ordered.all()
    assert (found["clv_predicted_90d"] <= found["clv_predicted_365d"]).all()


def test_the_best_fifth_of_the_customers_has_the_share_a_sort_says(export, table):
    net = export.buyers["net"].sort_values(ascending=False)
    found = table("value_concentration").query("ranked_by == 'gross_margin'").set_index("percentile")
    for percentile in (1, 20, 50, 99, 100):
        customers = len(net) * percentile // 100
        best = net.iloc[:customers].sum()
        row = found.loc[percentile]
        assert (row["cum_customers"], row["cum_margin"]) == (customers, best * 3)
        np.testing.assert_allclose(row["cum_margin_share"], best / net.sum(), **close)
        np.testing.assert_allclose(row["cum_revenue_share"], best / net.sum(), **close)


def test_the_stock_of_active_customers_moves_by_dated_silence(export, table):
    spells = export.spells
    found = table("churn_monthly").set_index("month").sort_index()
    months = pd.date_range("2010-12-01", AS_OF, freq="MS")
    assert list(found.index) == list(months)
    for month in months:
        last = min(month + pd.offsets.MonthEnd(0), AS_OF)
        started = spells["started_on"].between(month, last)
        ended = spells["churned_on"].between(month, last)
        had_begun = spells["started_on"] < month
        expected = {
            "opening": (had_begun & ~(spells["churned_on"] < month)).sum(),
            "new": (started & (spells["no"] == 1)).sum(),
            "reactivated": (started & (spells["no"] > 1)).sum(),
            "churned": (ended & had_begun).sum(),
            "intra_period_churn": (ended & ~had_begun).sum(),
            "closing": ((spells["started_on"] <= last) & ~(spells["churned_on"] <= last)).sum(),
        }
        row = found.loc[month]
        assert row[list(expected)].to_dict() == expected, month
        stays = expected["opening"] - expected["churned"] - expected["intra_period_churn"]
        assert stays + expected["new"] + expected["reactivated"] == expected["closing"]
        complete = month < pd.Timestamp("2011-12-01")
        assert row["is_complete"] == complete
        rate = expected["churned"] / expected["opening"] if complete and expected["opening"] else math.nan
        np.testing.assert_allclose(row["churn_rate"], rate, **close)
        np.testing.assert_allclose(row["retention_rate"], 1 - rate, **close)
    openings, closings = list(found["opening"]), list(found["closing"])
    assert openings[1:] == closings[:-1]


def test_each_day_counts_its_documents_and_its_movements(export, table):
    found = table("kpi_daily").set_index("day").sort_index()
    days = pd.date_range("2010-12-01", AS_OF)
    assert list(found.index) == list(days)
    valid, spells = export.invoices[export.invoices["valid"]], export.spells
    sales, refunds = valid[valid["kind"] == "sale"], valid[valid["kind"] == "refund"]
    entered, left = (
        spells[column].value_counts().reindex(days, fill_value=0) for column in ("started_on", "churned_on")
    )
    first = spells[spells["no"] == 1]["started_on"].value_counts()
    expected = {
        "orders": sales.groupby("day").size(),
        "refunds": refunds.groupby("day").size(),
        "buyers": export.purchases.groupby("day")["customer"].nunique(),
        "gross_revenue": sales.groupby("day")["milli"].sum() * 10,
        "refund_amount": refunds.groupby("day")["milli"].sum() * 10,
        "net_revenue": valid.groupby("day")["milli"].sum() * 10,
        "gross_margin": valid.groupby("day")["milli"].sum() * 3,
        "new_customers": first,
        "reactivated_customers": entered - first.reindex(days, fill_value=0),
        "churned_customers": left,
        "active_customers": (entered - left).cumsum(),
    }
    for column, values in expected.items():
        np.testing.assert_array_equal(found[column], values.reindex(days, fill_value=0), err_msg=column)
    assert found["active_customers"].iloc[-1] == table("churn_monthly").set_index("month")["closing"].iloc[-1]


def test_silence_is_measured_against_the_customers_own_gap(export, table):
    found = per_customer(table("churn_risk"))
    last = export.cadence.groupby("customer").tail(1).set_index("customer").sort_index()
    recency = export.buyers["recency"]
    np.testing.assert_array_equal(found["recency_days"], recency)
    np.testing.assert_allclose(found["personal_gap_days"], last["personal"], **close)
    np.testing.assert_allclose(found["cadence_ratio"], recency / last["personal"], **close)
    np.testing.assert_array_equal(found["threshold_days"], last["threshold"])
    np.testing.assert_allclose(found["days_overdue"], (recency - last["personal"]).clip(lower=0), **close)
    pd.testing.assert_series_equal(found["churned_on"], last["churned_on"], check_names=False, check_dtype=False)
    # Half a day more is the next day.
    gap = np.floor(last["personal"] + 0.5)
    expected = export.buyers["last"] + pd.to_timedelta(gap, unit="D")
    np.testing.assert_array_equal(found["expected_next_order_on"], expected)


def half_of_before(now: pd.Series, before: pd.Series, least: float) -> pd.Series:
    """Whether a figure has fallen by half or more, from `least` or more."""
    return (before >= least) & (now <= before / 2)


def test_signals_fire_by_the_rules_and_join_to_the_score(export, table):
    risk = per_customer(table("churn_risk"))
    probability = risk["churn_probability"]
    assert probability.between(0, 1).all()
    lift = probability / probability.mean() - 1
    ages = (AS_OF - export.documents["day"]).dt.days
    windows = {"now": ages < 90, "before": (ages >= 90) & (ages < 180)}
    orders, spent = (
        {
            name: counted[within].groupby(of[within]).sum().reindex(risk.index, fill_value=0)
            for name, within in windows.items()
        }
        for counted, of in (
            ((export.documents["kind"] == "sale").astype(int), export.documents["customer"]),
            (export.documents["milli"] / 1000, export.documents["customer"]),
        )
    )
    strengths = pd.DataFrame(
        {
            "overdue": np.where(risk["cadence_ratio"] >= 1.5, 0.4, 0),
            "no_order_months": np.where(risk["recency_days"] >= 120, 0.6, 0),
            "order_count_drop": np.where(half_of_before(orders["now"], orders["before"], 3), 0.5, 0),
            "spend_drop": np.where(half_of_before(spent["now"], spent["before"], 100), 0.3, 0),
            "model_risk": 0.5 * lift.clip(0, 1),
        },
        index=risk.index,
    )
    assert (strengths > 0).sum().min() > 100
    signals = table("churn_signals")
    for signal, expected in strengths.items():
        published = per_customer(signals[signals["signal_id"] == signal])
        np.testing.assert_array_equal(published["fired"], expected > 0)
        np.testing.assert_allclose(published["weighted_strength"], expected, rtol=1e-6, atol=1e-8, err_msg=signal)
    # The export has neither logins nor tickets, answers or contracts.
    others = signals[~signals["signal_id"].isin(strengths.columns)]
    assert len(others) > 0
    assert set(others["availability"]) == {"not_available"}
    assert not others["fired"].any()

    np.testing.assert_allclose(risk["risk_score"], 100 * (1 - (1 - strengths).prod(axis=1)), rtol=1e-6, atol=1e-6)
    level = pd.Series("low", risk.index)
    for name, from_score in LEVELS.items():
        level[risk["risk_score"] >= from_score] = name
    assert list(risk["risk_level"]) == list(level)


def test_reasons_share_the_score_by_how_loud_they_are_and_say_their_numbers(table):
    risk = per_customer(table("churn_risk"))
    signals = table("churn_signals")
    fired = signals[signals["fired"]]
    logs = np.log1p(-fired["weighted_strength"])
    share = logs / logs.groupby(fired["customer"]).transform("sum")
    points = (share * fired["customer"].map(risk["risk_score"])).groupby([fired["customer"], fired["signal_id"]]).sum()
    places = [f"reason_{place}" for place in (1, 2, 3)]
    sums = risk[[f"{place}_points" for place in places]].fillna(0).sum(axis=1)
    # Three reasons are shown of all that fired.
    shown = fired.groupby("customer").size().reindex(risk.index, fill_value=0) <= len(places)
    np.testing.assert_allclose(sums[shown], risk["risk_score"][shown], rtol=1e-6, atol=1e-6)
    assert (sums[~shown] < risk["risk_score"][~shown]).all()
    for place in places:
        named = risk[risk[place].notna()]
        expected = [points[key] for key in zip(named.index, named[place], strict=True)]
        np.testing.assert_allclose(named[f"{place}_points"], expected, rtol=1e-6, atol=1e-6)
    for louder, softer in pairwise(places):
        both = risk[risk[softer].notna()]
        assert (both[f"{louder}_points"] >= both[f"{softer}_points"] - 1e-6).all()
        assert (both[softer] != both[louder]).all()

    silent = risk[risk["reason_1"] == "no_order_months"]
    assert len(silent) > 100
    for row in silent.head(200).itertuples():
        assert row.reason_1_en == f"No order for {row.recency_days} days (threshold 120)"
        assert row.reason_1_zh == f"已 {row.recency_days} 天未下单（阈值 120 天）"


def test_value_at_risk_is_what_is_expected_of_the_living_less_what_is_expected(table):
    clv, risk = per_customer(table("customer_clv")), per_customer(table("churn_risk"))
    expected = clv["clv_predicted_365d"] / clv["p_alive"] - clv["clv_predicted_365d"]
    # A difference of two published numbers has lost most of its nine digits.
    tolerance = 1e-7 * clv["clv_predicted_365d"]
    assert ((risk["value_at_risk"] - expected).abs() <= tolerance).all()
    assert (risk["value_at_risk"] >= 0).all()


def test_the_backtest_counts_those_who_bought_nothing_after_each_past_day(export, table):
    quality = table("model_quality")
    per_day = quality[quality["origin"] != "all"].set_index(["origin", "model"])
    learned = int(quality["learned_horizon_days"].iloc[0])
    # A year and nine days have room for four horizons of the 90 days that the rules ask for.
    assert learned == 90
    origins = sorted(per_day.index.get_level_values("origin").unique())
    assert len(origins) >= 3
    for origin in origins:
        day = pd.Timestamp(origin)
        days = export.occasions
        buyers = days.loc[days["day"] <= day, "customer"].unique()
        within = days[(days["day"] > day) & (days["day"] <= day + pd.Timedelta(days=learned))]
        silent = len(buyers) - within["customer"].drop_duplicates().isin(buyers).sum()
        measured = per_day.loc[origin]
        assert (measured["customers"] == len(buyers)).all(), origin
        assert (measured["events"] == silent).all(), origin
        tenths = table("model_deciles").query("origin_on == @day and is_champion")
        assert (tenths["customers"].sum(), tenths["events"].sum()) == (len(buyers), silent)
        # Sizes and rates of the tenths are those of their counts.
        np.testing.assert_allclose(tenths["rate"], tenths["events"] / tenths["customers"], rtol=1e-8)
        np.testing.assert_allclose(
            tenths.sort_values("decile")["capture"], tenths.sort_values("decile")["events"].cumsum() / silent, rtol=1e-8
        )


def test_the_champion_is_not_worse_than_the_rule_and_gives_the_published_scores(export, table):
    risk, quality = per_customer(table("churn_risk")), table("model_quality")
    means = quality[quality["origin"] == "all"].set_index("model")
    [champion] = means.index[means["is_champion"]]
    assert means.loc[champion, "brier"] <= means.loc["gap", "brier"]
    assert set(risk["model"]) == {champion}
    assert list(risk.index) == list(export.buyers.index)
    assert set(risk["score_status"]) <= {"model", "rule_only", "segment_average"}
    assert (risk["scored_on"] == AS_OF).all()
    # Among those who bought once, the longer silent is likelier lost.
    once = risk[(export.buyers["orders"] == 1) & (risk["score_status"] == "model")]
    assert once["churn_probability"].corr(once["recency_days"], method="spearman") > 0.9


def test_reasons_of_the_model_add_up_to_its_margin(table):
    reasons, risk = table("score_reasons"), per_customer(table("churn_risk"))
    sums = reasons.groupby("customer").agg(
        parts=("contribution", "sum"), base=("base", "first"), margin=("margin", "first"), first=("place", "min")
    )
    np.testing.assert_allclose(sums["base"] + sums["parts"], sums["margin"], atol=1e-7)
    assert (sums["first"] == 1).all()
    average = risk["churn_probability"].mean()
    told = risk[(risk["churn_probability"] > average + 1e-9) & (risk["recency_days"] <= 365)]
    assert set(told.index[~told["score_reason_en"].str.contains("year")]) == set(sums.index)
    assert reasons["feature_zh"].str.contains("[一-龥A-Z]").all()


def test_the_gap_that_the_model_takes_follows_from_the_export(export, table):
    """The own median gap, joined by three gaps as everybody's own are tonight; silence is told as a multiple of it."""
    gaps = export.occasions.groupby("customer")["gap"]
    own, number = gaps.median(), gaps.count()
    gap = (number * own.fillna(0) + 3 * own.median()) / (number + 3)
    told = table("score_reasons").query("feature == 'learned_gap_ratio'").set_index("customer")["value"]
    assert len(told) > 500
    np.testing.assert_allclose(told, (export.buyers["recency"] / gap).reindex(told.index), **close)


def test_horizons_hold_each_other_and_agree_with_the_value_of_a_year(table):
    horizons, clv = table("customer_clv_horizons"), per_customer(table("customer_clv"))
    wide = horizons.pivot(index="customer", columns="horizon_days", values=["expected_orders", "clv_predicted"])
    for figure in ("expected_orders", "clv_predicted"):
        assert list(wide[figure].columns) == [30, 90, 180, 365, 730]
        assert (wide[figure].diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    for days in (90, 365):
        np.testing.assert_allclose(wide["clv_predicted"][days], clv[f"clv_predicted_{days}d"], **close)
        np.testing.assert_allclose(wide["expected_orders"][days], clv[f"expected_orders_{days}d"], **close)
    assert (horizons["clv_low"] <= horizons["clv_high"]).all()


def test_the_alert_list_is_those_at_risk_with_most_to_lose_first(table):
    risk = table("churn_risk")
    wanted = risk[risk["risk_level"].isin(["high", "critical"]) & (risk["recency_days"] <= LIST_RECENCY_DAYS)]
    expected = wanted.sort_values(["value_at_risk", "customer_id"], ascending=[False, True]).head(LIST_SIZE)
    assert len(wanted) > LIST_SIZE
    found = table("list_members").sort_values("priority_rank")
    assert list(found["customer_id"]) == list(expected["customer_id"])
    assert list(found["priority_rank"]) == list(range(1, LIST_SIZE + 1))
    assert set(found["arm"]) == {"treat", "control"}
    assert (found["state"] == "new").all()
    for column in ("reason_1", "reason_2", "reason_3", "risk_level", "risk_score", "value_at_risk"):
        pd.testing.assert_series_equal(
            found[column].reset_index(drop=True), expected[column].reset_index(drop=True), check_dtype=False
        )


# What a release promises to its readers.


def test_the_360_view_repeats_what_the_other_tables_say(con):
    parts = {
        "customers": "orders, gross_revenue, net_revenue, first_order_at, last_order_at, country",
        "customer_rfm": "r_score, f_score, m_score, rfm_segment, recency_days",
        "customer_clv": "clv_revenue_formula, clv_margin_formula, clv_net, clv_predicted_365d, p_alive, aov",
        "churn_risk": "churn_probability, risk_score, risk_level, value_at_risk, reason_1, churned_on, days_overdue",
    }
    for table, columns in parts.items():
        query = f"""
            select customer_id, {columns} from marts.{table}
            except all
            select customer_id, {columns} from marts.customer_360
        """
        assert con.execute(query).fetchall() == [], table
    never_bought = "from marts.customer_360 where orders = 0"
    assert amount(con, f"select count(*), count(churn_probability), count(rfm_segment) {never_bought}") == (34, 0, 0)


def test_parquet_files_and_database_hold_the_same_rows(con, home):
    tables = [
        name for (name,) in con.execute("select table_name from duckdb_tables() where schema_name = 'marts'").fetchall()
    ]
    files = {file.stem: file for file in (home / "current" / "marts").iterdir()}
    assert sorted(tables) == sorted(files)
    for name, file in files.items():
        here, there = f"select * from marts.{name}", f"select * from read_parquet('{file}')"
        assert con.execute(f"describe {here}").fetchall() == con.execute(f"describe {there}").fetchall(), name
        assert con.execute(f"({here} except all {there}) union all ({there} except all {here})").fetchall() == [], name


def test_the_database_opens_read_only_for_every_client_since_1_0(con, home):
    file = home / "current" / "warehouse.duckdb"
    assert stat.S_IMODE(file.stat().st_mode) == 0o444
    # 64 is the storage version that DuckDB 1.0 wrote.
    assert struct.unpack("<8x4sQ", file.read_bytes()[:20]) == (b"DUCK", 64)
    assert con.execute("select distinct schema_name from duckdb_tables()").fetchall() == [("marts",)]
    types = {
        kind
        for (kind,) in con.execute(
            "select distinct data_type from duckdb_columns() where schema_name = 'marts'"
        ).fetchall()
    }
    flat = {"VARCHAR", "DATE", "TIMESTAMP", "BOOLEAN", "INTEGER", "BIGINT", "DOUBLE"}
    assert {kind for kind in types if not re.fullmatch(r"DECIMAL\(18,4\)", kind)} <= flat


def test_the_release_verifies_and_its_manifest_names_every_file(con, home):
    from warehouse.home import Home
    from warehouse.releases import verify

    assert verify(Home(home)) == []
    current = home / "current"
    manifest = json.loads((current / "manifest.json").read_text(encoding="utf-8"))
    files = {
        str(file.relative_to(current)): file
        for file in current.rglob("*")
        if file.is_file() and file.name != "manifest.json"
    }
    assert sorted(manifest["files"]) == sorted(files)
    for name, file in files.items():
        content = file.read_bytes()
        assert manifest["files"][name] == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert manifest["as_of"] == "2011-12-09"
    assert [each["records"] for each in manifest["inputs"]] == [RECORDS]
    assert manifest["row_counts"]["customers"] == 4_372
    assert {each["gate"] for each in manifest["gates"]} == {"raw", "score", "warehouse", "lists"}
    (row,) = con.execute("select seq, run_id, as_of from marts.release").fetchall()
    assert row == (manifest["seq"], manifest["run_id"], AS_OF.date())


def test_only_the_restricted_part_is_kept_from_other_users(home):
    current = (home / "current").resolve()
    for path in current.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        restricted = "restricted" in path.relative_to(current).parts
        assert mode & stat.S_IWOTH == 0
        assert bool(mode & stat.S_IROTH) is not restricted, path
    assert stat.S_IMODE((current / "restricted").stat().st_mode) == 0o750
    # The landing folder belongs to whoever delivers.
    for private in ("raw", "rejected", "build", "work", "history", "dagster"):
        assert stat.S_IMODE((home / private).stat().st_mode) == 0o700, private


def test_no_published_table_has_a_column_for_names_or_addresses(con):
    query = """
        select table_name, column_name from duckdb_columns()
        where schema_name = 'marts'
            -- Whether and when somebody may be, or was, reached is no way to reach them.
            and column_name not in ('column_name', 'table_name', 'contact_id', 'days_since_contact')
            and not starts_with(column_name, 'consent_')
            and regexp_matches(column_name, '(^|_)(email|phone|mobile|name|contact|wechat|qq|birth|address)(_|$)')
    """
    assert con.execute(query).fetchall() == []


def test_the_list_for_people_has_a_mark_quotes_and_nobody_held_out(con, home):
    folder = home / "current" / "restricted" / "lists"
    content = (folder / "churn_alert.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    text = content.decode("utf-8-sig")
    for line in text.splitlines():
        assert re.fullmatch(r'("[^"]*"|)(,("[^"]*"|))*', line), "every cell that is not empty is quoted"
    rows = list(csv.DictReader(text.splitlines()))
    held_out = {
        alert for (alert,) in con.execute("select alert_id from marts.list_members where arm = 'control'").fetchall()
    }
    treated = con.execute(
        "select alert_id from marts.list_members where arm = 'treat' order by priority_rank"
    ).fetchall()
    assert [row["alert_id"] for row in rows] == [alert for (alert,) in treated]
    assert {row["arm"] for row in rows} == {"treat"}
    assert not held_out & {row["alert_id"] for row in rows}
    assert held_out
    for row in rows:
        assert not [cell for cell in row.values() if cell.lstrip()[:1] in {"=", "+", "-", "@"}]
        assert row["reason_1_zh"]
        assert row["reason_1_en"]

    def alerts(name: str) -> list[str]:
        with duckdb.connect() as files:
            found = files.execute(
                f"select alert_id from read_parquet('{folder / name}') order by priority_rank"
            ).fetchall()
        return [alert for (alert,) in found]

    assert alerts("churn_alert.parquet") == [row["alert_id"] for row in rows]
    assert set(alerts("churn_alert.control.parquet")) == held_out
