"""The catalogue: every figure explained, in both languages, and nothing named that does not exist."""

import re
from pathlib import Path

import pytest

from rules.indicators import CATALOGUE_COLUMNS, COUNTED, INDICATORS, Indicator, catalogue_rows
from rules.metrics import CATALOGUE, OBSERVED, PRIOR, PRIOR_MONTHLY, Metric, Use, usable_in
from sources import canonical_feeds

SIGNALS = Path(__file__).parents[2] / "dbt_project" / "macros" / "signals.sql"
#: Metrics with a sentence of their own, and the one that only a condition can name, being no number.
TOLD_OTHERWISE = {"cadence_ratio", "churn_probability_lift", "preferred_channel"}

every_metric = pytest.mark.parametrize("metric", CATALOGUE.values(), ids=CATALOGUE)
every_indicator = pytest.mark.parametrize("indicator", [*INDICATORS, *COUNTED], ids=lambda indicator: indicator.name)


@every_metric
def test_a_metric_says_what_it_is_how_it_is_found_and_whom_to_ask(metric: Metric) -> None:
    assert metric.unit
    assert metric.formula
    assert metric.edge_cases.endswith(".")
    assert metric.owner


@every_metric
def test_a_metric_rests_on_feeds_that_there_are(metric: Metric) -> None:
    assert metric.needs
    assert set(metric.needs) <= set(canonical_feeds())


@every_metric
def test_a_metric_is_compared_with_figures_of_its_own_kind(metric: Metric) -> None:
    assert set(metric.baselines) <= {PRIOR, PRIOR_MONTHLY}
    for name in (*metric.baselines.values(), *([metric.age] if metric.age else [])):
        assert CATALOGUE[name].type in (int, float)
        assert CATALOGUE[name].needs == metric.needs


@every_metric
def test_a_window_in_a_name_is_the_window_of_the_figure(metric: Metric) -> None:
    named = [int(part[:-1]) for part in metric.name.split("_") if part.endswith("d") and part[:-1].isdigit()]
    if metric.window_days is not None and "prior" not in metric.name and metric.name != "usage_trend_30d":
        assert named == [metric.window_days]


def test_a_tier_and_a_stage_follow_from_no_prediction_and_no_record() -> None:
    later = {
        "churn_probability", "churn_probability_lift", "clv_predicted_365d", "risk_score", "risk_level",
        "value_at_risk", "tier", "lifecycle_stage", "display_layer", "rfm_segment", "country", "gender",
    }  # fmt: skip

    for use in (Use.TIER, Use.STAGE):
        assert not later & set(usable_in(use))


def test_a_signal_follows_from_no_risk() -> None:
    assert not {"risk_score", "risk_level", "value_at_risk", "tier", "display_layer"} & set(usable_in(Use.SIGNAL))


def test_a_reason_has_words_for_every_metric_of_a_signal() -> None:
    """What has none is left out where it is a condition, and told as a bare number where it is the sign."""
    macros = SIGNALS.read_text(encoding="utf-8")
    worded = set(re.findall(r"^    \[\s*'(\w+)',", macros, re.MULTILINE))
    (flags,) = re.findall(r"set flags = \[(.*)\]", macros)

    usable = [CATALOGUE[name] for name in usable_in(Use.SIGNAL)]
    assert {metric.column for metric in usable} - worded == TOLD_OTHERWISE
    assert set(re.findall(r"\w+", flags)) == {metric.column for metric in usable if metric.type is bool}


def test_lists_and_segments_know_what_rules_have_made() -> None:
    for use in (Use.LIST, Use.SEGMENT):
        assert {"tier", "lifecycle_stage", "display_layer", "rfm_segment", "risk_level"} <= set(usable_in(use))


def test_a_column_has_one_metric() -> None:
    columns = [metric.column for metric in CATALOGUE.values()]

    assert len(columns) == len(set(columns))
    assert "orders" in OBSERVED, "orders_total is the column orders"


@every_indicator
def test_a_published_figure_is_explained_in_both_languages(indicator: Indicator) -> None:
    assert indicator.zh
    assert indicator.en
    assert indicator.sentence.endswith(".")
    assert indicator.edge_cases.endswith(".")
    assert indicator.formula
    assert indicator.unit
    assert indicator.grain
    assert indicator.tables
    assert set(indicator.needs) <= set(canonical_feeds())


def test_the_published_catalogue_has_every_figure_once() -> None:
    rows = [dict(zip(CATALOGUE_COLUMNS, row, strict=True)) for row in catalogue_rows()]
    keys = [(row["kind"], row["metric"]) for row in rows]

    assert len(keys) == len(set(keys)) == len(CATALOGUE) + len(INDICATORS) + len(COUNTED)
    orders = next(row for row in rows if (row["kind"], row["metric"]) == ("customer", "orders_365d"))
    assert (orders["zh"], orders["feeds"]) == ("近一年订单数", "orders")
    assert orders["used_in"] == "layer, list, segment, signal, stage, tier"
    aov = next(row for row in rows if (row["kind"], row["metric"]) == ("published", "aov"))
    assert (aov["tables"], aov["unit"]) == ("kpi_daily, revenue_monthly", "base currency per order")
