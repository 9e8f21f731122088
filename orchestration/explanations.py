"""How an explanation reads: names, sentences and numbers, in Chinese or English, or as plain values for a program.

Belongs here: words. Does not belong here: finding anything out (``warehouse/explaining.py``).
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rules.suggestions import suggestion
from warehouse.explained_figures import TAG
from warehouse.explained_formulas import in_words, with_numbers
from warehouse.explained_records import Record, Verdict, masked
from warehouse.explaining import UnknownMetricError

if TYPE_CHECKING:
    from orchestration.explaining import Questions
    from warehouse.explained_figures import Test
    from warehouse.explained_metrics import Signal
    from warehouse.explaining import Customer, Explanation, Published

__all__ = ["LABELS", "as_json", "figures_as_json", "label_of", "tell_explanation", "tell_figures"]

Language = Literal["zh", "en"]

#: Names of figures that no rule can name; all others stand in the metric catalogue.
LABELS: Final[Mapping[str, tuple[str, str]]] = {
    "active_contracts": ("有效合同数", "Running contracts"),
    "age_days": ("客户关系天数", "Days as a customer"),
    "all_service_cost": ("服务成本合计", "All service costs"),
    "aov": ("客单价", "Worth of an order"),
    "base_rate": ("平均流失概率", "Average churn probability"),
    "birth_date": ("出生日期", "Date of birth"),
    "budget_cap": ("客户预算上限", "Most that may be spent on the customer"),
    "churned_on": ("流失日期", "Lost on"),
    "clv_historic_margin": ("历史毛利", "Margin so far"),
    "clv_if_alive_365d": ("若未流失的未来一年价值", "Value of 365 days if not lost"),
    "clv_margin_formula": ("客户终身价值（毛利公式）", "Customer value by the margin formula"),
    "clv_net": ("净客户价值", "Net customer value"),
    "clv_net_per_year": ("年均净客户价值", "Net customer value per year"),
    "clv_predicted_365d_high": ("未来一年预测价值上限", "Predicted value, 365 days, high"),
    "clv_predicted_365d_low": ("未来一年预测价值下限", "Predicted value, 365 days, low"),
    "clv_predicted_90d": ("未来90天预测价值", "Predicted value, 90 days"),
    "clv_revenue_formula": ("客户终身价值（收入公式）", "Customer value by the revenue formula"),
    "consent_email": ("邮件授权", "May be mailed"),
    "consent_phone": ("电话授权", "May be called"),
    "consent_sms": ("短信授权", "May be texted"),
    "consent_wechat": ("微信授权", "May be written to on WeChat"),
    "contract_ended_on": ("合同结束日期", "Last contract ended on"),
    "contracts": ("合同数", "Contracts"),
    "coupon_cost": ("优惠成本", "Coupon costs"),
    "created_at": ("建档时间", "Known since"),
    "created_on": ("建档日期", "Known since, day"),
    "cross_sell_value": ("交叉购买毛利", "Margin of other categories"),
    "csat_on": ("最近满意度评分日期", "Latest satisfaction score on"),
    "discounted_orders_365d": ("未来一年预期购买次数（折现）", "Expected purchase days, 365 days, discounted"),
    "discounted_orders_365d_if_alive": (
        "若未流失的未来一年预期购买次数（折现）",
        "Expected purchase days if not lost, 365 days, discounted",
    ),
    "discounted_orders_90d": ("未来90天预期购买次数（折现）", "Expected purchase days, 90 days, discounted"),
    "event_cost": ("活动成本", "Event costs"),
    "expected_next_order_high_on": ("预计下次下单最晚日期", "Next order expected by"),
    "expected_next_order_low_on": ("预计下次下单最早日期", "Next order expected from"),
    "expected_next_order_on": ("预计下次下单日期", "Next order expected on"),
    "expected_orders_365d": ("未来一年预期购买次数", "Expected purchase days, 365 days"),
    "expected_orders_90d": ("未来90天预期购买次数", "Expected purchase days, 90 days"),
    "expected_spend": ("预期每次消费金额", "Expected spend per purchase day"),
    "f_score": ("频次得分", "Frequency score"),
    "feature_events_prior_90d": ("此前90天功能使用次数", "Feature uses in the 90 days before"),
    "first_order_at": ("首次下单时间", "First order at"),
    "first_order_on": ("首次下单日期", "First order on"),
    "gap_ratio": ("流失阈值倍数（百分之一）", "Threshold in hundredths of the personal gap"),
    "is_active": ("启用", "Active"),
    "is_annual_buyer": ("年度购买客户", "Buys once a year"),
    "is_churned": ("已流失", "Lost"),
    "last_active_on": ("最近活跃日期", "Last active on"),
    "last_activity_on": ("最近活动日期", "Last activity on"),
    "last_answer_on": ("最近回复日期", "Last answer on"),
    "last_complaint_on": ("最近投诉日期", "Last complaint on"),
    "last_contact_left_on": ("联系人离职日期", "Main contact left on"),
    "last_contact_on": ("最近联系日期", "Last contact on"),
    "last_contract_end": ("最近合同结束日期", "Last end of a contract"),
    "last_login_on": ("最近登录日期", "Last login on"),
    "last_order_at": ("最近下单时间", "Last order at"),
    "last_order_on": ("最近下单日期", "Last order on"),
    "last_ticket_on": ("最近工单日期", "Last ticket on"),
    "logins_prior_90d": ("此前90天登录次数", "Logins in the 90 days before"),
    "m_score": ("金额得分", "Monetary score"),
    "main_contacts": ("关键联系人数", "Main contacts"),
    "main_contacts_left": ("已离职关键联系人数", "Main contacts who have left"),
    "margin_rate": ("毛利率", "Margin rate"),
    "margin_source": ("毛利来源", "Where the margin comes from"),
    "monetary_value": ("复购日均消费", "Mean spend of a return"),
    "nps_on": ("最近NPS评分日期", "Latest NPS score on"),
    "observed_years": ("观察年数", "Years observed"),
    "orders": ("累计订单数", "Orders ever"),
    "orders_per_year": ("年均订单数", "Orders per year"),
    "own_gap_days": ("自身购买间隔", "Own gap between purchases"),
    "owner_id": ("负责人", "Owner"),
    "p_alive": ("存活概率", "Probability of still being a customer"),
    "p_no_purchase": ("不再购买的概率", "Probability of no purchase"),
    "points_granted": ("发放积分", "Points granted"),
    "points_lapsed": ("过期积分", "Points lapsed"),
    "points_spent": ("消耗积分", "Points spent"),
    "prediction_status": ("预测状态", "Kind of prediction"),
    "prev_segment": ("上一RFM分群", "RFM segment before"),
    "profile_completeness_pct": ("资料完整度", "Completeness of the profile"),
    "published_relationship_source": ("关系年数来源", "Where the years come from"),
    "published_relationship_years": ("关系年数", "Years of the relationship"),
    "r_score": ("近度得分", "Recency score"),
    "referral_value": ("推荐客户毛利", "Margin of customers brought"),
    "relationship_source": ("关系年数来源", "Where the years come from"),
    "relationship_years": ("关系年数", "Years of the relationship"),
    "repeat_occasions": ("复购天数", "Purchase days after the first"),
    "repeat_value": ("复购毛利", "Margin after the first purchase day"),
    "repeat_recency_days": ("首末购买间隔天数", "Days from first to last purchase"),
    "resting_contracts": ("暂停合同数", "Paused contracts"),
    "rfm_frequency": ("窗口内购买次数", "Purchases within the RFM window"),
    "rfm_monetary": ("窗口内净收入", "Net revenue within the RFM window"),
    "running_contracts": ("有效合同数", "Running contracts"),
    "running_mrr": ("有效合同月度收入", "Monthly amount of running contracts"),
    "sales_margin": ("销售毛利", "Margin of sales"),
    "score_status": ("流失概率的依据", "What the churn probability rests on"),
    "score_reason_zh": ("流失概率依据说明", "Why it rests on that, in Chinese"),
    "score_reason_en": ("流失概率依据说明（英文）", "Why it rests on that"),
    "model": ("回测胜出的模型", "Model that won the backtest"),
    "scored_on": ("评分日期", "Scored on"),
    "segment_changed_on": ("分群变更日期", "RFM segment since"),
    "service_cost": ("计入的服务成本", "Service costs that count"),
    "service_cost_ratio": ("服务成本占比", "Service costs to revenue"),
    "spend_p": ("消费模型参数 p", "Spend model, p"),
    "spend_q": ("消费模型参数 q", "Spend model, q"),
    "spend_v": ("消费模型参数 v", "Spend model, v"),
    "tickets_prior_90d": ("此前90天工单数", "Tickets in the 90 days before"),
    "top_category": ("首选品类", "Favourite category"),
    "touch_cost": ("触达成本", "Touch costs"),
    "unended_contracts": ("未结束合同数", "Contracts that have not ended"),
    "usage_seconds_prior_90d": ("此前90天使用时长", "Time of use in the 90 days before"),
    "usual_gap_days": ("同类客户购买间隔", "Usual gap between purchases of all"),
}

_VERDICTS: Final[Mapping[str, tuple[str, str]]] = {
    "after": ("晚于 {0}，不在窗口内", "after {0}, when the window ends"),
    "before": ("早于 {0}，不在窗口内", "before {0}, when the window begins"),
    "deleted": (
        "来源已删除，或最新的全量导出中已没有",
        "deleted by its source, or missing from its newest full export",
    ),
    "ended": ("已于 {0} 结束", "ended on {0}"),
    "later": ("晚于报告日", "dated after the reporting day"),
    "never_began": ("开始前已取消", "cancelled before it began"),
    "no_amount": ("金额为零或符号与单据类型不符", "its amount is zero, or has the other sign"),
    "no_cost": ("未产生成本", "costs nothing"),
    "no_main_contact": ("不是关键联系人", "no main contact"),
    "off_scale": ("评分不在已知量表内", "not on a scale that the rules know"),
    "other_customer": ("现属于另一位客户", "belongs to another customer now"),
    "other_kind": ("与该指标无关", "not of the kind that counts here"),
    "refunded": ("已全额退款", "given back entirely"),
    "rejected": ("已被拒收：{0}", "rejected: {0}"),
    "replaced": ("已被 {0} 的第 {1} 条记录取代", "replaced by record {1} of {0}"),
    "restated": ("已被之后的声明取代", "a later statement stands"),
    "status": ("状态 {0} 不计入收入", "its status {0} does not count as revenue"),
    "test": ("测试订单", "a test order"),
}

_STATES: Final[Mapping[str, tuple[str, str]]] = {
    "fired": ("已触发", "fired"),
    "not_reached": ("未达到阈值", "does not reach the threshold"),
    "not_available": ("数据源缺失", "no source has delivered what it needs"),
    "no_value": ("无数据", "nothing is known"),
    "no_baseline": ("基线不足", "too little to compare with"),
    "too_small": ("数值过小", "too small to say anything"),
    "too_old": ("已过时", "too old"),
    "condition": ("附加条件不成立", "its further condition is not met"),
    "by_contract": ("按合同判断", "judged by contracts instead"),
}

_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "agrees": ("一致", "agrees"),
    "differs": ("不一致，相差", "differs by"),
    "differs_text": ("不一致", "differs"),
    "unpublished": ("没有表发布该指标", "published by no table"),
    "told": ("直接取自已发布的表，不从原始记录重算", "taken from the release as it stands, not worked out again"),
    "published": ("已发布", "published"),
    "recomputed": ("重新计算", "recomputed"),
    "formula": ("公式", "formula"),
    "meaning": ("含义", "meaning"),
    "edge": ("边界情况", "edge cases"),
    "steps": ("中间步骤", "steps"),
    "rules": ("规则，按顺序检验", "rules, tried in order"),
    "signals": ("信号", "signals"),
    "counting": ("计入的原始记录", "raw records that count"),
    "other": ("未计入的原始记录", "raw records that do not count"),
    "none": ("未知", "unknown"),
    "yes": ("是", "yes"),
    "no": ("否", "no"),
    "met": ("成立", "met"),
    "unmet": ("不成立", "not met"),
    "more": ("另有 {0} 条，--json 可全部列出", "{0} more; --json lists all"),
    "retired": ("{0} 已于 {1} 并入 {2}", "{0} has been {2} since {1}"),
    "source_id": ("{0} 是客户 {2}", "{0} is the customer {2}"),
    "other_rules": (
        "{0} 与本次发布所用的规则不同，以下按当前文件说明。",
        "{0} is not the rules file that this release was made with; what follows goes by the file as it is now.",
    ),
    "release": ("发布 {0}，截至 {1}", "release {0}, as of {1}"),
    "points": ("分", "points"),
    "first": ("第一个成立的", "the first that is met"),
    "figures": ("指标", "figure"),
    "value": ("数值", "value"),
    "how": ("来源", "how it is found"),
}

_KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "tally": ("由原始记录汇总", "read off raw records"),
    "formula": ("由其他指标计算", "follows from other figures"),
    "working": ("由记录或模型得出", "found from records or a model"),
    "given": ("总体数据，取自发布", "of all customers, from the release"),
    "class": ("由规则判定", "by rules"),
    "signal": ("预警信号", "a signal of the rules"),
    "told": ("取自发布", "from the release as it stands"),
}

#: So many records are shown, the newest first; a program gets all of them.
_SHOWN: Final = 40


def label_of(questions: "Questions", name: str) -> tuple[str, str]:
    """The Chinese and the English name of a figure, a signal or a scheme of the rules."""
    if name in questions.labels:
        return questions.labels[name]
    if name in LABELS:
        return LABELS[name]
    stem, _, number = name.rpartition("_")
    if stem.endswith("_cut"):
        dimension = {
            "recency": ("近度", "recency"),
            "frequency": ("频次", "frequency"),
            "monetary": ("金额", "monetary"),
        }
        zh, en = dimension[stem.removesuffix("_cut")]
        return f"{zh}切点 {number}", f"Cut point {number} of {en}"
    if name.startswith("pct_"):
        zh, en = label_of(questions, stem.removeprefix("pct_"))
        return f"{zh}：{int(number) / 100:g}% 的客户低于", f"{en}: {int(number) / 100:g}% of customers have less"
    if name.startswith(TAG):
        group = name.removeprefix(TAG)
        return f"标签组 {group}", f"Tags of the group {group}"
    if name.startswith("reason_"):
        place = name.split("_")[1]
        extra = {"points": ("分值", ", points"), "zh": ("（中文）", ", in Chinese"), "en": ("（英文）", ", in English")}
        zh, en = extra.get(number, ("", ""))
        return f"第 {place} 原因{zh}", f"Reason {place}{en}"
    return name, name


def _spoken(value: Any, language: Language) -> str:
    """A value as it is written in a sentence."""
    match value:
        case None:
            return _word("none", language)
        case bool():
            return _word("yes" if value else "no", language)
        case int():
            return f"{value:,}"
        case Decimal():
            text = f"{value:,.4f}"
            return text.rstrip("0").rstrip(".") if text.endswith("00") else text
        case float():
            return f"{value:,.9g}" if abs(value) >= 1e-4 or value == 0 else f"{value:.6e}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S} UTC"
        case date():
            return value.isoformat()
    return str(value)


def _word(name: str, language: Language) -> str:
    return _WORDS[name][language == "en"]


def _verdict(verdict: Verdict, language: Language) -> str:
    return _VERDICTS[verdict.code][language == "en"].format(*verdict.about)


def _plain(value: Any) -> Any:
    """A value that JSON can hold; decimals stay exact."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {name: _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, date) else str(value)


def tell_figures(questions: "Questions", asked_for: str, language: Language, *, as_plain: bool) -> None:
    """Print every figure of a customer, and how each is found.

    Parameters
    ----------
    questions : Questions
        The home.
    asked_for : str
        The customer.
    language : {"zh", "en"}
        Of the sentences.
    as_plain : bool
        Print JSON instead.
    """
    customer = questions.explainer.find(asked_for)
    figures = questions.explainer.figures(customer)
    if as_plain:
        _write(figures_as_json(questions, customer, figures))
    else:
        _print_figures(_console(), questions, customer, figures, language)


def tell_explanation(
    questions: "Questions", asked_for: str, metric: str, language: Language, *, as_plain: bool
) -> bool:
    """Print where a figure comes from; see :func:`tell_figures`.

    Returns
    -------
    bool
        False if what is published does not follow from the raw rows.

    Raises
    ------
    WarehouseError
        If the customer or the figure is unknown.
    """
    explainer = questions.explainer
    customer, name = explainer.find(asked_for), explainer.named(questions.column(metric))
    if name is None:
        hint = suggestion(metric, explainer.explainable())
        raise UnknownMetricError(f"There is no figure {metric} of a customer; {hint}")
    found = explainer.explain(customer, name)
    if as_plain:
        _write(as_json(questions, customer, found))
    else:
        _print_explanation(_console(), questions, customer, found, language)
    return found.agrees is not False


def _console() -> Console:
    # What goes into a file is not folded at the width of a terminal that is not there.
    return Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 200)


def _write(values: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(values, ensure_ascii=False, indent=2) + "\n")


# ------------------------------------------------------------------------------------------------- for programs


def figures_as_json(
    questions: "Questions", customer: "Customer", figures: Sequence[tuple[str, Sequence["Published"]]]
) -> dict[str, Any]:
    """The figures of a customer as plain values."""
    return {
        **_head(questions, customer),
        "identities": _plain(questions.explainer.identities(customer)),
        "figures": [
            {
                "metric": name,
                "zh": label_of(questions, name)[0],
                "en": label_of(questions, name)[1],
                "kind": questions.explainer.kind(name),
                "published": [_published(each) for each in published],
            }
            for name, published in figures
        ],
    }


def as_json(questions: "Questions", customer: "Customer", found: "Explanation") -> dict[str, Any]:
    """An explanation as plain values."""
    zh, en = label_of(questions, found.metric)
    deliveries = questions.explainer.deliveries()
    return {
        **_head(questions, customer),
        "metric": found.metric,
        "zh": zh,
        "en": en,
        "kind": found.kind,
        "formula": in_words(found.formula),
        "filled": _filled(found, "en"),
        "published": [_published(each) for each in found.published],
        "recomputed": _plain(found.recomputed),
        "agrees": found.agrees,
        "steps": [
            {"metric": step.name, "formula": in_words(step.formula), "value": _plain(step.value)}
            for step in found.steps
        ],
        "rules": [_rule(questions, test) for test in found.tests],
        "signals": [
            {
                "signal": each.rule["id"],
                "line": questions.line(("signals", each.number)),
                "metric": each.rule["metric"],
                "value": each.value,
                "baseline": each.baseline,
                "threshold": each.threshold,
                "state": each.state,
                "strength": each.strength,
                "points": found.points.get(each.rule["id"]),
            }
            for each in found.signals
        ],
        "records": [
            {
                "feed": record.feed,
                "source": record.place.source,
                "file": deliveries[record.place[:2]].file,
                "delivery_id": record.place.delivery_id,
                "record_no": record.place.record_no,
                "cells": masked(record, deliveries[record.place[:2]]),
                "counts": record.verdict is None,
                "why_not": None if record.verdict is None else _verdict(record.verdict, "en"),
                "why_not_zh": None if record.verdict is None else _verdict(record.verdict, "zh"),
                "values": {name: _plain(record.values.get(name)) for name in found.shown},
                "rests_on": [
                    {
                        "feed": line.feed,
                        "file": deliveries[line.place[:2]].file,
                        "record_no": line.place.record_no,
                        "cells": masked(line, deliveries[line.place[:2]]),
                    }
                    for line in _beneath(record)
                ],
            }
            for record in found.records
        ],
    }


def _head(questions: "Questions", customer: "Customer") -> dict[str, Any]:
    release = questions.explainer.release
    return {
        "customer_id": customer.customer_id,
        "asked_for": customer.asked_for,
        "found_by": customer.found_by,
        "release": release.seq,
        "as_of": release.as_of.isoformat(),
        "rules_of_release": questions.is_of_release,
    }


def _published(each: "Published") -> dict[str, Any]:
    return {"table": each.table, "column": each.column, "value": _plain(each.value)}


def _rule(questions: "Questions", test: "Test") -> dict[str, Any]:
    return {
        "file": str(questions.config),
        "line": questions.line(test.place),
        "id": test.id,
        "condition": questions.condition(test.place),
        "figures": _plain(test.figures),
        "met": test.is_met,
    }


def _filled(found: "Explanation", language: Language) -> str:
    numbers = {name: _spoken(value, language) for name, value in found.figures.items()}
    return with_numbers(found.formula, numbers)


# ------------------------------------------------------------------------------------------------- for people


def _print_figures(
    console: Console,
    questions: "Questions",
    customer: "Customer",
    figures: Sequence[tuple[str, Sequence["Published"]]],
    language: Language,
) -> None:
    """Print every published figure of a customer, by the table that has it first, and how each is found."""
    _print_head(console, questions, customer, language)
    identities = questions.explainer.identities(customer)
    if identities:
        table = Table(*identities[0], box=SIMPLE_HEAD)
        for row in identities:
            table.add_row(*(Text(_spoken(value, language) if value is not None else "") for value in row.values()))
        console.print(table)
    tables: dict[str, list[tuple[str, Sequence[Published]]]] = {}
    for name, published in figures:
        tables.setdefault(published[0].table, []).append((name, published))
    for name, rows in tables.items():
        table = Table(f"{name}", "", _word("value", language), _word("how", language), box=SIMPLE_HEAD)
        for metric, published in rows:
            label = label_of(questions, metric)[language == "en"]
            kind = _KINDS[questions.explainer.kind(metric)][language == "en"]
            table.add_row(metric, label, Text(_spoken(published[0].value, language)), kind)
        console.print(table)


def _print_explanation(
    console: Console, questions: "Questions", customer: "Customer", found: "Explanation", language: Language
) -> None:
    """Print where a figure comes from."""
    _print_head(console, questions, customer, language)
    zh, en = label_of(questions, found.metric)
    unit = questions.units.get(found.metric)
    _print(console, f"{found.metric}  {zh} / {en}" + (f"  ({unit})" if unit else ""), style="bold")
    if found.metric in questions.meanings:
        formula, edge_cases = questions.meanings[found.metric]
        _print(console, f"{_word('meaning', language)}: {formula}")
        _print(console, f"{_word('edge', language)}: {edge_cases}")
    _print_comparison(console, found, language)
    if found.formula:
        _print(console, f"{_word('formula', language)}: {in_words(found.formula)}")
        filled = _filled(found, language)
        if filled != in_words(found.formula):
            _print(console, f"  = {filled}")
    _print_rules(console, questions, found.tests, language)
    _print_signals(console, questions, found, language)
    if found.steps:
        table = Table(
            _word("steps", language), "", _word("value", language), _word("formula", language), box=SIMPLE_HEAD
        )
        for step in found.steps:
            label = label_of(questions, step.name)[language == "en"]
            table.add_row(step.name, label, Text(_spoken(step.value, language)), Text(in_words(step.formula)))
        console.print(table)
    counting = [record for record in found.records if record.verdict is None]
    others = [record for record in found.records if record.verdict is not None]
    _print_records(console, questions, counting, found.shown, _word("counting", language), language)
    _print_records(console, questions, others, (), _word("other", language), language)


def _print_head(console: Console, questions: "Questions", customer: "Customer", language: Language) -> None:
    release = questions.explainer.release
    where = _word("release", language).format(release.seq, release.as_of)
    _print(console, f"{customer.customer_id} · {where}")
    if customer.found_by == "retired_id":
        text = _word("retired", language)
        _print(console, text.format(customer.asked_for, customer.changed_on, customer.customer_id))
    elif customer.found_by == "source_id":
        _print(console, _word("source_id", language).format(customer.asked_for, "", customer.customer_id))
    if not questions.is_of_release:
        _print(console, _word("other_rules", language).format(questions.config))


def _print_comparison(console: Console, found: "Explanation", language: Language) -> None:
    for value, places in _by_value(found.published).items():
        _print(console, f"{_word('published', language)}: {_spoken(places[0].value, language)}  ({value})")
    if not found.published:
        _print(console, f"{_word('published', language)}: {_word('unpublished', language)}")
    if found.kind == "told":
        _print(console, _word("told", language))
        return
    text = f"{_word('recomputed', language)}: {_spoken(found.recomputed, language)}"
    if found.agrees is not None:
        text += f"  {_comparison(found, language)}"
    _print(console, text, style="red" if found.agrees is False else "")


def _by_value(published: Iterable["Published"]) -> dict[str, list["Published"]]:
    """The tables that say one thing, together."""
    same: dict[tuple[str, Any], list[Published]] = {}
    for each in published:
        same.setdefault((each.column, each.value), []).append(each)
    return {", ".join(f"{each.table}.{each.column}" for each in places): places for places in same.values()}


def _comparison(found: "Explanation", language: Language) -> str:
    if found.agrees:
        return _word("agrees", language)
    value = found.published[0].value
    numbers = (int, float, Decimal)
    if isinstance(value, numbers) and isinstance(found.recomputed, numbers) and not isinstance(value, bool):
        difference = Decimal(str(found.recomputed)) - Decimal(str(value))
        return f"{_word('differs', language)} {_spoken(difference, language)}"
    return _word("differs_text", language)


def _print_rules(console: Console, questions: "Questions", tests: Sequence["Test"], language: Language) -> None:
    if not tests:
        return
    _print(console, f"{_word('rules', language)}:")
    for test in tests:
        figures = ", ".join(f"{name} = {_spoken(value, language)}" for name, value in test.figures.items())
        met = _word("met" if test.is_met else "unmet", language)
        condition = questions.condition(test.place)
        place = f"{questions.config.name}:{questions.line(test.place)}"
        _print(console, f"  {place}  {test.id}: {condition}" + (f"  [{figures}]" if figures else "") + f"  → {met}")


def _print_signals(console: Console, questions: "Questions", found: "Explanation", language: Language) -> None:
    if not found.signals:
        return
    columns = ("", _word("signals", language), _word("value", language), "", "", _word("points", language))
    table = Table(*columns, box=SIMPLE_HEAD)
    for each in found.signals:
        table.add_row(
            f"{questions.config.name}:{questions.line(('signals', each.number))}",
            f"{each.rule['id']} {each.rule[language]}",
            Text(_watched(each, language)),
            Text(f"{each.rule['op']} {_spoken(each.threshold, language)}"),
            _STATES[each.state][language == "en"],
            Text(_spoken(found.points[each.rule["id"]], language) if each.rule["id"] in found.points else ""),
        )
    console.print(table)


def _watched(signal: "Signal", language: Language) -> str:
    text = f"{signal.rule['metric']} = {_spoken(signal.value, language)}"
    if signal.rule["vs"]:
        text += f", {signal.rule['vs']} = {_spoken(signal.baseline, language)}"
    return text


def _print_records(
    console: Console,
    questions: "Questions",
    records: Sequence[Record],
    shown: Sequence[str],
    title: str,
    language: Language,
) -> None:
    if not records:
        return
    deliveries = questions.explainer.deliveries()
    _print(console, f"{title} ({len(records):,}):")
    newest = sorted(records, key=lambda record: record.values.get("on") or date.min, reverse=True)
    for record in newest[:_SHOWN]:
        delivery = deliveries[record.place[:2]]
        values = ", ".join(
            f"{name} {_spoken(record.values[name], language)}" for name in shown if record.values.get(name) is not None
        )
        text = f"  {record.feed}  {record.place.source}/{delivery.file}  #{record.place.record_no}"
        if record.verdict is not None:
            text += f"  — {_verdict(record.verdict, language)}"
        _print(console, text + (f"  → {values}" if values else ""))
        cells = ", ".join(f"{name}={value}" for name, value in masked(record, delivery).items())
        _print(console, f"      {cells}", style="dim")
        with_lines = "gross_margin" in shown or record.values.get("is_sum_of_lines")
        for beneath in _beneath(record) if with_lines else record.values.get("rates", ()):
            file = deliveries[beneath.place[:2]]
            cells = ", ".join(f"{name}={value}" for name, value in masked(beneath, file).items())
            _print(console, f"      {beneath.feed}  {file.file}  #{beneath.place.record_no}  {cells}", style="dim")
    if len(records) > _SHOWN:
        _print(console, f"  {_word('more', language).format(len(records) - _SHOWN)}")


def _beneath(record: Record) -> list[Record]:
    """The records that the worth of a document rests on: its lines, what their products cost, the rate of its day."""
    found = [*record.values.get("rates", ())]
    for line in record.values.get("lines", ()):
        found += [line, *line.values.get("products", ())]
    return found


def _print(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style=style), soft_wrap=True)
