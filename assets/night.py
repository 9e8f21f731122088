"""What every step of one night shares: the home, the rules, the lock.

Belongs here: the resource, and the few words all assets use alike (owners, partitions, retries). Does not
belong here: any step itself.
"""

from __future__ import annotations

import contextlib
import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import PrivateAttr

from rules import Rules, dbt_vars, load
from warehouse.home import Home
from warehouse.lock import RunLock
from warehouse.releases import recover

if TYPE_CHECKING:
    import duckdb

__all__ = [
    "MEMORY_LIMIT",
    "ONE_RUN_PER_DAY",
    "OWNERS",
    "POOL",
    "Night",
    "as_of_of",
    "io_retries",
    "nightly_partitions",
    "step",
]

#: Who is asked about a table; a release carries it into the catalogue.
OWNERS = ["team:data-engineering"]
#: A backfill computes its days one run at a time, each as its own night would have.
ONE_RUN_PER_DAY = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)
# Dagster calls this parameter beta at every use.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=dg.BetaWarning)
#: One process may write the build file.
POOL = "build_file"
#: For DuckDB; what does not fit is spilled to disk.
MEMORY_LIMIT = "4GB"

_log = logging.getLogger("keeprate")


def nightly_partitions(time_zone: str) -> dg.DailyPartitionsDefinition:
    """One partition per business day: the as_of of a night."""
    return dg.DailyPartitionsDefinition(start_date="1990-01-01", timezone=time_zone)


def as_of_of(context: dg.AssetExecutionContext) -> date:
    """The day a run computes."""
    return date.fromisoformat(context.partition_key)


class Night(dg.ConfigurableResource):  # type: ignore[type-arg]  # dagster leaves the type parameter open
    """Where a night works and by which rules; holds the home's lock while a run lasts.

    Attributes
    ----------
    home, landing, config : str
        Folder of the home, folder the exports arrive in, file of the business rules.
    holds_lock : bool
        False where the caller holds the lock already, as the command line does.
    full_refresh : bool
        Forget the build file before the night.
    """

    home: str
    landing: str
    config: str
    holds_lock: bool = True
    full_refresh: bool = False
    _rules: Rules | None = PrivateAttr(default=None)

    @property
    def paths(self) -> Home:
        """The folders of the home."""
        return Home(Path(self.home))

    @property
    def rules(self) -> Rules:
        """The business rules, read once per run."""
        if self._rules is None:
            self._rules = load(Path(self.config))
        return self._rules

    @property
    def dbt_vars(self) -> dict[str, Any]:
        """The business rules as SQL models read them."""
        return dbt_vars(self.rules)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Night]:
        """Take the lock and put the home in order before the first step, and let go after the last."""
        with RunLock(self.paths) if self.holds_lock else contextlib.nullcontext():
            for repair in recover(self.paths):
                _log.warning("%s", repair)
            if self.full_refresh:
                self.paths.build_file.unlink(missing_ok=True)
                self.paths.build_file.with_suffix(".duckdb.wal").unlink(missing_ok=True)
            yield self

    @contextmanager
    def build(self, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the build file."""
        from warehouse.connection import connect

        with connect(
            self.paths.build_file,
            read_only=read_only,
            memory_limit=MEMORY_LIMIT,
            temp_directory=self.paths.build / "spill",
        ) as con:
            yield con


@contextmanager
def io_retries() -> Iterator[None]:
    """Ask for two more attempts when the file system or the network failed, and for none when the data did."""
    try:
        yield
    except OSError as error:
        raise dg.RetryRequested(max_retries=2, seconds_to_wait=10) from error


@contextmanager
def step(name: str, unit: str = "rows") -> Iterator[dict[str, int | None]]:
    """Log one line for a step: what it was, how much, how many seconds. The block sets ``done["count"]``."""
    started = time.perf_counter()
    done: dict[str, int | None] = {"count": None}
    yield done
    count = "" if done["count"] is None else f"{done['count']:,} {unit}, "
    _log.info("%s: %s%.1f s", name, count, time.perf_counter() - started)
