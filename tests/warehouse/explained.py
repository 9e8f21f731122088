"""Hand-made records for the tests of explanations.

Belongs here: making records, files and the rules they are read by. Does not belong here: what a test expects.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from warehouse.explained_documents import Pricing
from warehouse.explained_records import Calendar, Delivery, Place, Record

__all__ = ["CALENDAR", "RULES", "delivery", "document", "pricing", "record"]

CALENDAR = Calendar(ZoneInfo("Asia/Shanghai"), date(2025, 6, 30))

RULES: Mapping[str, Any] = {
    "base_currency": "CNY",
    "business_model": "non_contractual",
    "valid_order_statuses": ["paid", "completed"],
    "default_margin_rate": 0.3,
    "min_observation_days": 90,
    "relationship_years_method": "observed_to_as_of",
    "relationship_years_cap": 5,
    "rfm_window_days": None,
    "rfm_bins": 5,
    "rfm_method": "fixed",
    "rfm_cuts": {"recency": [10, 20, 30, 40], "frequency": [2, 3, 4, 5], "monetary": [100, 200, 300, 400]},
    "rfm_segments": [
        {"id": "best", "r": [4, 5], "f": [4, 5], "m": [4, 5]},
        {"id": "rest", "r": [1, 2, 3, 4, 5], "f": [1, 2, 3, 4, 5], "m": [1, 2, 3, 4, 5]},
    ],
    "revenue": {
        "include_tax": False,
        "include_shipping": False,
        "deduct_discount": True,
        "test_orders": {"sources": [], "channels": ["test"], "customers": [], "email_domains": []},
    },
    "costs": {"budget_share": 0.1},
    "churn_threshold": {"q": 0.9, "min_days": 30, "max_days": 400, "one_time_days": 180, "shrinkage": 3},
    "churn_annual_buyers": {"detect": True, "tolerance": 1.25},
    "churn_contract": {"grace_days": 30},
    "risk_levels": {"medium": 40, "high": 60, "critical": 80},
    "segment_schemes": [],
    "tags": [],
    "percentile_cuts": [],
    "signals": [],
    "tiers": [],
    "lifecycle": [],
    "display_layer": [],
}


def delivery(
    delivery_id: str = "d1",
    *,
    source: str = "shop",
    feed: str = "orders",
    currency: str = "CNY",
    at: str = "2025-06-30",
    is_replaced: bool = False,
    exported: bool = True,
    has_direct_identifiers: bool = False,
) -> Delivery:
    """A file that was exported at some time."""
    moment = datetime.fromisoformat(at)
    return Delivery(
        source=source,
        delivery_id=delivery_id,
        file=f"{delivery_id}.csv",
        feed=feed,
        currency=currency,
        version_at=moment,
        exported_at=moment if exported else None,
        corrected_at=None,
        is_replaced=is_replaced,
        has_direct_identifiers=has_direct_identifiers,
    )


def record(
    feed: str, number: int = 1, *, source: str = "shop", delivery_id: str = "d1", written_at: str = "", **cells: str
) -> Record:
    """A raw row; a column that is a keyword of Python may end with an underscore."""
    said = {name.rstrip("_"): value for name, value in cells.items()}
    return Record(feed, "generic", Place(source, delivery_id, number), said, values={"written_at": written_at})


def document(
    order_id: str, number: int = 1, *, lines: tuple[Record, ...] = (), original: str | None = None, **cells: str
) -> Record:
    """A standing document: a completed sale in CNY, unless its cells say otherwise."""
    plain = {"ordered_at": "2025-06-01T04:00:00Z", "status": "completed", "kind": "sale", "currency": "CNY"}
    return record("orders", number, order_id=order_id, **(plain | cells)).saying(
        order_id=order_id, original_order_id=original, lines=lines, has_rejected_lines=False
    )


def pricing(
    *,
    rates: Mapping[str, list[tuple[str, str]]] | None = None,
    products: tuple[Record, ...] = (),
    category_rates: Mapping[str, Any] | None = None,
    currency: str = "CNY",
    **rules: Any,
) -> Pricing:
    """What holds for all documents."""
    known = {
        name: [(date.fromisoformat(on), record("fx_rates", rate=rate)) for on, rate in each]
        for name, each in (rates or {}).items()
    }
    return Pricing(
        variables={**RULES, **rules},
        calendar=CALENDAR,
        deliveries={("shop", "d1"): delivery(currency=currency)},
        rates=lambda currency: known.get(currency, []),
        products={("generic", "shop", each.cells["product_id"]): each for each in products},
        category_rate=lambda category, month: (category_rates or {}).get(category),
        emails={},
    )
