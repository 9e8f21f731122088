"""From validated rules to what the SQL models read.

Here belong the plain variables for dbt, the expansion of segments into cells and the SQL that puts each customer into
one class. Checking the rules belongs to ``rules/checks.py``; using the variables belongs to the SQL models.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby, product
from typing import Any

from rules.expressions import Compiled, compile_parts
from rules.metrics import CATALOGUE, OBSERVED, PRIOR, PRIOR_MONTHLY, Use, usable_in
from rules.schema import (
    DEFAULT,
    FROM_TIER,
    Costs,
    CustomerTag,
    Cuts,
    Group,
    Layer,
    MarketingList,
    Reason,
    Revenue,
    Rules,
    Scheme,
    Segment,
    Signal,
    Stage,
    Tier,
)

Cell = tuple[int, int, int]
Classes = Sequence[Tier | Layer | Stage | Group | CustomerTag]

#: What is known of every day of the grid, not of tonight alone.
_ON_GRID = OBSERVED | {"tier", "lifecycle_stage"}
#: What a record says tonight and has most likely said all along.
_ON_RECORD = frozenset({"customer_type", "country", "region", "acquisition_channel", "gender", "age_years"})
#: The condition of a default.
_TRUE = "true"


def dbt_vars(rules: Rules) -> dict[str, Any]:
    """Variables for dbt: plain values that JSON can hold, the same for the same rules.

    Parameters
    ----------
    rules : Rules
        Rules as returned by :func:`rules.load`.

    Returns
    -------
    dict of str to Any
        Durations in days, rates and shares from 0 to 1, risk levels from 0 to 100, ``holdout_pct`` in
        percent. Signals that are switched off are left out; each segment has its full lists of scores, and
        the first that matches wins. A condition is SQL, to be used in parentheses; that of a default is ``true``.
        Each ``…_case`` is the whole SQL that puts a customer into one class, whose columns are those of the
        snapshot and of ``percentile_cuts``. Labels may hold a single quote, to be escaped where they are written
        into SQL.
    """
    business, clv, rfm, churn = rules.business, rules.clv, rules.rfm, rules.churn
    conditions = Conditions(rules)
    return {
        "business_model": business.model,
        "fiscal_year_starts": business.fiscal_year_starts,
        "time_zone": business.time_zone,
        "base_currency": business.base_currency,
        "valid_order_statuses": list(business.valid_order_statuses),
        "default_margin_rate": business.default_margin_rate,
        "min_observation_days": business.min_observation_days,
        "identity_max_records_per_value": rules.identity.max_records_per_value,
        "identity_max_records_per_customer": rules.identity.max_records_per_customer,
        "identity_external_ids": [each.model_dump() for each in rules.identity.external_ids],
        "relationship_years_method": clv.relationship_years.method,
        "relationship_years_cap": _number(clv.relationship_years.cap),
        "revenue": _revenue_vars(rules.revenue),
        "costs": _cost_vars(rules.costs),
        # A discount that lowers revenue is no cost besides.
        "counted_costs": [kind for kind in clv.include_costs if kind != "coupon" or not rules.revenue.deduct_discount],
        "discount_rate_year": clv.discount_rate_year,
        "rfm_window_days": rfm.window_days,
        "rfm_method": rfm.method,
        "rfm_bins": rfm.bins,
        "rfm_cuts": None if rfm.cuts is None else _cut_vars(rfm.cuts),
        "rfm_segments": [_segment_vars(segment, rfm.bins) for segment in rfm.segments],
        "tiers": [_class_vars(tier, Use.TIER, conditions) for tier in rules.tiers],
        "tier_case": _case(rules.tiers, Use.TIER, conditions),
        "display_layer": [_class_vars(layer, Use.LAYER, conditions) for layer in rules.display_layer],
        "display_case": _case(rules.display_layer, Use.LAYER, conditions) if rules.display_layer else "tier",
        "lifecycle": [_class_vars(stage, Use.STAGE, conditions) for stage in rules.lifecycle],
        "stage_case": _case(rules.lifecycle, Use.STAGE, conditions),
        "segment_schemes": [_scheme_vars(scheme, conditions) for scheme in rules.segment_schemes],
        "tags": [{**_class_vars(tag, Use.SEGMENT, conditions), "group": tag.group} for tag in rules.tags],
        "tag_groups": [
            {"group": group, "case": _case(tags, Use.SEGMENT, conditions, is_exhaustive=False)}
            for group, tags in tag_groups(rules.tags)
        ],
        "percentile_cuts": _cut_columns(rules, conditions),
        "churn_horizon_days": churn.horizon_days,
        "churn_threshold": {
            "q": churn.threshold.q,
            "min_days": churn.threshold.min_days,
            "max_days": churn.threshold.max_days,
            "one_time_days": churn.threshold.one_time_days,
            "shrinkage": _number(churn.threshold.shrinkage),
        },
        "churn_annual_buyers": {
            "detect": churn.annual_buyers.detect,
            "tolerance": _number(churn.annual_buyers.tolerance),
        },
        "churn_contract": {"grace_days": churn.contract.grace_days},
        "ticket_sla_days": rules.satisfaction.ticket_sla_days,
        "csat_scales": [{"min": scale.min, "max": scale.max} for scale in rules.satisfaction.csat_scales],
        "point_value": _number(rules.loyalty.point_value),
        "churn_reasons": [_reason_vars(reason) for reason in churn.reasons],
        "signals": [_signal_vars(signal, conditions) for signal in rules.signals if signal.enabled],
        "risk_levels": {
            "medium": _number(rules.risk_levels.medium),
            "high": _number(rules.risk_levels.high),
            "critical": _number(rules.risk_levels.critical),
        },
        "lists": [_list_vars(entry, conditions) for entry in rules.lists],
    }


class Conditions:
    """The conditions of one rules file as SQL, each compiled once.

    Parameters
    ----------
    rules : Rules
        For the ids of tiers, stages, layers and segments, which conditions may compare with.
    """

    def __init__(self, rules: Rules) -> None:
        self._ids = {
            "rfm_segment": tuple(segment.id for segment in rules.rfm.segments),
            "tier": tuple(tier.id for tier in rules.tiers),
            "lifecycle_stage": tuple(stage.id for stage in rules.lifecycle),
            "display_layer": tuple(layer["id"] for layer in shown_layers(rules)),
        }
        self._compiled: dict[tuple[str, Use], Compiled] = {}

    def compile(self, text: str, use: Use) -> Compiled:
        """SQL of a condition, and what it rests on; the word ``default`` is always met.

        Parameters
        ----------
        text : str
            Language and errors as :func:`rules.expressions.compile_parts`.
        use : Use
            Where the condition stands, which decides what it may name. Ranks are among the customers of a day, whose
            cuts only those tables have that put customers into classes: neither signals nor lists.
        """
        if text.strip() == DEFAULT:
            return Compiled(_TRUE, frozenset(), frozenset())
        if (text, use) not in self._compiled:
            metrics = usable_in(use)
            closed = {name: metric.values for name, metric in metrics.items() if metric.values is not None}
            has_ranks = use not in (Use.SIGNAL, Use.LIST)
            self._compiled[text, use] = compile_parts(
                text,
                {name: metric.type for name, metric in metrics.items()},
                values=closed | self._ids,
                columns={name: metric.column for name, metric in metrics.items()},
                ranked=[
                    name
                    for name, metric in metrics.items()
                    if has_ranks and metric.column in OBSERVED and metric.type in (int, float)
                ],
            )
        return self._compiled[text, use]


def shown_layers(rules: Rules) -> list[dict[str, str]]:
    """Id and labels of every layer that a customer can be shown in, tiers in the place of ``from_tier``."""
    tiers = [{"id": tier.id, "zh": tier.zh, "en": tier.en} for tier in rules.tiers]
    shown: list[dict[str, str]] = []
    for layer in rules.display_layer:
        shown += tiers if layer.id == FROM_TIER else [{"id": layer.id, "zh": layer.zh or "", "en": layer.en or ""}]
    return shown or tiers


def tag_groups(tags: Iterable[CustomerTag]) -> list[tuple[str, list[CustomerTag]]]:
    """The tags of each group in the order of the file; groups by name."""
    return [(group, list(of_group)) for group, of_group in groupby(sorted(tags, key=_group), key=_group)]


def baseline_of(signal: Signal) -> str | None:
    """The metric that a signal holds its figure against: by the window's name, or by its own."""
    if signal.vs is None or signal.vs not in (PRIOR, PRIOR_MONTHLY):
        return signal.vs
    return CATALOGUE[signal.metric].baselines.get(signal.vs)


def segment_axes(segment: Segment, bins: int) -> tuple[list[int], list[int], list[int]]:
    """Recency, frequency and monetary scores of a segment, each sorted; an open axis holds every score."""
    every = range(1, bins + 1)
    if segment.when == DEFAULT:
        return list(every), list(every), list(every)
    cells = segment.when
    return _scores(cells.r, every), _scores(cells.f, every), _scores(cells.m, every)


def segment_cells(segments: Sequence[Segment], bins: int) -> dict[Cell, str]:
    """Segment id of every (r, f, m) cell: the first segment that matches wins.

    A cell is missing only where no segment matches, which cannot happen if the last one is the default.
    """
    owners: dict[Cell, str] = {}
    for segment in segments:
        for cell in product(*segment_axes(segment, bins)):
            owners.setdefault(cell, segment.id)
    return owners


def _scores(chosen: tuple[int, ...] | None, every: range) -> list[int]:
    return list(every) if chosen is None else sorted(chosen)


def _number(value: float) -> int | float:
    """Whole numbers without a fraction: reasons are read by people, and 120 reads better than 120.0."""
    return int(value) if value.is_integer() else value


def _cut_vars(cuts: Cuts) -> dict[str, list[int | float]]:
    return {
        "recency": [_number(cut) for cut in cuts.recency],
        "frequency": [_number(cut) for cut in cuts.frequency],
        "monetary": [_number(cut) for cut in cuts.monetary],
    }


def _segment_vars(segment: Segment, bins: int) -> dict[str, Any]:
    r, f, m = segment_axes(segment, bins)
    return {"id": segment.id, "zh": segment.zh, "en": segment.en, "r": r, "f": f, "m": m}


def _revenue_vars(revenue: Revenue) -> dict[str, Any]:
    tests = revenue.test_orders
    return {
        "include_tax": revenue.include_tax,
        "include_shipping": revenue.include_shipping,
        "deduct_discount": revenue.deduct_discount,
        "test_orders": {
            "sources": list(tests.sources),
            "channels": [channel.lower() for channel in tests.channels],
            "customers": list(tests.customers),
            "email_domains": list(tests.email_domains),
        },
    }


def _cost_vars(costs: Costs) -> dict[str, Any]:
    """Channels and kinds in small letters, as they are compared."""
    return {
        "touch": {channel.lower(): _number(cost) for channel, cost in sorted(costs.touch.items())},
        "event_kinds": [kind.lower() for kind in costs.event_kinds],
        "service_per_ticket": {kind.lower(): _number(cost) for kind, cost in sorted(costs.service_per_ticket.items())},
        "service_per_return": None if costs.service_per_return is None else _number(costs.service_per_return),
        "budget_share": _number(costs.budget_share),
    }


def _group(tag: CustomerTag) -> str:
    return tag.group


def _cut_columns(rules: Rules, conditions: Conditions) -> list[dict[str, Any]]:
    """The cuts of every condition that customers are classified by."""
    classes: list[tuple[Use, Classes]] = [
        (Use.TIER, rules.tiers),
        (Use.LAYER, rules.display_layer),
        (Use.STAGE, rules.lifecycle),
        *((Use.SEGMENT, scheme.segments) for scheme in rules.segment_schemes),
        (Use.SEGMENT, rules.tags),
    ]
    compiled = (conditions.compile(entry.when, use) for use, entries in classes for entry in entries)
    cuts = sorted({cut for each in compiled for cut in each.cuts})
    return [{"metric": cut.metric, "p": _number(cut.p), "column": cut.column} for cut in cuts]


def _class_vars(entry: Tier | Layer | Stage | Group | CustomerTag, use: Use, conditions: Conditions) -> dict[str, Any]:
    """A class with its condition as SQL, its labels and its owner."""
    plain = entry.model_dump(mode="json", exclude={"group"})
    return {**plain, "when": conditions.compile(entry.when, use).sql}


def _case(entries: Classes, use: Use, conditions: Conditions, *, is_exhaustive: bool = True) -> str:
    """The SQL that gives the id of the first class whose condition is met.

    The last class of an exhaustive list is its default; without a default, whoever meets no condition has none.
    """
    named = [(entry, conditions.compile(entry.when, use).sql) for entry in entries]
    rest = _then(named.pop()[0]) if is_exhaustive or named[-1][1] == _TRUE else "null"
    if not named:
        return rest
    whens = " ".join(f"when {sql} then {_then(entry)}" for entry, sql in named)
    return f"case {whens} else {rest} end"


def _then(entry: Tier | Layer | Stage | Group | CustomerTag) -> str:
    """The id as SQL, or the tier where the layer stands for it."""
    return "tier" if isinstance(entry, Layer) and entry.id == FROM_TIER else f"'{entry.id}'"


def _scheme_vars(scheme: Scheme, conditions: Conditions) -> dict[str, Any]:
    parts = [conditions.compile(segment.when, Use.SEGMENT) for segment in scheme.segments]
    columns = {CATALOGUE[name].column for part in parts for name in part.names}
    return {
        "id": scheme.id,
        "zh": scheme.zh,
        "en": scheme.en,
        "family": scheme.family,
        "on_grid": columns <= _ON_GRID,
        "on_record": columns <= _ON_RECORD,
        "segments": [_class_vars(segment, Use.SEGMENT, conditions) for segment in scheme.segments],
        "case": _case(scheme.segments, Use.SEGMENT, conditions),
    }


def _reason_vars(reason: Reason) -> dict[str, Any]:
    return {
        "id": reason.id,
        "zh": reason.zh,
        "en": reason.en,
        "matches": [text.lower() for text in reason.matches],
        "action_zh": reason.recommended_action.zh,
        "action_en": reason.recommended_action.en,
    }


def _signal_vars(signal: Signal, conditions: Conditions) -> dict[str, Any]:
    metric = CATALOGUE[signal.metric]
    baseline = baseline_of(signal)
    return {
        "id": signal.id,
        "zh": signal.zh,
        "en": signal.en,
        "metric": metric.column,
        "op": signal.op,
        "value": _number(signal.value),
        "vs": None if baseline is None else CATALOGUE[baseline].column,
        "min_baseline": None if signal.min_baseline is None else _number(signal.min_baseline),
        "min_value": None if signal.min_value is None else _number(signal.min_value),
        "max_age_metric": None if signal.max_age_days is None else metric.age,
        "max_age_days": signal.max_age_days,
        "and_sql": None if signal.and_ is None else conditions.compile(signal.and_, Use.SIGNAL).sql,
        "window_days": metric.window_days,
        "weight": signal.weight,
        "escalate_value": None if signal.escalate is None else _number(signal.escalate.value),
        "escalate_weight": None if signal.escalate is None else signal.escalate.weight,
    }


def _list_vars(entry: MarketingList, conditions: Conditions) -> dict[str, Any]:
    return {
        "id": entry.id,
        "zh": entry.zh,
        "en": entry.en,
        "when": conditions.compile(entry.when, Use.LIST).sql,
        "owner": entry.owner,
        "action_code": entry.action.code or entry.id,
        "action_zh": entry.action.zh,
        "action_en": entry.action.en,
        "channels": list(entry.channels),
        "holdout_pct": _number(entry.holdout_pct),
        "cooldown_days": entry.cooldown_days,
        "max_rows_per_owner": entry.max_rows_per_owner,
        "rank_by": CATALOGUE[entry.rank_by].column,
        "measure_metric": entry.measure.metric,
        "measure_window_days": entry.measure.window_days,
    }
