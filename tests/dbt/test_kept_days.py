"""Which days of the grid a night may keep of the one before: those whose facts are the same, and no others.

The shop's past keeps changing (``changing_shop.py``). Its tables are those of the project, compiled by dbt and run by
DuckDB.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from assets.identity import find_people
from assets.night import Night
from assets.raw import load_exports
from assets.tables import dbt_process
from tests.dbt.changing_shop import ChangingShop
from tests.dbt.conftest import prepare, run_dbt
from warehouse.build import FeedFiles, register_raw, replace_table
from warehouse.connection import connect

if TYPE_CHECKING:
    import duckdb

pytestmark = pytest.mark.slow

CONFIG = Path(__file__).resolve().parents[2] / "config" / "business.yml"
FIRST_DAY, SEED = date(2024, 7, 5), 11
GRID = "model.keeprate.customer_grid"
#: The day that a model with a part per day computes, as `as_of_now` writes it.
DAY = '(select max(as_of) from "warehouse"."run"."snapshot_as_of")'


@dataclass(frozen=True)
class Table:
    """A model: its place, and the SQL that makes it."""

    name: str
    step: str
    is_view: bool
    sql: str

    def make(self, con: duckdb.DuckDBPyConnection) -> None:
        """Make it anew."""
        con.execute(f"create or replace {'view' if self.is_view else 'table'} {self.name} as {self.sql}")


def tables_before_the_grid(night: Night) -> list[Table]:
    """What the grid is made of, in the order in which it can be made, and the grid."""
    process = dbt_process(night.paths.root, night.dbt_vars)
    process.target.mkdir(parents=True)
    known = process.tables()
    graph: dict[str, set[str]] = {}
    left = [GRID]
    while left:
        name = left.pop()
        graph[name] = {read for read in known[name].reads if read.startswith("model.")}
        left += [read for read in graph[name] if read not in graph]
    sql = process.compiled(graph)
    return [
        Table(
            ".".join(known[name].relation),
            "before identity" if "before_identity" in known[name].tags else "before scores",
            known[name].is_view,
            sql[name],
        )
        for name in TopologicalSorter(graph).static_order()
    ]


def month_ends(day: date, count: int) -> list[date]:
    """The last days of the months before a day, newest first."""
    ends = []
    for _ in range(count):
        day = day.replace(day=1) - timedelta(days=1)
        ends.append(day)
    return ends


def facts_of(sql: str) -> dict[str, list[tuple[list[str], str]]]:
    """What the fingerprints are made of: for each table its columns and the day from which on they are known."""
    found: dict[str, list[tuple[list[str], str]]] = {}
    pattern = (
        r"select\s+((?:(?!select).)+?) as known_on,"
        r"\s+cast\(hash\(\d+, (.+?)\) as decimal\(38, 0\)\) as fingerprint\s+from (\w+)"
    )
    for known_on, columns, table in re.findall(pattern, sql, flags=re.DOTALL):
        found.setdefault(table, []).append((columns.split(", "), known_on))
    return found


def forget(con: duckdb.DuckDBPyConnection, table: str, facts: list[tuple[list[str], str]], day: date) -> None:
    """Leave of a table nothing but what its facts say was known by a day."""
    columns = [
        name
        for (name,) in con.execute(
            "select column_name from duckdb_columns() "
            "where schema_name = 'kept' and table_name = ? order by column_index",
            [table],
        ).fetchall()
    ]
    known = {
        column: f"known_on_{number}" for number, (named, _) in reversed(list(enumerate(facts))) for column in named
    }
    cells = ", ".join(
        f'case when {known[column]} <= date \'{day}\' then "{column}" end as "{column}"'
        if column in known
        else f'case when false then "{column}" end as "{column}"'
        for column in columns
    )
    days = ", ".join(f"{known_on} as known_on_{number}" for number, (_, known_on) in enumerate(facts))
    con.execute(
        f"create or replace table core.{table} as "
        f"select {cells} from (select *, {days} from kept.{table}) where known_on_0 <= date '{day}'"
    )


def test_a_day_is_made_of_the_facts_of_its_fingerprint_and_of_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("KEEPRATE_HOME", str(home))
    night = Night(home=str(home), landing=str(home / "landing"), config=str(CONFIG), holds_lock=False)
    shop = ChangingShop(home / "landing", SEED)
    shop.first_day(FIRST_DAY)
    today = FIRST_DAY
    for _ in range(4):
        today += timedelta(days=9)
        shop.next_day(today)
    prepare(home)
    tables = {table.name: table for table in tables_before_the_grid(night)}
    grid, fingerprints = (tables.pop(f"core.{name}") for name in ("customer_grid", "grid_fingerprints"))
    facts = facts_of(fingerprints.sql)
    days = [*month_ends(today, 6), today - timedelta(days=5)]
    result = load_exports(night)
    with night.build() as con:
        for schema in ("staging", "core", "identity", "kept"):
            con.execute(f"create schema if not exists {schema}")
        register_raw(con, {name: FeedFiles(feed.columns, feed.files) for name, feed in result.feeds.items()})
        want(con, str(today), *map(str, days))
        for step in ("before identity", "before scores"):
            for table in tables.values():
                if table.step == step:
                    table.make(con)
            if step == "before identity":
                find_people(con, night.rules.identity.max_records_per_customer)
        for name in facts:
            con.execute(f"create table kept.{name} as from core.{name}")
        in_full = {day: rows_of(con, grid, day) for day in days}
        for day in days:
            for name, known in facts.items():
                forget(con, name, known, day)
            tables["core.customer_gaps"].make(con)
            assert rows_of(con, grid, day) == in_full[day], f"{day} is made of more than its facts"
    # Every table says something of these days, or the test would say nothing of it.
    with night.build(read_only=True) as con:
        empty = [name for name in facts if con.execute(f"select count(*) from kept.{name}").fetchall() == [(0,)]]
    assert not empty
    assert len({frozenset(rows.items()) for rows in in_full.values()}) == len(days)


def rows_of(con: duckdb.DuckDBPyConnection, grid: Table, day: date) -> Counter[tuple[object, ...]]:
    """One day of the grid."""
    return Counter(con.execute(grid.sql.replace(DAY, f"cast('{day}' as date)")).fetchall())


TRACE = {"source_system": "generic", "source": "shop", "delivery_id": "d", "received_at": "2024-04-02T00:00:00Z"}
DELIVERY = {"file": "orders.csv", "feed": "orders", "records": "2", "ignored": "0", "rejected": "0", "currency": "GBP"}


def put(con: duckdb.DuckDBPyConnection, table: str, row: dict[str, str]) -> None:
    """Write one raw row."""
    row = row | TRACE
    con.execute(
        f"insert into raw.{table} ({', '.join(row)}) values ({', '.join('?' for _ in row)})", list(row.values())
    )


def sell(con: duckdb.DuckDBPyConnection, order: str, day: str, amount: str) -> None:
    """Deliver a sale to the one customer."""
    said = {"order_id": order, "source_customer_id": "c", "ordered_at": f"{day}T12:00:00Z", "net_amount": amount}
    put(con, "orders", said | {"status": "completed", "kind": "sale", "currency": "GBP"})


def want(con: duckdb.DuckDBPyConnection, tonight: str, *grid: str) -> None:
    """Say which days the night is about."""
    days = [(tonight, "tonight"), *((day, "grid") for day in grid)]
    replace_table(con, "run", "as_of_dates", {"as_of": "date", "purpose": "varchar"}, days)


def test_days_stand_that_nothing_new_is_known_of_and_fall_with_the_rules(tmp_path: Path) -> None:
    january, february, march = "2024-01-31", "2024-02-29", "2024-03-31"
    revenue = "select cast(as_of as varchar), cast(net_revenue_365d as integer) from core.customer_grid"
    with connect(prepare(tmp_path)) as con:
        put(con, "deliveries", DELIVERY)
        sell(con, "A-1", "2024-01-10", "100.00")
        want(con, march, january, february)
    file = tmp_path / "build" / "warehouse.duckdb"
    run_dbt(tmp_path, "run", "--select", "+customer_grid")
    with connect(file) as con:
        assert dict(con.execute(revenue).fetchall()) == {january: 100, february: 100, march: 100}
        # So that it can be told which rows stand, and which were made again.
        con.execute("update core.customer_grid set net_revenue_365d = -1")
        sell(con, "A-2", "2024-02-10", "20.00")
        want(con, "2024-04-01", january, february)
    run_dbt(tmp_path, "run", "--select", "+customer_grid")
    with connect(file, read_only=True) as con:
        assert dict(con.execute(revenue).fetchall()) == {january: -1, february: 120, "2024-04-01": 120}
    run_dbt(tmp_path, "run", "--select", "customer_grid", "--vars", "{tier_case: \"'regular'\"}")
    with connect(file, read_only=True) as con:
        assert dict(con.execute(revenue).fetchall()) == {january: 100, february: 120, "2024-04-01": 120}
