"""The lists gate: each thing a row may not be, once as it should be and once planted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import duckdb
import pandas as pd
import pytest

from expectations import GateError, GateResult, Limits, list_gate, list_rows

LIST_IDS = ("churn_alert", "winback")
GOOD_ROWS = 3

LISTS = """
create schema marts;

create table marts.list_members as
select
    list_id,
    alert_id,
    customer_id,
    arm,
    state,
    priority_rank,
    cast(value_at_risk as decimal(18, 2)) as value_at_risk,
    'high' as risk_level,
    'overdue' as reason_1,
    '逾期' as reason_1_zh,
    'overdue by 40 days' as reason_1_en,
    reason_2,
    '中文' || reason_2 as reason_2_zh,
    reason_2 || ' (en)' as reason_2_en,
    cast(null as varchar) as reason_3,
    cast(null as varchar) as reason_3_zh,
    cast(null as varchar) as reason_3_en
from (values
    ('winback', '00000000000000aa', 'a', 'treat', 'new', 1, 0, null),
    ('churn_alert', '00000000000000bb', 'b', 'control', 'continuing', 2, 10, null),
    ('churn_alert', '00000000000000ab', 'a', 'treat', 'new', 1, 20.5, 'no_order')
) as t(list_id, alert_id, customer_id, arm, state, priority_rank, value_at_risk, reason_2)
"""


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """Three good rows on two lists."""
    with duckdb.connect() as connection:
        connection.execute(LISTS)
        yield connection


def judge(con: duckdb.DuckDBPyConnection, **arguments: Any) -> GateResult:
    return list_gate(list_rows(con), **{"list_ids": LIST_IDS, **arguments})


def failed(result: GateResult) -> set[tuple[str, str]]:
    return {(failure.expectation, failure.column) for failure in result.failures}


def test_good_lists_pass_every_expectation(con: duckdb.DuckDBPyConnection) -> None:
    result = judge(con)
    assert {o.status for o in result.outcomes} == {"passed"}
    assert result.evaluated == len(result.outcomes)


def test_lists_without_rows_are_legal(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("delete from marts.list_members")
    result = judge(con)
    assert result.passed
    assert {o.status for o in result.outcomes} == {"passed", "not_available"}
    assert {o.expectation.name for o in result.outcomes if o.status == "passed"} == {
        "size of churn_alert",
        "size of winback",
    }


FAULTS = {
    "alert_id = null": {"filled alert_id"},
    "alert_id = ''": {"filled alert_id"},
    "alert_id = '00000000000000ab'": {"unique alert_id"},
    "alert_id = '00000000000000BB'": {"well_formed alert_id"},
    "alert_id = '0000000000000abc1'": {"well_formed alert_id"},
    "alert_id = '00000000000000bb' || chr(10)": {"well_formed alert_id"},
    "customer_id = null": {"filled customer_id"},
    "customer_id = '  '": {"filled customer_id"},
    "customer_id = 'a'": {"unique_in_list customer_id"},
    "list_id = null": {"filled list_id"},
    "list_id = 'other'": {"known list_id"},
    "arm = null": {"filled arm"},
    "arm = 'holdout'": {"known arm"},
    "state = null": {"filled state"},
    "state = 'left'": {"known state"},
    "priority_rank = null": {"filled priority_rank"},
    "priority_rank = 1": {"unique_in_list priority_rank"},
    "priority_rank = 0": {"finite_from_1 priority_rank"},
    "value_at_risk = null": {"filled value_at_risk"},
    "value_at_risk = 'nan'": {"filled value_at_risk"},
    "value_at_risk = 'inf'": {"finite_from_0 value_at_risk"},
    "value_at_risk = -0.01": {"finite_from_0 value_at_risk"},
    "risk_level = null": {"filled risk_level"},
    "risk_level = 'extreme'": {"known risk_level"},
    "reason_1 = null": {"filled reason_1"},
    "reason_1_zh = null": {"explained reason_1_zh"},
    "reason_1_en = ''": {"explained reason_1_en"},
    "reason_2 = 'no_order'": {"explained reason_2_zh", "explained reason_2_en"},
    "reason_3 = 'x', reason_3_zh = '文'": {"explained reason_3_en"},
}


@pytest.fixture(scope="module")
def planted() -> GateResult:
    """The good rows in first place, then for every fault a good row of its own with that fault."""
    with duckdb.connect() as connection:
        connection.execute(LISTS)
        connection.execute("alter table marts.list_members alter value_at_risk type double")
        for number, change in enumerate(FAULTS, GOOD_ROWS + 1):
            connection.execute(
                f"""
                create or replace temp table bad as
                select * replace (
                    printf('%016x', 1000 + {number}) as alert_id,
                    'customer {number}' as customer_id,
                    {number} as priority_rank
                )
                from marts.list_members where alert_id = '00000000000000bb';
                update bad set {change};
                insert into marts.list_members from bad
                """
            )
        rows = connection.execute("from marts.list_members").df()
        return list_gate(rows, list_ids=LIST_IDS)


@pytest.mark.parametrize(("number", "change"), list(enumerate(FAULTS, GOOD_ROWS + 1)))
def test_a_planted_fault_closes_the_gate_for_its_own_reason(planted: GateResult, number: int, change: str) -> None:
    blamed = {name for name, positions in positions_by_check(planted).items() if number in positions}
    assert blamed == FAULTS[change]


def test_a_good_row_is_blamed_only_for_what_a_fault_repeats(planted: GateResult) -> None:
    blamed = {
        name for name, positions in positions_by_check(planted).items() if positions & set(range(1, GOOD_ROWS + 1))
    }
    assert blamed == {"unique alert_id", "unique_in_list customer_id", "unique_in_list priority_rank"}


def positions_by_check(result: GateResult) -> dict[str, set[int]]:
    """The rows that the messages name, counted from 1; no fault is repeated beyond what a message names."""
    named: dict[str, set[int]] = {}
    for outcome in result.outcomes:
        if outcome.status == "failed":
            (rows,) = re.findall(r"\(row ([0-9, ]+)[:)]", outcome.observed)
            stated = outcome.expectation
            named[f"{stated.name} {stated.column}"] = {int(row) for row in rows.split(",")}
    return named


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(min_list_rows=1, max_list_rows=2), set()),
        (Limits(max_list_rows=1), {("size of churn_alert", "list_id")}),
        (Limits(min_list_rows=2), {("size of winback", "list_id")}),
    ],
)
def test_each_list_keeps_to_its_size(
    con: duckdb.DuckDBPyConnection, limits: Limits, expected: set[tuple[str, str]]
) -> None:
    assert failed(judge(con, limits=limits)) == expected


def test_a_minimum_that_was_set_holds_for_an_empty_list_too(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("delete from marts.list_members")
    result = judge(con, list_ids=["churn_alert"], limits=Limits(min_list_rows=1))
    assert failed(result) == {("size of churn_alert", "list_id")}


def test_a_message_counts_rows_in_list_order_and_names_no_customer(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("update marts.list_members set customer_id = 'secret' where list_id = 'churn_alert'")
    con.execute("update marts.list_members set arm = 'both' where alert_id = '00000000000000bb'")
    lines = judge(con).lines()
    assert not any("secret" in line for line in lines)
    advice = "Nothing is delivered: correct the rule of the list or the mart it reads, then run the night again."
    assert lines == [
        "lists gate: marts.list_members.customer_id: not so in 2 of 3 rows (row 1, 2); "
        "allowed: once per list. " + advice,
        "lists gate: marts.list_members.arm: not so in 1 of 3 rows (row 2: 'both'); "
        "allowed: control or treat. " + advice,
    ]


def test_a_missing_column_is_an_error_and_no_verdict(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("alter table marts.list_members drop column reason_1_en")
    with pytest.raises(GateError, match="reason_1_en"):
        judge(con)


def test_further_reasons_are_optional_columns(con: duckdb.DuckDBPyConnection) -> None:
    rows = list_rows(con)
    fewer: pd.DataFrame = rows[[column for column in rows.columns if not column.startswith(("reason_2", "reason_3"))]]
    assert list_gate(fewer, list_ids=LIST_IDS).passed
