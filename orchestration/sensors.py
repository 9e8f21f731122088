"""Sensors that start a night when something happens outside.

Belongs here: noticing new deliveries in the landing folder. Does not belong here: reading them
(``sources/``), or announcing failures (``notifications.py``).
"""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self
from zoneinfo import ZoneInfo

import dagster as dg

if TYPE_CHECKING:
    # Not among Dagster's public names; needed by the type checker alone.
    from dagster._core.definitions.target import ExecutableDefinition

Stamp = tuple[int, int]
"""Size in bytes and modification time in nanoseconds: enough to see that a file is still being written."""

_UNFINISHED = (".tmp", ".temp", ".part", ".partial", ".crdownload", ".download", ".filepart", ".swp", "~")
_MINIMUM_INTERVAL_SECONDS = 60


@dataclass(frozen=True)
class Cursor:
    """What the sensor remembers between two ticks.

    Attributes
    ----------
    seen : mapping of str to Stamp
        Files of the last tick.
    requested : mapping of str to Stamp
        Files a night was last requested for.
    """

    seen: Mapping[str, Stamp] = field(default_factory=dict)
    requested: Mapping[str, Stamp] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str | None) -> Self:
        """Read a cursor; anything unreadable counts as none, which costs one tick."""
        try:
            content = json.loads(text or "{}")
            return cls(**{name: _stamps(content.get(name, {})) for name in ("seen", "requested")})
        except (ValueError, TypeError, AttributeError):
            return cls()

    def to_json(self) -> str:
        """Text that `from_json` reads."""
        return json.dumps({"seen": self.seen, "requested": self.requested}, ensure_ascii=False, sort_keys=True)


def delivery_sensor(
    job: "ExecutableDefinition",
    landing: Path,
    *,
    time_zone: str,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.STOPPED,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dg.SensorDefinition:
    """Sensor that requests a night when new files lie complete in the landing folder.

    A night reads the whole folder, so it is requested only when every file is as it was one tick before.

    Parameters
    ----------
    job : job definition
        Job with daily partitions; the partition requested is yesterday.
    landing : Path
        Folder the exports arrive in, with one subfolder per source.
    time_zone : str
        Business time zone (IANA name), which says when yesterday ended.
    default_status : DefaultSensorStatus
        Stopped by default: the schedule runs the night, this only adds nights.
    clock : callable
        Returns the time of a tick, with a time zone.
    """
    zone = ZoneInfo(time_zone)

    @dg.sensor(
        job=job,
        name="new_deliveries",
        description="Requests a night when new or changed files lie complete in the landing folder.",
        minimum_interval_seconds=_MINIMUM_INTERVAL_SECONDS,
        default_status=default_status,
    )
    def new_deliveries(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        cursor, request, reason = tick(Cursor.from_json(context.cursor), landing)
        if request is None:
            return dg.SensorResult(skip_reason=dg.SkipReason(reason), cursor=cursor.to_json())
        yesterday = clock().astimezone(zone).date() - timedelta(days=1)
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(
                    run_key=request,
                    partition_key=yesterday.isoformat(),
                    tags={"keeprate/trigger": "delivery"},
                )
            ],
            cursor=cursor.to_json(),
        )

    return new_deliveries


def tick(cursor: Cursor, landing: Path) -> tuple[Cursor, str | None, str]:
    """Compare the landing folder with the last tick.

    Returns
    -------
    cursor : Cursor
        To remember.
    request : str or None
        Key of the set of files a night is wanted for; the same set has the same key.
    reason : str
        One sentence: why a night is wanted, or why not.
    """
    if not landing.is_dir():
        return (
            cursor,
            None,
            f"The landing folder {landing} does not exist; create it for the exports.",
        )
    files = dict(sorted(scan(landing)))
    if unsettled := [name for name, stamp in files.items() if cursor.seen.get(name) != stamp]:
        reason = f"{len(unsettled)} file(s) are new or still being written; they count once unchanged."
        return Cursor(files, cursor.requested), None, reason
    if not (new := [name for name, stamp in files.items() if cursor.requested.get(name) != stamp]):
        # Removed files are forgotten, so that one that comes back is new.
        reason = f"No new delivery: {len(files)} file(s) in {landing}, a night was requested for all of them."
        return Cursor(files, files), None, reason
    return Cursor(files, files), run_key(files), f"{len(new)} new or changed file(s) are complete."


def scan(landing: Path) -> Iterator[tuple[str, Stamp]]:
    """Yield relative path and stamp of every regular file that is neither hidden nor named as unfinished."""
    for folder, folders, names in os.walk(landing):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.startswith((".", "~$")) or name.lower().endswith(_UNFINISHED):
                continue
            path = Path(folder, name)
            try:
                status = path.lstat()
            except FileNotFoundError:
                # Moved away while we were looking: the next tick sees the folder without it.
                continue
            if stat.S_ISREG(status.st_mode):
                yield path.relative_to(landing).as_posix(), (status.st_size, status.st_mtime_ns)


def run_key(files: Mapping[str, Stamp]) -> str:
    """Hash of a set of files, whatever their order."""
    return hashlib.sha256(json.dumps(sorted(files.items())).encode()).hexdigest()


def _stamps(content: Mapping[str, list[int]]) -> dict[str, Stamp]:
    return {name: (int(size), int(time)) for name, (size, time) in content.items()}
