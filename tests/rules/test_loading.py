"""Loading a rules file: what is accepted, and how clearly everything else is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules import Problem, RulesError, dbt_vars, load

ROOT = Path(__file__).parents[2]
DEFAULT = ROOT / "config" / "business.yml"
EXAMPLE = ROOT / "examples" / "online_retail" / "business.yml"

Edit = Callable[..., Path]


@pytest.fixture
def edited(tmp_path: Path) -> Edit:
    """The default rules with one text replaced, as a file."""

    def edit(old: str, new: str) -> Path:
        text = DEFAULT.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} must stand once in the default rules"
        path = tmp_path / "business.yml"
        path.write_text(text.replace(old, new), encoding="utf-8")
        return path

    return edit


def line_of(text: str, path: Path) -> int:
    """Line on which a text stands for the first time."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)


def refusal(path: Path) -> str:
    with pytest.raises(RulesError) as caught:
        load(path)
    return str(caught.value)


def test_the_default_rules_are_valid() -> None:
    rules = load(DEFAULT)

    assert (rules.business.time_zone, rules.business.base_currency) == ("Asia/Shanghai", "CNY")
    assert rules.churn.horizon_days == 90
    assert [entry.id for entry in rules.lists] == ["churn_alert"]


def test_the_example_differs_from_the_default_only_where_the_shop_does() -> None:
    default, example = load(DEFAULT), load(EXAMPLE)

    assert (example.business.time_zone, example.business.base_currency) == ("Europe/London", "GBP")
    assert example.business.default_margin_rate == 0.30
    changes = {"time_zone": "Asia/Shanghai", "base_currency": "CNY"}
    assert example.model_copy(update={"business": example.business.model_copy(update=changes)}) == default


def test_the_hash_ignores_layout_and_follows_content(edited: Edit) -> None:
    original = load(DEFAULT).hash

    assert len(original) == 64
    assert load(edited("  horizon_days: 90\n", "  # a remark\n  horizon_days:   90\n")).hash == original
    assert load(edited("cap: 5}", "cap: 5.0}")).hash == original
    assert load(edited("horizon_days: 90", "horizon_days: 91")).hash != original


def test_an_error_says_what_is_wrong_where_and_what_is_meant(edited: Edit) -> None:
    path = edited("horizon_days: 90", "horizon_days: 5000")

    assert refusal(path) == (
        f"{path}, line {line_of('horizon_days', path)}: churn.horizon_days must be between 7 and 730, "
        "but is 5000; correct it "
        "(meaning: Days ahead for which the probability of no further purchase is predicted)"
    )


# What is replaced, by what, a text on the line that must be named, and what must be said.
# fmt: off
MISTAKES = [
    ("horizon_days: 90", "horizon_days: ninety", "ninety",
     'churn.horizon_days must be a whole number between 7 and 730, but is "ninety"'),
    ("horizon_days: 90", "horizon_days: 90.5", "90.5",
     "churn.horizon_days must be a whole number between 7 and 730, but is 90.5"),
    ("horizon_days: 90", "horizon_days: true", "s: true",
     "must be a whole number between 7 and 730, but is true"),
    ("horizon_days: 90", "horizon_days:", "horizon_days:",
     "must be a whole number between 7 and 730, but is null"),
    ("horizon_days: 90", "horizon_days: 090", "090",
     'must be a whole number between 7 and 730, but is "090"'),
    ("horizon_days: 90", "horizon_day: 90", "horizon_day:",
     "churn.horizon_day is not a known setting; did you mean horizon_days?"),
    ("horizon_days: 90", "horizon_days: 90\n  zzz: 1", "zzz",
     "churn.zzz is not a known setting; remove it or use one of annual_buyers, contract, horizon_days"),
    ("  horizon_days: 90\n", "", "churn:",
     "churn.horizon_days is missing; add it (meaning: Days ahead"),
    ("discount_rate_year: 0.08", "discount_rate_year: 8%", "8%",
     "clv.discount_rate_year must be a number at least 0 and less than 1"),
    ("discount_rate_year: 0.08", "discount_rate_year: .nan", ".nan",
     "clv.discount_rate_year must be a number"),
    ("default_margin_rate: 0.30", "default_margin_rate: 30", "default_margin_rate",
     "must be between 0 and 1, but is 30"),
    ("base_currency: CNY", "base_currency: rmb", "rmb",
     'business.base_currency must be three capital letters, but is "rmb"'),
    ("model: non_contractual  ", "model: subscription  ", "model:",
     'business.model must be one of non_contractual, contractual, mixed, but is "subscription"'),
    ("fiscal_year_starts: 1 ", "fiscal_year_starts: 13 ", "fiscal_year",
     "business.fiscal_year_starts must be between 1 and 12, but is 13"),
    ("email_domains: []", "email_domains: [[test.com]]", "test_orders",
     "revenue.test_orders.email_domains[1] must be what stands after the @ of an e-mail address, in small letters, "
     'but is ["test.com"]'),
    ("email_domains: []", "email_domains: [Test.com]", "test_orders",
     "revenue.test_orders.email_domains[1] must be what stands after the @ of an e-mail address, in small letters, "
     'but is "Test.com"'),
    ("when: churned, owner", "when: '', owner", "id: churned",
     'lifecycle[churned].when must be text that is not empty, but is ""'),
    ("[touch, coupon, event, service]", "[touch, touch]", "include_costs",
     "clv.include_costs[2] is used twice: touch; keep one"),
    ("Asia/Shanghai", "Asia/Shangai", "Shangai",
     "business.time_zone is not a known time zone: Asia/Shangai; did you mean Asia/Shanghai?"),
    ("[paid, shipped, completed]", "[paid, payed]", "payed",
     "business.valid_order_statuses[2] must be one of draft, open, paid"),
    ("[paid, shipped, completed]", "[paid, paid]", "paid, paid",
     "business.valid_order_statuses[2] is used twice: paid; keep one"),
    ("[paid, shipped, completed]", "[]", "statuses: []",
     "business.valid_order_statuses must be a list with at least 1 item, but is []"),
    ("[paid, shipped, completed]", "paid", "statuses: paid",
     'must be a list with at least 1 item, but is "paid"'),
    ("window_days: null", "window_days: 0", "window_days: 0",
     "rfm.window_days must be between 1 and 36500, but is 0"),
    ("window_days: null", "window_days: all", "window_days: all",
     "rfm.window_days must be a whole number between 1 and 36500 or null"),
    ("method: quantile", "method: kmeans", "kmeans",
     'rfm.method must be one of quantile, fixed, but is "kmeans"'),
    ("method: quantile", "method: fixed", "rfm:",
     "rfm.cuts is missing; the method fixed needs cut points"),
    ("en: Others, when: default", "en: Others, when: rest", "when: rest",
     'rfm.segments[other].when must be the word default, but is "rest"'),
    ("en: Others, when: default", "en: Others, when: {r: [1]}", "en: Others",
     "rfm.segments[other].when must be default in the last segment"),
    ("when: {r: [2, 3]}", "when: default", "id: cooling",
     "rfm.segments[cooling].when is default, but only the last segment may be"),
    ("when: {r: [2, 3]}", "when: {r: [2, 6]}", "id: cooling",
     "rfm.segments[cooling].when.r has the score 6, but with 5 bins the best is 5"),
    ("when: {r: [2, 3]}", "when: {r: [2, 11]}", "id: cooling",
     "rfm.segments[cooling].when.r[2] must be between 1 and 10, but is 11"),
    ("when: {r: [2, 3]}", "when: {r: [2, 2]}", "id: cooling",
     "rfm.segments[cooling].when.r[2] is used twice: 2; keep one"),
    ("when: {r: [2, 3]}", "when: {x: [2]}", "id: cooling",
     "rfm.segments[cooling].when.x is not a known setting; remove it or use one of f, m, r"),
    ("when: {r: [2, 3]}", "when: [2, 3]", "id: cooling",
     "rfm.segments[cooling].when must be a group of settings, but is [2, 3]"),
    ("when: {r: [2, 3]}", "when: {r: [4], m: [1]}", "id: cooling",
     "rfm.segments[cooling].when matches nobody: promising and others before it take"),
    ("id: cooling", "id: loyal", "降温",
     "rfm.segments[loyal].id is used twice: loyal; choose another"),
    ("id: cooling", "id: 降温", "en: Cooling",
     "must be a short name of small letters, digits and underscores"),
    ("en: Cooling off", "en: \"two\\nlines\"", "降温",
     "rfm.segments[cooling].en must be one line of text without a backslash"),
    ("min_days: 30", "min_days: 500", "min_days: 500",
     "churn.threshold.min_days must not exceed max_days, but 500 is more than 400"),
    ("value: 0, weight: 0.5}", "value: 0, weight: 1}", "id: model_risk",
     "signals[model_risk].weight must be more than 0 and at most 0.99, but is 1"),
    ("metric: cadence_ratio", "metric: cadence_ration", "id: overdue",
     "signals[overdue].metric names cadence_ration, which is not a metric; did you mean cadence_ratio?"),
    ("metric: cadence_ratio", "metric: risk_score", "id: overdue",
     "signals[overdue].metric names risk_score, which cannot stand here"),
    ("{medium: 40, high: 60, critical: 80}", "{medium: 60, high: 60, critical: 80}", "risk_levels:",
     "risk_levels.high must be more than medium, but 60 is not more than 60"),
    ("{medium: 40, high: 60, critical: 80}", "{medium: 40, high: 60, critical: 101}", "risk_levels:",
     "risk_levels.critical must be more than 0 and at most 100"),
    ("holdout_pct: 10", "holdout_pct: 110", "holdout_pct",
     "lists[churn_alert].holdout_pct must be between 0 and 100, but is 110"),
    ("rank_by: value_at_risk", "rank_by: country", "rank_by",
     "lists[churn_alert].rank_by names country, which cannot stand here"),
    ("[phone, wechat]", "[phone, pigeon]", "pigeon",
     "lists[churn_alert].channels[2] must be one of phone, sms"),
    ("and recency_days <= 365", "and recency <= 365", "and recency <=",
     "lists[churn_alert].when names recency, which is not a metric that can stand here; did "
     "you mean recency_days?"),
    ("'critical') and recency", "'critcal') and recency", "critcal",
     "lists[churn_alert].when compares risk_level with 'critcal', which it never is; did you "
     "mean critical?"),
    # Tiers, stages, layers, schemes and tags.
    ("id: regular, zh", "id: high_value, zh", "en: Regular",
     "tiers[high_value].id is used twice: high_value; choose another"),
    ("en: Regular, when: default, owner: crm", "en: Regular, when: orders_total >= 0, owner: crm", "id: regular",
     "tiers[regular].when must be default in the last one, so that every customer has one"),
    ("when: \"pct(clv_net_margin_basis) >= 0.80 and orders_365d >= 3\"", "when: default", "id: high_value",
     "tiers[high_value].when is default, but only the last one may be; move it to the end"),
    ("pct(clv_net_margin_basis) >= 0.80", "pct(clv_net_margin_basis) >= 80", "id: high_value",
     "tiers[high_value].when compares pct with 80; write a number between 0 and 1 with up to four decimals"),
    ("pct(clv_net_margin_basis) >= 0.80", "clv_predicted_365d >= 80", "id: high_value",
     "tiers[high_value].when names clv_predicted_365d, which is not a metric that can stand here"),
    ("pct(clv_net_margin_basis) >= 0.80", "risk_level = 'low'", "id: high_value",
     "tiers[high_value].when names risk_level, which is not a metric that can stand here"),
    ("pct(clv_net_margin_basis) >= 0.80", "lifecycle_stage = 'loyal'", "id: high_value",
     "tiers[high_value].when names lifecycle_stage, which is not a metric that can stand here"),
    ("when: churned, owner", "when: churn, owner", "id: churned",
     "lifecycle[churned].when names churn, which is not a metric that can stand here; did you mean churned?"),
    ("when: churned, owner", "when: orders_total, owner", "id: churned",
     "lifecycle[churned].when is a number, not a condition; compare it with something"),
    ("when: churned, owner", "when: churned, onwer", "onwer",
     "lifecycle[churned].onwer is not a known setting; did you mean owner?"),
    ("  - {id: from_tier, when: default}\n", "", "- {id: at_risk, zh: 流失风险客户, en: At risk, when: \"risk_level in",
     "display_layer[at_risk].when must be default in the last one"),
    ("{id: from_tier, when: default}", "{id: regular, zh: 一般, en: All, when: default}", "en: All",
     "display_layer[regular].id is also the id of a tier: regular; choose another"),
    ("{id: from_tier, when: default}", "{id: others, zh: 其他, when: default}", "{id: others",
     "display_layer[others].en is missing; add the name that readers see"),
    ("{id: from_tier, when: default}", "{id: from_tier, en: Tier, when: default}", "{id: from_tier",
     "display_layer[from_tier].en has no effect, since the tier has a name of its own; remove it"),
    ("id: growth_path", "id:  activity", "id: activity",
     "segment_schemes[activity].id is used twice: activity; choose another"),
    ("family: value", "family: worth", "family: worth",
     "segment_schemes[order_value].family must be one of value, behavioural, demographic, psychographic, lifecycle"),
    ("when: \"coalesce(tenure_days, days_since_created) <= 30\"", "when: tier = 'vip'", "id: new_user",
     "segment_schemes[activity].segments[new_user].when compares tier with 'vip', which it never is"),
    ("id: silent, zh", "id: active, zh", "沉默用户",
     "segment_schemes[activity].segments[active].id is used twice: active; choose another"),
    ("when: tier = 'high_value'}", "when: default}", "id: vip",
     "tags[vip].when is default, but only the last of the group value may be"),
    ("when: tier = 'potential'}", "when: display_layer = 'from_tier'}", "id: rising",
     "tags[rising].when compares display_layer with 'from_tier', which it never is"),
    # Signals.
    ("op: \">=\", value: 1.5,", "op: drop_pct, value: 0.5,", "id: overdue",
     "signals[overdue].vs is missing; drop_pct needs what the figure was before: name another metric"),
    ("vs: prior_90d, op: drop_pct, value: 0.5, min_baseline: 3", "op: drop_pct, value: 0.5, min_baseline: 3",
     "id: order_count_drop",
     "signals[order_count_drop].vs is missing; drop_pct needs what the figure was before: use prior_90d"),
    ("vs: prior_90d, op: drop_pct, value: 0.5, min_baseline: 3", "vs: last_year, op: drop_pct, value: 0.5",
     "id: order_count_drop",
     "signals[order_count_drop].vs names last_year, which orders_90d cannot be held against; use prior_90d"),
    ("op: drop_pct, value: 0.8", "op: drop_pct, value: 80", "id: feature_use",
     "signals[feature_use_drop_80pct].value must be more than 0 and at most 1 with drop_pct"),
    ("value: 1.5, weight: 0.4", "value: 1.5, vs: orders_90d, weight: 0.4", "id: overdue",
     "signals[overdue].vs has no effect with >=; remove it or use drop_pct or rise_pct"),
    ("value: 1.5, weight: 0.4", "value: 1.5, min_value: 2, weight: 0.4", "id: overdue",
     "signals[overdue].min_value has no effect with >=; remove it or use drop_pct or rise_pct"),
    ("value: 1.5, weight: 0.4", "value: 1.5, max_age_days: 30, weight: 0.4", "id: overdue",
     "signals[overdue].max_age_days has no effect: cadence_ratio is of today; only csat_latest, nps_latest can be old"),
    ("min_baseline: 3, weight: 0.5", "min_baseline: 3, window_days: 30, weight: 0.5", "id: order_count_drop",
     "signals[order_count_drop].window_days is 30, but orders_90d looks back 90 days; remove it"),
    ("value: 1.5, weight: 0.4", "value: 1.5, window_days: 30, weight: 0.4", "id: overdue",
     "signals[overdue].window_days is 30, but cadence_ratio has no window; remove it"),
    ("escalate: {value: 21, weight: 0.5}", "escalate: {value: 7, weight: 0.5}", "id: no_login_14d",
     "signals[no_login_14d].escalate.value must be more than 14, where the sign fires already"),
    ("escalate: {value: 21, weight: 0.5}", "escalate: {value: 21, weight: 0.3}", "id: no_login_14d",
     "signals[no_login_14d].escalate.weight must be more than 0.35, which the sign counts already"),
    ("value: 6, max_age_days: 180, weight: 0.3}", "value: 6, weight: 0.3, escalate: {value: 8, weight: 0.5}}",
     "id: low_nps", "signals[low_nps].escalate.value must be less than 6, where the sign fires already"),
    ("and: usage_trend_30d < -0.3", "and: usage_trend < -0.3", "id: renewal_near",
     "signals[renewal_near_inactive].and names usage_trend, which is not a metric that can stand here"),
    ("and: usage_trend_30d < -0.3", "and: pct(usage_trend_30d) < 0.3", "id: renewal_near",
     "signals[renewal_near_inactive].and calls the function pct, which is not allowed here"),
    ("metric: champion_left, op: \"=\", value: 1", "metric: champion_left, op: \">=\", value: 1", "id: champion_left",
     'signals[champion_left].op must be "=" and the value 1 or 0, because champion_left is a yes or a no'),
    ("metric: champion_left, op: \"=\"", "metric: preferred_channel, op: \"=\"", "id: champion_left",
     "signals[champion_left].metric names preferred_channel, which cannot stand here"),
    # Churn.
    ("tolerance: 1.25", "tolerance: 0.9", "tolerance",
     "churn.annual_buyers.tolerance must be between 1 and 3, but is 0.9"),
    ("grace_days: 30", "grace_days: -1", "grace_days",
     "churn.contract.grace_days must be between 0 and 365, but is -1"),
    ("matches: [], ", "matches: [other], ", "id: other, zh: 其他, en: Other,",
     "churn.reasons[other].matches must be empty in the last reason, which takes what no other names"),
    ("[competitor, competition", "[Price, competition", "id: price",
     "churn.reasons[price].matches[1] is used twice: price is competitor already; keep one"),
    ("{min: 0, max: 10}]", "{min: 0, max: 5}]", "csat_scales",
     "satisfaction.csat_scales[2].max is used twice: 5; choose another"),
    ("{min: 0, max: 10}]", "{min: 10, max: 10}]", "csat_scales",
     "satisfaction.csat_scales[2].min must be less than max, but 10 is not less than it"),
    ("min_rows: 0", "min_rows: 100001", "list_size",
     "gates.list_size.min_rows must not exceed max_rows"),
]
# fmt: on


@pytest.mark.parametrize(("old", "new", "marker", "expected"), MISTAKES)
def test_each_mistake_is_named_with_its_line(edited: Edit, old: str, new: str, marker: str, expected: str) -> None:
    path = edited(old, new)
    message = refusal(path)

    assert message.startswith(f"{path}, line {line_of(marker, path)}: "), message
    assert expected in message
    assert "\n" not in message


@pytest.mark.parametrize("section", ["tiers", "lifecycle", "display_layer", "segment_schemes", "tags"])
def test_who_leaves_out_a_section_is_told_what_it_is_for(tmp_path: Path, section: str) -> None:
    document = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))
    del document[section]
    path = tmp_path / "business.yml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")

    assert refusal(path).startswith(f"{path}, line 1: {section} is missing; add it (meaning: ")


@pytest.mark.parametrize("section", ["tiers", "lifecycle"])
def test_nobody_may_be_left_without_a_tier_or_a_stage(tmp_path: Path, section: str) -> None:
    document = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))
    document[section] = []
    path = tmp_path / "business.yml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")

    assert f"{section} must be a list with at least 1 item, but is []" in refusal(path)


@pytest.mark.parametrize("key", ["owner: retention", "holdout_pct: 10"])
def test_a_list_without_what_makes_it_accountable_is_refused(edited: Edit, key: str) -> None:
    path = edited(f"    {key}\n", "")

    name = key.partition(":")[0]
    assert f"line {line_of('- id: churn_alert', path)}: lists[churn_alert].{name} is missing; add it" in refusal(path)


@pytest.mark.parametrize("name", ["action", "measure"])
def test_a_list_without_action_or_measure_is_refused(edited: Edit, tmp_path: Path, name: str) -> None:
    lines = DEFAULT.read_text(encoding="utf-8").splitlines(keepends=True)
    path = tmp_path / "business.yml"
    path.write_text("".join(line for line in lines if not line.startswith(f"    {name}:")), encoding="utf-8")

    assert f"lists[churn_alert].{name} is missing; add it" in refusal(path)


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = DEFAULT.read_text(encoding="utf-8")
    path = tmp_path / "business.yml"
    path.write_text(
        text.replace("holdout_pct: 10", "holdout_pct: -1").replace("horizon_days: 90", "horizon_days: 1"),
        encoding="utf-8",
    )

    first, second = refusal(path).splitlines()

    assert "churn.horizon_days" in first
    assert "lists[churn_alert].holdout_pct" in second


JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        3,
        10**17,
        0.5,
        1e6,
        "",
        "x",
        "default",
        "fixed",
        "no\nway",
        "é",
        [],
        [[]],
        [1, "a"],
        {},
    ]
) | st.dictionaries(st.sampled_from(["id", "when", "r", "cap"]), st.sampled_from([1, "a", [9], {}]), max_size=2)


def places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The place of everything in a document but the document itself."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [found for key in keys for found in [(*place, key), *places(value[key], (*place, key))]]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_value_anywhere_escapes_with_another_error(tmp_path: Path, data: st.DataObject) -> None:
    document = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))
    *around, last = data.draw(st.sampled_from(places(document)))
    target = document
    for step in around:
        target = target[step]
    if isinstance(target, dict) and data.draw(st.booleans()):
        target["extra"] = target.pop(last)
    else:
        target[last] = data.draw(JUNK)
    path = tmp_path / "business.yml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")

    problems: tuple[Problem, ...] = ()
    try:
        dbt_vars(load(path))
    except RulesError as error:
        problems = error.problems

    assert all(problem.line and "\n" not in str(problem) for problem in problems)


def test_a_setting_written_twice_is_refused_with_both_lines(edited: Edit) -> None:
    path = edited("  horizon_days: 90\n", "  horizon_days: 90\n  horizon_days: 60\n")
    first = line_of("horizon_days: 90", path)

    assert refusal(path) == (
        f"{path}, line {first + 1}: churn.horizon_days is written twice, first on line {first}; keep one"
    )


def test_the_gates_are_optional(edited: Edit, tmp_path: Path) -> None:
    text = DEFAULT.read_text(encoding="utf-8")
    path = tmp_path / "business.yml"
    path.write_text(text[: text.index("gates:")], encoding="utf-8")

    gates = load(path).gates

    assert (gates.max_rejected_share, gates.max_row_drop, gates.max_age_days) == (0.2, 0.5, None)


def test_fixed_cuts_must_fit_the_bins_and_rise(edited: Edit) -> None:
    cuts = "method: fixed\n  cuts: {recency: [30, 60, 90], frequency: [2, 2, 4, 8], monetary: [10, 20, 50, 100]}"
    path = edited("method: quantile", cuts)

    too_few, level = refusal(path).splitlines()

    assert f"line {line_of('cuts:', path)}: rfm.cuts.recency must have 4 numbers for 5 bins, but has 3" in too_few
    assert "rfm.cuts.frequency must rise from number to number" in level


def test_cuts_without_effect_are_refused(edited: Edit) -> None:
    cuts = "method: quantile\n  cuts: {recency: [1, 2, 3, 4], frequency: [1, 2, 3, 4], monetary: [1, 2, 3, 4]}"

    assert "rfm.cuts has no effect with the method quantile" in refusal(edited("method: quantile", cuts))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "business.yml: is empty"),
        (b"# nothing\n", "business.yml: is empty"),
        (b"- a\n- b\n", "line 1: must consist of sections such as business and churn"),
        (b"business:\n  model: [a\nclv: 1\n", "line 3: is not valid YAML"),
        (b"business:\n\tmodel: x\n", "line 2: is not valid YAML"),
        (b"a: 1\nb: caf\xe9\n", "line 2: is not UTF-8 text"),
        (b"a: 1\nb: \x07\n", "line 2: holds an unprintable character"),
        (b"a: &x 1\nb: *x\n", "is referred to with * elsewhere"),
        (b"a: &x [*x]\n", "is referred to with * elsewhere"),
        (
            b"a: !!python/object/apply:os.getcwd []\n",
            "line 1: uses the tag !!python/object/apply:os.getcwd; remove it",
        ),
        (b"a: 1\nb: !!int x\n", "line 2: uses the tag !!int; remove it"),
        (b"a: !!set {x, y}\n", "line 1: uses the tag !!set; remove it"),
        (b"? [a]\n: 1\n", "line 1: has brackets where the name of a setting is expected"),
        (b"[" * 2000, "is nested too deeply"),
        (b'a: 1\nb: "\\ud83d"\n', "line 2: holds the escape \\ud83d; type the character itself"),
        (b'a: "\\UFFFFFFFF"\n', "line 1: holds the escape \\UFFFFFFFF; type the character itself"),
        (b"a: 1\n--- \nb: 2\n", "is not valid YAML"),
    ],
)
def test_a_file_that_is_not_yaml_of_ours_is_refused_in_one_line(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "business.yml"
    path.write_bytes(content)

    message = refusal(path)

    assert expected in message
    assert "\n" not in message


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.yml") == f"{tmp_path / 'none.yml'}: does not exist; check the path"
    assert "cannot be read (is a directory)" in refusal(tmp_path)


def test_words_that_some_yaml_readers_take_for_something_else_stay_text(edited: Edit) -> None:
    assert load(edited("id: cooling", "id: no")).rfm.segments[-2].id == "no"
    assert load(edited("owner: retention\n", "owner: 12:30\n")).lists[0].owner == "12:30"


def test_a_byte_order_mark_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "business.yml"
    path.write_bytes(b"\xef\xbb\xbf" + DEFAULT.read_bytes())

    assert load(path) == load(DEFAULT)


def test_rules_cannot_be_changed_after_loading() -> None:
    rules = load(DEFAULT)

    with pytest.raises(ValueError, match="frozen"):
        rules.churn.horizon_days = 1


@pytest.mark.parametrize("path", [DEFAULT, EXAMPLE], ids=["default", "example"])
def test_editors_find_the_schema(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    schema = json.loads((path.parent / first.partition("$schema=")[2]).read_text(encoding="utf-8"))

    assert "churn" in schema["properties"]
