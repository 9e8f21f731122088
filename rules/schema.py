"""The shape of ``config/business.yml``: sections, fields, limits and a sentence for each field.

Here belongs what one field shows by itself. Rules between fields stand in ``rules/checks.py``, reading the
file in ``rules/loading.py``. A business default does not belong here: it stands in the YAML file, where it
can be seen.
"""

import hashlib
import json
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, PrivateAttr, Tag
from pydantic.json_schema import GenerateJsonSchema

from rules.decisions import Decision
from rules.manual_tags import ManualTag
from rules.metrics import Use, numeric_in, watchable

OrderStatus = Literal["draft", "open", "paid", "shipped", "completed", "cancelled", "lost", "returned"]
Channel = Literal["phone", "sms", "email", "wechat", "wecom", "qq", "app", "post", "visit"]
# drop_pct and rise_pct compare a figure with what it was before.
Operator = Literal[">=", ">", "<=", "<", "=", "drop_pct", "rise_pct"]
CostKind = Literal["touch", "coupon", "event", "service"]
Family = Literal["value", "behavioural", "demographic", "psychographic", "lifecycle"]

# Starts with a letter, so that an id can be a column value, a file name and an address without quoting.
ID_PATTERN: Final = r"^[a-z][a-z0-9_]{0,62}$"
Id = Annotated[str, Field(pattern=ID_PATTERN)]
# One printable line; a backslash ends a string early on one of the two engines.
LABEL_PATTERN: Final = r"^[^\s\\]([^\x00-\x1f\\]{0,118}[^\s\\])?$"
Label = Annotated[str, Field(pattern=LABEL_PATTERN)]
# Quoted where SQL reads the column, so it holds neither quotes nor a backslash.
HEADER_PATTERN: Final = r"^[^\x00-\x1f'\"\\]{1,200}$"
Header = Annotated[str, Field(pattern=HEADER_PATTERN)]
CURRENCY_PATTERN: Final = r"^[A-Z]{3}$"
# What stands after the @ of an e-mail address, in small letters.
DOMAIN_PATTERN: Final = r"^[a-z0-9-]+(\.[a-z0-9-]+)+$"
# The three scores have at most this many bins, hence a thousand cells.
MAX_BINS: Final = 10
Score = Annotated[int, Field(ge=1, le=MAX_BINS)]
CutPoints = Annotated[tuple[float, ...], Field(min_length=1, max_length=MAX_BINS - 1)]
DEFAULT: Final = "default"
#: The display layer that stands for the tier of the customer.
FROM_TIER: Final = "from_tier"


class _Section(BaseModel):
    """Base of all sections: unknown keys, silent conversions and infinities are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Business(_Section):
    """Facts about the business that every figure rests on."""

    time_zone: str = Field(
        description=("Time zone in which a business day begins and ends, as an IANA name such as Asia/Shanghai.")
    )
    base_currency: str = Field(
        pattern=CURRENCY_PATTERN,
        description="Currency of all published amounts, as a three-letter ISO 4217 code such as CNY.",
    )
    model: Literal["non_contractual", "contractual", "mixed"] = Field(
        description=(
            "How customers buy: non_contractual when they like, leaving without notice; contractual by contracts that "
            "end; mixed judges those who have had a contract by it and all others by their purchases."
        )
    )
    fiscal_year_starts: int = Field(
        ge=1, le=12, description="Month in which the fiscal year begins; 1 is January, 4 is April."
    )
    valid_order_statuses: tuple[OrderStatus, ...] = Field(
        min_length=1,
        description="Order statuses that count as revenue; all other orders are kept but not counted.",
    )
    default_margin_rate: float = Field(
        ge=0,
        le=1,
        description="Share of revenue that is margin where no cost is known; 0.30 means 30 percent.",
    )
    min_observation_days: int = Field(
        ge=1,
        le=3650,
        description=("Shortest time, in days, over which a yearly purchase frequency is computed for a new customer."),
    )


class ExternalId(_Section):
    """A column in which one source names the customers of another."""

    source: Header = Field(description="Landing folder of the source whose files have the column.")
    column: Header = Field(description="Header of the column, as it stands in the files; one that nothing else reads.")
    names: Header = Field(description="Landing folder of the source whose customers are named by their ids.")


class Identity(_Section):
    """When records of customers are taken to be one person; may be left out, with the value named at the setting."""

    max_records_per_value: int = Field(
        default=5,
        ge=1,
        le=1000,
        description=(
            "Most customers of one source that may share an e-mail address or a phone number and still be taken "
            "for one person; a value that more of them share is a hotline and says nothing. 5 if left out."
        ),
    )
    max_records_per_customer: int = Field(
        default=50,
        ge=2,
        le=10_000,
        description=(
            "Most records of one customer, those that are merged counted once; where more hang together, the weakest "
            "evidence between them is not believed. 50 if left out."
        ),
    )
    external_ids: tuple[ExternalId, ...] = Field(
        default=(), description="Columns in which one source names the customers of another; none if left out."
    )
    decisions: str | None = Field(
        default=None,
        min_length=1,
        description=(
            "File beside this one in which people say that two records are, or are not, one customer; null, if left "
            "out, is none."
        ),
    )


class TestOrders(_Section):
    """Which documents are tests or the house's own; they are kept and count nowhere, and so do their refunds."""

    sources: tuple[Header, ...] = Field(default=(), description="Landing folders that hold nothing but tests.")
    channels: tuple[Label, ...] = Field(default=(), description="Channels of test orders, in any case of letters.")
    customers: tuple[Header, ...] = Field(
        default=(), description="Customers who buy for tests, by the ids that their sources give them."
    )
    email_domains: tuple[Annotated[str, Field(pattern=DOMAIN_PATTERN)], ...] = Field(
        default=(),
        description="Domains of e-mail addresses whose owners buy for tests or for the house, such as example.com.",
    )


class Revenue(_Section):
    """What counts as revenue; may be left out, with the value named at each setting."""

    include_tax: bool = Field(
        default=False,
        description="Whether tax that a document shows beside its net amount is revenue; false if left out.",
    )
    include_shipping: bool = Field(
        default=False,
        description="Whether shipping that a document shows beside its net amount is revenue; false if left out.",
    )
    deduct_discount: bool = Field(
        default=True,
        description=(
            "Whether discounts lower revenue; if not, they are added to it again and are coupon costs instead. "
            "True if left out."
        ),
    )
    test_orders: TestOrders = TestOrders()


class Costs(_Section):
    """What it costs to serve a customer where no file says it, in base currency; may be left out."""

    touch: dict[Label, Annotated[float, Field(ge=0)]] = Field(
        default={},
        description=(
            "Cost of one contact by its channel, such as {email: 0.01, call: 6}, where neither the contact nor its "
            "campaign says what it cost; none if left out."
        ),
    )
    event_kinds: tuple[Label, ...] = Field(
        default=("event", "conference", "trade show", "webinar", "活动", "会议", "展会"),
        description="Kinds of campaigns that are events, in any case of letters; their costs are event costs.",
    )
    service_per_ticket: dict[Label, Annotated[float, Field(ge=0)]] = Field(
        default={},
        description=(
            "Cost of one ticket by its kind, such as {complaint: 25, repair: 60, other: 8}, where the ticket does not "
            "say it; other stands for all kinds that are not named. None if left out."
        ),
    )
    service_per_return: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="Cost of handling one refund; null, if left out, counts none."
    )
    budget_share: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description=(
            "Share of the margin expected of a customer within a year that may be spent on them; 0.1 if left out."
        ),
    )


class RelationshipYears(_Section):
    """How long a customer relationship is taken to last."""

    method: Literal["observed_first_to_last", "observed_to_as_of", "expected"] = Field(
        description=(
            "How the years are found: observed_first_to_last counts from the first to the last purchase, "
            "observed_to_as_of from the first purchase to the reporting day, expected is 1 divided by the share of "
            "customers of the same tier that is lost in a year."
        )
    )
    cap: float = Field(gt=0, le=50, description="Longest relationship, in years, that a customer value may count.")


class Clv(_Section):
    """How the value of a customer over the whole relationship is found."""

    relationship_years: RelationshipYears
    discount_rate_year: float = Field(
        ge=0, lt=1, description="Yearly rate by which money of the future counts less; 0.08 means 8 percent."
    )
    include_costs: tuple[CostKind, ...] = Field(
        description="Costs that are taken off the value of a customer; an empty list takes off none."
    )


class Cuts(_Section):
    """Fixed cut points of the three scores, used when the method is ``fixed``."""

    recency: CutPoints = Field(
        description=(
            "Days since the last purchase, rising; the best score goes up to and including the first number, "
            "and each number passed costs one point."
        )
    )
    frequency: CutPoints = Field(
        description=("Numbers of purchases, rising; the score starts at 1 and each number reached adds one point.")
    )
    monetary: CutPoints = Field(
        description=("Amounts in base currency, rising; the score starts at 1 and each amount reached adds one point.")
    )


class Cells(_Section):
    """Scores that belong to a segment; an axis that is left out takes every score."""

    r: tuple[Score, ...] | None = Field(default=None, min_length=1, description="Recency scores of the segment.")
    f: tuple[Score, ...] | None = Field(default=None, min_length=1, description="Frequency scores of the segment.")
    m: tuple[Score, ...] | None = Field(default=None, min_length=1, description="Monetary scores of the segment.")


def _when_tag(value: object) -> str:
    return DEFAULT if isinstance(value, str) else "cells"


When = Annotated[Annotated[Literal["default"], Tag(DEFAULT)] | Annotated[Cells, Tag("cells")], Discriminator(_when_tag)]


class Segment(_Section):
    """One named group of RFM scores."""

    id: Id = Field(description="Short name for machines, which never changes: small letters, digits and underscores.")
    zh: Label = Field(description="Name shown to Chinese readers.")
    en: Label = Field(description="Name shown to English readers.")
    when: When = Field(
        description=("Scores that belong to the segment, or the word default for all that is left; first match wins.")
    )


class Rfm(_Section):
    """Recency, frequency and monetary scores, and the segments made of them."""

    window_days: Annotated[int, Field(ge=1, le=36500)] | None = Field(
        description="Days of history that count for frequency and monetary value; null counts all history."
    )
    method: Literal["quantile", "fixed"] = Field(
        description="quantile cuts customers into equally large groups; fixed cuts at the numbers under cuts."
    )
    bins: int = Field(ge=2, le=MAX_BINS, description="Number of scores per axis; 5 gives scores from 1 to 5.")
    cuts: Cuts | None = Field(
        default=None, description="Fixed cut points; needed when the method is fixed, else left out."
    )
    segments: tuple[Segment, ...] = Field(
        min_length=1,
        description="Segments from first to last; the first that matches wins, the last must be default.",
    )


_WHEN: Final = (
    "Condition such as orders_365d >= 3, or the word default for all that is left; the first that is met wins."
)


class _Class(_Section):
    """Base of everything that customers belong to by a condition."""

    id: Id = Field(description="Short name for machines, which never changes: small letters, digits and underscores.")
    zh: Label = Field(description="Name shown to Chinese readers.")
    en: Label = Field(description="Name shown to English readers.")
    when: str = Field(min_length=1, description=_WHEN)


class Tier(_Class):
    """One level of value; every customer has exactly one."""

    owner: Label = Field(description="Team or person that looks after the customers of the tier.")


class Layer(_Section):
    """One layer of the view that puts value and risk into one word."""

    id: Id = Field(description="Short name for machines; from_tier stands for the tier of the customer.")
    zh: Label | None = Field(default=None, description="Name shown to Chinese readers; left out for from_tier only.")
    en: Label | None = Field(default=None, description="Name shown to English readers; left out for from_tier only.")
    when: str = Field(min_length=1, description=_WHEN)


class Stage(_Class):
    """One stage of a customer's life; every customer is in exactly one."""

    owner: Label | None = Field(default=None, description="Team or person that looks after the stage, if there is one.")


class Group(_Class):
    """One segment of a scheme; every customer is in exactly one of each scheme."""


class Scheme(_Section):
    """A way of dividing all customers, beside the tiers and stages."""

    id: Id = Field(description="Short name for machines, which never changes: small letters, digits and underscores.")
    zh: Label = Field(description="Name shown to Chinese readers.")
    en: Label = Field(description="Name shown to English readers.")
    family: Family = Field(description="What the scheme divides customers by.")
    segments: tuple[Group, ...] = Field(
        min_length=1,
        description="Segments from first to last; the first that matches wins, the last must be default.",
    )


class CustomerTag(_Class):
    """A word that a customer gets while a condition holds."""

    group: Id = Field(
        description="Tags of one group exclude each other: of those whose condition is met, the first counts."
    )


class Threshold(_Section):
    """After how many days without a purchase a customer counts as churned."""

    method: Literal["cadence_quantile"] = Field(
        description="How the days are found; cadence_quantile reads them from the gaps between purchases."
    )
    q: float = Field(
        gt=0,
        lt=1,
        description="Share of the gaps that the threshold must outlast; 0.90 means nine gaps of ten.",
    )
    min_days: int = Field(ge=1, le=3650, description="No customer counts as churned before this many days.")
    max_days: int = Field(ge=1, le=3650, description="Every customer counts as churned after this many days.")
    one_time_days: int = Field(
        ge=1, le=3650, description="Days after which a customer with a single purchase counts as churned."
    )
    shrinkage: float = Field(
        ge=0,
        le=1000,
        description=(
            "How many typical gaps are mixed into the gaps of each customer; "
            "more makes customers with few purchases look more like the average."
        ),
    )


class AnnualBuyers(_Section):
    """Customers who buy once a year are not lost for a silence of months."""

    detect: bool = Field(description="Whether customers who buy about once a year are told apart.")
    tolerance: float = Field(
        ge=1,
        le=3,
        description="Times their own yearly gap after which they count as lost; 1.25 means a quarter late.",
    )


class Contract(_Section):
    """When a contract counts as lost."""

    grace_days: int = Field(
        ge=0, le=365, description="Days after the end of a contract within which it may still be renewed."
    )


class Remedy(_Section):
    """What to do about a reason for leaving."""

    zh: Label = Field(description="The action in Chinese, as the owner reads it.")
    en: Label = Field(description="The action in English, as the owner reads it.")


class Reason(_Section):
    """One reason why customers leave."""

    id: Id = Field(description="Short name for machines, which never changes: small letters, digits and underscores.")
    zh: Label = Field(description="Name shown to Chinese readers.")
    en: Label = Field(description="Name shown to English readers.")
    matches: tuple[Label, ...] = Field(
        description=(
            "Reason codes of the sources that mean this, whatever their case; the last reason has none and takes "
            "every code that no other names."
        )
    )
    recommended_action: Remedy


class Churn(_Section):
    """What losing a customer means."""

    horizon_days: int = Field(
        ge=7, le=730, description="Days ahead for which the probability of no further purchase is predicted."
    )
    threshold: Threshold
    annual_buyers: AnnualBuyers
    contract: Contract
    reasons: tuple[Reason, ...] = Field(
        min_length=1, description="Reasons why customers leave, the last of which takes what no other names."
    )


class Scale(_Section):
    """One scale on which customers are asked how satisfied they are."""

    min: int = Field(ge=-100, le=100, description="Worst score of the scale.")
    max: int = Field(ge=-100, le=100, description="Best score of the scale, by which the scale is known.")


class Satisfaction(_Section):
    """How answers and tickets are read."""

    ticket_sla_days: int = Field(
        ge=0, le=365, description="Days within which a ticket should be settled; an older open one is unresolved."
    )
    csat_scales: tuple[Scale, ...] = Field(
        min_length=1,
        description="Scales of satisfaction scores, each brought to 1 to 5; scores on any other scale are left out.",
    )


class Loyalty(_Section):
    """What the loyalty programme owes."""

    point_value: float = Field(ge=0, description="Worth of one point, in base currency; 0.01 means a hundredth.")


class Escalation(_Section):
    """From where a sign counts for more."""

    value: float = Field(description="Value from which the sign counts with the higher weight.")
    weight: float = Field(gt=0, le=0.99, description="How much the sign counts from there on, above 0 and up to 0.99.")


class Signal(_Section):
    """One warning sign that raises the risk score of a customer."""

    id: Id = Field(description="Short name for machines, which never changes: small letters, digits and underscores.")
    zh: Label = Field(description="Reason shown to Chinese readers.")
    en: Label = Field(description="Reason shown to English readers.")
    metric: str = Field(
        description="Figure that is watched, by its name in the metric catalogue.",
        json_schema_extra={"enum": [*sorted(watchable())]},
    )
    op: Operator = Field(
        description=(
            "Comparison between the figure and the value; drop_pct and rise_pct ask by which share the figure has "
            "fallen or risen against vs."
        )
    )
    value: float = Field(
        description=(
            "Value with which the figure is compared, in its unit; a share such as 0.8 for drop_pct and rise_pct, and "
            "1 for yes or 0 for no."
        )
    )
    vs: str | None = Field(
        default=None,
        description=(
            "What the figure is held against with drop_pct and rise_pct: prior_90d, prior_90d_monthly_avg or another "
            "metric."
        ),
    )
    min_baseline: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="Least that vs must be for a fall or a rise to mean anything."
    )
    min_value: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="Least that the figure itself must be for a fall or a rise to mean anything."
    )
    max_age_days: Annotated[int, Field(ge=1, le=3650)] | None = Field(
        default=None, description="Days after which an answer to a survey is too old to be a sign."
    )
    and_: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        alias="and",
        description="Condition that must be met as well, such as usage_trend_30d < -0.3.",
    )
    window_days: Annotated[int, Field(ge=1, le=3650)] | None = Field(
        default=None,
        description="Days that the figure looks back on, repeated for the reader; it must be the figure's own window.",
    )
    escalate: Escalation | None = Field(
        default=None, description="From where the sign counts for more; left out where it never does."
    )
    # Signals combine as 1 - product(1 - weight x strength), each strength up to 1. At a weight of 1 no other
    # would count, and the logarithm that shares the score among them would be infinite.
    weight: float = Field(
        gt=0,
        le=0.99,
        description="How much the sign counts, above 0 and up to 0.99; 0.99 means almost certainly leaving.",
    )
    enabled: bool = Field(default=True, description="Whether the sign counts at all; true if left out.")


class RiskLevels(_Section):
    """Risk scores, from 0 to 100, at which a customer moves up a level; below medium the level is low."""

    medium: float = Field(gt=0, le=100, description="Risk score from which a customer is at medium risk.")
    high: float = Field(gt=0, le=100, description="Risk score from which a customer is at high risk.")
    critical: float = Field(gt=0, le=100, description="Risk score from which a customer is at critical risk.")


class Action(_Section):
    """What the owner of a list is asked to do."""

    code: Id | None = Field(
        default=None, description="Short name of the action for machines; the id of the list if left out."
    )
    zh: Label = Field(description="The action in Chinese, as the owner reads it.")
    en: Label = Field(description="The action in English, as the owner reads it.")


class Measure(_Section):
    """How the success of a list is judged, against customers held out of it."""

    metric: Literal["repurchased"] = Field(
        description="What counts as success; repurchased means at least one purchase within the window."
    )
    window_days: int = Field(ge=1, le=730, description="Days after joining the list within which success counts.")


class MarketingList(_Section):
    """One list of customers that somebody acts on."""

    id: Id = Field(description="Short name for machines, which never changes: small letters, digits and underscores.")
    zh: Label = Field(description="Name shown to Chinese readers.")
    en: Label = Field(description="Name shown to English readers.")
    when: str = Field(
        min_length=1,
        description=(
            "Condition a customer must meet to be on the list, such as: "
            "risk_level in ('high', 'critical') and recency_days <= 365."
        ),
    )
    owner: Label = Field(description="Team or person that acts on the list.")
    action: Action
    channels: tuple[Channel, ...] = Field(
        min_length=1, description="Ways to reach the customer, from the most to the least preferred."
    )
    holdout_pct: float = Field(
        ge=0,
        le=100,
        description="Percent of the customers left alone on purpose, to measure what the list achieves.",
    )
    cooldown_days: int = Field(
        ge=0,
        le=3650,
        description="Days that must pass after leaving the list before a customer can join it again.",
    )
    max_rows_per_owner: Annotated[int, Field(ge=1)] | None = Field(
        description="Most customers that one owner gets at a time, best first; null sets no limit."
    )
    rank_by: str = Field(
        description=("Figure that puts the most worthwhile customer first, by its name in the metric catalogue."),
        json_schema_extra={"enum": [*sorted(numeric_in(Use.LIST))]},
    )
    measure: Measure


class ListSize(_Section):
    """How many customers a list may hold in one release."""

    min_rows: int = Field(default=0, ge=0, description="Fewest customers a list may hold; 0 if left out.")
    max_rows: Annotated[int, Field(ge=1)] | None = Field(
        default=100_000, description="Most customers a list may hold; 100000 if left out, null sets no limit."
    )


class Gates(_Section):
    """When a night refuses to publish; may be left out, with the values named at each setting."""

    max_rejected_share: float = Field(
        default=0.2,
        ge=0,
        le=0.2,
        description="Share of unreadable records above which a file is refused: 0.2 at most, and if left out.",
    )
    max_row_drop: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of the rows of the last release by which a table may shrink; 0.5 if left out.",
    )
    max_age_days: Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description=("Age, in days, at which the newest data is too old to publish; null, if left out, only warns."),
    )
    max_score_loss: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=0.05,
        description=(
            "Skill that tonight's churn scores may have less than those of the last release, else these stay; 0.05 if "
            "left out, null allows any loss."
        ),
    )
    list_size: ListSize = ListSize()


class Rules(_Section):
    """The business rules of one installation."""

    business: Business
    identity: Identity = Identity()
    revenue: Revenue = Revenue()
    costs: Costs = Costs()
    clv: Clv
    rfm: Rfm
    tiers: tuple[Tier, ...] = Field(
        min_length=1,
        description="Levels of value from first to last; the first that matches wins, the last must be default.",
    )
    display_layer: tuple[Layer, ...] = Field(
        description=(
            "Layers that put value and risk into one word; the first that matches wins, the last must be default. An "
            "empty list shows the tiers."
        )
    )
    lifecycle: tuple[Stage, ...] = Field(
        min_length=1,
        description="Stages of a customer's life; the first that matches wins, the last must be default.",
    )
    segment_schemes: tuple[Scheme, ...] = Field(
        description="Other ways of dividing all customers, side by side; may be empty."
    )
    tags: tuple[CustomerTag, ...] = Field(description="Words that customers get while a condition holds; may be empty.")
    manual_tags: str | None = Field(
        default=None,
        min_length=1,
        description="File beside this one in which people give tags to customers; null, if left out, is none.",
    )
    churn: Churn
    satisfaction: Satisfaction
    loyalty: Loyalty
    signals: tuple[Signal, ...] = Field(description="Warning signs that raise the risk score of a customer.")
    risk_levels: RiskLevels
    lists: tuple[MarketingList, ...] = Field(description="Lists of customers that somebody acts on.")
    gates: Gates = Gates()
    _decisions: tuple[Decision, ...] = PrivateAttr(default=())
    _given_tags: tuple[ManualTag, ...] = PrivateAttr(default=())

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What people have decided about records of customers, in the order of the file that ``identity`` names."""
        return self._decisions

    def deciding(self, decisions: tuple[Decision, ...]) -> Self:
        """The same rules with these decisions."""
        rules = self.model_copy()
        rules._decisions = decisions
        return rules

    @property
    def given_tags(self) -> tuple[ManualTag, ...]:
        """Tags that people gave to customers, in the order of the file that ``manual_tags`` names."""
        return self._given_tags

    def tagging(self, given_tags: tuple[ManualTag, ...]) -> Self:
        """The same rules with these tags."""
        rules = self.model_copy()
        rules._given_tags = given_tags
        return rules

    @property
    def hash(self) -> str:
        """SHA-256 of rules, decisions and tags as canonical JSON, in hex: the layout of the files does not matter."""
        content = self.model_dump(mode="json", by_alias=True)
        if self._decisions:
            content["decisions"] = [(*decision[:-1], decision.decided_on.isoformat()) for decision in self._decisions]
        if self._given_tags:
            content["given_tags"] = [tuple(map(str, tag[1:])) for tag in self._given_tags]
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


class _Schema(GenerateJsonSchema):
    """Without titles, which only repeat the names of the settings and crowd the hints of an editor."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def json_schema() -> dict[str, Any]:
    """JSON Schema of the rules file, for editors and for the error messages of this room."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Rules.model_json_schema(schema_generator=_Schema),
    }


def schema_text() -> str:
    """The JSON Schema as the text of ``config/business.schema.json``."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
