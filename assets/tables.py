"""The tables that are SQL: three dbt steps around identity and predictions, and the gate on the warehouse.

Belongs here: which tables are built in which step, and what Dagster shows of them. Does not belong here:
SQL, or how dbt is started.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets

from assets.dbt_process import DbtProcess, FailedTest, TablesFailedError, TestsFailedError
from assets.night import ONE_RUN_PER_DAY, OWNERS, POOL, Night, step

__all__ = [
    "AFTER_SCORES",
    "BEFORE_IDENTITY",
    "BEFORE_SCORES",
    "dbt_process",
    "mart_keys",
    "table_assets",
    "warehouse_gate_check",
]

BEFORE_IDENTITY, BEFORE_SCORES, AFTER_SCORES = "tag:before_identity", "tag:before_scores", "tag:after_scores"
_GROUPS = {"staging": "staging", "core": "core", "marts": "marts"}


class Translator(DagsterDbtTranslator):
    """Names and describes dbt's nodes as the other assets are."""

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: Any) -> dg.AssetSpec:
        """Add group, owner and kinds to what dbt knows."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = manifest["nodes"].get(unique_id) or manifest["sources"][unique_id]
        return spec.replace_attributes(
            group_name=_GROUPS.get(node["schema"], node["schema"]),
            owners=OWNERS,
            description=node["description"],
        ).merge_attributes(kinds={"sql"})


def dbt_process(home: Path, variables: Mapping[str, Any]) -> DbtProcess:
    """Return dbt for a home and its rules."""
    return DbtProcess(home.resolve() / "build" / "dbt", variables)


def mart_keys(manifest_file: Path) -> dict[str, list[str]]:
    """The columns each published table is ordered by: its grain, as the project declares it."""
    nodes = json.loads(manifest_file.read_text(encoding="utf-8"))["nodes"].values()
    return {
        node["name"]: list(node["config"]["meta"]["grain"])
        for node in nodes
        if node["resource_type"] == "model" and node["schema"] == "marts"
    }


def table_assets(process: DbtProcess, partitions_def: dg.PartitionsDefinition[str]) -> list[dg.AssetsDefinition]:
    """Build the dbt steps: what identity needs, what the predictions need, and what needs the predictions."""
    translator = Translator(DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True))
    common: dict[str, Any] = {
        "manifest": process.ensure_manifest(),
        "partitions_def": partitions_def,
        "backfill_policy": ONE_RUN_PER_DAY,
        "dagster_dbt_translator": translator,
        "pool": POOL,
    }

    @dbt_assets(name="tables_before_identity", select=BEFORE_IDENTITY, exclude="resource_type:unit_test", **common)
    def tables_before_identity(context: dg.AssetExecutionContext, night: Night) -> Iterator[Any]:
        yield from _built(context, night, "tables before identity", select=BEFORE_IDENTITY)

    @dbt_assets(name="tables_before_scores", select=BEFORE_SCORES, exclude="resource_type:unit_test", **common)
    def tables_before_scores(context: dg.AssetExecutionContext, night: Night) -> Iterator[Any]:
        yield from _built(context, night, "tables before scores", select=BEFORE_SCORES)

    @dbt_assets(name="tables_after_scores", select=AFTER_SCORES, exclude="resource_type:unit_test", **common)
    def tables_after_scores(context: dg.AssetExecutionContext, night: Night) -> Iterator[Any]:
        yield from _built(context, night, "tables after scores", select=AFTER_SCORES)

    return [tables_before_identity, tables_before_scores, tables_after_scores]


def _built(context: dg.AssetExecutionContext, night: Night, name: str, *, select: str) -> Iterator[Any]:
    process = dbt_process(night.paths.root, night.dbt_vars)
    with step(name) as done:
        report = process.build(context, select=select, is_last=select == AFTER_SCORES)
        facts = _facts(night)
        refusals = {test.name: _refusal(night, test) for test in report.failed_tests}
        warnings = {test.name: _refusal(night, test) for test in report.warned_tests}
        made = {_table_of(event, context) for event in report.events}
        done["count"] = sum(rows for table, (rows, _) in facts.items() if table in made)
    for event in report.events:
        told = _with_warning(event, warnings)
        yield _with_refusal(told, refusals) if refusals else _with_facts(told, facts, context)
    if report.failed_tables:
        raise TablesFailedError("; ".join(report.failed_tables))
    if report.failed_tests:
        raise TestsFailedError("; ".join(refusals.values()))


def _refusal(night: Night, test: FailedTest) -> str:
    """What a failed test found, in one line that quotes nothing but what it may."""
    if not test.tells:
        return test.sentence("")
    columns = ", ".join(f'"{column}"' for column in test.tells)
    with night.build(read_only=True) as con:
        rows = con.execute(f"select distinct {columns} from ({test.query}) order by all limit 10").fetchall()
    return test.sentence(" for " + ", ".join(" ".join(map(str, row)) for row in rows))


def _with_refusal(event: Any, refusals: Mapping[str, str]) -> Any:
    """Say in a failed check what failed and what to do: a notification quotes it."""
    refusal = refusals.get(event.check_name or "") if isinstance(event, dg.AssetCheckResult) else None
    return event if refusal is None else event._replace(description=refusal)


def _with_warning(event: Any, warnings: Mapping[str, str]) -> Any:
    """Say in a check that only warns what it found, as gates do: the summary of the night quotes it."""
    warning = warnings.get(event.check_name or "") if isinstance(event, dg.AssetCheckResult) else None
    if warning is None:
        return event
    return event._replace(description=warning, metadata={**event.metadata, "warnings": warning})


def _facts(night: Night) -> dict[str, tuple[int, dg.TableSchema]]:
    """Rows and columns of every table of the build file; dagster-dbt's own way leaves its database open."""
    with night.build(read_only=True) as con:
        tables = con.execute(
            "select schema_name, table_name from duckdb_tables() where schema_name in ('core', 'marts') order by all"
        ).fetchall()
        columns = con.execute(
            "select table_name, column_name, lower(data_type) from duckdb_columns() "
            "where schema_name in ('core', 'marts') order by table_name, column_index"
        ).fetchall()
        counts = {
            table: con.execute(f'select count(*) from "{schema}"."{table}"').fetchall()[0][0]
            for schema, table in tables
        }
    return {
        table: (
            rows,
            dg.TableSchema([dg.TableColumn(column, kind) for owner, column, kind in columns if owner == table]),
        )
        for table, rows in counts.items()
    }


def _table_of(event: Any, context: dg.AssetExecutionContext) -> str | None:
    """The table that an event of dbt says was made, if it says so."""
    return context.asset_key_for_output(event.output_name).path[-1] if isinstance(event, dg.Output) else None


def _with_facts(event: Any, facts: Mapping[str, tuple[int, dg.TableSchema]], context: dg.AssetExecutionContext) -> Any:
    """Add row count and schema to the materialisation of a table."""
    table = _table_of(event, context)
    if table is None or table not in facts:
        return event
    rows, schema = facts[table]
    return event.with_metadata({**event.metadata, "dagster/row_count": rows, "dagster/column_schema": schema})


@dg.asset_check(
    asset=["marts", "list_members"],
    name="warehouse_gate",
    blocking=True,
    description="No table is published whose values, size or days cannot be right.",
    pool=POOL,
)
def warehouse_gate_check(context: dg.AssetCheckExecutionContext, night: Night) -> dg.AssetCheckResult:
    """Judge the marts."""
    from assets.gates import report
    from expectations import Limits, warehouse_gate
    from warehouse.releases import previous_release

    with step("warehouse gate", "expectations") as done, night.build() as con:
        as_of = con.execute("select max(as_of) from run.as_of_dates").fetchall()[0][0]
        # Not the release that is served: a night that is repeated must compare itself with the same one again.
        before = previous_release(night.paths, as_of)
        result = warehouse_gate(
            con,
            as_of=as_of,
            time_zone=night.rules.business.time_zone,
            previous=before.manifest["row_counts"] if before else None,
            rfm_bins=night.rules.rfm.bins,
            limits=Limits.from_rules(night.rules.gates),
        )
        done["count"] = result.evaluated
        return report(con, result)
