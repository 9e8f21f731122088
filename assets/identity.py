"""Between the pairs of records that SQL finds and the customers it makes of them: what hangs together.

Belongs here: reading pairs, writing components. Does not belong here: what makes a pair, who of a component
gives the customer its id (both SQL), or the computation itself (``models``).
"""

import dagster as dg

from assets.night import ONE_RUN_PER_DAY, OWNERS, POOL, Night, step
from warehouse.build import replace_table, replace_table_from_numpy

__all__ = ["COMPONENT_COLUMNS", "identity_asset"]

COMPONENT_COLUMNS = {"source_record_id": "varchar", "component_id": "varchar"}


def identity_asset(partitions_def: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Build the asset of the components."""

    @dg.asset(
        key=["identity", "components"],
        deps=[["core", "identity_edges"]],
        description="Which source records are one person: shared e-mails and phones and merges, followed to their end.",
        group_name="identity",
        owners=OWNERS,
        kinds={"python"},
        partitions_def=partitions_def,
        backfill_policy=ONE_RUN_PER_DAY,
        pool=POOL,
    )
    def identity(context: dg.AssetExecutionContext, night: Night) -> dg.MaterializeResult:  # type: ignore[type-arg]
        with step("identity", "records") as done, night.build() as con:
            pairs = con.execute("select source_record_id, joined_record_id from core.identity_edges").fetchnumpy()
            done["count"] = len(pairs["source_record_id"])
            if not done["count"]:
                # A shop without any pair need not load what follows them.
                replace_table(con, "identity", "components", COMPONENT_COLUMNS, [])
                return dg.MaterializeResult(metadata={"dagster/row_count": 0, "people": 0})
            from models.components import components

            records, people = components(pairs["source_record_id"].astype(str), pairs["joined_record_id"].astype(str))
            replace_table_from_numpy(
                con, "identity", "components", {"source_record_id": records, "component_id": people}
            )
            done["count"] = len(records)
        return dg.MaterializeResult(metadata={"dagster/row_count": len(records), "people": len(set(people))})

    return identity
