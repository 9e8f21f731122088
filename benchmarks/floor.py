"""A child that turns raw files into the same marts with DuckDB alone: what a night cannot be faster than.

Belongs here: reading the one bundled export with the few rewritings it needs, and the SQL of the project's models in
their order. Does not belong here: reading exports in general (``sources``), or anything that orders, tests, judges or
publishes.

The file is read as text and rewritten to what ``sources`` makes of it; then every model's SQL, as dbt compiled it for a
night, is executed on one connection. What a night takes over from earlier (the list state, the day, the delivery's
entry) is copied from that night and not timed. Of another home than that of the bundled export, the raw files are those
that the night has written, and reading exports is no part of the floor.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import DEFAULT_RULES, EXPORT, RULES
from benchmarks.measure import Report

if TYPE_CHECKING:
    import duckdb

__all__ = ["TRACE", "build", "compare", "compiled_models", "copy_what_a_night_is_given", "make_raw_tables"]

#: The rewritings of ``sources`` that change a value of this export; all others would leave it as it is.
_LINES = """
    create temp table lines as
    select
        row_number() over () as record_no,
        InvoiceNo as order_id,
        StockCode as product_id,
        case when trim(Description) not in ('', '-') then trim(Description) end as description,
        Quantity as quantity,
        UnitPrice as unit_price,
        strftime(timezone('UTC', timezone('Europe/London', cast(InvoiceDate as timestamp))), '%Y-%m-%dT%H:%M:%SZ')
            as invoiced_at,
        nullif(CustomerID, '') as source_customer_id,
        Country as country
    from read_csv(?, all_varchar = true, header = true, delim = ',', quote = '"', escape = '"')
"""
TRACE = "delivery.source_system, delivery.source, delivery.delivery_id, delivery.received_at"
_FEEDS = {
    "order_lines": "select order_id, product_id, description, quantity, unit_price, record_no from lines",
    "orders": """
        select
            order_id,
            source_customer_id,
            invoiced_at as ordered_at,
            case when starts_with(order_id, 'A') then 'cancelled' else 'completed' end as status,
            case when starts_with(order_id, 'C') then 'refund' else 'sale' end as kind,
            'GBP' as currency,
            min(record_no) as record_no
        from lines
        group by all
    """,
    "customers": """
        select source_customer_id, country, invoiced_at as updated_at, min(record_no) as record_no
        from lines
        where source_customer_id is not null
        group by all
    """,
}
#: The day that a model with a part per day computes, as `as_of_now` writes it.
_DAY = '(select max(as_of) from "warehouse"."run"."snapshot_as_of")'
_STEPS = ("before identity", "before scores", "after scores")
#: Columns that tell of the run itself.
_RUN_COLUMNS = {"deliveries": ("received_at",)}


@dataclass(frozen=True)
class Model:
    """A table of the project: its place, the models that it reads, and the SQL that makes it."""

    schema: str
    name: str
    reads: frozenset[str]
    is_view: bool
    purposes: list[str]
    step: str
    sql: str


def main(home: Path, work: Path, *, from_raw: bool = False) -> None:
    """Build the marts of the night in `home` into a database in `work`, and report."""
    report = Report()
    with report.stage("imports"):
        import models.scoring
        from assets.identity import find_people
        from rules import load
        from warehouse.connection import attached, connect

        _ = models.scoring
    rules = load(DEFAULT_RULES if from_raw else RULES)
    in_order = list(compiled_models(home / "build" / "dbt"))
    # The compiled SQL names its catalog, which DuckDB calls after the file.
    with (
        connect(work / "warehouse.duckdb", temp_directory=work / "spill") as con,
        attached(con, home / "build" / "warehouse.duckdb", "night", read_only=True),
    ):
        copy_what_a_night_is_given(con)
        if from_raw:
            _copy_raw(con)
        else:
            make_raw_tables(con)
            _read_export(con, report)
        for step in _STEPS:
            if step == "before scores" and from_raw:
                with report.stage("identity"):
                    find_people(con, rules.identity.max_records_per_customer)
            if step == "after scores":
                with report.stage("predictions"):
                    _predict(con, rules.churn.horizon_days, rules.clv.discount_rate_year)
            with report.stage(f"tables {step}"):
                build(con, [model for model in in_order if model.step == step])
                con.execute("checkpoint")
    report.send()


def compare(home: Path, work: Path) -> tuple[int, list[str]]:
    """Return how many marts the floor built, and those of them that hold other rows than the night's.

    The columns that tell of the run itself are left out.
    """
    from warehouse.connection import attached, connect

    with (
        connect(work / "warehouse.duckdb", read_only=True) as con,
        attached(con, home / "build" / "warehouse.duckdb", "night", read_only=True),
    ):
        marts = [model.name for model in compiled_models(home / "build" / "dbt") if model.schema == "marts"]
        return len(marts), [mart for mart in marts if _differs(con, mart)]


def compiled_models(target: Path) -> Iterator[Model]:
    """The models of the project in the order in which they can be built, as dbt compiled them."""
    nodes: dict[str, Any] = json.loads((target / "manifest.json").read_text(encoding="utf-8"))["nodes"]
    models = {key: node for key, node in nodes.items() if node["resource_type"] == "model"}
    graph = {key: set(node["depends_on"]["nodes"]) & set(models) for key, node in models.items()}
    for key in TopologicalSorter(graph).static_order():
        node = models[key]
        compiled = target / "compiled" / node["package_name"] / node["original_file_path"]
        yield Model(
            schema=node["schema"],
            name=node["name"],
            reads=frozenset(models[each]["name"] for each in graph[key]),
            is_view=node["config"]["materialized"] == "view",
            purposes=node["config"].get("purposes", []),
            step=next(step for step in _STEPS if step.replace(" ", "_") in node["config"]["tags"]),
            sql=compiled.read_text(encoding="utf-8"),
        )


def copy_what_a_night_is_given(con: duckdb.DuckDBPyConnection) -> None:
    """Make every schema, and what stands in them before a night: its days and its deliveries."""
    for schema in ("raw", "run", "staging", "core", "identity", "predictions", "marts"):
        con.execute(f"create schema {schema}")
    given = con.execute(
        "select schema_name || '.' || table_name from duckdb_tables() "
        "where database_name = 'night' and schema_name in ('run', 'identity')"
    ).fetchall()
    # Nobody shares an address in the bundled export, so that no record is another's; elsewhere people are found again.
    for table in ("raw.deliveries", "raw.rejected", *(name for (name,) in given)):
        con.execute(f"create table {table} as from night.{table}")


def make_raw_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Make the table of every feed, without rows."""
    from sources import canonical_feeds
    from warehouse.connection import quote_name

    for name, feed in canonical_feeds().items():
        columns = ", ".join(f"{quote_name(column)} {kind}" for column, kind in feed.types.items())
        con.execute(f"create table raw.{name} ({columns})")


def _copy_raw(con: duckdb.DuckDBPyConnection) -> None:
    """Register the raw files as the night has; where it had none, take its empty table."""
    views = con.execute(
        "select view_name, sql from duckdb_views() where database_name = 'night' and schema_name = 'raw'"
    ).fetchall()
    tables = con.execute(
        "select table_name from duckdb_tables() where database_name = 'night' and schema_name = 'raw'"
    ).fetchall()
    there = {
        name
        for (name,) in con.execute(
            "select table_name from duckdb_tables() where schema_name = 'raw' and database_name = current_database()"
        ).fetchall()
    }
    for name, statement in views:
        if name not in there:
            con.execute(f"create view raw.{name} as {statement.split(' AS ', 1)[1]}")
    for (name,) in tables:
        if name not in there:
            con.execute(f"create table raw.{name} as from night.raw.{name}")


def _read_export(con: duckdb.DuckDBPyConnection, report: Report) -> None:
    with report.stage("read the export"):
        con.execute(_LINES, [str(EXPORT)])
        for name, query in _FEEDS.items():
            con.execute(
                f"insert into raw.{name} by name "
                f"select feed.*, {TRACE} from ({query}) as feed cross join raw.deliveries as delivery "
                "order by record_no"
            )
        con.execute("drop table lines")


def build(con: duckdb.DuckDBPyConnection, chosen: Iterable[Model]) -> None:
    """Execute the SQL of these models, in their order."""
    for model in chosen:
        table = f"{model.schema}.{model.name}"
        if not model.purposes:
            con.execute(f"create {'view' if model.is_view else 'table'} {table} as {model.sql}")
            continue
        days = con.execute(
            "select distinct cast(as_of as varchar) from run.as_of_dates where list_contains(?, purpose) order by 1",
            [model.purposes],
        ).fetchall()
        # As the project's own materialization does it.
        for number, (day,) in enumerate(days):
            sql = model.sql.replace(_DAY, f"cast('{day}' as date)")
            con.execute(f"insert into {table} {sql}" if number else f"create table {table} as {sql}")


def _predict(con: duckdb.DuckDBPyConnection, horizon_days: int, discount_rate_year: float) -> None:
    """Write the tables that stand between the two halves of the SQL, as the asset of the predictions does."""
    from assets.churn_scores import score_churn
    from assets.predictions import predict

    predict(con, horizon_days=horizon_days, discount_rate_year=discount_rate_year)
    score_churn(con, horizon_days=horizon_days)


def _differs(con: duckdb.DuckDBPyConnection, mart: str) -> bool:
    run_columns = _RUN_COLUMNS.get(mart, ())
    columns = "*" if not run_columns else f"* exclude ({', '.join(run_columns)})"
    here, there = (f"select {columns} from {catalog}.marts.{mart}" for catalog in ("warehouse", "night"))
    found = con.execute(
        f"select count(*) from (({here} except all {there}) union all ({there} except all {here}))"
    ).fetchall()
    return bool(found[0][0])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), from_raw="raw" in sys.argv[3:])
