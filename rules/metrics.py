"""The metric catalogue: every figure that a rule may name, once.

Here belong a metric's name, type, unit, labels, formula in words, edge cases and where it may be named. How a metric
is computed belongs to the SQL models; what is done with it belongs to ``config/business.yml``. Figures about the
business as a whole stand in ``rules/indicators.py``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final


class Use(Enum):
    """Where a metric may be named."""

    SIGNAL = "signal"
    LIST = "list"
    TIER = "tier"
    STAGE = "stage"
    LAYER = "layer"
    SEGMENT = "segment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One figure about a customer as of a day.

    Attributes
    ----------
    name : str
        Name in conditions.
    type : type
        ``int``, ``float``, ``str`` or ``bool``.
    unit : str
        What one of it is: days, orders, base currency …
    zh, en : str
        Labels.
    sentence : str
        What the figure says, with its unit.
    formula : str
        How it is computed, in words.
    edge_cases : str
        What it is where the formula has no answer.
    uses : frozenset of Use
        A rule cannot name what is computed from its own outcome: a tier or a stage no prediction, a signal no risk.
    column : str
        Column in the tables, where it is not the name.
    values : tuple of str or None
        Every value that a text metric can take, where the set is closed.
    needs : tuple of str
        Feeds without which the figure says nothing; any one of them will do.
    window_days : int or None
        Days that the figure looks back on, where it looks at a window.
    baselines : mapping of str to str
        The figures that it can be compared with, by the name of their window.
    age : str or None
        The metric that says how many days old the figure is, where it can be old.
    owner : str
        Who is asked about it.
    """

    name: str
    type: type
    unit: str
    zh: str
    en: str
    sentence: str
    formula: str
    edge_cases: str
    uses: frozenset[Use]
    column: str = ""
    values: tuple[str, ...] | None = None
    needs: tuple[str, ...] = ("orders",)
    window_days: int | None = None
    baselines: Mapping[str, str] = field(default_factory=dict)
    age: str | None = None
    owner: str = "data-engineering"

    def __post_init__(self) -> None:
        if not self.column:
            object.__setattr__(self, "column", self.name)


# From the least to the most urgent; the rules file cuts the risk score between them.
RISK_LEVELS: Final = ("low", "medium", "high", "critical")
#: The windows that a figure can be compared with, as a rules file calls them.
PRIOR: Final = "prior_90d"
PRIOR_MONTHLY: Final = "prior_90d_monthly_avg"

#: Known before any prediction: what customer_snapshots says of the day.
_OBSERVED = frozenset(Use)
_SIGNAL = frozenset({Use.SIGNAL})
_SIGNAL_AND_LIST = frozenset({Use.SIGNAL, Use.LIST})
#: Predictions, from which a tier or a stage must not follow.
_PREDICTED = frozenset({Use.SIGNAL, Use.LIST, Use.LAYER, Use.SEGMENT})
#: What follows from the signals.
_JUDGED = frozenset({Use.LIST, Use.LAYER, Use.SEGMENT})
#: What the records say of the customer, and what rules have made of them.
_DESCRIBED = frozenset({Use.LIST, Use.SEGMENT})
#: What only a segment asks of the records.
_SEGMENT = frozenset({Use.SEGMENT})

_NONE_IS_ZERO = "0 where there is none."
_BUYERS_ONLY = "Empty for customers who have not bought yet."
_USAGE = ("interactions",)

_METRICS = (
    # Purchases.
    Metric(
        name="recency_days", type=int, unit="days", zh="距上次购买天数", en="Days since last purchase",
        sentence="Days from the last purchase to the reporting day.",
        formula="as_of − date of the last occasion", edge_cases=_BUYERS_ONLY, uses=_OBSERVED,
    ),
    Metric(
        name="frequency", type=int, unit="orders", zh="购买次数", en="Purchases",
        sentence="Number of purchases within the RFM window.",
        formula="purchases within rfm.window_days, or ever", edge_cases=_BUYERS_ONLY, uses=_SIGNAL_AND_LIST,
    ),
    Metric(
        name="monetary", type=float, unit="base currency", zh="消费金额", en="Amount spent",
        sentence="Net revenue within the RFM window, in base currency.",
        formula="net revenue within rfm.window_days, or ever",
        edge_cases="Refunds are deducted, so it may be negative. " + _BUYERS_ONLY, uses=_SIGNAL_AND_LIST,
    ),
    Metric(
        name="orders_total", column="orders", type=int, unit="orders", zh="累计订单数", en="Orders ever",
        sentence="Number of purchases up to the reporting day.",
        formula="purchases up to as_of", edge_cases="0 for prospects; a fully refunded order is no purchase.",
        uses=_OBSERVED,
    ),
    Metric(
        name="orders_365d", type=int, unit="orders", zh="近一年订单数", en="Orders in the last 365 days",
        sentence="Number of purchases in the 365 days up to the reporting day.",
        formula="purchases in the 365 days up to as_of", edge_cases=_NONE_IS_ZERO, uses=_OBSERVED, window_days=365,
    ),
    Metric(
        name="orders_90d", type=int, unit="orders", zh="近90天订单数", en="Orders in the last 90 days",
        sentence="Number of purchases in the 90 days up to the reporting day.",
        formula="purchases in the 90 days up to as_of", edge_cases=_NONE_IS_ZERO, uses=_OBSERVED, window_days=90,
        baselines={PRIOR: "orders_prior_90d"},
    ),
    Metric(
        name="orders_prior_90d", type=int, unit="orders", zh="此前90天订单数", en="Orders in the 90 days before",
        sentence="Number of purchases in the 90 days before the last 90 days.",
        formula="purchases from 180 to 91 days before as_of", edge_cases=_NONE_IS_ZERO, uses=_OBSERVED, window_days=180,
    ),
    Metric(
        name="occasions", type=int, unit="days", zh="购买天数", en="Purchase days",
        sentence="Number of days with a purchase, up to the reporting day.",
        formula="distinct days with a purchase", edge_cases=_NONE_IS_ZERO, uses=_OBSERVED,
    ),
    Metric(
        name="refunds_90d", type=int, unit="refunds", zh="近90天退款次数", en="Refunds in the last 90 days",
        sentence="Number of refunds in the 90 days up to the reporting day.",
        formula="valid refunds in the 90 days up to as_of", edge_cases=_NONE_IS_ZERO, uses=_OBSERVED, window_days=90,
    ),
    Metric(
        name="tenure_days", type=int, unit="days", zh="客户关系天数", en="Days as a customer",
        sentence="Days from the first purchase to the reporting day.",
        formula="as_of − date of the first occasion", edge_cases=_BUYERS_ONLY, uses=_OBSERVED,
    ),
    Metric(
        name="days_since_created", type=int, unit="days", zh="建档天数", en="Days since recorded",
        sentence="Days from the first record of the customer to the reporting day.",
        formula="as_of − date of the oldest record", edge_cases="Empty where no record has a date.", uses=_OBSERVED,
        needs=("customers",),
    ),
    # Cadence.
    Metric(
        name="cadence_ratio", type=float, unit="ratio", zh="超周期倍数", en="Cadence ratio",
        sentence="Days since the last purchase, in usual gaps between purchases of the customer; above 1 is late.",
        formula="recency_days ÷ personal_gap_days", edge_cases=_BUYERS_ONLY, uses=_OBSERVED,
    ),
    Metric(
        name="personal_gap_days", type=float, unit="days", zh="个人购买周期", en="Usual gap between purchases",
        sentence="Days that usually pass between two purchases of the customer, drawn towards the average customer.",
        formula="(n × own gap + k × median of all gaps) ÷ (n + k), k = churn.threshold.shrinkage",
        edge_cases="After one purchase, the median of all gaps. " + _BUYERS_ONLY, uses=_OBSERVED,
    ),
    Metric(
        name="threshold_days", type=int, unit="days", zh="流失阈值天数", en="Days until lost",
        sentence="Days without a purchase after which the customer counts as lost.",
        formula="personal gap × quantile q of (next gap ÷ personal gap), between min_days and max_days",
        edge_cases="one_time_days after a single purchase. " + _BUYERS_ONLY, uses=_OBSERVED,
    ),
    Metric(
        name="days_overdue", type=int, unit="days", zh="逾期天数", en="Days overdue",
        sentence="Days that have passed since the next purchase was expected.",
        formula="recency_days − personal_gap_days, at least 0", edge_cases=_BUYERS_ONLY, uses=_OBSERVED,
    ),
    Metric(
        name="is_annual_buyer", type=bool, unit="yes or no", zh="年度购买客户", en="Buys once a year",
        sentence="Whether the customer buys about once a year, so that a silence of months says nothing.",
        formula="own gaps of about a year, where churn.annual_buyers.detect is on",
        edge_cases="No after a single purchase.", uses=_OBSERVED,
    ),
    Metric(
        name="churned", type=bool, unit="yes or no", zh="已流失", en="Lost",
        sentence="Whether the customer is lost: silent beyond the threshold, or without a contract beyond the grace.",
        formula="recency_days > threshold_days; by contracts where business.model says so",
        edge_cases="No for prospects: who never bought cannot be lost.", uses=_OBSERVED,
        needs=("orders", "subscriptions"),
    ),
    # Money.
    Metric(
        name="gross_revenue", type=float, unit="base currency", zh="累计销售额", en="Sales ever",
        sentence="Valid sales up to the reporting day, before refunds, in base currency.",
        formula="sum of valid sales", edge_cases=_NONE_IS_ZERO, uses=_OBSERVED,
    ),
    Metric(
        name="refund_amount", type=float, unit="base currency", zh="累计退款额", en="Refunds ever",
        sentence="Valid refunds up to the reporting day, zero or negative, in base currency.",
        formula="sum of valid refunds", edge_cases=_NONE_IS_ZERO, uses=_OBSERVED,
    ),
    Metric(
        name="net_revenue", type=float, unit="base currency", zh="累计净收入", en="Net revenue ever",
        sentence="Sales less refunds up to the reporting day, in base currency.",
        formula="gross_revenue + refund_amount", edge_cases="May be negative. " + _NONE_IS_ZERO, uses=_OBSERVED,
    ),
    Metric(
        name="net_revenue_365d", type=float, unit="base currency", zh="近一年净收入", en="Net revenue, last 365 days",
        sentence="Sales less refunds of the 365 days up to the reporting day, in base currency.",
        formula="net revenue dated in the 365 days up to as_of", edge_cases="May be negative. " + _NONE_IS_ZERO,
        uses=_OBSERVED, window_days=365,
    ),
    Metric(
        name="net_revenue_90d", type=float, unit="base currency", zh="近90天净收入", en="Net revenue, last 90 days",
        sentence="Sales less refunds of the 90 days up to the reporting day, in base currency.",
        formula="net revenue dated in the 90 days up to as_of", edge_cases="May be negative. " + _NONE_IS_ZERO,
        uses=_OBSERVED, window_days=90, baselines={PRIOR: "net_revenue_prior_90d"},
    ),
    Metric(
        name="net_revenue_prior_90d", type=float, unit="base currency", zh="此前90天净收入",
        en="Net revenue, 90 days before",
        sentence="Sales less refunds of the 90 days before the last 90 days, in base currency.",
        formula="net revenue dated from 180 to 91 days before as_of", edge_cases="May be negative. " + _NONE_IS_ZERO,
        uses=_OBSERVED, window_days=180,
    ),
    Metric(
        name="gross_margin", type=float, unit="base currency", zh="累计毛利", en="Margin ever",
        sentence="Margin of sales less refunds up to the reporting day, in base currency.",
        formula="net revenue − cost; default_margin_rate × net revenue where no cost is known",
        edge_cases="May be negative. " + _NONE_IS_ZERO, uses=_OBSERVED,
    ),
    Metric(
        name="gross_margin_365d", type=float, unit="base currency", zh="近一年毛利", en="Margin, last 365 days",
        sentence="Margin of sales less refunds of the 365 days up to the reporting day, in base currency.",
        formula="gross margin dated in the 365 days up to as_of", edge_cases="May be negative. " + _NONE_IS_ZERO,
        uses=_OBSERVED, window_days=365,
    ),
    Metric(
        name="aov_365d", type=float, unit="base currency per order", zh="近一年客单价", en="Order value, last 365 days",
        sentence="Net revenue per purchase of the 365 days up to the reporting day, in base currency.",
        formula="net_revenue_365d ÷ orders_365d", edge_cases="Empty without a purchase in that time.", uses=_OBSERVED,
        window_days=365,
    ),
    Metric(
        name="costs_total", type=float, unit="base currency", zh="累计服务与营销成本", en="Costs ever",
        sentence="Touch, coupon, event and service costs of the customer up to the reporting day, in base currency.",
        formula="sum of the allocated costs named in clv.include_costs", edge_cases=_NONE_IS_ZERO, uses=_OBSERVED,
        needs=("campaign_touches", "campaigns", "tickets", "orders"),
    ),
    Metric(
        name="clv_net_margin_basis", type=float, unit="base currency", zh="净客户价值（毛利口径）",
        en="Net value, from margin",
        sentence="Margin earned from the customer so far, less the costs of the customer, in base currency.",
        formula="gross_margin − costs_total", edge_cases="May be negative: kept, not clipped. " + _BUYERS_ONLY,
        uses=_OBSERVED,
    ),
    Metric(
        name="clv_net_spend_basis", type=float, unit="base currency", zh="净客户价值（消费口径）",
        en="Net value, from spend",
        sentence="Net revenue from the customer so far, less the costs of the customer, in base currency.",
        formula="net_revenue − costs_total", edge_cases="May be negative: kept, not clipped. " + _BUYERS_ONLY,
        uses=_OBSERVED,
    ),
    # Behaviour.
    Metric(
        name="active_days_30d", type=int, unit="days", zh="近30天活跃天数", en="Active days, last 30",
        sentence="Days of the last 30 on which the customer bought, logged in, used something or wrote.",
        formula="distinct days with a purchase, login, usage or inbound contact in 30 days", edge_cases=_NONE_IS_ZERO,
        uses=_OBSERVED, needs=("orders", "interactions"), window_days=30,
    ),
    Metric(
        name="active_days_90d", type=int, unit="days", zh="近90天活跃天数", en="Active days, last 90",
        sentence="Days of the last 90 on which the customer bought, logged in, used something or wrote.",
        formula="distinct days with a purchase, login, usage or inbound contact in 90 days", edge_cases=_NONE_IS_ZERO,
        uses=_OBSERVED, needs=("orders", "interactions"), window_days=90,
    ),
    Metric(
        name="days_since_login", type=int, unit="days", zh="距上次登录天数", en="Days since last login",
        sentence="Days from the last login to the reporting day.",
        formula="as_of − date of the last login", edge_cases="Empty for customers who have never logged in.",
        uses=_OBSERVED, needs=_USAGE,
    ),
    Metric(
        name="logins_30d", type=int, unit="logins", zh="近30天登录次数", en="Logins, last 30 days",
        sentence="Number of logins in the 30 days up to the reporting day.",
        formula="logins in the 30 days up to as_of", edge_cases=_NONE_IS_ZERO, uses=_OBSERVED, needs=_USAGE,
        window_days=30, baselines={PRIOR_MONTHLY: "logins_prior_90d_monthly"},
    ),
    Metric(
        name="logins_prior_90d_monthly", type=float, unit="logins a month", zh="此前90天月均登录次数",
        en="Logins a month, 90 days before",
        sentence="Logins per 30 days in the 90 days before the last 30 days.",
        formula="logins from 120 to 31 days before as_of ÷ 3", edge_cases=_NONE_IS_ZERO, uses=_OBSERVED, needs=_USAGE,
        window_days=120,
    ),
    Metric(
        name="feature_events_30d", type=int, unit="events", zh="近30天功能使用次数", en="Feature uses, last 30 days",
        sentence="Number of uses of any feature in the 30 days up to the reporting day.",
        formula="feature events in the 30 days up to as_of", edge_cases=_NONE_IS_ZERO, uses=_OBSERVED, needs=_USAGE,
        window_days=30, baselines={PRIOR_MONTHLY: "feature_events_prior_90d_monthly"},
    ),
    Metric(
        name="feature_events_prior_90d_monthly", type=float, unit="events a month", zh="此前90天月均功能使用次数",
        en="Feature uses a month, 90 days before",
        sentence="Uses of any feature per 30 days in the 90 days before the last 30 days.",
        formula="feature events from 120 to 31 days before as_of ÷ 3", edge_cases=_NONE_IS_ZERO, uses=_OBSERVED,
        needs=_USAGE, window_days=120,
    ),
    Metric(
        name="usage_seconds_30d", type=int, unit="seconds", zh="近30天使用时长", en="Time of use, last 30 days",
        sentence="Seconds of use in the 30 days up to the reporting day.",
        formula="duration of usage in the 30 days up to as_of", edge_cases=_NONE_IS_ZERO, uses=_OBSERVED, needs=_USAGE,
        window_days=30, baselines={PRIOR_MONTHLY: "usage_seconds_prior_90d_monthly"},
    ),
    Metric(
        name="usage_seconds_prior_90d_monthly", type=float, unit="seconds a month", zh="此前90天月均使用时长",
        en="Time of use a month, 90 days before",
        sentence="Seconds of use per 30 days in the 90 days before the last 30 days.",
        formula="duration of usage from 120 to 31 days before as_of ÷ 3", edge_cases=_NONE_IS_ZERO, uses=_OBSERVED,
        needs=_USAGE, window_days=120,
    ),
    Metric(
        name="features_used_30d", type=int, unit="features", zh="近30天使用功能数", en="Features used, last 30 days",
        sentence="Number of different features used in the 30 days up to the reporting day.",
        formula="distinct features in the 30 days up to as_of", edge_cases=_NONE_IS_ZERO, uses=_OBSERVED, needs=_USAGE,
        window_days=30,
    ),
    Metric(
        name="features_used_prior_90d", type=int, unit="features", zh="此前90天使用功能数",
        en="Features used, 90 days before",
        sentence="Number of different features used in the 90 days before the last 30 days.",
        formula="distinct features from 120 to 31 days before as_of", edge_cases=_NONE_IS_ZERO, uses=_OBSERVED,
        needs=_USAGE, window_days=120,
    ),
    Metric(
        name="usage_trend_30d", type=float, unit="share", zh="近30天使用趋势", en="Trend of use, last 30 days",
        sentence="Feature uses of the last 30 days against the months before: −0.3 is 30 percent less, 0 is the same.",
        formula="feature_events_30d ÷ feature_events_prior_90d_monthly − 1",
        edge_cases="Empty without any use in the months before.", uses=_OBSERVED, needs=_USAGE, window_days=120,
    ),
    Metric(
        name="interactions_90d", type=int, unit="contacts", zh="近90天互动次数", en="Contacts, last 90 days",
        sentence="Calls, visits, chats and other contacts in the 90 days up to the reporting day.",
        formula="interactions in the 90 days up to as_of", edge_cases=_NONE_IS_ZERO, uses=_OBSERVED, needs=_USAGE,
        window_days=90,
    ),
    Metric(
        name="days_since_contact", type=int, unit="days", zh="距上次联系天数", en="Days since last contact",
        sentence="Days since the business last contacted the customer or spoke with them.",
        formula="as_of − date of the last outbound or two-way contact", edge_cases="Empty without any contact.",
        uses=_OBSERVED, needs=("interactions", "campaign_touches"),
    ),
    Metric(
        name="touches_90d", type=int, unit="touches", zh="近90天营销触达次数", en="Campaign touches, last 90 days",
        sentence="Campaign touches in the 90 days up to the reporting day.",
        formula="campaign touches in the 90 days up to as_of", edge_cases=_NONE_IS_ZERO, uses=_OBSERVED,
        needs=("campaign_touches",), window_days=90,
    ),
    Metric(
        name="touch_responses_90d", type=int, unit="touches", zh="近90天营销响应次数",
        en="Campaign responses, last 90 days",
        sentence="Campaign touches of the last 90 days that the customer responded to.",
        formula="campaign touches with a response in the 90 days up to as_of", edge_cases=_NONE_IS_ZERO, uses=_OBSERVED,
        needs=("campaign_touches",), window_days=90,
    ),
    Metric(
        name="opted_out_channels", type=int, unit="channels", zh="已退订渠道数", en="Channels opted out of",
        sentence="Number of channels through which the customer does not want to be contacted.",
        formula="channels whose latest consent is out", edge_cases=_NONE_IS_ZERO, uses=_OBSERVED, needs=("consents",),
    ),
    Metric(
        name="preferred_channel", type=str, unit="word", zh="偏好渠道", en="Preferred channel",
        sentence="Channel through which the customer most often contacts the business.",
        formula="most frequent channel of the customer's own contacts", edge_cases="Empty without any contact.",
        uses=_OBSERVED, needs=_USAGE,
    ),
    # Service and satisfaction.
    Metric(
        name="tickets_30d", type=int, unit="tickets", zh="近30天工单数", en="Tickets, last 30 days",
        sentence="Tickets opened in the 30 days up to the reporting day.",
        formula="tickets opened in the 30 days up to as_of", edge_cases=_NONE_IS_ZERO, uses=_OBSERVED,
        needs=("tickets",), window_days=30, baselines={PRIOR_MONTHLY: "tickets_prior_90d_monthly"},
    ),
    Metric(
        name="tickets_prior_90d_monthly", type=float, unit="tickets a month", zh="此前90天月均工单数",
        en="Tickets a month, 90 days before",
        sentence="Tickets opened per 30 days in the 90 days before the last 30 days.",
        formula="tickets opened from 120 to 31 days before as_of ÷ 3", edge_cases=_NONE_IS_ZERO, uses=_OBSERVED,
        needs=("tickets",), window_days=120,
    ),
    Metric(
        name="complaints_90d", type=int, unit="tickets", zh="近90天投诉数", en="Complaints, last 90 days",
        sentence="Complaints opened in the 90 days up to the reporting day.",
        formula="tickets of the kind complaint opened in the 90 days up to as_of", edge_cases=_NONE_IS_ZERO,
        uses=_OBSERVED, needs=("tickets",), window_days=90,
    ),
    Metric(
        name="days_since_complaint", type=int, unit="days", zh="距上次投诉天数", en="Days since last complaint",
        sentence="Days from the last complaint to the reporting day.",
        formula="as_of − date of the last complaint", edge_cases="Empty for customers who have never complained.",
        uses=_OBSERVED, needs=("tickets",),
    ),
    Metric(
        name="open_tickets", type=int, unit="tickets", zh="未关闭工单数", en="Open tickets",
        sentence="Tickets that are still open on the reporting day.",
        formula="tickets opened by as_of and not closed by then", edge_cases=_NONE_IS_ZERO, uses=_OBSERVED,
        needs=("tickets",),
    ),
    Metric(
        name="open_repeat_tickets", type=int, unit="tickets", zh="同一问题未解决工单数", en="Open tickets on one topic",
        sentence="Largest number of open tickets about one topic that have been open for too long.",
        formula="most open tickets of one topic, each older than the service level", edge_cases=_NONE_IS_ZERO,
        uses=_OBSERVED, needs=("tickets",),
    ),
    Metric(
        name="nps_latest", type=float, unit="points, 0 to 10", zh="最近NPS评分", en="Latest NPS score",
        sentence="Latest answer to how likely a recommendation is, from 0 to 10.",
        formula="score of the latest NPS response", edge_cases="Empty for customers who gave no answer.",
        uses=_OBSERVED, needs=("survey_responses",), age="nps_age_days",
    ),
    Metric(
        name="nps_age_days", type=int, unit="days", zh="最近NPS评分距今天数", en="Age of the NPS score",
        sentence="Days from the latest NPS answer to the reporting day.",
        formula="as_of − date of the latest NPS response", edge_cases="Empty without an answer.", uses=_OBSERVED,
        needs=("survey_responses",),
    ),
    Metric(
        name="csat_latest", type=float, unit="points, 1 to 5", zh="最近满意度评分", en="Latest satisfaction score",
        sentence="Latest satisfaction score on the scale from 1 to 5, from a survey or a ticket.",
        formula="score of the latest CSAT response, on a scale from 1 to 5",
        edge_cases="Empty for customers who were not asked or did not answer.", uses=_OBSERVED,
        needs=("survey_responses", "tickets"), age="csat_age_days",
    ),
    Metric(
        name="csat_age_days", type=int, unit="days", zh="最近满意度评分距今天数", en="Age of the satisfaction score",
        sentence="Days from the latest satisfaction score to the reporting day.",
        formula="as_of − date of the latest CSAT response", edge_cases="Empty without an answer.", uses=_OBSERVED,
        needs=("survey_responses", "tickets"),
    ),
    # Loyalty.
    Metric(
        name="points_balance", type=int, unit="points", zh="积分余额", en="Points balance",
        sentence="Points that the customer can spend on the reporting day.",
        formula="sum of the points account up to as_of, less what has expired", edge_cases=_NONE_IS_ZERO,
        uses=_OBSERVED, needs=("points",),
    ),
    Metric(
        name="points_expiring_30d", type=int, unit="points", zh="30天内到期积分",
        en="Points that expire within 30 days",
        sentence="Points that expire in the 30 days after the reporting day.",
        formula="unspent points whose expiry lies within 30 days after as_of", edge_cases=_NONE_IS_ZERO,
        uses=_OBSERVED, needs=("points",), window_days=30,
    ),
    # Contracts.
    Metric(
        name="has_contract", type=bool, unit="yes or no", zh="有合同", en="Has a contract",
        sentence="Whether a contract of the customer is running on the reporting day.",
        formula="a contract has started and not ended", edge_cases="No without contracts.", uses=_OBSERVED,
        needs=("subscriptions",),
    ),
    Metric(
        name="mrr", type=float, unit="base currency a month", zh="月度经常性收入", en="Monthly recurring revenue",
        sentence="Monthly amount of the running contracts, in base currency.",
        formula="sum of mrr of running contracts", edge_cases="Empty where there has never been a contract.",
        uses=_OBSERVED, needs=("subscriptions",),
    ),
    Metric(
        name="days_to_renewal", type=int, unit="days", zh="距续费天数", en="Days to renewal",
        sentence="Days until the next renewal of a running contract; below 0 it is past due, within the grace days.",
        formula="date of the next renewal − as_of", edge_cases="Empty without a running contract.", uses=_OBSERVED,
        needs=("subscriptions",),
    ),
    Metric(
        name="is_contract_churned", type=bool, unit="yes or no", zh="合同已流失", en="Contract lost",
        sentence="Whether the last contract ended more than the grace days ago and none has followed.",
        formula="end of the last contract + churn.contract.grace_days < as_of, none running",
        edge_cases="No without contracts.", uses=_OBSERVED, needs=("subscriptions",),
    ),
    Metric(
        name="is_paused", type=bool, unit="yes or no", zh="合同暂停中", en="Contract paused",
        sentence="Whether the customer's contract is paused on the reporting day; a pause is no loss.",
        formula="the running contract has the status paused", edge_cases="No without contracts.", uses=_OBSERVED,
        needs=("subscriptions",),
    ),
    Metric(
        name="champion_left", type=bool, unit="yes or no", zh="关键联系人离职", en="Main contact has left",
        sentence="Whether the main contact person of the account has left it.",
        formula="the primary contact has a leaving date up to as_of and nobody took over",
        edge_cases="No where no contact is known.", uses=_OBSERVED, needs=("contacts",),
    ),
    # Predictions.
    Metric(
        name="churn_probability", type=float, unit="share", zh="流失概率", en="Churn probability",
        sentence="Probability, from 0 to 1, that the customer buys nothing within the churn horizon.",
        formula="P(no purchase within churn.horizon_days) by the model; under contract, P(the contract is lost)",
        edge_cases=_BUYERS_ONLY, uses=_PREDICTED,
    ),
    Metric(
        name="churn_probability_lift", type=float, unit="ratio", zh="流失概率提升度",
        en="Churn probability above the base rate",
        sentence="Churn probability divided by the average customer's, minus 1: 0 is average, 1 twice the average.",
        formula="churn_probability ÷ average of all buyers − 1", edge_cases=_BUYERS_ONLY, uses=_SIGNAL,
    ),
    Metric(
        name="clv_predicted_365d", type=float, unit="base currency", zh="未来一年预测价值",
        en="Predicted value, 365 days",
        sentence="Expected margin of the next 365 days, in base currency.",
        formula="expected discounted occasions × expected spend × margin rate", edge_cases=_BUYERS_ONLY,
        uses=_PREDICTED,
    ),
    # Risk.
    Metric(
        name="risk_score", type=float, unit="points, 0 to 100", zh="流失风险分", en="Risk score",
        sentence="Risk from 0 to 100, combined from all signals that fired.",
        formula="100 × (1 − product of (1 − weight × strength)) over the signals that fired",
        edge_cases="0 where no signal fired. " + _BUYERS_ONLY, uses=_JUDGED,
    ),
    Metric(
        name="risk_level", type=str, unit="word", zh="流失风险等级", en="Risk level",
        sentence="The risk score as a word, cut at the risk levels of this file.",
        formula="the highest of risk_levels that risk_score reaches, else low", edge_cases=_BUYERS_ONLY, uses=_JUDGED,
        values=RISK_LEVELS,
    ),
    Metric(
        name="value_at_risk", type=float, unit="base currency", zh="风险价值", en="Value at risk",
        sentence="Margin of the next 365 days that would be lost if the customer left, in base currency.",
        formula="expected margin of 365 days if alive − clv_predicted_365d, at least 0", edge_cases=_BUYERS_ONLY,
        uses=_JUDGED,
    ),
    # What rules make of a customer.
    Metric(
        name="rfm_segment", type=str, unit="word", zh="RFM分群", en="RFM segment",
        sentence="Id of the RFM segment that the customer belongs to.",
        formula="the first of rfm.segments that holds the three scores", edge_cases=_BUYERS_ONLY, uses=_DESCRIBED,
    ),
    Metric(
        name="tier", type=str, unit="word", zh="客户层级", en="Tier",
        sentence="Id of the tier that the customer belongs to.",
        formula="the first of tiers whose condition is met", edge_cases="Never empty.",
        uses=frozenset({Use.LIST, Use.LAYER, Use.SEGMENT}),
    ),
    Metric(
        name="lifecycle_stage", type=str, unit="word", zh="生命周期阶段", en="Lifecycle stage",
        sentence="Id of the lifecycle stage that the customer is in.",
        formula="the first of lifecycle whose condition is met", edge_cases="Never empty.",
        uses=frozenset({Use.LIST, Use.LAYER, Use.SEGMENT}),
    ),
    Metric(
        name="display_layer", type=str, unit="word", zh="展示分层", en="Display layer",
        sentence="Id of the layer that the customer is shown in: the tier, unless a layer of risk covers it.",
        formula="the first of display_layer whose condition is met", edge_cases="Never empty.", uses=_DESCRIBED,
    ),
    # What the records say.
    Metric(
        name="customer_type", type=str, unit="word", zh="客户类型", en="Customer type",
        sentence="Whether the customer is a person or a company account.",
        formula="of the newest record", edge_cases="Empty where no source says.", uses=_DESCRIBED,
        values=("person", "account"), needs=("customers",),
    ),
    Metric(
        name="country", type=str, unit="word", zh="国家", en="Country",
        sentence="Country of the customer, as the sources write it.",
        formula="of the newest record with an address", edge_cases="Empty where unknown.", uses=_DESCRIBED,
        needs=("customers",),
    ),
    Metric(
        name="region", type=str, unit="word", zh="地区", en="Region",
        sentence="Region of the customer, as the sources write it.",
        formula="of the newest record with an address", edge_cases="Empty where unknown.", uses=_DESCRIBED,
        needs=("customers",),
    ),
    Metric(
        name="age_years", type=int, unit="years", zh="年龄", en="Age",
        sentence="Age of the customer on the reporting day, in whole years.",
        formula="whole years from the date of birth to as_of; 29 February counts as 1 March in other years",
        edge_cases="Empty where no source says; never guessed.", uses=_SEGMENT, needs=("customers",),
    ),
    Metric(
        name="gender", type=str, unit="word", zh="性别", en="Gender",
        sentence="Gender of the customer, as the sources write it.",
        formula="of the newest record that has one", edge_cases="Empty where no source says; never guessed.",
        uses=_SEGMENT, needs=("customers",),
    ),
    Metric(
        name="acquisition_channel", type=str, unit="word", zh="获客渠道", en="Acquisition channel",
        sentence="Channel through which the customer came, as the sources write it.",
        formula="of the newest record that has one", edge_cases="Empty where unknown.", uses=_DESCRIBED,
        needs=("customers",),
    ),
)  # fmt: skip

CATALOGUE: Final[Mapping[str, Metric]] = MappingProxyType({metric.name: metric for metric in _METRICS})


def usable_in(use: Use) -> dict[str, Metric]:
    """Metrics that may be named in one place of the rules file, by name."""
    return {name: metric for name, metric in CATALOGUE.items() if use in metric.uses}


def numeric_in(use: Use) -> dict[str, Metric]:
    """Metrics as :func:`usable_in`, numbers only: what can be compared with a threshold or ranked by."""
    return {name: metric for name, metric in usable_in(use).items() if metric.type in (int, float)}


def watchable() -> dict[str, Metric]:
    """Metrics that a signal may watch: numbers, and what is either so or not."""
    return {name: metric for name, metric in usable_in(Use.SIGNAL).items() if metric.type is not str}


#: Columns that are known of any day of the past, before any prediction.
OBSERVED: Final = frozenset(metric.column for metric in _METRICS if metric.uses == _OBSERVED)
