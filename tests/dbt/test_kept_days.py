"""Which days of the grid a night may keep of the one before: those whose facts are the same, and no others.

The shop's past keeps changing (``changing_shop.py``). Its tables are those of the project, compiled by dbt once and run
by DuckDB night after night; every night computes every day of the grid anew, and its fingerprint beside it.
"""

from __future__ import annotations

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
FIRST_DAY, NIGHTS, SEED = date(2024, 7, 5), 30, 11
GRID, FINGERPRINTS = "model.keeprate.customer_grid", "model.keeprate.grid_fingerprints"
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


def test_a_day_with_the_same_fingerprint_is_the_same_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("KEEPRATE_HOME", str(home))
    night = Night(home=str(home), landing=str(home / "landing"), config=str(CONFIG), holds_lock=False)
    shop = ChangingShop(home / "landing", SEED)
    # In steps of a day, of some, and of a month, so that much and little changes.
    steps = [1, 1, 3, 30, 1, 2, 1, 1, 45, 1]
    prepare(home)
    tables = tables_before_the_grid(night)
    [grid] = [table for table in tables if table.name.endswith("customer_grid")]
    before: dict[date, tuple[str, Counter[tuple[object, ...]]]] = {}
    kept = changed = 0
    today = FIRST_DAY
    nights: list[date] = []
    for number in range(NIGHTS):
        if number:
            today += timedelta(days=steps[number % len(steps)])
            shop.next_day(today)
        else:
            shop.first_day(today)
        result = load_exports(night)
        days = sorted({*month_ends(today, 6), *(day for day in nights if (today - day).days <= 35)})
        with night.build() as con:
            for schema in ("staging", "core", "identity"):
                con.execute(f"create schema if not exists {schema}")
            register_raw(con, {name: FeedFiles(feed.columns, feed.files) for name, feed in result.feeds.items()})
            purposes = [(today, "tonight"), *((day, "grid") for day in days)]
            replace_table(con, "run", "as_of_dates", {"as_of": "date", "purpose": "varchar"}, purposes)
            for table in (table for table in tables if table.step == "before identity"):
                table.make(con)
            find_people(con, night.rules.identity.max_records_per_customer)
            for table in (table for table in tables if table.step == "before scores" and table is not grid):
                table.make(con)
            fingerprints = dict(con.execute("select as_of, fingerprint from core.grid_fingerprints").fetchall())
            found = {}
            for day in [*days, today]:
                rows = con.execute(grid.sql.replace(DAY, f"cast('{day}' as date)")).fetchall()
                found[day] = (fingerprints[day], Counter(rows))
        for day in found.keys() & before.keys():
            if found[day][0] == before[day][0]:
                assert found[day][1] == before[day][1], f"{day} is another, as seen on {today}"
                kept += 1
            else:
                changed += 1
        before = found
        nights.append(today)
    # Neither is rare in this shop, so the test could have failed.
    assert kept > 30
    assert changed > 30


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
