"""What customers cost, are worth and may be lost for, and the classes that rules put them into.

Here belong the figures of one customer on one day that rest on money, on the models and on the rules. What happened
belongs to ``documents``, ``cadence`` and ``behaviour``.
"""

import math
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import betaln, expit, gammaln, roots_jacobi, roots_legendre

from tests.dbt.twins.behaviour import Behaviour
from tests.dbt.twins.cadence import Cadence
from tests.dbt.twins.documents import FIRMNESS, Documents
from tests.dbt.twins.night import DAY, Night, local_day, money

YEAR = 365
CHAMPION_DAYS = 180
#: Days ahead that value is predicted for.
HORIZONS = (30, 90, 180, 365, 730)
#: Of silence and return the rarer has to be known of so many customers before a day is forecast.
FEWEST_EVENTS = 100
#: Who has been silent for longer gets no reasons with the score.
EXPLAINED_SILENCE = 365


@dataclass
class Value:
    """Everything that is known of customers on a day."""

    night: Night
    documents: Documents
    cadence: Cadence
    behaviour: Behaviour
    _days: dict[pd.Timestamp, pd.DataFrame] = field(default_factory=dict)
    _states: dict[pd.Timestamp, pd.DataFrame] = field(default_factory=dict)

    # Costs.

    @cached_property
    def costs(self) -> pd.DataFrame:
        """Every cost up to tonight: ``kind, day, amount, customer_id``; of nobody's costs the customer is empty."""
        rules = self.night.rules["costs"]
        deliveries = self.night.table("core.deliveries_current").set_index("delivery_id")["currency"]
        campaigns = self.night.table("core.campaigns_current")
        campaigns = campaigns[~campaigns["is_deleted"]].set_index(["source", "campaign_id"])
        touches = self.behaviour.touches[self.behaviour.touches["day"] <= self.night.as_of].copy()
        touches["customer_id"] = touches["customer_id"].where(~touches["is_orphan"])
        touches = touches.join(campaigns[["kind", "currency", "actual_cost", "ended_on"]], on=["source", "campaign_id"])
        touches["currency"] = touches["currency"].fillna(touches["delivery_id"].map(deliveries))
        touches["kind"] = np.where(touches["kind"].str.lower().isin(rules["event_kinds"]), "event", "touch")
        parts = []

        def book(rows: pd.DataFrame, amount: pd.Series, kind: str | pd.Series, day: pd.Series) -> None:
            part = {"customer_id": rows["customer_id"], "kind": kind, "day": day, "amount": amount}
            parts.append(pd.DataFrame(part).reset_index(drop=True))

        stated = touches[touches["cost_amount"].notna()]
        rate = self.night.rate_on(stated["currency"], stated["day"])
        book(stated, money(stated["cost_amount"] * rate), stated["kind"], stated["day"])
        silent = touches[touches["cost_amount"].isna() & touches["actual_cost"].isna()]
        book(silent, silent["channel"].map(rules["touch"]).dropna(), silent["kind"], silent["day"])
        by_campaign = dict(list(touches.groupby(["source", "campaign_id"])))
        for key, campaign in campaigns[campaigns["actual_cost"].notna()].iterrows():
            mine = by_campaign.get(key, touches[:0])
            rest = campaign["actual_cost"] - mine["cost_amount"].sum()
            over = campaign["ended_on"]
            assert pd.notna(over), "the shop's campaigns have a last day"
            if over > self.night.as_of or rest <= 0:
                continue
            mine = mine[mine["day"] <= over].sort_values(["day", "touch_id"])
            bearing = mine[mine["cost_amount"].isna()] if mine["cost_amount"].isna().any() else mine
            rate = self.night.rate_on(pd.Series([campaign["currency"]]), pd.Series([over])).iloc[0]
            kind = "event" if str(campaign["kind"]).lower() in rules["event_kinds"] else "touch"
            whole = float(money(pd.Series([rest * rate]))[0])
            if bearing.empty:
                bearing = pd.DataFrame({"customer_id": [None]})
            steps = money(pd.Series(whole * np.arange(len(bearing) + 1) / len(bearing)))
            book(bearing, pd.Series(np.diff(steps), index=bearing.index), kind, pd.Series(over, index=bearing.index))
        valid = self.documents.valid(self.night.as_of)
        discounted = valid[valid["discount"] != 0]
        book(discounted, discounted["discount"], "coupon", discounted["day"])
        if rules["service_per_return"]:
            refunds = valid[valid["kind"] == "refund"]
            book(refunds, pd.Series(float(rules["service_per_return"]), index=refunds.index), "service", refunds["day"])
        tickets = self.night.current("tickets")
        tickets["customer_id"] = tickets["customer_id"].where(~tickets["is_orphan"])
        tickets["day"] = local_day(tickets["opened_at"])
        tickets = tickets[tickets["day"] <= self.night.as_of]
        rate = self.night.rate_on(tickets["delivery_id"].map(deliveries), tickets["day"])
        by_kind = tickets["kind"].str.lower().map(rules["service_per_ticket"])
        by_kind = by_kind.fillna(rules["service_per_ticket"].get("other", 0))
        book(tickets, money(tickets["cost_amount"] * rate).fillna(by_kind), "service", tickets["day"])
        costs = pd.concat(parts).dropna(subset="amount").reset_index(drop=True)
        return costs.astype({"amount": float})

    @cached_property
    def counted_kinds(self) -> list[str]:
        """The kinds of cost that are set against value: a discount that lowers revenue is no cost a second time."""
        kinds = self.night.rules["clv"]["include_costs"]
        return [kind for kind in kinds if kind != "coupon" or not self.night.rules["revenue"]["deduct_discount"]]

    # Contracts.

    @cached_property
    def contracts(self) -> pd.DataFrame:
        """Every contract that has begun: when it ends, until when it counts, its amount in base currency."""
        rows = self.night.current("subscriptions").dropna(subset="customer_id")
        status = rows["status"].str.lower()
        assert set(status) <= {"active", "cancelled", "expired"}, f"a status without a twin: {set(status)}"
        rows["due"] = rows["renewal_due_on"].fillna(rows["ends_on"])
        rows["ended_on"] = rows[["cancelled_on", "ends_on"]].min(axis=1).fillna(rows["renewal_due_on"])
        rows["cancelled"] = rows["cancelled_on"].notna() & (rows["cancelled_on"] == rows["ended_on"])
        grace = self.night.rules["churn"]["contract"]["grace_days"]
        rows["until"] = rows["ended_on"] + grace * DAY
        rows["amount"] = money(rows["mrr"] * self.night.rate_on(rows["currency"], rows["started_on"]))
        rows = rows.sort_values(["customer_id", "started_on"]).reset_index(drop=True)
        # A later contract that begins before the days of grace are over goes on with the one before.
        following = rows.groupby("customer_id")["started_on"].shift(-1)
        renewed = following.notna() & (following > rows["ended_on"]) & (following <= rows["until"])
        rows["until"] = rows["until"].where(~renewed, following)
        return rows

    def contracts_on(self, day: pd.Timestamp) -> pd.DataFrame:
        """What is known of contracts and main contacts on a day, by customer."""
        out = pd.DataFrame(index=self.night.customers)
        begun = self.contracts[self.contracts["started_on"] <= day]
        running = begun[begun["until"].isna() | (begun["until"] > day)]
        out["has_contract"] = out.index.isin(running["customer_id"])
        had = out.index.isin(begun["customer_id"])
        amounts = running.groupby("customer_id")["amount"].sum().reindex(out.index)
        out["mrr"] = amounts.fillna(0).where(had)
        over = running["ended_on"] <= day
        due = running["due"].where(~over, running["ended_on"]).where(~(over & running["cancelled"]))
        out["days_to_renewal"] = (due - day).dt.days.groupby(running["customer_id"]).min().reindex(out.index)
        out["is_contract_churned"] = had & ~out["has_contract"]
        out["is_paused"] = False
        people = self.night.current("contacts")
        people = people[people["is_primary"].fillna(False).astype(bool)].dropna(subset="customer_id")
        gone = local_day(people["left_at"])
        is_gone = gone.notna() & (gone <= day)
        left = gone.where(is_gone).groupby(people["customer_id"]).max()
        nobody = is_gone.groupby(people["customer_id"]).all()
        lately = (day - left).dt.days < CHAMPION_DAYS
        out["champion_left"] = (nobody & lately).reindex(out.index).fillna(False).astype(bool)
        return out

    # One day.

    def known(self, day: pd.Timestamp) -> pd.Index:
        """The customers recorded by a day; who is recorded without any date has always been there."""
        created = self.created
        return created.index[created.isna() | (created <= day)]

    @cached_property
    def created(self) -> pd.Series:
        """The day of the oldest record or deed of each customer."""
        records = self.night.table("core.resolved_customers").set_index("customer_id")["created_at"]
        return local_day(records).reindex(self.night.customers)

    def money_on(self, day: pd.Timestamp) -> pd.DataFrame:
        """Purchases, revenue, margin and costs of each customer, as known on a day."""
        out = pd.DataFrame(index=self.night.customers)
        valid = self.documents.valid(day).dropna(subset="customer_id")
        bought = self.documents.purchases(day).dropna(subset="customer_id")

        def total(rows: pd.DataFrame, column: str | None = None) -> pd.Series:
            values = rows[column] if column else pd.Series(1, index=rows.index)
            return values.groupby(rows["customer_id"]).sum().reindex(out.index).fillna(0).round(4)

        def within(rows: pd.DataFrame, days: int | None, before: int = 0) -> pd.DataFrame:
            ago = (day - rows["day"]).dt.days
            return rows[(ago >= before) & (ago < (days if days is not None else math.inf))]

        out["orders_total"] = total(bought)
        out["orders_365d"], out["orders_90d"] = total(within(bought, 365)), total(within(bought, 90))
        out["orders_prior_90d"] = total(within(bought, 180, 90))
        occasions = bought.drop_duplicates(["customer_id", "day"])
        out["occasions"] = total(occasions)
        days = occasions.groupby("customer_id")["day"]
        out["tenure_days"] = (day - days.min()).dt.days.reindex(out.index)
        out["recency_days"] = (day - days.max()).dt.days.reindex(out.index)
        refunds, sales = valid[valid["kind"] == "refund"], valid[valid["kind"] == "sale"]
        out["refunds_90d"] = total(within(refunds, 90))
        out["gross_revenue"], out["refund_amount"] = total(sales, "net"), total(refunds, "net")
        out["net_revenue"], out["gross_margin"] = total(valid, "net"), total(valid, "margin")
        out["sales_margin"] = total(sales, "margin")
        for name, column in (("net_revenue", "net"), ("gross_margin", "margin")):
            out[f"{name}_365d"] = total(within(valid, 365), column)
        out["net_revenue_90d"] = total(within(valid, 90), "net")
        out["net_revenue_prior_90d"] = total(within(valid, 180, 90), "net")
        window = self.night.rules["rfm"]["window_days"]
        buyer = out["orders_total"] > 0
        out["frequency"] = total(within(bought, window)).where(buyer)
        out["monetary"] = total(within(valid, window), "net").where(buyer)
        out["aov_365d"] = out["net_revenue_365d"] / out["orders_365d"].where(out["orders_365d"] > 0)
        costs = self.costs
        costs = costs[costs["kind"].isin(self.counted_kinds) & (costs["day"] <= day)]
        out["costs_total"] = total(costs, "amount")
        out["clv_net_margin_basis"] = (out["gross_margin"] - out["costs_total"]).where(buyer)
        out["clv_net_spend_basis"] = (out["net_revenue"] - out["costs_total"]).where(buyer)
        out["days_since_created"] = (day - self.created).dt.days
        occasions = self.cadence.judged(day)
        last = occasions.groupby("customer_id").last().reindex(out.index)
        out["personal_gap_days"], out["threshold_days"] = last["personal"], last["threshold"]
        out["is_annual_buyer"] = last["is_annual"].fillna(False).astype(bool)
        out["cadence_ratio"] = out["recency_days"] / out["personal_gap_days"]
        out["days_overdue"] = (out["recency_days"] - out["personal_gap_days"]).clip(lower=0)
        assert self.night.rules["business"]["model"] == "non_contractual", "loss is computed from purchases only here"
        out["churned"] = out["recency_days"] > out["threshold_days"]
        later = occasions[occasions["number"] > 1]
        out["mean_occasion"] = later.groupby("customer_id")["amount"].mean().reindex(out.index)
        return out

    def on(self, day: pd.Timestamp) -> pd.DataFrame:
        """Every figure that was known of each customer on a day, before predictions."""
        if day not in self._days:
            occasions = self.cadence.bought(day)
            figures = [self.money_on(day), self.behaviour.on(day, occasions), self.contracts_on(day)]
            self._days[day] = pd.concat(figures, axis=1).loc[self.known(day)]
        return self._days[day]

    # Classes.

    def rfm(self, day: pd.Timestamp) -> pd.DataFrame:
        """Scores and segment of every customer with a purchase."""
        rules = self.night.rules["rfm"]
        assert rules["method"] == "quantile"
        figures = self.on(day)
        figures = figures[figures["orders_total"] > 0]
        shares = np.arange(1, rules["bins"]) / rules["bins"]
        out = pd.DataFrame(index=figures.index)
        for score, column in (("r", "recency_days"), ("f", "frequency"), ("m", "monetary")):
            values = figures[column].to_numpy(dtype=float)
            cuts = np.quantile(values, shares) if len(values) else np.array([])
            passed = (values[:, None] > cuts[None, :] + 1e-9).sum(axis=1)
            out[score] = rules["bins"] - passed if score == "r" else 1 + passed
        names = []
        for row in out.itertuples():
            for segment in rules["segments"]:
                if segment["when"] == "default" or all(
                    getattr(row, key) in allowed for key, allowed in segment["when"].items()
                ):
                    names.append(segment["id"])
                    break
        out["rfm_segment"] = names
        return out

    def classes(self, figures: pd.DataFrame, cases: list[dict[str, Any]], key: str = "id") -> pd.Series:
        """The first of several classes whose condition each customer meets."""
        left = pd.Series(True, index=figures.index)
        found = pd.Series(None, index=figures.index, dtype=object)
        for case in cases:
            met = left & meets(case["when"], figures)
            found[met] = case[key]
            left &= ~met
        return found

    def states(self, day: pd.Timestamp) -> pd.DataFrame:
        """Tier, stage and segment of every customer known on a day."""
        if day in self._states:
            return self._states[day]
        figures = self.on(day)
        out = self._states[day] = pd.DataFrame(index=figures.index)
        out["tier"] = self.classes(figures, self.night.rules["tiers"])
        out["lifecycle_stage"] = self.classes(figures, self.night.rules["lifecycle"])
        out["rfm_segment"] = self.rfm(day)["rfm_segment"].reindex(out.index)
        return out

    # Predictions.

    def parameters(self, model: str) -> dict[str, float]:
        """The parameters of a model as fitted tonight. That no others fit better is for the models' own tests."""
        fits = self.night.table("predictions.model_fits")
        return dict(fits[fits["model"] == model][["parameter", "value"]].itertuples(index=False, name=None))

    @cached_property
    def tonight(self) -> pd.DataFrame:
        """Every figure of tonight, predictions, risk and classes included."""
        rules, day = self.night.rules, self.night.as_of
        out = self.on(day).copy()
        buyer = out["orders_total"] > 0
        first = out["tenure_days"] - out["recency_days"]
        x, last, age = out.loc[buyer, "occasions"] - 1, first[buyer], out.loc[buyer, "tenure_days"]
        model = Alive(**self.parameters("mbg_nbd"), x=x.to_numpy(), last=last.to_numpy(), age=age.to_numpy())
        for name, values in {
            "p_alive": model.p_alive,
            "expected_orders_365d": model.purchases(YEAR),
            **{f"discounted_{days}d": model.discounted(days, rules["clv"]["discount_rate_year"]) for days in HORIZONS},
        }.items():
            out.loc[buyer, name] = values
        # Like the parameters, what was learned is taken as it is; that everybody has a score is not.
        scores = self.night.table("predictions.churn_scores").set_index("customer_id")["churn_probability"]
        assert set(scores.index) == set(out.index[buyer])
        out["churn_probability"] = scores.reindex(out.index)
        spend = self.parameters("gamma_gamma")
        repeats = (out["occasions"] - 1).where(out["occasions"] > 1, 0)
        total = (repeats * out["mean_occasion"]).fillna(0)
        # Fader & Hardie (2013), equation 5: the conditional mean.
        expected = spend["p"] * (spend["v"] + total) / (spend["p"] * repeats + spend["q"] - 1)
        rate = (out["sales_margin"] / out["gross_revenue"].where(out["gross_revenue"] > 0)).fillna(
            rules["business"]["default_margin_rate"]
        )
        out["margin_rate"] = rate
        out["expected_margin"] = expected * rate.clip(lower=0)
        out["clv_predicted_365d"] = out["discounted_365d"] * out["expected_margin"]
        # If alive, a customer is expected to buy 1 ÷ P(alive) times as often.
        alive = out["clv_predicted_365d"] / out["p_alive"]
        out["value_at_risk"] = (alive - out["clv_predicted_365d"]).clip(lower=0)
        out["churn_probability_lift"] = out["churn_probability"] / out["churn_probability"].mean() - 1
        signals = self.signals(out)
        out["risk_score"] = (
            signals.groupby("customer_id")["kept"].prod().rsub(1).mul(100).reindex(out.index).where(buyer)
        )
        out["risk_level"] = pd.Series("low", index=out.index).where(buyer)
        for level, least in rules["risk_levels"].items():
            out.loc[out["risk_score"] >= least - 1e-9, "risk_level"] = level
        out = out.join(self.states(day)).join(self.rfm(day)[["r", "f", "m"]])
        layer = self.classes(out, rules["display_layer"])
        out["display_layer"] = layer.where(layer != "from_tier", out["tier"])
        return out.join(self.described)

    def signals(self, figures: pd.DataFrame) -> pd.DataFrame:
        """One row per customer and signal: ``available``, ``fired``, and the share of safety that is ``kept``."""
        prior = {"prior_90d": "{}_prior_90d", "prior_90d_monthly_avg": "{}_prior_90d_monthly"}
        parts = []
        for signal in self.night.rules["signals"]:
            value = figures[signal["metric"]].astype(float)
            known = value.notna()
            stem = signal["metric"].removesuffix("_90d").removesuffix("_30d")
            limit = signal["value"]
            if signal["op"] in ("drop_pct", "rise_pct"):
                before = figures[prior[signal["vs"]].format(stem)]
                known &= before >= signal.get("min_baseline", 0)
                known &= before > 0 if signal["op"] == "drop_pct" else before >= 0
                change = (value / before.where(before != 0) - 1).round(9)
                if signal["op"] == "drop_pct":
                    met = -change >= limit
                else:
                    met = (change >= limit) | ((before == 0) & (value > 0))
                    met &= value >= signal.get("min_value", -math.inf)
            else:
                compare = {">=": value.ge, ">": value.gt, "<=": value.le, "<": value.lt, "=": value.eq}[signal["op"]]
                met = compare(limit)
            if signal["metric"] == "recency_days":
                known &= ~(figures["is_annual_buyer"] & (figures["recency_days"] <= figures["threshold_days"]))
            if "max_age_days" in signal:
                met &= figures[signal["metric"].replace("_latest", "_age_days")] <= signal["max_age_days"]
            if "and" in signal:
                met &= meets(signal["and"], figures)
            weight = pd.Series(float(signal["weight"]), index=figures.index)
            if "escalate" in signal:
                weight = weight.where(~(value >= signal["escalate"]["value"]), signal["escalate"]["weight"])
            strength = value.clip(0, 1) if signal["metric"] == "churn_probability_lift" else 1.0
            fired = known & met
            kept = 1 - (weight * strength).clip(upper=0.99).where(fired, 0)
            parts.append(
                pd.DataFrame(
                    {"customer_id": figures.index, "signal_id": signal["id"], "available": known.to_numpy(),
                     "fired": fired.to_numpy(), "kept": kept.fillna(1).to_numpy()}
                )
            )  # fmt: skip
        return pd.concat(parts, ignore_index=True)

    # Records.

    @cached_property
    def described(self) -> pd.DataFrame:
        """What the records say of each customer."""
        records = self.night.table("core.source_customers")
        written = self.night.table("core.customers_current").set_index("source_record_id")[["gender", "birth_date"]]
        records = records.join(written, on="source_record_id")
        described = records["is_described"]
        records[["gender", "birth_date"]] = records[["gender", "birth_date"]].where(described)
        keys = ["source_system", "source", "source_customer_id"]
        # The later a record was written, the more it knows; what only documents imply knows least.
        records = records.sort_values(keys, ascending=False).sort_values(
            "described_at", na_position="first", kind="stable"
        )
        records = records.sort_values("is_described", kind="stable")
        newest = records.groupby("customer_id")
        out = pd.DataFrame(index=self.night.customers)
        for column in ("customer_type", "gender", "acquisition_channel", "birth_date"):
            out[column] = newest[column].last().reindex(out.index)
        addressed = records[records[["country", "region"]].notna().any(axis=1)]
        addressed = addressed.drop_duplicates("customer_id", keep="last").set_index("customer_id")
        for column in ("country", "region"):
            out[column] = addressed[column].reindex(out.index)
        born, today = pd.to_datetime(out["birth_date"]), self.night.as_of
        had_birthday = (born.dt.month * 100 + born.dt.day) <= today.month * 100 + today.day
        out["age_years"] = today.year - born.dt.year - (~had_birthday).astype(int).where(born.notna())
        return out

    # The three values.

    @cached_property
    def clv(self) -> pd.DataFrame:
        """The formulas of lifetime value, for every customer with a purchase."""
        rules = self.night.rules
        figures = self.tonight[self.tonight["orders_total"] > 0]
        out = pd.DataFrame(index=figures.index)
        years = (figures["tenure_days"] / YEAR).clip(lower=rules["business"]["min_observation_days"] / YEAR)
        method = rules["clv"]["relationship_years"]
        assert method["method"] == "observed_to_as_of"
        lasting = years.clip(upper=method["cap"])
        value = figures["net_revenue"] / figures["orders_total"]
        out["orders_per_year"] = figures["orders_total"] / years
        out["clv_revenue_formula"] = value * out["orders_per_year"] * lasting
        out["clv_margin_formula"] = out["clv_revenue_formula"] * figures["margin_rate"]
        out["clv_net"] = figures["gross_margin"] - figures["costs_total"]
        out["clv_net_per_year"] = out["clv_net"] / (figures["tenure_days"] / YEAR).clip(lower=1 / 12)
        service = self.costs[self.costs["kind"] == "service"].groupby("customer_id")["amount"].sum()
        revenue = figures["net_revenue"].where(figures["net_revenue"] > 0)
        out["service_cost_ratio"] = service.reindex(out.index).fillna(0) / revenue
        return out

    @cached_property
    def horizons(self) -> pd.Series:
        """Predicted value by customer and days ahead."""
        figures = self.tonight[self.tonight["orders_total"] > 0]
        values = {days: figures[f"discounted_{days}d"] * figures["expected_margin"] for days in HORIZONS}
        return pd.concat(values, names=["horizon_days"]).swaplevel()

    # What the scores were like on past days.

    @cached_property
    def backtest(self) -> pd.DataFrame:
        """Buyers of every past day that is forecast: whether they bought nothing after it, and what two rules said.

        One row per ``origin_on`` and customer; ``gap`` and ``cadence`` are probabilities. A day is forecast from the
        latest three whose whole horizon had passed by then, if the rarer of silence and return is known often enough.
        """
        learned = self.night.learned
        horizon = self.night.as_of - learned[-1]
        later = self.cadence.occasions[["customer_id", "day"]]
        days: dict[pd.Timestamp, pd.DataFrame] = {}
        for origin in learned:
            figures = self.on(origin)
            figures = figures[figures["orders_total"] > 0].sort_index()
            bought = later.loc[(later["day"] > origin) & (later["day"] <= origin + horizon), "customer_id"]
            rows = pd.DataFrame({"is_silent": ~figures.index.isin(bought)}, index=figures.index)
            rows["gap"] = np.log1p(figures["recency_days"])
            last = self.cadence.judged(origin).groupby("customer_id").last().reindex(figures.index)
            own, gaps = last["gaps"].map(lambda known: np.median(known) if known else np.nan), last["gaps"].map(len)
            learned_gap = (gaps * own.fillna(0) + 3 * own.median()) / (gaps + 3)
            learned_gap = learned_gap.fillna(last["personal"]).where(~last["is_annual"].astype(bool), own)
            rows["cadence"] = np.log1p(figures["recency_days"] / learned_gap)
            days[origin] = rows
        forecast = {}
        for origin, rows in days.items():
            known = [day for day in days if day + horizon <= origin][-3:]
            if not known:
                continue
            weight = [0.5 ** ((known[-1] - day) / horizon) for day in known]
            lessons = pd.concat([days[day].assign(weight=each) for day, each in zip(known, weight, strict=True)])
            if lessons["is_silent"].value_counts().reindex([True, False]).fillna(0).min() >= FEWEST_EVENTS:
                said = {rule: forecast_of(rows[rule], lessons, rule) for rule in ("gap", "cadence")}
                forecast[origin] = rows.assign(**said)
        return pd.concat(forecast, names=["origin_on"])

    def rule_measured(self, rule: str, metric: str) -> pd.Series:
        """How good the forecasts of a rule were, by origin, and the mean of that.

        ``auc`` is the share of the pairs of a silent and a buying customer that they order rightly, ``brier`` their
        mean squared error.
        """
        found = {}
        for origin, rows in self.backtest.groupby("origin_on"):
            silent, buying = rows.loc[rows["is_silent"], rule], rows.loc[~rows["is_silent"], rule]
            apart = np.subtract.outer(silent.to_numpy(), buying.to_numpy())
            found[f"{origin:%Y-%m-%d}"] = {
                "auc": np.mean(apart > 0) + np.mean(apart == 0) / 2,
                "brier": np.mean((rows[rule] - rows["is_silent"]) ** 2),
            }[metric]
        found["all"] = np.mean(list(found.values()))
        return pd.Series(found).rename_axis("origin")

    @cached_property
    def silent_deciles(self) -> pd.Series:
        """Customers who bought nothing, by origin and tenth of those whom the rule about silence thought likeliest."""
        found = {}
        for origin, rows in self.backtest.groupby("origin_on"):
            order = rows.sort_values("gap", ascending=False, kind="stable")["is_silent"].to_numpy()
            for number, part in enumerate(np.array_split(order, 10), start=1):
                found[origin, number] = int(part.sum())
        return pd.Series(found).rename_axis(["origin_on", "decile"])

    @cached_property
    def explained(self) -> pd.Index:
        """Whose scores come with reasons: likelier to leave than most, not yearly buyers, silent for a year at most.

        Who is under contract is not silent.
        """
        figures = self.tonight[self.tonight["orders_total"] > 0]
        scores = self.night.table("predictions.churn_scores").set_index("customer_id").reindex(figures.index)
        likelier = figures["churn_probability"] > figures["churn_probability"].mean()
        bought = (figures["recency_days"] <= EXPLAINED_SILENCE) & (scores["prediction_status"] == "model")
        return figures.index[likelier & (figures["has_contract"].astype(bool) | bought)]

    @cached_property
    def log_likelihoods(self) -> dict[str, float]:
        """What each model gives the histories of tonight, with its parameters: logarithms, summed over customers."""
        figures = self.tonight[self.tonight["orders_total"] > 0]
        x = (figures["occasions"] - 1).to_numpy()
        age = figures["tenure_days"].to_numpy()
        last = age - figures["recency_days"].to_numpy()
        found = {}
        for model, flips in (("mbg_nbd", 1), ("bg_nbd", 0)):
            p = self.parameters(model)
            r, alpha, a, b = p["r"], p["alpha"], p["a"], p["b"]
            # Fader, Hardie & Lee (2005), equation 6; with a flip after the first purchase, Batislam et al. (2007).
            start = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
            stays = betaln(a, b + x + flips) - betaln(a, b) - (r + x) * np.log(alpha + age)
            leaves = betaln(a + 1, b + x + flips - 1) - betaln(a, b) - (r + x) * np.log(alpha + last)
            leaves = np.where((x > 0) | (flips > 0), leaves, -np.inf)
            found[model] = float(np.sum(start + np.logaddexp(stays, leaves)))
        p = self.parameters("gamma_gamma")
        again = figures[(figures["occasions"] > 1) & (figures["mean_occasion"] > 0)]
        n, mean = (again["occasions"] - 1).to_numpy(), again["mean_occasion"].to_numpy()
        # Fader & Hardie (2013), equation 1a.
        found["gamma_gamma"] = float(
            np.sum(
                gammaln(p["p"] * n + p["q"]) - gammaln(p["p"] * n) - gammaln(p["q"]) + p["q"] * np.log(p["v"])
                + (p["p"] * n - 1) * np.log(mean) + p["p"] * n * np.log(n)
                - (p["p"] * n + p["q"]) * np.log(n * mean + p["v"])
            )
        )  # fmt: skip
        return found

    @cached_property
    def margin_sources(self) -> pd.Series:
        """The weakest source of the margins of each customer."""
        valid = self.documents.valid(self.night.as_of).dropna(subset="customer_id")
        return valid.groupby("customer_id")["rank"].max().map(lambda rank: FIRMNESS[rank])


@dataclass
class Alive:
    """The MBG/NBD model, integrated numerically over the chance of leaving (Batislam et al. 2007; Hoppe & Wagner 2007).

    Given that a customer is alive, the rate is Gamma(r + x, alpha + T) and the chance p to leave after a purchase is
    Beta(a, b + x + 1); with a rate and a p, purchases until the end of a time t number (1 − exp(−rate·p·t)) ÷ p.
    """

    r: float
    alpha: float
    a: float
    b: float
    x: np.ndarray
    last: np.ndarray
    age: np.ndarray

    @cached_property
    def p_alive(self) -> np.ndarray:
        """Probability of not having left."""
        left = (self.a / (self.b + self.x)) * ((self.alpha + self.age) / (self.alpha + self.last)) ** (self.r + self.x)
        return 1 / (1 + left)

    def purchases(self, days: float) -> np.ndarray:
        """Expected purchases within so many days."""
        out = np.empty(len(self.x))
        for at, (x, age, alive) in enumerate(zip(self.x, self.age, self.p_alive, strict=True)):
            nodes, weights = roots_jacobi(48, self.b + x, self.a - 1)
            p = (nodes + 1) / 2
            kept = ((self.alpha + age) / (self.alpha + age + p * days)) ** (self.r + x)
            out[at] = alive * np.sum(weights * (1 - kept) / p) / np.sum(weights)
        return out

    def discounted(self, days: float, rate: float) -> np.ndarray:
        """The same, each purchase discounted from its moment.

        With a p, they come after t days at (r + x) ÷ (alpha + T + pt) · ((alpha + T) ÷ (alpha + T + pt))^(r + x).
        """
        out = np.empty(len(self.x))
        points, shares = roots_legendre(64)
        moments, lengths = days * (points + 1) / 2, days * shares / 2
        worth = lengths * (1 + rate) ** (-moments / YEAR)
        for at, (x, age, alive) in enumerate(zip(self.x, self.age, self.p_alive, strict=True)):
            nodes, weights = roots_jacobi(48, self.b + x, self.a - 1)
            since = self.alpha + age
            ahead = since + np.outer((nodes + 1) / 2, moments)
            density = (self.r + x) * (since / ahead) ** (self.r + x) / ahead
            out[at] = alive * (weights @ density @ worth) / np.sum(weights)
        return out


def forecast_of(column: pd.Series, lessons: pd.DataFrame, rule: str) -> pd.Series:
    """Probabilities by the logistic regression on one column, with a ridge of 1 on the standardised coefficient."""
    event, weight = lessons["is_silent"].to_numpy(float), lessons["weight"].to_numpy()
    centre = np.average(lessons[rule], weights=weight)
    scale = math.sqrt(np.average((lessons[rule] - centre) ** 2, weights=weight))
    standard = ((lessons[rule] - centre) / scale).to_numpy()

    def loss(at: np.ndarray) -> float:
        odds = at[0] + at[1] * standard
        return np.sum(weight * (np.logaddexp(0, odds) - event * odds)) + at[1] ** 2 / 2

    def slope(at: np.ndarray) -> np.ndarray:
        error = weight * (expit(at[0] + at[1] * standard) - event)
        return np.array([error.sum(), (error * standard).sum() + at[1]])

    found = minimize(loss, np.zeros(2), jac=slope, method="BFGS", options={"gtol": 1e-9}).x
    return expit(found[0] + found[1] * (column - centre) / scale)


def meets(condition: str, figures: pd.DataFrame) -> pd.Series:
    """Who meets a condition of the rules, row by row in Python. What is unknown meets no comparison."""
    if condition == "default":
        return pd.Series(True, index=figures.index)
    cuts: dict[str, float] = {}

    def cut(found: re.Match[str]) -> str:
        name, sign, share = found.groups()
        known = figures[name].dropna().astype(float)
        cuts[f"cut_{len(cuts)}"] = float(np.quantile(known, float(share))) if len(known) else math.nan
        return f"{name} {sign} cut_{len(cuts) - 1}"

    text = re.sub(r"pct\((\w+)\) (>=|>|<=|<) ([0-9.]+)", cut, condition)
    text = re.sub(r"(\w+) is not null", r"known(\1)", text)
    text = re.sub(r"(?<![<>!=])=(?!=)", "==", text)
    code = compile(text, "condition", "eval")
    names = [name for name in code.co_names if name in figures]
    helpers = {
        "lower": lambda word: word.lower() if isinstance(word, str) else "",
        "known": lambda value: not pd.isna(value),
        "coalesce": lambda *values: next((value for value in values if not pd.isna(value)), math.nan),
        "__builtins__": {},
    } | cuts
    rows = zip(*(figures[name] for name in names), strict=True)
    met = [bool(eval(code, helpers, dict(zip(names, row, strict=True)))) for row in rows]
    return pd.Series(met, index=figures.index)
