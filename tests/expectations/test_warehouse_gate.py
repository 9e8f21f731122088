"""The warehouse gate: each thing the marts may be refused for, once as it should be and once planted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import duckdb
import pytest

from expectations import Expectation, GateError, GateResult, Limits, warehouse_gate

AS_OF = date(2011, 6, 30)
PREVIOUS = {"orders": 2, "customer_rfm": 2, "repurchase": 1}

MARTS = """
create schema marts;

create table marts.orders as
select * from (values
    ('1', timestamp '2011-06-29 12:00', date '2011-06-29', 'GBP', true, 10.00::decimal(18, 2)),
    ('2', timestamp '2011-06-30 12:00', date '2011-06-30', 'EUR', false, null)
) as t(order_id, ordered_at, order_date, currency, is_valid, net_amount);

create table marts.customer_rfm as
select date '2011-06-30' as as_of, customer_id, 1 as r_score, 3 as f_score, 5 as m_score
from (values ('a'), ('b')) as t(customer_id);

create table marts.cohort_retention as
select * from (values (0, 1.0::double), (1, null)) as t(period, retention_rate);

create table marts.repurchase as
select 0.0::double as repurchase_rate;

create table marts.customer_clv as
select * from (values
    (date '2011-06-30', 'a', 0.0::double, 0.0::double, 0.0::double, 0.0::double),
    (date '2011-06-30', 'b', 1.0, 120.5, 80.0, 160.0)
) as t(as_of, customer_id, p_alive, clv_predicted_365d, clv_predicted_365d_low, clv_predicted_365d_high);

create table marts.churn_risk as
select * from (values
    (date '2011-06-30', 'a', 0.0::double, 0.0::double),
    (date '2011-06-30', 'b', 1.0, 100.0)
) as t(as_of, customer_id, churn_probability, risk_score);
"""


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """Marts at the very edge of what is allowed."""
    with duckdb.connect() as connection:
        connection.execute(MARTS)
        yield connection


def judge(con: duckdb.DuckDBPyConnection, **arguments: Any) -> GateResult:
    return warehouse_gate(con, **{"as_of": AS_OF, "time_zone": "Europe/London", "previous": PREVIOUS, **arguments})


def failed(result: GateResult) -> set[str]:
    return {f"{f.table.removeprefix('marts.')}.{f.column}.{f.expectation}" for f in result.failures}


def place(stated: Expectation) -> str:
    return f"{stated.table.removeprefix('marts.')}.{stated.column}.{stated.name}"


def status(result: GateResult, name: str, table: str) -> str:
    (found,) = [
        o.status for o in result.outcomes if (o.expectation.name, o.expectation.table) == (name, f"marts.{table}")
    ]
    return found


def test_good_marts_pass_every_expectation(con: duckdb.DuckDBPyConnection) -> None:
    result = judge(con)
    assert {o.status for o in result.outcomes} == {"passed"}
    assert result.evaluated == len(result.outcomes) == len({place(o.expectation) for o in result.outcomes})


def test_marts_without_rows_are_legal(con: duckdb.DuckDBPyConnection) -> None:
    for table in ("orders", "customer_rfm", "cohort_retention", "repurchase", "customer_clv", "churn_risk"):
        con.execute(f"delete from marts.{table}")
    result = judge(con, previous=None)
    assert result.passed
    assert {o.status for o in result.outcomes} == {"not_available"}


@pytest.fixture(scope="module")
def planted() -> GateResult:
    """The same marts, with rows that each break one rule."""
    with duckdb.connect() as connection:
        connection.execute(MARTS)
        connection.execute(
            """
            insert into marts.orders values
                ('3', '2011-06-30 23:00', '2011-06-30', 'GBP', true, 1),
                ('4', '1989-12-31 23:59', '2011-06-30', 'GBP', true, 1),
                ('5', '2011-06-30 12:00', '2011-06-30', 'USD', true, null),
                ('6', '2011-06-30 12:00', '2011-06-30', 'JPY', true, null);
            insert into marts.customer_rfm values
                ('2011-06-29', 'c', 1, 1, 1), ('2011-07-01', 'd', 1, 1, 1), (null, 'e', 1, 1, 1),
                ('2011-06-30', 'f', 0, 1, 1), ('2011-06-30', 'g', 6, 1, 1),
                ('2011-06-30', 'h', 1, -1, 1), ('2011-06-30', 'i', 1, 1, 100);
            insert into marts.cohort_retention values (2, 1.1), (3, -0.1), (4, 'nan');
            insert into marts.repurchase values (1.5), ('nan');
            insert into marts.customer_clv values
                ('2011-06-29', 'c', 0.5, 1, 1, 1),
                ('2011-06-30', 'd', 1.0000001, 1, 1, 1), ('2011-06-30', 'e', 'nan', 1, 1, 1),
                ('2011-06-30', 'f', 0.5, -0.01, 1, 1), ('2011-06-30', 'g', 0.5, 'inf', 1, 1),
                ('2011-06-30', 'h', 0.5, 'nan', 1, 1),
                ('2011-06-30', 'i', 0.5, 1, 1.01, 1);
            insert into marts.churn_risk values
                ('2011-06-29', 'c', 0.5, 50),
                ('2011-06-30', 'd', null, 50), ('2011-06-30', 'e', 1.2, 50), ('2011-06-30', 'f', 'nan', 50),
                ('2011-06-30', 'g', 0.5, 101), ('2011-06-30', 'h', 0.5, -1);
            """
        )
        return judge(connection)


@pytest.mark.parametrize(
    ("rule", "rows"),
    [
        ("customer_rfm.as_of.is_the_as_of_day", 3),
        ("customer_clv.as_of.is_the_as_of_day", 1),
        ("churn_risk.as_of.is_the_as_of_day", 1),
        ("orders.ordered_at.not_after_as_of", 1),
        ("orders.ordered_at.not_before_1990", 1),
        ("orders.net_amount.converted", 2),
        ("customer_rfm.r_score.between_1_and_5", 2),
        ("customer_rfm.f_score.between_1_and_5", 1),
        ("customer_rfm.m_score.between_1_and_5", 1),
        ("cohort_retention.retention_rate.between_0_and_1", 3),
        ("repurchase.repurchase_rate.between_0_and_1", 2),
        ("customer_clv.p_alive.between_0_and_1", 2),
        ("customer_clv.clv_predicted_365d.finite_from_0", 3),
        ("customer_clv.clv_predicted_365d_low.low_not_above_high", 1),
        ("churn_risk.churn_probability.between_0_and_1", 3),
        ("churn_risk.risk_score.between_0_and_100", 2),
    ],
)
def test_exactly_the_planted_rows_break_a_rule(planted: GateResult, rule: str, rows: int) -> None:
    assert rule in failed(planted)
    (observed,) = [o.observed for o in planted.outcomes if place(o.expectation) == rule]
    assert observed.startswith(f"not so in {rows} of ")


@pytest.mark.parametrize(("time_zone", "passes"), [("Europe/London", False), ("UTC", True)])
def test_the_as_of_day_ends_in_the_business_time_zone(
    con: duckdb.DuckDBPyConnection, time_zone: str, passes: bool
) -> None:
    con.execute("update marts.orders set ordered_at = '2011-06-30 23:30' where order_id = '2'")
    assert judge(con, time_zone=time_zone).passed is passes


def test_scores_follow_the_number_of_bins(con: duckdb.DuckDBPyConnection) -> None:
    assert failed(judge(con, rfm_bins=4)) == {"customer_rfm.m_score.between_1_and_4"}


def test_a_missing_rate_names_its_currencies(planted: GateResult) -> None:
    (line,) = [line for line in planted.lines() if "net_amount" in line]
    assert line == (
        "warehouse gate: marts.orders.net_amount: not so in 2 of 6 rows "
        "(values 1.00 to 10.00, 3 empty, currency JPY, USD); "
        "allowed: an amount in base currency on every valid document. "
        "Deliver fx_rates for these currencies that are valid from their first document on."
    )


@pytest.mark.parametrize(
    ("drop", "least", "too_few"),
    [(0.5, {"a": 4, "b": 1, "c": 0}, {"d": 5}), (0.0, {"a": 2}, {"d": 3}), (1.0, {"a": 9}, {})],
)
def test_a_mart_may_shrink_only_so_far(
    con: duckdb.DuckDBPyConnection, drop: float, least: dict[str, int], too_few: dict[str, int]
) -> None:
    for table in "abcd":
        con.execute(f"create view marts.{table} as select * from range(2)")
    result = judge(con, previous={**least, **too_few}, limits=Limits(max_row_drop=drop))
    assert failed(result) == {f"{table}..row_drop" for table in too_few}


def test_a_share_that_floats_cannot_hold_is_still_exact(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("create view marts.a as select * from range(30)")  # 100 * (1 - 0.7) is 30.000000000000004
    assert judge(con, previous={"a": 100}, limits=Limits(max_row_drop=0.7)).passed


def test_a_drop_is_measured_on_marts_without_a_rule_of_their_own(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("create view marts.kpi_daily as select 1 as day where false")
    assert failed(judge(con, previous={"kpi_daily": 400})) == {"kpi_daily..row_drop"}


def test_marts_whose_size_follows_the_night_may_shrink(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("create table marts.list_members (customer_id varchar)")
    result = judge(con, previous={"list_members": 400})
    assert result.passed
    assert not any(o.expectation.name == "row_drop" for o in result.outcomes)


def test_a_mart_that_is_no_longer_built_does_not_block_for_ever(con: duckdb.DuckDBPyConnection) -> None:
    result = judge(con, previous={"retired": 10})
    assert result.passed
    assert status(result, "row_drop", "retired") == "not_available"


@pytest.mark.parametrize(
    ("as_of", "limits", "expected"),
    [
        (date(2011, 7, 7), Limits(), "passed"),
        (
            date(2011, 7, 8),
            Limits(max_age_days=1),
            "warned",
        ),  # a limit on exports: no orders may be the truth
        (date(2011, 7, 4), Limits(max_order_age_days=3), "failed"),
    ],
)
def test_old_orders_warn_and_are_refused_only_where_a_limit_is_set(
    con: duckdb.DuckDBPyConnection, as_of: date, limits: Limits, expected: str
) -> None:
    assert status(judge(con, as_of=as_of, limits=limits), "age", "orders") == expected


@pytest.mark.parametrize("change", ["drop table marts.churn_risk", "alter table marts.churn_risk drop risk_score"])
def test_a_mart_or_column_that_does_not_exist_is_an_error_and_no_verdict(
    con: duckdb.DuckDBPyConnection, change: str
) -> None:
    con.execute(change)
    with pytest.raises(GateError, match=r"marts\.churn_risk cannot be measured"):
        judge(con)
