"""Rules between fields: what the shape of one field cannot show.

Here belongs every check that needs two fields, the metric catalogue or another library. What one field shows
by itself stands in ``rules/schema.py``.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import available_timezones

from rules.compiling import compile_condition, segment_axes, segment_cells
from rules.document import Location
from rules.expressions import ExpressionError
from rules.metrics import CATALOGUE, Use, numeric_in
from rules.schema import DEFAULT, Business, Churn, ListSize, MarketingList, Rfm, RiskLevels, Rules, Signal
from rules.suggestions import nearest, suggestion


class Finding(NamedTuple):
    """One broken rule: where it stands, and a clause that follows the name of the setting."""

    location: Location
    clause: str


def cross_checks(rules: Rules) -> list[Finding]:
    """Everything that is wrong between the fields of rules whose shape is right; empty when nothing is."""
    return [
        *_business(rules.business),
        *_rfm(rules.rfm),
        *_churn(rules.churn),
        *_signals(rules.signals),
        *_risk_levels(rules.risk_levels),
        *_lists(rules.lists, rules.rfm),
        *_list_size(rules.gates.list_size),
    ]


def _business(business: Business) -> Iterator[Finding]:
    zones = available_timezones()
    if business.time_zone not in zones:
        near = nearest(business.time_zone, zones)
        hint = f"did you mean {near}?" if near else "write an IANA name such as Asia/Shanghai"
        yield Finding(("business", "time_zone"), f"is not a known time zone: {business.time_zone}; {hint}")
    yield from _repeats(("business", "valid_order_statuses"), business.valid_order_statuses)


def _rfm(rfm: Rfm) -> Iterator[Finding]:
    yield from _cuts(rfm)
    yield from _repeats(("rfm", "segments"), [segment.id for segment in rfm.segments], key="id")
    yield from _segments(rfm)


def _cuts(rfm: Rfm) -> Iterator[Finding]:
    if rfm.method == "fixed" and rfm.cuts is None:
        yield Finding(("rfm", "cuts"), "is missing; the method fixed needs cut points for recency, frequency, monetary")
    if rfm.method == "quantile" and rfm.cuts is not None:
        yield Finding(("rfm", "cuts"), "has no effect with the method quantile; remove it or set the method to fixed")
    if rfm.cuts is None:
        return
    for axis, cuts in (
        ("recency", rfm.cuts.recency),
        ("frequency", rfm.cuts.frequency),
        ("monetary", rfm.cuts.monetary),
    ):
        if len(cuts) != rfm.bins - 1:
            yield Finding(
                ("rfm", "cuts", axis),
                f"must have {rfm.bins - 1} numbers for {rfm.bins} bins, but has {len(cuts)}",
            )
        if any(low >= high for low, high in pairwise(cuts)):
            yield Finding(("rfm", "cuts", axis), "must rise from number to number; sort it and remove repeats")


def _segments(rfm: Rfm) -> Iterator[Finding]:
    last = len(rfm.segments) - 1
    in_range = True
    for index, segment in enumerate(rfm.segments):
        location: Location = ("rfm", "segments", index, "when")
        if segment.when == DEFAULT:
            if index != last:
                yield Finding(location, "is default, but only the last segment may be; move it to the end")
            continue
        for axis in ("r", "f", "m"):
            scores: tuple[int, ...] = getattr(segment.when, axis) or ()
            yield from _repeats((*location, axis), scores)
            if (highest := max(scores, default=0)) > rfm.bins:
                in_range = False
                yield Finding(
                    (*location, axis),
                    f"has the score {highest}, but with {rfm.bins} bins the best is {rfm.bins}",
                )
        if index == last:
            yield Finding(location, "must be default in the last segment, so that every customer has one")
    if in_range:
        yield from _unreachable(rfm)


def _unreachable(rfm: Rfm) -> Iterator[Finding]:
    owners = segment_cells(rfm.segments, rfm.bins)
    reached = set(owners.values())
    for index, segment in enumerate(rfm.segments):
        if segment.when != DEFAULT and segment.id not in reached:
            r, f, m = segment_axes(segment, rfm.bins)
            taker = owners[r[0], f[0], m[0]]
            yield Finding(
                ("rfm", "segments", index, "when"),
                f"matches nobody: {taker} and others before it take all its scores; move it up or remove it",
            )


def _churn(churn: Churn) -> Iterator[Finding]:
    low, high = churn.threshold.min_days, churn.threshold.max_days
    if low > high:
        yield Finding(
            ("churn", "threshold", "min_days"),
            f"must not exceed max_days, but {low} is more than {high}; change one",
        )


def _signals(signals: Sequence[Signal]) -> Iterator[Finding]:
    yield from _repeats(("signals",), [signal.id for signal in signals], key="id")
    for index, signal in enumerate(signals):
        yield from _metric(("signals", index, "metric"), signal.metric, numeric_in(Use.SIGNAL))


def _risk_levels(levels: RiskLevels) -> Iterator[Finding]:
    for lower, upper in pairwise(("medium", "high", "critical")):
        low, high = getattr(levels, lower), getattr(levels, upper)
        if low >= high:
            yield Finding(("risk_levels", upper), f"must be more than {lower}, but {high:g} is not more than {low:g}")


def _lists(lists: Sequence[MarketingList], rfm: Rfm) -> Iterator[Finding]:
    yield from _repeats(("lists",), [entry.id for entry in lists], key="id")
    for index, entry in enumerate(lists):
        try:
            compile_condition(entry.when, rfm)
        except ExpressionError as error:
            yield Finding(("lists", index, "when"), str(error))
        yield from _metric(("lists", index, "rank_by"), entry.rank_by, numeric_in(Use.LIST))
        yield from _repeats(("lists", index, "channels"), entry.channels)


def _list_size(size: ListSize) -> Iterator[Finding]:
    if size.max_rows is not None and size.min_rows > size.max_rows:
        yield Finding(
            ("gates", "list_size", "min_rows"),
            f"must not exceed max_rows, but {size.min_rows} is more than {size.max_rows}; change one",
        )


def _metric(location: Location, name: str, allowed: Collection[str]) -> Iterator[Finding]:
    if name not in allowed:
        problem = "cannot stand here" if name in CATALOGUE else "is not a metric"
        yield Finding(location, f"names {name}, which {problem}; {suggestion(name, allowed)}")


def _repeats(location: Location, items: Sequence[object], *, key: str | None = None) -> Iterator[Finding]:
    """A finding at each item that stands a second time; ``key`` is the field of an item that holds it."""
    suffix = () if key is None else (key,)
    for index, item in enumerate(items):
        if item in items[:index]:
            yield Finding(
                (*location, index, *suffix),
                f"is used twice: {item}; " + ("choose another" if key else "keep one"),
            )
