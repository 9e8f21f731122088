"""What the sources say of who a customer is: name, place, channel, owner.

Belongs here: choosing, of all rows about a customer's records, those that speak. Does not belong here: purchases and
whatever else a customer did.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from warehouse.explained_records import Calendar, Delivery, Member, Record, Verdict, content_hash, instant

__all__ = ["ATTRIBUTES", "attribute", "described"]

#: What a record of a customer may say, by the name that the tables have for it.
ATTRIBUTES: Final = (
    *("customer_type", "name", "email", "phone", "country", "region", "acquisition_channel", "owner_id", "gender"),
    *("birth_date", "is_active", "created_at"),
)
_COLUMNS: Final = {"region": "province"}
_ADDRESS: Final = ("country", "region", "city")
_EARLY: Final = datetime.min


def described(
    rows: Iterable[Record],
    members: Iterable[Member],
    first_seen: Mapping[Member, datetime],
    calendar: Calendar,
    deliveries: Mapping[tuple[str, str], Delivery],
) -> list[Record]:
    """The row that stands for each of a customer's records, with what it says; the others with the reason.

    Parameters
    ----------
    rows : iterable of Record
        All rows of ``customers`` about the members.
    members : iterable of Member
        The customer's records.
    first_seen : mapping of Member to datetime
        When the first document named each of them.
    calendar : Calendar
        The business's day.
    deliveries : mapping
        By source and id.

    Returns
    -------
    list of Record
        In the order in which they speak: the last one that says something is believed.
    """
    versions: dict[Member, list[Record]] = defaultdict(list)
    for row in rows:
        versions[Member(row.source_system, row.place.source, row.cells["source_customer_id"])].append(row)
    found, left = [], []
    for member in members:
        if not versions[member]:
            continue
        ranked = sorted(versions[member], key=_firmness(versions[member], calendar, deliveries))
        first = ranked[0]
        found.append(_told(first, ranked, first_seen.get(member), calendar, deliveries))
        place = (deliveries[first.place[:2]].file, str(first.place.record_no))
        left += [row.saying(Verdict("replaced", place)) for row in ranked[1:]]
    return sorted(found, key=_place) + left


def _is_true(text: str | None) -> bool:
    return text in ("true", "1", "yes", "y", "t")


def _firmness(versions: Sequence[Record], calendar: Calendar, deliveries: Mapping[tuple[str, str], Delivery]) -> Any:
    """How firmly a row stands among those about one record, the firmest first."""
    dated: dict[bool, datetime] = {}
    for each in versions:
        delivery = deliveries[each.place[:2]]
        if each.cell("updated_at"):
            is_own = delivery.feed == "customers"
            dated[is_own] = max(delivery.version_at, dated.get(is_own, delivery.version_at))

    def firmness(row: Record) -> tuple[Any, ...]:
        delivery = deliveries[row.place[:2]]
        is_own = delivery.feed == "customers"
        updated_at = instant(row.cell("updated_at"))
        changed_at = updated_at
        if changed_at is None and (is_own not in dated or delivery.version_at > dated[is_own]):
            changed_at = delivery.version_at
        return (
            delivery.is_replaced,
            not calendar.is_known(instant(row.cell("created_at")) or updated_at),
            not calendar.is_known(updated_at),
            not is_own,
            changed_at is None,
            _EARLY - (changed_at or _EARLY),
            _EARLY - delivery.version_at,
            _EARLY - (delivery.corrected_at or _EARLY),
            content_hash(row),
            row.place.delivery_id,
            row.place.record_no,
        )

    return firmness


def _said(row: Record) -> dict[str, Any]:
    """What one row says."""
    whole = " ".join(filter(None, (row.cell("first_name"), row.cell("last_name"))))
    said: dict[str, Any] = {name: row.cell(_COLUMNS.get(name, name)) for name in (*ATTRIBUTES, "city")}
    said["name"] = row.cell("name") or whole or row.cell("company_name")
    said["created_at"] = instant(row.cell("created_at"))
    said["birth_date"] = date.fromisoformat(said["birth_date"][:10]) if said["birth_date"] else None
    return said


def _told(
    first: Record,
    ranked: Sequence[Record],
    first_seen: datetime | None,
    calendar: Calendar,
    deliveries: Mapping[tuple[str, str], Delivery],
) -> Record:
    """What is known of one record: a blank in a file of customers is a statement, in a document it is none."""
    said = _said(first)
    if deliveries[first.place[:2]].feed != "customers":
        firm = _firmness(ranked, calendar, deliveries)
        as_firm = [row for row in ranked if firm(row)[:3] == firm(first)[:3]]
        spoken = [_said(row) for row in as_firm if deliveries[row.place[:2]].feed != "customers"]
        for name in said:
            if name not in ("customer_type", "is_active") and said[name] is None:
                said[name] = next((each[name] for each in spoken if each[name] is not None), None)
        address = next((each for each in spoken if any(each[part] is not None for part in _ADDRESS)), None)
        for part in _ADDRESS:
            said[part] = first.cell(_COLUMNS.get(part, part)) or (None if address is None else address[part])
    said["customer_type"] = said["customer_type"] or "person"
    is_gone = deliveries[first.place[:2]].is_replaced or _is_true(first.cell("is_deleted"))
    is_known = calendar.is_known(said["created_at"] or instant(first.cell("updated_at")))
    created_at = min(filter(None, (said["created_at"], first_seen)), default=None)
    is_active = first.cell("is_active") is None or _is_true(first.cell("is_active"))
    return first.saying(
        Verdict("later") if not is_known else None,
        **{
            **(dict.fromkeys(said) if is_gone else said),
            "customer_type": "person" if is_gone else said["customer_type"],
            "is_described": not is_gone,
            "is_active": is_active and not is_gone,
            "at": created_at,
            "described_at": instant(first.cell("updated_at")) or created_at,
        },
    )


def _place(row: Record) -> tuple[Any, ...]:
    """The later a record was written, the later it speaks."""
    said = row.values
    backwards = tuple(
        (*(-ord(char) for char in text), 1)
        for text in (row.source_system, row.place.source, row.cells["source_customer_id"])
    )
    return said["is_described"], said["described_at"] is not None, said["described_at"] or _EARLY, backwards


def attribute(rows: Sequence[Record], name: str) -> Any:
    """What the rows of :func:`described` make of one attribute."""
    speaking = [row.values for row in rows if row.verdict is None]
    if name == "customer_type":
        return speaking[-1][name] if speaking else "person"
    if name == "is_active":
        own = [said["is_active"] for said in speaking if said["is_described"]]
        return any(own) if own else True
    if name in ("country", "region"):
        # Country and region are of one record.
        addressed = [said for said in speaking if said["country"] is not None or said["region"] is not None]
        return addressed[-1][name] if addressed else None
    known = [said[name] for said in speaking if said[name] is not None]
    return known[-1] if known else None
