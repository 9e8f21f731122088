"""The profile measures each table once, under names that read as they stand; limits follow the rules."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from expectations import GateError, Limits, Metric, Profile, profile
from expectations.profile import bounded, maximum, minimum, nulls, rows, table_names, violations
from rules.schema import Gates, ListSize


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """A table with an empty cell, an empty table and a view."""
    with duckdb.connect() as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.rates as select * from (values (0.5), (1.5), (null)) as t(rate)")
        connection.execute('create table marts."odd ""name" (rate double)')
        connection.execute("create view marts.seen as select 1 as id")
        yield connection


def test_a_profile_is_one_row_of_named_metrics(con: duckdb.DuckDBPyConnection) -> None:
    metrics = [
        rows(),
        nulls("rate"),
        minimum("rate"),
        maximum("rate"),
        violations("rate", "at_most_1", "rate > 1"),
        Metric("rate", "total", "sum(rate)::double"),
    ]
    measured = profile(con, "marts", {"rates": [*metrics, rows()]})
    assert dict(measured.values) == {
        "rates.rows": 3,
        "rates.rate.nulls": 1,
        "rates.rate.min": "0.5",
        "rates.rate.max": "1.5",
        "rates.rate.at_most_1.violations": 1,
        "rates.rate.total": 2.0,
    }
    assert measured.frame().shape == (1, 6)
    assert list(measured.frame().columns) == list(measured.values)


def test_a_table_is_read_once_however_many_metrics(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("create sequence reads")
    con.execute("create view marts.counted as select nextval('reads') as reading from range(10)")
    profile(con, "marts", {"counted": [rows(), nulls("reading"), maximum("reading"), minimum("reading")]})
    assert con.execute("select nextval('reads')").fetchone() == (11,)


def test_an_empty_table_is_measured(con: duckdb.DuckDBPyConnection) -> None:
    measured = profile(con, "marts", {'odd "name': [rows(), maximum("rate")]})
    assert list(measured.values.values()) == [0, None]


@pytest.mark.parametrize(("table", "column"), [("absent", "rate"), ("rates", "absent")])
def test_what_does_not_exist_is_an_error_in_one_line(con: duckdb.DuckDBPyConnection, table: str, column: str) -> None:
    with pytest.raises(GateError, match=rf"marts\.{table} cannot be measured: .*absent") as caught:
        profile(con, "marts", {table: [maximum(column)]})
    assert "\n" not in str(caught.value)


def test_a_number_that_is_missing_is_never_stated_as_an_expectation() -> None:
    with pytest.raises(GateError, match=r"rates\.total could not be measured"):
        bounded(Profile({"rates.total": None}), "rates.total", high=1)


def test_tables_and_views_are_found_by_column(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("attach ':memory:' as other; create schema other.marts; create table other.marts.elsewhere (id int)")
    assert table_names(con, "marts") == ['odd "name', "rates", "seen"]
    assert table_names(con, "marts", "rate") == ['odd "name', "rates"]


def test_limits_follow_the_business_rules() -> None:
    gates = Gates(max_rejected_share=0.1, max_row_drop=0.3, max_age_days=4, list_size=ListSize(min_rows=1, max_rows=9))
    assert Limits.from_rules(gates, {"shop": 2}) == Limits(
        max_rejected_share=0.1,
        max_row_drop=0.3,
        max_age_days=4,
        source_max_age_days={"shop": 2},
        min_list_rows=1,
        max_list_rows=9,
    )
