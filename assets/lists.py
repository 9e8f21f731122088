"""The lists as files, and the gate on every row of them.

Belongs here: writing what leaves the building into the unfinished release. Does not belong here: who is on
a list (SQL) and how it is delivered.
"""

import shutil

import dagster as dg

from assets.night import ONE_RUN_PER_DAY, OWNERS, POOL, Night, io_retries, step

__all__ = ["RESTRICTED_TABLES", "list_asset", "list_gate_check"]

#: What only those may read who work with persons: table of the build file to the columns it is ordered by.
RESTRICTED_TABLES = {"contacts": "customer_id, source, source_customer_id", "rejected_records_full": "all"}
#: For whoever looks after the source systems: what to correct where, file by file. What is written into the last column
#: comes back by `keeprate replay`.
REJECTED_WORKLIST = """
    select
        source, file, delivery_id, feed, record_no, source_key, code, column_name, raw_value, advice_zh, advice_en,
        '' as corrected_value
    from core.rejected_records_full
    where not is_corrected
    order by all
"""


def list_asset(partitions_def: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Build the asset of the list files."""

    @dg.asset(
        key=["release", "lists"],
        deps=[
            ["core", "list_rows"],
            ["marts", "list_members"],
            *(["core", table] for table in RESTRICTED_TABLES),
        ],
        description="One CSV for people and one Parquet for machines per list, in the unfinished release.",
        group_name="release",
        owners=OWNERS,
        kinds={"csv", "parquet"},
        partitions_def=partitions_def,
        backfill_policy=ONE_RUN_PER_DAY,
        pool=POOL,
    )
    def lists(context: dg.AssetExecutionContext, night: Night) -> dg.MaterializeResult:  # type: ignore[type-arg]
        from destinations.list_files import write_csv, write_list, write_parquet
        from warehouse.releases import RESTRICTED, new_work

        with step("lists") as done, io_retries():
            shutil.rmtree(night.paths.work / context.run.run_id, ignore_errors=True)
            restricted = new_work(night.paths, context.run.run_id) / RESTRICTED
            counts = {}
            with night.build(read_only=True) as con:
                for wanted in night.rules.lists:
                    counts[wanted.id] = write_list(con, wanted.id, restricted / "lists")
                for table, order in RESTRICTED_TABLES.items():
                    write_parquet(con, f"select * from core.{table} order by {order}", restricted / f"{table}.parquet")
                write_csv(con, REJECTED_WORKLIST, restricted / "rejected_records.csv")
            done["count"] = sum(counts.values())
        return dg.MaterializeResult(metadata={"dagster/row_count": sum(counts.values()), **counts})

    return lists


@dg.asset_check(
    asset=["release", "lists"],
    name="list_gate",
    blocking=True,
    description="Every row of every list can be acted on, and no list has a size that cannot be right.",
    pool=POOL,
)
def list_gate_check(context: dg.AssetCheckExecutionContext, night: Night) -> dg.AssetCheckResult:
    """Judge the rows of the lists."""
    from assets.gates import report
    from expectations import Limits, list_gate

    with step("list gate", "expectations") as done, night.build() as con:
        result = list_gate(
            con.execute("select * from core.list_rows order by list_id, priority_rank").df(),
            list_ids=[wanted.id for wanted in night.rules.lists],
            limits=Limits.from_rules(night.rules.gates),
        )
        done["count"] = result.evaluated
        return report(con, result)
