"""Where things lie under a home, and with which permissions.

Belongs here: paths and folders. Does not belong here: what the files contain.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

__all__ = ["Home", "state_name"]

PRIVATE, PUBLIC = 0o700, 0o755


def state_name(as_of: date) -> str:
    """Return the file name of the narrow customer state of one day."""
    return f"as_of={as_of.isoformat()}.parquet"


@dataclass(frozen=True)
class Home:
    """The folders of one installation.

    Parameters
    ----------
    root : Path
        The home itself; kept as it is given, so that a relative home prints as one.
    """

    root: Path

    @property
    def landing(self) -> Path:
        """What the CRM exported, untouched."""
        return self.root / "landing"

    @property
    def raw(self) -> Path:
        """Immutable Parquet, one file per feed, delivery and profile."""
        return self.root / "raw"

    @property
    def rejected(self) -> Path:
        """Records that could not be read."""
        return self.root / "rejected"

    @property
    def build(self) -> Path:
        """The disposable database of the build, and what dbt writes."""
        return self.root / "build"

    @property
    def build_file(self) -> Path:
        """The database file of the build; its stem is the catalog name that views in it may carry."""
        return self.build / "warehouse.duckdb"

    @property
    def work(self) -> Path:
        """Unfinished releases; emptied when a night starts."""
        return self.root / "work"

    @property
    def releases(self) -> Path:
        """Finished releases, one immutable folder each."""
        return self.root / "releases"

    @property
    def current(self) -> Path:
        """The relative symbolic link to the release that readers see."""
        return self.root / "current"

    @property
    def history(self) -> Path:
        """What outlives releases."""
        return self.root / "history"

    @property
    def states(self) -> Path:
        """The narrow customer state of each published day."""
        return self.history / "states"

    @property
    def ledger(self) -> Path:
        """One line per release that was completed, its history included."""
        return self.history / "releases.jsonl"

    @property
    def audit(self) -> Path:
        """One line per intervention: rollbacks, unpins, repairs."""
        return self.history / "audit.jsonl"

    @property
    def identifier_key(self) -> Path:
        """The secret behind published ids that stand for an e-mail address or phone; part of no release."""
        return self.history / "identifier.key"

    @property
    def pin_file(self) -> Path:
        """Says which release must be served, whatever the nights publish; absent when none must."""
        return self.root / "pinned"

    @property
    def lock_file(self) -> Path:
        """Locked while a run works on this home; never deleted."""
        return self.root / "run.lock"

    @property
    def dagster(self) -> Path:
        """The folder of the Dagster instance."""
        return self.root / "dagster"

    def state_file(self, as_of: date) -> Path:
        """Return where the narrow customer state of `as_of` lies in the history."""
        return self.states / state_name(as_of)

    def prepare(self) -> None:
        """Make the folders that are missing: readable by everybody what is published, private everything
        else.

        The permissions of a folder that exists are left alone: somebody may have opened ``landing`` to the
        account that delivers into it.
        """
        for folder, mode in (
            (self.root, PUBLIC),
            (self.releases, PUBLIC),
            (self.landing, PRIVATE),
            (self.raw, PRIVATE),
            (self.rejected, PRIVATE),
            (self.build, PRIVATE),
            (self.work, PRIVATE),
            (self.history, PRIVATE),
            (self.states, PRIVATE),
            (self.dagster, PRIVATE),
        ):
            if not folder.exists():
                folder.mkdir(parents=True, mode=PRIVATE)
                # mkdir's mode is cut by the umask, which may be anything under a scheduler.
                folder.chmod(mode)
