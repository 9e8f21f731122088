"""Rules as the SQL models receive them."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rules import dbt_vars, load
from rules.compiling import segment_axes, segment_cells
from rules.schema import Cells, Segment

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def variables() -> dict[str, Any]:
    return dbt_vars(load(ROOT / "config" / "business.yml"))


def test_the_variables_are_plain_and_those_that_the_sql_models_know(variables: dict[str, Any]) -> None:
    project = yaml.safe_load((ROOT / "dbt_project" / "dbt_project.yml").read_text(encoding="utf-8"))

    assert set(variables) == set(project["vars"])
    assert json.loads(json.dumps(variables)) == variables


def shape(value: Any) -> Any:
    """The keys of a value and of everything in it, and nothing of what it says."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value and isinstance(value[0], dict | list) else None


@pytest.mark.parametrize(
    "name", ["tiers", "lifecycle", "display_layer", "tags", "tag_groups", "percentile_cuts", "signals"]
)
def test_a_dbt_started_by_hand_sees_variables_of_the_same_shape(variables: dict[str, Any], name: str) -> None:
    project = yaml.safe_load((ROOT / "dbt_project" / "dbt_project.yml").read_text(encoding="utf-8"))

    assert shape(project["vars"][name]) == shape(variables[name])


def test_the_signals_carry_what_sql_and_reasons_need(variables: dict[str, Any]) -> None:
    signals = {signal["id"]: signal for signal in variables["signals"]}
    nothing = dict.fromkeys(
        (
            "vs",
            "min_baseline",
            "min_value",
            "max_age_metric",
            "max_age_days",
            "and_sql",
            "escalate_value",
            "escalate_weight",
        )
    )

    assert signals["no_order_months"] == nothing | {
        "id": "no_order_months", "zh": "几个月未下单", "en": "No order for months", "metric": "recency_days",
        "op": ">=", "value": 120, "window_days": None, "weight": 0.6,
    }  # fmt: skip
    assert isinstance(signals["no_order_months"]["value"], int), "a reason shows 120, not 120.0"
    assert signals["feature_use_drop_80pct"] == nothing | {
        "id": "feature_use_drop_80pct", "zh": "功能使用下降80%", "en": "Uses 80 percent less",
        "metric": "feature_events_30d", "op": "drop_pct", "value": 0.8, "vs": "feature_events_prior_90d_monthly",
        "min_baseline": 10, "window_days": 30, "weight": 0.5,
    }  # fmt: skip
    assert (signals["no_login_14d"]["escalate_value"], signals["no_login_14d"]["escalate_weight"]) == (21, 0.5)
    assert (signals["low_nps"]["max_age_metric"], signals["low_nps"]["max_age_days"]) == ("nps_age_days", 180)
    assert signals["renewal_near_inactive"]["and_sql"] == "usage_trend_30d < -0.3"


def test_the_default_signals_are_those_of_the_articles_and_keep_their_weights(variables: dict[str, Any]) -> None:
    weights = {signal["id"]: signal["weight"] for signal in variables["signals"]}

    assert {"overdue": 0.4, "no_order_months": 0.6, "model_risk": 0.5}.items() <= weights.items()
    assert {
        "no_login_14d", "feature_use_drop_80pct", "order_count_drop", "low_nps", "low_csat", "tickets_rising",
        "unresolved_repeat_ticket", "renewal_near_inactive", "champion_left", "usage_time_drop", "spend_drop",
        "complaint_recent",
    } <= set(weights)  # fmt: skip


def test_tiers_and_stages_are_one_piece_of_sql_each(variables: dict[str, Any]) -> None:
    assert variables["tier_case"] == (
        "case when clv_net_margin_basis >= pct_clv_net_margin_basis_8000 and orders_365d >= 3 then 'high_value' "
        "when active_days_90d >= 1 and active_days_90d >= pct_active_days_90d_6000 and orders_365d <= 2 "
        "then 'potential' else 'regular' end"
    )
    assert variables["stage_case"].startswith("case when churned then 'churned' when ")
    assert "when orders = 1 or has_contract then 'first_purchase' else 'prospect' end" in variables["stage_case"]
    assert variables["display_case"] == "case when risk_level in ('high', 'critical') then 'at_risk' else tier end"


def test_cuts_are_named_once_each_by_metric_and_share(variables: dict[str, Any]) -> None:
    assert variables["percentile_cuts"] == [
        {"metric": "active_days_90d", "p": 0.6, "column": "pct_active_days_90d_6000"},
        {"metric": "aov_365d", "p": 0.4, "column": "pct_aov_365d_4000"},
        {"metric": "aov_365d", "p": 0.8, "column": "pct_aov_365d_8000"},
        {"metric": "clv_net_margin_basis", "p": 0.8, "column": "pct_clv_net_margin_basis_8000"},
    ]


def test_a_scheme_says_whether_every_day_of_the_grid_knows_it(variables: dict[str, Any]) -> None:
    on_grid = {scheme["id"]: scheme["on_grid"] for scheme in variables["segment_schemes"]}

    assert on_grid["purchase_frequency"], "orders are known of every day"
    assert not on_grid["customer_journey"], "risk is known of tonight only"
    assert not on_grid["gender"], "a record says what it says today"
    on_record = {scheme["id"] for scheme in variables["segment_schemes"] if scheme["on_record"]}
    assert on_record == {"age_band", "gender"}, "and hardly ever says anything else"


def test_tags_of_a_group_exclude_each_other_and_may_leave_somebody_without(variables: dict[str, Any]) -> None:
    cases = {group["group"]: group["case"] for group in variables["tag_groups"]}

    assert (
        cases["value"] == "case when tier = 'high_value' then 'vip' when tier = 'potential' then 'rising' else null end"
    )


def test_without_display_layers_the_tier_is_shown(tmp_path: Path) -> None:
    document = yaml.safe_load((ROOT / "config" / "business.yml").read_text(encoding="utf-8"))
    path = tmp_path / "business.yml"
    document |= {"display_layer": [], "segment_schemes": [], "tags": []}
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")

    variables = dbt_vars(load(path))

    assert variables["display_case"] == "tier"
    assert (variables["segment_schemes"], variables["tags"], variables["tag_groups"]) == ([], [], [])


def test_the_last_reason_for_leaving_takes_what_no_other_names(variables: dict[str, Any]) -> None:
    reasons = variables["churn_reasons"]

    assert [reason["id"] for reason in reasons] == [
        "product_quality", "service", "competitor", "price", "no_need", "other",
    ]  # fmt: skip
    assert [bool(reason["matches"]) for reason in reasons] == [True, True, True, True, True, False]
    assert all(text == text.lower() for reason in reasons for text in reason["matches"])


def test_the_list_carries_its_compiled_condition(variables: dict[str, Any]) -> None:
    (alert,) = variables["lists"]

    assert alert["when"] == "risk_level in ('high', 'critical') and recency_days <= 365"
    assert (alert["action_code"], alert["rank_by"]) == ("call", "value_at_risk")
    assert (alert["measure_metric"], alert["measure_window_days"]) == ("repurchased", 30)


def test_the_risk_levels_and_threshold_are_those_of_the_file(variables: dict[str, Any]) -> None:
    assert variables["risk_levels"] == {"medium": 40, "high": 60, "critical": 80}
    assert variables["churn_threshold"] == {
        "q": 0.9,
        "min_days": 30,
        "max_days": 400,
        "one_time_days": 180,
        "shrinkage": 3,
    }


def test_a_signal_that_is_switched_off_is_left_out(tmp_path: Path) -> None:
    text = (ROOT / "config" / "business.yml").read_text(encoding="utf-8")
    path = tmp_path / "business.yml"
    path.write_text(
        text.replace("value: 120, weight: 0.6}", "value: 120, weight: 0.6, enabled: false}"), encoding="utf-8"
    )

    left = [signal["id"] for signal in dbt_vars(load(path))["signals"]]

    assert "no_order_months" not in left
    assert len(left) == len(load(path).signals) - 1


def test_an_action_without_a_code_takes_the_id_of_its_list(tmp_path: Path) -> None:
    text = (ROOT / "config" / "business.yml").read_text(encoding="utf-8")
    path = tmp_path / "business.yml"
    path.write_text(text.replace("{code: call, zh", "{zh"), encoding="utf-8")

    assert dbt_vars(load(path))["lists"][0]["action_code"] == "churn_alert"


def test_fixed_cuts_are_handed_on(tmp_path: Path) -> None:
    text = (ROOT / "config" / "business.yml").read_text(encoding="utf-8")
    cuts = "{recency: [30, 60, 90, 180], frequency: [2, 3, 5, 9], monetary: [10, 20.5, 50, 99]}"
    path = tmp_path / "business.yml"
    path.write_text(text.replace("method: quantile", f"method: fixed\n  cuts: {cuts}"), encoding="utf-8")

    assert dbt_vars(load(path))["rfm_cuts"] == {
        "recency": [30, 60, 90, 180],
        "frequency": [2, 3, 5, 9],
        "monetary": [10, 20.5, 50, 99],
    }


@pytest.mark.parametrize("name", ["config", "examples/online_retail"])
def test_each_of_the_125_cells_has_one_segment(name: str) -> None:
    rules = load(ROOT / name / "business.yml")

    owners = segment_cells(rules.rfm.segments, rules.rfm.bins)

    assert set(owners) == set(product(range(1, 6), repeat=3))
    assert owners[5, 5, 5] == "champions"
    assert owners[1, 5, 5] == "win_back"
    assert owners[1, 1, 1] == "other"
    assert set(owners.values()) == {segment.id for segment in rules.rfm.segments}, "no segment is empty"


scores = st.none() | st.sets(st.integers(1, 5), min_size=1).map(lambda found: tuple(found))


@st.composite
def segment_lists(draw: st.DrawFn) -> tuple[Segment, ...]:
    cells = draw(st.lists(st.builds(Cells, r=scores, f=scores, m=scores), max_size=8))
    named = [Segment(id=f"s{index}", zh="段", en="Segment", when=when) for index, when in enumerate(cells)]
    return (*named, Segment(id="rest", zh="其他", en="Rest", when="default"))


@given(segment_lists())
def test_any_segments_that_end_in_default_give_each_cell_to_the_first_that_matches(
    segments: tuple[Segment, ...],
) -> None:
    owners = segment_cells(segments, 5)

    def matches(segment: Segment, cell: tuple[int, ...]) -> bool:
        if not isinstance(segment.when, Cells):
            return True
        axes = (segment.when.r, segment.when.f, segment.when.m)
        return all(axis is None or score in axis for axis, score in zip(axes, cell, strict=True))

    assert owners == {
        cell: next(segment.id for segment in segments if matches(segment, cell))
        for cell in product(range(1, 6), repeat=3)
    }


@given(segment_lists(), st.integers(2, 10))
def test_segments_for_sql_have_full_sorted_axes(segments: tuple[Segment, ...], bins: int) -> None:
    for segment in segments:
        for axis in segment_axes(segment, bins):
            assert axis
            assert axis == sorted(set(axis))
