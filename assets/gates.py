"""How a gate's verdict reaches Dagster and the release.

Belongs here: turning a ``GateResult`` into a check result and rows. Does not belong here: what is expected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from warehouse.build import replace_table

if TYPE_CHECKING:
    import duckdb

    from expectations import GateResult

__all__ = ["gate_rows", "report"]


def report(con: duckdb.DuckDBPyConnection, result: GateResult) -> dg.AssetCheckResult:
    """Keep every expectation's verdict in ``run.gate_<name>`` and return them as one blocking check.

    The description has one line per failed expectation: it is what a notification says.
    """
    from expectations import RESULT_COLUMNS

    rows = result.rows
    replace_table(con, "run", f"gate_{result.gate}", dict.fromkeys(RESULT_COLUMNS, "varchar"), rows)
    return dg.AssetCheckResult(
        passed=result.passed,
        severity=dg.AssetCheckSeverity.ERROR,
        description="\n".join(result.lines()) or f"{result.evaluated} expectations hold.",
        metadata={
            "expectations": dg.MetadataValue.md(result.table()),
            "evaluated": result.evaluated,
            "warnings": "\n".join(result.warning_lines()),
        },
    )


def gate_rows(con: duckdb.DuckDBPyConnection) -> list[tuple[str, ...]]:
    """Every verdict of tonight's gates so far, in the order of ``expectations.RESULT_COLUMNS``."""
    gates = con.execute(
        "select table_name from duckdb_tables() "
        "where schema_name = 'run' and starts_with(table_name, 'gate_') order by 1"
    ).fetchall()
    return [row for (gate,) in gates for row in con.execute(f'select * from run."{gate}"').fetchall()]
