"""What customers do beside buying: use, talk, complain, answer, collect points, hold contracts.

Here belong the figures of one customer on one day about all that. Purchases belong to ``documents`` and ``cadence``.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from tests.dbt.twins.night import DAY, Night, local_day

TALKS = ("chat", "meeting", "visit")
UNSENT = {"bounced", "failed", "planned", "skipped", "suppressed", "control"}
RESPONSES = {"opened", "clicked", "responded", "replied", "registered", "attended", "converted"}


@dataclass
class Behaviour:
    """All events of a night that are no purchases."""

    night: Night

    @cached_property
    def events(self) -> pd.DataFrame:
        """Interactions with what each counts for."""
        rows = self.night.current("interactions").dropna(subset="customer_id")
        rows["day"] = local_day(rows["occurred_at"])
        rows["times"] = rows["quantity"].fillna(1)
        for column in ("channel", "direction", "kind"):
            rows[column] = rows[column].str.lower()
        rows["login"] = (rows["channel"] == "login") | (rows["kind"] == "login")
        rows["use"] = rows["channel"].isin(["usage", "page_view", "click"]) | rows["feature"].notna()
        rows["talk"] = ~rows["login"] & ~rows["use"]
        spoken = (rows["direction"] == "inbound") | (rows["direction"].isna() & rows["channel"].isin(TALKS))
        rows["reply"] = rows["talk"] & spoken
        rows["contact"] = rows["talk"] & ((rows["direction"] == "outbound") | rows["channel"].isin([*TALKS, "call"]))
        return rows

    @cached_property
    def touches(self) -> pd.DataFrame:
        """Marketing messages; ``sent`` where it reached somebody, ``response`` where somebody responded."""
        rows = self.night.current("campaign_touches")
        rows["day"] = local_day(rows["touched_at"])
        rows["channel"] = rows["channel"].str.lower()
        rows["sent"] = ~rows["status"].str.lower().isin(UNSENT)
        rows["response"] = rows["status"].str.lower().isin(RESPONSES)
        return rows

    @cached_property
    def tickets(self) -> pd.DataFrame:
        """Tickets of customers, opened by tonight, with the day on which each was closed."""
        rows = self.night.current("tickets").dropna(subset="customer_id")
        told = self.night.table("core.deliveries_current").groupby("delivery_id")["version_at"].max()
        said = rows["status"].str.lower().isin(["closed", "resolved", "solved", "done", "已关闭", "已解决", "已完成"])
        told_at = rows["updated_at"].fillna(rows["delivery_id"].map(told))
        rows["ended_at"] = rows["closed_at"].fillna(told_at.where(said))
        rows["opened_on"] = local_day(rows["opened_at"])
        rows["closed_on"] = local_day(rows[["ended_at", "opened_at"]].max(axis=1).where(rows["ended_at"].notna()))
        rows["complaint"] = rows["kind"].fillna("").str.lower().str.contains("complain|投诉|客诉")
        rows["topic"] = rows["topic"].fillna(rows["kind"]).str.strip().str.lower()
        return rows[rows["opened_on"] <= self.night.as_of]

    @cached_property
    def answers(self) -> pd.DataFrame:
        """Answers to surveys, and ratings of tickets: ``score`` on the scale of its survey, empty where unusable."""
        surveys = self.night.current("survey_responses").dropna(subset="customer_id")
        surveys = surveys[surveys["survey"].isin(["nps", "csat"])]
        surveys = surveys.rename(columns={"responded_at": "at", "response_id": "id"}).assign(
            source_kind="survey_response"
        )
        rated = self.tickets.dropna(subset="csat")
        rated = rated.assign(
            survey="csat", score=rated["csat"], at=rated["closed_at"].fillna(rated["opened_at"]), scale_max=np.nan,
            source_kind="ticket", id=rated["ticket_id"],
        )  # fmt: skip
        wanted = ["customer_id", "survey", "score", "scale_max", "at", "source_kind", "source_system", "source", "id"]
        rows = pd.concat([surveys[wanted], rated[wanted]], ignore_index=True)
        rows["day"] = local_day(rows["at"])
        rows = rows[rows["day"] <= self.night.as_of].rename(columns={"score": "stated"})
        nps = (rows["survey"] == "nps") & rows["scale_max"].fillna(10).eq(10) & rows["stated"].between(0, 10)
        rows["score"] = rows["stated"].where(nps)
        scales = self.night.rules["satisfaction"]["csat_scales"]
        for scale in scales:
            low, high = scale["min"], scale["max"]
            # Who states no scale means the first that is named.
            top = rows["scale_max"].fillna(scales[0]["max"])
            fits = (rows["survey"] == "csat") & (top == high) & rows["stated"].between(low, high)
            rows["score"] = rows["score"].where(~fits, 1 + 4 * (rows["stated"] - low) / (high - low))
        return rows.sort_values(["at", "source_kind", "source_system", "source", "id"], ignore_index=True)

    @cached_property
    def points(self) -> pd.DataFrame:
        """Every movement of points, what has lapsed without being booked included.

        An account is played through day by day: who spends takes what expires soonest, and on the day of expiry, at
        its end, what is left of it lapses.
        """
        rows = self.night.current("points").dropna(subset=["customer_id", "delta"])
        rows["day"] = local_day(rows["booked_at"])
        rows["expires_on"] = local_day(rows["expires_at"]).where(rows["delta"] > 0)
        rows["expires_on"] = rows[["expires_on", "day"]].max(axis=1).where(rows["expires_on"].notna())
        rows = rows[rows["day"] <= self.night.as_of]
        rows["kind"] = np.where(rows["delta"] < 0, "spent", "granted")
        assert not rows["reason"].str.contains("expir|过期|到期", na=False).any(), "a source that books expiry itself"
        lapses = []
        for (customer, source), account in rows.groupby(["customer_id", "source"]):
            booked: dict[pd.Timestamp, list[tuple[float, pd.Timestamp]]] = {}
            for at, delta, expiry in zip(account["day"], account["delta"], account["expires_on"], strict=True):
                booked.setdefault(at, []).append((delta, expiry))
            purses: dict[pd.Timestamp, float] = {}  # what is left, by day of expiry
            owed = 0.0
            for day in sorted({*booked, *account["expires_on"].dropna()}):
                if day > self.night.as_of:
                    break
                for delta, expiry in booked.get(day, []):
                    if delta < 0:
                        owed -= delta
                    elif pd.notna(expiry):
                        purses[expiry] = purses.get(expiry, 0.0) + delta
                for expiry in sorted(purses):
                    paid = min(owed, purses[expiry])
                    purses[expiry] -= paid
                    owed -= paid
                if purses.get(day, 0.0) > 0:
                    lapses.append((customer, source, day, -purses.pop(day)))
        lapsed = pd.DataFrame(lapses, columns=["customer_id", "source", "day", "delta"]).assign(kind="lapsed")
        return pd.concat([rows[["customer_id", "source", "kind", "delta", "day", "expires_on"]], lapsed])

    def expiring(self, day: pd.Timestamp, within: int = 30) -> pd.Series:
        """Unspent points by customer whose expiry lies within so many days after a day."""
        rows = self.points[self.points["day"] <= day]
        found: dict[str, float] = {}
        for (customer, _), account in rows.groupby(["customer_id", "source"]):
            gone = -account.loc[account["delta"] < 0, "delta"].sum()
            granted = account[(account["delta"] > 0) & account["expires_on"].notna()].sort_values("expires_on")
            for row in granted.itertuples():
                used = min(gone, row.delta)
                gone -= used
                if row.expires_on <= day + within * DAY:
                    found[customer] = found.get(customer, 0.0) + row.delta - used
        return pd.Series(found, dtype=float)

    def consents(self, day: pd.Timestamp) -> pd.DataFrame:
        """The last word about each channel and purpose up to a day, by customer; of one moment a no is the later."""
        rows = self.night.current("consents").dropna(subset="customer_id")
        rows = rows[local_day(rows["stated_at"]) <= day]
        rows["no"] = (rows["state"] == "out").astype(int)
        rows["channel"] = rows["channel"].str.lower()
        rows["purpose"] = rows["purpose"].str.lower()
        rows = rows.sort_values(["stated_at", "no", "state"])
        return rows.groupby(["customer_id", "channel", "purpose"], as_index=False, dropna=False).last()

    def on(self, day: pd.Timestamp, occasions: pd.DataFrame) -> pd.DataFrame:
        """All figures of a day by customer; ``occasions`` has the purchase days up to it."""
        who = self.night.customers
        out = pd.DataFrame(index=who)
        events = self.events[self.events["day"] <= day]
        touches = self.touches[(self.touches["day"] <= day)].dropna(subset="customer_id")

        def age(rows: pd.DataFrame, column: str = "day") -> pd.Series:
            return (day - rows.groupby("customer_id")[column].max()).dt.days.reindex(who)

        def recent(rows: pd.DataFrame, first: int, last: int, column: str = "day") -> pd.DataFrame:
            """Rows of the days from ``first`` to ``last`` days before, today being day 0."""
            ago = (day - rows[column]).dt.days
            return rows[(ago >= last) & (ago <= first)]

        def total(rows: pd.DataFrame, values: pd.Series | None = None) -> pd.Series:
            values = pd.Series(1, index=rows.index) if values is None else values.loc[rows.index]
            return values.groupby(rows["customer_id"]).sum().reindex(who).fillna(0)

        seconds = events["duration_s"].fillna(0).where(events["login"] | events["use"], 0)
        logins, uses = events["times"].where(events["login"], 0), events["times"].where(events["use"], 0)
        for name, values in (("logins", logins), ("feature_events", uses), ("usage_seconds", seconds)):
            out[f"{name}_30d"] = total(recent(events, 29, 0), values)
            out[f"{name}_prior_90d_monthly"] = total(recent(events, 119, 30), values) / 3
        out["days_since_login"] = age(events[events["login"]])
        before = out["feature_events_prior_90d_monthly"]
        out["usage_trend_30d"] = out["feature_events_30d"] / before.where(before > 0) - 1
        named = events.dropna(subset="feature")
        out["features_used_30d"] = (
            recent(named, 29, 0).groupby("customer_id")["feature"].nunique().reindex(who).fillna(0)
        )
        out["features_used_prior_90d"] = (
            recent(named, 119, 30).groupby("customer_id")["feature"].nunique().reindex(who).fillna(0)
        )
        active = pd.concat(
            [
                events.loc[events["login"] | events["use"] | events["reply"], ["customer_id", "day"]],
                occasions.loc[occasions["day"] <= day, ["customer_id", "day"]],
            ]
        ).drop_duplicates()
        for days in (30, 90):
            out[f"active_days_{days}d"] = total(recent(active, days - 1, 0))
        talks = recent(events[events["talk"]], 89, 0)
        out["interactions_90d"] = total(talks, events["times"])
        out["days_since_contact"] = age(pd.concat([events[events["contact"]], touches[touches["sent"]]]))
        out["touches_90d"] = total(recent(touches[touches["sent"]], 89, 0))
        out["touch_responses_90d"] = total(recent(touches[touches["response"]], 89, 0))
        replies = pd.concat([events[events["reply"]], touches[touches["response"]].assign(times=1)])
        replies = recent(replies[replies["channel"] != "other"], 364, 0)
        ranked = replies.groupby(["customer_id", "channel"], as_index=False).agg(
            times=("times", "sum"), day=("day", "max")
        )
        ranked = ranked.sort_values(["times", "day", "channel"], ascending=[False, False, True])
        out["preferred_channel"] = ranked.groupby("customer_id")["channel"].first().reindex(who)

        tickets = self.tickets[self.tickets["opened_on"] <= day]
        is_open = tickets["closed_on"].isna() | (tickets["closed_on"] > day)
        complaints = tickets[tickets["complaint"]]
        out["tickets_30d"] = total(recent(tickets, 29, 0, "opened_on"))
        out["tickets_prior_90d_monthly"] = total(recent(tickets, 119, 30, "opened_on")) / 3
        out["complaints_90d"] = total(recent(complaints, 89, 0, "opened_on"))
        out["days_since_complaint"] = age(complaints, "opened_on")
        out["open_tickets"] = total(tickets[is_open])
        late = tickets[
            is_open & ((day - tickets["opened_on"]).dt.days > self.night.rules["satisfaction"]["ticket_sla_days"])
        ]
        late = late.groupby(["customer_id", "topic"]).size().groupby("customer_id").max()
        out["open_repeat_tickets"] = late.reindex(who).fillna(0)

        answers = self.answers[(self.answers["day"] <= day) & self.answers["score"].notna()]
        for survey in ("nps", "csat"):
            latest = answers[answers["survey"] == survey].groupby("customer_id").last()
            out[f"{survey}_latest"] = latest["score"].reindex(who)
            out[f"{survey}_age_days"] = (day - latest["day"]).dt.days.reindex(who)

        refused = self.consents(day)
        refused = refused[refused["state"] == "out"]
        out["opted_out_channels"] = refused.groupby("customer_id")["channel"].nunique().reindex(who).fillna(0)
        held = self.points[self.points["day"] <= day].groupby("customer_id")["delta"].sum()
        out["points_balance"] = held.reindex(who).fillna(0)
        if day == self.night.as_of:
            out["points_expiring_30d"] = self.expiring(day).reindex(who).fillna(0)
        return out
