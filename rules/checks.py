"""Rules between fields: what the shape of one field cannot show.

Here belongs every check that needs two fields, the metric catalogue or another library. What one field shows
by itself stands in ``rules/schema.py``.
"""

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import available_timezones

from rules.compiling import Conditions, baseline_of, segment_axes, segment_cells, tag_groups
from rules.document import Location
from rules.expressions import ExpressionError
from rules.metrics import CATALOGUE, PRIOR, PRIOR_MONTHLY, Use, numeric_in, watchable
from rules.schema import (
    DEFAULT,
    FROM_TIER,
    Business,
    Churn,
    Clv,
    CustomerTag,
    Group,
    Layer,
    ListSize,
    MarketingList,
    Reason,
    Rfm,
    RiskLevels,
    Rules,
    Scale,
    Signal,
    Stage,
    Tier,
)
from rules.suggestions import nearest, suggestion

_CHANGES = ("drop_pct", "rise_pct")


class Finding(NamedTuple):
    """One broken rule: where it stands, and a clause that follows the name of the setting."""

    location: Location
    clause: str


def cross_checks(rules: Rules) -> list[Finding]:
    """Everything that is wrong between the fields of rules whose shape is right; empty when nothing is."""
    conditions = Conditions(rules)
    return [
        *_business(rules.business),
        *_clv(rules.clv),
        *_rfm(rules.rfm),
        *_classes(("tiers",), rules.tiers, Use.TIER, conditions),
        *_layers(rules, conditions),
        *_classes(("lifecycle",), rules.lifecycle, Use.STAGE, conditions),
        *_schemes(rules, conditions),
        *_tags(rules, conditions),
        *_churn(rules.churn),
        *_scales(rules.satisfaction.csat_scales),
        *_signals(rules.signals, conditions),
        *_risk_levels(rules.risk_levels),
        *_lists(rules.lists, conditions),
        *_list_size(rules.gates.list_size),
    ]


# Found in the folders of the machine, which takes longer than all other checks together.
_zones = cache(available_timezones)


def _business(business: Business) -> Iterator[Finding]:
    zones = _zones()
    if business.time_zone not in zones:
        near = nearest(business.time_zone, zones)
        hint = f"did you mean {near}?" if near else "write an IANA name such as Asia/Shanghai"
        yield Finding(("business", "time_zone"), f"is not a known time zone: {_shown(business.time_zone)}; {hint}")
    yield from _repeats(("business", "valid_order_statuses"), business.valid_order_statuses)


def _clv(clv: Clv) -> Iterator[Finding]:
    yield from _repeats(("clv", "include_costs"), clv.include_costs)


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


def _classes(
    location: Location, classes: Sequence[Tier | Layer | Stage | Group], use: Use, conditions: Conditions
) -> Iterator[Finding]:
    """Classes of which every customer has exactly one: distinct, each with a condition, the last for all others."""
    yield from _repeats(location, [entry.id for entry in classes], key="id")
    last = len(classes) - 1
    for index, entry in enumerate(classes):
        place = (*location, index, "when")
        is_default = entry.when.strip() == DEFAULT
        if is_default and index != last:
            yield Finding(place, "is default, but only the last one may be; move it to the end")
        elif not is_default and index == last:
            yield Finding(place, "must be default in the last one, so that every customer has one")
        else:
            yield from _condition(place, entry.when, use, conditions)


def _layers(rules: Rules, conditions: Conditions) -> Iterator[Finding]:
    location: Location = ("display_layer",)
    if rules.display_layer:
        yield from _classes(location, rules.display_layer, Use.LAYER, conditions)
    tiers = {tier.id for tier in rules.tiers}
    for index, layer in enumerate(rules.display_layer):
        place = (*location, index)
        if layer.id in tiers:
            yield Finding((*place, "id"), f"is also the id of a tier: {layer.id}; choose another")
        for language in ("zh", "en"):
            label = getattr(layer, language)
            if layer.id == FROM_TIER and label is not None:
                yield Finding((*place, language), "has no effect, since the tier has a name of its own; remove it")
            elif layer.id != FROM_TIER and label is None:
                yield Finding((*place, language), "is missing; add the name that readers see")


def _schemes(rules: Rules, conditions: Conditions) -> Iterator[Finding]:
    location: Location = ("segment_schemes",)
    yield from _repeats(location, [scheme.id for scheme in rules.segment_schemes], key="id")
    for index, scheme in enumerate(rules.segment_schemes):
        yield from _classes((*location, index, "segments"), scheme.segments, Use.SEGMENT, conditions)


def _tags(rules: Rules, conditions: Conditions) -> Iterator[Finding]:
    yield from _repeats(("tags",), [tag.id for tag in rules.tags], key="id")
    last_of: dict[str, CustomerTag] = {group: tags[-1] for group, tags in tag_groups(rules.tags)}
    for index, tag in enumerate(rules.tags):
        if tag.when.strip() == DEFAULT and tag is not last_of[tag.group]:
            yield Finding(("tags", index, "when"), f"is default, but only the last of the group {tag.group} may be")
        else:
            yield from _condition(("tags", index, "when"), tag.when, Use.SEGMENT, conditions)


def _condition(location: Location, text: str, use: Use, conditions: Conditions) -> Iterator[Finding]:
    try:
        conditions.compile(text, use)
    except ExpressionError as error:
        yield Finding(location, str(error))


def _churn(churn: Churn) -> Iterator[Finding]:
    low, high = churn.threshold.min_days, churn.threshold.max_days
    if low > high:
        yield Finding(
            ("churn", "threshold", "min_days"),
            f"must not exceed max_days, but {low} is more than {high}; change one",
        )
    yield from _reasons(churn.reasons)


def _reasons(reasons: Sequence[Reason]) -> Iterator[Finding]:
    location: Location = ("churn", "reasons")
    yield from _repeats(location, [reason.id for reason in reasons], key="id")
    last = len(reasons) - 1
    taken: dict[str, str] = {}
    for index, reason in enumerate(reasons):
        place = (*location, index, "matches")
        if index == last and reason.matches:
            yield Finding(place, "must be empty in the last reason, which takes what no other names")
        if index != last and not reason.matches:
            yield Finding(place, "is empty, but only the last reason may be; name the codes that mean it")
        for number, text in enumerate(reason.matches):
            if text.lower() in taken:
                yield Finding((*place, number), f"is used twice: {text} is {taken[text.lower()]} already; keep one")
            taken.setdefault(text.lower(), reason.id)


def _scales(scales: Sequence[Scale]) -> Iterator[Finding]:
    location: Location = ("satisfaction", "csat_scales")
    # A score says what the best of its scale is, and not the worst.
    yield from _repeats(location, [scale.max for scale in scales], key="max")
    for index, scale in enumerate(scales):
        if scale.min >= scale.max:
            yield Finding((*location, index, "min"), f"must be less than max, but {scale.min} is not less than it")


def _signals(signals: Sequence[Signal], conditions: Conditions) -> Iterator[Finding]:
    yield from _repeats(("signals",), [signal.id for signal in signals], key="id")
    for index, signal in enumerate(signals):
        place = ("signals", index)
        named = list(_metric((*place, "metric"), signal.metric, watchable()))
        yield from named
        # What a signal holds its figure against, and from when it is too old, depends on which figure it is.
        if not named:
            yield from _comparison(place, signal)
            yield from _evidence(place, signal)
            yield from _escalation(place, signal)
        if signal.and_ is not None:
            yield from _condition((*place, "and"), signal.and_, Use.SIGNAL, conditions)


def _comparison(place: Location, signal: Signal) -> Iterator[Finding]:
    """What a figure is compared with, and whether it can be."""
    metric, is_change = CATALOGUE[signal.metric], signal.op in _CHANGES
    if metric.type is bool and (signal.op != "=" or signal.value not in (0, 1)):
        yield Finding((*place, "op"), f'must be "=" and the value 1 or 0, because {metric.name} is a yes or a no')
    if not is_change:
        for name in ("vs", "min_baseline", "min_value"):
            if getattr(signal, name) is not None:
                yield Finding((*place, name), f"has no effect with {signal.op}; remove it or use drop_pct or rise_pct")
        return
    if signal.value <= 0 or (signal.op == "drop_pct" and signal.value > 1):
        limit = "more than 0 and at most 1" if signal.op == "drop_pct" else "more than 0"
        yield Finding((*place, "value"), f"must be {limit} with {signal.op}, because it is a share: 0.5 is half")
    if signal.vs is None:
        yield Finding((*place, "vs"), f"is missing; {signal.op} needs what the figure was before: {_known_vs(signal)}")
    elif (baseline := baseline_of(signal)) is None or baseline not in numeric_in(Use.SIGNAL):
        yield Finding(
            (*place, "vs"),
            f"names {_shown(signal.vs)}, which {signal.metric} cannot be held against; {_known_vs(signal)}",
        )


def _known_vs(signal: Signal) -> str:
    windows = [window for window in (PRIOR, PRIOR_MONTHLY) if window in CATALOGUE[signal.metric].baselines]
    return f"use {' or '.join(windows)}" if windows else "name another metric"


def _evidence(place: Location, signal: Signal) -> Iterator[Finding]:
    """How old a figure may be and how far it looks back."""
    metric = CATALOGUE[signal.metric]
    if signal.max_age_days is not None and metric.age is None:
        aging = ", ".join(sorted(name for name, each in watchable().items() if each.age))
        yield Finding((*place, "max_age_days"), f"has no effect: {metric.name} is of today; only {aging} can be old")
    if signal.window_days is not None and signal.window_days != metric.window_days:
        own = f"looks back {metric.window_days} days" if metric.window_days else "has no window"
        yield Finding((*place, "window_days"), f"is {signal.window_days}, but {metric.name} {own}; remove it")


def _escalation(place: Location, signal: Signal) -> Iterator[Finding]:
    """A sign that counts for more further on."""
    if signal.escalate is None:
        return
    step, location = signal.escalate, (*place, "escalate")
    if signal.op == "=":
        yield Finding(location, "has no effect with =; remove it")
    elif (step.value - signal.value) * (-1 if signal.op in ("<", "<=") else 1) <= 0:
        beyond = "less" if signal.op in ("<", "<=") else "more"
        yield Finding((*location, "value"), f"must be {beyond} than {signal.value:g}, where the sign fires already")
    if step.weight <= signal.weight:
        yield Finding((*location, "weight"), f"must be more than {signal.weight:g}, which the sign counts already")


def _risk_levels(levels: RiskLevels) -> Iterator[Finding]:
    for lower, upper in pairwise(("medium", "high", "critical")):
        low, high = getattr(levels, lower), getattr(levels, upper)
        if low >= high:
            yield Finding(("risk_levels", upper), f"must be more than {lower}, but {high:g} is not more than {low:g}")


def _lists(lists: Sequence[MarketingList], conditions: Conditions) -> Iterator[Finding]:
    yield from _repeats(("lists",), [entry.id for entry in lists], key="id")
    for index, entry in enumerate(lists):
        yield from _condition(("lists", index, "when"), entry.when, Use.LIST, conditions)
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
        yield Finding(location, f"names {_shown(name)}, which {problem}; {suggestion(name, allowed)}")


def _shown(text: str) -> str:
    """A text on one line."""
    return " ".join(text.split())


def _repeats(location: Location, items: Sequence[object], *, key: str | None = None) -> Iterator[Finding]:
    """A finding at each item that stands a second time; ``key`` is the field of an item that holds it."""
    suffix = () if key is None else (key,)
    for index, item in enumerate(items):
        if item in items[:index]:
            yield Finding(
                (*location, index, *suffix),
                f"is used twice: {item}; " + ("choose another" if key else "keep one"),
            )
