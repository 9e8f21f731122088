"""The errors of this room. Each message is one sentence for a user: what is wrong, where, what to do."""

__all__ = ["IdentifierKeyError", "LockHeld", "WarehouseError"]


class WarehouseError(Exception):
    """A file, a folder or a release is not as it has to be."""


class IdentifierKeyError(WarehouseError):
    """The secret of the published ids cannot be used: a fault of the configuration."""


class LockHeld(WarehouseError):  # noqa: N818 (it names what is the case, as FileExists would)
    """Another process works on the same home.

    Attributes
    ----------
    pid : int or None
        The process that holds the lock, where it has written its number already.
    started_at : str or None
        When it took the lock, ISO 8601 in UTC.
    """

    def __init__(self, message: str, pid: int | None = None, started_at: str | None = None) -> None:
        super().__init__(message)
        self.pid = pid
        self.started_at = started_at
