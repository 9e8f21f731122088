"""Keeping a home tidy: run records that grow for ever, and runs whose process is gone.

Belongs here: what Dagster and dbt leave behind. Does not belong here: retention of releases and history
(``warehouse/``), of raw files, or of ticks (``dagster.yaml``).
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from orchestration.instance import PROCESS_TAG, process_is_alive
from warehouse.home import Home

KEEP_DAYS = 90

_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
# A run of this process is created some time before it starts; one that waits in the queue has no process yet.
_UNDER_WAY = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_BATCH = 100
# dagster-dbt names the target folder of each call <op>-<run id>-<random>, seven hex digits each.
_DBT_TARGET = re.compile(r"-[0-9a-f]{7}-[0-9a-f]{7}$")


@dataclass(frozen=True)
class Pruned:
    """What a pruning removed.

    Attributes
    ----------
    runs : int
        Run records.
    targets : int
        Target folders of dbt.
    freed : int
        Size of the removed files in bytes. Space inside the shared databases is reused, not freed.
    """

    runs: int
    targets: int
    freed: int


class PruneConfig(dg.Config):
    """What the weekly pruning keeps."""

    keep_days: int = KEEP_DAYS


def prune_job(home: Path) -> dg.JobDefinition:
    """Job that deletes old run records and old target folders of dbt.

    A deleted run takes its materialisation events along, so the asset pages show the last ``keep_days`` days;
    what was published stays in the releases and in ``history/``.

    Parameters
    ----------
    home : Path
        Home whose ``dagster`` and ``build`` folders are pruned.
    """

    @dg.op(name="prune_old_runs", out=dg.Out(dg.Nothing), description="Deletes what finished long ago.")
    def prune_old_runs(context: dg.OpExecutionContext, config: PruneConfig) -> None:
        before = datetime.now(UTC) - timedelta(days=config.keep_days)
        pruned = prune(context.instance, home, before=before)
        context.add_output_metadata(
            {
                "runs deleted": pruned.runs,
                "dbt targets deleted": pruned.targets,
                "bytes freed": pruned.freed,
                "kept since": before.date().isoformat(),
            }
        )

    @dg.job(
        name="prune",
        description=f"Deletes run records, run logs and dbt targets older than {KEEP_DAYS} days.",
        executor_def=dg.in_process_executor,
    )
    def prune_everything() -> None:
        prune_old_runs()

    return prune_everything


def prune_schedule(job: dg.JobDefinition, time_zone: str) -> dg.ScheduleDefinition:
    """Run ``job`` on Sundays at noon of the business zone, far from the night."""
    return dg.ScheduleDefinition(
        name="weekly_prune",
        job=job,
        cron_schedule="0 12 * * 0",
        execution_timezone=time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )


def prune(instance: dg.DagsterInstance, home: Path, *, before: datetime) -> Pruned:
    """Delete finished runs and dbt target folders that are older than ``before``.

    Parameters
    ----------
    instance : DagsterInstance
        Instance of ``home``.
    home : Path
        Home folder.
    before : datetime
        Runs that ended earlier go, with a time zone.
    """
    runs, freed_by_runs = _prune_runs(instance, Home(home).dagster, before)
    targets, freed_by_targets = _prune_targets(Home(home).build, before)
    return Pruned(runs=runs, targets=targets, freed=freed_by_runs + freed_by_targets)


def mark_lost_runs(instance: dg.DagsterInstance) -> list[str]:
    """Report as failed the runs under way whose process is gone.

    Otherwise a killed process is noticed only at the time limit of run monitoring, without a daemon never.
    Runs without the tag of `orchestration.instance.process_tags` are left to run monitoring.

    Returns
    -------
    list of str
        Ids of the runs reported, oldest first.
    """
    lost = []
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=_UNDER_WAY), ascending=True):
        tag = run.tags.get(PROCESS_TAG)
        if tag is None or process_is_alive(tag):
            continue
        pid = tag.partition("@")[0]
        instance.report_run_failed(
            run,
            f"Process {pid} of this run is gone: it was killed or the machine stopped. Run it again.",
        )
        lost.append(run.run_id)
    return lost


def _prune_runs(instance: dg.DagsterInstance, folder: Path, before: datetime) -> tuple[int, int]:
    """Delete records, then the files that Dagster leaves behind; returns their number and size."""
    old = dg.RunsFilter(statuses=_FINISHED, updated_before=before)
    runs = freed = 0
    while records := instance.get_run_records(filters=old, limit=_BATCH, ascending=True):
        for record in records:
            run_id = record.dagster_run.run_id
            instance.delete_run(run_id)
            for leftover in _files_of_run(folder, run_id):
                freed += _remove(leftover)
        runs += len(records)
    return runs, freed


def _files_of_run(folder: Path, run_id: str) -> Iterator[Path]:
    """The event database of a run, which Dagster empties but keeps, and the folder of its logs."""
    yield from (folder / "history" / "runs").glob(f"{run_id}.db*")
    yield folder / "storage" / run_id


def _prune_targets(folder: Path, before: datetime) -> tuple[int, int]:
    old = [
        path
        for path in folder.rglob("*")
        if _DBT_TARGET.search(path.name)
        and path.is_dir()
        and not path.is_symlink()
        and path.stat().st_mtime < before.timestamp()
    ]
    return len(old), sum(_remove(path) for path in old)


def _remove(path: Path) -> int:
    """Delete a file or folder, if it exists; returns its size in bytes."""
    if path.is_dir():
        size = sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())
        shutil.rmtree(path)
        return size
    if path.exists():
        size = path.stat().st_size
        path.unlink()
        return size
    return 0
