"""When people buy and when they leave: the processes behind the orders, in plain numpy.

Belongs here: the seasonal clock, the buying process with dropout, the hours of the day, win-back trials and what an
order is worth. Does not belong here: tables, and who the people are.

A time is a number of days since midnight, in the company's time zone, of the first day of the simulation.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Numbers = NDArray[np.int64]
    Flags = NDArray[np.bool_]

__all__ = [
    "TIMINGS",
    "History",
    "Season",
    "Trial",
    "awake_hours",
    "histories",
    "rank_within",
    "seasonal_index",
    "win_back",
]

#: How people buy; codes are places in this tuple.
TIMINGS = ("random", "annual", "weekly", "contract")
#: Days between purchases of those who do not buy at random, and how far these stray at most.
_PERIOD = np.array([np.nan, 365.25, 7.0, 365.25 / 4])
_STRAYS = np.array([np.nan, 14.0, 2.0, 0.0])

#: Month and day, days that a peak lasts, and how many times as much is bought then.
_PEAKS = ((1, 10, 14, 1.5), (3, 1, 10, 1.3), (6, 10, 10, 1.8), (9, 5, 10, 1.2), (11, 1, 12, 2.6), (12, 10, 16, 1.3))
_LULLS = ((1, 29, 14, 0.5), (7, 10, 30, 0.8))


def seasonal_index(starts_on: date, days: int) -> "Floats":
    """How much is bought on each day, relative to an average day: peaks in spring, in June and at Singles' Day.

    Returns
    -------
    ndarray, shape (days,)
        Positive, with mean 1.
    """
    index = np.ones(days)
    first_year, last_year = starts_on.year, (starts_on + timedelta(days=days)).year
    for year in range(first_year, last_year + 1):
        for month, day, length, factor in (*_PEAKS, *_LULLS):
            start = (date(year, month, day) - starts_on).days
            index[max(start, 0) : max(start + length, 0)] *= factor
    normalised: Floats = index / index.mean()
    return normalised


@dataclass(frozen=True)
class Season:
    """A clock that runs faster on busy days.

    What is a homogeneous process on this clock is a seasonal one in the calendar.

    Attributes
    ----------
    cumulative : ndarray, shape (days + 1,)
        Time on the clock at each midnight, from 0.
    """

    cumulative: "Floats"

    @classmethod
    def of(cls, index: "Floats") -> "Season":
        """The clock of a daily index."""
        return cls(np.concatenate([[0.0], np.cumsum(index)]))

    @property
    def days(self) -> int:
        """Length of the simulation in calendar days."""
        return self.cumulative.size - 1

    def elapsed(self, day: "Floats") -> "Floats":
        """Time on the clock at a calendar time."""
        return np.asarray(np.interp(day, np.arange(self.cumulative.size, dtype=float), self.cumulative))

    def day(self, elapsed: "Floats") -> "Floats":
        """Calendar time at a time on the clock; beyond the end, the end."""
        return np.asarray(np.interp(elapsed, self.cumulative, np.arange(self.cumulative.size, dtype=float)))


@dataclass(frozen=True)
class History:
    """Purchases of all people.

    Attributes
    ----------
    buyer : ndarray, shape (purchases,)
        Place of the person; ascending, and in time order for each.
    day : ndarray, shape (purchases,)
        When.
    gone : ndarray, shape (people,)
        Whether the person left after the last purchase.
    """

    buyer: "Numbers"
    day: "Floats"
    gone: "Flags"

    def firsts(self) -> "Numbers":
        """Where each person's purchases begin; everybody has one."""
        return np.searchsorted(self.buyer, np.arange(self.gone.size))

    def lasts(self) -> "Numbers":
        """Where each person's last purchase stands."""
        return np.searchsorted(self.buyer, np.arange(self.gone.size), side="right") - 1

    def with_purchases(self, buyer: "Numbers", day: "Floats") -> "tuple[History, Numbers]":
        """This history with purchases added, and where each purchase now stands (the added ones last)."""
        buyers, days = np.concatenate([self.buyer, buyer]), np.concatenate([self.day, day])
        order = np.lexsort((days, buyers))
        places = np.empty_like(order)
        places[order] = np.arange(order.size)
        return History(buyers[order], days[order], self.gone), places


def histories(
    rng: np.random.Generator, season: Season, first: "Floats", timing: "Numbers", rate: "Floats", p: "Floats"
) -> History:
    """Simulate everybody's purchases until they leave or time is up.

    After each purchase, the first included, a person leaves with probability ``p``. Until then the random buyers wait
    an exponential time on the season's clock (which, with gamma rates and beta probabilities, is the MBG/NBD model),
    the others about their period in the calendar.

    Parameters
    ----------
    rng : Generator
    season : Season
    first : ndarray, shape (people,)
        Time of the first purchase.
    timing : ndarray of int, shape (people,)
        Places in ``TIMINGS``.
    rate, p : ndarray, shape (people,)
        Purchases per day while alive, and probability to leave.
    """
    gone = np.zeros(first.size, dtype=bool)
    active, at = np.arange(first.size), first
    buyers, days = [active], [at]
    while active.size:
        leaves = rng.random(active.size) < p[active]
        gone[active[leaves]] = True
        active, at = active[~leaves], at[~leaves]
        kind = timing[active]
        wait = rng.standard_exponential(active.size) / rate[active]
        stray = np.clip(rng.standard_normal(active.size) * 0.5, -1, 1)
        at = np.where(kind == 0, season.day(season.elapsed(at) + wait), at + _PERIOD[kind] + stray * _STRAYS[kind])
        in_time = at < season.days
        active, at = active[in_time], at[in_time]
        buyers.append(active)
        days.append(at)
    buyer, day = np.concatenate(buyers), np.concatenate(days)
    order = np.argsort(buyer, kind="stable")
    return History(buyer[order], day[order], gone)


def awake_hours(day: "Floats", quiet_from: "Floats") -> "Floats":
    """Move times within their day out of the nine hours in which hardly anybody buys, keeping their order.

    Parameters
    ----------
    day : ndarray, shape (n,)
        Times.
    quiet_from : ndarray, shape (n,)
        The hour, in the company's time zone, at which those nine begin.
    """
    whole = np.floor(day)
    moved = np.empty_like(day)
    for hour in np.unique(quiet_from):
        chosen = quiet_from == hour
        intensity = np.ones(24)
        intensity[(int(hour) + np.arange(9)) % 24] = 0.05
        cumulative = np.concatenate([[0.0], np.cumsum(intensity / intensity.sum())])
        moved[chosen] = np.interp(day[chosen] - whole[chosen], cumulative, np.arange(25) / 24)
    return whole + np.minimum(moved, 1 - 1e-6)


@dataclass(frozen=True)
class Trial:
    """One win-back campaign as a randomised trial, one entry per participant in ascending order of person.

    Attributes
    ----------
    person, treated, gone_before, would_return : ndarray
        Who; the arm; whether gone already when it began; whether a purchase follows in the window untouched.
    persuaded : ndarray of int
        Those who buy because of it, and ``day`` when they do.
    """

    person: "Numbers"
    treated: "Flags"
    gone_before: "Flags"
    would_return: "Flags"
    persuaded: "Numbers"
    day: "Floats"


def win_back(
    rng: np.random.Generator, history: History, eligible: "Flags", starts: float, window: float, uplift: float
) -> Trial:
    """Try to win back people who are silent for longer than they use to be.

    A random half is treated. Of the treated who would not come back by themselves, as many are persuaded as it takes
    for the return rates of the arms to differ by ``uplift``.

    Parameters
    ----------
    rng : Generator
    history : History
    eligible : ndarray of bool, shape (people,)
        Who may take part at all.
    starts, window : float
        Beginning and length of the campaign, in days.
    uplift : float
        Difference of the probabilities to buy in the window.
    """
    before = history.day < starts
    count = np.bincount(history.buyer[before], minlength=eligible.size)
    start = history.firsts()
    last = history.day[np.maximum(start + count - 1, 0)]
    # A person who bought once has no usual gap yet; ninety days stand for it.
    gap = np.where(count > 1, (last - history.day[start]) / np.maximum(count - 1, 1), 90.0)
    silence = starts - last
    person = np.flatnonzero(eligible & (count > 0) & (silence > np.maximum(1.5 * gap, 30)) & (silence < 365))
    following = np.minimum(start + count, history.lasts())[person]
    alone = history.lasts()[person] >= (start + count)[person]
    would_return = alone & (history.day[following] < starts + window)
    treated = np.zeros(person.size, dtype=bool)
    treated[rng.permutation(person.size)[: person.size // 2]] = True
    base = would_return.mean() if person.size else 0.0
    persuasion = min(uplift / (1 - base), 1.0) if base < 1 else 0.0
    says_yes = treated & ~would_return & (rng.random(person.size) < persuasion)
    persuaded = person[says_yes]
    # A message takes a day to work, and everything it brings falls into the window.
    day = starts + rng.uniform(1.5, window - 1, persuaded.size)
    return Trial(person, treated, history.gone[person] & ~alone, would_return, persuaded, day)


def rank_within(groups: "Numbers") -> "Numbers":
    """Place of each entry among its equals, from 0; ``groups`` must ascend."""
    rank: Numbers = np.arange(groups.size) - np.searchsorted(groups, groups)
    return rank
