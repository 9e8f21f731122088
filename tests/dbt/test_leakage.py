"""A night knows nothing of what is dated after it: two hundred companies, each with later rows of its own.

Belongs here: what later rows must leave alone, from the features to the scores. Does not belong here: how the companies
come about (``random_companies.py``), or later deliveries of rows that are not later (``test_properties.py``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from assets.dbt_process import DbtProcess
from models.churn import origins_for
from rules import Rules, dbt_vars
from tests.dbt.conftest import prepare
from tests.dbt.random_companies import COUNTED, FIRST_DAY, UTC_OFFSET, Companies, day_of, draw_companies
from tests.dbt.random_rules import Drawer, RandomRules
from tests.dbt.test_properties import Project, Rows, build
from warehouse.connection import connect
from warehouse.home import Home

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

COMPANIES = 200
TONIGHT = date(2024, 3, 17)
LAST_DAY = TONIGHT + timedelta(days=45)
#: What is known by tonight is delivered in two exports, so that versions of before tonight stand, too.
FIRST_EXPORT = TONIGHT - timedelta(days=30)
#: Of these a company draws some: what happens to it after tonight, beside what its customers go on doing.
KINDS = (
    *("orders", "refunds", "statuses", "corrections", "merges", "records", "tickets", "answers", "activity"),
    *("contracts", "campaigns", "consents", "points", "products", "lines", "contacts"),
)
#: Tables that keep rows of later days, too, which no figure reads: documents and records as they stand.
WITH_LATER_ROWS = {
    f"core.{name}"
    for name in (
        *("customers_current", "order_versions", "order_amounts", "orders_current", "order_margins", "refund_margins"),
        *("refund_links", "order_lines_current", "order_lines_costed", "order_lines_valued"),
        *("tickets_current", "interactions_current", "survey_responses_current", "subscriptions_current"),
        *("campaign_touches_current", "consents_current", "points_current"),
    )
}
#: The account of what was delivered and what became of it tells of every delivery.
OF_DELIVERIES = {
    *("core.deliveries_current", "core.replaced_rows", "core.rejected_records_full", "core.rejected_in_tables"),
    *("marts.deliveries", "marts.feeds", "marts.rejected_records", "marts.rejected_summary"),
}

Row = dict[str, Any]


class History:
    """Rows of random companies, and what is told of them later.

    Attributes
    ----------
    feeds : dict of str to list of (int, int, dict)
        Of each feed the rows: the company, the day on which the row was written, and its columns.
    kinds : list of set of str
        What happens to each company after tonight.
    """

    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)
        self.drawn = draw_companies(seed, companies=COMPANIES, last_day=LAST_DAY, is_settled=False)
        self.tonight, self.last = day_of(TONIGHT), day_of(LAST_DAY)
        self.kinds = [{kind for kind in KINDS if self.draw.random() < 0.4} for _ in range(COMPANIES)]
        #: Some systems say of every row when it was changed, some never, some only once it has been changed.
        self.dates = [self.draw.choice(["always", "never", "changed"]) for _ in range(COMPANIES)]
        self.feeds: dict[str, list[tuple[int, int, Row]]] = {}
        for feed, columns in self.drawn.feeds.items():
            names = list(columns)
            for company, day, *values in zip(
                self.drawn.company_of[feed].tolist(), self.drawn.days[feed].tolist(), *columns.values(), strict=True
            ):
                row = dict(zip(names, values, strict=True))
                # A customer that an order names is in the export, whenever the record was made.
                self._write(feed, company, 0 if feed == "customers" else day, row, keep="updated_at" in row)
        self._enrich()
        self.early = {feed: [row for row in rows if row[1] <= self.tonight] for feed, rows in self.feeds.items()}
        self._change_before_tonight()
        self._go_on()

    def _moment(self, day: int) -> str:
        second = self.draw.randrange(86_400) - UTC_OFFSET * 3_600
        moment = np.datetime64(FIRST_DAY, "s") + np.timedelta64(day * 86_400 + second, "s")
        return f"{moment}Z"

    def _write(self, feed: str, company: int, day: int, row: Row, *, keep: bool = False, changed: bool = False) -> None:
        if not keep:
            says = self.dates[company] == "always" or (self.dates[company] == "changed" and changed)
            row = {**row, "updated_at": self._moment(day) if says else None}
        self.feeds.setdefault(feed, []).append((company, day, row))

    def _later(self) -> int:
        return self.draw.randint(self.tonight + 1, self.last)

    def _enrich(self) -> None:
        """Give the companies what they lack: addresses, tickets, campaigns, consents, points, products, contacts."""
        draw = self.draw
        for company, _, row in self.feeds["customers"]:
            name = row["source_customer_id"]
            if draw.random() < 0.6:
                row["email"] = f"{name}@s{company:03d}.example"
            elif draw.random() < 0.1:
                row["email"] = f"c0@s{company:03d}.example"
        starts = self.drawn.records["created"]
        for record, (company, name) in enumerate(
            zip(self.drawn.records["company"].tolist(), self.drawn.records["name"].tolist(), strict=True)
        ):
            first = min(max(int(starts[record]), 0), self.tonight)
            for number in range(draw.choice([0, 0, 1, 2])):
                opened = draw.randint(first, self.tonight)
                ticket = {
                    "ticket_id": f"T{record}-{number}",
                    "source_customer_id": name,
                    "kind": draw.choice(["question", "complaint", "repair"]),
                    "topic": draw.choice(["price", "quality", None]),
                    "status": "open",
                    "opened_at": self._moment(opened),
                }
                self._write("tickets", company, opened, ticket)
                closed = opened + draw.randint(0, 40)
                if draw.random() < 0.5 and closed <= self.tonight:
                    over = ticket | {"status": "closed", "closed_at": self._moment(closed), "csat": "4"}
                    self._write("tickets", company, closed, over, changed=True)
            for number in range(draw.choice([0, 0, 1, 2])):
                self._touch(company, name, f"U{record}-{number}", draw.randint(first, self.tonight))
            if draw.random() < 0.3:
                self._consent(company, name, draw.randint(first, self.tonight))
            if draw.random() < 0.3:
                self._points(company, name, f"E{record}", draw.randint(first, self.tonight), sign=1)
            if draw.random() < 0.2:
                contact = {"contact_id": f"p{record}", "source_customer_id": name, "is_primary": "true"}
                self._write("contacts", company, first, contact)
        for company in range(COMPANIES):
            for number, ended in enumerate((self.tonight - 40, self.tonight + 10)):
                campaign = {"campaign_id": f"m{number}", "name": "letter", "kind": "mail", "currency": "CNY"}
                campaign |= {"started_on": self._day(ended - 60), "ended_on": self._day(ended), "actual_cost": "90"}
                self._write("campaigns", company, ended - 60 if number else ended, campaign)
            for number in range(4):
                product = {"product_id": f"g{number}", "name": f"thing {number}", "category": f"kind {number % 3}"}
                self._write("products", company, 0, product | {"unit_cost": f"{5 + number}.00"})
        for company, day, row in self.feeds["orders"]:
            if company % 5 and row["kind"] == "sale":
                self._write("order_lines", company, day, self._line(row, draw.randrange(4)))

    def _line(self, order: Row, product: int) -> Row:
        return {
            "order_id": order["order_id"],
            # Lines without a number belong to their document.
            "line_no": "1",
            "product_id": f"g{product}",
            "category": None,
            "quantity": "1",
            "unit_price": order["net_amount"],
            "net_amount": order["net_amount"],
        }

    def _day(self, day: int) -> str:
        return f"{FIRST_DAY + timedelta(days=day)}"

    def _touch(self, company: int, name: str, key: str, day: int) -> None:
        touch = {"touch_id": key, "campaign_id": self.draw.choice(["m0", "m1", None]), "source_customer_id": name}
        touch |= {"channel": "email", "status": self.draw.choice(["sent", "opened"]), "touched_at": self._moment(day)}
        self._write("campaign_touches", company, day, touch)

    def _consent(self, company: int, name: str, day: int) -> None:
        consent = {"source_customer_id": name, "channel": self.draw.choice(["email", "sms"]), "purpose": "marketing"}
        consent |= {"state": self.draw.choice(["in", "out"]), "at": self._moment(day)}
        self._write("consents", company, day, consent, keep=True)

    def _points(self, company: int, name: str, key: str, day: int, *, sign: int) -> None:
        entry = {"entry_id": key, "source_customer_id": name, "at": self._moment(day)}
        entry |= {"delta": str(sign * self.draw.randint(10, 200)), "reason": "order" if sign > 0 else "spent"}
        entry["expires_at"] = self._moment(day + 200) if sign > 0 else None
        self._write("points", company, day, entry)

    def _change_before_tonight(self) -> None:
        """Some rows have had another version by tonight, and not all of those say when they were changed."""
        for feed in ("orders", "tickets", "customers", "subscriptions"):
            for company, day, row in self.early[feed]:
                if day > day_of(FIRST_EXPORT) or self.draw.random() > 0.2:
                    continue
                changed = {
                    "orders": {"status": self.draw.choice(COUNTED)},
                    "tickets": {"topic": "delivery"},
                    "customers": {"country": "DE"},
                    "subscriptions": {"mrr": "55.00"},
                }[feed]
                on = self.draw.randint(day_of(FIRST_EXPORT) + 1, self.tonight)
                told = {**row, **changed, "updated_at": self.draw.choice([None, self._moment(on)])}
                self._write(feed, company, on, told, keep=True)

    # ------------------------------------------------------------------------------------------ after tonight

    def _go_on(self) -> None:
        """Tell what happens after tonight."""
        early: dict[int, dict[str, list[Row]]] = {company: {} for company in range(COMPANIES)}
        for feed, rows in self.early.items():
            for company, _, row in rows:
                early[company].setdefault(feed, []).append(row)
        for company, kinds in enumerate(self.kinds):
            for kind in sorted(kinds):
                getattr(self, f"_later_{kind}")(company, early[company])

    def _some(self, rows: Iterable[Row], most: int = 3) -> list[Row]:
        rows = list(rows)
        return self.draw.sample(rows, min(len(rows), most))

    def _change(self, feed: str, company: int, row: Row, **changed: Any) -> None:
        self._write(feed, company, self._later(), {**row, **changed}, changed=True)

    def _name(self, company: int, number: int) -> str:
        return f"c{number % int((self.drawn.records['company'] == company).sum())}"

    def _any(self, company: int) -> str:
        return self._name(company, self.draw.randrange(100))

    def _later_orders(self, company: int, early: dict[str, list[Row]]) -> None:
        for number in range(4):
            day = self._later()
            name = self._any(company) if number < 3 or "customers" not in early else "new"
            order = {"order_id": f"N{company}-{number}", "source_customer_id": name, "ordered_at": self._moment(day)}
            order |= {"status": "completed", "kind": "sale", "currency": "CNY", "net_amount": "123.45"}
            self._write("orders", company, day, order)
            self._write("order_lines", company, day, self._line(order, number))
            if name == "new":
                record = {"source_customer_id": name, "created_at": self._moment(day)}
                record["email"] = f"c1@s{company:03d}.example"
                self._write("customers", company, day, record)

    def _later_refunds(self, company: int, early: dict[str, list[Row]]) -> None:
        for number, sale in enumerate(self._some(row for row in early.get("orders", ()) if row["kind"] == "sale")):
            day, amount = self._later(), sale["net_amount"] if self.draw.random() < 0.6 else "0.01"
            refund = {**sale, "order_id": f"B{company}-{number}", "original_order_id": sale["order_id"]}
            refund |= {"kind": "refund", "status": "completed", "net_amount": f"-{amount}"}
            refund["ordered_at"] = self._moment(day)
            self._write("orders", company, day, refund)

    def _later_statuses(self, company: int, early: dict[str, list[Row]]) -> None:
        for order in self._some(early.get("orders", ()), 6):
            self._change("orders", company, order, status=self.draw.choice(["cancelled", "refunded", "paid"]))

    def _later_corrections(self, company: int, early: dict[str, list[Row]]) -> None:
        for order in self._some(early.get("orders", ())):
            self._change("orders", company, order, net_amount=order["net_amount"].replace("1", "7"))
        for order in self._some(early.get("orders", ()), 2):
            self._change("orders", company, order, source_customer_id=self._any(company))
        for order in self._some(early.get("orders", ()), 2):
            self._change("orders", company, order, ordered_at=self._moment(self.tonight - self.draw.randint(0, 300)))

    def _later_merges(self, company: int, early: dict[str, list[Row]]) -> None:
        for record in self._some(early.get("customers", ()), 2):
            self._change("customers", company, record, merged_into=self._any(company), is_deleted="true")

    def _later_records(self, company: int, early: dict[str, list[Row]]) -> None:
        for record in self._some(early.get("customers", ()), 2):
            self._change("customers", company, record, email=f"c1@s{company:03d}.example", country="FR")
        for record in self._some(early.get("customers", ()), 1):
            self._change("customers", company, record, is_deleted="true")

    def _later_tickets(self, company: int, early: dict[str, list[Row]]) -> None:
        for ticket in self._some(early.get("tickets", ()), 4):
            changed = [
                {"status": "closed", "closed_at": self._moment(self._later()), "csat": "1"},
                {"status": "closed"},
                {"kind": "complaint", "topic": "warranty", "cost_amount": "70.00"},
                {"source_customer_id": self._any(company)},
            ]
            self._change("tickets", company, ticket, **self.draw.choice(changed))
        day = self._later()
        ticket = {"ticket_id": f"L{company}", "source_customer_id": self._any(company), "kind": "complaint"}
        self._write("tickets", company, day, ticket | {"status": "open", "opened_at": self._moment(day)})

    def _later_answers(self, company: int, early: dict[str, list[Row]]) -> None:
        for answer in self._some(early.get("survey_responses", ())):
            self._change("survey_responses", company, answer, score="0")

    def _later_activity(self, company: int, early: dict[str, list[Row]]) -> None:
        for row in self._some(early.get("interactions", ())):
            self._change("interactions", company, row, channel="login", quantity="9")
        for row in self._some(early.get("interactions", ()), 1):
            self._change("interactions", company, row, source_customer_id=self._any(company))

    def _later_contracts(self, company: int, early: dict[str, list[Row]]) -> None:
        for contract in self._some(early.get("subscriptions", ()), 4):
            changed = [
                {"status": "cancelled", "cancelled_on": self._day(self._later())},
                # Told afterwards: until then the contract ran.
                {"status": "cancelled", "cancelled_on": self._day(self.tonight - 5)},
                {"mrr": "77.00"},
                {"ends_on": self._day(self.tonight + 300), "status": "active"},
                {"source_customer_id": self._any(company)},
                {"status": "paused"},
            ]
            self._change("subscriptions", company, contract, **self.draw.choice(changed))

    def _later_campaigns(self, company: int, early: dict[str, list[Row]]) -> None:
        for number in range(3):
            self._touch(company, self._any(company), f"V{company}-{number}", self._later())
        for touch in self._some(early.get("campaign_touches", ()), 2):
            self._change("campaign_touches", company, touch, status="clicked", cost_amount="3.00")
        for campaign in self._some(early["campaigns"], 1):
            self._change("campaigns", company, campaign, actual_cost="250")

    def _later_consents(self, company: int, early: dict[str, list[Row]]) -> None:
        for _ in range(2):
            self._consent(company, self._any(company), self._later())

    def _later_points(self, company: int, early: dict[str, list[Row]]) -> None:
        for number in range(2):
            self._points(company, self._any(company), f"X{company}-{number}", self._later(), sign=-1)
        for entry in self._some(early.get("points", ()), 1):
            self._change("points", company, entry, delta="9999")

    def _later_products(self, company: int, early: dict[str, list[Row]]) -> None:
        for product in self._some(early["products"], 2):
            self._change("products", company, product, category="kind 0", unit_cost="1.00")

    def _later_lines(self, company: int, early: dict[str, list[Row]]) -> None:
        for line in self._some(early.get("order_lines", ())):
            self._change("order_lines", company, line, product_id="g3", cost_amount="2.00")

    def _later_contacts(self, company: int, early: dict[str, list[Row]]) -> None:
        for contact in self._some(early.get("contacts", ()), 2):
            changed = [{"left_at": self._moment(self._later())}, {"source_customer_id": self._any(company)}]
            self._change("contacts", company, contact, **self.draw.choice(changed))

    # ------------------------------------------------------------------------------------------------ delivering

    def deliver(self, con: duckdb.DuckDBPyConnection, *exports: tuple[date | None, date]) -> None:
        """Deliver what was written after one day and until another, export by export."""
        drawn = self.drawn
        feeds, days, companies = {}, {}, {}
        for feed, rows in self.feeds.items():
            names = list(dict.fromkeys(name for _, _, row in rows for name in row))
            feeds[feed] = {name: np.array([row.get(name) for _, _, row in rows], dtype=object) for name in names}
            days[feed] = np.array([day for _, day, _ in rows])
            companies[feed] = np.array([company for company, _, _ in rows])
        whole = Companies(feeds, days, companies, {}, drawn.records, drawn.sales, drawn.refunds)
        for after, until in exports:
            whole.deliver(con, after=after, until=until)
        # Some systems write the lines of a document into the file of the document, which replaces them all.
        for table, condition in (("order_lines", "true"), ("deliveries", "feed = 'order_lines'")):
            con.execute(
                f"update raw.{table} set delivery_id = replace(delivery_id, '/order_lines/', '/orders/') "
                f"where cast(substr(source, 2) as int) % 2 = 0 and {condition}"
            )
        con.execute("delete from raw.deliveries where feed = 'order_lines' and delivery_id like '%/orders/%'")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    document = Drawer(Random(0)).document
    document["business"]["model"] = "mixed"
    document["churn"]["contract"]["grace_days"] = 4
    rules = Rules.model_validate_json(json.dumps(document))
    target = tmp_path_factory.mktemp("project")
    drawn = RandomRules(rules, [], [], [], {}, {})
    return Project(drawn, DbtProcess(target, json.loads(json.dumps(dbt_vars(rules)))))


def columns_of(con: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    return [row[0] for row in con.execute(f"describe {table}").fetchall()]


@pytest.mark.slow
def test_what_is_dated_after_tonight_changes_nothing(tmp_path: Path, project: Project) -> None:
    history = History(41)
    rules = project.drawn.rules
    plan = origins_for(day_of(TONIGHT), rules.churn.horizon_days)
    days = [(TONIGHT, "tonight"), *((TONIGHT - timedelta(days=back), "training") for back in plan.days_before)]
    known = ((None, FIRST_EXPORT), (FIRST_EXPORT, TONIGHT))
    with connect() as con:
        for name, exports in (("plain", known), ("injected", (*known, (TONIGHT, LAST_DAY)))):
            (tmp_path / name).mkdir()
            with connect(prepare(tmp_path / name)) as made:
                history.deliver(made, *exports)
            build(tmp_path / name, project, days)
            con.execute(f"attach '{Home(tmp_path / name).build_file}' as {name} (read_only)")

        def ask(query: str) -> Rows:
            return con.execute(query).fetchall()

        # All of it was there to be seen.
        for feed in history.feeds:
            [(before,)], [(after,)] = (ask(f"select count(*) from {side}.raw.{feed}") for side in ("plain", "injected"))
            assert before < after, feed
        tables = {
            f"{schema}.{name}"
            for schema, name in ask(
                "select table_schema, table_name from information_schema.tables where table_catalog = 'plain' "
                "and table_schema in ('core', 'predictions', 'marts')"
            )
        }
        assert len(tables) > 100
        assert tables >= WITH_LATER_ROWS | OF_DELIVERIES
        changed = {}
        for table in sorted(tables - OF_DELIVERIES):
            gone, new = (
                ask(f"select * from {one}.{table} except all select * from {other}.{table}")
                for one, other in (("plain", "injected"), ("injected", "plain"))
            )
            if gone or (new and table not in WITH_LATER_ROWS):
                changed[table] = (len(gone), len(new), gone[:3], new[:3])
        assert changed == {}
        # What was compared is something: every company had customers, and models learned and gave reasons.
        assert len(ask("select distinct source from plain.marts.customer_identities")) == COMPANIES
        assert ask("select count(*) > 5_000 from plain.core.customer_snapshots") == [(True,)]
        assert ("model",) in ask("select distinct prediction_status from plain.predictions.churn_scores")
        assert ask("select count(*) > 100 from plain.marts.score_reasons") == [(True,)]
