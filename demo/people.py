"""Who the customers are: their home system, how they buy, their names and how to reach them.

Belongs here: drawing people and writing table ``company.people``. Does not belong here: the records that systems keep
of them (``records.py``).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from demo.buying import Season
from demo.schema import moment, relation
from demo.vocabulary import (
    BRAND_ENDINGS,
    BRAND_STARTS,
    CHANNELS,
    CHINESE_CITIES,
    DRAWS,
    EMAIL_DOMAINS,
    GIVEN_NAMES,
    INDIAN_CITIES,
    INDIAN_FIRST_NAMES,
    INDIAN_LAST_NAMES,
    INDUSTRIES,
    MEMBERSHIP_LEVELS,
    NORTH_AMERICAN_CITIES,
    SURNAMES,
    TRADES,
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

__all__ = ["CURRENCIES", "HOMES", "SYSTEMS", "Buying", "People", "draw", "phone_digits", "write"]

#: Systems that hold customers; codes are places in this tuple. The first six are homes.
SYSTEMS = ("shopify", "yonyou", "kingdee", "salesforce", "zoho", "hubspot", "tencent_qidian", "jiandaoyun")
HOMES = SYSTEMS[:6]
SHOPIFY, YONYOU, KINGDEE, SALESFORCE, ZOHO, HUBSPOT, TENCENT, JIANDAOYUN = range(8)

#: By country, then by home: its country, and units of its currency per CNY in the company's price lists.
_CHINA, _AMERICA, _INDIA = range(3)
CURRENCIES = ("CNY", "USD", "INR")
COUNTRY_OF_HOME = np.array([_CHINA, _CHINA, _CHINA, _AMERICA, _INDIA, _AMERICA])
PRICE_FACTOR = np.array([1.0, 1.0, 1.0, 0.15, 12.0, 0.15])
#: The hour in China at which the nine quiet hours of each country begin.
QUIET_FROM = np.array([23.0, 12.0, 2.0])

_CHINESE_PREFIXES = np.array([130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 150, 151, 152, 153, 155, 156, 157, 158,
                              159, 173, 176, 177, 178, 180, 181, 182, 183, 185, 186, 187, 188, 189])  # fmt: skip
_AREA_CODES = np.array([206, 212, 213, 312, 404, 415, 512, 617, 702, 713, 718, 305, 214, 503, 602, 619, 303, 612, 919])
_EXCHANGES = np.array([code for code in range(220, 999) if code % 100 != 11 and code != 555])
_INDIAN_PREFIXES = np.array([9876, 9820, 9845, 9880, 9811, 9810, 9830, 9840, 9900, 9819])
#: Prime, and larger than what it is multiplied by: numbers in sequence become distinct numbers that look drawn.
_SCATTER = 2_654_435_761


@dataclass(frozen=True)
class Buying:
    """True parameters of the buying processes; times in days, spend in CNY.

    Attributes
    ----------
    r, alpha : float
        Purchases per day while alive are Gamma(r, rate alpha).
    a, b : float
        The probability to leave after a purchase is Beta(a, b).
    spend_p, spend_q, spend_v : float
        An order's value is Gamma(p, rate nu), with nu Gamma(q, rate v) over people.
    """

    r: float = 1.4
    alpha: float = 65.0
    a: float = 1.0
    b: float = 5.0
    spend_p: float = 4.0
    spend_q: float = 5.0
    spend_v: float = 180.0


@dataclass(frozen=True)
class People:
    """Everybody, one entry each; person_no is the place + 1.

    Attributes
    ----------
    home, timing : ndarray of int
        Places in ``SYSTEMS`` and ``TIMINGS``.
    is_account : ndarray of bool
    rate, p : ndarray
        Purchases per day, probability to leave after each.
    first : ndarray
        Time of the first purchase, in days.
    spend : ndarray
        Mean value of an order, in the own currency.
    has_email : ndarray of bool
    """

    home: "Numbers"
    is_account: "Flags"
    timing: "Numbers"
    rate: "Floats"
    p: "Floats"
    first: "Floats"
    spend: "Floats"
    has_email: "Flags"

    @property
    def country(self) -> "Numbers":
        """China, North America or India."""
        return COUNTRY_OF_HOME[self.home]

    @property
    def size(self) -> int:
        """How many."""
        return self.home.size


def _homes(customers: int) -> "tuple[Numbers, int]":
    """A home for each customer, accounts first, and how many are accounts."""
    accounts = max(round(0.02 * customers), 1 if customers >= 20 else 0)
    salesforce, indian = accounts // 4, accounts // 6
    counts = {
        KINGDEE: accounts - salesforce - indian,
        SALESFORCE: salesforce,
        ZOHO: indian,
    }
    persons = {YONYOU: customers // 4, ZOHO: max(customers // 20 - indian, 0), HUBSPOT: customers * 2 // 25}
    shopify = customers - accounts - sum(persons.values())
    pairs = [*counts.items(), *persons.items(), (SHOPIFY, shopify)]
    return np.repeat([home for home, _ in pairs], [count for _, count in pairs]), accounts


def draw(rng: np.random.Generator, customers: int, season: Season, buying: Buying) -> People:
    """Draw everybody's traits. Homes, accounts and timings come in fixed shares, in random order."""
    home, accounts = _homes(customers)
    is_account = np.arange(customers) < accounts
    timing = np.zeros(customers, dtype=np.int64)
    persons = customers - accounts
    other = np.repeat([1, 2, 3], [persons // 50, persons // 50, persons // 20])
    timing[accounts + rng.permutation(persons)[: other.size]] = other
    order = rng.permutation(customers)
    home, is_account, timing = home[order], is_account[order], timing[order]

    rate = np.maximum(rng.gamma(buying.r, 1 / buying.alpha, customers), 1e-6)
    p = rng.beta(buying.a, buying.b, customers)
    # Habits last: those who buy by the calendar leave more rarely per purchase the more often they buy.
    rate = np.choose(timing, [rate, 1 / 365.25, 1 / 7, 4 / 365.25])
    p = np.choose(timing, [p, rng.beta(1, 5, customers), rng.beta(1, 40, customers), rng.beta(1, 12, customers)])
    # Slightly more people come every year.
    first = season.day(season.elapsed(np.array(float(season.days))) * rng.random(customers) ** 0.9)
    nu = rng.gamma(buying.spend_q, 1 / buying.spend_v, customers)
    spend = buying.spend_p / nu * PRICE_FACTOR[home] * np.where(is_account, 15, 1)
    has_email = (home != YONYOU) | (rng.random(customers) < 0.6)
    return People(home, is_account, timing, rate, p, first, spend, has_email)


def phone_digits(country: "Numbers", number: "Numbers") -> "Numbers":
    """A valid mobile number, country code first, for each number below ten million, all distinct in a country."""
    china_room = _CHINESE_PREFIXES.size * 10**8
    china = number * _SCATTER % china_room
    america = number * _SCATTER % (_AREA_CODES.size * _EXCHANGES.size * 10**4)
    india = number * _SCATTER % (_INDIAN_PREFIXES.size * 10**6)
    area, rest = america // (_EXCHANGES.size * 10**4), america % (_EXCHANGES.size * 10**4)
    return np.choose(
        country,
        [
            86 * 10**11 + _CHINESE_PREFIXES[china // 10**8] * 10**8 + china % 10**8,
            10**10 + _AREA_CODES[area] * 10**7 + _EXCHANGES[rest // 10**4] * 10**4 + rest % 10**4,
            91 * 10**10 + _INDIAN_PREFIXES[india // 10**6] * 10**6 + india % 10**6,
        ],
    )


_WORDS = (
    "surname", "given", "second", "city", "industry", "channel", "gender", "age", "level", "rep", "email_choice",
    "phone_choice", "domain", "brand", "trade",
)  # fmt: skip


def write(
    con: "duckdb.DuckDBPyConnection",
    rng: np.random.Generator,
    people: People,
    created: "Numbers",
    dropped: "Numbers",
    last: "Numbers",
    reps: int,
) -> None:
    """Fill ``company.people``.

    Parameters
    ----------
    created, dropped, last : ndarray of int, shape (people,)
        Seconds since 1970, UTC; -1: never.
    reps : int
        Number of sales reps.
    """
    arrays = {
        "person_no": np.arange(1, people.size + 1),
        "home": people.home,
        "country": people.country,
        "is_account": people.is_account,
        "timing": people.timing,
        "rate": people.rate,
        "p": people.p,
        "spend": people.spend,
        "has_email": people.has_email,
        "phone": phone_digits(people.country, np.arange(people.size)),
        "created": created,
        "dropped": dropped,
        "last": last,
        **{word: rng.integers(0, DRAWS, people.size) for word in _WORDS},
    }
    with relation(con, "_people", arrays):
        con.execute(f"""
            insert into company.people by name
            with named as (
                select
                    *,
                    case country
                        when 0 then {pick(column(SURNAMES, 0), "surname")}
                        when 1 then {pick(WESTERN_LAST_NAMES, "surname")}
                        else {pick(INDIAN_LAST_NAMES, "surname")}
                    end as last_name,
                    case country
                        when 0 then
                            {pick(column(GIVEN_NAMES, 0), "given")}
                            || case when {chance("second", 0.75)}
                                then {pick(column(GIVEN_NAMES, 0), "second")} else '' end
                        when 1 then {pick(WESTERN_FIRST_NAMES, "given")}
                        else {pick(INDIAN_FIRST_NAMES, "given")}
                    end as first_name,
                    case country
                        when 0 then {pick(column(SURNAMES, 1), "surname")} || {pick(column(GIVEN_NAMES, 1), "given")}
                        else regexp_replace(lower(strip_accents(first_name || '.' || last_name)), '[^a-z.]', '', 'g')
                    end as mailbox,
                    case country
                        when 0 then {pick(column(CHINESE_CITIES, 0), "city")}
                        when 1 then {pick(column(NORTH_AMERICAN_CITIES, 0), "city")}
                        else {pick(column(INDIAN_CITIES, 0), "city")}
                    end as province,
                    case country
                        when 0 then {pick(column(CHINESE_CITIES, 1), "city")}
                        when 1 then {pick(column(NORTH_AMERICAN_CITIES, 1), "city")}
                        else {pick(column(INDIAN_CITIES, 1), "city")}
                    end as town
                from _people
            ),

            titled as (
                select
                    *,
                    case
                        when not is_account then null
                        when country = 0 then
                            town || {pick(BRAND_STARTS, "brand")}
                            || {pick(BRAND_ENDINGS, f"brand // {len(BRAND_STARTS)}")}
                            || {pick(TRADES, "trade")}
                        else last_name || ' ' || {pick(column(INDUSTRIES, 1), "industry")}
                            || case country when 1 then ' Inc.' else ' Pvt Ltd' end
                    end as company,
                    case
                        when country = 0 then last_name || first_name
                        else first_name || ' ' || last_name
                    end as full_name
                from named
            )

            select
                person_no,
                is_account,
                coalesce(company, full_name) as name,
                first_name,
                last_name,
                company as company_name,
                case when has_email then mailbox || person_no || '@' || {pick(EMAIL_DOMAINS, "domain")} end as email,
                '+' || phone as phone,
                case when country = 0 and not is_account and {chance("email_choice", 0.7)}
                    then 'wx_' || mailbox || person_no end as wechat_id,
                case when country = 0 and not is_account and {chance("phone_choice", 0.3)}
                    then (100000000 + domain)::varchar end as qq,
                case when is_account then null when gender % 10 < 4 then 'male' when gender % 10 < 9 then 'female'
                    else 'unknown' end as gender,
                case when not is_account and {chance("level", 0.6)} then date '1950-01-01' + (age % 20000)::integer
                    end as birth_date,
                list_extract(['CN', 'US', 'IN'], country + 1) as country,
                province,
                town as city,
                case when is_account then
                    case when country = 0 then {pick(column(INDUSTRIES, 0), "industry")}
                    else {pick(column(INDUSTRIES, 1), "industry")} end end as industry,
                {pick(CHANNELS, "channel")} as acquisition_channel,
                {pick(CURRENCIES, "country")} as currency,
                {pick(HOMES, "home")} as home,
                {moment("created")} as created_at,
                -- Nobody in particular looks after those who buy in the web shop.
                case when home <> {SHOPIFY} then rep % {reps} + 1 end as rep_no,
                case when home in ({SHOPIFY}, {YONYOU}) and {chance("level", 0.4)}
                    then {pick(MEMBERSHIP_LEVELS, "least(rep % 7, age % 4)")} end as membership_level,
                has_email and {chance("email_choice", 0.7)} as email_opt_in,
                {chance("phone_choice", 0.6)} as phone_opt_in,
                list_extract(['random', 'annual', 'weekly', 'contract'], timing + 1) as timing,
                rate as lambda_day,
                p,
                spend as mean_spend,
                {moment("dropped")} as dropped_at,
                {moment('"last"')} as last_purchase_at
            from titled
            order by person_no
        """)
