"""What the weekly pruning deletes and keeps, and which runs count as lost."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from orchestration import instance as instances
from orchestration import maintenance

FAR_FUTURE = datetime.now(UTC) + timedelta(days=1)
FAR_PAST = datetime.now(UTC) - timedelta(days=1)


@dg.asset
def table() -> None:
    sys.stdout.write("captured in the run's log\n")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in instances.environment(tmp_path):
        # Registered so that what `prepare` sets is undone after the test.
        monkeypatch.setenv(variable, "")
    return tmp_path / "home"


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with instances.open_instance(home) as instance:
        yield instance


def files_of(home: Path, run_id: str) -> list[Path]:
    return list((home / "dagster").rglob(f"*{run_id}*"))


def test_everything_dagster_writes_lies_in_the_home(
    home: Path, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    run = dg.materialize([table], instance=instance)
    assert files_of(home, run.run_id)
    assert list(elsewhere.iterdir()) == []


def test_the_settings_are_in_force(home: Path, instance: dg.DagsterInstance) -> None:
    assert instances.settings_in_force(home)
    assert not instance.telemetry_enabled
    assert not instance.nux_enabled
    assert instance.run_monitoring_enabled
    assert instance.get_settings("run_monitoring")["max_runtime_seconds"] > 0
    pools = instance.get_concurrency_config().pool_config
    assert pools.default_pool_limit == 1
    assert pools.pool_granularity is not None
    assert pools.pool_granularity.value == "run"
    assert not instance.run_retries_enabled


def test_preparing_replaces_changed_settings_and_keeps_the_folder_private(home: Path) -> None:
    instances.prepare(home)
    copy = home / "dagster" / "dagster.yaml"
    copy.write_text("telemetry: {enabled: true}\n", encoding="utf-8")
    assert not instances.settings_in_force(home)
    instances.prepare(home)
    assert instances.settings_in_force(home)
    assert [path.name for path in copy.parent.iterdir()] == ["dagster.yaml"]
    assert copy.parent.stat().st_mode & 0o777 == 0o700
    assert os.environ["DAGSTER_HOME"] == str(copy.parent.resolve())


def test_old_runs_go_with_all_their_files(home: Path, instance: dg.DagsterInstance) -> None:
    runs = [dg.materialize([table], instance=instance).run_id for _ in range(2)]
    kept = maintenance.prune(instance, home, before=FAR_PAST)
    assert kept == maintenance.Pruned(runs=0, targets=0, freed=0)
    assert all(files_of(home, run_id) for run_id in runs)
    pruned = maintenance.prune(instance, home, before=FAR_FUTURE)
    assert pruned.runs == 2
    assert pruned.freed > 0
    assert instance.get_runs() == []
    assert not any(files_of(home, run_id) for run_id in runs)


def test_a_run_under_way_is_never_pruned(home: Path, instance: dg.DagsterInstance) -> None:
    run = under_way(instance, {})
    assert maintenance.prune(instance, home, before=FAR_FUTURE).runs == 0
    assert instance.get_run_by_id(run.run_id) is not None


def test_more_runs_than_one_batch_are_pruned(
    home: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "_BATCH", 1)
    for _ in range(3):
        instance.report_run_failed(under_way(instance, {}))
    assert maintenance.prune(instance, home, before=FAR_FUTURE).runs == 3


def test_only_old_target_folders_of_dbt_are_deleted(home: Path, instance: dg.DagsterInstance) -> None:
    target = home / "build" / "dbt" / "target"
    old, new, other = (target / name for name in ("op-0123abc-4567def", "op-89abcde-f012345", "compiled"))
    for folder in (old, new, other):
        folder.mkdir(parents=True)
        (folder / "run_results.json").write_text("{}", encoding="utf-8")
    long_ago = (FAR_PAST - timedelta(days=1)).timestamp()
    for folder in (old, other):
        os.utime(folder, (long_ago, long_ago))
    pruned = maintenance.prune(instance, home, before=FAR_PAST)
    assert (pruned.targets, pruned.freed) == (1, 2)
    assert not old.exists()
    assert new.exists()
    assert other.exists()


def test_the_job_reports_what_it_deleted(home: Path, instance: dg.DagsterInstance) -> None:
    job = maintenance.prune_job(home)
    result = job.execute_in_process(
        instance=instance, run_config={"ops": {"prune_old_runs": {"config": {"keep_days": 30}}}}
    )
    assert result.success
    (output,) = [event for event in result.all_events if event.is_successful_output]
    metadata = output.step_output_data.metadata
    assert metadata["runs deleted"].value == 0
    assert set(metadata) == {"runs deleted", "dbt targets deleted", "bytes freed", "kept since"}


def test_pruning_is_scheduled_weekly_in_the_business_zone(home: Path) -> None:
    schedule = maintenance.prune_schedule(maintenance.prune_job(home), "Asia/Shanghai")
    assert schedule.execution_timezone == "Asia/Shanghai"
    assert schedule.cron_schedule == "0 12 * * 0"
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def under_way(instance: dg.DagsterInstance, tags: dict[str, str]) -> dg.DagsterRun:
    """A run whose record says that it is being executed."""
    job = dg.define_asset_job("nightly", selection=[table])
    resolved = dg.Definitions(assets=[table], jobs=[job]).resolve_job_def("nightly")
    return instance.create_run_for_job(resolved, status=dg.DagsterRunStatus.STARTED, tags=tags)


def status_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


@pytest.fixture
def killed_process() -> dict[str, str]:
    """Tags of a process that tagged its run and was then killed."""
    code = (
        "from orchestration.instance import process_tags; import sys;"
        "print(*process_tags().values(), flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    tag = process.stdout.readline().strip()
    assert instances.process_is_alive(tag)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return {instances.PROCESS_TAG: tag}


def test_runs_of_a_killed_process_are_reported_as_failed(
    instance: dg.DagsterInstance, killed_process: dict[str, str]
) -> None:
    lost = under_way(instance, killed_process)
    living = under_way(instance, instances.process_tags())
    foreign = under_way(instance, {})
    assert maintenance.mark_lost_runs(instance) == [lost.run_id]
    assert status_of(instance, lost) is dg.DagsterRunStatus.FAILURE
    assert status_of(instance, living) is dg.DagsterRunStatus.STARTED
    assert status_of(instance, foreign) is dg.DagsterRunStatus.STARTED
    assert maintenance.mark_lost_runs(instance) == []


def test_a_process_that_was_killed_between_creating_a_run_and_starting_it_leaves_none_behind(
    instance: dg.DagsterInstance, killed_process: dict[str, str]
) -> None:
    job = dg.Definitions(assets=[table]).resolve_implicit_global_asset_job_def()
    lost = instance.create_run_for_job(job, tags=killed_process)
    assert status_of(instance, lost) is dg.DagsterRunStatus.NOT_STARTED
    assert maintenance.mark_lost_runs(instance) == [lost.run_id]
    assert status_of(instance, lost) is dg.DagsterRunStatus.FAILURE


def test_another_process_with_the_same_number_is_not_the_same_process() -> None:
    (tag,) = instances.process_tags().values()
    assert tag.startswith(f"{os.getpid()}@")
    assert instances.process_is_alive(tag)
    assert instances.process_is_alive(str(os.getpid()))
    assert not instances.process_is_alive(f"{os.getpid()}@1")
