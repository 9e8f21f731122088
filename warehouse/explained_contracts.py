"""What the contracts of one customer come to on the last day that counts.

Belongs here: reading the rows of ``subscriptions``, of which each export may say something new. Does not belong here:
figures (``explained_metrics.py``).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from warehouse.explained_records import Calendar, Delivery, Record, Verdict, amount, content_hash, instant

__all__ = ["contracts"]

_PAUSED: Final = frozenset(["paused", "pause", "on hold", "on_hold", "suspended", "暂停", "已暂停", "冻结"])
_ENDED: Final = frozenset(
    {
        *("cancelled", "canceled", "churned", "ended", "expired", "terminated", "closed", "lapsed"),
        *("已取消", "已终止", "已到期", "已过期", "已关闭", "已作废", "终止", "作废"),
    }
)
_INVOLUNTARY: Final = frozenset(
    {
        *("payment", "payment_failed", "payment failed", "payment_failure", "payment failure"),
        *("non_payment", "non-payment", "nonpayment", "non payment", "unpaid", "past_due", "past due"),
        *("card_expired", "card expired", "card_declined", "card declined", "dunning", "involuntary"),
        *("付款失败", "支付失败", "扣款失败", "欠费", "未付款", "银行卡过期"),
    }
)


@dataclass(frozen=True, slots=True)
class _Statement:
    """One version of a contract, and the day from which it is known."""

    record: Record
    told_on: date
    order: tuple[Any, ...]
    is_dated: bool
    said_on: date | None = None


def contracts(
    standing: Iterable[Record],
    versions: Iterable[Record],
    calendar: Calendar,
    deliveries: Mapping[tuple[str, str], Delivery],
    in_base: Callable[[Decimal | None, str | None, date], Decimal | None],
    grace_days: int,
) -> list[Record]:
    """Say of every contract whether it counts on the last day, and what it is worth.

    Parameters
    ----------
    standing : iterable of Record
        The rows that stand: whose a contract is and when it began, they alone say.
    versions : iterable of Record
        All rows of these contracts, older ones too: since when something is known, they say.
    calendar : Calendar
        The business's day.
    deliveries : mapping
        By source and id.
    in_base : callable
        Converts an amount in a currency at the rate of a day.
    grace_days : int
        Days after the end in which a contract may still be renewed.
    """
    said: dict[tuple[str, str | None], list[Record]] = defaultdict(list)
    for version in versions:
        said[version.place.source, version.cell("contract_id")].append(version)
    found, left = [], []
    for record in standing:
        started_on = _day(record.cell("started_on"))
        if record.verdict is None and (started_on is None or started_on > calendar.as_of):
            record = record.saying(Verdict("later"))
        if record.verdict is not None or started_on is None:
            left.append(record)
            continue
        known = _known(said[record.place.source, record.cell("contract_id")], calendar, deliveries)
        found.append(_ended(record, known, started_on, calendar, deliveries, in_base))
    begun = [each for each in found if each.verdict is None]
    left += [each for each in found if each.verdict is not None]
    return [_counted(each, begun, calendar, grace_days) for each in begun] + left


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text[:10])


def _word(record: Record, column: str) -> str:
    return (record.cell(column) or "").strip().lower()


def _known(
    versions: Sequence[Record], calendar: Calendar, deliveries: Mapping[tuple[str, str], Delivery]
) -> list[_Statement]:
    """What had been said of a contract by the last day, in order, one statement a day."""
    dated_at = max(
        (deliveries[each.place[:2]].version_at for each in versions if each.cell("updated_at")), default=None
    )
    statements = [_statement(each, calendar, deliveries[each.place[:2]], dated_at) for each in versions]
    first_dated = min((each.told_on for each in statements if each.is_dated), default=None)
    # A row that does not say when it was changed is older than all that do, unless it came after them.
    ordered = sorted(
        (each for each in statements if each.is_dated or first_dated is None or each.told_on < first_dated),
        key=lambda each: each.order,
    )
    days: dict[date, _Statement] = {}
    for number, each in enumerate(ordered):
        if each.told_on <= calendar.as_of or number == 0:
            said_on = min(each.told_on, calendar.as_of)
            days[said_on] = _Statement(each.record, each.told_on, each.order, each.is_dated, said_on)
    return [days[day] for day in sorted(days)]


def _statement(record: Record, calendar: Calendar, delivery: Delivery, dated_at: datetime | None) -> _Statement:
    updated_at = instant(record.cell("updated_at"))
    changed_at = updated_at
    if changed_at is None and (dated_at is None or delivery.version_at > dated_at):
        changed_at = delivery.version_at
    told_on = calendar.day(updated_at)
    if told_on is None:
        exported_on = calendar.day(delivery.exported_at)
        # An export is written after the day it tells of.
        told_on = calendar.as_of if exported_on is None else exported_on - timedelta(days=1)
    early = datetime.min
    order = (
        changed_at or early,
        delivery.version_at,
        delivery.corrected_at or early,
        # Of contradictory ones of one moment, the first by its hash is the last word.
        tuple(-ord(char) for char in content_hash(record)),
        tuple(-ord(char) for char in record.place.delivery_id),
        -record.place.record_no,
    )
    return _Statement(record, told_on, order, changed_at is not None)


def _ended(
    record: Record,
    known: Sequence[_Statement],
    started_on: date,
    calendar: Calendar,
    deliveries: Mapping[tuple[str, str], Delivery],
    in_base: Callable[[Decimal | None, str | None, date], Decimal | None],
) -> Record:
    """A contract with the day on which it ends, and what its last statement says."""
    last = known[-1].record
    status = _word(last, "status")
    is_paused = status in _PAUSED
    cancelled_on, ends_on = _day(record.cell("cancelled_on")), _day(record.cell("ends_on"))
    # A pause stops the clock: what rests does not run out.
    term_ends_on = None if is_paused else ends_on or _day(record.cell("renewal_due_on"))
    ended_said_on = None
    if status in _ENDED and cancelled_on is None:
        alive = [each.said_on for each in known if _word(each.record, "status") not in _ENDED]
        since = [each.said_on for each in known if not alive or (each.said_on or date.min) > (alive[-1] or date.min)]
        ended_said_on = min(filter(None, since), default=None)
    ended_on = min(filter(None, (cancelled_on, term_ends_on, ended_said_on)), default=None)
    is_expired = (
        ended_on is not None
        and _word(record, "cancel_reason") not in _INVOLUNTARY
        and cancelled_on != ended_on
        and term_ends_on == ended_on
    )
    due = _day(last.cell("renewal_due_on"))
    last_end, last_cancel = _day(last.cell("ends_on")), _day(last.cell("cancelled_on"))
    if due is None and (last_cancel is None or (last_end is not None and last_end > last_cancel)):
        due = last_end
    currency = last.cell("currency") or deliveries[last.place[:2]].currency
    never = Verdict("never_began") if ended_on is not None and ended_on < started_on else None
    return record.saying(
        never,
        on=started_on,
        started_on=started_on,
        ended_on=ended_on,
        is_expired=is_expired,
        is_paused=is_paused,
        due_on=due,
        mrr=in_base(amount(last.cell("mrr")), currency, started_on),
    )


def _counted(record: Record, begun: Sequence[Record], calendar: Calendar, grace_days: int) -> Record:
    """A contract with whether it counts: it runs, or is in its days of grace and not renewed yet."""
    said, as_of = record.values, calendar.as_of
    ended_on: date | None = said["ended_on"]
    until = None
    if ended_on is not None:
        grace_until = ended_on + timedelta(days=grace_days)
        renewals = [
            max(other.values["started_on"], ended_on)
            for other in begun
            if other is not record
            and other.values["started_on"] <= grace_until
            and (other.values["ended_on"] is None or other.values["ended_on"] > ended_on)
        ]
        until = min(renewals, default=grace_until)
    has_ended = ended_on is not None and ended_on <= as_of
    due = said["due_on"]
    to_renewal = None
    if not has_ended and due is not None:
        to_renewal = (due - as_of).days
    elif has_ended and said["is_expired"] and ended_on is not None:
        to_renewal = (ended_on - as_of).days
    return record.saying(
        is_counted=until is None or until > as_of,
        has_ended=has_ended,
        is_unended=not has_ended,
        is_resting=not has_ended and said["is_paused"],
        last_day=ended_on if has_ended else None,
        days_to_renewal=to_renewal,
        instead=Verdict("ended", (str(ended_on),)) if has_ended else None,
    )
