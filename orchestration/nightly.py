"""One night, once, in this process: what ``keeprate run`` does.

Belongs here: the order around the job (lock, recovery, the day, the deadline, the verdict, the message when
it fails). Does not belong here:
any step of the job, or how the outcome is printed.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import dagster as dg

    from assets.night import Night
    from rules import Rules

__all__ = ["NightlyOptions", "Outcome", "Step", "run"]

#: The errors that mean "the data was refused", as opposed to "the program failed".
_REFUSALS = {"DagsterAssetCheckFailedError", "TestsFailedError"}
_DONE, _REFUSED, _FAILED = 0, 1, 4
_AGAIN_SECONDS = 30
#: With less than this free, a disk is full.
_FULL_BYTES = 2**20
#: What people call the steps that Dagster names after their assets.
_STEP_NAMES = {
    "raw_feeds": "exports",
    "raw__deliveries_raw_gate": "raw gate",
    "tables_before_identity": "tables before identity",
    "identity__components": "identity",
    "tables_before_scores": "tables before scores",
    "tables_after_scores": "tables after scores",
    "marts__list_members_warehouse_gate": "warehouse gate",
    "release__lists": "lists",
    "release__lists_list_gate": "list gate",
    "release__current": "release",
}


@dataclass(frozen=True)
class NightlyOptions:
    """What a night is asked to do; see ``keeprate run --help``."""

    home: Path
    landing: Path | None
    config: Path
    as_of: str | None
    full_refresh: bool = False
    debug: bool = False


@dataclass(frozen=True)
class Step:
    """A finished step: rows it wrote (None if it writes none) and seconds it took."""

    name: str
    rows: int | None
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What became of a night.

    Attributes
    ----------
    exit_code : int
        0 done, 1 refused, 4 failed.
    as_of : date
        The day that was computed.
    kind : str
        published, backfilled, refused or failed.
    release : str, optional
        Name of the release that was published.
    served : bool
        Whether readers see that release.
    reasons : list of str
        Why it was refused or failed, a sentence each.
    steps : list of Step
        In order.
    where : dict of str to Path
        What to look at.
    warnings : list of str
        What did not stop the night, a sentence each.
    """

    exit_code: int
    as_of: date
    kind: str
    release: str | None = None
    served: bool = False
    reasons: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    where: dict[str, Path] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class DeadlineError(Exception):
    """A night took longer than it may."""


def run(options: NightlyOptions) -> Outcome:
    """Run the job ``nightly`` for one day on the Dagster instance of the home.

    Raises
    ------
    rules.RulesError
        If the rules cannot be read.
    warehouse.errors.IdentifierKeyError
        If the secret of the published ids is no key.
    orchestration.cli.MisuseError
        If the day is not over yet.
    warehouse.errors.LockHeld
        If another run works on the home.
    warehouse.errors.WarehouseError
        If the disk is so full that not even the failure can be recorded.
    """
    from orchestration import instance
    from rules import load
    from warehouse.errors import WarehouseError
    from warehouse.home import Home
    from warehouse.identifiers import KEY_VARIABLE, identifier_key
    from warehouse.lock import RunLock

    rules = load(options.config)
    instance.prepare(options.home)
    os.environ["KEEPRATE_CONFIG"] = str(options.config.resolve())
    with RunLock(Home(options.home)):
        # A mistake in the configuration is told before anything is read, and is no failure of the night.
        identifier_key(Home(options.home), os.environ.get(KEY_VARIABLE))
        try:
            return _run_locked(options, rules)
        except Exception as error:
            if shutil.disk_usage(options.home).free < _FULL_BYTES:
                # Dagster cannot write down either why the run failed, and its database speaks of an "I/O error".
                raise WarehouseError(
                    f"The disk of {options.home} is full; what was served before still is: free some space, "
                    "then run again."
                ) from error
            raise


def _run_locked(options: NightlyOptions, rules: Rules) -> Outcome:
    import dagster as dg

    from orchestration.definitions import JOB, MAX_RUNTIME_SECONDS, build_defs, night_of
    from orchestration.instance import process_tags
    from orchestration.interrupts import insisting
    from orchestration.maintenance import mark_lost_runs
    from orchestration.notifications import failure_of, ledger_path, notify, serving_of

    night = night_of(options.home, options.landing, options.config, holds_lock=False, full_refresh=options.full_refresh)
    with dg.DagsterInstance.get() as instance:
        mark_lost_runs(instance)
        as_of = _day(options.as_of, night, rules)
        job = build_defs(night=night).resolve_job_def(JOB)
        try:
            with _deadline(MAX_RUNTIME_SECONDS), insisting():
                result = job.execute_in_process(
                    instance=instance,
                    partition_key=as_of.isoformat(),
                    tags=process_tags(),
                    # Progress is told by the project's own log; Dagster keeps every event anyway.
                    run_config={
                        "loggers": {"console": {"config": {"log_level": "DEBUG" if options.debug else "CRITICAL"}}}
                    },
                    raise_on_error=False,
                )
        except dg.DagsterExecutionInterruptedError:
            # Between two steps, Dagster does not turn it into the outcome of the run.
            raise KeyboardInterrupt from None
        outcome = _outcome(result, instance, night, as_of)
        if outcome.exit_code != _DONE:
            # No sensor hears of a run without a daemon.
            failure = failure_of(result.dagster_run, instance, home=options.home, serving=serving_of(options.home))
            notify(failure, ledger=ledger_path(options.home))
        return outcome


def _day(wanted: str | None, night: Night, rules: Rules) -> date:
    """The day to compute: the one that was asked for, the last in the data, or yesterday."""
    from assets.raw import latest_day
    from orchestration.cli import LATEST, MisuseError

    yesterday = datetime.now(UTC).astimezone(ZoneInfo(rules.business.time_zone)).date() - timedelta(days=1)
    if wanted is None:
        return yesterday
    if wanted == LATEST:
        latest = latest_day(night)
        return yesterday if latest is None else min(latest, yesterday)
    day = date.fromisoformat(wanted)
    if day > yesterday:
        raise MisuseError(
            f"{day} is not over yet in {rules.business.time_zone}; the last complete business day is {yesterday}."
        )
    return day


def _outcome(result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance, night: Night, as_of: date) -> Outcome:
    from orchestration.notifications import reasons_of
    from warehouse.releases import list_releases

    steps = _steps(result)
    warnings = _warnings(result)
    if not result.success:
        refused = all(kind in _REFUSALS for kind in _failures(result))
        return Outcome(
            exit_code=_REFUSED if refused else _FAILED,
            as_of=as_of,
            kind="refused" if refused else "failed",
            reasons=reasons_of(result.run_id, instance),
            steps=steps,
            warnings=warnings,
        )
    paths = night.paths
    published = next((each for each in list_releases(paths) if each.run_id == result.run_id), None)
    if published is None:
        where = {"history": paths.state_file(as_of)}
        return Outcome(_DONE, as_of, "backfilled", steps=steps, where=where, warnings=warnings)
    folder = paths.current if published.served else published.path
    where = {
        "tables": folder / "warehouse.duckdb",
        "as files": folder / "marts",
        **{f"list {each.id}": folder / "restricted" / "lists" / f"{each.id}.csv" for each in night.rules.lists},
        "manifest": folder / "manifest.json",
    }
    return Outcome(_DONE, as_of, "published", published.name, published.served, [], steps, where, warnings)


def _steps(result: dg.ExecuteInProcessResult) -> list[Step]:
    import dagster as dg

    rows: dict[str, int] = {}
    for event in result.all_events:
        if event.is_step_materialization and event.step_key:
            count = event.step_materialization_data.materialization.metadata.get("dagster/row_count")
            if isinstance(count, dg.IntMetadataValue):
                rows[event.step_key] = rows.get(event.step_key, 0) + (count.value or 0)
    return [
        Step(
            _STEP_NAMES.get(event.step_key, event.step_key),
            rows.get(event.step_key),
            event.step_success_data.duration_ms / 1000,
        )
        for event in result.all_events
        if event.is_step_success and event.step_key
    ]


def _warnings(result: dg.ExecuteInProcessResult) -> list[str]:
    """What the gates only warn of."""
    found = []
    for event in result.get_asset_check_evaluations():
        warned = event.metadata.get("warnings")
        if warned is not None:
            found += [line for line in str(warned.value).splitlines() if line]
    return found


def _failures(result: dg.ExecuteInProcessResult) -> list[str]:
    """The kind of error at the root of each failed step; one of its own for a run that failed outside a step."""
    kinds = []
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None:
                error = error.cause
            kinds.append(error.cls_name or "" if error is not None else "")
    return kinds or ["RunFailure"]


@contextmanager
def _deadline(seconds: int) -> Iterator[None]:
    """Interrupt a night that hangs: without a daemon, nobody else watches it."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise DeadlineError(
            f"The night was ended after {seconds // 3600} hours; see which step was last and why it hung."
        )

    before = signal.signal(signal.SIGALRM, interrupt)
    # Again and again, because an exception out of nowhere may be caught by whoever happens to be at work.
    signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
