"""The records of one customer, by kind, each read for what it means.

Belongs here: which rows of the raw feeds are this customer's, what else must be known to read them, and why one does
not count. Does not belong here: what follows from the records (``explained_metrics.py``).
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

import duckdb

from warehouse import explained_behaviour as behaviour
from warehouse.connection import quote_literal
from warehouse.explained_contracts import contracts
from warehouse.explained_documents import Pricing, rounded, worth
from warehouse.explained_profile import described
from warehouse.explained_records import (
    FEEDS,
    Calendar,
    Member,
    Place,
    RawFeeds,
    Record,
    Verdict,
    amount,
    instant,
    standing,
)

__all__ = ["Evidence", "told"]

_ZERO: Final = Decimal(0)
#: When what a row tells of happened, by feed: the first such day makes somebody known.
_HAPPENED: Final = {
    "payments": "paid_at",
    "interactions": "occurred_at",
    "tickets": "opened_at",
    "survey_responses": "responded_at",
    "campaign_touches": "touched_at",
    "consents": "at",
    "points": "at",
    "subscriptions": "started_on",
}


class Evidence:
    """All that was delivered about one customer.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        A connection in which the release is attached as ``release``.
    raw : RawFeeds
        The raw feeds of the release.
    customer_id : str
        Whom it is about.
    members : collection of Member
        The customer's records, by the ids that the sources use.
    calendar : Calendar
        The business's day.
    variables : mapping
        The business rules as the tables read them.
    """

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        raw: RawFeeds,
        customer_id: str,
        members: Collection[Member],
        calendar: Calendar,
        variables: Mapping[str, Any],
    ) -> None:
        self._con = con
        self._raw = raw
        self._customer_id = customer_id
        self._members = frozenset(members)
        self._calendar = calendar
        self._variables = variables
        self._kept: dict[str, list[Record]] = {}
        self._rates_of: dict[str, list[tuple[date, Record]]] = {}
        self._kinds: Mapping[str, Callable[[], list[Record]]] = {
            "documents": self._documents,
            "costs": self._costs,
            "activity": self._activity,
            "interactions": lambda: behaviour.interactions(self._about("interactions"), self._calendar),
            "touches": lambda: behaviour.touches(self._about("campaign_touches"), self._calendar),
            "contacts_made": lambda: [*self("interactions"), *self("touches")],
            "tickets": self._tickets,
            "answers": self._answers,
            "consents": self._consents,
            "points": self._points,
            "contracts": self._contracts,
            "main_contacts": self._main_contacts,
            "everything": self._everything,
            "profile": self._profile,
        }

    def __call__(self, kind: str) -> list[Record]:
        """The records of a kind; those that do not count have a verdict."""
        if kind not in self._kept:
            self._kept[kind] = self._kinds[kind]()
        return self._kept[kind]

    # --------------------------------------------------------------------------------------------- whose a row is

    @cached_property
    def _ids(self) -> Mapping[str, frozenset[str]]:
        """By source, the ids under which rows may name the customer: its own and those of its contacts and leads."""
        own: dict[str, set[str]] = defaultdict(set)
        for member in self._members:
            own[member.source].add(member.source_customer_id)
        found = {}
        for source, ids in own.items():
            persons: set[str] = set()
            for feed, names, person in (
                ("contacts", "source_customer_id", "contact_id"),
                ("leads", "converted_customer_id", "lead_id"),
            ):
                named = self._raw.where(feed, source, names, ids)
                chosen, _ = standing(feed, self._raw.versions(feed, named), self._raw.deliveries)
                persons |= {row.cells[person] for row in chosen if row.cell(names) in ids}
            # Where contacts and customers are numbered independently, a number means the customer.
            known = persons - ids
            found[source] = frozenset(ids | known if known and not self._raw.share_numbers(source) else ids)
        return found

    def _about(self, feed: str) -> list[Record]:
        """The rows of a feed about the customer: those that stand, and with a verdict those that do not."""
        named = [
            row for source, ids in self._ids.items() for row in self._raw.where(feed, source, "source_customer_id", ids)
        ]
        rejects = self._rejected(feed, named)
        good = [row for row in self._raw.versions(feed, named) if row.place not in rejects]
        chosen, left = standing(feed, good, self._raw.deliveries)
        found = [row.saying(rejects[row.place]) for row in named if row.place in rejects]
        for row in chosen:
            is_ours = row.cell("source_customer_id") in self._ids[row.place.source]
            found.append(row.saying(None if is_ours else Verdict("other_customer")))
        ours = {(row.place, row.cells.get(FEEDS[feed].key[0])) for row in named}
        found += [row for row in left if (row.place, row.cells.get(FEEDS[feed].key[0])) in ours]
        return sorted(found, key=lambda row: (row.verdict is not None, row.place))

    def _rejected(self, feed: str, rows: Iterable[Record]) -> dict[Place, Verdict]:
        """What the release says was rejected of some rows."""
        names = {row.place.delivery_id for row in rows}
        if not names:
            return {}
        listed = ", ".join(quote_literal(name) for name in sorted(names))
        found = self._con.execute(
            "select source, delivery_id, record_no, code from release.marts.rejected_records "
            f"where delivery_id in ({listed}) and feed = {quote_literal(feed)}"
        ).fetchall()
        return {Place(*place): Verdict("rejected", (code,)) for *place, code in found}

    # --------------------------------------------------------------------------------------------- documents

    def _documents(self) -> list[Record]:
        heads = self._heads()
        own = {row[0] for row in heads if row[6] == self._customer_id}
        lines, rejected_lines = self._lines([row[0] for row in heads])
        raw = {
            (row.place, row.cells.get("order_id")): row
            for row in self._raw.at("orders", {Place(row[2], row[7], row[8]) for row in heads})
        }
        documents = []
        for order_id, _, source, number, original, _, _, delivery_id, record_no in heads:
            row = raw[Place(source, delivery_id, record_no), number]
            documents.append(
                row.saying(
                    order_id=order_id,
                    original_order_id=original,
                    lines=tuple(lines[order_id]),
                    has_rejected_lines=order_id in rejected_lines,
                )
            )
        valued = worth(documents, self._pricing(documents))
        found = [told(row) for row in valued if row.values["order_id"] in own]
        found.sort(key=lambda row: (row.values["at"], row.place))
        return found + self._other_documents({(row.place, row.cell("order_id")) for row in found}, heads)

    def _heads(self) -> list[tuple[Any, ...]]:
        """Where the documents of the customer were delivered, with those that they refund or are refunded by."""
        columns = (
            "order_id, source_system, source, source_order_id, original_order_id, has_rejected_lines, customer_id, "
            "delivery_id, record_no"
        )
        own = self._con.execute(
            f"select {columns} from release.marts.orders where customer_id = ?", [self._customer_id]
        ).fetchall()
        ids = {row[0] for row in own}
        linked = sorted({row[4] for row in own if row[4] is not None} - ids)
        others: list[tuple[Any, ...]] = []
        for column, values in (("order_id", linked), ("original_order_id", sorted(ids | set(linked)))):
            if values:
                listed = ", ".join(quote_literal(value) for value in values)
                others += self._con.execute(
                    f"select {columns} from release.marts.orders where {column} in ({listed})"
                ).fetchall()
        return list({row[0]: row for row in (*others, *own)}.values())

    def _lines(self, order_ids: Sequence[str]) -> tuple[dict[str, list[Record]], set[str]]:
        """The lines of documents, and which documents have lost some."""
        lines: dict[str, list[Record]] = defaultdict(list)
        if not order_ids:
            return lines, set()
        listed = ", ".join(quote_literal(value) for value in order_ids)
        found = self._con.execute(
            "select lines.order_id, orders.source, orders.source_order_id, lines.delivery_id, lines.record_no "
            "from release.marts.order_lines as lines join release.marts.orders as orders using (order_id) "
            f"where lines.order_id in ({listed}) order by lines.order_id, lines.delivery_id, lines.record_no"
        ).fetchall()
        raw: dict[tuple[Place, str | None], list[Record]] = defaultdict(list)
        for row in self._raw.at("order_lines", {Place(each[1], each[3], each[4]) for each in found}):
            raw[row.place, row.cell("order_id")].append(row)
        for order_id, source, number, delivery_id, record_no in found:
            lines[order_id].append(raw[Place(source, delivery_id, record_no), number].pop(0))
        rejected = {
            row[0]
            for row in self._con.execute(
                f"select order_id from release.marts.orders where order_id in ({listed}) and has_rejected_lines"
            ).fetchall()
        }
        return lines, rejected

    def _other_documents(
        self, counted: Collection[tuple[Place, str | None]], heads: Iterable[tuple[Any, ...]]
    ) -> list[Record]:
        """The rows that name the customer or its documents and are not what stands, each with the reason."""
        named = [
            row
            for source, ids in self._ids.items()
            for row in self._raw.where("orders", source, "source_customer_id", ids)
        ]
        left = [row for row in named if (row.place, row.cell("order_id")) not in counted]
        if not left:
            return []
        standing_at = {(row[2], row[3]): row for row in heads}
        unknown = sorted(
            {
                (row.place.source, row.cells["order_id"])
                for row in left
                if (row.place.source, row.cells["order_id"]) not in standing_at
            }
        )
        if unknown:
            listed = ", ".join(f"({quote_literal(source)}, {quote_literal(number)})" for source, number in unknown)
            for row in self._con.execute(
                "select order_id, source_system, source, source_order_id, original_order_id, has_rejected_lines, "
                "customer_id, delivery_id, record_no from release.marts.orders "
                f"where (source, source_order_id) in ({listed})"
            ).fetchall():
                standing_at[row[2], row[3]] = row
        rejects = self._rejected("orders", left)
        return [row.saying(self._why_not(row, standing_at, rejects)) for row in left]

    def _why_not(
        self,
        row: Record,
        standing_at: Mapping[tuple[str, str], tuple[Any, ...]],
        rejects: Mapping[Place, Verdict],
    ) -> Verdict:
        if row.place in rejects:
            return rejects[row.place]
        if not self._calendar.is_known(instant(row.cell("ordered_at"))):
            return Verdict("later")
        stands = standing_at.get((row.place.source, row.cells["order_id"]))
        if stands is None:
            return Verdict("deleted")
        if stands[6] != self._customer_id:
            return Verdict("other_customer")
        file = self._raw.deliveries[stands[2], stands[7]].file
        return Verdict("replaced", (file, str(stands[8])))

    def _pricing(self, documents: Sequence[Record]) -> Pricing:
        """What must be known of all customers to value these documents."""
        lines = [line for document in documents for line in document.values["lines"]]
        wanted: dict[str, set[str]] = defaultdict(set)
        for line in lines:
            if line.cell("product_id") is not None:
                wanted[line.place.source].add(line.cells["product_id"])
        rows = [row for source, ids in wanted.items() for row in self._raw.where("products", source, "product_id", ids)]
        bad = self._rejected("products", rows)
        products, _ = standing("products", [row for row in rows if row.place not in bad], self._raw.deliveries)
        emails = {}
        if self._variables["revenue"]["test_orders"]["email_domains"]:
            emails = self._emails(documents)
        return Pricing(
            variables=self._variables,
            calendar=self._calendar,
            deliveries=self._raw.deliveries,
            rates=self._rates,
            products={
                (product.source_system, product.place.source, product.cells["product_id"]): product
                for product in products
            },
            category_rate=self._category_rate,
            emails=emails,
        )

    def _rates(self, currency: str) -> list[tuple[date, Record]]:
        """The records of what a currency was worth in base currency, by the day from which each holds."""
        if currency not in self._rates_of:
            newest: dict[date, tuple[Any, Record]] = {}
            for row in self._raw.where("fx_rates", None, "currency", [currency]):
                delivery = self._raw.deliveries[row.place[:2]]
                day = date.fromisoformat(row.cells["on"])
                firmness = not delivery.is_replaced, delivery.version_at, delivery.corrected_at is not None
                if day not in newest or firmness > newest[day][0]:
                    newest[day] = firmness, row
            self._rates_of[currency] = [(day, row) for day, ((stands, *_), row) in sorted(newest.items()) if stands]
        return self._rates_of[currency]

    @cached_property
    def _exchange(self) -> Pricing:
        """What any currency is worth."""
        return self._pricing([])

    def _category_rate(self, category: str, month: date) -> Decimal | None:
        found = self._con.execute(
            "select value from release.marts.population_facts "
            "where fact = 'category_margin_rate' and subject = ? and known_on = ?",
            [category, month],
        ).fetchone()
        return None if found is None else Decimal(str(found[0]))

    def _emails(self, documents: Iterable[Record]) -> dict[tuple[str, str], str]:
        wanted: dict[str, set[str]] = defaultdict(set)
        for document in documents:
            if document.cell("source_customer_id") is not None:
                wanted[document.place.source].add(document.cells["source_customer_id"])
        return {
            (source, row.cells["source_customer_id"]): row.cells["email"]
            for source, ids in wanted.items()
            for row in self._raw.where("customers", source, "source_customer_id", ids)
            if row.cell("email") is not None
        }

    # --------------------------------------------------------------------------------------------- other records

    def _activity(self) -> list[Record]:
        documents = [row.saying(is_active=row.values.get("is_purchase", False)) for row in self("documents")]
        return [*documents, *self("interactions")]

    def _tickets(self) -> list[Record]:
        return behaviour.tickets(
            self._about("tickets"), self._calendar, self._raw.deliveries, self._variables["ticket_sla_days"]
        )

    def _answers(self) -> list[Record]:
        found = behaviour.answers(
            self._about("survey_responses"), self("tickets"), self._calendar, self._variables["csat_scales"]
        )
        return [
            row.saying(is_nps=row.values["survey"] == "nps", is_csat=row.values["survey"] == "csat") for row in found
        ]

    def _consents(self) -> list[Record]:
        found = behaviour.consents(self._about("consents"), self._calendar, self._raw.deliveries)
        flags = {channel: f"is_{channel}" for channel in ("email", "phone", "sms", "wechat")}
        return [
            row.saying(
                is_out=row.values["state"] == "out",
                **{flag: row.values["channel"] == channel for channel, flag in flags.items()},
            )
            for row in found
        ]

    def _points(self) -> list[Record]:
        found = behaviour.entries(self._about("points"), self._calendar)
        return [row.saying(is_granted=row.values["delta"] > 0, is_spent=row.values["delta"] < 0) for row in found]

    def _contracts(self) -> list[Record]:
        about = self._about("subscriptions")
        own = [row for row in about if row.verdict is None or row.verdict.code not in ("replaced", "rejected")]
        rejects = self._rejected("subscriptions", about)
        versions = [row for row in self._raw.versions("subscriptions", own) if row.place not in rejects]
        grace = self._variables["churn_contract"]["grace_days"]
        found = contracts(own, versions, self._calendar, self._raw.deliveries, self._exchange.in_base, grace)
        return found + [row for row in about if row.verdict is not None and row not in own]

    def _main_contacts(self) -> list[Record]:
        """The main contacts of an account, and who of them has left."""
        own: dict[str, set[str]] = defaultdict(set)
        for member in self._members:
            own[member.source].add(member.source_customer_id)
        found = []
        for source, ids in own.items():
            named = self._raw.where("contacts", source, "source_customer_id", ids)
            chosen, _ = standing("contacts", self._raw.versions("contacts", named), self._raw.deliveries)
            for row in chosen:
                left_on = self._calendar.day(instant(row.cell("left_at")))
                has_left = left_on is not None and left_on <= self._calendar.as_of
                if row.cell("source_customer_id") in ids:
                    is_main = row.cell("is_primary") == "true"
                    found.append(
                        row.saying(None if is_main else Verdict("no_main_contact"), has_left=has_left, left_on=left_on)
                    )
        return found

    def _everything(self) -> list[Record]:
        """Whatever happened with the customer, for the day on which it became known."""
        found = list(self("documents"))
        for feed, column in _HAPPENED.items():
            for row in self._about(feed):
                at = instant(row.cell(column))
                found.append(row.saying(None if self._calendar.is_known(at) else Verdict("later"), at=at))
        return found

    def _profile(self) -> list[Record]:
        """What the sources say of who the customer is."""
        own: dict[str, set[str]] = defaultdict(set)
        for member in self._members:
            own[member.source].add(member.source_customer_id)
        rows = [
            row
            for source, ids in own.items()
            for row in self._raw.where("customers", source, "source_customer_id", ids)
        ]
        first_seen: dict[Member, datetime] = {}
        for row in self("everything"):
            number = row.cell("source_customer_id")
            if number is not None and row.values.get("at") is not None and self._is_document(row):
                member = Member(row.source_system, row.place.source, number)
                first_seen[member] = min(row.values["at"], first_seen.get(member, row.values["at"]))
        return described(rows, sorted(self._members), first_seen, self._calendar, self._raw.deliveries)

    def _is_document(self, row: Record) -> bool:
        """Whether a record makes its customer known, counted or not."""
        return row.verdict is None or row.verdict.code in ("status", "test", "no_amount")

    # --------------------------------------------------------------------------------------------- costs

    def _costs(self) -> list[Record]:
        counted = self._variables["counted_costs"]
        return [
            row.saying(
                None,
                is_any_service=row.values.get("cost_kind") == "service",
                **{f"is_{kind}": row.values.get("cost_kind") == kind and kind in counted for kind in _COST_KINDS},
            )
            for row in (*self._costs_of_touches(), *self._costs_of_tickets(), *self._costs_of_documents())
        ]

    def _costs_of_touches(self) -> list[Record]:
        touches = self("touches")
        wanted: dict[str, set[str]] = defaultdict(set)
        for row in touches:
            if row.verdict is None and row.cell("campaign_id") is not None:
                wanted[row.place.source].add(row.cells["campaign_id"])
        rows = [
            row for source, ids in wanted.items() for row in self._raw.where("campaigns", source, "campaign_id", ids)
        ]
        chosen, _ = standing("campaigns", rows, self._raw.deliveries)
        campaigns = {(row.place.source, row.cells["campaign_id"]): row for row in chosen if row.verdict is None}
        found = []
        for touch in touches:
            if touch.verdict is not None:
                found.append(touch)
                continue
            campaign = campaigns.get((touch.place.source, touch.cell("campaign_id") or ""))
            found += self._costs_of_touch(touch, campaign)
        return found

    def _costs_of_touch(self, touch: Record, campaign: Record | None) -> list[Record]:
        costs = self._variables["costs"]
        kind, currency = "touch", self._raw.deliveries[touch.place[:2]].currency
        if campaign is not None:
            if (campaign.cell("kind") or "").lower() in costs["event_kinds"]:
                kind = "event"
            currency = campaign.cell("currency") or self._raw.deliveries[campaign.place[:2]].currency
        day, stated = touch.values["on"], amount(touch.cell("cost_amount"))
        actual = None if campaign is None else amount(campaign.cell("actual_cost"))
        found = []
        if stated is not None:
            found.append(
                touch.saying(cost_kind=kind, rule="stated", amount=self._exchange.in_base(stated, currency, day))
            )
        if campaign is not None and actual is not None:
            share = self._share_of_campaign(touch, campaign, actual, currency)
            if share is not None:
                on, part = share
                found.append(touch.saying(cost_kind=kind, rule="campaign_share", on=on, amount=part))
        elif stated is None and touch.values["channel"] in costs["touch"]:
            unit = Decimal(str(costs["touch"][touch.values["channel"]]))
            found.append(touch.saying(cost_kind=kind, rule="unit_cost", amount=rounded(unit)))
        return found or [touch.saying(Verdict("no_cost"))]

    def _share_of_campaign(
        self, touch: Record, campaign: Record, actual: Decimal, currency: str
    ) -> tuple[date, Decimal] | None:
        """A touch's part of what its campaign cost beyond what its touches say themselves."""
        sharing = self._sharing(campaign)
        stated = sum((amount(each.cell("cost_amount")) or _ZERO for each in sharing), _ZERO)
        delivery = self._raw.deliveries[campaign.place[:2]]
        ended, started = campaign.cell("ended_on"), campaign.cell("started_on")
        ended_on = date.fromisoformat(ended) if ended else None
        booked_on = ended_on or (date.fromisoformat(started) if started else self._calendar.day(delivery.version_at))
        if actual <= stated or booked_on is None or booked_on > self._calendar.as_of:
            return None
        rest = self._exchange.in_base(actual - stated, currency, booked_on)
        in_time = [each for each in sharing if ended_on is None or each.values["on"] <= ended_on]
        without_cost = [each for each in in_time if each.cell("cost_amount") is None]
        takers = sorted(without_cost or in_time, key=lambda each: (each.values["on"], each.cells["touch_id"]))
        places = [each.place for each in takers]
        if rest is None or touch.place not in places:
            return None
        number = places.index(touch.place) + 1
        until = rest if number == len(takers) else rounded(float(rest) * number / len(takers))
        return ended_on or touch.values["on"], until - rounded(float(rest) * (number - 1) / len(takers))

    def _sharing(self, campaign: Record) -> list[Record]:
        """All touches of a campaign that stand and have happened."""
        key = f"campaign {campaign.place.source} {campaign.cells['campaign_id']}"
        if key not in self._kept:
            named = self._raw.where(
                "campaign_touches", campaign.place.source, "campaign_id", [campaign.cells["campaign_id"]]
            )
            rows = self._raw.versions("campaign_touches", named)
            # Whom a source does not know has caused a part of the cost all the same.
            bad = {
                place
                for place, verdict in self._rejected("campaign_touches", rows).items()
                if verdict.about != ("orphan_customer",)
            }
            chosen, _ = standing(
                "campaign_touches", [row for row in rows if row.place not in bad], self._raw.deliveries
            )
            dated = behaviour.touches(chosen, self._calendar)
            self._kept[key] = [
                row for row in dated if row.verdict is None and row.cell("campaign_id") == campaign.cells["campaign_id"]
            ]
        return self._kept[key]

    def _costs_of_tickets(self) -> list[Record]:
        per_ticket = self._variables["costs"]["service_per_ticket"]
        found = []
        for ticket in self("tickets"):
            stated = amount(ticket.cell("cost_amount"))
            if ticket.verdict is not None:
                found.append(ticket)
            elif stated is not None:
                currency = self._raw.deliveries[ticket.place[:2]].currency
                cost = self._exchange.in_base(stated, currency, ticket.values["on"])
                found.append(ticket.saying(cost_kind="service", rule="stated", amount=cost))
            elif per_ticket:
                unit = per_ticket.get((ticket.cell("kind") or "").lower(), per_ticket.get("other", 0))
                cost = rounded(Decimal(str(unit)))
                found.append(ticket.saying(cost_kind="service", rule="unit_cost", amount=cost))
            else:
                found.append(ticket.saying(Verdict("no_cost")))
        return found

    def _costs_of_documents(self) -> list[Record]:
        per_return = self._variables["costs"]["service_per_return"]
        found = []
        for document in self("documents"):
            if document.verdict is not None:
                found.append(document)
                continue
            if document.values["discount_amount"]:
                cost = document.values["discount_amount"]
                found.append(document.saying(cost_kind="coupon", rule="discount_of_order", amount=cost))
            if per_return is not None and document.values["is_refund"]:
                cost = rounded(Decimal(str(per_return)))
                found.append(document.saying(cost_kind="service", rule="unit_cost_of_return", amount=cost))
        return found


_COST_KINDS: Final = ("touch", "coupon", "event", "service")


def told(document: Record) -> Record:
    """A document with what tallies ask for."""
    said = document.values
    is_counted = document.verdict is None
    instead = Verdict("refunded", said["refunds"]) if said["refunds"] else None
    return document.saying(
        is_sale=is_counted and said["kind"] == "sale",
        is_refund=is_counted and said["kind"] == "refund",
        instead=instead,
    )
