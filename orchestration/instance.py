"""The Dagster instance of a home: where it lies and how a process is pointed at it.

Belongs here: copying the settings, the environment variables, opening the instance, recognising the process
that executes a run. Does not belong here: jobs, schedules, or anything that reads data.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.home import Home

if TYPE_CHECKING:
    import dagster as dg

SETTINGS = Path(__file__).resolve().parents[1] / "dagster.yaml"
"""The settings every home receives a copy of, with `_STORAGE` added."""

# Not among the settings: where no DAGSTER_HOME is set, Dagster reads them from the folder it is started in.
_STORAGE = """
# Where Dagster would keep runs and events by itself, in the same files.
storage:
  custom:
    module: orchestration.storage
    class: Storage
    config:
      base_dir: {env: DAGSTER_HOME}
"""

PROCESS_TAG = "keeprate/pid"
"""Run tag naming the process that executes a run: ``<pid>`` or ``<pid>@<start time>``."""


def dagster_home(home: Path) -> Path:
    """Folder of the home that holds run history, logs and settings of Dagster."""
    return Home(home.resolve()).dagster


def environment(home: Path) -> dict[str, str]:
    """Environment variables that point Dagster and this project's definitions at ``home``."""
    return {
        "KEEPRATE_HOME": str(home.resolve()),
        "DAGSTER_HOME": str(dagster_home(home)),
        # The settings say so too, but they are not read before the instance is open.
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }


def prepare(home: Path) -> None:
    """Give ``home`` a Dagster instance and point this process at it.

    Makes the folders of the home that are missing, replaces the instance's ``dagster.yaml`` by the project's
    when they differ and sets `environment`. Repeating it changes nothing.

    Parameters
    ----------
    home : Path
        Home folder; created when it does not exist.

    Raises
    ------
    OSError
        If the folder cannot be created or written.
    """
    folder = dagster_home(home)
    Home(home).prepare()
    if not settings_in_force(home):
        copy = folder / f".dagster.yaml.{os.getpid()}"
        copy.write_bytes(_settings())
        # A daemon may be reading the old file at this moment.
        copy.replace(folder / SETTINGS.name)
    os.environ.update(environment(home))


def settings_in_force(home: Path) -> bool:
    """Whether the settings of ``home`` are the project's, byte for byte."""
    copy = dagster_home(home) / SETTINGS.name
    return copy.is_file() and copy.read_bytes() == _settings()


def _settings() -> bytes:
    return SETTINGS.read_bytes() + _STORAGE.encode()


def open_instance(home: Path) -> dg.DagsterInstance:
    """Prepare ``home`` and open its Dagster instance; close it with a ``with`` block."""
    import dagster as dg

    prepare(home)
    return dg.DagsterInstance.get()


def process_tags() -> dict[str, str]:
    """Run tags by which `process_is_alive` later recognises the current process."""
    pid = os.getpid()
    started = _start_time(pid)
    return {PROCESS_TAG: str(pid) if started is None else f"{pid}@{started}"}


def process_is_alive(tag: str) -> bool:
    """Whether the process a run was tagged with still exists.

    Parameters
    ----------
    tag : str
        Value of the tag `PROCESS_TAG`. With a start time, a later process that was given the same number does
        not count as the same one.

    Raises
    ------
    ValueError
        If the value does not begin with a process number.
    """
    number, _, started = tag.partition("@")
    pid = int(number)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # It exists and belongs to somebody else.
        pass
    return not started or _start_time(pid) == started


def _start_time(pid: int) -> str | None:
    """Start of a process in clock ticks since boot; None for a zombie and where ``/proc`` does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command's name, the second field, may hold spaces and brackets: count from its last bracket.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]
