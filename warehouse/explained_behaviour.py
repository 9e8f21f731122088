"""What the other records of one customer mean: talks, logins, campaign touches, tickets, answers, points, consents.

Belongs here: reading a raw row of each of these feeds as the metrics understand it. Does not belong here: counting and
adding up (``explained_metrics.py``).
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from warehouse.explained_records import Calendar, Delivery, Record, Verdict, amount, instant

__all__ = ["PointsAccount", "account", "answers", "consents", "entries", "interactions", "tickets", "touches"]

_ZERO: Final = Decimal(0)
_ENDED: Final = frozenset(
    {
        *("closed", "solved", "resolved", "done", "completed", "cancelled", "canceled"),
        *("已关闭", "关闭", "已解决", "已完成", "完成", "已结束", "结束", "已取消"),
    }
)
_BOTH_WAYS: Final = frozenset({"chat", "meeting", "visit"})
_NEVER_ARRIVED: Final = frozenset({"bounced", "failed", "planned", "skipped", "suppressed", "control"})
_RESPONSES: Final = frozenset({"opened", "clicked", "responded", "replied", "registered", "attended", "converted"})


def _lower(record: Record, column: str) -> str | None:
    text = record.cell(column)
    return None if text is None else text.lower()


def _dated(record: Record, column: str, calendar: Calendar) -> Record:
    """The record with its instant and its day; what happens after the last day does not count."""
    at = instant(record.cell(column))
    later = None if calendar.is_known(at) else Verdict("later")
    return record.saying(later, at=at, on=calendar.day(at))


def interactions(records: Iterable[Record], calendar: Calendar) -> list[Record]:
    """Logins, uses of the product and talks."""
    found = []
    for each in records:
        record = _dated(each, "occurred_at", calendar)
        channel, kind, direction = (_lower(record, name) for name in ("channel", "kind", "direction"))
        feature = record.cell("feature")
        is_login = "login" in (channel, kind)
        is_usage = channel in ("usage", "page_view", "click") or feature is not None
        is_talk = not is_login and not is_usage
        # Talks where nobody says who began were held by both; a call may also have rung in vain.
        is_reply = is_talk and (direction == "inbound" or (direction is None and channel in _BOTH_WAYS))
        quantity = amount(record.cell("quantity"))
        events = max(Decimal(1) if quantity is None else quantity, _ZERO)
        found.append(
            record.saying(
                channel=channel or "other",
                feature=feature,
                is_login=is_login,
                is_usage=is_usage,
                is_talk=is_talk,
                is_reply=is_reply,
                is_active=is_login or is_usage or is_reply,
                is_contact=is_talk and (direction == "outbound" or channel == "call" or channel in _BOTH_WAYS),
                events=events,
                seconds=(amount(record.cell("duration_s")) or _ZERO) if is_login or is_usage else _ZERO,
            )
        )
    return found


def touches(records: Iterable[Record], calendar: Calendar) -> list[Record]:
    """What campaigns sent, and whether it was answered."""
    found = []
    for each in records:
        record = _dated(each, "touched_at", calendar)
        status = _lower(record, "status")
        is_touch, is_reply = status not in _NEVER_ARRIVED, status in _RESPONSES
        found.append(
            record.saying(
                channel=_lower(record, "channel") or "other",
                is_touch=is_touch,
                is_contact=is_touch,
                is_reply=is_reply,
                is_response=is_reply,
            )
        )
    return found


def tickets(
    records: Iterable[Record], calendar: Calendar, deliveries: Mapping[tuple[str, str], Delivery], sla_days: int
) -> list[Record]:
    """Tickets, and which of them are open on the last day."""
    found = []
    for each in records:
        record = _dated(each, "opened_at", calendar)
        at = record.values["at"]
        ended = instant(record.cell("closed_at"))
        if ended is None and _lower(record, "status") in _ENDED:
            # What a source calls closed without a day was closed by the last change of the row, or by its export.
            ended = instant(record.cell("updated_at")) or deliveries[record.place[:2]].version_at
        closed_on = calendar.day(at if ended is not None and at is not None and ended < at else ended)
        kind = _lower(record, "kind") or ""
        topic = (record.cell("topic") or record.cell("kind") or "").strip().lower()
        is_open = closed_on is None or closed_on > calendar.as_of
        on = record.values["on"]
        found.append(
            record.saying(
                is_complaint=any(word in kind for word in ("complain", "投诉", "客诉")),
                topic=topic or None,
                closed_on=closed_on,
                is_open=is_open,
                is_late=is_open and on is not None and on < calendar.as_of - timedelta(days=sla_days),
                csat=amount(record.cell("csat")),
                rated_at=instant(record.cell("closed_at")) or at,
            )
        )
    return found


def answers(
    responses: Iterable[Record], rated: Iterable[Record], calendar: Calendar, scales: Sequence[Mapping[str, Any]]
) -> list[Record]:
    """Answers to surveys, and ratings of tickets, on the scale that their figure is defined on.

    Parameters
    ----------
    responses : iterable of Record
        Of ``survey_responses``.
    rated : iterable of Record
        Of :func:`tickets`.
    calendar : Calendar
        The business's day.
    scales : sequence of mapping
        Scales of satisfaction that the rules know, each with ``min`` and ``max``.
    """
    found = []
    for each in responses:
        record = _dated(each, "responded_at", calendar)
        stated, top = amount(record.cell("score")), amount(record.cell("scale_max"))
        survey = record.cell("survey")
        on_scale = _recommendation(stated, top) if survey == "nps" else _satisfaction(stated, top, scales)
        found.append(record.saying(survey=survey, score=on_scale if survey in ("nps", "csat") else None))
    for each in rated:
        if each.values["csat"] is not None:
            at = each.values["rated_at"]
            later = None if calendar.is_known(at) else Verdict("later")
            score = _satisfaction(each.values["csat"], None, scales)
            found.append(each.saying(later, survey="csat", score=score, at=at, on=calendar.day(at)))
    return [each.saying(Verdict("off_scale") if each.values["score"] is None else None) for each in found]


def _recommendation(score: Decimal | None, top: Decimal | None) -> float | None:
    """An answer on the scale from 0 to 10, the only one that NPS is defined on."""
    if score is None or (top is not None and top != 10) or not 0 <= score <= 10:
        return None
    return float(score)


def _satisfaction(score: Decimal | None, top: Decimal | None, scales: Sequence[Mapping[str, Any]]) -> float | None:
    """An answer on the scale from 1 to 5: the lowest and the highest of its own scale become 1 and 5."""
    if score is None:
        return None
    for scale in scales:
        low, high = Decimal(str(scale["min"])), Decimal(str(scale["max"]))
        if (Decimal(5) if top is None else top) == high and low <= score <= high:
            return float(1 + 4 * (score - low) / (high - low))
    return None


def consents(
    records: Iterable[Record], calendar: Calendar, deliveries: Mapping[tuple[str, str], Delivery]
) -> list[Record]:
    """Statements about being contacted; of each channel and purpose the last one stands."""
    found = []
    for each in records:
        delivery = deliveries[each.place[:2]]
        # A statement that has no date of its own is as old as the export it stands in, which may have come again.
        own = each.cell("at") != each.values["written_at"]
        at = instant(each.cell("at")) if own else delivery.version_at
        later = None if calendar.is_known(at) else Verdict("later")
        found.append(
            each.saying(
                later,
                at=at,
                on=calendar.day(at),
                channel=_lower(each, "channel"),
                purpose=_lower(each, "purpose"),
                state=each.cell("state"),
            )
        )

    def place(record: Record) -> tuple[Any, ...]:
        said = record.values
        stated_by = record.cell("source_customer_id") or ""
        # Of what is said at one moment, a no stands: it is the later one.
        return said["at"], said["state"] == "out", said["state"], record.source_system, record.place.source, stated_by

    last: dict[tuple[str | None, str | None], Record] = {}
    for record in sorted((each for each in found if each.verdict is None), key=place):
        last[record.values["channel"], record.values["purpose"]] = record
    kept = {id(record) for record in last.values()}
    return [each if each.verdict or id(each) in kept else each.saying(Verdict("restated")) for each in found]


def entries(records: Iterable[Record], calendar: Calendar) -> list[Record]:
    """Entries of points accounts."""
    found = []
    for each in records:
        record = _dated(each, "at", calendar)
        delta = amount(record.cell("delta")) or _ZERO
        expires = calendar.day(instant(record.cell("expires_at"))) if delta > 0 else None
        found.append(record.saying(delta=delta, expires_on=expires))
    return found


@dataclass(frozen=True, slots=True)
class PointsAccount:
    """Where the points of a customer have gone.

    Attributes
    ----------
    granted, spent, lapsed, expiring : Decimal
        Points given, spent, expired unspent, and about to expire within 30 days.
    """

    granted: Decimal
    spent: Decimal
    lapsed: Decimal
    expiring: Decimal

    @property
    def balance(self) -> Decimal:
        """What can still be spent."""
        return self.granted - self.spent - self.lapsed


def account(booked: Iterable[Record], as_of: date, books_expiry: Collection[str]) -> PointsAccount:
    """Add up a points account.

    Points are spent in the order in which they expire. So what has lapsed by a day is the most by which what was due on
    any day until then exceeded what was spent until then.

    Parameters
    ----------
    booked : iterable of Record
        Of :func:`entries`.
    as_of : date
        The last day that counts.
    books_expiry : collection of str
        Sources that book what expires; of the others it is found out here.
    """
    counting = [each for each in booked if each.verdict is None]
    granted = sum((each.values["delta"] for each in counting if each.values["delta"] > 0), _ZERO)
    spent = -sum((each.values["delta"] for each in counting if each.values["delta"] < 0), _ZERO)
    moves: dict[date, Decimal] = defaultdict(Decimal)
    for each in counting:
        said = each.values
        expires = said["expires_on"]
        if said["delta"] > 0 and expires is not None and expires <= as_of and each.place.source not in books_expiry:
            moves[expires] += said["delta"]
        elif said["delta"] < 0:
            moves[said["on"]] += said["delta"]
    uncovered, lapsed = _ZERO, _ZERO
    for day in sorted(moves):
        uncovered += moves[day]
        lapsed = max(lapsed, uncovered)
    gone, until_then = spent + lapsed, as_of + timedelta(days=30)
    soon = sum(
        (
            each.values["delta"]
            for each in counting
            if each.values["expires_on"] is not None and each.values["expires_on"] <= until_then
        ),
        _ZERO,
    )
    expiring = min(max(soon - gone, _ZERO), max(granted - gone, _ZERO))
    return PointsAccount(granted, spent, lapsed, expiring)
