"""One run at a time on one home.

Belongs here: the lock. Does not belong here: what is done while it is held. The lock is the kernel's
(``flock``): it is freed when the process ends, however it ends, so a lock is never stale. The file's content
only says who holds it.
"""

import fcntl
import json
import os
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from warehouse.errors import LockHeld
from warehouse.home import Home

__all__ = ["RunLock", "lock_holder"]


class RunLock:
    """Context manager that holds the lock of a home, or refuses at once.

    Parameters
    ----------
    home : Home
        The home to work on; its root is made if it is missing.

    Raises
    ------
    LockHeld
        On entering, if another process (or another ``RunLock`` of this one) holds it.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        self.home.prepare()
        # Python's descriptors are not inherited by programs it starts, so no child can keep the lock alive.
        descriptor = os.open(self.home.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _read_holder(descriptor)
            os.close(descriptor)
            raise _held(self.home, holder) from None
        holder = {"pid": os.getpid(), "started_at": datetime.now(UTC).isoformat(timespec="seconds")}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def lock_holder(home: Home) -> LockHeld | None:
    """Return who holds the lock of a home, as the error a run would meet, or None if it is free."""
    try:
        descriptor = os.open(home.lock_file, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        # A shared lock is enough to notice an exclusive one, and two who only ask do not disturb each other.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _held(home, _read_holder(descriptor))
    finally:
        os.close(descriptor)
    return None


def _read_holder(descriptor: int) -> dict[str, Any]:
    """Return what the holder wrote; empty in the instant between its locking and its writing."""
    try:
        holder = json.loads(os.pread(descriptor, 1000, 0))
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _held(home: Home, holder: dict[str, Any]) -> LockHeld:
    pid, started_at = holder.get("pid"), holder.get("started_at")
    who = f"process {pid}, since {started_at}," if pid else "another process"
    return LockHeld(
        f"{home.lock_file} is held: {who} works on this home; wait for it to end, or end it.", pid, started_at
    )
