"""The lists gate: may these rows leave the house?

What belongs here: expectations on every row of the lists, which are small. What does not: who is on a list.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from expectations.gate import Expectation, GateResult, validate
from expectations.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

_TABLE = "marts.list_members"
_ADVICE = "Nothing is delivered: correct the rule of the list or the mart it reads, then run the night again."
_REQUIRED = (
    "list_id",
    "alert_id",
    "customer_id",
    "arm",
    "state",
    "priority_rank",
    "value_at_risk",
    "risk_level",
    "reason_1",
)
_OPTIONAL_REASONS = ("reason_2", "reason_3")
_LANGUAGES = ("zh", "en")
_ARMS = ("treat", "control")
_STATES = ("new", "continuing")
_RISK_LEVELS = ("low", "medium", "high", "critical")
_ALERT_ID = r"^[0-9a-f]{16}\Z"


def list_rows(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """The rows of ``marts.list_members``, in the order in which a message counts them.

    Parameters
    ----------
    con : DuckDBPyConnection
        The build file. Only read from.
    """
    rows: pd.DataFrame = con.execute(f"select * from {_TABLE} order by list_id, priority_rank, alert_id").df()
    return rows


def list_gate(
    lists: pd.DataFrame,
    *,
    list_ids: Collection[str],
    risk_levels: Collection[str] = _RISK_LEVELS,
    limits: Limits = DEFAULT_LIMITS,
) -> GateResult:
    """Judge every row of the lists before they are delivered.

    Parameters
    ----------
    lists : DataFrame, shape (members, columns)
        What `list_rows` returns: list_id, alert_id, customer_id, arm, state, priority_rank, value_at_risk,
        risk_level, reason_1 and its text as ``reason_1_zh`` and ``reason_1_en``; reason_2 and reason_3
        likewise if there are such columns. A blank text counts as missing. No rows are legal.
    list_ids : collection of str
        The lists that the business rules define.
    risk_levels : collection of str
        The levels there are.
    limits : Limits
        The rows that each list may have.

    Raises
    ------
    GateError
        If a column is missing.
    """
    frame = lists.replace(r"^\s*\Z", None, regex=True)
    reasons = ["reason_1", *(reason for reason in _OPTIONAL_REASONS if reason in frame.columns)]
    of_every_row = [
        *(_filled(column) for column in _REQUIRED),
        *(_explained(reason, language) for reason in reasons for language in _LANGUAGES),
        _unique_alert(),
        _well_formed_alert(),
        _unique_in_list("customer_id"),
        _unique_in_list("priority_rank"),
        _one_of("list_id", list_ids),
        _one_of("arm", _ARMS),
        _one_of("state", _STATES),
        _one_of("risk_level", risk_levels),
        _from("priority_rank", 1),
        _from("value_at_risk", 0),
    ]
    if frame.empty:
        of_every_row = [replace(stated, unavailable="no list has a row") for stated in of_every_row]
    return validate("lists", frame, [*(_size(list_id, limits) for list_id in sorted(list_ids)), *of_every_row])


def _size(list_id: str, limits: Limits) -> Expectation:
    low, high = limits.min_list_rows, limits.max_list_rows
    return _stated(
        f"size of {list_id}",
        "list_id",
        "expect_table_row_count_to_be_between",
        {
            "min_value": low,
            "max_value": high,
            "row_condition": {
                "type": "comparison",
                "column": {"name": "list_id"},
                "operator": "==",
                "parameter": list_id,
            },
        },
        f"{low:,} or more rows of {list_id}" if high is None else f"{low:,} to {high:,} rows of {list_id}",
        advice="Look at who entered and left the list; if the size is meant, change the limit.",
    )


def _filled(column: str) -> Expectation:
    return _stated("filled", column, "expect_column_values_to_not_be_null", {"column": column}, "never empty")


def _explained(reason: str, language: str) -> Expectation:
    column = f"{reason}_{language}"
    where_given = {"type": "nullity", "column": {"name": reason}, "is_null": False}
    return _stated(
        "explained",
        column,
        "expect_column_values_to_not_be_null",
        {"column": column, "row_condition": where_given},
        f"a text wherever there is a {reason}",
    )


def _unique_alert() -> Expectation:
    return _stated("unique", "alert_id", "expect_column_values_to_be_unique", {"column": "alert_id"}, "once")


def _well_formed_alert() -> Expectation:
    return _stated(
        "well_formed",
        "alert_id",
        "expect_column_values_to_match_regex",
        {"column": "alert_id", "regex": _ALERT_ID},
        "16 hexadecimal digits",
    )


def _unique_in_list(column: str) -> Expectation:
    return _stated(
        "unique_in_list",
        column,
        "expect_compound_columns_to_be_unique",
        {"column_list": ["list_id", column], "ignore_row_if": "any_value_is_missing"},
        "once per list",
    )


def _one_of(column: str, words: Collection[str]) -> Expectation:
    return _stated(
        "known",
        column,
        "expect_column_values_to_be_in_set",
        {"column": column, "value_set": sorted(words)},
        " or ".join(sorted(words)),
        show_values=True,
    )


def _from(column: str, low: int) -> Expectation:
    return _stated(
        f"finite_from_{low}",
        column,
        "expect_column_values_to_be_between",
        {"column": column, "min_value": low, "max_value": sys.float_info.max},
        f"{low} or more, finite",
        show_values=True,
    )


def _stated(
    name: str,
    column: str,
    type_: str,
    arguments: Mapping[str, Any],
    allowed: str,
    *,
    advice: str = _ADVICE,
    show_values: bool = False,
) -> Expectation:
    return Expectation(
        name=name,
        table=_TABLE,
        column=column,
        type=type_,
        arguments=arguments,
        allowed=allowed,
        advice=advice,
        show_values=show_values,
    )
