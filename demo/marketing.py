"""What the company does to sell: campaigns and their messages, win-back trials, consent, points, referrals, plans.

Belongs here: marketing's tables, sales reps and exchange rates. Does not belong here: how people respond
(``buying.py``).
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from demo.buying import Trial
from demo.people import SHOPIFY, SYSTEMS, YONYOU, People
from demo.records import HOME, Records
from demo.schema import moment, money, relation
from demo.vocabulary import (
    DRAWS,
    GIVEN_NAMES,
    SURNAMES,
    WESTERN_FIRST_NAMES,
    WESTERN_LAST_NAMES,
    chance,
    column,
    pick,
)

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Numbers = NDArray[np.int64]
    Flags = NDArray[np.bool_]

__all__ = [
    "Campaign",
    "calendar",
    "write_campaigns",
    "write_consents",
    "write_points",
    "write_rates",
    "write_referrals",
    "write_reps",
    "write_subscriptions",
]

_DAY = 86_400
#: Month and day, days, name of each promotion.
_PROMOTIONS = ((1, 5, 20, "年货节"), (3, 1, 20, "春季焕新"), (6, 5, 16, "618 年中大促"), (11, 1, 12, "双十一"))
_WIN_BACK_DAYS = (365, 510, 650, 790, 940)
WIN_BACK_WINDOW = 60
_REACHED = 0.04
_REFERRED = 0.03
_REASONS = ("price", "moved", "unused", "service", "other")


@dataclass(frozen=True)
class Campaign:
    """A campaign: its number, name and kind (promotion, win_back), first day and length in days."""

    no: int
    name: str
    kind: str
    start: int
    days: int

    @property
    def end(self) -> int:
        """The first day after it."""
        return self.start + self.days


def calendar(starts_on: date, days: int) -> list[Campaign]:
    """The promotions of each year and then the win-back campaigns, as far as they end in time."""
    planned = [
        ((date(year, month, day) - starts_on).days, length, f"{year} {name}", "promotion")
        for year in range(starts_on.year, starts_on.year + days // 365 + 2)
        for month, day, length, name in _PROMOTIONS
    ]
    planned += [
        (start, WIN_BACK_WINDOW, f"老客召回 {place}", "win_back") for place, start in enumerate(_WIN_BACK_DAYS, start=1)
    ]
    in_time = [plan for plan in planned if plan[0] >= 0 and plan[0] + plan[1] <= days]
    return [Campaign(no, name, kind, start, length) for no, (start, length, name, kind) in enumerate(in_time, start=1)]


def write_campaigns(
    con: "duckdb.DuckDBPyConnection",
    rng: np.random.Generator,
    campaigns: list[Campaign],
    trials: dict[int, Trial],
    people: People,
    records: Records,
    created: "Numbers",
    starts_on: date,
    start: int,
) -> None:
    """Fill ``company.campaigns``, ``company.touches`` and ``company.arms``.

    Parameters
    ----------
    trials : dict of int to Trial
        The trial of each win-back campaign, by its number.
    created : ndarray, shape (people,)
        Since when the record at home exists.
    start : int
        First midnight in seconds since 1970, UTC.
    """
    numbers, persons, moments = [], [], []
    for campaign in campaigns:
        begins = start + campaign.start * _DAY
        if campaign.kind == "win_back":
            trial = trials[campaign.no]
            person = trial.person[trial.treated]
            spread = _DAY
        else:
            person = np.flatnonzero((created < begins) & (rng.random(people.size) < _REACHED))
            spread = 3 * _DAY
        numbers.append(np.full(person.size, campaign.no))
        persons.append(person)
        moments.append(begins + rng.integers(0, spread, person.size))
    person, at = _joined(persons), _joined(moments)
    order = np.lexsort((person, at))
    home = records.find_home(people.size)[person[order]]
    with relation(
        con,
        "_touches",
        {
            "no": np.arange(1, person.size + 1),
            "campaign": _joined(numbers)[order],
            "system": records.system[home],
            "record": records.no[home],
            "person_no": person[order] + 1,
            "at": at[order],
            "mail": people.has_email[person[order]] & (rng.random(person.size) < 0.6),
            "status": rng.integers(0, DRAWS, person.size),
        },
    ):
        con.execute(f"""
            insert into company.touches
            select
                no,
                campaign,
                {pick(SYSTEMS, "system")},
                record,
                person_no,
                {moment('"at"')},
                case when mail then 'email' else 'sms' end,
                case
                    when {chance("status", 0.03)} then 'bounced'
                    when not mail or {chance("status", 0.6)} then 'sent'
                    when {chance("status", 0.9)} then 'opened'
                    else 'clicked'
                end,
                case when mail then 0.01 else 0.05 end
            from _touches
            order by no
        """)
    with relation(
        con,
        "_campaigns",
        {
            "no": np.array([one.no for one in campaigns], dtype=np.int64),
            "name": np.array([one.name for one in campaigns], dtype=object),
            "kind": np.array([one.kind for one in campaigns], dtype=object),
            "start": np.array([one.start for one in campaigns], dtype=np.int64),
            "last": np.array([one.end - 1 for one in campaigns], dtype=np.int64),
        },
    ):
        # Whatever else a campaign costs comes on top of its messages.
        con.execute(f"""
            insert into company.campaigns
            with messages as (
                select campaign_no, sum(cost_amount) as cost
                from company.touches
                group by campaign_no
            )

            select
                c.no,
                c.name,
                c.kind,
                date '{starts_on}' + c.start::integer,
                date '{starts_on}' + c."last"::integer,
                5000 + 1000 * (c.no % 4) + coalesce(round(2 * m.cost), 0),
                2000 + 100 * c.no + coalesce(m.cost, 0),
                'CNY'
            from _campaigns as c
            left join messages as m on c.no = m.campaign_no
            order by c.no
        """)
    with relation(
        con,
        "_arms",
        {
            "campaign": np.repeat(list(trials), [trial.person.size for trial in trials.values()]).astype(np.int64),
            "person": _joined([trial.person for trial in trials.values()]) + 1,
            "treated": _joined([trial.treated for trial in trials.values()]).astype(bool),
            "would_return": _joined([trial.would_return for trial in trials.values()]).astype(bool),
            "persuaded": _joined([np.isin(trial.person, trial.persuaded) for trial in trials.values()]).astype(bool),
            "gone": _joined([trial.gone_before for trial in trials.values()]).astype(bool),
        },
    ):
        con.execute("""
            insert into company.arms
            select campaign, person, case when treated then 'treated' else 'control' end,
                would_return, would_return or persuaded, gone
            from _arms
            order by campaign, person
        """)


def write_consents(con: "duckdb.DuckDBPyConnection", rng: np.random.Generator, records: Records, end: int) -> None:
    """Fill ``company.consents``: a first answer with the record, and a withdrawal where the last word is no."""
    home = np.flatnonzero(records.role == HOME)
    created = records.created[home]
    arrays = {"system": records.system[home], "record": records.no[home], "person_no": records.person[home] + 1}
    for channel in ("email", "phone"):
        arrays[f"{channel}_first"] = rng.integers(0, DRAWS, home.size)
        arrays[f"{channel}_later"] = created + 1 + np.floor(rng.random(home.size) * (end - created)).astype(np.int64)
    with relation(con, "_consents", {**arrays, "created": created}):
        con.execute(f"""
            insert into company.consents
            with asked as (
                select
                    c.*,
                    unnest([
                        {{'channel': 'email', 'has': p.email is not null, 'last': p.email_opt_in,
                          'agreed': {chance("c.email_first", 0.3)}, 'later': c.email_later}},
                        {{'channel': 'phone', 'has': true, 'last': p.phone_opt_in,
                          'agreed': {chance("c.phone_first", 0.3)}, 'later': c.phone_later}}
                    ]) as about
                from _consents as c
                inner join company.people as p on c.person_no = p.person_no
            ),

            answers as (
                select *, created as at_s, case when about.last or about.agreed then 'in' else 'out' end as state
                from asked
                where about.has
                union all
                select *, about.later as at_s, 'out' as state
                from asked
                where about.has and not about.last and about.agreed
            )

            select
                {pick(SYSTEMS, "system")} as system,
                record,
                person_no,
                about.channel,
                'marketing',
                {moment("at_s")},
                state
            from answers
            order by system, record, about.channel, at_s
        """)


def write_points(con: "duckdb.DuckDBPyConnection", end: int) -> None:
    """Fill ``company.points``: members earn one per unit of money and spend some ten days later."""
    con.execute(f"""
        insert into company.points
        with earned as (
            select
                o.order_no,
                o.system,
                o.source_customer_no,
                o.person_no,
                o.ordered_at,
                floor(o.net_amount)::integer as n
            from company.orders as o
            inner join company.people as p on o.person_no = p.person_no and o.system = p.home
            where p.membership_level is not null and o.source_customer_no is not null
                and o.kind = 'sale' and o.status in ('completed', 'paid', 'shipped')
        ),

        entries as (
            select order_no, 0 as part, system, source_customer_no, person_no, ordered_at as "at", n as delta,
                'purchase' as reason, ordered_at + interval 365 day as expires_at
            from earned
            union all
            select order_no, 1, system, source_customer_no, person_no, ordered_at + interval 10 day, -(n // 2),
                'redemption', null
            from earned
            where order_no % 7 = 0 and n >= 2 and ordered_at + interval 10 day < {moment(str(end))}
        )

        select row_number() over (order by "at", order_no, part) as entry_no, * exclude (order_no, part)
        from entries
        order by entry_no
    """)


def write_referrals(
    con: "duckdb.DuckDBPyConnection", rng: np.random.Generator, people: People, records: Records
) -> None:
    """Fill ``company.referrals``: somebody whose record is older, in the same system, brought a newcomer."""
    home = records.find_home(people.size)
    shops = np.isin(people.home, (SHOPIFY, YONYOU))
    referred = home[shops & (rng.random(people.size) < _REFERRED) & (records.no[home] > 1)]
    referred = referred[np.lexsort((referred, records.created[referred]))]
    referrer = 1 + np.floor(rng.random(referred.size) * (records.no[referred] - 1)).astype(np.int64)
    with relation(
        con,
        "_referrals",
        {
            "no": np.arange(1, referred.size + 1),
            "system": records.system[referred],
            "referrer": referrer,
            "referred": records.no[referred],
            "at": records.created[referred],
        },
    ):
        con.execute(f"""
            insert into company.referrals
            select no, {pick(SYSTEMS, "system")}, referrer, referred, {moment('"at"')}, 'converted'
            from _referrals
            order by no
        """)


def write_subscriptions(
    con: "duckdb.DuckDBPyConnection",
    rng: np.random.Generator,
    person: "Numbers",
    records: Records,
    started: "Numbers",
    cancelled: "Numbers",
    price: "Numbers",
    starts_on: date,
    days: int,
) -> None:
    """Fill ``company.subscriptions``: yearly terms, paid every three months.

    Parameters
    ----------
    person : ndarray of int
        Places of those with a plan.
    started, cancelled : ndarray of int
        Days since the first; -1: not cancelled.
    price : ndarray of int
        For three months, in hundredths of the own currency.
    """
    home = records.find_home(int(person.max(initial=-1)) + 1)[person]
    last = np.where(cancelled >= 0, cancelled, days)
    renewal = started + 365 * ((last - started) // 365 + 1)
    order = np.lexsort((person, started))
    arrays = {
        "system": records.system[home],
        "record": records.no[home],
        "person_no": person + 1,
        "started": started,
        "cancelled": cancelled,
        "renewal": renewal,
        "mrr": price // 3,
        "reason": rng.integers(0, DRAWS, person.size),
    }
    with relation(
        con,
        "_plans",
        {"no": np.arange(1, person.size + 1), **{name: values[order] for name, values in arrays.items()}},
    ):
        con.execute(f"""
            insert into company.subscriptions
            with dated as (
                select
                    *,
                    date '{starts_on}' + started::integer as started_on,
                    date '{starts_on}' + renewal::integer as renewal_due_on,
                    case when cancelled >= 0 then date '{starts_on}' + cancelled::integer end as cancelled_on
                from _plans
            )

            select
                d.no,
                {pick(SYSTEMS, "d.system")},
                d.record,
                d.person_no,
                d.started_on,
                coalesce(d.cancelled_on, d.renewal_due_on),
                case when d.cancelled_on is null then d.renewal_due_on end,
                {money("d.mrr")},
                p.currency,
                case when d.cancelled_on is null then 'active' else 'cancelled' end,
                d.cancelled_on,
                case when d.cancelled_on is not null then {pick(_REASONS, "d.reason")} end
            from dated as d
            inner join company.people as p on d.person_no = p.person_no
            order by d.no
        """)


def write_reps(con: "duckdb.DuckDBPyConnection", rng: np.random.Generator, reps: int) -> None:
    """Fill ``company.reps``: one in four serves, the others sell; a tenth have left."""
    with relation(
        con,
        "_reps",
        {"no": np.arange(1, reps + 1), **{word: rng.integers(0, DRAWS, reps) for word in ("one", "two", "left_us")}},
    ):
        con.execute(f"""
            insert into company.reps
            select
                no,
                case when no % 4 = 3 then {pick(WESTERN_FIRST_NAMES, "one")} || ' ' || {pick(WESTERN_LAST_NAMES, "two")}
                    else {pick(column(SURNAMES, 0), "one")} || {pick(column(GIVEN_NAMES, 0), "two")} end,
                'rep' || no || '@company.example.com',
                case when no % 4 = 0 then 'service' else 'sales' end,
                no = 1 or not {chance("left_us", 0.1)}
            from _reps
            order by no
        """)


def write_rates(con: "duckdb.DuckDBPyConnection", rng: np.random.Generator, starts_on: date, ends_on: date) -> None:
    """Fill ``company.fx_rates``: CNY per US dollar and Indian rupee on the first of each month, and of the one before.

    Systems that write days and no times write those of UTC, where the first morning still is the eve.
    """
    months = (ends_on.year - starts_on.year) * 12 + ends_on.month - starts_on.month + 1
    first = (starts_on.replace(day=1) - timedelta(days=1)).replace(day=1)
    rates = {
        currency: np.round(level * np.exp(np.append(0, np.cumsum(rng.normal(0, 0.006, months)))), places)
        for currency, level, places in (("USD", 7.1, 4), ("INR", 0.084, 6))
    }
    con.executemany(
        "insert into company.fx_rates values (?, cast(? as date) + to_months(cast(? as integer)), ?)",
        [
            [currency, first, month, str(rate)]
            for currency, series in rates.items()
            for month, rate in enumerate(series.tolist())
        ],
    )


def _joined(parts: "list[NDArray[Any]]") -> "NDArray[Any]":
    """All of them in a row; none at all is no entry."""
    return np.concatenate(parts) if parts else np.array([], dtype=np.int64)
