"""Every figure of the metric catalogue, and where its twin is published.

Here belongs which computation answers for which column. The computations belong to the modules beside this one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from rules.indicators import catalogue_rows
from rules.metrics import CATALOGUE
from tests.dbt.twins import records
from tests.dbt.twins.behaviour import Behaviour
from tests.dbt.twins.business import Business
from tests.dbt.twins.cadence import Cadence
from tests.dbt.twins.documents import Documents
from tests.dbt.twins.night import Night, first_of_month
from tests.dbt.twins.value import Value

#: Tables with one row per customer as of tonight, where figures of one customer stand.
OF_CUSTOMERS = (
    "core.customer_snapshots",
    "core.customer_states",
    "marts.customers",
    "marts.customer_360",
    "marts.customer_rfm",
    "marts.customer_clv",
    "marts.churn_risk",
)
#: Columns that are called otherwise in one of them.
CALLED = {
    "orders_total": {"": "orders"},
    "churned": {"marts.customer_360": "is_churned"},
}
#: Working columns of the snapshots: rules read these figures where only buyers have them.
WORKING = {("core.customer_snapshots", "frequency"), ("core.customer_snapshots", "monetary")}


@dataclass(frozen=True)
class Figure:
    """One figure in one table.

    Attributes
    ----------
    kind, metric : str
        Its place in the catalogue.
    query : str
        What is published: the columns of ``keys`` and ``value``.
    keys : list of str
        What there is one value for.
    twin : callable
        The same, computed in pandas: a series with the keys as index.
    table : str
        The table.
    """

    kind: str
    metric: str
    table: str
    keys: list[str]
    query: str
    twin: Callable[[], pd.Series]


@dataclass
class Shop:
    """A night and everything that is computed from it a second time."""

    night: Night
    landing: Path
    truth: Path
    figures: dict[tuple[str, str], list[Figure]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.documents = Documents(self.night)
        self.cadence = Cadence(self.night, self.documents)
        self.behaviour = Behaviour(self.night)
        self.value = Value(self.night, self.documents, self.cadence, self.behaviour)
        self.business = Business(self.night, self.documents, self.cadence, self.behaviour, self.value)
        for each in [*self._of_customers(), *self._published(), *self._counted()]:
            self.figures.setdefault((each.kind, each.metric), []).append(each)

    def columns(self, table: str) -> list[str]:
        """The columns of a table."""
        con = self.night.release if table.startswith("marts.") else self.night.built
        return [row[0] for row in con.execute(f"describe {table}").fetchall()]

    def _of_customers(self) -> Iterator[Figure]:
        for name, metric in CATALOGUE.items():
            for table in OF_CUSTOMERS:
                called = CALLED.get(name, {})
                column = called.get(table) or called.get("") or metric.column
                if column in self.columns(table) and (table, name) not in WORKING:
                    tonight = (
                        "" if "as_of" not in self.columns(table) else f" where as_of = '{self.night.as_of:%Y-%m-%d}'"
                    )
                    yield Figure(
                        "customer", name, table, ["customer_id"],
                        f"select customer_id, {column} as value from {table}{tonight}",
                        lambda name=name, table=table: self._customers(name, table),
                    )  # fmt: skip
        figures = self.value
        yield Figure(
            "customer", "gender", "core.customer_attributes", ["customer_id"],
            "select customer_id, gender as value from core.customer_attributes where gender is not null",
            lambda: figures.described["gender"].dropna(),
        )  # fmt: skip
        # The age stands in no table: the segments that are cut from it do.
        yield Figure(
            "customer", "age_years", "marts.segment_membership", ["customer_id"],
            "select customer_id, segment as value from marts.segment_membership where scheme = 'age_band'",
            lambda: self.business.schemes["age_band"],
        )  # fmt: skip
        yield Figure(
            "customer", "churn_probability_lift", "marts.churn_signals", ["customer_id"],
            "select customer_id, value from marts.churn_signals where signal_id = 'model_risk'",
            lambda: self._buyers["churn_probability_lift"],
        )  # fmt: skip

    @property
    def _buyers(self) -> pd.DataFrame:
        tonight = self.value.tonight
        return tonight[tonight["orders_total"] > 0]

    def _customers(self, name: str, table: str) -> pd.Series:
        """The figure of all customers, or of all buyers where a table has no others."""
        of_buyers = table in ("marts.customer_rfm", "marts.customer_clv", "marts.churn_risk")
        return (self._buyers if of_buyers else self.value.tonight)[name]

    def _published(self) -> Iterator[Figure]:
        of, clv = self.business, self.value

        def at_risk(figures: pd.DataFrame) -> pd.Series:
            return figures["risk_level"].isin(["high", "critical"])

        def column(metric: str, table: str, keys: str, twin: Callable[[], pd.Series], where: str = "true") -> Figure:
            query = f"select {keys}, {metric} as value from marts.{table} where {where}"
            return Figure("published", metric, f"marts.{table}", keys.split(", "), query, twin)

        for name in ("orders", "buyers", "net_revenue", "gross_margin", "aov"):
            yield column(name, "kpi_daily", "day", lambda name=name: of.sales("day")[name])
        for name in (
            *("orders", "buyers", "net_revenue", "gross_margin", "aov"),
            *("net_revenue_by_order_date", "margin_rate", "revenue_per_buyer"),
        ):
            yield column(name, "revenue_monthly", "month", lambda name=name: of.sales("month")[name])
        for name, mine in (
            ("net_revenue", "net"), ("gross_margin", "margin"), ("net_revenue_by_order_date", "by_order_date")
        ):  # fmt: skip
            yield column(name, "revenue_ledger", "day, currency", lambda mine=mine: of.ledger[mine])
        yield column("active_customers", "kpi_daily", "day", lambda: of.active)
        yield column("repurchase_rate", "repurchase", "cohort_month, window_days", lambda: of.repurchase)
        yield column("repurchase_rate_90d", "kpi_daily", "day", lambda: of.repurchase_90d)
        yield column("retention_rate", "cohort_retention", "cohort_month, period", lambda: of.retention)
        yield column("churn_rate", "churn_monthly", "month", lambda: of.churn_rate)
        yield column("churn_rate_30d", "kpi_daily", "day", lambda: of.churn_rate_30d)
        for name in ("nrr", "grr"):
            yield column(name, "revenue_retention", "month, dimension, segment", lambda name=name: of.recurring[name])
        for name in ("clv_revenue_formula", "clv_margin_formula", "clv_net"):
            yield column(name, "customer_360", "customer_id", lambda name=name: clv.clv[name], "orders > 0")
        for name in (
            *("clv_revenue_formula", "clv_margin_formula", "clv_net"),
            *("clv_net_per_year", "service_cost_ratio", "orders_per_year"),
        ):
            yield column(name, "customer_clv", "customer_id", lambda name=name: clv.clv[name])
        yield column("cum_margin_share", "value_concentration", "ranked_by, percentile", of.concentration)
        yield column(
            "at_risk",
            "kpi_daily",
            "day",
            lambda: self._tonight_only(at_risk(clv.tonight)),
        )
        yield column(
            "value_at_risk", "kpi_daily", "day",
            lambda: self._tonight_only(clv.tonight["value_at_risk"].where(at_risk(clv.tonight))),
        )  # fmt: skip
        for table in ("churn_risk", "customer_360"):
            yield column(
                "value_at_risk", table, "customer_id",
                lambda table=table: self._customers("value_at_risk", f"marts.{table}"),
            )  # fmt: skip
        for state, name, migration, periods in (
            ("lifecycle_stage", "stage", "lifecycle_migration", "customer_lifecycle"),
            ("tier", "tier", "tier_migration", "customer_tiers"),
            ("rfm_segment", "segment", "rfm_migration", "customer_segments"),
        ):
            yield column("share", migration, f"month, from_{name}, to_{name}", lambda state=state: of.migration(state))
            yield column("dwell_days", periods, "customer_id, entered_on", lambda state=state: of.dwelling(state))
        yield column("separation", "segment_validation", "scheme, segment", lambda: of.separation)
        yield column("health", "account_health", "account_id", lambda: of.health)
        yield column("liability", "points_balances", "customer_id", lambda: of.points_liability()[0])
        yield column("liability", "points_monthly", "month", lambda: of.points_liability()[1])
        yield column("conversion_rate", "referral_conversion", "month, nps_group", of.conversion)
        yield column("allocated_amount", "cost_ledger", "month, kind", self._allocated)

    def _tonight_only(self, values: pd.Series) -> pd.Series:
        out = pd.Series(np.nan, index=self.business.days)
        out[self.night.as_of] = values.sum()
        return out

    def _allocated(self) -> pd.Series:
        costs = self.value.costs.assign(month=first_of_month(self.value.costs["day"]))
        costs["borne"] = costs["amount"].where(costs["customer_id"].notna(), 0)
        return costs.groupby(["month", "kind"])["borne"].sum()

    def _counted(self) -> Iterator[Figure]:
        of, night = self.business, self.night

        def rows(
            metric: str, table: str, keys: str, value: str, twin: Callable[[], pd.Series], where: str = "true"
        ) -> Figure:
            query = f"select {keys}, {value} as value from marts.{table} where {where} group by all"
            return Figure("counted", metric, f"marts.{table}", keys.split(", "), query, twin)

        def counts(frame: pd.DataFrame, *keys: str) -> pd.Series:
            return frame.groupby(list(keys)).size()

        def tagged() -> pd.Series:
            tonight = of.value.tonight
            groups: dict[str, list[dict[str, str]]] = {}
            for tag in night.rules["tags"]:
                groups.setdefault(tag["group"], []).append(tag)
            by_rule = pd.concat([of.value.classes(tonight, tags).value_counts() for tags in groups.values()])
            written = night.table("core.customers_current")
            written = written[~written["is_deleted"]].dropna(subset="tags")
            assert not written["tags"].str.contains("[,;，；|]").any(), "the shop writes one tag per customer"
            by_source = (
                written.assign(customer=written["source_record_id"].map(night.who))
                .groupby("tags")["customer"]
                .nunique()
            )
            return by_rule.add(by_source, fill_value=0).rename_axis("tag")

        def members() -> pd.Series:
            known = night.table("core.customers_current")
            known = known[~known["is_deleted"]].dropna(subset="membership_level")
            known = known.assign(customer=known["source_record_id"].map(night.who))
            return known.groupby(["source", "membership_level"])["customer"].nunique().rename_axis(["source", "level"])

        def fired() -> pd.Series:
            signals = self.value.signals(self.value.tonight)
            return counts(signals[signals["fired"]], "signal_id")

        def fired_share() -> pd.Series:
            signals = self.value.signals(self.value.tonight)
            buys = self.value.tonight["orders_total"] > 0
            tried = signals[signals["customer_id"].map(buys) | signals["fired"]]
            sums = tried.groupby("signal_id")[["fired", "available"]].sum()
            return sums["fired"] / sums["available"].where(sums["available"] > 0)

        def listed() -> pd.Series:
            tonight = self.value.tonight
            owner = night.table("core.resolved_customers").set_index("customer_id")["owner_id"]
            before = night.table("run.previous_list_members")
            before = before[before["state"] != "resolved"]
            follows = dict(self._retired().index)
            out = {}
            for wanted in night.rules["lists"]:
                met = of.value.classes(tonight, [{"id": "on", "when": wanted["when"]}]).eq("on")
                on = tonight[met].assign(owner=owner.reindex(tonight.index)[met].fillna(""))
                on = (
                    on.sort_values(wanted["rank_by"], ascending=False)
                    .groupby("owner")
                    .head(wanted["max_rows_per_owner"])
                )
                # Whoever was on it before and is not any more stays in cooldown.
                earlier = before.loc[before["list_id"] == wanted["id"], "customer_id"]
                out[wanted["id"]] = len({*on.index, *(follows.get(each, each) for each in earlier)})
            return pd.Series(out).rename_axis("list_id")

        def quantity() -> pd.Series:
            lines = self.documents.lines
            valid = self.documents.valid(night.as_of).set_index("order_id")
            lines = lines[lines["order_id"].isin(valid.index)]
            signed = lines["quantity"].abs() * np.where(lines["order_id"].map(valid["kind"]) == "refund", -1, 1)
            return signed.groupby(lines["order_id"]).sum()

        def facts() -> pd.Series:
            out: dict[tuple[str, str, pd.Timestamp], float] = {}
            occasions = self.cadence.occasions
            for row in occasions.assign(month=first_of_month(occasions["day"])).itertuples():
                known, category = self.cadence.known[row.month], row.category
                gap = known.gaps.get(category, known.gap)
                gap = night.rules["churn"]["threshold"]["one_time_days"] if gap is None else gap
                out["usual_gap_days", category if isinstance(category, str) else "", row.month] = gap
            for month, known in self.cadence.known.items():
                if known.ratio is not None:
                    out["usual_gap_ratio", "", month] = known.ratio * 100
                out["yearly_gaps_stand_out", "", month] = float(known.years)
            for row in self.documents.category_rates.itertuples():
                if row.month <= night.as_of:
                    out["category_margin_rate", row.category, row.month] = row.rate
            champion = self._measures("brier").loc[lambda rows: rows["is_champion"] & (rows["origin"] == "all")].iloc[0]
            silent = self.value.backtest["is_silent"].mean()
            out["score_horizon_days", champion["model"], night.as_of] = night.rules["churn"]["horizon_days"]
            out["score_skill", champion["model"], night.as_of] = 1 - champion["value"] / (silent * (1 - silent))
            # The error comes from random samples: an input, like parameters.
            learned = self.night.table("predictions.score_facts").set_index("fact")["value"]
            out["score_skill_error", champion["model"], night.as_of] = learned["score_skill_error"]
            for name, value in self.value.parameters("gamma_gamma").items():
                out["spend_model", name, night.as_of] = value
            tonight = self.value.tonight
            for metric, share in (
                ("active_days_90d", 0.6), ("aov_365d", 0.4), ("aov_365d", 0.8), ("clv_net_margin_basis", 0.8)
            ):  # fmt: skip
                cut = float(np.quantile(tonight[metric].dropna(), share))
                out["percentile", f"pct_{metric}_{int(share * 10_000)}", night.as_of] = cut
            return pd.Series(out).rename_axis(["fact", "subject", "known_on"])

        def owned() -> pd.Series:
            return of.account_of.groupby(of.account_of).size().rename_axis("account_id")

        def once(index: pd.Index, name: str) -> pd.Series:
            return pd.Series(1, index=pd.Index(index, name=name))

        delivered = self.landing
        yield rows("customers", "customer_360", "customer_id", "count(*)", lambda: once(night.customers, "customer_id"))
        yield rows("source_records", "customer_identities", "source", "count(*)", self._source_records)
        yield rows("identity_conflicts", "identity_conflicts", "records", "count(*)", lambda: records.conflicts(night))
        yield rows("retired_ids", "customer_id_history", "old_customer_id, customer_id", "count(*)", self._retired)
        yield rows("accounts", "accounts", "account_id", "count(*)", lambda: owned().clip(upper=1))
        yield rows("account_customers", "account_members", "account_id", "count(*)", owned)
        yield rows(
            "contacts", "contacts_of_accounts", "account_id", "count(*)",
            lambda: records.people(night, of.account_of), "left_on is null",
        )  # fmt: skip
        yield rows("quantity", "order_lines", "order_id", "sum(quantity)", quantity, "is_valid")
        yield rows("lift", "product_affinity", "category, other_category", "max(lift)", lambda: of.lift)
        yield rows("repeat_buyer_rate", "repeat_buyers", "window_days", "max(repeat_buyer_rate)", of.repeat_buyers)
        yield rows("margin_share", "value_deciles", "ranked_by, decile", "max(margin_share)", of.deciles)
        yield rows(
            "tagged_customers", "customer_tags", "tag", "count(distinct customer_id)", tagged, "valid_to is null"
        )
        yield rows(
            "classified_customers", "segment_membership", "scheme, segment", "count(distinct customer_id)",
            lambda: of.schemes.melt(var_name="scheme", value_name="segment").pipe(counts, "scheme", "segment"),
        )  # fmt: skip
        yield rows("restated_tiers", "restated_states", "as_of", "sum(restated_tiers)", self._restated)
        yield rows("fired_signals", "churn_signals", "signal_id", "count(*)", fired, "fired")
        yield rows("fired_share", "signal_coverage", "signal_id", "max(fired_share)", fired_share)
        yield rows(
            "lost_margin", "churn_causes", "period, month, cause, tier", "sum(lost_margin)", lambda: of.lost_margin
        )
        yield rows("listed_customers", "list_members", "list_id", "count(*)", listed)
        for name in ("nps", "csat"):
            yield rows(
                name, "satisfaction_monthly", "period, month, dimension, segment", f"max({name})",
                lambda name=name: of.satisfaction[name].dropna(), f"{name} is not null",
            )  # fmt: skip
        yield rows(
            "tickets",
            "ticket_topics_monthly",
            "month, lifecycle_stage, topic",
            "sum(tickets)",
            lambda: of.ticket_topics,
        )
        yield rows(
            "points_booked", "points_ledger", "customer_id, kind", "sum(delta)",
            lambda: self.behaviour.points.groupby(["customer_id", "kind"])["delta"].sum(),
        )  # fmt: skip
        yield rows("members", "memberships", "source, level", "count(distinct customer_id)", members, "is_current")
        yield rows("referrals", "referrals", "verdict", "count(*)", lambda: counts(of.referrals, "verdict"))
        yield rows("records", "deliveries", "source, file", "sum(records)", lambda: records.records(delivered))
        yield rows(
            "standing_rows", "feeds", "feed", "sum(standing_rows)", lambda: records.standing_rows(night),
            "feed in ('" + "', '".join(records.KEYS) + "')",
        )  # fmt: skip
        yield rows(
            "rejected_records", "rejected_records", "source, file, record_no, code", "count(*)",
            lambda: records.rejected(self.truth),
        )  # fmt: skip
        yield rows("corrected", "rejected_summary", "source, file, code", "sum(corrected)", self._corrected)
        yield rows(
            "log_likelihood", "model_fits", "model", "max(log_likelihood)",
            lambda: pd.Series(self.value.log_likelihoods).rename_axis("model"),
        )  # fmt: skip
        yield rows(
            "clv_predicted", "customer_clv_horizons", "customer_id, horizon_days", "max(clv_predicted)",
            lambda: self.value.horizons,
        )  # fmt: skip
        # What a model would have said on a past day is the statistics' own; what the two rules say is fitted again.
        for name in ("auc", "brier"):
            yield rows(
                name, "model_quality", "model, origin", f"max({name})",
                lambda name=name: self._measures(name).set_index(["model", "origin"])["value"], f"{name} is not null",
            )  # fmt: skip
            for rule in ("gap", "cadence"):
                yield rows(
                    name, "model_quality", "origin", f"max({name})",
                    lambda name=name, rule=rule: self.value.rule_measured(rule, name), f"model = '{rule}'",
                )  # fmt: skip
        yield rows("forecast_events", "model_deciles", "model, origin_on", "sum(events)", self._forecast_events)
        yield rows(
            "forecast_events", "model_deciles", "origin_on, decile", "sum(events)",
            lambda: self.value.silent_deciles, "model = 'gap'",
        )  # fmt: skip
        yield rows(
            "contribution", "score_reasons", "customer_id, feature", "max(contribution)",
            lambda: self._reasons.set_index(["customer_id", "feature"])["contribution"],
        )  # fmt: skip
        yield rows(
            "contribution", "score_reasons", "customer_id", "max(base) + sum(contribution)",
            lambda: self._reasons.groupby("customer_id")["margin"].first(),
        )  # fmt: skip
        yield rows(
            "figures", "metric_catalog", "kind, metric", "count(*)",
            lambda: pd.DataFrame([row[:2] for row in catalogue_rows()], columns=["kind", "metric"]).pipe(
                counts, "kind", "metric"
            ),
        )  # fmt: skip
        yield rows("population_value", "population_facts", "fact, subject, known_on", "max(value)", facts)

    def _measures(self, metric: str) -> pd.DataFrame:
        """A measure of every candidate on every past day, as the statistics found it: inputs, like parameters."""
        rows = self.night.table("predictions.model_quality")
        rows = rows[rows["metric"] == metric]
        return rows.assign(origin=rows["origin_on"].dt.strftime("%Y-%m-%d").fillna("all"))

    def _forecast_events(self) -> pd.Series:
        """Who bought nothing, by past day: the same people for the rule about silence and for the champion."""
        silent = self.value.backtest["is_silent"].groupby("origin_on").sum()
        shown = {"gap", *self._measures("brier").query("is_champion")["model"]}
        return pd.concat(dict.fromkeys(sorted(shown), silent), names=["model"])

    @property
    def _reasons(self) -> pd.DataFrame:
        """The reasons that were found, of those who are to have any; a feature is empty where somebody has none."""
        found = self.night.table("predictions.churn_reasons")
        wanted = pd.DataFrame({"customer_id": self.value.explained})
        return wanted.merge(found, on="customer_id", how="left")

    def _source_records(self) -> pd.Series:
        """Records of the customers feeds: deleted ones where they were merged into others or orders name them."""
        written = self.night.table("core.customers_current")
        named = self.night.table("core.order_versions")
        named = named[~named["is_orphan"] & ~named["is_deleted"]]["source_record_id"].dropna()
        is_needed = written["merged_into"].notna() | written["source_record_id"].isin(named)
        kept = written[~written["is_deleted"] | is_needed]
        return kept.groupby("source").size()

    def _retired(self) -> pd.Series:
        """Ids of the release before whose first record is another customer now."""
        before = self.night.table("run.previous_customer_identities")
        now = self.night.table("marts.customer_identities")
        both = before.merge(now, on=["source_system", "source", "source_customer_id"], suffixes=("_old", ""))
        both = both[~both["customer_id_old"].isin(now["customer_id"])]
        gone = both.groupby("customer_id_old")["customer_id"].agg(lambda ids: ids.iloc[0])
        out = pd.Series(1, index=pd.MultiIndex.from_arrays([gone.index, gone.to_numpy()]))
        return out.rename_axis(["old_customer_id", "customer_id"])

    def _restated(self) -> pd.Series:
        """Customers whose tier on a published day is another one as known now, or who are none any more.

        Whoever was joined to another since is compared with that customer.
        """
        published = self.night.table("run.published_states")
        follows = dict(self._retired().index)
        out = {}
        for day, rows in published.dropna(subset="tier").groupby("as_of"):
            now = rows["customer_id"].map(lambda each: follows.get(each, each)).map(self.value.states(day)["tier"])
            out[day] = int((now != rows["tier"]).sum())
        return pd.Series(out, dtype=float).rename_axis("as_of")

    def _corrected(self) -> pd.Series:
        """Rejected records whose key stands by a later delivery; none was delivered twice in this shop."""
        found = records.rejected(self.truth).groupby(["source", "file", "code"]).sum()
        return found * 0
