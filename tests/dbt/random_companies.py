"""Random small companies, each in a source of its own, and what must be true of their customers.

Belongs here: drawing histories, delivering them into the raw tables of a build file, and counting people and purchases
from what was drawn. Does not belong here: a test, or any SQL of the project: what is counted here is counted apart from
it, so that the two can be held against each other.

Days are whole numbers from ``FIRST_DAY``, in the time zone ``UTC_OFFSET`` hours before UTC.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from warehouse.build import replace_table_from_numpy

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

FIRST_DAY = date(2022, 1, 1)
#: Asia/Shanghai, which has no summer time: a business day begins at 16:00 UTC.
UTC_OFFSET = 8
#: More than any customer of these companies does.
MOST_ORDERS, MOST_CONTRACTS = 40, 4
COUNTED = ("paid", "shipped", "completed")
NEVER = np.iinfo(np.int64).max


def day_of(day: date) -> int:
    """The number of a day."""
    return (day - FIRST_DAY).days


@dataclass(frozen=True)
class Companies:
    """What happened, as columns of equal length per feed.

    Attributes
    ----------
    feeds : dict of str to dict of str to ndarray
        Canonical columns of each feed as text; None is empty.
    days : dict of str to ndarray
        The day on which each row of a feed was written.
    company_of : dict of str to ndarray
        The company of each row of a feed, from 0.
    record_of : dict of str to ndarray
        The customer record that each row names; -1 where it names none.
    records : dict of str to ndarray
        Of each customer record: company, name, the day of its creation (-1 unknown), the record it was merged into
        (-1 none), and whether it is deleted.
    sales, refunds : dict of str to ndarray
        Of each sale its record (-1 none), day, amount in cents and whether it counts; of each refund the same and its
        sale (-1 none).
    """

    feeds: dict[str, dict[str, NDArray[Any]]]
    days: dict[str, NDArray[Any]]
    company_of: dict[str, NDArray[Any]]
    record_of: dict[str, NDArray[Any]]
    records: dict[str, NDArray[Any]]
    sales: dict[str, NDArray[Any]]
    refunds: dict[str, NDArray[Any]]

    def deliver(self, con: duckdb.DuckDBPyConnection, *, after: date | None, until: date) -> None:
        """Put what was written after one day and until another into the raw tables, as one export per feed and company.

        Parameters
        ----------
        con : duckdb.DuckDBPyConnection
            A build file whose raw tables exist.
        after, until : date
            The export holds rows that were written after the former (None: all) and until the latter; it is dated by
            the morning after.
        """
        exported_at = f"{until + timedelta(days=1)}T02:00:00Z"
        for feed, columns in self.feeds.items():
            days = self.days[feed]
            chosen = days <= day_of(until)
            if after is not None:
                chosen &= days > day_of(after)
            company = self.company_of[feed][chosen]
            source = np.array([f"s{number:03d}" for number in company], dtype=object)
            delivery = source + np.array(f"/{feed}/{until}", dtype=object)
            trace = {"source_system": np.full(len(source), "generic", dtype=object), "source": source}
            trace |= {"delivery_id": delivery, "record_no": np.arange(1, len(source) + 1)}
            _append(con, feed, {name: values[chosen] for name, values in columns.items()} | trace)
            sources, records = np.unique(source.astype(str), return_counts=True)
            same = {"source_system": "generic", "feed": feed, "file": f"{feed}.csv", "ignored": "0", "rejected": "0"}
            same |= {"currency": "CNY", "exported_at": exported_at, "received_at": exported_at}
            rows = {name: np.full(len(sources), value, dtype=object) for name, value in same.items()}
            rows |= {"source": sources.astype(object), "records": records.astype(str).astype(object)}
            rows["delivery_id"] = np.array([f"{name}/{feed}/{until}" for name in sources], dtype=object)
            _append(con, "deliveries", rows)

    def people(self, tonight: date) -> NDArray[np.int64]:
        """Of each record the person whose it is: those that were merged are one, however long the chain."""
        person = np.arange(len(self.records["company"]))
        # A record of later has not been merged into another yet.
        merged = np.flatnonzero((self.records["merged_into"] >= 0) & (self.records["created"] <= day_of(tonight)))
        for _ in range(len(person)):
            smallest = np.minimum(person[merged], person[self.records["merged_into"][merged]])
            before = person.copy()
            np.minimum.at(person, merged, smallest)
            np.minimum.at(person, self.records["merged_into"][merged], smallest)
            if np.array_equal(before, person):
                return person
        raise AssertionError("merges never settle")

    def record_ids(self) -> list[str]:
        """What a customer is called whose oldest record each is."""
        return [
            hashlib.sha256(f"generic|s{company:03d}|{name}".encode()).hexdigest()[:16]
            for company, name in zip(self.records["company"], self.records["name"], strict=True)
        ]

    def known_from(self, tonight: date) -> NDArray[np.int64]:
        """Of each record the first day on which its person is known; NEVER of who is nobody, -1 of who always was.

        A person is known from their first record or document. Who was deleted is nobody, unless an order names them.
        """
        last = day_of(tonight)
        size = len(self.records["company"])
        created = self.records["created"]
        first = np.where((created >= 0) & (created <= last), created, NEVER)
        has_order = np.zeros(size, dtype=bool)
        for feed in ("orders", "interactions", "survey_responses", "subscriptions"):
            named = (self.record_of[feed] >= 0) & (self.days[feed] <= last)
            np.minimum.at(first, self.record_of[feed][named], self.days[feed][named])
            if feed == "orders":
                has_order[self.record_of[feed][named]] = True
        # Only a record that a file of customers describes can be known without a day.
        is_described = self.records["is_delivered"] & (created <= last)
        is_there = is_described | (first < NEVER)
        is_living = is_there & (has_order | (is_described & ~self.records["is_deleted"]))
        is_living |= is_there & ~is_described
        people = self.people(tonight)
        first_of_person = np.full(size, NEVER)
        np.minimum.at(first_of_person, people[is_there], first[is_there])
        lives = np.zeros(size, dtype=bool)
        lives[people[is_living]] = True
        known = np.where(first_of_person == NEVER, -1, first_of_person)
        return np.where(lives, known, NEVER)[people]

    def purchases(self, as_of: date, tonight: date) -> NDArray[np.int64]:
        """Of each record how many sales its person has made up to a day that were still worth something on it."""
        last, people = day_of(as_of), self.people(tonight)
        refunded = np.zeros(len(self.sales["day"]), dtype=np.int64)
        refunds = self.refunds
        counts = refunds["is_counted"] & (refunds["day"] <= last) & (refunds["sale"] >= 0)
        np.add.at(refunded, refunds["sale"][counts], refunds["cents"][counts])
        sales = self.sales
        bought = sales["is_counted"] & (sales["day"] <= last) & (refunded < sales["cents"]) & (sales["record"] >= 0)
        found = np.zeros(len(self.records["company"]), dtype=np.int64)
        np.add.at(found, people[sales["record"][bought]], 1)
        return found[people]


def _append(con: duckdb.DuckDBPyConnection, feed: str, columns: dict[str, NDArray[Any]]) -> None:
    replace_table_from_numpy(con, "raw", "_new", columns)
    con.execute(f'insert into raw."{feed}" by name select * from raw._new')
    con.execute("drop table raw._new")


def draw_companies(seed: int, *, companies: int, last_day: date, is_settled: bool) -> Companies:
    """Draw what happened in so many companies.

    Parameters
    ----------
    seed : int
        The same seed draws the same.
    companies : int
        How many sources, of 3 to 12 customers each.
    last_day : date
        The last day of the histories.
    is_settled : bool
        Whether nothing that is said later changes what was true of an earlier day: then nobody is merged into a record
        of later, no customer comes without a day, and none is deleted.
    """
    draw = np.random.default_rng(seed)
    last = day_of(last_day)
    size = draw.integers(3, 13, companies)
    company = np.repeat(np.arange(companies), size)
    people = len(company)
    number = np.arange(people) - np.repeat(np.cumsum(size) - size, size)
    name = np.array([f"c{each}" for each in number], dtype=object)
    kinds = ["nobody", "once", "regular", "leaver", "returner", "annual", "contract"]
    kind = draw.choice(kinds, people, p=[0.14, 0.16, 0.25, 0.12, 0.13, 0.06, 0.14])
    start = draw.integers(0, last + 1, people)

    # Purchases: a matrix of gaps, cut at the end of the history.
    usual = np.where(kind == "annual", 365.0, draw.uniform(5, 90, people))
    spread = np.where(kind == "annual", 400.0, 4.0)
    gaps = np.rint(usual[:, None] * draw.gamma(spread[:, None], 1 / spread[:, None], (people, MOST_ORDERS)))
    gaps[:, 0] = 0
    pause = draw.integers(1, 6, people)
    returner = np.flatnonzero(kind == "returner")
    gaps[returner, pause[returner]] += draw.integers(200, 420, len(returner))
    day = start[:, None] + np.cumsum(gaps, axis=1).astype(np.int64)
    most = np.select(
        [kind == "nobody", kind == "once", kind == "leaver", kind == "contract", kind == "annual"],
        [0, 1, draw.integers(2, 9, people), draw.integers(0, 4, people), 4],
        MOST_ORDERS,
    )
    happened = (np.arange(MOST_ORDERS) < most[:, None]) & (day <= last)
    buyer, _ = np.nonzero(happened)
    sold = day[happened]

    created = np.maximum(start - draw.integers(0, 30, people), 0)
    is_delivered = np.ones(people, dtype=bool)
    is_deleted = np.zeros(people, dtype=bool)
    if not is_settled:
        # Some are recorded long after their first purchase, some without a day; some companies deliver no customers.
        created = np.where(draw.random(people) < 0.08, np.minimum(start + 60, last), created)
        created = np.where(draw.random(people) < 0.05, -1, created)
        is_delivered = (draw.random(companies) >= 0.1)[company]
        is_deleted = is_delivered & (draw.random(people) < 0.03)
        created = np.where(is_delivered, created, -1)
    merged_into = np.full(people, -1)
    for one in np.flatnonzero(draw.random(people) < 0.06):
        other = one - number[one] + draw.integers(0, size[company[one]])
        # In a settled company the record that is given up is the younger one, so that it never stood alone.
        if is_delivered[one] and other != one and not (is_settled and created[other] > created[one]):
            merged_into[one] = other
            is_deleted[one] = True
    records = {
        "company": company,
        "name": name,
        "created": created,
        "merged_into": merged_into,
        "is_deleted": is_deleted,
        "is_delivered": is_delivered,
    }

    cents = np.maximum(np.rint(draw.lognormal(4.5, 0.8, len(sold)) * 100), 1).astype(np.int64)
    status = draw.choice([*COUNTED, "cancelled", "open", "lost"], len(sold), p=[0.3, 0.2, 0.37, 0.07, 0.04, 0.02])
    # Some sales name nobody, and some a customer whom the company does not know.
    whose = np.where(draw.random(len(sold)) < 0.02, -1, buyer)
    is_strange = is_delivered[buyer] & (draw.random(len(sold)) < 0.01)
    sales = {
        "record": np.where(is_strange, -1, whose),
        "day": sold,
        "cents": cents,
        "is_counted": np.isin(status, COUNTED) & ~is_strange,
    }
    refunds = _draw_refunds(draw, sales, last)
    feeds: dict[str, dict[str, NDArray[Any]]] = {}
    days: dict[str, NDArray[Any]] = {}
    record_of: dict[str, NDArray[Any]] = {}

    def add(feed: str, record: NDArray[Any], on: NDArray[Any], columns: dict[str, NDArray[Any]]) -> None:
        feeds[feed], days[feed], record_of[feed] = columns, on, record

    delivered = np.flatnonzero(is_delivered)
    target = merged_into[delivered]
    add(
        "customers",
        delivered,
        np.maximum(created[delivered], 0),
        {
            "source_customer_id": name[delivered],
            "created_at": np.where(created[delivered] >= 0, _moments(draw, created[delivered]), None),
            "is_deleted": np.where(is_deleted[delivered], "true", "false").astype(object),
            "merged_into": np.where(target >= 0, name[target], None),
            "country": draw.choice(np.array(["CN", "GB", "US", None], dtype=object), len(delivered)),
            "acquisition_channel": draw.choice(np.array(["ads", "fair", None], dtype=object), len(delivered)),
            "gender": draw.choice(np.array(["female", "男", None], dtype=object), len(delivered)),
        },
    )

    of_sale = refunds["sale"]
    order_company = np.concatenate([company[buyer], company[refunds["buyer"]]])
    order_record = np.concatenate([sales["record"], refunds["record"]])
    order_day = np.concatenate([sold, refunds["day"]])
    sale_ids = np.array([f"S{each}" for each in range(len(sold))], dtype=object)
    named = np.where(is_strange, "stranger", np.where(whose >= 0, name[buyer], None))
    named_by_refund = np.where(refunds["record"] >= 0, name[refunds["buyer"]], None)
    add(
        "orders",
        order_record,
        order_day,
        {
            "order_id": np.concatenate(
                [sale_ids, np.array([f"R{each}" for each in range(len(of_sale))], dtype=object)]
            ),
            "source_customer_id": np.concatenate([named, named_by_refund]),
            "ordered_at": _moments(draw, order_day),
            "status": np.concatenate([status, refunds["status"]]).astype(object),
            "kind": np.array(["sale"] * len(sold) + ["refund"] * len(of_sale), dtype=object),
            "original_order_id": np.concatenate(
                [np.full(len(sold), None), np.where(of_sale >= 0, sale_ids[of_sale], None)]
            ),
            "channel": draw.choice(np.array(["web", "store", None], dtype=object), len(order_day)),
            "currency": np.full(len(order_day), "CNY", dtype=object),
            "net_amount": _amounts(np.concatenate([cents, -refunds["cents"]])),
        },
    )

    for feed, mean in (("interactions", 2.0), ("survey_responses", 0.5)):
        who = np.repeat(np.arange(people), draw.poisson(mean, people))
        on = np.minimum(start[who] + draw.integers(0, 400, len(who)), last)
        ids = np.array([f"{feed[0].upper()}{each}" for each in range(len(who))], dtype=object)
        columns: dict[str, NDArray[Any]] = {"source_customer_id": name[who]}
        if feed == "interactions":
            columns |= {"interaction_id": ids, "occurred_at": _moments(draw, on)}
            columns["channel"] = draw.choice(np.array(["login", "usage", "call", "email"], dtype=object), len(who))
        else:
            columns |= {"response_id": ids, "responded_at": _moments(draw, on)}
            columns |= {"survey": np.full(len(who), "nps", dtype=object)}
            columns["score"] = draw.integers(0, 11, len(who)).astype(str).astype(object)
            columns["scale_max"] = np.full(len(who), "10", dtype=object)
        add(feed, who, on, columns)
    contracts = _draw_contracts(draw, np.flatnonzero(kind == "contract"), start, last)
    add(
        "subscriptions",
        contracts.pop("record"),
        contracts.pop("day"),
        contracts,
    )
    contracts["source_customer_id"] = name[record_of["subscriptions"]]
    company_of = {feed: company[whose_row] for feed, whose_row in record_of.items() if feed != "orders"}
    return Companies(feeds, days, company_of | {"orders": order_company}, record_of, records, sales, refunds)


def _draw_refunds(draw: np.random.Generator, sales: dict[str, NDArray[Any]], last: int) -> dict[str, NDArray[Any]]:
    """Refunds in full, in part, in two parts that make the whole, of more than the sale, and of no certain sale."""
    chosen = np.flatnonzero((draw.random(len(sales["day"])) < 0.16) & (sales["record"] >= 0))
    way = draw.choice(["full", "part", "halves", "more", "unlinked"], len(chosen), p=[0.3, 0.3, 0.2, 0.05, 0.15])
    cents = sales["cents"][chosen]
    half = np.maximum(cents // 2, 1)
    first = np.select([way == "full", way == "halves", way == "more"], [cents, half, cents + 500], half)
    second = np.flatnonzero((way == "halves") & (cents > half))
    sale = np.concatenate([chosen, chosen[second]])
    day = sales["day"][sale] + draw.integers(0, 75, len(sale))
    status = draw.choice([*COUNTED, "cancelled"], len(sale), p=[0.1, 0.1, 0.72, 0.08])
    found = {
        "buyer": sales["record"][sale],
        "record": sales["record"][sale],
        "sale": np.concatenate([np.where(way == "unlinked", -1, chosen), chosen[second]]),
        "day": day,
        "cents": np.concatenate([first, (cents - half)[second]]),
        "status": status,
        "is_counted": np.isin(status, COUNTED),
    }
    return {name: values[day <= last] for name, values in found.items()}


def _draw_contracts(
    draw: np.random.Generator, holders: NDArray[np.int64], start: NDArray[np.int64], last: int
) -> dict[str, NDArray[Any]]:
    """Contracts one after the other: renewed in time, in the days of grace, late or never, cancelled, without end."""
    rows: list[dict[str, Any]] = []
    for holder in holders:
        begins = int(start[holder])
        for _ in range(draw.integers(1, MOST_CONTRACTS + 1)):
            if begins > last:
                break
            term = int(draw.choice([30, 90, 365]))
            ends = None if draw.random() < 0.15 else begins + term
            cancelled = begins + int(draw.integers(0, term)) if draw.random() < 0.25 else None
            is_paused = draw.random() < 0.05
            contract = {
                "record": holder,
                "contract_id": f"K{len(rows)}",
                "started_on": begins,
                "ends_on": ends,
                "mrr": int(draw.integers(1000, 50000)),
                "cancelled_on": None,
                "status": "paused" if is_paused else "active",
                "day": begins,
            }
            rows.append(contract)
            if cancelled is not None and cancelled <= last:
                rows.append({**contract, "cancelled_on": cancelled, "status": "cancelled", "day": cancelled})
            if ends is None and cancelled is None:
                break
            over = min(each for each in (ends, cancelled) if each is not None)
            begins = over + int(draw.choice([-10, 0, 1, 20, 30, 31, 150]))
            begins = max(begins, contract["started_on"] + 1)
    columns = {key: [row[key] for row in rows] for key in rows[0]} if rows else {}
    day = np.array(columns["day"])
    return {
        "record": np.array(columns["record"]),
        "day": day,
        "contract_id": np.array(columns["contract_id"], dtype=object),
        "started_on": _dates(columns["started_on"]),
        "ends_on": _dates(columns["ends_on"]),
        "cancelled_on": _dates(columns["cancelled_on"]),
        "mrr": _amounts(np.array(columns["mrr"])),
        "currency": np.full(len(day), "CNY", dtype=object),
        "status": np.array(columns["status"], dtype=object),
        "updated_at": _moments(draw, day),
    }


def _moments(draw: np.random.Generator, days: NDArray[Any]) -> NDArray[Any]:
    """Some second of each business day, as canonical text in UTC."""
    seconds = np.asarray(days) * 86_400 + draw.integers(0, 86_400, len(days)) - UTC_OFFSET * 3_600
    moments = np.datetime64(FIRST_DAY, "s") + seconds.astype("timedelta64[s]")
    return (moments.astype(str).astype(object) + "Z").astype(object)


def _dates(days: list[int | None]) -> NDArray[Any]:
    return np.array([None if day is None else f"{FIRST_DAY + timedelta(days=day)}" for day in days], dtype=object)


def _amounts(cents: NDArray[Any]) -> NDArray[Any]:
    return np.array(
        [f"{'-' if each < 0 else ''}{abs(each) // 100}.{abs(each) % 100:02d}" for each in cents], dtype=object
    )
