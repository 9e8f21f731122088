"""Rules as the SQL models receive them."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import dbt_vars, load
from rules.compiling import segment_axes, segment_cells
from rules.schema import Cells, Segment

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def variables() -> dict[str, Any]:
    return dbt_vars(load(ROOT / "config" / "business.yml"))


def test_the_variables_are_complete_and_plain(variables: dict[str, Any]) -> None:
    assert list(variables) == [
        "time_zone", "base_currency", "valid_order_statuses", "default_margin_rate", "min_observation_days",
        "identity_max_records_per_value", "relationship_years_cap", "discount_rate_year", "rfm_window_days",
        "rfm_method", "rfm_bins", "rfm_cuts", "rfm_segments", "churn_horizon_days", "churn_threshold", "signals",
        "risk_levels", "lists",
    ]  # fmt: skip
    assert json.loads(json.dumps(variables)) == variables


def test_the_signals_carry_what_sql_and_reasons_need(variables: dict[str, Any]) -> None:
    assert variables["signals"][1] == {
        "id": "no_order_months",
        "zh": "几个月未下单",
        "en": "No order for months",
        "metric": "recency_days",
        "op": ">=",
        "value": 120,
        "weight": 0.6,
    }
    assert isinstance(variables["signals"][1]["value"], int), "a reason shows 120, not 120.0"


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
    path.write_text(text.replace("weight: 0.6}", "weight: 0.6, enabled: false}"), encoding="utf-8")

    assert [signal["id"] for signal in dbt_vars(load(path))["signals"]] == ["overdue", "model_risk"]


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
