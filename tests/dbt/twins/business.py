"""The figures about the business as a whole, and those that are counted in a table.

Here belongs what sums or compares customers, days and months. The figures of one customer belong to the other modules.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from tests.dbt.twins.behaviour import Behaviour
from tests.dbt.twins.cadence import Cadence
from tests.dbt.twins.documents import Documents
from tests.dbt.twins.night import DAY, Night, first_of_month, local_day
from tests.dbt.twins.value import Value

WINDOWS = (30, 60, 90, 180, 365)
MONTH = pd.offsets.MonthBegin()


def month_end(month: pd.Timestamp) -> pd.Timestamp:
    """The last day of a month, given its first."""
    return month + MONTH - DAY


@dataclass
class Business:
    """The shop as a whole, by day and by month."""

    night: Night
    documents: Documents
    cadence: Cadence
    behaviour: Behaviour
    value: Value

    @cached_property
    def days(self) -> pd.DatetimeIndex:
        """Every day from the first valid document to tonight."""
        return pd.date_range(self.documents.valid(self.night.as_of)["day"].min(), self.night.as_of, name="day")

    @cached_property
    def months(self) -> pd.DatetimeIndex:
        """Every month of these days."""
        return pd.date_range(self.days[0].replace(day=1), self.night.as_of, freq="MS", name="month")

    # Sales.

    def sales(self, by: str) -> pd.DataFrame:
        """Revenue, margin and purchases by ``day`` or ``month``."""
        night = self.night
        valid = self.documents.valid(night.as_of).assign(month=lambda rows: first_of_month(rows["day"]))
        bought = self.documents.purchases(night.as_of).assign(month=lambda rows: first_of_month(rows["day"]))
        out = pd.DataFrame(index=self.days if by == "day" else self.months)
        out["orders"] = bought.groupby(by).size().reindex(out.index).fillna(0)
        out["buyers"] = (
            bought.dropna(subset="customer_id").groupby(by)["customer_id"].nunique().reindex(out.index).fillna(0)
        )
        out["net_revenue"] = valid.groupby(by)["net"].sum().reindex(out.index).fillna(0)
        out["gross_margin"] = valid.groupby(by)["margin"].sum().reindex(out.index).fillna(0)
        out["net_revenue_by_order_date"] = (
            self.by_order_date(valid).groupby(by)["net"].sum().reindex(out.index).fillna(0)
        )
        known = valid.dropna(subset="customer_id").groupby(by)["net"].sum().reindex(out.index).fillna(0)
        out["aov"] = out["net_revenue"] / out["orders"].where(out["orders"] > 0)
        out["revenue_per_buyer"] = known / out["buyers"].where(out["buyers"] > 0)
        out["margin_rate"] = out["gross_margin"] / out["net_revenue"].where(out["net_revenue"] != 0)
        return out

    def by_order_date(self, valid: pd.DataFrame) -> pd.DataFrame:
        """Documents with each refund of a sale on the day, and in the currency, of the sale."""
        sales = valid[valid["kind"] == "sale"].set_index("order_id")
        rows = valid.copy()
        linked = (rows["kind"] == "refund") & rows["original_order_id"].isin(sales.index)
        for column in ("day", "currency"):
            rows.loc[linked, column] = rows.loc[linked, "original_order_id"].map(sales[column])
        rows["month"] = first_of_month(rows["day"])
        return rows

    @cached_property
    def ledger(self) -> pd.DataFrame:
        """Revenue by day and currency, in base currency."""
        valid = self.documents.valid(self.night.as_of)
        own = valid.groupby(["day", "currency"])[["net", "margin"]].sum()
        moved = self.by_order_date(valid).groupby(["day", "currency"])["net"].sum()
        return own.join(moved.rename("by_order_date"), how="outer").fillna(0)

    # Coming back and leaving.

    @cached_property
    def first_days(self) -> pd.DataFrame:
        """First and second occasion of every buyer."""
        days = self.cadence.occasions.groupby("customer_id")["day"]
        return pd.DataFrame({"first": days.min(), "second": days.nth(1).set_axis(self._of_number(2))})

    def _of_number(self, number: int) -> pd.Index:
        occasions = self.cadence.occasions
        return pd.Index(occasions.loc[occasions["number"] == number, "customer_id"])

    @cached_property
    def repurchase(self) -> pd.Series:
        """Rate by month of the first occasion and window."""
        first = self.first_days
        out = {}
        for window in WINDOWS:
            mature = first["first"] + window * DAY <= self.night.as_of
            again = mature & (first["second"] <= first["first"] + window * DAY)
            month = first_of_month(first["first"])
            for at in self.months[self.months >= month.min()]:
                these = month == at
                n = int((mature & these).sum())
                out[at, window] = (again & these).sum() / n if n else np.nan
        return pd.Series(out).rename_axis(["cohort_month", "window_days"])

    @cached_property
    def repurchase_90d(self) -> pd.Series:
        """Of those whose first occasion lies 90 to 179 days back, the share with a second within 90 days, by day."""
        first = self.first_days
        out = {}
        for day in self.days:
            ago = (day - first["first"]).dt.days
            cohort = first[(ago >= 90) & (ago <= 179)]
            again = (cohort["second"] - cohort["first"]).dt.days <= 90
            out[day] = again.mean() if len(cohort) else np.nan
        return pd.Series(out).rename_axis("day")

    @cached_property
    def retention(self) -> pd.Series:
        """Share of each cohort with an occasion in each month since its first, empty while the month is not over."""
        occasions = self.cadence.occasions.assign(month=lambda rows: first_of_month(rows["day"]))
        cohort = occasions["customer_id"].map(first_of_month(self.first_days["first"]))
        active = occasions.groupby([cohort, "month"])["customer_id"].nunique()
        out = {}
        for start, size in (
            cohort.groupby(cohort).agg(lambda rows: occasions.loc[rows.index, "customer_id"].nunique()).items()
        ):
            for period, month in enumerate(pd.date_range(start, self.night.as_of, freq="MS")):
                is_over = month_end(month) <= self.night.as_of
                out[start, period] = active.get((start, month), 0) / size if is_over else np.nan
        return pd.Series(out).rename_axis(["cohort_month", "period"])

    @cached_property
    def active(self) -> pd.Series:
        """Customers in a spell at the end of each day."""
        return pd.Series({day: len(self.cadence.in_spell(day)) for day in self.days}).rename_axis("day")

    @cached_property
    def churn_rate(self) -> pd.Series:
        """Of the customers at the beginning of a month, the share lost in it; empty while the month is not over."""
        out = {}
        for month in self.months:
            opening = set(self.cadence.in_spell(month - DAY))
            lost = self.cadence.spells
            lost = lost[
                (lost["churned_on"] >= month) & (lost["churned_on"] <= month_end(month)) & (lost["started_on"] < month)
            ]
            is_over = month_end(month) <= self.night.as_of
            out[month] = len(opening & set(lost["customer_id"])) / len(opening) if opening and is_over else np.nan
        return pd.Series(out).rename_axis("month")

    @cached_property
    def churn_rate_30d(self) -> pd.Series:
        """Of the customers active 30 days before each day, the share lost since, whether or not they came back."""
        spells = self.cadence.spells
        out = {}
        for day in self.days:
            before = day - 30 * DAY
            here = spells[
                (spells["started_on"] <= before) & (spells["churned_on"].isna() | (spells["churned_on"] > before))
            ]
            out[day] = (here["churned_on"] <= day).mean() if len(here) else np.nan
        return pd.Series(out).rename_axis("day")

    # Contracts.

    @cached_property
    def account_of(self) -> pd.Series:
        """The account of each customer, where there is one. Like identity, who belongs to whom is taken as it is."""
        return self.night.table("core.accounts_of_customers").set_index("customer_id")["account_id"]

    @cached_property
    def recurring(self) -> pd.DataFrame:
        """Retention of recurring revenue by month, dimension and segment: ``nrr`` and ``grr``."""
        contracts = self.value.contracts
        contracts = contracts[contracts["started_on"] <= self.night.as_of].copy()
        contracts["account"] = contracts["customer_id"].map(self.account_of).fillna(contracts["customer_id"])
        industry = self.night.table("core.customer_attributes").set_index("customer_id")["industry"]
        kinds = self.value.described["customer_type"]

        def stock(day: pd.Timestamp) -> pd.DataFrame:
            held = contracts[
                (contracts["started_on"] <= day) & (contracts["until"].isna() | (contracts["until"] > day))
            ]
            return held.groupby("account").agg(mrr=("amount", "sum"), holder=("customer_id", "min"))

        rows = []
        for month in pd.date_range(contracts["started_on"].min().replace(day=1), self.night.as_of, freq="MS"):
            opening, closing = stock(month - DAY), stock(min(month_end(month), self.night.as_of))
            eve = self.states_on(month - DAY)
            end = self.states_on(month_end(month))
            for account in opening.index.union(closing.index):
                holder = min(frame.loc[account, "holder"] for frame in (opening, closing) if account in frame.index)
                tiers = [frame["tier"].get(holder) for frame in (eve, end) if frame is not None]
                before = opening["mrr"].get(account, 0.0) if account in opening.index else None
                after = closing["mrr"].get(account) if account in closing.index else None
                rows.append(
                    {
                        "month": month,
                        "all": "all",
                        "customer_type": kinds.fillna("unknown").get(holder, "unknown"),
                        "industry": industry.fillna("unknown").get(holder, "unknown"),
                        "tier": next((tier for tier in tiers if isinstance(tier, str)), "unknown"),
                        "opening": before or 0.0,
                        "expansion": max(after - before, 0) if before is not None and after is not None else 0.0,
                        "contraction": max(before - after, 0) if before is not None and after is not None else 0.0,
                        "churned": before if before is not None and after is None else 0.0,
                    }
                )
        accounts = pd.DataFrame(rows)
        parts = []
        for dimension in ("all", "customer_type", "industry", "tier"):
            sums = accounts.groupby(["month", dimension])[["opening", "expansion", "contraction", "churned"]].sum()
            sums.index = sums.index.set_names("segment", level=1)
            parts.append(sums.assign(dimension=dimension).set_index("dimension", append=True))
        out = pd.concat(parts).reorder_levels(["month", "dimension", "segment"])
        over = pd.Series([month_end(month) <= self.night.as_of for month, *_ in out.index], index=out.index)
        base = out["opening"].where((out["opening"] > 0) & over)
        out["grr"] = (base - out["contraction"] - out["churned"]) / base
        out["nrr"] = out["grr"] + out["expansion"] / base
        return out

    def states_on(self, day: pd.Timestamp) -> pd.DataFrame | None:
        """Tier, stage and segment on a day of the grid; none on any other day."""
        return self.value.states(day) if day in self.night.grid else None

    @cached_property
    def health(self) -> pd.Series:
        """Health of every account: the weighted mean of the scores that are known."""
        figures = self.value.tonight
        account = self.account_of.reindex(figures.index)
        account = account.where(
            account.notna(), pd.Series(figures.index, index=figures.index).where(figures["has_contract"])
        )
        people = self.night.current("contacts")
        people = people[people["is_primary"].fillna(False).astype(bool)].dropna(subset="customer_id")
        here = ~(local_day(people["left_at"]) <= self.night.as_of)
        remaining = here.groupby(people["customer_id"]).sum().reindex(figures.index).fillna(0)
        answers = figures["nps_latest"].where(figures["nps_age_days"] <= 180)
        rows = figures.assign(account=account, remaining=remaining, answer=answers).dropna(subset="account")
        out = {}
        for name, members in rows.groupby("account"):
            before = members["feature_events_prior_90d_monthly"].sum()
            trend = members["feature_events_30d"].sum() / before if before else None
            talks = members["open_tickets"].sum() + members["complaints_90d"].sum()
            left = members["champion_left"].any() and members["remaining"].sum() == 0
            due = members["days_to_renewal"].min()
            scores = {
                35: None if trend is None else 100 * min(max(trend, 0), 1),
                20: 10 * members["answer"].mean() if members["answer"].notna().any() else None,
                # Two parts weigh 20.
                20.0 + 1e-9: float(max(100 - 25 * talks, 0)),
                15: 0.0 if left else 100.0 if members["remaining"].sum() else None,
                10: 0.0 if due < 0 else 100.0 if members["has_contract"].any() else None,
            }
            known = {weight: score for weight, score in scores.items() if score is not None}
            out[name] = sum(weight * score for weight, score in known.items()) / sum(known)
        return pd.Series(out).rename_axis("account_id")

    # Moving between classes.

    @cached_property
    def grid_states(self) -> pd.DataFrame:
        """Tier, stage and segment of every customer on every day of the grid."""
        frames = [self.value.states(day).assign(as_of=day).reset_index() for day in self.night.grid]
        return pd.concat(frames, ignore_index=True)

    def migration(self, state: str) -> pd.Series:
        """Shares by month, from and to."""
        grid = self.grid_states
        ends = {day: rows.set_index("customer_id")[state].fillna("none") for day, rows in grid.groupby("as_of")}
        months = [day.replace(day=1) for day in ends if day == month_end(day.replace(day=1))]
        out = {}
        for month in sorted(months)[1:]:
            opening = ends.get(month - DAY, pd.Series(dtype=object))
            closing = ends[month_end(month)]
            pairs = pd.DataFrame({"from": opening.reindex(closing.index).fillna("none"), "to": closing})
            pairs = pairs[(pairs["from"] != "none") | (pairs["to"] != "none")]
            counts = pairs.groupby(["from", "to"]).size()
            for (left, right), n in counts.items():
                out[month, left, right] = n / counts[left].sum() if left != "none" else np.nan
        return pd.Series(out)

    def dwelling(self, state: str) -> pd.Series:
        """Days in each state by customer and the day it was entered."""
        out = {}
        for customer, rows in self.grid_states.dropna(subset=state).groupby("customer_id"):
            days, names = rows["as_of"].tolist(), rows[state].tolist()
            begins = [at for at in range(len(days)) if at == 0 or names[at] != names[at - 1]]
            for place, at in enumerate(begins):
                left = days[begins[place + 1]] if place + 1 < len(begins) else self.night.as_of
                out[customer, days[at]] = (left - days[at]).days
        return pd.Series(out, dtype=float)

    @cached_property
    def schemes(self) -> pd.DataFrame:
        """Segment of every customer in every scheme, tonight."""
        schemes = self.night.rules["segment_schemes"]
        figures = self.value.tonight
        return pd.DataFrame({each["id"]: self.value.classes(figures, each["segments"]) for each in schemes})

    @cached_property
    def separation(self) -> pd.Series:
        """Revenue per customer of a segment against all others, in the 90 days after the pilot's day."""
        pilot = max(day for day in self.night.grid if day <= self.night.as_of - 90 * DAY)
        figures = self.value.on(pilot)
        records = self.value.described.reindex(figures.index)[["gender", "age_years"]]
        records["age_years"] = self.value.described["age_years"].reindex(figures.index)
        figures = figures.join(records)
        valid = self.documents.valid(self.night.as_of).dropna(subset="customer_id")
        after = valid[(valid["day"] > pilot) & (valid["day"] <= pilot + 90 * DAY)]
        spent = after.groupby("customer_id")["net"].sum().reindex(figures.index).fillna(0)
        out = {}
        for scheme in self.night.rules["segment_schemes"]:
            is_predicted = any("risk_level" in segment["when"] for segment in scheme["segments"])
            members = None if is_predicted else self.value.classes(figures, scheme["segments"])
            for segment in scheme["segments"]:
                mine = pd.Series(False, index=figures.index) if members is None else members == segment["id"]
                rest = 0.0 if is_predicted or mine.all() else spent[~mine].mean()
                out[scheme["id"], segment["id"]] = spent[mine].mean() / rest if mine.any() and rest else np.nan
        return pd.Series(out).rename_axis(["scheme", "segment"])

    # Value.

    def concentration(self) -> pd.DataFrame:
        """Cumulative share of margin by what customers are ranked by and percentile."""
        figures = self.value.tonight[self.value.tonight["orders_total"] > 0]
        out = {}
        for ranked_by in ("gross_margin", "net_revenue"):
            order = figures.reset_index().sort_values([ranked_by, "customer_id"], ascending=[False, True])
            margin = order["gross_margin"].cumsum().to_numpy()
            for percent in range(1, 101):
                best = len(order) * percent // 100
                if best:
                    out[ranked_by, percent] = margin[best - 1] / margin[-1]
        return pd.Series(out).rename_axis(["ranked_by", "percentile"])

    def deciles(self) -> pd.Series:
        """Share of margin of each tenth of the customers."""
        shares = self.concentration()
        out = {}
        for ranked_by in ("gross_margin", "net_revenue"):
            reached = 0.0
            for decile in range(1, 11):
                share = shares[ranked_by, decile * 10]
                out[ranked_by, decile] = share - reached
                reached = share
        return pd.Series(out).rename_axis(["ranked_by", "decile"])

    # Service.

    @cached_property
    def periods(self) -> dict[str, str]:
        """How each kind of period is called in pandas."""
        return {"month": "M", "quarter": "Q"}

    def _by_dimension(self, rows: pd.DataFrame, day: str, period: str) -> pd.DataFrame:
        """Rows once for each dimension, with the segment of their customer there and the first day of their period."""
        start = rows[day].dt.to_period(self.periods[period]).dt.start_time
        ends = {}
        for grid_day in self.night.grid:
            begin = grid_day.to_period(self.periods[period]).start_time
            ends[begin] = max(ends.get(begin, grid_day), grid_day)
        stages = {
            begin: self.value.states(end)["lifecycle_stage"] for begin, end in ends.items()
        }  # fmt: skip
        described = self.value.described
        parts = []
        for dimension in ("all", "channel", "region", "lifecycle_stage"):
            if dimension == "all":
                segment = pd.Series("all", index=rows.index)
            elif dimension == "lifecycle_stage":
                segment = pd.Series(
                    [
                        stages[begin].get(customer) if begin in stages else None
                        for begin, customer in zip(start, rows["customer_id"], strict=True)
                    ],
                    index=rows.index,
                    dtype=object,
                )
            else:
                column = {"channel": "acquisition_channel"}.get(dimension, dimension)
                segment = rows["customer_id"].map(described[column])
            parts.append(
                rows.assign(period=period, month=start, dimension=dimension, segment=segment.fillna("unknown"))
            )
        return pd.concat(parts)

    @cached_property
    def satisfaction(self) -> pd.DataFrame:
        """``nps`` and ``csat`` by period, month, dimension and segment."""
        keys = ["period", "month", "dimension", "segment"]
        answers = self.behaviour.answers[self.behaviour.answers["score"].notna()]
        frames = []
        for period in self.periods:
            rows = self._by_dimension(answers, "day", period)
            first = self.night.grid[0].to_period(self.periods[period]).start_time
            rows = rows[(rows["dimension"] != "lifecycle_stage") | (rows["month"] >= first)]
            nps = rows[rows["survey"] == "nps"].groupby([*keys, "customer_id"])["score"].last()
            points = 100 * (nps.ge(9).astype(int) - nps.le(6).astype(int))
            csat = rows[rows["survey"] == "csat"].groupby(keys)["score"].agg(lambda scores: (scores >= 4).mean())
            frames.append(pd.DataFrame({"nps": points.groupby(keys).mean(), "csat": csat}))
        return pd.concat(frames)

    @cached_property
    def ticket_topics(self) -> pd.Series:
        """Tickets by month, stage at its end, and topic; a topic of fewer than five customers has no name."""
        tickets = self.behaviour.tickets
        wide = tickets.groupby("topic")["customer_id"].nunique()
        named = (
            tickets["topic"].where(tickets["topic"].map(wide) >= 5, "other").where(tickets["topic"].notna(), "unknown")
        )
        rows = self._by_dimension(tickets.assign(common=named), "opened_on", "month")
        rows = rows[rows["dimension"] == "lifecycle_stage"]
        counts = rows.groupby(["month", "segment", "common"]).size()
        return counts.rename_axis(["month", "lifecycle_stage", "topic"])

    @cached_property
    def lost_margin(self) -> pd.Series:
        """Margin of the 365 days before each loss, by period, month, cause, and tier on the eve of the month."""
        reasons = self.night.rules["churn"]["reasons"]
        causes = {word.lower(): reason["id"] for reason in reasons[:-1] for word in [reason["id"], *reason["matches"]]}
        valid = self.documents.valid(self.night.as_of).dropna(subset="customer_id")
        spells = self.cadence.spells
        month = first_of_month(spells["churned_on"])
        losses = spells[spells["churned_on"].notna() & (spells["started_on"] < month)].assign(month=month)
        assert self.night.table("core.list_outcomes_current").empty, "nobody reports outcomes in this shop"
        documents = dict(list(valid.groupby("customer_id")))
        contracts = self.value.contracts.dropna(subset="cancel_reason").sort_values("ended_on")
        contracts = dict(list(contracts.groupby("customer_id")))
        complaints = self.behaviour.tickets[self.behaviour.tickets["complaint"]].sort_values("opened_at")
        complaints = dict(list(complaints.groupby("customer_id")))
        rows = []
        for loss in losses.itertuples():
            mine = documents[loss.customer_id]
            ago = (loss.churned_on - mine["day"]).dt.days
            ended = contracts.get(loss.customer_id, self.value.contracts[:0])
            ended = ended[(ended["ended_on"] >= loss.started_on) & (ended["ended_on"] <= loss.churned_on)]
            told = complaints.get(loss.customer_id, self.behaviour.tickets[:0])
            told = told[(loss.churned_on - told["opened_on"]).dt.days.between(0, 180)]
            topics = [causes[topic] for topic in told["topic"] if topic in causes]
            if len(ended):
                cause = causes.get(ended["cancel_reason"].iloc[-1].strip().lower(), reasons[-1]["id"])
            else:
                cause = topics[-1] if topics else "unknown"
            eve = self.states_on(loss.month - DAY)
            tier = eve["tier"].get(loss.customer_id, "unknown") if eve is not None else "unknown"
            margin = mine.loc[(ago >= 1) & (ago <= 365), "margin"].sum()
            rows.append((loss.month, cause, tier, margin))
        found = pd.DataFrame(rows, columns=["month", "cause", "tier", "margin"])
        quarters = found.assign(period="quarter", month=found["month"].dt.to_period("Q").dt.start_time)
        both = pd.concat([found.assign(period="month"), quarters])
        return both.groupby(["period", "month", "cause", "tier"])["margin"].sum()

    # Loyalty.

    @cached_property
    def referrals(self) -> pd.DataFrame:
        """Every claim: who brought whom, what came of it, and in which mood the referrer was."""
        rows = self.night.table("core.referrals_current")
        rows = rows[~rows["is_deleted"]].copy()
        records = self.night.table("core.source_customers").set_index(["source", "source_customer_id"])["customer_id"]
        for side in ("referrer", "referred"):
            rows[f"{side}_customer"] = pd.MultiIndex.from_frame(rows[["source", f"{side}_id"]]).map(records)
        rows["day"] = local_day(rows["referred_at"])
        rows = rows[~(rows["day"] > self.night.as_of)].sort_values(["referred_at", "referral_id"])
        first = self.first_days["first"]
        taken: set[str] = set()
        brought_by: dict[str, str] = {}
        verdicts = []
        for row in rows.itertuples():
            who, whom = row.referrer_customer, row.referred_customer
            above, climbed = who, set()
            while above in brought_by and above not in climbed:
                climbed.add(above)
                above = brought_by[above]
            if pd.isna(who) or pd.isna(whom):
                verdict = "unknown_customer"
            elif str(row.status).strip().lower() in ("rejected", "declined", "cancelled", "invalid", "refused"):
                verdict = "refused_by_source"
            elif who == whom:
                verdict = "self_referral"
            elif whom in first.index and first[whom] < row.day:
                verdict = "already_customer"
            elif whom in taken:
                verdict = "already_referred"
            elif above == whom:
                verdict = "loop"
            else:
                verdict = "accepted"
            if verdict in ("accepted", "loop"):
                taken.add(whom)
            if verdict == "accepted":
                brought_by[whom] = who
            verdicts.append(verdict)
        rows["verdict"] = verdicts
        rows["converted"] = rows["verdict"].eq("accepted") & rows["referred_customer"].isin(first.index)
        answers = self.behaviour.answers
        answers = answers[(answers["survey"] == "nps") & answers["score"].notna()]
        moods = []
        for row in rows.itertuples():
            before = answers[(answers["customer_id"] == row.referrer_customer) & (answers["day"] <= row.day)]
            score = before["score"].iloc[-1] if len(before) else np.nan
            mood = "promoter" if score >= 9 else "passive" if score >= 7 else "detractor"
            moods.append("unknown" if np.isnan(score) else mood)
        rows["mood"] = moods
        return rows

    def conversion(self) -> pd.Series:
        """Converted ÷ accepted referrals by month and mood."""
        rows = self.referrals.assign(month=lambda each: first_of_month(each["day"]))
        sums = (
            rows.assign(accepted=rows["verdict"] == "accepted")
            .groupby(["month", "mood"])[["accepted", "converted"]]
            .sum()
        )
        return (sums["converted"] / sums["accepted"].where(sums["accepted"] > 0)).rename_axis(["month", "nps_group"])

    def points_liability(self) -> tuple[pd.Series, pd.Series]:
        """What unspent points would cost: by customer tonight, and of all at the end of each month."""
        worth = self.night.rules["loyalty"]["point_value"]
        rows = self.behaviour.points
        balance = rows.groupby("customer_id")["delta"].sum()
        months = pd.date_range(rows["day"].min().replace(day=1), self.night.as_of, freq="MS", name="month")
        closing = pd.Series({month: rows.loc[rows["day"] <= month_end(month), "delta"].sum() for month in months})
        return balance.clip(lower=0) * worth, closing.rename_axis("month").clip(lower=0) * worth

    # Products.

    @cached_property
    def lift(self) -> pd.Series:
        """By pair of categories with five common buyers at least, in both directions."""
        bought = self.documents.purchases(self.night.as_of).dropna(subset="customer_id").set_index("order_id")
        lines = self.documents.lines
        lines = lines[lines["order_id"].isin(bought.index) & lines["category"].notna()]
        pairs = pd.DataFrame({"customer": lines["order_id"].map(bought["customer_id"]), "category": lines["category"]})
        of = pairs.groupby("category")["customer"].agg(set)
        everybody = pairs["customer"].nunique()
        out = {}
        for one in of.index:
            for other in of.index:
                both = len(of[one] & of[other])
                if one != other and both >= 5:
                    out[one, other] = (both / len(of[one])) / (len(of[other]) / everybody)
        return pd.Series(out).rename_axis(["category", "other_category"])

    def repeat_buyers(self) -> pd.Series:
        """Of the buyers of each window, the share that bought on two days of it or more."""
        occasions = self.cadence.occasions
        out = {}
        for window in WINDOWS:
            days = occasions[occasions["day"] > self.night.as_of - window * DAY].groupby("customer_id").size()
            out[window] = (days >= 2).mean() if len(days) else np.nan
        return pd.Series(out).rename_axis("window_days")
