"""The figures about the business as a whole that the published tables hold, once.

Here belong name, unit, grain, labels, formula in words and edge cases of a published figure. How it is computed
belongs to the SQL models; figures about one customer, which rules may name, stand in ``rules/metrics.py``.
"""

from dataclasses import dataclass
from typing import Final

from rules.metrics import CATALOGUE

#: The columns of the published catalogue, in order.
CATALOGUE_COLUMNS: Final = (
    "kind",
    "metric",
    "zh",
    "en",
    "description",
    "formula",
    "unit",
    "grain",
    "edge_cases",
    "tables",
    "feeds",
    "used_in",
    "owner",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """One published figure.

    Attributes
    ----------
    name : str
        Name of its column, or of what is counted.
    tables : tuple of str
        Published tables that have the column, the same number in all of them; or in whose rows it is counted.
    grain : str
        What there is one of it for.
    unit, zh, en, sentence, formula, edge_cases, needs, owner
        As :class:`rules.metrics.Metric`.
    """

    name: str
    tables: tuple[str, ...]
    grain: str
    unit: str
    zh: str
    en: str
    sentence: str
    formula: str
    edge_cases: str
    needs: tuple[str, ...] = ("orders",)
    owner: str = "data-engineering"


_CURRENCY = "base currency"
_NEVER_EMPTY = "0 where there is none."

INDICATORS: Final = (
    # Sales.
    Indicator(
        name="orders", tables=("kpi_daily", "revenue_monthly"), grain="day; month", unit="orders",
        zh="订单数", en="Orders", sentence="Number of purchases of the time, those of guests included.",
        formula="valid sales still worth something after their refunds", edge_cases=_NEVER_EMPTY,
    ),
    Indicator(
        name="buyers", tables=("kpi_daily", "revenue_monthly"), grain="day; month", unit="customers",
        zh="购买客户数", en="Buyers", sentence="Customers with a purchase in the time.",
        formula="distinct customers with a purchase; guests are nobody's", edge_cases=_NEVER_EMPTY,
    ),
    Indicator(
        name="net_revenue", tables=("kpi_daily", "revenue_monthly", "revenue_ledger"), grain="day; month",
        unit=_CURRENCY,
        zh="净收入", en="Net revenue", sentence="Valid sales less refunds, each on its own day, in base currency.",
        formula="sum of valid sales + sum of valid refunds, by the date of each",
        edge_cases="May be negative on a day with more refunds than sales. A missing rate refuses the night.",
    ),
    Indicator(
        name="net_revenue_by_order_date", tables=("revenue_monthly", "revenue_ledger"), grain="day; month",
        unit=_CURRENCY, zh="净收入（按下单日）", en="Net revenue by order date",
        sentence="Valid sales of the time less their refunds whenever they happened, in base currency.",
        formula="sum of valid sales + refunds linked to them, by the date of the sale",
        edge_cases="A later refund changes an earlier month. A refund that names no sale counts on its own day.",
    ),
    Indicator(
        name="gross_margin", tables=("kpi_daily", "revenue_monthly", "revenue_ledger"), grain="day; month",
        unit=_CURRENCY, zh="毛利", en="Gross margin",
        sentence="Net revenue less the cost of what was sold, in base currency.",
        formula="net revenue − cost", edge_cases="Without a known cost, the category's rate, else default_margin_rate.",
    ),
    Indicator(
        name="margin_rate", tables=("revenue_monthly",), grain="month", unit="share", zh="毛利率", en="Margin rate",
        sentence="Share of net revenue that is margin.", formula="gross margin ÷ net revenue",
        edge_cases="Empty without revenue.",
    ),
    Indicator(
        name="aov", tables=("kpi_daily", "revenue_monthly"), grain="day; month", unit="base currency per order",
        zh="客单价（每单）", en="Average order value", sentence="Net revenue per purchase, in base currency.",
        formula="net revenue ÷ purchases", edge_cases="Empty without a purchase.",
    ),
    Indicator(
        name="revenue_per_buyer", tables=("revenue_monthly",), grain="month", unit="base currency per customer",
        zh="客单价（每客）", en="Revenue per buyer", sentence="Net revenue of customers per buyer, in base currency.",
        formula="net revenue of customers ÷ buyers", edge_cases="Empty without a buyer; guests are left out.",
    ),
    # Coming back and leaving.
    Indicator(
        name="active_customers", tables=("kpi_daily",), grain="day", unit="customers", zh="活跃客户数",
        en="Active customers", sentence="Customers who have bought and are not lost on the day.",
        formula="customers in a spell at the end of the day", edge_cases=_NEVER_EMPTY,
    ),
    Indicator(
        name="repurchase_rate", tables=("repurchase",), grain="month of the first purchase and window", unit="share",
        zh="复购率", en="Repurchase rate",
        sentence="Share of customers who bought again within so many days of their first purchase.",
        formula="mature customers with a second occasion within the window ÷ mature customers",
        edge_cases="Empty where nobody is mature. A second order on the same day does not count.",
    ),
    Indicator(
        name="repurchase_rate_90d", tables=("kpi_daily",), grain="day", unit="share", zh="90天复购率",
        en="Repurchase rate, 90 days",
        sentence="Share of those whose first 90 days ended lately who bought again within them.",
        formula="second occasion within 90 days ÷ customers whose 90 days have passed, of the cohort of the day",
        edge_cases="Empty where nobody is mature.",
    ),
    Indicator(
        name="retention_rate", tables=("cohort_retention",), grain="cohort month and period", unit="share",
        zh="留存率", en="Cohort retention", sentence="Share of a cohort that bought in a later month.",
        formula="customers of the cohort with an occasion in the month ÷ cohort size",
        edge_cases="Empty while the month is not over.",
    ),
    Indicator(
        name="churn_rate", tables=("churn_monthly",), grain="month", unit="share", zh="客户流失率", en="Churn rate",
        sentence="Share of the customers at the beginning of a month who were lost in it.",
        formula="churned in the month and in the opening stock ÷ opening stock",
        edge_cases="Empty without an opening stock and while the month is not over. Came and left: not in the rate.",
    ),
    Indicator(
        name="churn_rate_30d", tables=("kpi_daily",), grain="day", unit="share", zh="30天流失率",
        en="Churn rate, 30 days",
        sentence="Share of the customers of 30 days ago who have been lost since.",
        formula="lost in 30 days and active before them ÷ active before them",
        edge_cases="Empty where nobody was active.",
    ),
    Indicator(
        name="nrr", tables=("revenue_retention",), grain="month and segment of accounts", unit="share",
        zh="净收入留存率",
        en="Net revenue retention",
        sentence="Recurring revenue kept from the accounts of the beginning, growth included.",
        formula="(opening + expansion − contraction − churned) ÷ opening",
        edge_cases="New accounts are left out. Empty without an opening.", needs=("subscriptions",),
    ),
    Indicator(
        name="grr", tables=("revenue_retention",), grain="month and segment of accounts", unit="share",
        zh="总收入留存率",
        en="Gross revenue retention",
        sentence="Recurring revenue kept from the accounts of the beginning, growth left out.",
        formula="(opening − contraction − churned) ÷ opening", edge_cases="Empty without an opening.",
        needs=("subscriptions",),
    ),
    # Value.
    Indicator(
        name="clv_revenue_formula", tables=("customer_clv", "customer_360"), grain="customer", unit=_CURRENCY,
        zh="客户终身价值（收入公式）", en="Lifetime value, revenue formula",
        sentence="The textbook's lifetime value in revenue, in base currency.",
        formula="order value × orders per year × years", edge_cases="1,000 × 3 × 3 = 9,000. Empty without a purchase.",
    ),
    Indicator(
        name="clv_margin_formula", tables=("customer_clv", "customer_360"), grain="customer", unit=_CURRENCY,
        zh="客户终身价值（毛利公式）", en="Lifetime value, margin formula",
        sentence="The textbook's lifetime value in margin, in base currency.",
        formula="order value × orders per year × years × margin rate",
        edge_cases="1,000 × 3 × 3 × 0.3 = 2,700. Empty without a purchase.",
    ),
    Indicator(
        name="clv_net", tables=("customer_clv", "customer_360"), grain="customer", unit=_CURRENCY, zh="净客户价值",
        en="Net customer value", sentence="Margin earned so far less the costs of the customer, in base currency.",
        formula="gross margin − touch, coupon, event and service costs",
        edge_cases="May be negative: kept, not clipped.",
    ),
    Indicator(
        name="clv_net_per_year", tables=("customer_clv",), grain="customer", unit="base currency a year",
        zh="年均净客户价值", en="Net customer value per year",
        sentence="Net customer value per year of the relationship.",
        formula="clv_net ÷ max(years, 1/12)", edge_cases="May be negative.",
    ),
    Indicator(
        name="service_cost_ratio", tables=("customer_clv",), grain="customer", unit="share", zh="服务成本占比",
        en="Service cost ratio", sentence="Service costs as a share of the net revenue of the customer.",
        formula="service cost ÷ net revenue", edge_cases="Empty without revenue.", needs=("tickets",),
    ),
    Indicator(
        name="orders_per_year", tables=("customer_clv",), grain="customer", unit="orders a year", zh="年购买频率",
        en="Orders per year", sentence="Purchases per year of observation.",
        formula="purchases ÷ max(years since the first purchase, min_observation_days ÷ 365)",
        edge_cases="Empty without a purchase.",
    ),
    Indicator(
        name="cum_margin_share", tables=("value_concentration",), grain="percentile of customers", unit="share",
        zh="累计利润占比", en="Cumulative share of margin",
        sentence="Share of all margin that the best customers up to the percentile bring.",
        formula="margin of the best p percent ÷ all margin", edge_cases="May pass 1 where some lose money.",
    ),
    # Risk.
    Indicator(
        name="at_risk", tables=("kpi_daily",), grain="day", unit="customers", zh="高风险客户数", en="Customers at risk",
        sentence="Customers whose risk level is high or critical.", formula="customers of risk level high or critical",
        edge_cases="Known of the reporting day only.",
    ),
    Indicator(
        name="value_at_risk", tables=("kpi_daily", "churn_risk", "customer_360"), grain="day; customer", unit=_CURRENCY,
        zh="风险价值", en="Value at risk",
        sentence="Margin of the next 365 days that would be lost if customers left, in base currency.",
        formula="expected margin of 365 days if alive − clv_predicted_365d, at least 0",
        edge_cases="Known of the reporting day only.",
    ),
    # Moving between classes.
    Indicator(
        name="share", tables=("lifecycle_migration", "tier_migration", "rfm_migration"), grain="month, from and to",
        unit="share", zh="迁移占比", en="Share that moved",
        sentence="Share of those who began the month in one class and ended it in another.",
        formula="customers from one class to the other ÷ customers of the first at the beginning",
        edge_cases="The shares of one class add up to 1. Empty for those who were new.",
    ),
    Indicator(
        name="dwell_days", tables=("customer_lifecycle", "customer_tiers", "customer_segments"),
        grain="customer and period",
        unit="days", zh="停留天数", en="Dwell time", sentence="Days that a customer has stayed in a class.",
        formula="end of the period, or as_of − its beginning",
        edge_cases="As exact as the days of the grid: see precision.",
    ),
    Indicator(
        name="separation", tables=("segment_validation",), grain="scheme and segment", unit="ratio", zh="区分度",
        en="Separation", sentence="How many times more its customers spent in the next 90 days than all others.",
        formula="revenue per customer of the segment ÷ that of all others, 90 days after the pilot's day",
        edge_cases="Empty where the others spent nothing, or there are none.",
    ),
    # Accounts, loyalty and costs.
    Indicator(
        name="health", tables=("account_health",), grain="account", unit="points, 0 to 100", zh="客户健康度",
        en="Health",
        sentence="How well the relation with the account stands, from 0 to 100.",
        formula="mean of the parts that are known: use, NPS, service, main contact, renewal",
        edge_cases="Empty where no part is known.",
        needs=("subscriptions", "interactions", "survey_responses", "tickets"),
    ),
    Indicator(
        name="liability", tables=("points_balances", "points_monthly"), grain="customer; month", unit=_CURRENCY,
        zh="积分负债", en="Points liability", sentence="What all unspent points would cost, in base currency.",
        formula="points × loyalty.point_value", edge_cases=_NEVER_EMPTY, needs=("points",),
    ),
    Indicator(
        name="conversion_rate", tables=("referral_conversion",), grain="month and kind of referrer", unit="share",
        zh="推荐转化率", en="Referral conversion", sentence="Share of the accepted referrals that became buyers.",
        formula="converted ÷ accepted referrals", edge_cases="Empty without a referral.", needs=("referrals",),
    ),
    Indicator(
        name="allocated_amount", tables=("cost_ledger",), grain="month and kind of cost", unit=_CURRENCY,
        zh="已分摊成本", en="Allocated costs", sentence="Costs that customers bear, in base currency.",
        formula="sum of the costs of all customers", edge_cases="With what nobody bears it adds up to the ledger.",
        needs=("campaign_touches", "campaigns", "tickets", "orders"),
    ),
)  # fmt: skip

_ASKED: Final = "whatever is asked for"

#: What stands in no column, or in one that says it of a part only: BI counts it in the rows it asks for, by the
#: semantic model of the table in dbt_project/models/marts.
COUNTED: Final = (
    Indicator(
        name="customers", tables=("customer_360",), grain=_ASKED, unit="customers", zh="客户数", en="Customers",
        sentence="Resolved customers, also those who have not bought yet.", formula="rows of customer_360",
        edge_cases=_NEVER_EMPTY, needs=("customers", "orders"),
    ),
    Indicator(
        name="source_records", tables=("customer_identities",), grain=_ASKED, unit="records", zh="来源客户记录数",
        en="Source records", sentence="Customer records of all sources, before they are joined into customers.",
        formula="rows of customer_identities", edge_cases=_NEVER_EMPTY, needs=("customers", "orders"),
    ),
    Indicator(
        name="identity_conflicts", tables=("identity_conflicts",), grain=_ASKED, unit="sets of records",
        zh="身份冲突数", en="Identity conflicts", sentence="Sets of records too large for one customer.",
        formula="rows of identity_conflicts", edge_cases=_NEVER_EMPTY, needs=("customers",),
    ),
    Indicator(
        name="retired_ids", tables=("customer_id_history",), grain=_ASKED, unit="ids", zh="失效客户编号数",
        en="Retired ids", sentence="Ids of customers of earlier releases that lead to another customer now.",
        formula="rows of customer_id_history", edge_cases=_NEVER_EMPTY, needs=("customers", "orders"),
    ),
    Indicator(
        name="accounts", tables=("accounts",), grain=_ASKED, unit="accounts", zh="企业客户数", en="Accounts",
        sentence="Companies that buy through their customers.", formula="rows of accounts", edge_cases=_NEVER_EMPTY,
        needs=("accounts", "customers"),
    ),
    Indicator(
        name="account_customers", tables=("account_members",), grain=_ASKED, unit="customers", zh="企业成员客户数",
        en="Customers of accounts", sentence="Customers that are an account or belong to one.",
        formula="rows of account_members", edge_cases="A customer belongs to one account at most.",
        needs=("accounts", "customers"),
    ),
    Indicator(
        name="contacts", tables=("contacts_of_accounts",), grain=_ASKED, unit="people", zh="联系人数", en="Contacts",
        sentence="People known at accounts who have not left.",
        formula="rows of contacts_of_accounts without left_on", edge_cases=_NEVER_EMPTY, needs=("contacts",),
    ),
    Indicator(
        name="quantity", tables=("order_lines",), grain=_ASKED, unit="pieces", zh="销售数量", en="Units sold",
        sentence="Pieces of valid documents, or whatever unit the source sells in; returned goods count below zero.",
        formula="sum of quantity over lines of valid documents", edge_cases="Empty without a line.",
        needs=("order_lines",),
    ),
    Indicator(
        name="lift", tables=("product_affinity",), grain=_ASKED, unit="ratio", zh="提升度", en="Lift",
        sentence="How many times more likely buyers of one category are to buy another one than all customers.",
        formula="share of the buyers of one category who buy the other ÷ share of all customers who do",
        edge_cases="Unknown of pairs with fewer than five common buyers.", needs=("order_lines",),
    ),
    Indicator(
        name="repeat_buyer_rate", tables=("repeat_buyers",), grain=_ASKED, unit="share", zh="重复购买客户占比",
        en="Share of repeat buyers", sentence="Share of the buyers of a window who bought on two days of it or more.",
        formula="customers with occasions on two days of the window ÷ customers with one",
        edge_cases="Empty without a buyer. Not the repurchase rate.",
    ),
    Indicator(
        name="margin_share", tables=("value_deciles",), grain=_ASKED, unit="share", zh="利润占比", en="Share of margin",
        sentence="Share of all margin that a tenth of the customers brings.",
        formula="margin of a tenth of the customers ÷ all margin", edge_cases="May pass 1 where some lose money.",
    ),
    Indicator(
        name="tagged_customers", tables=("customer_tags",), grain=_ASKED, unit="customers", zh="标签客户数",
        en="Tagged customers", sentence="Customers who have a tag tonight.",
        formula="distinct customers among the current rows of customer_tags", edge_cases=_NEVER_EMPTY,
        needs=("customers", "orders"),
    ),
    Indicator(
        name="classified_customers", tables=("segment_membership",), grain=_ASKED, unit="customers", zh="分群客户数",
        en="Customers in a segment", sentence="Customers who are in a segment of a scheme tonight.",
        formula="distinct customers of segment_membership", edge_cases=_NEVER_EMPTY, needs=("customers", "orders"),
    ),
    Indicator(
        name="restated_tiers", tables=("restated_states",), grain=_ASKED, unit="customers", zh="重述层级客户数",
        en="Restated tiers", sentence="Customers whose tier on a published day is another one now.",
        formula="customers whose tier of the day as known now is not the published one",
        edge_cases="Empty before the second release.",
    ),
    Indicator(
        name="fired_signals", tables=("churn_signals",), grain=_ASKED, unit="signals", zh="触发信号数",
        en="Signals that fired", sentence="Signals that fired, over all customers.",
        formula="rows of churn_signals that fired", edge_cases=_NEVER_EMPTY,
    ),
    Indicator(
        name="fired_share", tables=("signal_coverage",), grain=_ASKED, unit="share", zh="信号触发率",
        en="Share of customers a signal fires for",
        sentence="Share of the customers that a signal could speak of for whom it fired.",
        formula="customers it fired for ÷ customers it could speak of",
        edge_cases="Empty where it could speak of nobody.",
    ),
    Indicator(
        name="lost_margin", tables=("churn_causes",), grain=_ASKED, unit=_CURRENCY, zh="流失客户毛利",
        en="Margin of lost customers",
        sentence="What lost customers had brought in the 365 days before they were lost, in base currency.",
        formula="gross margin of the 365 days before the loss, over the customers lost",
        edge_cases="May be negative.",
    ),
    Indicator(
        name="listed_customers", tables=("list_members",), grain=_ASKED, unit="customers", zh="名单客户数",
        en="Customers on a list", sentence="Customers on a list, once per list.", formula="rows of list_members",
        edge_cases="A customer on two lists counts twice; those in cooldown count.",
    ),
    Indicator(
        name="nps", tables=("satisfaction_monthly",), grain=_ASKED, unit="points, -100 to 100", zh="净推荐值（NPS）",
        en="Net promoter score", sentence="Share of promoters less share of detractors, in points from -100 to 100.",
        formula="100 × (promoters − detractors) ÷ customers who answered, latest answer of each",
        edge_cases="Empty without an answer; marked below 30. Only the scale from 0 to 10.",
        needs=("survey_responses",),
    ),
    Indicator(
        name="csat", tables=("satisfaction_monthly",), grain=_ASKED, unit="share", zh="满意度（CSAT）",
        en="Satisfaction (CSAT)", sentence="Share of satisfied answers.",
        formula="answers of 4 and 5 on the scale from 1 to 5 ÷ all answers",
        edge_cases="Empty without an answer; marked below 30.", needs=("survey_responses", "tickets"),
    ),
    Indicator(
        name="tickets", tables=("ticket_topics_monthly",), grain=_ASKED, unit="tickets", zh="工单数", en="Tickets",
        sentence="Tickets opened.", formula="tickets opened in the month", edge_cases=_NEVER_EMPTY,
        needs=("tickets",),
    ),
    Indicator(
        name="points_booked", tables=("points_ledger",), grain=_ASKED, unit="points", zh="积分变动", en="Points booked",
        sentence="Points granted less points spent, taken back or lapsed.", formula="sum of delta",
        edge_cases="Negative where more was spent or lapsed than granted.", needs=("points",),
    ),
    Indicator(
        name="members", tables=("memberships",), grain=_ASKED, unit="customers", zh="会员数", en="Members",
        sentence="Customers who have a membership level tonight.",
        formula="distinct customers among the current rows of memberships", edge_cases=_NEVER_EMPTY,
        needs=("customers",),
    ),
    Indicator(
        name="referrals", tables=("referrals",), grain=_ASKED, unit="referrals", zh="推荐数", en="Referrals",
        sentence="Referrals that were claimed, refused ones included.", formula="rows of referrals",
        edge_cases="Refused ones are among them: see verdict.", needs=("referrals",),
    ),
    Indicator(
        name="records", tables=("deliveries",), grain=_ASKED, unit="records", zh="交付记录数", en="Delivered records",
        sentence="Records of all delivered files, before any is left out.",
        formula="records of delivered files after their headers", edge_cases=_NEVER_EMPTY, needs=(),
    ),
    Indicator(
        name="standing_rows", tables=("feeds",), grain=_ASKED, unit="rows", zh="有效记录数", en="Rows that stand",
        sentence="Rows of a feed that stand, one per key and source.",
        formula="rows that stand, one per key and source", edge_cases=_NEVER_EMPTY, needs=(),
    ),
    Indicator(
        name="rejected_records", tables=("rejected_records",), grain=_ASKED, unit="records", zh="拒收记录数",
        en="Rejected records", sentence="Records that were rejected, whether or not a later delivery corrected them.",
        formula="rows of rejected_records", edge_cases=_NEVER_EMPTY, needs=(),
    ),
    Indicator(
        name="corrected", tables=("rejected_summary",), grain=_ASKED, unit="records", zh="已更正记录数",
        en="Corrected records", sentence="Rejected records whose key a later delivery brought in order.",
        formula="rejected records whose key stands by a later delivery", edge_cases=_NEVER_EMPTY, needs=(),
    ),
    Indicator(
        name="log_likelihood", tables=("model_fits",), grain=_ASKED, unit="none", zh="对数似然", en="Log-likelihood",
        sentence="Log-likelihood of a model as fitted tonight.",
        formula="sum of the logarithms of what the model gives each history",
        edge_cases="Empty where nothing was fitted.",
    ),
    Indicator(
        name="clv_predicted", tables=("customer_clv_horizons",), grain=_ASKED, unit=_CURRENCY, zh="各期限预测价值",
        en="Predicted value by horizon",
        sentence="Margin expected within the horizon, discounted to the reporting day.",
        formula="expected orders within the horizon, discounted, × expected margin of an order",
        edge_cases="Horizons hold each other: ask for one.",
    ),
    Indicator(
        name="auc", tables=("model_quality",), grain=_ASKED, unit="share", zh="AUC（排序能力）", en="AUC",
        sentence="Chance that one who left was given the higher probability than one who stayed, on past days.",
        formula="share of pairs of a silent and a buying customer that the probability orders rightly, ties half",
        edge_cases="Empty where all did the same.",
    ),
    Indicator(
        name="brier", tables=("model_quality",), grain=_ASKED, unit="share", zh="Brier 分数", en="Brier score",
        sentence="Mean squared error of the churn probability on past days; lower is better.",
        formula="mean of (probability − 1 if nothing was bought, else 0)²",
        edge_cases="Empty where no past day could be forecast.",
    ),
    Indicator(
        name="forecast_events", tables=("model_deciles",), grain=_ASKED, unit="customers", zh="回测中未购买客户数",
        en="Silent customers of the backtest",
        sentence="Customers of past days who bought nothing within the horizon.",
        formula="sum of events of model_deciles", edge_cases="Counted once for each candidate and day.",
    ),
    Indicator(
        name="contribution", tables=("score_reasons",), grain=_ASKED, unit="log-odds", zh="对数几率贡献",
        en="Part of the log-odds", sentence="By how much a feature moves the log-odds of leaving.",
        formula="the model's part of the feature; base and parts add up to margin",
        edge_cases="Only of customers likelier to leave than most who bought within a year.",
    ),
    Indicator(
        name="figures", tables=("metric_catalog",), grain=_ASKED, unit="figures", zh="指标数", en="Figures",
        sentence="Figures that the metric catalogue explains.", formula="rows of metric_catalog",
        edge_cases=_NEVER_EMPTY, needs=(),
    ),
    Indicator(
        name="population_value", tables=("population_facts",), grain=_ASKED, unit="that of the fact", zh="总体参数值",
        en="Value of a fact", sentence="What is known of all customers or products, in the unit of the fact.",
        formula="as the fact says", edge_cases="Empty where too little is known.",
    ),
)  # fmt: skip


def catalogue_rows() -> list[tuple[str | None, ...]]:
    """The published catalogue: one row per figure, with the columns :data:`CATALOGUE_COLUMNS`."""
    rows: list[tuple[str | None, ...]] = []
    for metric in CATALOGUE.values():
        rows.append(
            (
                "customer",
                metric.name,
                metric.zh,
                metric.en,
                metric.sentence,
                metric.formula,
                metric.unit,
                "customer and day",
                metric.edge_cases,
                None,
                ", ".join(metric.needs),
                ", ".join(sorted(use.value for use in metric.uses)),
                metric.owner,
            )
        )
    for kind, indicator in [*(("published", each) for each in INDICATORS), *(("counted", each) for each in COUNTED)]:
        rows.append(
            (
                kind,
                indicator.name,
                indicator.zh,
                indicator.en,
                indicator.sentence,
                indicator.formula,
                indicator.unit,
                indicator.grain,
                indicator.edge_cases,
                ", ".join(indicator.tables),
                ", ".join(indicator.needs) or None,
                None,
                indicator.owner,
            )
        )
    return rows
