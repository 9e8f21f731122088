"""The shape of ``config/business.yml``: sections, fields, limits and a sentence for each field.

Here belongs what one field shows by itself. Rules between fields stand in ``rules/checks.py``, reading the
file in ``rules/loading.py``. A business default does not belong here: it stands in the YAML file, where it
can be seen.
"""

import hashlib
import json
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag
from pydantic.json_schema import GenerateJsonSchema

from rules.metrics import Use, numeric_in

OrderStatus = Literal["draft", "open", "paid", "shipped", "completed", "cancelled", "lost", "returned"]
Channel = Literal["phone", "sms", "email", "wechat", "wecom", "qq", "app", "post", "visit"]
Operator = Literal[">=", ">", "<=", "<", "="]

# Starts with a letter, so that an id can be a column value, a file name and an address without quoting.
ID_PATTERN: Final = r"^[a-z][a-z0-9_]{0,62}$"
Id = Annotated[str, Field(pattern=ID_PATTERN)]
# One printable line; a backslash ends a string early on one of the two engines.
LABEL_PATTERN: Final = r"^[^\s\\]([^\x00-\x1f\\]{0,118}[^\s\\])?$"
Label = Annotated[str, Field(pattern=LABEL_PATTERN)]
CURRENCY_PATTERN: Final = r"^[A-Z]{3}$"
# The three scores have at most this many bins, hence a thousand cells.
MAX_BINS: Final = 10
Score = Annotated[int, Field(ge=1, le=MAX_BINS)]
CutPoints = Annotated[tuple[float, ...], Field(min_length=1, max_length=MAX_BINS - 1)]
DEFAULT: Final = "default"


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
    model: Literal["non_contractual"] = Field(
        description=("How customers buy; non_contractual means that they buy when they like and leave without notice.")
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


class RelationshipYears(_Section):
    """How long a customer relationship is taken to last."""

    method: Literal["observed_to_as_of"] = Field(
        description=("How the years are found; observed_to_as_of counts from the first purchase to the reporting day.")
    )
    cap: float = Field(gt=0, le=50, description="Longest relationship, in years, that a customer value may count.")


class Clv(_Section):
    """How the value of a customer over the whole relationship is found."""

    relationship_years: RelationshipYears
    discount_rate_year: float = Field(
        ge=0, lt=1, description="Yearly rate by which money of the future counts less; 0.08 means 8 percent."
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


class Churn(_Section):
    """What losing a customer means."""

    horizon_days: int = Field(
        ge=7, le=730, description="Days ahead for which the probability of no further purchase is predicted."
    )
    threshold: Threshold


class Signal(_Section):
    """One warning sign that raises the risk score of a customer."""

    id: Id = Field(description="Short name for machines, which never changes: small letters, digits and underscores.")
    zh: Label = Field(description="Reason shown to Chinese readers.")
    en: Label = Field(description="Reason shown to English readers.")
    metric: str = Field(
        description="Figure that is watched, by its name in the metric catalogue.",
        json_schema_extra={"enum": [*sorted(numeric_in(Use.SIGNAL))]},
    )
    op: Operator = Field(description="Comparison between the figure and the value.")
    value: float = Field(description="Value with which the figure is compared, in the unit of the figure.")
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
    list_size: ListSize = ListSize()


class Rules(_Section):
    """The business rules of one installation."""

    business: Business
    identity: Identity = Identity()
    clv: Clv
    rfm: Rfm
    churn: Churn
    signals: tuple[Signal, ...] = Field(description="Warning signs that raise the risk score of a customer.")
    risk_levels: RiskLevels
    lists: tuple[MarketingList, ...] = Field(description="Lists of customers that somebody acts on.")
    gates: Gates = Gates()

    @property
    def hash(self) -> str:
        """SHA-256 of the rules as canonical JSON, in hex: the layout of the file does not matter."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
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
