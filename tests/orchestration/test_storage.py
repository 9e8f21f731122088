"""Dagster's files are its own, whoever opens them; the event log keeps a few of them open and no more."""

import inspect
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

from orchestration import instance as instances
from orchestration.storage import EventLog, Storage


@dg.asset
def table() -> None:
    pass


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with instances.open_instance(tmp_path / "home") as instance:
        yield instance


def open_databases(folder: Path) -> set[str]:
    """Names of the databases below a folder that this process has open."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        try:
            file = Path(os.readlink(link))
        except FileNotFoundError:
            continue
        if file.suffix == ".db" and file.is_relative_to(folder.resolve()):
            found.add(file.stem)
    return found


def test_the_settings_name_this_storage(instance: dg.DagsterInstance) -> None:
    assert isinstance(instance.event_log_storage, EventLog)


def test_a_command_without_a_home_needs_none_for_the_projects_settings() -> None:
    """``dagster definitions validate`` without DAGSTER_HOME reads the project's own file."""
    assert "DAGSTER_HOME}" not in instances.SETTINGS.read_text(encoding="utf-8")


def test_the_private_names_of_dagster_exist() -> None:
    assert list(inspect.signature(SqliteEventLogStorage._connect).parameters) == ["self", "shard"]
    assert list(inspect.signature(SqliteEventLogStorage._initdb).parameters) == ["self", "engine", "for_index_shard"]
    assert callable(SqliteEventLogStorage.conn_string_for_shard)
    assert callable(DagsterSqliteStorage.from_local)


def test_dagsters_own_storage_reads_what_this_one_wrote(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    run = dg.materialize([table], instance=instance)
    theirs = DagsterSqliteStorage.from_local(str(instances.dagster_home(tmp_path / "home"))).event_log_storage
    found = [entry.dagster_event_type for entry in theirs.get_logs_for_run(run.run_id)]
    assert found == [entry.dagster_event_type for entry in instance.all_logs(run.run_id)]
    assert dg.DagsterEventType.RUN_SUCCESS in found
    assert theirs.has_asset_key(table.key)


def test_few_databases_stay_open_and_none_once_the_instance_is_closed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with instances.open_instance(home) as instance:
        runs = [dg.materialize([table], instance=instance).run_id for _ in range(6)]
        assert all(instance.all_logs(run) for run in runs)
        assert runs[-1] in open_databases(home)
        assert len(open_databases(home)) <= 4
    assert open_databases(home) == set()
    assert list((home / "dagster" / "history" / "runs").glob("*.db-wal")) == []


def test_two_who_write_at_once_lose_no_event(tmp_path: Path) -> None:
    with instances.open_instance(tmp_path / "home") as first:
        folder = str(instances.dagster_home(tmp_path / "home"))
        second = Storage.from_local(folder)
        entry = first.all_logs(dg.materialize([table], instance=first).run_id)[0]

        def write(log: EventLog | SqliteEventLogStorage) -> None:
            for _ in range(50):
                log.store_event(entry)

        before = len(first.all_logs(entry.run_id))
        writers = [
            threading.Thread(target=write, args=(log,)) for log in (first.event_log_storage, second.event_log_storage)
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert len(first.all_logs(entry.run_id)) == before + 100
        second.dispose()
