"""The raw gate: each thing a delivery may be refused for, once as it should be and once planted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pytest

from expectations import GateResult, Limits, raw_gate
from expectations.gate import Outcome

AS_OF = date(2011, 12, 9)
COLUMNS = (
    "delivery_id",
    "source",
    "file",
    "feed",
    "records",
    "ignored",
    "rejected",
    "exported_at",
    "received_at",
    "corrects",
)


TYPES = {
    "records": "bigint",
    "ignored": "bigint",
    "rejected": "bigint",
    "exported_at": "timestamp",
    "received_at": "timestamp",
}


def create_raw(con: duckdb.DuckDBPyConnection, types: Mapping[str, str]) -> None:
    """Schema raw, in which nothing has been delivered."""
    columns = ", ".join(f"{name} {types.get(name, 'varchar')}" for name in COLUMNS)
    con.execute(f"create schema raw; create table raw.deliveries ({columns})")
    con.execute("create table raw.orders (order_id varchar, currency varchar)")
    con.execute("create table raw.fx_rates (currency varchar, rate varchar)")


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """Schema raw as text, in which nothing has been delivered."""
    with duckdb.connect() as connection:
        create_raw(connection, {})
        yield connection


def deliver(con: duckdb.DuckDBPyConnection, number: int = 1, **changes: Any) -> None:
    """One delivery of a hundred orders per day, the last on the as-of day."""
    exported = datetime(2011, 12, 9, 18) - timedelta(days=9 - number)
    values = {
        "delivery_id": f"d{number}",
        "source": "shop",
        "file": f"orders_{number}.csv",
        "feed": "orders",
        "records": 100,
        "ignored": 0,
        "rejected": 0,
        "exported_at": exported.isoformat() + "Z",
        "received_at": "2024-01-01T00:00:00Z",
        "corrects": None,
    } | changes
    con.execute(
        f"insert into raw.deliveries values ({', '.join('?' * len(COLUMNS))})",
        [None if values[name] is None else str(values[name]) for name in COLUMNS],
    )


def judge(con: duckdb.DuckDBPyConnection, **arguments: Any) -> GateResult:
    return raw_gate(con, **{"as_of": AS_OF, **arguments})


def outcome(result: GateResult, name: str) -> Outcome:
    (found,) = [o for o in result.outcomes if f"{o.expectation.name} {o.expectation.table}".startswith(name)]
    return found


def test_nothing_delivered_is_not_available_and_passes(con: duckdb.DuckDBPyConnection) -> None:
    result = judge(con)
    assert result.passed
    assert outcome(result, "deliveries").status == "not_available"
    assert outcome(result, "refused_files").status == "passed"


@pytest.mark.parametrize("types", [{}, TYPES], ids=["text", "typed"])
def test_a_good_night_passes_everything(types: Mapping[str, str]) -> None:
    with duckdb.connect() as con:
        create_raw(con, types)
        for number in range(5, 10):
            deliver(con, number)
        con.execute("insert into raw.orders values ('1', 'GBP'), ('2', null)")
        con.execute("insert into raw.fx_rates values ('EUR', '0.9')")
        result = judge(con)
    assert {o.status for o in result.outcomes} == {"passed"}
    assert result.evaluated == len(result.outcomes) == 7


def test_each_refused_file_is_one_failure_in_its_own_words(con: duckdb.DuckDBPyConnection) -> None:
    result = judge(con, refusals=["a.csv is truncated: send it again.", "b.csv is empty: send it again."])
    assert not result.passed
    assert result.lines() == [
        "raw gate: a.csv is truncated: send it again.",
        "raw gate: b.csv is empty: send it again.",
    ]


def test_a_skipped_file_warns_beside_a_refused_one(con: duckdb.DuckDBPyConnection) -> None:
    assert judge(con, skipped=["a.csv was left out."]).passed
    result = judge(con, refusals=["b.csv is empty."], skipped=["a.csv was left out."])
    assert result.lines() == ["raw gate: b.csv is empty."]
    assert result.warning_lines() == ["raw gate, warning: a.csv was left out."]


def test_a_delivery_may_lose_only_so_large_a_share(con: duckdb.DuckDBPyConnection) -> None:
    cases = {
        "at_the_limit": (1000, 200, "passed"),
        "above_it": (1000, 201, "failed"),
        "few_records": (30, 20, "passed"),
        "few_but_enough": (30, 21, "failed"),
        "no_records": (0, 0, "passed"),
    }
    for source, (records, rejected, _) in cases.items():
        deliver(con, 1, source=source, records=records, rejected=rejected)
        deliver(con, 2, source=source)
    result = judge(con)
    found = {source: outcome(result, f"rejected_share of {source} ").status for source in cases}
    assert found == {source: status for source, (_, _, status) in cases.items()}


def test_the_worst_delivery_is_named_and_the_others_are_counted(con: duckdb.DuckDBPyConnection) -> None:
    for number, rejected in ((1, 30), (2, 45), (3, 50), (4, 0)):
        deliver(con, number, rejected=rejected)
    deliver(con, 5, feed="tickets")
    result = judge(con)
    assert result.lines() == [
        "raw gate: raw.deliveries.rejected: "
        "50 of 100 records of orders_3.csv are rejected (50.0%), and 2 more deliveries have too many; "
        "allowed: 20.0% of a delivery, or 20 records. "
        "Read the rejected records, then correct the export or the source's column mapping."
    ]


@pytest.mark.parametrize(
    ("records", "rejected", "observed"),
    [
        (100_000, 0, "0 of 100,000 records of orders_2.csv are rejected (0.0%)"),
        (100_000, 1, "1 of 100,000 records of orders_1.csv are rejected (less than 0.1%)"),
        (100_000, 100, "100 of 100,000 records of orders_1.csv are rejected (0.1%)"),
        # Few enough to be let through, whatever their share.
        (20, 10, "10 of 20 records of orders_1.csv are rejected (50.0%)"),
        (0, 0, "0 of 100 records of orders_2.csv are rejected (0.0%)"),
    ],
)
def test_rejects_that_are_let_through_are_told_as_what_they_are(
    con: duckdb.DuckDBPyConnection, records: int, rejected: int, observed: str
) -> None:
    deliver(con, 1, records=records, rejected=rejected)
    deliver(con, 2, records=records or 100)
    found = outcome(judge(con), "rejected_share")
    assert (found.status, found.observed) == ("passed", observed)


def test_the_newest_delivery_is_compared_with_the_usual_size(con: duckdb.DuckDBPyConnection) -> None:
    cases = {19: "failed", 20: "passed", 500: "passed", 501: "failed", 0: "warned"}
    for records in cases:
        for number in range(1, 5):
            deliver(con, number, source=f"newest_{records}")
        deliver(con, 9, source=f"newest_{records}", records=records)
    result = judge(con)
    assert {n: outcome(result, f"volume of newest_{n} ").status for n in cases} == cases


def test_the_usual_size_is_that_of_the_latest_deliveries(con: duckdb.DuckDBPyConnection) -> None:
    for number, records in enumerate((1, 1, 1, 1, 100, 100, 100), 1):
        deliver(con, number, records=records)
    assert outcome(judge(con, limits=Limits(volume_window=2)), "volume").status == "passed"
    assert outcome(judge(con, limits=Limits(volume_window=6)), "volume").status == "failed"


def test_a_correction_of_a_record_is_neither_the_newest_delivery_nor_a_usual_one(
    con: duckdb.DuckDBPyConnection,
) -> None:
    for number in range(4, 9):
        deliver(con, number)
        deliver(con, number + 10, records=1, corrects=f"d{number}")
    assert outcome(judge(con), "volume").status == "passed"
    deliver(con, 9, records=1)
    assert outcome(judge(con), "volume").status == "failed"


@pytest.mark.parametrize("limits", [Limits(), Limits(volume_history=3)])
def test_volume_needs_a_history_of_its_own_source_and_feed(con: duckdb.DuckDBPyConnection, limits: Limits) -> None:
    for number in range(1, 4):
        deliver(con, number)
    deliver(con, 4, records=1)
    deliver(con, 5, source="other")
    deliver(con, 6, feed="tickets")
    status = "failed" if limits.volume_history == 3 else "not_available"
    result = judge(con, limits=limits)
    assert outcome(result, "volume of shop orders").status == status
    assert outcome(result, "volume of other orders").status == "not_available"


@pytest.mark.parametrize(
    ("exported_at", "limits", "status"),
    [
        ("2011-12-02T23:00:00Z", Limits(), "passed"),
        ("2011-12-01T23:00:00Z", Limits(), "warned"),
        ("2011-12-06T00:00:00Z", Limits(max_age_days=3), "passed"),
        ("2011-12-05T00:00:00Z", Limits(max_age_days=3), "failed"),
        ("2011-12-05T00:00:00Z", Limits(max_age_days=3, source_max_age_days={"shop": 30}), "passed"),
        ("2011-12-05T00:00:00Z", Limits(source_max_age_days={"shop": 3}), "failed"),
        ("2024-01-01T00:00:00Z", Limits(max_age_days=3), "passed"),  # a day of the past, computed later
        (None, Limits(max_age_days=3), "passed"),  # when it was received stands in
    ],
)
def test_old_exports_warn_and_are_refused_only_where_a_limit_is_set(
    con: duckdb.DuckDBPyConnection, exported_at: str | None, limits: Limits, status: str
) -> None:
    deliver(con, exported_at=exported_at)
    deliver(con, 2, feed="campaigns", exported_at="2009-01-01T00:00:00Z")
    assert outcome(judge(con, limits=limits), "age of shop").status == status


def test_the_age_of_deliveries_without_any_time_is_not_available(con: duckdb.DuckDBPyConnection) -> None:
    deliver(con, exported_at=None, received_at=None)
    result = judge(con, limits=Limits(max_age_days=1))
    assert result.passed
    assert outcome(result, "age of shop").status == "not_available"


def test_an_implausible_currency_warns_and_is_named(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("insert into raw.orders values ('1', 'GBP'), ('2', '£'), ('3', ''), ('4', 'usd'), ('5', null)")
    result = judge(con)
    assert result.passed
    assert "not so in 2 of 5 rows" in outcome(result, "plausible_code raw.orders").message
    assert "currency usd, £" in outcome(result, "plausible_code raw.orders").message
    assert outcome(result, "plausible_code raw.fx_rates").status == "not_available"


def test_an_exchange_rate_is_a_positive_number(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("insert into raw.fx_rates values ('EUR', '1.2'), ('A', '0'), ('B', 'x'), ('C', 'inf'), ('D', null)")
    assert "not so in 4 of 5 rows" in outcome(judge(con), "positive").message


def test_feeds_without_a_currency_are_left_alone(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("drop table raw.orders; drop table raw.fx_rates; create table raw.reps (rep_id varchar)")
    deliver(con)
    assert judge(con).passed
