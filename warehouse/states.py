"""Which days the states of customers are kept for.

Belongs here: the grid of days on which tiers, stages and segments are read. Does not belong here: the states
themselves (SQL), or the files that keep what was published of them (``releases.py``).
"""

from datetime import date, timedelta
from pathlib import Path

from warehouse.home import Home
from warehouse.releases import STATES, list_releases

__all__ = ["DAYS_KEPT", "MONTHS_KEPT", "grid_days", "published_states", "thin_states"]

#: Days before tonight that are kept one by one, as far as a night was run for them.
DAYS_KEPT = 35
#: Month ends before tonight; the first night computes all of them.
MONTHS_KEPT = 24


def grid_days(home: Home, as_of: date) -> list[date]:
    """The days before `as_of` whose states a night of that day looks back on, in order.

    Parameters
    ----------
    home : Home
        Its history says for which days a night was run.
    as_of : date
        The day of the night; it is not among the days returned.

    Returns
    -------
    list of date
        The last days of the ``MONTHS_KEPT`` months before, and those of the last ``DAYS_KEPT`` days that the
        history holds. The same days, however many nights led to them: a home that is computed anew looks back
        on what one that went on from night to night does.
    """
    month_ends = []
    day = as_of
    for _ in range(MONTHS_KEPT):
        day = day.replace(day=1) - timedelta(days=1)
        month_ends.append(day)
    recorded = (
        day for back in range(1, DAYS_KEPT + 1) if home.state_file(day := as_of - timedelta(days=back)).exists()
    )
    return sorted({*month_ends, *recorded})


def published_states(home: Home, as_of: date) -> list[Path]:
    """The files of what was published of the customers on the days that :func:`grid_days` names, oldest first."""
    return [file for day in grid_days(home, as_of) if (file := home.state_file(day)).exists()]


def thin_states(home: Home, as_of: date) -> list[Path]:
    """Remove the states of days that are neither month ends nor within ``DAYS_KEPT`` of `as_of`.

    Returns
    -------
    list of Path
        What was removed. Days whose release is still there stay: recovery would bring them back.
    """
    kept = {path.name for release in list_releases(home) for path in (release.path / STATES).glob("as_of=*.parquet")}
    oldest = as_of - timedelta(days=DAYS_KEPT)
    old = [
        file
        for file in sorted(home.states.glob("as_of=*.parquet"))
        if file.name not in kept
        and (day := date.fromisoformat(file.stem.removeprefix("as_of="))) < oldest
        and (day + timedelta(days=1)).day != 1
    ]
    for file in old:
        file.unlink()
    return old
