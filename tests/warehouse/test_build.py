"""What is put into the build file before and beside dbt."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from numpy.typing import NDArray

from warehouse.build import (
    FeedFiles,
    carry_over,
    register_raw,
    replace_table,
    replace_table_from_numpy,
    write_run_tables,
)
from warehouse.connection import connect, quote_literal
from warehouse.errors import WarehouseError
from warehouse.home import Home

COLUMNS = ("order_id", "net_amount", "record_no")
MEMBERS = {"list_id": "VARCHAR", "customer_id": "VARCHAR", "entered_on": "DATE"}


@pytest.fixture
def con(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(home.build_file) as connection:
        yield connection


def delivery(path: Path, select: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with connect() as con:
        con.execute(f"copy ({select}) to {quote_literal(path)} (format parquet)")
    return path


def order(path: Path, number: int) -> Path:
    return delivery(path, f"select '{number}' as order_id, '{number}.50' as net_amount, {number}::bigint as record_no")


def columns_of(con: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    return {row[0]: row[1] for row in con.execute(f"describe {relation}").fetchall()}


def test_a_feed_is_a_view_over_exactly_its_files(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    # A folder like a partition must not add a column, and a quote in a path must not break the view.
    one, two = (
        order(tmp_path / "as_of=2011-01-01" / "1.parquet", 1),
        order(tmp_path / "it's" / "2.parquet", 2),
    )
    order(tmp_path / "it's" / "3.parquet", 3)
    register_raw(con, {"orders": FeedFiles(COLUMNS, [one, two])})
    assert con.execute("select * from raw.orders order by record_no").fetchall() == [
        ("1", "1.50", 1),
        ("2", "2.50", 2),
    ]
    assert columns_of(con, "raw.orders") == {
        "order_id": "VARCHAR",
        "net_amount": "VARCHAR",
        "record_no": "BIGINT",
    }


def test_an_absent_feed_is_an_empty_table_of_the_same_columns(con: duckdb.DuckDBPyConnection) -> None:
    register_raw(con, {"orders": FeedFiles(COLUMNS, [])})
    assert columns_of(con, "raw.orders") == {
        "order_id": "VARCHAR",
        "net_amount": "VARCHAR",
        "record_no": "BIGINT",
    }
    assert con.execute("select count(*) from raw.orders").fetchall() == [(0,)]


def test_a_feed_may_become_a_table_and_a_view_again(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    full, empty = FeedFiles(COLUMNS, [order(tmp_path / "1.parquet", 1)]), FeedFiles(COLUMNS, [])
    for feed, rows in ((full, 1), (empty, 0), (empty, 0), (full, 1), (full, 1)):
        register_raw(con, {"orders": feed})
        assert con.execute("select count(*) from raw.orders").fetchall() == [(rows,)]


def test_columns_are_taken_by_name_whatever_their_order_in_a_file(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    swapped = delivery(tmp_path / "2.parquet", "select 2::bigint as record_no, '9' as net_amount, 'b' as order_id")
    register_raw(con, {"orders": FeedFiles(COLUMNS, [order(tmp_path / "1.parquet", 1), swapped])})
    assert con.execute("select * from raw.orders where record_no = 2").fetchall() == [("b", "9", 2)]


@pytest.mark.parametrize(
    ("select", "complaint"),
    [
        ("select 'a' as order_id, 1::bigint as record_no", "feed orders cannot be read"),
        (
            "select 'a' as order_id, 1.5::double as net_amount, 1::bigint as record_no",
            "net_amount as DOUBLE instead",
        ),
        (
            "select 'a' as order_id, '1' as net_amount, '1' as record_no",
            "record_no as VARCHAR instead of BIGINT",
        ),
    ],
)
def test_files_that_are_not_the_feed_are_refused(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, select: str, complaint: str
) -> None:
    with pytest.raises(WarehouseError, match=complaint):
        register_raw(con, {"orders": FeedFiles(COLUMNS, [delivery(tmp_path / "1.parquet", select)])})


def test_a_file_that_is_missing_is_named(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match=r"gone\.parquet, a raw file of the feed orders, is missing"):
        register_raw(con, {"orders": FeedFiles(COLUMNS, [tmp_path / "gone.parquet"])})


def test_the_run_tables_say_what_the_night_is_about(con: duckdb.DuckDBPyConnection) -> None:
    today, cutoff = date(2011, 12, 9), date(2011, 9, 10)
    write_run_tables(
        con,
        as_of_dates=[(today, "current"), (cutoff, "churn_training")],
        snapshot_as_of=[today],
        list_member_columns=MEMBERS,
        release={"run_id": ("VARCHAR", "r1"), "seq": ("INTEGER", 7)},
    )
    assert con.execute("select * from run.as_of_dates order by as_of").fetchall() == [
        (cutoff, "churn_training"),
        (today, "current"),
    ]
    assert con.execute("select * from run.snapshot_as_of").fetchall() == [(today,)]
    assert con.execute("select * from run.release").fetchall() == [("r1", 7)]
    assert columns_of(con, "run.previous_list_members") == MEMBERS
    assert con.execute("select count(*) from run.previous_list_members").fetchall() == [(0,)]


def test_list_state_of_an_older_shape_gets_the_columns_of_today(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    older = delivery(tmp_path / "m.parquet", "select 'c1' as customer_id, 'churn_alert' as list_id, 1 as retired")
    write_run_tables(con, as_of_dates=[], snapshot_as_of=[], list_member_columns=MEMBERS, previous_list_members=older)
    assert con.execute("select * from run.previous_list_members").fetchall() == [("churn_alert", "c1", None)]
    assert columns_of(con, "run.previous_list_members") == MEMBERS


@pytest.mark.parametrize("exists", [True, False], ids=["a file that is no table", "no file"])
def test_a_table_of_an_earlier_release_is_carried_over_or_named(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, exists: bool
) -> None:
    file = tmp_path / "broken.parquet"
    if exists:
        file.write_bytes(b"not a table")
    with pytest.raises(WarehouseError, match=r"broken\.parquet cannot be read as a table of an earlier release"):
        carry_over(con, "previous", MEMBERS, file)


def test_a_table_of_values_keeps_their_types_and_nulls(con: duckdb.DuckDBPyConnection) -> None:
    columns = {
        "name": "VARCHAR",
        "amount": "DECIMAL(18,3)",
        "day": "DATE",
        "score": "DOUBLE",
        "flag": "BOOLEAN",
    }
    rows = [
        ("客户 \"x\" 'y'", Decimal("8911407.904"), date(2011, 12, 9), 0.1, True),
        (None, None, None, None, None),
        ("b", Decimal("-0.001"), date(1990, 1, 1), float("inf"), False),
    ]
    replace_table(con, "predictions", "small", columns, rows)
    assert con.execute("select * from predictions.small").fetchall() == rows
    assert columns_of(con, "predictions.small") == columns
    replace_table(con, "predictions", "small", {"x": "INTEGER"}, [])
    assert columns_of(con, "predictions.small") == {"x": "INTEGER"}
    assert con.execute("select * from predictions.small").fetchall() == []


@pytest.mark.parametrize("rows", [[(1, 2), (3,)], [(1, "two")], [(1, 2, 3)]])
def test_rows_that_do_not_fit_are_refused_and_the_old_table_stays(
    con: duckdb.DuckDBPyConnection, rows: list[tuple[object, ...]]
) -> None:
    columns = {"a": "INTEGER", "b": "INTEGER"}
    replace_table(con, "run", "t", columns, [(0, 0)])
    with pytest.raises(WarehouseError, match=r'rows do not fit the table "run"\."t"'):
        replace_table(con, "run", "t", columns, rows)
    assert con.execute("select * from run.t").fetchall() == [(0, 0)]


def test_a_table_of_arrays_keeps_types_and_has_null_for_what_is_missing(
    con: duckdb.DuckDBPyConnection,
) -> None:
    replace_table_from_numpy(
        con,
        "predictions",
        "states",
        {
            "day": np.array(["2011-12-09", "NaT"], dtype="datetime64[D]"),
            "at": np.array(["2011-12-09T12:50:00", "NaT"], dtype="datetime64[s]"),
            "frequency": np.array([3, 0]),
            "p_alive": np.array([0.75, np.nan]),
            "status": np.array(["ok", "none"]),
            "reason": np.array(["late", None], dtype=object),
            "known": np.array([True, False]),
        },
    )
    assert columns_of(con, "predictions.states") == {
        "day": "DATE",
        "at": "TIMESTAMP",
        "frequency": "BIGINT",
        "p_alive": "DOUBLE",
        "status": "VARCHAR",
        "reason": "VARCHAR",
        "known": "BOOLEAN",
    }
    assert con.execute("select day, frequency, p_alive, status, reason, known from predictions.states").fetchall() == [
        (date(2011, 12, 9), 3, 0.75, "ok", "late", True),
        (None, 0, None, "none", None, False),
    ]


def test_empty_arrays_make_an_empty_table(con: duckdb.DuckDBPyConnection) -> None:
    empty = {
        "x": np.array([], dtype=np.float64),
        "s": np.array([], dtype=str),
        "n": np.array([], dtype=np.int64),
    }
    replace_table_from_numpy(con, "predictions", "none", empty)
    assert columns_of(con, "predictions.none") == {"x": "DOUBLE", "s": "VARCHAR", "n": "BIGINT"}


@pytest.mark.parametrize(
    "columns",
    [{"a": np.zeros(2), "b": np.zeros(3)}, {"a": np.zeros((2, 2))}, {}, {"a": np.zeros(1, dtype=complex)}],
)
def test_arrays_that_do_not_fit_are_refused(
    con: duckdb.DuckDBPyConnection,
    columns: dict[str, NDArray[Any]],
) -> None:
    with pytest.raises(WarehouseError, match=r'"predictions"\."t"'):
        replace_table_from_numpy(con, "predictions", "t", columns)
