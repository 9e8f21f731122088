"""Where Dagster keeps runs and events: its own SQLite files, whose event log does not start anew at every event.

Belongs here: how the files are opened, and the private names of Dagster that this needs. Does not belong here: where
they lie (``instance.py``), or what they hold.

Dagster's event log opens a database for every statement, compiles the statement, and closes the database again, which
makes SQLite move its log into the file: some two thousand times in a night, a fifth of the processor time of a small
one. Here a few databases stay open. What is committed is as safe as before: every commit still waits for the disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

if TYPE_CHECKING:
    from dagster._serdes import ConfigurableClassData
    from sqlalchemy.engine import Connection, Engine

__all__ = ["EventLog", "Storage"]

#: The index of all runs, the run under way, and some that somebody looks at.
_KEPT_OPEN = 4
_BUSY_SECONDS = 60


class EventLog(SqliteEventLogStorage):
    """Dagster's event log, one file per run and one for all, which keeps the last few open."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}
        super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._opened(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as con:
                yield con

    def _opened(self, shard: str) -> Engine:
        """The database of a run, or the one of all, as the last one used."""
        engine = self._engines.pop(shard, None)
        if engine is None:
            engine = sqlalchemy.create_engine(
                self.conn_string_for_shard(shard), pool_size=1, connect_args={"timeout": _BUSY_SECONDS}
            )
        self._engines[shard] = engine
        if len(self._engines) > _KEPT_OPEN:
            self._engines.pop(next(iter(self._engines))).dispose()
        return engine

    def dispose(self) -> None:
        """Close every database."""
        super().dispose()
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()


class Storage(DagsterSqliteStorage):
    """Dagster's storage in SQLite, with this project's event log."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        theirs = self._event_log_storage
        self._event_log_storage = EventLog(theirs._base_dir)
        theirs.dispose()

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Any) -> Self:
        """Open the storage that the settings of a home name."""
        return cls.from_local(inst_data=inst_data, **config_value)
