"""Between the pairs of records that SQL finds and the customers it makes of them: what hangs together.

Belongs here: reading pairs and decisions, writing components. Does not belong here: what makes a pair, who of a
component gives the customer its id (both SQL), or the computation itself (``models``).
"""

from typing import TYPE_CHECKING

import dagster as dg

from assets.night import ONE_RUN_PER_DAY, OWNERS, POOL, Night, step
from warehouse.build import replace_table, replace_table_from_numpy

if TYPE_CHECKING:
    import duckdb

__all__ = ["COMPONENT_COLUMNS", "find_people", "identity_asset"]

COMPONENT_COLUMNS = {
    "source_record_id": "varchar",
    "component_id": "varchar",
    "crowd_id": "varchar",
    "dropped_strength": "bigint",
    "is_apart": "boolean",
}
# Ids are 16 hexadecimal digits, so they are numbers, too, which are compared and sorted at a tenth of the cost.
_NUMBER = "cast('0x' || {} as ubigint)"
_PAIRS = f"""
    select
        {_NUMBER.format("source_record_id")} as source_record,
        {_NUMBER.format("joined_record_id")} as joined_record,
        cast(strength as bigint) as strength
    from core.identity_edges
"""
_APART = f"""
    select {_NUMBER.format("first_record_id")}, {_NUMBER.format("second_record_id")}
    from core.identity_decisions
    where action = 'split'
"""
_COMPONENTS = """
    create or replace table identity.components as
    select
        printf('%016x', record) as source_record_id,
        printf('%016x', person) as component_id,
        case when dropped > 0 then printf('%016x', crowd) end as crowd_id,
        nullif(dropped, 0) as dropped_strength,
        is_apart
    from identity.numbers
"""


def find_people(con: "duckdb.DuckDBPyConnection", max_records: int) -> tuple[int, int]:
    """Write whose each record is that anything might join to another.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        The build file, with the pairs and the decisions.
    max_records : int
        Most records of one person; see ``models.components.resolve``.

    Returns
    -------
    tuple of int
        How many records and how many people there are.
    """
    pairs = con.execute(_PAIRS).fetchnumpy()
    if not pairs["strength"].size:
        # A shop without any pair need not load what follows them.
        replace_table(con, "identity", "components", COMPONENT_COLUMNS, [])
        return 0, 0
    from models.components import resolve

    found = resolve(
        pairs["source_record"],
        pairs["joined_record"],
        pairs["strength"],
        apart=con.execute(_APART).fetchall(),
        max_records=max_records,
    )
    numbers = {
        "record": found.records,
        "person": found.names,
        "crowd": found.crowds,
        "dropped": found.dropped,
        "is_apart": found.is_apart,
    }
    replace_table_from_numpy(con, "identity", "numbers", numbers)
    con.execute(_COMPONENTS)
    con.execute("drop table identity.numbers")
    [(people,)] = con.execute("select count(distinct component_id) from identity.components").fetchall()
    return found.records.size, people


def identity_asset(partitions_def: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Build the asset of the components."""

    @dg.asset(
        key=["identity", "components"],
        deps=[["core", "identity_edges"], ["core", "identity_decisions"]],
        description="Which source records are one person: what joins them, followed to its end.",
        group_name="identity",
        owners=OWNERS,
        kinds={"python"},
        partitions_def=partitions_def,
        backfill_policy=ONE_RUN_PER_DAY,
        pool=POOL,
    )
    def identity(context: dg.AssetExecutionContext, night: Night) -> dg.MaterializeResult:  # type: ignore[type-arg]
        with step("identity", "records") as done, night.build() as con:
            done["count"], people = find_people(con, night.rules.identity.max_records_per_customer)
        return dg.MaterializeResult(metadata={"dagster/row_count": done["count"], "people": people})

    return identity
