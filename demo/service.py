"""What people say: tickets, answers to surveys, sessions and calls, and how these differ before somebody leaves.

Belongs here: when service is asked for and in which system, and tables ``tickets``, ``surveys`` and ``interactions``.
Does not belong here: marketing's own messages (``marketing.py``).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from demo.people import HUBSPOT, JIANDAOYUN, SALESFORCE, SYSTEMS, TENCENT, ZOHO, People
from demo.records import DUPLICATE, Records, Slots
from demo.schema import moment, relation
from demo.vocabulary import DRAWS, chance, pick

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]
    Flags = NDArray[np.bool_]

__all__ = [
    "Voices",
    "desk_records",
    "survey_answers",
    "tickets",
    "write_interactions",
    "write_surveys",
    "write_tickets",
]

_DAY = 86_400
#: Chance of a ticket and of an answer for those who stay and for those who leave.
_TICKET = (0.04, 0.11)
_ANSWER = (0.09, 0.11)
#: Where tickets go by country: China is decided person by person.
_DESK = np.array([JIANDAOYUN, SALESFORCE, ZOHO])
_DAYS_PER_INTERACTION = 120
_HEARD_IN = (TENCENT, SALESFORCE, ZOHO, HUBSPOT)

_KINDS = ("question", "repair", "return", "complaint", "question")
_COMPLAINTS = ("complaint", "complaint", "return")
_TOPICS = ("delivery", "quality", "invoice", "usage", "price", "other")


@dataclass(frozen=True)
class Voices:
    """Tickets or answers, one entry each in time order.

    Attributes
    ----------
    person, system, at : ndarray of int
        Place of the person, place in ``SYSTEMS``, seconds since 1970 in UTC.
    bitter : ndarray of bool
        Whether it comes from somebody who is about to leave, or just did.
    """

    person: "Numbers"
    system: "Numbers"
    at: "Numbers"
    bitter: "Flags"


def _moments(
    rng: np.random.Generator, person: "Numbers", created: "Numbers", dropped: "Numbers", end: int, share: float
) -> "tuple[Numbers, Flags]":
    """A time for each, and whether it lies around the farewell, mostly before: for `share` of those who leave."""
    start, farewell = created[person], dropped[person]
    bitter = (farewell >= 0) & (rng.random(person.size) < share)
    anywhere = start + np.floor(rng.random(person.size) * (end - start)).astype(np.int64)
    around = farewell + rng.integers(-30 * _DAY, 10 * _DAY, person.size)
    at = np.where(bitter, around, anywhere)
    return np.clip(at, start, end - 1), bitter


def _in_time_order(person: "Numbers", system: "Numbers", at: "Numbers", bitter: "Flags") -> Voices:
    order = np.lexsort((person, at))
    return Voices(person[order], system[order], at[order], bitter[order])


def tickets(
    rng: np.random.Generator, people: People, created: "Numbers", dropped: "Numbers", others: Slots, end: int
) -> Voices:
    """Who asks for service, when, and at which desk: chat where a record existed by then, else the ticket form."""
    asks = rng.random(people.size) < np.where(dropped >= 0, _TICKET[1], _TICKET[0])
    person = np.flatnonzero(asks)
    person = np.repeat(person, 1 + rng.poisson(0.25, person.size))
    at, bitter = _moments(rng, person, created, dropped, end, 0.6)
    system = _DESK[people.country[person]]
    # A web lead's tickets are kept beside the deals.
    system[people.home[person] == HUBSPOT] = HUBSPOT
    chat_since = np.full(people.size, end)
    chats = others.system == TENCENT
    chat_since[others.person[chats]] = others.created[chats]
    by_chat = (system == JIANDAOYUN) & (chat_since[person] <= at) & (rng.random(person.size) < 0.6)
    system[by_chat] = TENCENT
    return _in_time_order(person, system, at, bitter)


def survey_answers(
    rng: np.random.Generator, people: People, created: "Numbers", dropped: "Numbers", end: int
) -> Voices:
    """Who answers a survey: by form in China, by mail those whose deals are followed."""
    reached = (people.country == 0) | (people.home == HUBSPOT)
    answers = reached & (rng.random(people.size) < np.where(dropped >= 0, _ANSWER[1], _ANSWER[0]))
    person = np.flatnonzero(answers)
    at, bitter = _moments(rng, person, created, dropped, end, 0.5)
    system = np.where(people.home[person] == HUBSPOT, HUBSPOT, JIANDAOYUN)
    return _in_time_order(person, system, at, bitter)


def desk_records(*voices: Voices) -> Slots:
    """A record in the form system for everybody heard there, made when first heard."""
    person = np.concatenate([one.person[one.system == JIANDAOYUN] for one in voices])
    at = np.concatenate([one.at[one.system == JIANDAOYUN] for one in voices])
    order = np.lexsort((at, person))
    person, first = np.unique(person[order], return_index=True)
    return Slots(person, np.full(person.size, JIANDAOYUN), at[order][first])


def write_tickets(
    con: "duckdb.DuckDBPyConnection", rng: np.random.Generator, voices: Voices, records: Records, end: int
) -> None:
    """Fill ``company.tickets``."""
    size = voices.person.size
    answered = voices.at + np.floor(rng.gamma(1.2, 14_400, size)).astype(np.int64) + 60
    closed = answered + np.floor(rng.gamma(1.5, _DAY, size)).astype(np.int64) + 300
    with relation(
        con,
        "_tickets",
        {
            "ticket_no": np.arange(1, size + 1),
            "system": voices.system,
            "record": records.named_by(rng, voices.person, voices.system, voices.at),
            "person_no": voices.person + 1,
            "bitter": voices.bitter,
            "opened": voices.at,
            "answered": np.where(answered < end, answered, -1),
            "closed": np.where(closed < end, closed, -1),
            **{word: rng.integers(0, DRAWS, size) for word in ("kind", "topic", "priority", "rated", "score")},
        },
    ):
        con.execute(f"""
            insert into company.tickets
            select
                ticket_no,
                {pick(SYSTEMS, "system")},
                record,
                person_no,
                case when bitter then {pick(_COMPLAINTS, "kind")} else {pick(_KINDS, "kind")} end,
                {pick(_TOPICS, "topic")},
                {pick(("low", "medium", "high", "urgent"), "bitter::integer + priority % 3")},
                case when closed >= 0 then 'closed' when answered >= 0 then 'pending' else 'open' end,
                {moment("opened")},
                {moment("answered")},
                {moment("closed")},
                case when closed >= 0 and {chance("rated", 0.5)} then
                    case when bitter then 1 + score % 3 else 3 + score % 3 end end
            from _tickets
            order by ticket_no
        """)


def write_surveys(con: "duckdb.DuckDBPyConnection", rng: np.random.Generator, voices: Voices, records: Records) -> None:
    """Fill ``company.surveys``: satisfaction from 1 to 5 by form, recommendation from 0 to 10 by mail."""
    size = voices.person.size
    with relation(
        con,
        "_surveys",
        {
            "response_no": np.arange(1, size + 1),
            "system": voices.system,
            "record": records.named_by(rng, voices.person, voices.system, voices.at),
            "person_no": voices.person + 1,
            "bitter": voices.bitter,
            "at": voices.at,
            "score": rng.integers(0, DRAWS, size),
        },
    ):
        con.execute(f"""
            insert into company.surveys
            select
                response_no,
                record,
                {pick(SYSTEMS, "system")},
                person_no,
                case when system = {HUBSPOT} then 'nps' else 'csat' end,
                case
                    when system = {HUBSPOT} then case when bitter then score % 8 else 5 + score % 6 end
                    when bitter then 1 + score % 3
                    else 3 + score % 3
                end,
                case when system = {HUBSPOT} then 10 else 5 end,
                {moment('"at"')}
            from _surveys
            order by response_no
        """)


def write_interactions(
    con: "duckdb.DuckDBPyConnection", rng: np.random.Generator, records: Records, dropped: "Numbers", end: int
) -> None:
    """Fill ``company.interactions``: fewer and fewer towards a farewell, next to none after."""
    heard = np.flatnonzero(np.isin(records.system, _HEARD_IN) & (records.role != DUPLICATE))
    start, farewell = records.created[heard], dropped[records.person[heard]]
    leaves = farewell >= 0
    stop = np.minimum(np.where(leaves, np.maximum(farewell, start + 10 * _DAY), end), end - 1)
    count = rng.poisson(np.maximum(stop - start, 0) / (_DAYS_PER_INTERACTION * _DAY))
    record = np.repeat(heard, count)
    u = rng.random(record.size)
    # The density of those who leave falls to nothing along a power of the time that remains.
    u = np.where(np.repeat(leaves, count), 1 - (1 - u) ** 0.6, u)
    at = np.repeat(start, count) + np.floor(u * np.repeat(stop - start, count)).astype(np.int64)
    order = np.lexsort((record, at))
    record, at = record[order], at[order]
    with relation(
        con,
        "_interactions",
        {
            "no": np.arange(1, record.size + 1),
            "system": records.system[record],
            "record": records.no[record],
            "person_no": records.person[record] + 1,
            "at": at,
            "channel": rng.integers(0, DRAWS, record.size),
            "direction": rng.integers(0, DRAWS, record.size),
            "duration": np.floor(rng.gamma(1.5, 200, record.size)).astype(np.int64) + 10,
        },
    ):
        con.execute(f"""
            insert into company.interactions
            select
                i.no,
                {pick(SYSTEMS, "i.system")},
                i.record,
                i.person_no,
                {moment('i."at"')},
                case when i.system = {TENCENT} then 'chat' else {pick(("call", "email", "meeting"), "i.channel")} end,
                case when {chance("i.direction", 0.6)} then 'inbound' else 'outbound' end,
                i.duration,
                p.rep_no
            from _interactions as i
            inner join company.people as p on i.person_no = p.person_no
            order by i.no
        """)
