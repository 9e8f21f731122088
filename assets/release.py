"""Last step: everything that was built and judged becomes one release, or one more day of history.

Belongs here: collecting what goes into a release. Does not belong here: the protocol of publishing
(``warehouse``).
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg

from assets.gates import gate_rows
from assets.night import MEMORY_LIMIT, ONE_RUN_PER_DAY, OWNERS, POOL, Night, as_of_of, io_retries, step
from assets.tables import dbt_process, mart_keys
from warehouse.build import replace_table

__all__ = ["release_asset"]

_GATE_KEY = ["gate", "check", "table_name", "column_name"]


def release_asset(marts: Sequence[dg.AssetKey], partitions_def: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """Build the asset of the release.

    Parameters
    ----------
    marts : sequence of AssetKey
        The tables that are published.
    partitions_def : PartitionsDefinition
        The days.
    """

    @dg.asset(
        key=["release", "current"],
        deps=[*marts, ["core", "customer_states"], ["release", "lists"]],
        description="What readers see: the tables as one DuckDB file and as Parquet, the lists, a manifest of it all.",
        group_name="release",
        owners=OWNERS,
        kinds={"duckdb", "parquet"},
        partitions_def=partitions_def,
        backfill_policy=ONE_RUN_PER_DAY,
        # The gates have passed by now; whether the release is in time is a question of the clock on the wall.
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=timedelta(hours=36), warn_window=timedelta(hours=28)
        ),
        output_required=False,
        pool=POOL,
    )
    def release(context: dg.AssetExecutionContext, night: Night) -> Iterator[dg.Output[None]]:
        with step("release") as done, io_retries():
            published = _publish(context, night)
            if published is not None:
                done["count"] = sum(published["rows"].values())
        if published is not None:
            yield dg.Output(None, metadata={"dagster/row_count": done["count"], **published["facts"]})

    return release


def _publish(context: dg.AssetExecutionContext, night: Night) -> dict[str, Any] | None:
    """Publish the day, or add it to the history where a later day is served already."""
    from destinations.list_files import write_parquet
    from expectations import RESULT_COLUMNS
    from rules import keep
    from warehouse.export import export_marts
    from warehouse.home import state_name
    from warehouse.releases import RESTRICTED, STATES, add_history_state, publish, serves_later
    from warehouse.states import thin_states

    paths, as_of = night.paths, as_of_of(context)
    work = paths.work / context.run.run_id
    state = work / STATES / state_name(as_of)
    state.parent.mkdir(exist_ok=True)
    with night.build() as con:
        write_parquet(con, "select * from core.customer_states order by customer_id", state)
        gates = gate_rows(con)
        replace_table(con, "marts", "gate_results", dict.fromkeys(RESULT_COLUMNS, "varchar"), gates)
        inputs = con.execute(
            "select delivery_id, source, file, feed, records from marts.deliveries order by all"
        ).fetchall()
    if serves_later(paths, as_of):
        add_history_state(paths, state, as_of)
        return None

    keys = mart_keys(dbt_process(paths.root, night.dbt_vars).manifest_file) | {"gate_results": _GATE_KEY}
    rows = export_marts(paths.build_file, work, keys, memory_limit=MEMORY_LIMIT)
    config = keep(Path(night.config), night.rules, work / RESTRICTED / "rules")
    published = publish(
        paths,
        work,
        {
            "run_id": context.run.run_id,
            "as_of": as_of,
            "code_version": version("keeprate"),
            "config_hash": night.rules.hash,
            "config_file": str(config.relative_to(work)),
            "inputs": [
                dict(zip(("delivery_id", "source", "file", "feed", "records"), each, strict=True)) for each in inputs
            ],
            "gates": [dict(zip(RESULT_COLUMNS, each, strict=True)) for each in gates],
        },
    )
    thin_states(paths, as_of)
    size = sum(file["bytes"] for file in published.manifest["files"].values())
    return {
        "rows": rows,
        "facts": {"release": published.name, "served": published.served, "tables": len(rows), "bytes": size},
    }
