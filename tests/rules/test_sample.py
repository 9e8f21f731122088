"""A rules file as marketers first wrote it down: what of it loads as it stands, and what it still lacks."""

from pathlib import Path

import pytest
import yaml

from rules import RulesError, dbt_vars, load

ROOT = Path(__file__).parents[2]

# The sketch that the rules file was designed from, with English names added and nothing else.
SKETCH = """
business:
  time_zone: Asia/Shanghai
  base_currency: CNY
  model: non_contractual        # non_contractual | contractual | mixed
  valid_order_statuses: [paid, shipped, completed]
  default_margin_rate: 0.30
  min_observation_days: 90
clv:
  relationship_years: {method: expected, cap: 5}
  horizons_days: [90, 180, 365]
  discount_rate_year: 0.08
  include_costs: [touch, coupon, event, service]
rfm:
  window_days: null          # null = all history
  method: quantile              # quantile | fixed
  bins: 5
  segments:
    - {id: champions, zh: 重要价值客户, en: Champions, when: {r: [4, 5], f: [4, 5], m: [4, 5]}}
    - {id: win_back, zh: 重要挽回客户, en: Win back, when: {r: [1, 2], f: [4, 5], m: [4, 5]}}
    - {id: other, zh: 其他, en: Other, when: default}
tiers:                          # VALUE axis only; first match wins; last must be default
  - {id: high_value, zh: 高价值客户, en: High,
     when: "pct(clv_net_margin_basis) >= 0.80 and orders_365d >= 3", owner: vip}
  - {id: potential, zh: 潜力客户, en: Potential,
     when: "pct(active_days_90d) >= 0.60 and orders_365d <= 2", owner: growth}
  - {id: regular, zh: 一般客户, en: Regular, when: default, owner: crm}
display_layer:                  # four layers = value axis overlaid by risk axis
  - {id: at_risk, zh: 流失风险客户, en: At risk, when: "risk_level in ('high','critical')"}
  - {id: from_tier, when: default}
lifecycle:                      # priority from top
  - {id: churned, zh: 流失客户, en: Lost, when: "orders_total >= 1 and churned"}
  - {id: prospect, zh: 潜在客户, en: Prospect, when: "orders_total = 0"}
  - {id: new, zh: 新客户, en: New, when: "orders_total = 1 and tenure_days <= 60"}
  - {id: loyal, zh: 忠实客户, en: Loyal, when: "orders_365d >= 6 or (orders_365d >= 3 and nps_latest >= 9)"}
  - {id: active, zh: 活跃客户, en: Active, when: "orders_365d >= 2"}
  - {id: quiet, zh: 沉默客户, en: Quiet, when: default}
churn:
  horizon_days: 90
  threshold: {method: cadence_quantile, q: 0.90, min_days: 30, max_days: 400, one_time_days: 180}
  annual_buyers: {detect: true, tolerance: 1.25}
signals:
  - {id: no_login_14d, zh: 连续两周未登录, en: No login, metric: days_since_login,
     op: ">=", value: 14, weight: 0.35, escalate: {value: 21, weight: 0.5}}
  - {id: feature_use_drop_80pct, zh: 功能使用下降80%, en: Uses less, metric: feature_events_30d,
     vs: prior_90d_monthly_avg, op: drop_pct, value: 0.8, min_baseline: 10, weight: 0.5}
  - {id: order_count_drop, zh: 订单数量骤减, en: Fewer orders, metric: orders_90d, vs: prior_90d,
     op: drop_pct, value: 0.5, min_baseline: 3, weight: 0.5}
  - {id: overdue, zh: 超出个人购买周期, en: Late, metric: cadence_ratio, op: ">=", value: 1.5, weight: 0.4}
  - {id: no_order_months, zh: 几个月未下单, en: No order, metric: recency_days, op: ">=", value: 120, weight: 0.6}
  - {id: low_nps, zh: NPS低分, en: Low NPS, metric: nps_latest, op: "<=", value: 6, max_age_days: 180, weight: 0.3}
  - {id: tickets_rising, zh: 投诉工单上升, en: More tickets, metric: tickets_30d, vs: prior_90d_monthly_avg,
     op: rise_pct, value: 1.0, min_value: 2, weight: 0.3}
  - {id: unresolved_repeat_ticket, zh: 多次反馈未解决, en: Unsolved, metric: open_repeat_tickets,
     op: ">=", value: 2, weight: 0.5}
  - {id: renewal_near_inactive, zh: 临近续费且活跃下降, en: Renewal near, metric: days_to_renewal,
     op: "<=", value: 60, and: "usage_trend_30d < -0.3", weight: 0.6}
risk_levels: {medium: 40, high: 60, critical: 80}
lists:
  - id: churn_alert
    zh: 流失预警名单
    en: Churn alert
    when: "risk_level in ('high','critical') and tier != 'regular'"
    owner: retention
    action: call
    channels: [phone, wechat]
    holdout_pct: 10
    cooldown_days: 30
    max_rows_per_owner: 50
    rank_by: value_at_risk
    measure: {metric: repurchased, window_days: 30}
contact_policy:
  cap: [{days: 7, max: 2}, {days: 30, max: 4}]
  quiet_after: {order_hours: 48, complaint_days: 14, refund_open: true}
  priority: [vip_protection, churn_alert, winback, repurchase_reminder, birthday_care, cross_sell]
  global_holdout_pct: 5
"""
#: What the sketch has and no table reads yet.
NOT_YET = {"clv.horizons_days": "is not a known setting", "contact_policy": "is not a known setting"}
#: What it leaves open and a rules file has to say.
MISSING = {
    "business.fiscal_year_starts": "is missing",
    "churn.threshold.shrinkage": "is missing",
    "churn.contract": "is missing",
    "churn.reasons": "is missing",
    "satisfaction": "is missing",
    "loyalty": "is missing",
    "segment_schemes": "is missing",
    "tags": "is missing",
    "lists[churn_alert].action": "must be a group of settings",
}


def test_what_the_sketch_lacks_is_told_setting_by_setting(tmp_path: Path) -> None:
    path = tmp_path / "business.yml"
    path.write_text(SKETCH, encoding="utf-8")

    with pytest.raises(RulesError) as caught:
        load(path)

    told = [str(problem).partition(": ")[2] for problem in caught.value.problems]
    expected = sorted(f"{setting} {problem}" for setting, problem in (NOT_YET | MISSING).items())
    assert [text for text, start in zip(sorted(told), expected, strict=True) if not text.startswith(start)] == []


def test_all_else_of_the_sketch_is_rules(tmp_path: Path) -> None:
    default = yaml.safe_load((ROOT / "config" / "business.yml").read_text(encoding="utf-8"))
    sketch = yaml.safe_load(SKETCH)
    del sketch["contact_policy"], sketch["clv"]["horizons_days"]
    sketch["business"]["fiscal_year_starts"] = 1
    sketch["churn"]["threshold"]["shrinkage"] = 3
    sketch["churn"] |= {name: default["churn"][name] for name in ("contract", "reasons")}
    sketch |= {name: default[name] for name in ("satisfaction", "loyalty")} | {"segment_schemes": [], "tags": []}
    sketch["lists"][0]["action"] = {"code": "call", "zh": "电话回访", "en": "Call"}
    path = tmp_path / "business.yml"
    path.write_text(yaml.safe_dump(sketch, allow_unicode=True), encoding="utf-8")

    variables = dbt_vars(load(path))

    assert [tier["id"] for tier in variables["tiers"]] == ["high_value", "potential", "regular"]
    assert variables["stage_case"] == (
        "case when orders >= 1 and churned then 'churned' when orders = 0 then 'prospect' "
        "when orders = 1 and tenure_days <= 60 then 'new' "
        "when orders_365d >= 6 or orders_365d >= 3 and nps_latest >= 9 then 'loyal' "
        "when orders_365d >= 2 then 'active' else 'quiet' end"
    )
    assert len(variables["signals"]) == 9
    assert variables["lists"][0]["when"] == "risk_level in ('high', 'critical') and tier <> 'regular'"
