"""From validated rules to what the SQL models read.

Here belong the plain variables for dbt and the expansion of segments into cells. Checking the rules belongs
to ``rules/checks.py``; using the variables belongs to the SQL models.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

from rules.expressions import compile_expression
from rules.metrics import Use, usable_in
from rules.schema import DEFAULT, Cuts, MarketingList, Rfm, Rules, Segment, Signal

Cell = tuple[int, int, int]


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
        the first that matches wins. The condition of a list is SQL, to be used in parentheses. Labels may
        hold a single quote, to be escaped where they are written into SQL.
    """
    business, clv, rfm, churn = rules.business, rules.clv, rules.rfm, rules.churn
    return {
        "time_zone": business.time_zone,
        "base_currency": business.base_currency,
        "valid_order_statuses": list(business.valid_order_statuses),
        "default_margin_rate": business.default_margin_rate,
        "min_observation_days": business.min_observation_days,
        "identity_max_records_per_value": rules.identity.max_records_per_value,
        "relationship_years_cap": _number(clv.relationship_years.cap),
        "discount_rate_year": clv.discount_rate_year,
        "rfm_window_days": rfm.window_days,
        "rfm_method": rfm.method,
        "rfm_bins": rfm.bins,
        "rfm_cuts": None if rfm.cuts is None else _cut_vars(rfm.cuts),
        "rfm_segments": [_segment_vars(segment, rfm.bins) for segment in rfm.segments],
        "churn_horizon_days": churn.horizon_days,
        "churn_threshold": {
            "q": churn.threshold.q,
            "min_days": churn.threshold.min_days,
            "max_days": churn.threshold.max_days,
            "one_time_days": churn.threshold.one_time_days,
            "shrinkage": _number(churn.threshold.shrinkage),
        },
        "signals": [_signal_vars(signal) for signal in rules.signals if signal.enabled],
        "risk_levels": {
            "medium": _number(rules.risk_levels.medium),
            "high": _number(rules.risk_levels.high),
            "critical": _number(rules.risk_levels.critical),
        },
        "lists": [_list_vars(entry, rfm) for entry in rules.lists],
    }


def compile_condition(text: str, rfm: Rfm) -> str:
    """SQL of the condition of a list; language and errors as :func:`rules.expressions.compile_expression`."""
    metrics = usable_in(Use.LIST)
    values = {name: metric.values for name, metric in metrics.items() if metric.values is not None}
    values["rfm_segment"] = tuple(segment.id for segment in rfm.segments)
    return compile_expression(text, {name: metric.type for name, metric in metrics.items()}, values=values)


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


def _signal_vars(signal: Signal) -> dict[str, Any]:
    return {
        "id": signal.id,
        "zh": signal.zh,
        "en": signal.en,
        "metric": signal.metric,
        "op": signal.op,
        "value": _number(signal.value),
        "weight": signal.weight,
    }


def _list_vars(entry: MarketingList, rfm: Rfm) -> dict[str, Any]:
    return {
        "id": entry.id,
        "zh": entry.zh,
        "en": entry.en,
        "when": compile_condition(entry.when, rfm),
        "owner": entry.owner,
        "action_code": entry.action.code or entry.id,
        "action_zh": entry.action.zh,
        "action_en": entry.action.en,
        "channels": list(entry.channels),
        "holdout_pct": _number(entry.holdout_pct),
        "cooldown_days": entry.cooldown_days,
        "max_rows_per_owner": entry.max_rows_per_owner,
        "rank_by": entry.rank_by,
        "measure_metric": entry.measure.metric,
        "measure_window_days": entry.measure.window_days,
    }
