"""Orders and refunds: what each is worth, what is left of it, and what was earned with it.

Here belong figures of single documents and lines. Sums over them belong to the modules of their subjects.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from tests.dbt.twins.night import Night, first_of_month, local_day, money

FIRMNESS = ["cost", "product_cost", "category_rate", "default_rate"]
FEWEST_LINES = 20


@dataclass
class Documents:
    """All documents of a night, valued. Amounts are in base currency, sales above and refunds below zero."""

    night: Night

    @cached_property
    def lines(self) -> pd.DataFrame:
        """Every line that stands, with what the catalogue of its source says of the product."""
        lines = self.night.table("core.order_lines_current")
        lines = lines[~lines["is_deleted"]].copy()
        lines["stated"] = lines["net_amount"].fillna(money(lines["quantity"] * lines["unit_price"]))
        products = self.night.table("core.products_current")[
            ["source", "product_id", "category", "unit_cost", "delivery_id"]
        ]
        deliveries = self.night.table("core.deliveries_current")[["delivery_id", "currency"]].drop_duplicates(
            "delivery_id"
        )
        products = products.merge(deliveries, on="delivery_id").drop(columns="delivery_id")
        lines = lines.merge(
            products.rename(columns={"category": "catalogue_category", "currency": "cost_currency"}),
            on=["source", "product_id"],
            how="left",
        )
        lines["category"] = lines["category"].fillna(lines["catalogue_category"])
        return lines.drop(columns=["net_amount", "catalogue_category"])

    @cached_property
    def amounts(self) -> pd.DataFrame:
        """One row per document, before its margin is known: ``net`` and ``original`` say what it is worth."""
        rules = self.night.rules
        orders = self.night.table("core.order_versions").copy()
        total = self.lines.groupby("order_id")["stated"].sum()
        orders["is_sum"] = orders["net_amount"].isna()
        orders["original"] = orders["net_amount"].fillna(orders["order_id"].map(total))
        turned = (orders["kind"] == "sale") & (orders["original"] < 0)
        orders.loc[turned, "kind"] = "refund"
        orders["day"] = local_day(orders["ordered_at"])
        orders["rate"] = self.night.rate_on(orders["currency"], orders["day"])
        orders["net"] = money(orders["original"] * orders["rate"])
        sign = orders["kind"].map({"sale": 1, "refund": -1})
        orders["discount"] = money(sign * orders["discount_amount"].abs().fillna(0) * orders["rate"])
        orders["customer_id"] = orders["source_record_id"].map(self.night.who)
        orders["is_valid"] = (
            ~orders["is_deleted"]
            & ~orders["is_orphan"]
            & orders["status"].isin(rules["business"]["valid_order_statuses"])
            & (sign * orders["original"] > 0)
        )
        lost = self.night.table("core.rejected_lines")["order_id"]
        orders["is_incomplete"] = orders["order_id"].isin(lost) & ~orders["is_sum"]
        return orders

    @cached_property
    def costed(self) -> pd.DataFrame:
        """Lines in base currency: their part of the document's amount (``net``) and of its cost (``cost``)."""
        heads = self.amounts.set_index("order_id")[
            ["kind", "day", "currency", "rate", "original", "cost_amount", "is_incomplete", "is_valid", "customer_id"]
        ].rename(columns={"cost_amount": "head_cost"})
        lines = self.lines.join(heads, on="order_id", how="inner")
        document = lines.groupby("order_id")
        weight = lines["stated"].abs() / document["stated"].transform(lambda each: each.abs().sum())
        weight = weight.fillna(1 / document["stated"].transform("size"))
        rest = lines["original"] - document["stated"].transform("sum")
        lines["net"] = money(money(lines["stated"] + money(rest * weight)) * lines["rate"])
        sign = np.where(lines["stated"] < 0, -1, 1)
        cost = (sign * lines["cost_amount"].abs()).where(~lines["is_incomplete"])
        shared = lines["head_cost"].notna()
        cost = cost.where(~shared, money(lines["head_cost"] * weight))
        lines["cost"] = money(cost * lines["rate"])
        lines["margin_source"] = np.where(lines["cost"].notna(), "cost", None)
        product_rate = self.night.rate_on(lines["cost_currency"].fillna(""), lines["day"])
        by_product = money(sign * (lines["quantity"] * lines["unit_cost"]).abs() * product_rate)
        use = lines["cost"].isna() & by_product.notna() & ~lines["is_incomplete"]
        lines.loc[use, "cost"] = by_product
        lines.loc[use, "margin_source"] = "product_cost"
        return lines

    @cached_property
    def category_rates(self) -> pd.DataFrame:
        """Margin rates by category and month, from the valid sales of earlier months: ``category, month, rate``."""
        known = self.costed
        known = known[known["cost"].notna() & known["category"].notna() & (known["kind"] == "sale") & known["is_valid"]]
        known = known[known["day"] <= self.night.as_of]
        rows = []
        for month in sorted(first_of_month(self.amounts["day"]).unique()):
            before = known[known["day"] < month].groupby("category")
            sums = before[["net", "cost"]].sum()
            rate = ((sums["net"] - sums["cost"]) / sums["net"]).round(6)
            rate = rate[(before.size() >= FEWEST_LINES) & (sums["net"] > 0)]
            rows.append(pd.DataFrame({"category": rate.index, "month": month, "rate": rate.to_numpy()}))
        return pd.concat(rows)

    @cached_property
    def all(self) -> pd.DataFrame:
        """One row per document: as ``amounts``, with ``margin`` and ``margin_source``."""
        orders = self.amounts.set_index("order_id", drop=False)
        default = self.night.rules["business"]["default_margin_rate"]
        lines = self.costed.assign(month=first_of_month(self.costed["day"]))
        lines = lines.merge(self.category_rates, on=["category", "month"], how="left")
        estimated = money(lines["net"] * lines["rate_y"].fillna(default))
        lines["margin"] = (lines["net"] - lines["cost"]).where(lines["cost"].notna(), estimated)
        by_rate = np.where(lines["rate_y"].notna(), "category_rate", "default_rate")
        lines["margin_source"] = lines["margin_source"].where(lines["cost"].notna(), by_rate)
        lines["rank"] = lines["margin_source"].map(FIRMNESS.index)
        sums = lines.groupby("order_id").agg(net=("net", "sum"), margin=("margin", "sum"), rank=("rank", "max"))
        sums = sums.reindex(orders.index)
        head = money(orders["cost_amount"] * orders["rate"])
        plain = (orders["net"] - head).fillna(money(orders["net"] * default))
        orders["margin"] = (sums["margin"] + orders["net"] - sums["net"]).fillna(plain)
        orders["rank"] = sums["rank"].fillna(FIRMNESS.index("default_rate")).where(head.isna(), 0).astype(int)
        # Goods that come back take the margin with them that they were sold with.
        sales = orders[(orders["kind"] == "sale") & (orders["net"] > 0)]
        share = orders["original_order_id"].map(sales["margin"] / sales["net"])
        back = (orders["kind"] == "refund") & (orders["rank"] > 0) & share.notna()
        orders.loc[back, "margin"] = money(orders["net"] * share)
        orders.loc[back, "rank"] = orders["original_order_id"].map(sales["rank"])
        orders["margin_source"] = orders["rank"].map(lambda rank: FIRMNESS[int(rank)])
        return orders.reset_index(drop=True)

    def valid(self, day: pd.Timestamp) -> pd.DataFrame:
        """The documents that count in revenue up to a day."""
        return self.all[self.all["is_valid"] & (self.all["day"] <= day)]

    @cached_property
    def given_back(self) -> pd.DataFrame:
        """Valid refunds of valid sales: ``sale, day, amount`` and ``margin``, both what the sale loses, below zero.

        In the currency of the sale a refund gives back its share of the sale, at the rate of the sale.
        """
        valid = self.all[self.all["is_valid"]].set_index("order_id")
        sales = valid[valid["kind"] == "sale"]
        refunds = valid[(valid["kind"] == "refund") & valid["original_order_id"].isin(sales.index)]
        sold = sales.loc[refunds["original_order_id"]].set_axis(refunds.index)
        share = money(refunds["original"] / sold["original"] * sold["net"])
        same = refunds["currency"] == sold["currency"]
        return pd.DataFrame(
            {
                "sale": refunds["original_order_id"],
                "day": refunds["day"],
                "amount": share.where(same, refunds["net"]),
                "net": refunds["net"],
                "margin": refunds["margin"],
            }
        )

    def purchases(self, day: pd.Timestamp) -> pd.DataFrame:
        """Sales up to a day that are still worth something after the refunds of them up to it; ``left`` says what."""
        sales = self.valid(day)
        sales = sales[sales["kind"] == "sale"].copy()
        back = self.given_back[self.given_back["day"] <= day].groupby("sale")["amount"].sum()
        sales["left"] = money(sales["net"] + sales["order_id"].map(back).fillna(0))
        return sales[sales["left"] > 0]
