"""The figures of a customer that can be explained: one line each.

Belongs here: which records or figures each figure follows from. Does not belong here: how tallies and formulas are
worked out (``explained_figures.py``), labels (``rules/metrics.py``).
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from statistics import median
from typing import Any, Final

from warehouse.explained_behaviour import account
from warehouse.explained_documents import Occasion, occasions
from warehouse.explained_figures import Book, ClassOf, Figure, Formula, Given, Tally, Working
from warehouse.explained_profile import attribute

__all__ = ["FIGURES", "Signal", "reasons", "signals"]

_ZERO: Final = Decimal(0)


# ------------------------------------------------------------------------------------------------- what records say

_TALLIES: Final = (
    # Documents.
    Tally("orders", "documents", "count", keep="is_purchase"),
    Tally("orders_365d", "documents", "count", keep="is_purchase", days=365),
    Tally("orders_90d", "documents", "count", keep="is_purchase", days=90),
    Tally("orders_prior_90d", "documents", "count", keep="is_purchase", days=180, skip=90),
    Tally("rfm_frequency", "documents", "count", keep="is_purchase", days="rfm.window_days"),
    Tally("occasions", "documents", "distinct", of="on", keep="is_purchase"),
    Tally("refunds_90d", "documents", "count", keep="is_refund", days=90),
    Tally("first_order_at", "documents", "first", of="at", keep="is_purchase"),
    Tally("last_order_at", "documents", "last", of="at", keep="is_purchase"),
    Tally("first_order_on", "documents", "first", of="on", keep="is_purchase"),
    Tally("last_order_on", "documents", "last", of="on", keep="is_purchase"),
    Tally("gross_revenue", "documents", "sum", of="net_amount", keep="is_sale"),
    Tally("refund_amount", "documents", "sum", of="net_amount", keep="is_refund"),
    Tally("net_revenue_365d", "documents", "sum", of="net_amount", days=365),
    Tally("net_revenue_90d", "documents", "sum", of="net_amount", days=90),
    Tally("net_revenue_prior_90d", "documents", "sum", of="net_amount", days=180, skip=90),
    Tally("rfm_monetary", "documents", "sum", of="net_amount", days="rfm.window_days"),
    Tally("gross_margin", "documents", "sum", of="gross_margin"),
    Tally("gross_margin_365d", "documents", "sum", of="gross_margin", days=365),
    Tally("sales_margin", "documents", "sum", of="gross_margin", keep="is_sale"),
    Tally("margin_source", "documents", "weakest", of="margin_source"),
    # Costs.
    Tally("touch_cost", "costs", "sum", of="amount", keep="is_touch"),
    Tally("coupon_cost", "costs", "sum", of="amount", keep="is_coupon"),
    Tally("event_cost", "costs", "sum", of="amount", keep="is_event"),
    Tally("service_cost", "costs", "sum", of="amount", keep="is_service"),
    Tally("all_service_cost", "costs", "sum", of="amount", keep="is_any_service"),
    # Behaviour.
    Tally("active_days_30d", "activity", "distinct", of="on", keep="is_active", days=30),
    Tally("active_days_90d", "activity", "distinct", of="on", keep="is_active", days=90),
    Tally("last_active_on", "interactions", "last", of="on", keep="is_active"),
    Tally("last_login_on", "interactions", "last", of="on", keep="is_login"),
    Tally("logins_30d", "interactions", "whole_sum", of="events", keep="is_login", days=30),
    Tally("logins_prior_90d", "interactions", "whole_sum", of="events", keep="is_login", days=120, skip=30),
    Tally("feature_events_30d", "interactions", "whole_sum", of="events", keep="is_usage", days=30),
    Tally("feature_events_prior_90d", "interactions", "whole_sum", of="events", keep="is_usage", days=120, skip=30),
    Tally("usage_seconds_30d", "interactions", "whole_sum", of="seconds", days=30),
    Tally("usage_seconds_prior_90d", "interactions", "whole_sum", of="seconds", days=120, skip=30),
    Tally("features_used_30d", "interactions", "distinct", of="feature", days=30),
    Tally("features_used_prior_90d", "interactions", "distinct", of="feature", days=120, skip=30),
    Tally("interactions_90d", "interactions", "count", keep="is_talk", days=90),
    Tally("last_contact_on", "contacts_made", "last", of="on", keep="is_contact"),
    Tally("preferred_channel", "contacts_made", "favourite", keep="is_reply", days=365),
    Tally("touches_90d", "touches", "count", keep="is_touch", days=90),
    Tally("touch_responses_90d", "touches", "count", keep="is_response", days=90),
    # Service and satisfaction.
    Tally("tickets_30d", "tickets", "count", days=30),
    Tally("tickets_prior_90d", "tickets", "count", days=120, skip=30),
    Tally("complaints_90d", "tickets", "count", keep="is_complaint", days=90),
    Tally("open_tickets", "tickets", "count", keep="is_open"),
    Tally("open_repeat_tickets", "tickets", "most", of="topic", keep="is_late"),
    Tally("last_ticket_on", "tickets", "last", of="on"),
    Tally("last_complaint_on", "tickets", "last", of="on", keep="is_complaint"),
    Tally("last_answer_on", "answers", "last", of="on"),
    Tally("nps_latest", "answers", "latest", keep="is_nps"),
    Tally("nps_on", "answers", "last", of="on", keep="is_nps"),
    Tally("csat_latest", "answers", "latest", keep="is_csat"),
    Tally("csat_on", "answers", "last", of="on", keep="is_csat"),
    # Consent and loyalty.
    Tally("opted_out_channels", "consents", "distinct", of="channel", keep="is_out"),
    Tally("consent_email", "consents", "all_in", of="state", keep="is_email"),
    Tally("consent_phone", "consents", "all_in", of="state", keep="is_phone"),
    Tally("consent_sms", "consents", "all_in", of="state", keep="is_sms"),
    Tally("consent_wechat", "consents", "all_in", of="state", keep="is_wechat"),
    # Contracts.
    Tally("contracts", "contracts", "count"),
    Tally("running_contracts", "contracts", "count", keep="is_counted"),
    Tally("running_mrr", "contracts", "sum", of="mrr", keep="is_counted"),
    Tally("days_to_renewal", "contracts", "first", of="days_to_renewal", keep="is_counted"),
    Tally("unended_contracts", "contracts", "count", keep="is_unended"),
    Tally("resting_contracts", "contracts", "count", keep="is_resting"),
    Tally("last_contract_end", "contracts", "last", of="last_day", keep="has_ended"),
    Tally("main_contacts", "main_contacts", "count"),
    Tally("main_contacts_left", "main_contacts", "count", keep="has_left"),
    Tally("last_contact_left_on", "main_contacts", "last", of="left_on", keep="has_left"),
    Tally("points_granted", "points", "sum", of="delta", keep="is_granted"),
    Tally("points_spent", "points", "sum", of="delta", keep="is_spent"),
)


# ------------------------------------------------------------------------------------------------- what follows

_NO_BUYER: Final = ("{occasions} = 0", "none")
_CONTRACTS_DECIDE: Final = (
    "business.model = 'contractual' or (business.model = 'mixed' and ({has_contract} or {is_contract_churned}))"
)

_FORMULAS: Final = (
    # Purchases.
    Formula("net_revenue", "{gross_revenue} + {refund_amount}"),
    Formula("recency_days", "as_of − {last_order_on}"),
    Formula("days_since_created", "as_of − {created_on}"),
    Formula("age_years", "whole_years({birth_date}, as_of)"),
    Formula("tenure_days", "as_of − {first_order_on}"),
    Formula("age_days", "{tenure_days}"),
    Formula("frequency", "{rfm_frequency}", (_NO_BUYER,)),
    Formula("monetary", "{rfm_monetary}", (_NO_BUYER,)),
    Formula("aov", "{net_revenue} ÷ {orders}"),
    Formula("aov_365d", "{net_revenue_365d} ÷ {orders_365d}"),
    # Value so far.
    Formula("costs_total", "{touch_cost} + {coupon_cost} + {event_cost} + {service_cost}"),
    Formula("clv_historic_margin", "{gross_margin}", (_NO_BUYER,)),
    Formula("clv_net_margin_basis", "{gross_margin} − {costs_total}", (_NO_BUYER,)),
    Formula("clv_net_spend_basis", "{net_revenue} − {costs_total}", (_NO_BUYER,)),
    Formula("clv_net", "{clv_net_margin_basis}"),
    Formula("clv_net_per_year", "{clv_net_margin_basis} ÷ max({tenure_days} ÷ 365, 1 ÷ 12)"),
    Formula("service_cost_ratio", "none", (("{net_revenue} > 0", "{all_service_cost} ÷ {net_revenue}"),)),
    Formula("observed_years", "max({tenure_days} ÷ 365, business.min_observation_days ÷ 365)"),
    Formula("orders_per_year", "{orders} ÷ {observed_years}"),
    Formula(
        "relationship_years",
        "{published_relationship_years}",
        (
            (
                "clv.relationship_years.method = 'observed_to_as_of'",
                "min({observed_years}, clv.relationship_years.cap)",
            ),
        ),
    ),
    Formula(
        "relationship_source",
        "{published_relationship_source}",
        (
            (
                "clv.relationship_years.method = 'observed_to_as_of' and {observed_years} > clv.relationship_years.cap",
                "'cap'",
            ),
            ("clv.relationship_years.method = 'observed_to_as_of' and {occasions} > 0", "'observed'"),
        ),
    ),
    Formula(
        "margin_rate",
        "business.default_margin_rate",
        (_NO_BUYER, ("{gross_revenue} > 0", "{sales_margin} ÷ {gross_revenue}")),
    ),
    Formula("clv_revenue_formula", "{aov} × {orders_per_year} × {relationship_years}"),
    Formula("clv_margin_formula", "{aov} × {orders_per_year} × {relationship_years} × {margin_rate}"),
    # Cadence.
    Formula(
        "personal_gap_days",
        "(({occasions} − 1) × {own_gap_days} + churn.threshold.shrinkage × {usual_gap_days}) "
        "÷ ({occasions} − 1 + churn.threshold.shrinkage)",
        (_NO_BUYER, ("{is_annual_buyer}", "{own_gap_days}"), ("{occasions} = 1", "{usual_gap_days}")),
    ),
    Formula(
        "threshold_days",
        "up(min(max({personal_gap_days} × {gap_ratio} ÷ 100, churn.threshold.min_days), churn.threshold.max_days))",
        (
            _NO_BUYER,
            ("{occasions} = 1", "churn.threshold.one_time_days"),
            (
                "{is_annual_buyer}",
                "up(max({personal_gap_days} × churn.annual_buyers.tolerance, churn.threshold.min_days))",
            ),
        ),
    ),
    Formula("cadence_ratio", "{recency_days} ÷ {personal_gap_days}"),
    Formula("days_overdue", "max({recency_days} − {personal_gap_days}, 0)"),
    Formula("expected_next_order_on", "{last_order_on} + nearest({personal_gap_days})"),
    Formula("churned", "{recency_days} > {threshold_days}", ((_CONTRACTS_DECIDE, "{is_contract_churned}"),)),
    Formula("is_churned", "{churned}"),
    Formula(
        "churned_on",
        "{last_order_on} + {threshold_days} + 1",
        (
            ("not {churned}", "none"),
            (_CONTRACTS_DECIDE, "{contract_ended_on} + churn.contract.grace_days"),
        ),
    ),
    # Behaviour.
    Formula("days_since_login", "as_of − {last_login_on}"),
    Formula("days_since_contact", "as_of − {last_contact_on}"),
    Formula("days_since_complaint", "as_of − {last_complaint_on}"),
    Formula("nps_age_days", "as_of − {nps_on}"),
    Formula("csat_age_days", "as_of − {csat_on}"),
    Formula("logins_prior_90d_monthly", "{logins_prior_90d} ÷ 3"),
    Formula("feature_events_prior_90d_monthly", "{feature_events_prior_90d} ÷ 3"),
    Formula("usage_seconds_prior_90d_monthly", "{usage_seconds_prior_90d} ÷ 3"),
    Formula("tickets_prior_90d_monthly", "{tickets_prior_90d} ÷ 3"),
    Formula("usage_trend_30d", "{feature_events_30d} ÷ {feature_events_prior_90d_monthly} − 1"),
    Formula("last_activity_on", "latest({last_active_on}, {last_ticket_on}, {last_answer_on})"),
    # Contracts.
    Formula("has_contract", "{running_contracts} > 0"),
    Formula("mrr", "{running_mrr}", (("{contracts} = 0", "none"),)),
    Formula("is_contract_churned", "{contracts} > 0 and {running_contracts} = 0"),
    Formula("is_paused", "{unended_contracts} > 0 and {unended_contracts} = {resting_contracts}"),
    Formula("contract_ended_on", "{last_contract_end}", (("{unended_contracts} > 0", "none"),)),
    Formula(
        "champion_left",
        "{main_contacts} > 0 and {main_contacts} = {main_contacts_left} and as_of − {last_contact_left_on} < 180",
    ),
    # Points.
    Formula("points_balance", "{points_granted} + {points_spent} − {points_lapsed}"),
    # Predictions.
    Formula("clv_predicted_90d", "{discounted_orders_90d} × {expected_spend} × max({margin_rate}, 0)"),
    Formula("clv_predicted_365d", "{discounted_orders_365d} × {expected_spend} × max({margin_rate}, 0)"),
    Formula("clv_if_alive_365d", "{discounted_orders_365d_if_alive} × {expected_spend} × max({margin_rate}, 0)"),
    Formula("churn_probability_lift", "{churn_probability} ÷ {base_rate} − 1"),
    Formula(
        "expected_spend",
        "{spend_p} × {spend_v} ÷ ({spend_q} − 1)",
        (
            _NO_BUYER,
            (
                "{repeat_occasions} > 0 and {monetary_value} > 0",
                "{spend_p} × ({spend_v} + {repeat_occasions} × {monetary_value}) "
                "÷ ({spend_p} × {repeat_occasions} + {spend_q} − 1)",
            ),
        ),
    ),
    # Risk.
    Formula(
        "risk_level",
        "'low'",
        (
            ("{occasions} = 0", "none"),
            ("{risk_score} >= risk_levels.critical", "'critical'"),
            ("{risk_score} >= risk_levels.high", "'high'"),
            ("{risk_score} >= risk_levels.medium", "'medium'"),
        ),
    ),
    Formula("value_at_risk", "max({clv_if_alive_365d} − {clv_predicted_365d}, 0)"),
    Formula("budget_cap", "{clv_predicted_365d} × costs.budget_share"),
)


# ------------------------------------------------------------------------------------------------- methods of their own


def _occasions(book: Book) -> list[Occasion]:
    """The purchase days of the customer."""
    return occasions(record for record in book.records("documents") if "is_valid" in record.values)


def _days(book: Book) -> list[date]:
    return [occasion.on for occasion in _occasions(book)]


def _gaps(book: Book) -> list[int]:
    return [(later - earlier).days for earlier, later in pairwise(_days(book))]


def _own_gap(book: Book) -> float | None:
    gaps = _gaps(book)
    return float(median(gaps)) if gaps else None


def _month(book: Book) -> date | None:
    """The month of the last purchase: what was known when it began decides."""
    days = _days(book)
    return days[-1].replace(day=1) if days else None


def _usual_gap(book: Book) -> float | None:
    month = _month(book)
    if month is None:
        return None
    known = book.released("usual_gap_days", _category(book, _days(book)[-1]), month)
    return float(book.setting("churn.threshold.one_time_days") if known is None else known)


def _gap_ratio(book: Book) -> float | None:
    month = _month(book)
    if month is None:
        return None
    known = book.released("usual_gap_ratio", None, month)
    return 100.0 if known is None else float(known)


def _is_annual(book: Book) -> bool:
    """Whether somebody buys once a year, by all of their gaps, or by one where yearly gaps stand out."""
    gaps, tolerance = _gaps(book), book.setting("churn.annual_buyers.tolerance")
    if not gaps or not book.setting("churn.annual_buyers.detect"):
        return False
    if len(gaps) == 1:
        return 335 <= gaps[0] <= 395 and bool(book.released("yearly_gaps_stand_out", None, _month(book)))
    return bool(min(gaps) >= 365 / tolerance and max(gaps) <= 365 * tolerance)


def _category(book: Book, day: date) -> str | None:
    """The category that most was spent on, on one day; of equals the first by name."""
    spent: dict[str, Decimal] = defaultdict(Decimal)
    for document in book.records("documents"):
        said = document.values
        if document.verdict is None and said["is_sale"] and said["on"] == day:
            for line in said["lines"]:
                if (category := line.values.get("category")) is not None:
                    spent[category] += line.values["stated_amount"] or _ZERO
    return min(spent, key=lambda name: (-spent[name], name), default=None)


def _repeats(book: Book) -> int | None:
    days = _days(book)
    return len(days) - 1 if days else None


def _repeat_recency(book: Book) -> int | None:
    days = _days(book)
    return (days[-1] - days[0]).days if days else None


def _monetary_value(book: Book) -> float | None:
    """What a return is worth: the first purchase day tells when somebody came."""
    later = [float(occasion.amount) for occasion in _occasions(book)[1:]]
    return math.fsum(later) / len(later) if later else None


def _predicted(name: str) -> Working:
    """What the churn model says of the customer's history."""

    def work(book: Book) -> Any:
        history = [book.value(need) for need in ("repeat_occasions", "repeat_recency_days", "tenure_days")]
        if None in history:
            return None
        return book.predict(*history)[name]

    text = f"mbg_nbd, {name}: frequency {{repeat_occasions}}, recency {{repeat_recency_days}}, T {{tenure_days}}"
    return Working(name, text, work)


def _score(dimension: str, figure: str) -> Working:
    """One more than the number of cut points that a value has passed; recency counts backwards."""

    def work(book: Book) -> int | None:
        value, bins = book.value(figure), int(book.setting("rfm.bins"))
        if value is None:
            return None
        cuts = [book.value(f"{dimension}_cut_{number}") for number in range(1, bins)]
        if dimension == "recency":
            return bins - sum(bool(value > cut) for cut in cuts)
        is_fixed = book.setting("rfm.method") == "fixed"
        return 1 + sum(bool(value >= cut if is_fixed else value > cut) for cut in cuts)

    cuts = ", ".join(f"{{{dimension}_cut_{number}}}" for number in range(1, 5))
    text = f"of {{{figure}}}, by the cut points {cuts}"
    return Working(f"{dimension[0]}_score", text, work)


def _rfm_segment(book: Book) -> str | None:
    scores = {axis: book.value(f"{axis}_score") for axis in "rfm"}
    for segment in book.variables["rfm_segments"]:
        if all(score in segment[axis] for axis, score in scores.items()):
            return str(segment["id"])
    return None


def _points(book: Book, part: str) -> Decimal:
    books_expiry = {
        record.place.source for record in book.records("points") if book.released("books_expiry", record.place.source)
    }
    found: Decimal = getattr(account(book.records("points"), book.as_of, books_expiry), part)
    return found


def _attribute(name: str, text: str = "as the newest record has it that has one") -> Working:
    return Working(name, text, lambda book: attribute(book.records("profile"), name), "profile")


def _created_at(book: Book) -> Any:
    """When the customer became known: by a record, or by a document that names one."""
    known = [
        row.values["at"]
        for kind in ("profile", "everything")
        for row in book.records(kind)
        if row.values.get("at") is not None
        and (row.verdict is None or (kind == "everything" and row.verdict.code in ("status", "test", "no_amount")))
    ]
    return min(known, default=None)


def _completeness(book: Book) -> float:
    names = ("name", "email", "phone", "country", "region", "acquisition_channel", "owner_id")
    known = sum(attribute(book.records("profile"), name) is not None for name in names)
    return 100 * (known + (book.value("created_at") is not None)) / (len(names) + 1)


def _top_category(book: Book) -> str | None:
    """The category that most was ever spent on; of equals the first by name."""
    spent: dict[str, Decimal] = defaultdict(Decimal)
    for document in book.records("documents"):
        for line in document.values["lines"] if document.values.get("is_purchase") else ():
            category, worth = line.values.get("category"), line.values["net_amount"]
            if category is not None and worth > 0:
                spent[category] += worth
    return min(spent, key=lambda name: (-spent[name], name), default=None)


def _repeat_value(book: Book) -> Decimal | None:
    """Margin of everything that came after the first purchase day, refunds included."""
    first = book.value("first_order_on")
    if first is None:
        return None
    documents = (document for document in book.records("documents") if document.verdict is None)
    return sum((each.values["gross_margin"] for each in documents if each.values["on"] > first), _ZERO)


def _cross_sell_value(book: Book) -> Decimal | None:
    """Margin of the purchases of other categories than most was spent on at first."""
    first = book.value("first_order_on")
    spent: dict[str, Decimal] = defaultdict(Decimal)
    margins: dict[str, Decimal] = defaultdict(Decimal)
    for document in book.records("documents"):
        is_counted = document.verdict is None and document.values["is_purchase"]
        for line in document.values["lines"] if is_counted else ():
            category, worth = line.values.get("category"), line.values["net_amount"]
            if category is not None and worth > 0:
                margins[category] += line.values["gross_margin"]
                if document.values["on"] == first:
                    spent[category] += worth
    came_for = min(spent, key=lambda name: (-spent[name], name), default=None)
    if came_for is None:
        return None
    return sum((margin for category, margin in margins.items() if category != came_for), _ZERO)


def _prediction_status(book: Book) -> str:
    if not book.value("occasions"):
        return "insufficient"
    return "rule_only" if book.released("fit_status", "mbg_nbd") == "too_few_repeaters" else "model"


def _reason_points(place: int) -> Working:
    def work(book: Book) -> float | None:
        found = reasons(book) if book.value("occasions") else []
        return found[place - 1][1] if len(found) >= place else None

    text = f"part of {{risk_score}} that {{reason_{place}}} adds: by its share of the sum of log(1 − weight × strength)"
    return Working(f"reason_{place}_points", text, work)


def _risk_score(book: Book) -> float | None:
    return math.fsum(points for _, points in reasons(book)) if book.value("occasions") else None


def _reason(place: int) -> Working:
    def work(book: Book) -> str | None:
        found = reasons(book) if book.value("occasions") else []
        return str(found[place - 1][0].rule["id"]) if len(found) >= place else None

    return Working(f"reason_{place}", f"number {place} of the signals that fired, by weight × strength", work)


_WORKINGS: Final = (
    Working("own_gap_days", "median of the days between the customer's own purchase days", _own_gap, "documents"),
    Working("usual_gap_days", "median of all gaps that began with the same category, as known that month", _usual_gap),
    Working("gap_ratio", "in hundredths, quantile churn.threshold.q of next gap ÷ personal gap", _gap_ratio),
    Working("is_annual_buyer", "whether the gaps between purchase days are about a year", _is_annual, "documents"),
    Working("repeat_occasions", "purchase days after the first", _repeats, "documents"),
    Working("repeat_recency_days", "days from the first to the last purchase day", _repeat_recency, "documents"),
    Working("monetary_value", "mean amount of the purchase days after the first", _monetary_value, "documents"),
    _predicted("p_alive"),
    _predicted("p_no_purchase"),
    _predicted("expected_orders_90d"),
    _predicted("expected_orders_365d"),
    _predicted("discounted_orders_90d"),
    _predicted("discounted_orders_365d"),
    _predicted("discounted_orders_365d_if_alive"),
    _score("recency", "recency_days"),
    _score("frequency", "frequency"),
    _score("monetary", "monetary"),
    Working("rfm_segment", "the first of rfm.segments that holds {r_score}, {f_score}, {m_score}", _rfm_segment),
    Working("points_lapsed", "points that expired unspent", lambda book: _points(book, "lapsed"), "points"),
    Working("points_expiring_30d", "unspent points that expire soon", lambda book: _points(book, "expiring"), "points"),
    Working("risk_score", "100 × (1 − product of (1 − weight × strength)) over the signals that fired", _risk_score),
    _reason(1),
    _reason(2),
    _reason(3),
    _reason_points(1),
    _reason_points(2),
    _reason_points(3),
    _attribute("customer_type"),
    _attribute("country", "of the newest record with a country or a region"),
    _attribute("region", "of the newest record with a country or a region"),
    _attribute("acquisition_channel"),
    _attribute("owner_id"),
    _attribute("gender"),
    _attribute("birth_date"),
    _attribute("is_active", "whether a record that describes the customer is active"),
    Working("created_on", "the business day of {created_at}", lambda book: book.day(book.value("created_at"))),
    Working(
        "created_at", "the first record of the customer, or the first document that names one", _created_at, "profile"
    ),
    Working("profile_completeness_pct", "share of eight attributes that are known", _completeness, "profile"),
    Working("top_category", "the category that most was spent on", _top_category, "documents"),
    Working("repeat_value", "margin of all documents after {first_order_on}", _repeat_value, "documents"),
    Working(
        "cross_sell_value",
        "margin of purchases of other categories than most was spent on at {first_order_on}",
        _cross_sell_value,
        "documents",
    ),
    Working("prediction_status", "whether a model was fitted on enough customers", _prediction_status),
)


# ------------------------------------------------------------------------------------------------- signals


@dataclass(frozen=True, slots=True)
class Signal:
    """What one warning sign says of a customer.

    Attributes
    ----------
    number : int
        Its place among the signals that are switched on, from 0.
    rule : mapping
        The signal as the rules have it.
    value, baseline, change : float or None
        The figure, what is normal for it, and the share by which it differs.
    state : str
        ``fired``, or why it did not: ``not_available``, ``not_reached``, ``no_value``, ``no_baseline``, ``too_small``,
        ``too_old``, ``condition``, ``by_contract``.
    threshold, strength : float
        The threshold in force, and how much the signal counts.
    """

    number: int
    rule: Mapping[str, Any]
    value: float | None
    baseline: float | None
    change: float | None
    state: str
    threshold: float
    strength: float


_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">=": lambda value, limit: value >= limit,
    ">": lambda value, limit: value > limit,
    "<=": lambda value, limit: value <= limit,
    "<": lambda value, limit: value < limit,
    "=": lambda value, limit: value == limit,
}
#: Figures that say nothing of customers who are judged by their contracts.
_OF_PURCHASES: Final = frozenset(
    ("recency_days", "cadence_ratio", "days_overdue", "churn_probability", "churn_probability_lift")
)
#: What a figure is held against where its signal names nothing.
_NORMAL: Final = {"cadence_ratio": "personal_gap_days", "churn_probability_lift": "base_rate"}


def signals(book: Book) -> list[Signal]:
    """Every signal of the rules, tried on the customer."""
    return [_tried(book, number, rule) for number, rule in enumerate(book.variables["signals"])]


def _tried(book: Book, number: int, rule: Mapping[str, Any]) -> Signal:
    normal = rule["vs"] or _NORMAL.get(rule["metric"])
    # What no source has delivered is told of nobody, not even as a zero.
    is_recorded = rule["id"] not in (book.released("not_available") or ())
    value = _number(book.value(rule["metric"])) if is_recorded else None
    baseline = None if normal is None or not is_recorded else _number(book.value(normal))
    change = None
    if rule["op"] in ("drop_pct", "rise_pct") and value is not None and baseline:
        change = round(value / baseline - 1, 9)

    def reached(limit: float) -> bool:
        if rule["op"] == "drop_pct":
            return change is not None and -change >= limit
        if rule["op"] == "rise_pct":
            return change >= limit if change is not None else baseline == 0 and (value or 0) > 0
        return value is not None and _COMPARISONS[rule["op"]](value, limit)

    state = _state(book, rule, value, baseline, reached(rule["value"])) if is_recorded else "not_available"
    is_escalated = state == "fired" and rule.get("escalate_value") is not None and reached(rule["escalate_value"])
    weight = rule["escalate_weight"] if is_escalated else rule["weight"]
    if rule["metric"] == "churn_probability_lift" and not rule["vs"]:
        weight *= min(max(value or 0.0, 0.0), 1.0)
    return Signal(
        number=number,
        rule=rule,
        value=value,
        baseline=baseline,
        change=change,
        state=state,
        threshold=float(rule["escalate_value"] if is_escalated else rule["value"]),
        strength=_published(min(weight, 0.99)) if state == "fired" else 0.0,
    )


def _state(book: Book, rule: Mapping[str, Any], value: float | None, baseline: float | None, is_reached: bool) -> str:
    """Whether a signal fires, or the first reason why it does not."""
    model = book.setting("business.model")
    by_contract = model == "contractual" or (
        model == "mixed" and (book.value("has_contract") or book.value("is_contract_churned"))
    )
    if value is None:
        return "no_value"
    if rule["metric"] in _OF_PURCHASES and by_contract:
        return "by_contract"
    if rule["op"] in ("drop_pct", "rise_pct"):
        least = rule.get("min_baseline")
        if baseline is None or (least is not None and baseline < least):
            return "no_baseline"
        if baseline < 0 or (rule["op"] == "drop_pct" and baseline == 0):
            return "no_baseline"
    if not is_reached:
        return "not_reached"
    if rule.get("min_value") is not None and value < rule["min_value"]:
        return "too_small"
    if rule.get("max_age_metric"):
        age = book.value(rule["max_age_metric"])
        if age is None or age > rule["max_age_days"]:
            return "too_old"
    if rule.get("and_sql") and not book.test(("signals",), rule["id"], rule["and_sql"]).is_met:
        return "condition"
    return "fired"


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _published(value: float) -> float:
    """A number as the tables publish it: with nine digits."""
    return float(f"{value:.8e}")


def reasons(book: Book) -> list[tuple[Signal, float]]:
    """The signals that speak, the loudest first, each with its part of the risk score."""
    speaking = [each for each in signals(book) if each.strength > 0]
    silence = sum(math.log(1 - each.strength) for each in speaking)
    whole = 100 * (1 - math.exp(silence))
    ranked = sorted(speaking, key=lambda each: (-each.strength, each.rule["id"]))
    return [(each, whole * math.log(1 - each.strength) / silence) for each in ranked]


# ------------------------------------------------------------------------------------------------- what is given


def _cut(dimension: str, number: int) -> Given:
    def find(book: Book) -> Any:
        if book.setting("rfm.method") == "fixed":
            return book.variables["rfm_cuts"][dimension][number - 1]
        return book.released("rfm_cut", dimension, number / book.setting("rfm.bins"))

    return Given(f"{dimension}_cut_{number}", f"cut point {number} of the {dimension} of all buyers", find)


_GIVENS: Final = (
    *(_cut(dimension, number) for dimension in ("recency", "frequency", "monetary") for number in range(1, 10)),
    Given(
        "churn_probability",
        "learned on past days by the model that churn_risk names, and calibrated; score_reasons has its parts",
        lambda book: book.released("risk_of_customer", "churn_probability"),
    ),
    Given("base_rate", "mean churn probability of all buyers", lambda book: book.released("base_rate")),
    Given("spend_p", "parameter p of gamma_gamma", lambda book: book.released("spend_model", "p")),
    Given("spend_q", "parameter q of gamma_gamma", lambda book: book.released("spend_model", "q")),
    Given("spend_v", "parameter v of gamma_gamma", lambda book: book.released("spend_model", "v")),
    Given(
        "published_relationship_years",
        "years that the customer's tier stays, as published in customer_clv",
        lambda book: book.released("of_customer", "relationship_years"),
    ),
    Given(
        "published_relationship_source",
        "where these years come from, as published in customer_clv",
        lambda book: book.released("of_customer", "relationship_source"),
    ),
)

_CLASSES: Final = (
    ClassOf("tier", "tiers"),
    ClassOf("lifecycle_stage", "lifecycle"),
    ClassOf("display_layer", "display_layer"),
)

_ALL: Final[tuple[Figure, ...]] = (*_TALLIES, *_FORMULAS, *_WORKINGS, *_GIVENS, *_CLASSES)
#: Every figure but the schemes and percentiles of the rules, by name.
FIGURES: Final[Mapping[str, Figure]] = {figure.name: figure for figure in _ALL}
