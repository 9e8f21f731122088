"""The warehouse gate: may the marts be published?

What belongs here: ranges, time, missing rates, drift against the last release. What does not: keys, relations
and reconciliation, which are tests of the tables.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from expectations.gate import Expectation, GateResult, count_of_rows, validate
from expectations.limits import DEFAULT_LIMITS, Limits
from expectations.profile import (
    Metric,
    Profile,
    RowRule,
    aged,
    bounded,
    maximum,
    row_rules,
    rows,
    table_names,
)

if TYPE_CHECKING:
    import duckdb

# Marts whose size follows the night and not the history: fewer rows than in the last release mean nothing.
_FREE_TO_SHRINK = frozenset(
    {
        "customer_id_history",
        "gate_results",
        "list_events",
        "list_exclusions",
        "list_members",
        "model_deciles",
        "model_quality",
        "rejected_records",
        "rejected_summary",
        "release",
        "score_reasons",
    }
)

_AS_OF_MARTS = ("customer_rfm", "customer_clv", "churn_risk")
_RFM_SCORES = ("r_score", "f_score", "m_score")

_REBUILD = "The mart mixes days: run the night again with a full refresh."
_LATER_EVENTS = "Check the time zone of the source: what happened later must not change what was true that day."
_PLACEHOLDERS = "Such dates are placeholders of the source system: correct them there or leave them empty."
_RATES = "Deliver fx_rates for these currencies that are valid from their first document on."
_FORMULA = "Look at the rows with such values: the formula of the mart or its input is wrong."
_MODEL = "Look at model_quality and at the input of the model before its predictions are published."
_SIGNALS = "Look at the signals and their weights in the business rules."


def warehouse_gate(
    con: duckdb.DuckDBPyConnection,
    *,
    as_of: date,
    time_zone: str,
    previous: Mapping[str, int] | None = None,
    rfm_bins: int = 5,
    limits: Limits = DEFAULT_LIMITS,
) -> GateResult:
    """Judge the marts before they are published.

    Parameters
    ----------
    con : DuckDBPyConnection
        The build file, with schema ``marts``. Only read from, one pass per mart.
    as_of : date
        The business day of the night.
    time_zone : str
        IANA name of the business time zone, in which `as_of` ends.
    previous : mapping of str to int, optional
        Rows per mart in the last release; None when there is none.
    rfm_bins : int
        The highest RFM score.
    limits : Limits
        What is allowed.

    Raises
    ------
    GateError
        If a mart or a column that the gate looks at does not exist.
    """
    built = set(table_names(con, "marts"))
    before = {table: count for table, count in (previous or {}).items() if table not in _FREE_TO_SHRINK}
    counted = {table: [rows()] for table in sorted(before) if table in built}
    ages = [maximum("order_date"), _days_since_last_order(as_of)]
    rules, measured = row_rules(
        con,
        "marts",
        _rules(as_of, time_zone, rfm_bins),
        also={**counted, "orders": [rows(), *ages]},
    )
    drops = [_row_drop(measured, table, before[table], limits) for table in sorted(before)]
    return validate("warehouse", measured.frame(), [*drops, _age_of_orders(measured, limits), *rules])


def _row_drop(measured: Profile, table: str, before: int, limits: Limits) -> Expectation:
    now = measured.values.get(f"{table}.rows")
    least = math.ceil(round(before * (1 - limits.max_row_drop), 6))
    return bounded(
        measured,
        f"{table}.rows",
        low=least,
        name="row_drop",
        table=f"marts.{table}",
        observed=f"{count_of_rows(now or 0)} after {before:,} in the last release",
        allowed=f"at least {least:,} rows",
        advice="Find what the deliveries lack; if the drop is meant, raise the allowed drop for one night.",
        # A mart that the project has given up must not keep the old release in place for ever.
        unavailable="" if now is not None else "this version of the project does not build this mart",
    )


def _days_since_last_order(as_of: date) -> Metric:
    return Metric("order_date", "age_days", f"date_diff('day', max(order_date), date '{as_of}')")


def _age_of_orders(measured: Profile, limits: Limits) -> Expectation:
    age = measured["orders.order_date.age_days"]
    return aged(
        measured,
        "orders.order_date.age_days",
        warn_after=limits.warn_age_days,
        refuse_after=limits.max_order_age_days,
        name="age",
        table="marts.orders",
        column="order_date",
        what=f"the newest order is of {measured['orders.order_date.max']}",
        advice="Check that the sources still export their orders.",
        unavailable="there are no orders" if age is None else "",
    )


def _rules(as_of: date, time_zone: str, rfm_bins: int) -> list[RowRule]:
    after = _end_of_day(as_of, time_zone)
    return [
        *(
            RowRule(
                table=mart,
                column="as_of",
                name="is_the_as_of_day",
                broken=f"as_of is distinct from date '{as_of}'",
                allowed=f"{as_of} only",
                advice=_REBUILD,
            )
            for mart in _AS_OF_MARTS
        ),
        RowRule(
            table="orders",
            column="ordered_at",
            name="not_after_as_of",
            broken=f"ordered_at >= timestamp '{after}'",
            allowed=f"before {after} UTC, when {as_of} ends in {time_zone}",
            advice=_LATER_EVENTS,
        ),
        RowRule(
            table="orders",
            column="ordered_at",
            name="not_before_1990",
            broken="ordered_at < timestamp '1990-01-01'",
            allowed="from 1990-01-01 on",
            advice=_PLACEHOLDERS,
        ),
        RowRule(
            table="orders",
            column="net_amount",
            name="converted",
            broken="is_valid and net_amount is null",
            allowed="an amount in base currency on every valid document",
            advice=_RATES,
            culprits="currency",
        ),
        *(_within("customer_rfm", score, 1, rfm_bins, _FORMULA) for score in _RFM_SCORES),
        _within("cohort_retention", "retention_rate", 0, 1, _FORMULA),
        _within("repurchase", "repurchase_rate", 0, 1, _FORMULA),
        _within("customer_clv", "p_alive", 0, 1, _MODEL),
        RowRule(
            table="customer_clv",
            column="clv_predicted_365d",
            name="finite_from_0",
            broken="not (clv_predicted_365d >= 0 and isfinite(cast(clv_predicted_365d as double)))",
            allowed="0 or more, finite",
            advice=_MODEL,
        ),
        RowRule(
            table="customer_clv",
            column="clv_predicted_365d_low",
            name="low_not_above_high",
            broken="clv_predicted_365d_low > clv_predicted_365d_high",
            allowed="at most clv_predicted_365d_high",
            advice=_MODEL,
        ),
        _within("churn_risk", "churn_probability", 0, 1, _MODEL, required=True),
        _within("churn_risk", "risk_score", 0, 100, _SIGNALS),
    ]


def _within(table: str, column: str, low: int, high: int, advice: str, *, required: bool = False) -> RowRule:
    """A closed range, outside which NaN lies too; NULL lies outside only where a value is required."""
    outside = f"{column} not between {low} and {high}"
    return RowRule(
        table=table,
        column=column,
        name=f"between_{low}_and_{high}",
        broken=f"{column} is null or {outside}" if required else outside,
        allowed=f"{low} to {high}, never empty" if required else f"{low} to {high}",
        advice=advice,
    )


def _end_of_day(day: date, time_zone: str) -> datetime:
    """The first moment after a business day, in UTC and without zone as events are stored."""
    midnight = datetime.combine(day + timedelta(days=1), time(), ZoneInfo(time_zone))
    return midnight.astimezone(UTC).replace(tzinfo=None)
