"""What the systems keep of people: a record at home, often one elsewhere, sometimes two in one place.

Belongs here: which records exist, what joins them, and what different people wrongly share. Does not belong here: the
people themselves, and documents that name a record.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from demo.people import (
    HUBSPOT,
    JIANDAOYUN,
    KINGDEE,
    SALESFORCE,
    SHOPIFY,
    SYSTEMS,
    TENCENT,
    YONYOU,
    ZOHO,
    People,
    phone_digits,
)
from demo.schema import moment, relation
from demo.vocabulary import EMAIL_DOMAINS, pick

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]
    Flags = NDArray[np.bool_]

__all__ = ["Records", "Shared", "Slots", "number", "second_records", "write"]

HOME, SECOND, DUPLICATE = range(3)
BOTH, EMAIL, PHONE, NOTHING = range(4)

#: Share of the records of each other system that are joined by both, by e-mail and by phone.
_LINKS = {
    TENCENT: (0.25, 0.15, 0.60),
    JIANDAOYUN: (0.30, 0.00, 0.70),
    HUBSPOT: (0.40, 0.60, 0.00),
    YONYOU: (0.30, 0.00, 0.70),
}
_UNLINKED = 0.02
_DUPLICATES = 0.03
#: Systems that merge duplicates, and those where a duplicate may share the e-mail (elsewhere it is unique).
_MERGING = (HUBSPOT, SALESFORCE, ZOHO)
_SHARING_EMAIL = (YONYOU, KINGDEE, TENCENT, JIANDAOYUN)


@dataclass(frozen=True)
class Slots:
    """Records before they have numbers: one entry each."""

    person: "Numbers"
    system: "Numbers"
    created: "Numbers"

    def __add__(self, other: "Slots") -> "Slots":
        """These and the others."""
        return Slots(
            np.concatenate([self.person, other.person]),
            np.concatenate([self.system, other.system]),
            np.concatenate([self.created, other.created]),
        )


@dataclass(frozen=True)
class Shared:
    """What different people share, counted.

    Attributes
    ----------
    hotline_records, family_emails, household_pairs : int
        Records with the one hotline's number; e-mails and phones that two records of two people have.
    """

    hotline_records: int
    family_emails: int
    household_pairs: int


@dataclass(frozen=True)
class Records:
    """Numbered records.

    Attributes
    ----------
    person, system, role, link, no, created : ndarray, shape (records,)
        One entry each; ``no`` counts from 1 in each system in the order of creation.
    merged_into : ndarray, shape (records,)
        The surviving record's number; 0: not merged.
    """

    person: "Numbers"
    system: "Numbers"
    role: "Numbers"
    link: "Numbers"
    no: "Numbers"
    created: "Numbers"
    merged_into: "Numbers"

    def find(self, people: int, system: int) -> "Numbers":
        """Place of each person's first record in a system; -1: none. Duplicates do not count."""
        return self._places(people, (self.system == system) & (self.role != DUPLICATE))

    def find_home(self, people: int) -> "Numbers":
        """Place of each person's record at home."""
        return self._places(people, self.role == HOME)

    def find_duplicate(self, people: int, system: int) -> "Numbers":
        """Place of each person's duplicate in a system; -1: none."""
        return self._places(people, (self.system == system) & (self.role == DUPLICATE))

    def named_by(self, rng: np.random.Generator, person: "Numbers", system: "Numbers", at: "Numbers") -> "Numbers":
        """Number of the record that a document of this person in this system names: any that existed by then.

        The person must have a record there; a duplicate is named as often as the first.
        """
        no = np.zeros(person.size, dtype=np.int64)
        coin = rng.random(person.size) < 0.5
        people = int(person.max(initial=-1)) + 1
        for code in np.unique(system):
            chosen = np.flatnonzero(system == code)
            first = self.find(people, code)[person[chosen]]
            duplicate = self.find_duplicate(people, code)[person[chosen]]
            second = (duplicate >= 0) & coin[chosen]
            second &= self.created[duplicate] <= at[chosen]
            no[chosen] = self.no[np.where(second, duplicate, first)]
        return no

    def _places(self, people: int, chosen: "Flags") -> "Numbers":
        places = np.full(people, -1)
        at = np.flatnonzero(chosen)
        at = at[self.person[at] < people]
        places[self.person[at]] = at
        return places


def second_records(rng: np.random.Generator, people: People, created: "Numbers", end: int) -> Slots:
    """Records in other systems: sessions with the service desk, the newsletter, the shop around the corner."""
    chinese, shopper = people.country == 0, people.home == SHOPIFY
    slots = []
    for system, among, share in ((TENCENT, chinese, 0.30), (HUBSPOT, shopper, 0.10), (YONYOU, shopper, 0.06)):
        person = np.flatnonzero(among & (rng.random(people.size) < share))
        later = created[person] + np.floor(rng.random(person.size) ** 2 * (end - created[person]))
        slots.append(Slots(person, np.full(person.size, system), later.astype(np.int64)))
    return slots[0] + slots[1] + slots[2]


def number(rng: np.random.Generator, people: People, created: "Numbers", others: Slots, end: int) -> Records:
    """Give numbers to all records: those at home, those elsewhere and duplicates of both.

    Parameters
    ----------
    created : ndarray, shape (people,)
        When the record at home was made.
    others : Slots
        Records elsewhere, at most one per person and system.
    """
    first = Slots(np.arange(people.size), people.home, created) + others
    link = np.full(first.person.size, BOTH)
    elsewhere = np.arange(first.person.size) >= people.size
    luck = rng.random(first.person.size)
    for system, (both, email, _) in _LINKS.items():
        here = elsewhere & (first.system == system)
        link[here] = np.where(luck[here] < both, BOTH, np.where(luck[here] < both + email, EMAIL, PHONE))
    has_email = people.has_email[first.person]
    link[elsewhere & ~has_email] = PHONE
    link[elsewhere & (rng.random(first.person.size) < _UNLINKED)] = NOTHING

    # Who comes twice to one system left a phone there the first time: it is what the two records may share.
    twice = (rng.random(first.person.size) < _DUPLICATES) & np.isin(link, (BOTH, PHONE))
    origin = np.flatnonzero(twice)
    made = first.created[origin] + np.floor(rng.random(origin.size) * (end - first.created[origin])).astype(np.int64)
    by_email = np.isin(first.system[origin], _SHARING_EMAIL) & (link[origin] == BOTH) & has_email[origin]
    by_email &= rng.random(origin.size) < 0.5
    slots = first + Slots(first.person[origin], first.system[origin], made)
    role = np.repeat([HOME, SECOND, DUPLICATE], [people.size, others.person.size, origin.size])
    link = np.concatenate([link, np.where(by_email, EMAIL, PHONE)])

    order = np.lexsort((role, slots.person, slots.created, slots.system))
    no = np.empty(order.size, dtype=np.int64)
    systems = slots.system[order]
    no[order] = np.arange(order.size) - np.searchsorted(systems, systems) + 1
    merged_into = np.zeros(order.size, dtype=np.int64)
    merges = np.isin(slots.system[first.person.size :], _MERGING) & (rng.random(origin.size) < 0.5)
    merged_into[first.person.size :][merges] = no[origin[merges]]
    return Records(slots.person, slots.system, role, link, no, slots.created, merged_into)


def write(
    con: "duckdb.DuckDBPyConnection", rng: np.random.Generator, people: People, records: Records, end: int
) -> Shared:
    """Fill ``company.records`` and ``company.shared_contacts``; needs ``company.people``."""
    size = records.person.size
    # Whose e-mail and phone a record shows: -1 none. An own second one is marked by `other_email` and a number beyond.
    email_of = np.where(people.has_email[records.person] & (records.link != PHONE), records.person, -1)
    phone_of = np.where(records.link == EMAIL, -1, records.person)
    unlinked, duplicate = records.link == NOTHING, records.role == DUPLICATE
    email_of[unlinked] = -1
    phone_of[unlinked] = people.size + np.flatnonzero(unlinked)
    other_email = duplicate & (records.link == PHONE) & np.isin(records.system, (SHOPIFY, HUBSPOT))

    # Only records that stand alone take part in what is shared, so that every false join is one that was planted.
    alone = np.bincount(records.person, minlength=people.size)[records.person] == 1
    stores = rng.permutation(np.flatnonzero(alone & (records.system == YONYOU) & people.has_email[records.person]))
    wanted = min(500, people.size // 20)
    hotline = stores[:wanted] if wanted >= 10 else stores[:0]
    family = stores[hotline.size : hotline.size + 2] if people.size >= 20 else stores[:0]
    family = family if family.size == 2 else family[:0]
    shoppers = rng.permutation(np.flatnonzero(alone & (records.system == SHOPIFY)))
    pairs = min(people.size // 500, shoppers.size // 2)
    one, other = shoppers[:pairs], shoppers[pairs : 2 * pairs]
    phone_of[hotline] = people.size + size
    email_of[family] = email_of[family[:1]]
    phone_of[other] = phone_of[one]

    updated = records.created + np.floor(rng.random(size) ** 2 * (end - records.created)).astype(np.int64)
    country = np.where(phone_of < people.size, people.country[records.person], 0)
    with relation(
        con,
        "_records",
        {
            "system": records.system,
            "no": records.no,
            "person_no": records.person + 1,
            "merged_into": records.merged_into,
            "role": records.role,
            "link": records.link,
            "email_of": email_of + 1,
            "other_email": other_email,
            "has_phone": phone_of >= 0,
            "digits": phone_digits(country, np.maximum(phone_of, 0)),
            "created": records.created,
            "updated": updated,
            "active": rng.random(size) >= 0.03,
        },
    ):
        con.execute(f"""
            insert into company.records by name
            select
                {pick(SYSTEMS, "r.system")} as system,
                r.no as source_customer_no,
                r.person_no,
                nullif(r.merged_into, 0) as merged_into_no,
                list_extract(['home', 'second', 'duplicate'], r.role + 1) as role,
                case when r.role > 0 then list_extract(['both', 'email', 'phone'], r.link + 1) end as linked_by,
                p.* exclude (
                    person_no, is_account, email, phone, currency, home, created_at, rep_no, email_opt_in, phone_opt_in,
                    timing, lambda_day, p, mean_spend, dropped_at, last_purchase_at
                ),
                case when r.other_email then 'me' || r.no || '.' || r.person_no || '@' || {pick(EMAIL_DOMAINS, "r.no")}
                    else e.email end as email,
                case when r.has_phone then '+' || r.digits end as phone,
                p.rep_no,
                {moment("r.created")} as created_at,
                {moment("r.updated")} as updated_at,
                r.active and r.merged_into = 0 as is_active,
                r.merged_into > 0 as is_deleted
            from _records as r
            inner join company.people as p on r.person_no = p.person_no
            left join company.people as e on r.email_of = e.person_no
            order by system, source_customer_no
        """)
    with relation(
        con,
        "_shared",
        {
            "kind": np.repeat([0, 1, 2], [hotline.size, family.size, 2 * pairs]),
            "system": records.system[np.concatenate([hotline, family, one, other])],
            "no": records.no[np.concatenate([hotline, family, one, other])],
        },
    ):
        con.execute(f"""
            insert into company.shared_contacts
            select
                list_extract(['hotline', 'family_email', 'household_phone'], s.kind + 1) as kind,
                case when s.kind = 1 then r.email else r.phone end as value,
                r.system,
                r.source_customer_no,
                r.person_no
            from _shared as s
            inner join company.records as r on r.system = {pick(SYSTEMS, "s.system")} and r.source_customer_no = s.no
            order by s.kind, value, r.system, r.source_customer_no
        """)
    return Shared(hotline.size, family.size // 2, pairs)
