"""One simulated company: its customers, what they did in three years, and the truth about them.

Belongs here: the order in which the processes run, what each hands to the next, and the true parameters. Does not
belong here: the processes (their modules), and any export format.

Every process draws from a stream of its own, named for it: a new process leaves the others as they are.
"""

import zlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from demo import marketing, records, sales, service
from demo.buying import (
    TIMINGS,
    History,
    Season,
    Trial,
    awake_hours,
    histories,
    rank_within,
    seasonal_index,
    win_back,
)
from demo.people import PRICE_FACTOR, QUIET_FROM, SHOPIFY, YONYOU, Buying, People, draw, write
from demo.schema import create_tables

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Numbers = NDArray[np.int64]
    Flags = NDArray[np.bool_]

__all__ = ["LINES_PER_ORDER", "Parameters", "simulate"]

_DAY = 86_400
#: Three years, with the day that one of them usually has more.
_DAYS = 3 * 365 + 1
#: The company lives by Chinese time, which has no summer time.
_UTC_OFFSET = 8 * 3600
_GUEST_SHARE = 0.06
_UPLIFT = 0.08
#: Of those who could be won back, so many are in each trial.
_INVITED = 0.3
_CREDITED = 0.08
#: Mean of one more than a Poisson number, of which none above five.
LINES_PER_ORDER = 1.8
_STORE_SHARE = 0.3
#: Beyond this, phone numbers of one country could repeat.
_LARGEST = 3_000_000
_CONTRACT = TIMINGS.index("contract")


@dataclass(frozen=True)
class Parameters:
    """The truth in numbers; ``dataclasses.asdict`` of it is ready for JSON.

    Attributes
    ----------
    customers, seed : int
        What was asked for.
    starts_on, ends_on : str
        First and last day, ISO 8601, in the company's time zone.
    time_zone, base_currency : str
        Where the days are counted and what the price list is in.
    r, alpha, a, b : float
        Purchases per day of the random buyers are Gamma(r, rate alpha) while alive, on the season's clock; after each
        purchase they leave with a probability that is Beta(a, b).
    spend_p, spend_q, spend_v : float
        Orders of one person are Gamma(spend_p, rate nu), nu is Gamma(spend_q, rate spend_v), in CNY; accounts buy
        ``account_factor`` times as much, and ``price_factor`` units of a currency stand for one CNY.
    uplift : float
        Difference in the probability to buy within ``win_back_days``, treated against control.
    lines_per_order : float
        About how many goods are in an order.
    refund_share, attempt_share, guest_share : float
        Per purchase (guests: per purchase in the web shop).
    second_records, unlinked_records, duplicate_records, merged_records : int
        Records in another system, those among them that nothing joins, records of the same person in the same
        system, and those among them that were merged.
    hotline_records, family_emails, household_pairs : int
        What different people share: records with one phone, pairs with one e-mail, pairs with one phone.
    """

    customers: int
    seed: int
    starts_on: str
    ends_on: str
    time_zone: str
    base_currency: str
    r: float
    alpha: float
    a: float
    b: float
    spend_p: float
    spend_q: float
    spend_v: float
    account_factor: float
    price_factor: dict[str, float]
    uplift: float
    win_back_days: int
    lines_per_order: float
    refund_share: float
    attempt_share: float
    guest_share: float
    second_records: int
    unlinked_records: int
    duplicate_records: int
    merged_records: int
    hotline_records: int
    family_emails: int
    household_pairs: int


@dataclass(frozen=True)
class _Clock:
    """Days of the simulation as seconds since 1970 in UTC."""

    start: int
    end: int

    @classmethod
    def of(cls, starts_on: date) -> "_Clock":
        start = int(datetime.combine(starts_on, datetime.min.time(), UTC).timestamp()) - _UTC_OFFSET
        return cls(start, start + _DAYS * _DAY)

    def seconds(self, day: "Floats") -> "Numbers":
        return self.start + np.floor(day * _DAY).astype(np.int64)


def simulate(
    con: "duckdb.DuckDBPyConnection",
    *,
    customers: int,
    seed: int,
    ends_on: date = date(2025, 12, 31),
    lines_per_order: float = LINES_PER_ORDER,
) -> Parameters:
    """Simulate the company and write schema ``company``, in place of what stood there.

    Parameters
    ----------
    con : DuckDBPyConnection
        Where to write.
    customers : int
        Number of people and companies that bought at least once, up to three million.
    seed : int
        Not negative. The same customers, seed and last day give the same tables.
    ends_on : date
        Last day, in Chinese time.
    lines_per_order : float
        About how many goods are in an order, from 1 to 5.

    Returns
    -------
    Parameters

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    if not 1 <= customers <= _LARGEST:
        raise ValueError(f"customers must be between 1 and {_LARGEST}, but is {customers}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, but is {seed}")
    if not 1 <= lines_per_order <= 5:
        raise ValueError(f"lines_per_order must be between 1 and 5, but is {lines_per_order}")

    def stream(process: str) -> np.random.Generator:
        name = zlib.crc32(process.encode())
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(name,))))

    starts_on = ends_on - timedelta(days=_DAYS - 1)
    clock = _Clock.of(starts_on)
    season = Season.of(seasonal_index(starts_on, _DAYS))
    buying = Buying()
    create_tables(con)

    people = draw(stream("people"), customers, season, buying)
    natural = histories(stream("purchases"), season, people.first, people.timing, people.rate, people.p)
    guest = _guests(stream("guests"), people, natural)
    created = _registered(stream("registrations"), people, natural, guest, clock)
    campaigns = marketing.calendar(starts_on, _DAYS)
    trials = _trials(stream("win-back"), people, natural, created, campaigns, clock)
    history, campaign, guest = _with_trials(natural, guest, trials)
    at = _seconds(people, history, clock)
    _credit(stream("credit"), campaign, history, campaigns)

    last = at[history.lasts()]
    plan = _plan_prices(stream("plans"), people)
    cancelled = _cancellations(stream("cancellations"), people, history)
    gone = history.gone & (people.timing != _CONTRACT)
    dropped = np.where(gone, last, np.where(cancelled >= 0, clock.start + cancelled * _DAY + _DAY // 2, -1))
    reps = min(max(customers // 400, 2), 300)
    known = np.minimum(created, at[history.firsts()])
    write(con, stream("names"), people, known, dropped, last, reps)

    seconds = records.second_records(stream("second records"), people, created, clock.end)
    tickets = service.tickets(stream("tickets"), people, created, dropped, seconds, clock.end)
    answers = service.survey_answers(stream("surveys"), people, created, dropped, clock.end)
    numbered = records.number(
        stream("records"), people, created, seconds + service.desk_records(tickets, answers), clock.end
    )
    shared = records.write(con, stream("shared contacts"), people, numbered, clock.end)

    planned = (people.timing == _CONTRACT)[history.buyer]
    lines = sales.basket(stream("baskets"), people, history, planned, plan, buying.spend_p, lines_per_order)
    purchases = _placed(stream("places"), people, history, at, campaign, guest, planned, numbered)
    documents = sales.documents(stream("documents"), purchases, lines, planned, clock.end)
    sales.write_products(con)
    sales.write(con, stream("orders"), people, purchases, lines, documents, clock.end)

    service.write_tickets(con, stream("ticket contents"), tickets, numbered, clock.end)
    service.write_surveys(con, stream("survey contents"), answers, numbered)
    service.write_interactions(con, stream("interactions"), numbered, dropped, clock.end)

    marketing.write_campaigns(
        con, stream("campaigns"), campaigns, trials, people, numbered, created, starts_on, clock.start
    )
    marketing.write_consents(con, stream("consents"), numbered, clock.end)
    marketing.write_points(con, clock.end)
    marketing.write_referrals(con, stream("referrals"), people, numbered)
    subscribers = np.flatnonzero(people.timing == _CONTRACT)
    marketing.write_subscriptions(
        con,
        stream("subscriptions"),
        subscribers,
        numbered,
        np.floor(people.first[subscribers]).astype(np.int64),
        cancelled[subscribers],
        plan[subscribers],
        starts_on,
        _DAYS,
    )
    marketing.write_reps(con, stream("reps"), reps)
    marketing.write_rates(con, stream("rates"), starts_on, ends_on)

    return Parameters(
        customers=customers,
        seed=seed,
        starts_on=starts_on.isoformat(),
        ends_on=ends_on.isoformat(),
        time_zone="Asia/Shanghai",
        base_currency="CNY",
        r=buying.r,
        alpha=buying.alpha,
        a=buying.a,
        b=buying.b,
        spend_p=buying.spend_p,
        spend_q=buying.spend_q,
        spend_v=buying.spend_v,
        account_factor=15.0,
        price_factor={"CNY": 1.0, "USD": 0.15, "INR": 12.0},
        uplift=_UPLIFT,
        win_back_days=marketing.WIN_BACK_WINDOW,
        lines_per_order=lines_per_order,
        refund_share=sales.REFUNDED,
        attempt_share=sales.ATTEMPTED,
        guest_share=_GUEST_SHARE,
        second_records=int((numbered.role == records.SECOND).sum()),
        unlinked_records=int((numbered.link == records.NOTHING).sum()),
        duplicate_records=int((numbered.role == records.DUPLICATE).sum()),
        merged_records=int((numbered.merged_into > 0).sum()),
        hotline_records=shared.hotline_records,
        family_emails=shared.family_emails,
        household_pairs=shared.household_pairs,
    )


def _seconds(people: People, history: History, clock: _Clock) -> "Numbers":
    """When each purchase was made, at an hour at which its country is awake."""
    return clock.seconds(awake_hours(history.day, QUIET_FROM[people.country[history.buyer]]))


def _guests(rng: np.random.Generator, people: People, history: History) -> "Flags":
    """Purchases in the web shop without an account."""
    may = (people.home == SHOPIFY) & (people.timing != _CONTRACT)
    guest: Flags = may[history.buyer] & (rng.random(history.buyer.size) < _GUEST_SHARE)
    return guest


def _registered(rng: np.random.Generator, people: People, history: History, guest: "Flags", clock: _Clock) -> "Numbers":
    """When everybody's record at home was made: before the first purchase, or after the guest's first ones."""
    at = _seconds(people, history, clock)
    first, last = history.firsts(), history.lasts()
    rank = rank_within(history.buyer)
    # The first purchase with an account; beyond the last where all were made without.
    named = first + np.minimum.reduceat(np.where(guest, last[history.buyer] - first[history.buyer] + 1, rank), first)
    lead = 3600 + np.floor(rng.standard_exponential(people.size) * 10 * _DAY).astype(np.int64)
    previous = at[np.maximum(named - 1, first)]
    following = np.where(named <= last, at[np.minimum(named, last)], clock.end)
    room = np.minimum(following - previous, 30 * _DAY)
    later = previous + np.floor(rng.random(people.size) * room).astype(np.int64)
    return np.where(named == first, at[first] - lead, later)


def _trials(
    rng: np.random.Generator,
    people: People,
    history: History,
    created: "Numbers",
    campaigns: list[marketing.Campaign],
    clock: _Clock,
) -> dict[int, Trial]:
    """The win-back campaigns one after another; nobody takes part twice."""
    eligible = (people.timing == 0) & ~people.is_account
    trials = {}
    for campaign in campaigns:
        if campaign.kind == "win_back":
            invited = eligible & (created < clock.start + campaign.start * _DAY) & (rng.random(people.size) < _INVITED)
            trial = win_back(rng, history, invited, float(campaign.start), float(campaign.days), _UPLIFT)
            eligible[trial.person] = False
            trials[campaign.no] = trial
    return trials


def _with_trials(history: History, guest: "Flags", trials: dict[int, Trial]) -> "tuple[History, Numbers, Flags]":
    """The purchases with those that the trials brought, the campaign each belongs to, and which are guests'."""
    if not trials:
        return history, np.zeros(history.buyer.size, dtype=np.int64), guest
    buyer = np.concatenate([trial.persuaded for trial in trials.values()])
    day = np.concatenate([trial.day for trial in trials.values()])
    brought_by = np.repeat(list(trials), [trial.persuaded.size for trial in trials.values()])
    whole, places = history.with_purchases(buyer, day)
    campaign = np.zeros(whole.buyer.size, dtype=np.int64)
    campaign[places[history.buyer.size :]] = brought_by
    guests = np.zeros(whole.buyer.size, dtype=bool)
    guests[places[: history.buyer.size]] = guest
    return whole, campaign, guests


def _credit(
    rng: np.random.Generator, campaign: "Numbers", history: History, campaigns: list[marketing.Campaign]
) -> None:
    """Write the running promotion onto some of the purchases that no trial brought."""
    for one in campaigns:
        if one.kind == "promotion":
            during = (campaign == 0) & (history.day >= one.start) & (history.day < one.end)
            campaign[during & (rng.random(history.day.size) < _CREDITED)] = one.no


def _plan_prices(rng: np.random.Generator, people: People) -> "Numbers":
    """What three months of the plan would cost everybody, in hundredths of the own currency."""
    listed = sales.PLAN_PRICES[rng.integers(0, sales.PLAN_PRICES.size, people.size)]
    # A whole number of hundredths a month.
    monthly: Numbers = np.rint(listed * PRICE_FACTOR[people.home] / 3).astype(np.int64)
    return monthly * 3


def _cancellations(rng: np.random.Generator, people: People, history: History) -> "Numbers":
    """The day on which a plan was cancelled, before the next instalment; -1: not, or not yet."""
    last = np.floor(history.day[history.lasts()]).astype(np.int64)
    day = last + rng.integers(5, 85, people.size)
    return np.where((people.timing == _CONTRACT) & history.gone & (day < _DAYS), day, -1)


def _placed(
    rng: np.random.Generator,
    people: People,
    history: History,
    at: "Numbers",
    campaign: "Numbers",
    guest: "Flags",
    planned: "Flags",
    numbered: records.Records,
) -> sales.Purchases:
    """Where each purchase was made and which record it names: some of the web shop's customers also go to the store."""
    buyer = history.buyer
    system = people.home[buyer]
    store = numbered.find(people.size, YONYOU)
    since = np.where(store >= 0, numbered.created[store], np.iinfo(np.int64).max)
    in_store = (system == SHOPIFY) & ~guest & ~planned & (since[buyer] <= at) & (rng.random(buyer.size) < _STORE_SHARE)
    system[in_store] = YONYOU
    record = np.where(guest, 0, numbered.named_by(rng, buyer, system, at))
    return sales.Purchases(buyer, at, system, record, campaign)
