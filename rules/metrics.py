"""The metric catalogue: every figure that a rule may name, once.

Here belong a metric's name, type, labels and the sentence that explains it to a marketer. How a metric is
computed belongs to the SQL models; what is done with it belongs to ``config/business.yml``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final


class Use(Enum):
    """Where a metric may be named."""

    SIGNAL = "signal"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure about a customer as of a day.

    Attributes
    ----------
    name : str
        Column name in the tables and in conditions.
    type : type
        ``int``, ``float``, ``str`` or ``bool``.
    zh, en : str
        Labels.
    sentence : str
        What the figure says, with its unit.
    uses : frozenset of Use
        A signal feeds the risk score, so it cannot name what is computed from that score.
    values : tuple of str or None
        Every value that a text metric can take, where the set is closed.
    """

    name: str
    type: type
    zh: str
    en: str
    sentence: str
    uses: frozenset[Use]
    values: tuple[str, ...] | None = None


# From the least to the most urgent; the rules file cuts the risk score between them.
RISK_LEVELS: Final = ("low", "medium", "high", "critical")

_BOTH = frozenset(Use)
_SIGNAL = frozenset({Use.SIGNAL})
_LIST = frozenset({Use.LIST})

_METRICS = (
    Metric(
        "recency_days",
        int,
        "距上次购买天数",
        "Days since last purchase",
        "Days from the last purchase to the reporting day.",
        _BOTH,
    ),
    Metric(
        "frequency",
        int,
        "购买次数",
        "Purchases",
        "Number of purchases within the RFM window.",
        _BOTH,
    ),
    Metric(
        "monetary",
        float,
        "消费金额",
        "Amount spent",
        "Net revenue within the RFM window, in base currency.",
        _BOTH,
    ),
    Metric(
        "orders_365d",
        int,
        "近一年订单数",
        "Orders in the last 365 days",
        "Number of purchases in the 365 days up to the reporting day.",
        _BOTH,
    ),
    Metric(
        "cadence_ratio",
        float,
        "超周期倍数",
        "Cadence ratio",
        "Days since the last purchase, in usual gaps between purchases of the customer; above 1 is late.",
        _BOTH,
    ),
    Metric(
        "days_overdue",
        int,
        "逾期天数",
        "Days overdue",
        "Days that have passed since the next purchase was expected.",
        _BOTH,
    ),
    Metric(
        "churn_probability",
        float,
        "流失概率",
        "Churn probability",
        "Probability, from 0 to 1, that the customer buys nothing within the churn horizon.",
        _BOTH,
    ),
    Metric(
        "churn_probability_lift",
        float,
        "流失概率提升度",
        "Churn probability above the base rate",
        "Churn probability divided by the average customer's, minus 1: 0 is average, 1 twice the average.",
        _SIGNAL,
    ),
    Metric(
        "clv_predicted_365d",
        float,
        "未来一年预测价值",
        "Predicted value, 365 days",
        "Expected margin of the next 365 days, in base currency.",
        _BOTH,
    ),
    Metric(
        "risk_score",
        float,
        "流失风险分",
        "Risk score",
        "Risk from 0 to 100, combined from all signals that fired.",
        _LIST,
    ),
    Metric(
        "risk_level",
        str,
        "流失风险等级",
        "Risk level",
        "The risk score as a word, cut at the risk levels of this file.",
        _LIST,
        RISK_LEVELS,
    ),
    Metric(
        "value_at_risk",
        float,
        "风险价值",
        "Value at risk",
        "Margin of the next 365 days that would be lost if the customer left, in base currency.",
        _LIST,
    ),
    Metric(
        "rfm_segment",
        str,
        "RFM分群",
        "RFM segment",
        "Id of the RFM segment that the customer belongs to.",
        _LIST,
    ),
    Metric(
        "customer_type",
        str,
        "客户类型",
        "Customer type",
        "Whether the customer is a person or a company account.",
        _LIST,
        ("person", "account"),
    ),
    Metric("country", str, "国家", "Country", "Country of the customer, as the sources write it.", _LIST),
    Metric("region", str, "地区", "Region", "Region of the customer, as the sources write it.", _LIST),
)

CATALOGUE: Final[Mapping[str, Metric]] = MappingProxyType({metric.name: metric for metric in _METRICS})


def usable_in(use: Use) -> dict[str, Metric]:
    """Metrics that may be named in one place of the rules file, by name."""
    return {name: metric for name, metric in CATALOGUE.items() if use in metric.uses}


def numeric_in(use: Use) -> dict[str, Metric]:
    """Metrics as :func:`usable_in`, numbers only: what can be compared with a threshold or ranked by."""
    return {name: metric for name, metric in usable_in(use).items() if metric.type in (int, float)}
