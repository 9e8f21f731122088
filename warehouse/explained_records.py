"""The raw records behind one customer, as they were delivered.

Belongs here: finding the rows of the raw feeds, and telling which version of a key stands. Does not belong here: what
a row is worth (``explained_documents.py``, ``explained_behaviour.py``).

Nothing here asks the tables of the build: a raw row is found by whose it is or by where it stands, and which version
counts is decided once more, in Python, by the rules of ``docs/deliveries.md``.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import duckdb

from warehouse.build import FeedFiles
from warehouse.connection import quote_literal, quote_name
from warehouse.errors import WarehouseError

__all__ = [
    "FEEDS",
    "Calendar",
    "Delivery",
    "Member",
    "Place",
    "RawFeeds",
    "Record",
    "Verdict",
    "amount",
    "content_hash",
    "instant",
    "masked",
    "standing",
]

#: Digits behind the point of every amount.
_CENTS: Final = Decimal("0.0001")
_TRACE: Final = frozenset(
    {"source_system", "source", "delivery_id", "record_no", "exported_at", "received_at", "extra"}
)
_LONG_AGO: Final = datetime(1, 1, 1)
_NO_KEY: Final = (
    "The customers of {source} are published under a secret that is not in this home; restore history/identifier.key."
)


class Place(NamedTuple):
    """Where a record was delivered: one number in one file."""

    source: str
    delivery_id: str
    record_no: int


class Member(NamedTuple):
    """One source's record of a customer."""

    source_system: str
    source: str
    source_customer_id: str


@dataclass(frozen=True, slots=True)
class Feed:
    """How versions of a row are told apart: its key, the columns that its hash is made of, whether a time is in it."""

    key: tuple[str, ...]
    hashed: tuple[str, ...]
    timed: bool = False


def _feed(key: str, hashed: str, *, timed: bool = False) -> Feed:
    return Feed(tuple(key.split()), tuple(hashed.split()), timed)


#: The order of the hashed columns decides between contradictory versions of one moment, so it is that of the tables.
FEEDS: Final[Mapping[str, Feed]] = {
    "campaigns": _feed("campaign_id", "campaign_id name kind currency budget actual_cost started_on ended_on"),
    "campaign_touches": _feed(
        "touch_id", "touch_id campaign_id source_customer_id channel status cost_amount touched_at"
    ),
    "consents": _feed(
        "source_customer_id channel purpose at", "source_customer_id channel purpose state at", timed=True
    ),
    "contacts": _feed("contact_id", "contact_id source_customer_id name email phone title is_primary left_at"),
    "customers": _feed(
        "source_customer_id",
        "source_customer_id customer_type name first_name last_name company_name email phone wechat_id qq birth_date "
        "gender country province city industry acquisition_channel owner_id account_id membership_level tags "
        "referrer_id created_at updated_at is_active is_deleted merged_into",
    ),
    "interactions": _feed(
        "interaction_id",
        "interaction_id source_customer_id owner_id channel direction kind feature duration_s quantity occurred_at",
    ),
    "leads": _feed("lead_id", "lead_id name email phone acquisition_channel status converted_customer_id created_at"),
    "payments": _feed("payment_id", "payment_id order_id source_customer_id kind method currency amount paid_at"),
    "points": _feed("entry_id", "entry_id source_customer_id reason delta at expires_at"),
    "products": _feed("product_id", "product_id sku name category list_price unit_cost"),
    "subscriptions": _feed(
        "contract_id",
        "contract_id source_customer_id currency status cancel_reason mrr started_on ends_on renewal_due_on "
        "cancelled_on",
    ),
    "survey_responses": _feed(
        "response_id", "response_id source_customer_id survey comment score scale_max responded_at"
    ),
    "tickets": _feed(
        "ticket_id",
        "ticket_id source_customer_id kind topic priority status csat cost_amount opened_at first_response_at "
        "closed_at",
    ),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a record does not count: a code, and what the sentence about it names."""

    code: str
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a raw feed.

    Attributes
    ----------
    feed, source_system : str
        What it tells of, and the system that wrote it.
    place : Place
        Where it was delivered.
    cells : mapping of str to str
        What it says, as canonical text; what it leaves blank is left out.
    verdict : Verdict or None
        Why it does not count; None where it does.
    values : mapping
        What the cells mean, and what follows from them.
    """

    feed: str
    source_system: str
    place: Place
    cells: Mapping[str, str]
    verdict: Verdict | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    def cell(self, name: str) -> str | None:
        """One cell; None where it is blank."""
        return self.cells.get(name)

    def saying(self, verdict: Verdict | None = None, **values: Any) -> "Record":
        """The record with more said of it; the first reason not to count stays."""
        return replace(self, verdict=self.verdict or verdict, values={**self.values, **values})


@dataclass(frozen=True, slots=True)
class Delivery:
    """What must be known of a file to choose between the versions in it."""

    source: str
    delivery_id: str
    file: str
    feed: str
    currency: str
    version_at: datetime
    exported_at: datetime | None
    corrected_at: datetime | None
    is_replaced: bool
    has_direct_identifiers: bool


@dataclass(frozen=True)
class Calendar:
    """The business's day: which one an instant belongs to, and the last that counts."""

    zone: ZoneInfo
    as_of: date

    def day(self, moment: datetime | None) -> date | None:
        """The business day of an instant in UTC."""
        return None if moment is None else moment.replace(tzinfo=UTC).astimezone(self.zone).date()

    def is_known(self, moment: datetime | None) -> bool:
        """Whether an instant lies before the end of the last day that counts; what has no date has always been so."""
        day = self.day(moment)
        return day is None or day <= self.as_of


def amount(text: str | None) -> Decimal | None:
    """An amount with four decimals."""
    return None if text is None else Decimal(text).quantize(_CENTS, ROUND_HALF_UP)


def instant(text: str | None) -> datetime | None:
    """An instant in UTC, without time zone; a day alone is its midnight."""
    if text is None:
        return None
    if len(text) == len("2025-01-01"):
        return datetime.combine(date.fromisoformat(text), time())
    return datetime.fromisoformat(text).replace(tzinfo=None)


def content_hash(record: Record) -> str:
    """A hash of what a row says, whichever file it stood in: the last tie-break between versions."""
    text = "|".join(record.cells.get(column, "∅") for column in FEEDS[record.feed].hashed)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _descending(moment: datetime | None) -> float:
    """A sort key that puts the latest first and what has no time last."""
    return -((moment or _LONG_AGO) - _LONG_AGO).total_seconds()


_OF_PERSONS: Final = frozenset({"customers", "contacts", "leads", "reps"})
_NAMES: Final = frozenset({"name", "first_name", "last_name", "company_name", "wechat_id", "qq", "birth_date"})
_IDS_OF_PERSONS: Final = frozenset(
    {"source_customer_id", "contact_id", "lead_id", "merged_into", "referrer_id", "converted_customer_id"}
)


def masked(record: Record, delivery: Delivery) -> dict[str, str]:
    """The cells of a record as anybody may see them: of what names a person, the first sign is left."""
    hidden = {"email", "phone", "comment"}
    if record.feed in _OF_PERSONS:
        hidden |= _NAMES
    if delivery.has_direct_identifiers:
        hidden |= _IDS_OF_PERSONS
    return {
        name: f"{value[0] if len(value) > 3 else ''}…" if name in hidden else value
        for name, value in record.cells.items()
    }


def standing(
    feed: str, records: Iterable[Record], deliveries: Mapping[tuple[str, str], Delivery]
) -> tuple[list[Record], list[Record]]:
    """Choose the version that stands of every key.

    Parameters
    ----------
    feed : str
        One of ``FEEDS``.
    records : iterable of Record
        All delivered versions of some keys.
    deliveries : mapping
        By source and id.

    Returns
    -------
    list of Record, list of Record
        The versions that stand, those of keys that a full export has dropped with the verdict ``deleted``; and all
        others, each with the verdict ``replaced``.
    """
    spec = FEEDS[feed]
    versions: dict[tuple[str | None, ...], list[Record]] = defaultdict(list)
    for record in records:
        key = (record.source_system, record.place.source, *(record.cell(column) for column in spec.key))
        versions[key].append(record)
    chosen, left = [], []
    for each in versions.values():
        ranked = sorted(each, key=_firmness(spec, each, deliveries))
        first = ranked[0]
        gone = Verdict("deleted") if deliveries[first.place[:2]].is_replaced else None
        chosen.append(first.saying(gone))
        left += [
            record.saying(Verdict("replaced", (deliveries[first.place[:2]].file, str(first.place.record_no))))
            for record in ranked[1:]
        ]
    return chosen, left


def _firmness(
    spec: Feed, versions: Sequence[Record], deliveries: Mapping[tuple[str, str], Delivery]
) -> Callable[[Record], Any]:
    """How firmly a version stands among its like, the firmest first."""
    dated = [
        deliveries[version.place[:2]].version_at
        for version in versions
        if not spec.timed and version.cell("updated_at")
    ]
    dated_at = max(dated, default=None)

    def changed_at(record: Record) -> datetime | None:
        delivery = deliveries[record.place[:2]]
        if stated := instant(record.cell("updated_at")):
            return stated
        return delivery.version_at if dated_at is None or delivery.version_at > dated_at else None

    def firmness(record: Record) -> tuple[Any, ...]:
        delivery = deliveries[record.place[:2]]
        changed = () if spec.timed else (_descending(changed_at(record)),)
        return (
            delivery.is_replaced,
            *changed,
            _descending(delivery.version_at),
            _descending(delivery.corrected_at),
            content_hash(record),
            record.place.delivery_id,
            record.place.record_no,
        )

    return firmness


class RawFeeds:
    """The raw feeds that a release was made of.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Any connection; nothing is left in it.
    feeds : mapping of str to FeedFiles
        Every raw feed with its files, the ledger ``deliveries`` among them.
    released : collection of (str, str)
        Sources and ids of the deliveries that the release knows; what came later does not count.
    """

    def __init__(
        self, con: duckdb.DuckDBPyConnection, feeds: Mapping[str, FeedFiles], released: Collection[tuple[str, str]]
    ) -> None:
        self._con = con
        self._feeds = feeds
        self._released = frozenset(released)
        names = {delivery_id for _, delivery_id in self._released}
        self._files = {
            name: [file for file in each.files if file.stem.partition("-")[0] in names] for name, each in feeds.items()
        }

    @cached_property
    def deliveries(self) -> Mapping[tuple[str, str], Delivery]:
        """The deliveries of the release, by source and id."""
        columns = ["source", "delivery_id", "file", "feed", "kind", "currency", "exported_at", "received_at"]
        columns += ["corrected_at", "archive_at", "deliveries_mode", "direct_identifier"]
        rows = [
            dict(zip(columns, row, strict=True))
            for row in self._ask("deliveries", columns, "true")
            if row[:2] in self._released
        ]
        if missing := self._released - {(row["source"], row["delivery_id"]) for row in rows}:
            source, delivery_id = min(missing)
            raise WarehouseError(
                f"The raw files of the delivery {delivery_id} of {source}, which the release was made of, are missing; "
                "restore the folder raw of the home from a backup."
            )
        newest_full: dict[tuple[str, str], datetime] = {}
        for row in rows:
            row["version_at"] = instant(row["exported_at"] or row["received_at"])
            archive_at = instant(row["archive_at"])
            row["complete_at"] = max(row["version_at"], archive_at) if archive_at else row["version_at"]
            kind = row["source"], row["kind"] or row["feed"]
            if row["deliveries_mode"] == "full":
                newest_full[kind] = max(row["complete_at"], newest_full.get(kind, row["complete_at"]))
        return {
            (row["source"], row["delivery_id"]): Delivery(
                source=row["source"],
                delivery_id=row["delivery_id"],
                file=row["file"],
                feed=row["feed"],
                currency=row["currency"],
                version_at=row["version_at"],
                exported_at=instant(row["exported_at"]),
                corrected_at=instant(row["corrected_at"]),
                is_replaced=row["complete_at"]
                < newest_full.get((row["source"], row["kind"] or row["feed"]), row["complete_at"]),
                has_direct_identifiers=row["direct_identifier"] == "true",
            )
            for row in rows
        }

    def where(self, feed: str, source: str | None, column: str, values: Collection[str]) -> list[Record]:
        """The rows of a feed in which a column has one of some values; of one source, or of all."""
        if not values:
            return []
        files = [
            file
            for file in self._files.get(feed, [])
            if source is None or (source, file.stem.partition("-")[0]) in self.deliveries
        ]
        # Written out, such a list reaches the Parquet files, of which it skips most parts.
        listed = ", ".join(quote_literal(value) for value in sorted(values))
        condition = f"{quote_name(column)} in ({listed})"
        if source is not None:
            condition += f" and source = {quote_literal(source)}"
        return self._records(feed, files, condition)

    def at(self, feed: str, places: Collection[Place]) -> list[Record]:
        """The rows of a feed that stand at some places; a place may hold several."""
        wanted = frozenset(places)
        if not wanted:
            return []
        names = {place.delivery_id for place in wanted}
        files = [file for file in self._files.get(feed, []) if file.stem.partition("-")[0] in names]
        numbers = ", ".join(str(number) for number in sorted({place.record_no for place in wanted}))
        found = self._records(feed, files, f"record_no in ({numbers})")
        return [record for record in found if record.place in wanted]

    def versions(self, feed: str, records: Iterable[Record]) -> list[Record]:
        """All versions of the keys of some rows."""
        keys: dict[str, set[str]] = defaultdict(set)
        column = FEEDS[feed].key[0]
        for record in records:
            if (key := record.cell(column)) is not None:
                keys[record.place.source].add(key)
        return [record for source, values in keys.items() for record in self.where(feed, source, column, values)]

    def named_by(self, members: Collection[Member], pads: tuple[str, str] | None) -> set[Member]:
        """The members as their raw rows call them.

        Parameters
        ----------
        members : collection of Member
            As a release names them: by an HMAC where a source's ids are e-mail addresses or phones.
        pads : (str, str) or None
            The pads of that HMAC, as ``warehouse.identifiers.hmac_pads`` makes them.

        Raises
        ------
        WarehouseError
            If such ids are asked for without the pads.
        """
        direct = {each.source for each in self.deliveries.values() if each.has_direct_identifiers}
        found = {member for member in members if member.source not in direct}
        hidden: dict[str, set[str]] = defaultdict(set)
        for member in members:
            if member.source in direct:
                hidden[member.source].add(member.source_customer_id)
        for source, values in hidden.items():
            if pads is None:
                raise WarehouseError(_NO_KEY.format(source=source))
            listed = ", ".join(quote_literal(value) for value in sorted(values))
            inner, outer = (quote_literal(pad) for pad in pads)
            hashed = f"sha256(unhex({inner} || hex(source_customer_id)))"
            condition = (
                f"source = {quote_literal(source)} "
                f"and substring(sha256(unhex({outer} || {hashed})), 1, 32) in ({listed})"
            )
            for feed in sorted(self._feeds):
                if "source_customer_id" in self._feeds[feed].columns:
                    columns = ["source_system", "source", "source_customer_id"]
                    found |= {Member(*row) for row in self._ask(feed, columns, condition, distinct=True)}
        return found

    def published_as(self, source: str, number: str, pads: tuple[str, str] | None) -> str:
        """An id of a source as a release shows it."""
        if not any(each.has_direct_identifiers for each in self.deliveries.values() if each.source == source):
            return number
        if pads is None:
            raise WarehouseError(_NO_KEY.format(source=source))
        inner, outer = (bytes.fromhex(pad) for pad in pads)
        return hashlib.sha256(outer + hashlib.sha256(inner + number.encode()).digest()).hexdigest()[:32]

    def books_expiry(self, source: str) -> bool:
        """Whether a source books the points that expire; of the others it has to be found out."""
        words = "lower(reason) like '%expir%' or reason like '%过期%' or reason like '%到期%'"
        condition = f"source = {quote_literal(source)} and starts_with(delta, '-') and ({words})"
        return bool(self._ask("points", ["entry_id"], condition))

    def share_numbers(self, source: str) -> bool:
        """Whether a source numbers its customers, contacts and leads independently of each other.

        Then a number alone does not say who is meant, and documents name customers.
        """
        bearers = {
            kind: {
                row[0]
                for feed, column in columns
                for row in self._ask(feed, [column], f"source = {quote_literal(source)}", distinct=True)
                if row[0] is not None
            }
            for kind, columns in {
                "customer": (
                    ("customers", "source_customer_id"),
                    ("contacts", "source_customer_id"),
                    ("leads", "converted_customer_id"),
                ),
                "contact": (("contacts", "contact_id"),),
                "lead": (("leads", "lead_id"),),
            }.items()
        }
        # A lead that became the customer of its own number is that customer.
        same = {
            row[0]
            for row in self._ask(
                "leads", ["lead_id"], f"source = {quote_literal(source)} and lead_id = converted_customer_id"
            )
        }
        leads = bearers["lead"] - same
        return bool(
            bearers["contact"] & (bearers["customer"] | leads) or leads & (bearers["customer"] | bearers["contact"])
        )

    def _records(self, feed: str, files: Sequence[Any], condition: str) -> list[Record]:
        if not files:
            return []
        listed = ", ".join(quote_literal(file.absolute()) for file in files)
        relation = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
        result = self._con.execute(f"select * from {relation} where {condition} order by delivery_id, record_no")
        names = [column[0] for column in result.description]
        found = []
        for row in result.fetchall():
            cells = dict(zip(names, row, strict=True))
            place = Place(cells["source"], cells["delivery_id"], int(cells["record_no"]))
            if place[:2] in self._released:
                said = {name: str(value) for name, value in cells.items() if value is not None and name not in _TRACE}
                written_at = cells.get("exported_at") or cells.get("received_at")
                found.append(Record(feed, cells["source_system"], place, said, values={"written_at": written_at}))
        return found

    def _ask(
        self, feed: str, columns: Sequence[str], condition: str, *, distinct: bool = False
    ) -> list[tuple[Any, ...]]:
        files = self._files.get(feed, [])
        if not files:
            return []
        listed = ", ".join(quote_literal(file.absolute()) for file in files)
        relation = f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)"
        present = {row[0] for row in self._con.execute(f"describe select * from {relation}").fetchall()}
        selected = ", ".join(
            quote_name(column) if column in present else f"null as {quote_name(column)}" for column in columns
        )
        unique = "distinct " if distinct else ""
        rows = self._con.execute(f"select {unique}{selected} from {relation} where {condition}").fetchall()
        return [tuple(row) for row in rows]
