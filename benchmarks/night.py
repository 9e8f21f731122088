"""A child that runs one night, as ``keeprate run`` does, and reports its steps.

Belongs here: nothing but that. Does not belong here: measuring from outside (``measure.py``).
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from benchmarks import AS_OF, DEFAULT_RULES, RULES
from benchmarks.measure import Report, Stage

#: What a night imports when it first needs it. Imported ahead, it shows as one stage instead of hiding in all of them.
_IMPORTED_LATER = (
    "orchestration.definitions",
    "orchestration.nightly",
    "dagster_dbt.core.dbt_cli_event",
    "dbt.adapters.duckdb.impl",
    "dbt.cli.main",
    "expectations.gate",
    "great_expectations",
    "matplotlib.figure",
    "models.scoring",
)


def main(home: Path, as_of: str = AS_OF, *, full_refresh: bool = False) -> None:
    """Run the night of a day and report: by the rules of the bundled export on its last day, else by default ones."""
    report = Report()
    with report.stage("imports"):
        for module in _IMPORTED_LATER:
            importlib.import_module(module)

    from orchestration.nightly import NightlyOptions, run

    with report.stage("night"):
        rules = RULES if as_of == AS_OF else DEFAULT_RULES
        outcome = run(NightlyOptions(home, None, rules, as_of, full_refresh))
    if outcome.exit_code != 0:
        raise RuntimeError(f"The night was {outcome.kind}: {'; '.join(outcome.reasons)}")
    night = report.stages.pop()

    with report.stage("report"):
        ends = _ends(home)
    report.own_seconds = report.stages.pop().seconds

    # Both lists hold the steps that succeeded, in the order in which they did.
    steps = [
        Stage(step.name, step.seconds, ended_at, step.rows) for step, ended_at in zip(outcome.steps, ends, strict=True)
    ]
    between = night.seconds - sum(step.seconds for step in steps)
    report.stages += [*steps, Stage("before and between the steps", between, None)]
    report.send()


def _ends(home: Path) -> list[float]:
    """When each step of the last run ended, by Dagster's own log."""
    from dagster import DagsterEventType

    from orchestration.instance import open_instance

    with open_instance(home) as instance:
        (last,) = instance.get_runs(limit=1)
        records = instance.get_records_for_run(last.run_id, of_type=DagsterEventType.STEP_SUCCESS).records
    return [record.timestamp for record in records]


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:3], full_refresh="--full-refresh" in sys.argv)
