"""A shop whose past keeps changing: what its systems deliver night after night, drawn from a seed.

Three systems write canonical files. The shop says when it changed a row, and delivers what is new or changed; the desk
says nothing of the kind; the CRM delivers all it has, and whatever is missing is deleted. Every night brings new rows,
rows of long ago, rows of the days to come, and rows that were delivered before and now say something else: other
amounts, statuses, customers, days; records that are deleted, merged, or get somebody's e-mail address; refunds of old
sales; rates and costs that are corrected.
"""

import csv
import random
from datetime import date, datetime, time, timedelta
from pathlib import Path

BEGIN = date(2024, 1, 1)
STATUSES = ("paid", "shipped", "completed", "completed", "completed", "cancelled", "draft")
CATEGORIES = ("tea", "cups", "books", "")
CURRENCIES = ("CNY", "CNY", "CNY", "USD", "EUR")


class ChangingShop:
    """The systems and what they hold.

    Parameters
    ----------
    landing : Path
        Where their files go.
    seed : int
        What is drawn.
    customers : int
        How many customers the first night brings.
    """

    def __init__(self, landing: Path, seed: int, customers: int = 150) -> None:
        self.landing = landing
        self.draw = random.Random(seed)
        self.rows: dict[tuple[str, str], dict[str, dict[str, object]]] = {}
        self.lines: dict[str, list[dict[str, object]]] = {}
        self.counts: dict[str, int] = {}
        self.size = customers
        for source in ("shop", "desk", "crm"):
            (landing / source).mkdir(parents=True)
            settings = "system: generic\ncurrency: CNY\ndefault_country: CN\n"
            (landing / source / "source.yml").write_text(settings + "deliveries: full\n" * (source == "crm"))
        self.out: dict[tuple[str, str], list[dict[str, object]]] = {}

    def first_day(self, today: date) -> None:
        """Half a year, all at once."""
        self.today, self.before = today, BEGIN
        for number in range(12):
            self._put(
                "shop",
                "products",
                {
                    "product_id": f"P{number}",
                    "category": CATEGORIES[number % 4],
                    "name": f"Article {number}",
                    "unit_cost": 5 + number if number % 3 else None,
                },
            )
        for month in range(1, 7):
            for currency, rate in (("USD", "7.10"), ("EUR", "7.80")):
                self._tell("shop", "fx_rates", {"currency": currency, "on": date(2024, month, 1), "rate": rate})
        for number in range(3):
            self._put("shop", "campaigns", self._campaign(number))
        for _ in range(self.size):
            self._new_customer()
        for number in range(self.size // 6):
            day = self._some_day(BEGIN, today)
            row: dict[str, object] = {
                "source_customer_id": f"A{number}",
                "name": "Account",
                "country": "CN",
                "created_at": self._at(day),
            }
            self._put("crm", "customers", row | {"email": self._address_of_another({"email": ""})})
            sale: dict[str, object] = {
                "order_id": f"D{number}",
                "source_customer_id": f"A{number}",
                "ordered_at": self._at(day),
            }
            self._put("crm", "orders", sale | {"net_amount": f"{self.draw.uniform(50, 900):.2f}"})
        for _ in range(self.size * 5):
            self._new_order(self._some_day(BEGIN, today))
        for _ in range(self.size * 2):
            self._something_else(self._some_day(BEGIN, today))
        self._write()

    def next_day(self, today: date) -> None:
        """What the days since the last delivery bring, and what they change of the past."""
        self.before, self.today = self.today, today
        draw = self.draw
        for _ in range(6):
            self._new_customer()
        for _ in range(6):
            self._change_customer()
        for _ in range(25):
            self._new_order(self._some_day(self.before, today))
        for _ in range(4):
            self._new_order(self._some_day(BEGIN, self.before))
        for _ in range(2):
            self._new_order(self._some_day(today, today + timedelta(days=5)))
        for _ in range(8):
            self._change_order()
        for _ in range(4):
            self._refund()
        for _ in range(20):
            self._something_else(
                self._some_day(self.before, today) if draw.random() < 0.7 else self._some_day(BEGIN, today)
            )
        for _ in range(4):
            self._change_something_else()
        if draw.random() < 0.6:
            number = draw.randrange(12)
            self._put(
                "shop",
                "products",
                {
                    "product_id": f"P{number}",
                    "category": CATEGORIES[number % 4],
                    "name": f"Article {number}",
                    "unit_cost": draw.randint(4, 20),
                },
            )
        if draw.random() < 0.5:
            self._tell("shop", "fx_rates", {"currency": "USD", "on": today, "rate": f"7.{draw.randint(10, 30)}"})
        if draw.random() < 0.3:
            self._tell("shop", "fx_rates", {"currency": "EUR", "on": date(2024, draw.randint(1, 6), 1), "rate": "7.90"})
        if draw.random() < 0.4:
            self._put("shop", "campaigns", self._campaign(draw.randrange(3)))
        if draw.random() < 0.6:
            self._deliver_all_of_the_crm()
        self._write()
        if draw.random() < 0.4:
            self._deliver_again()

    # What is drawn

    def _some_day(self, first: date, last: date) -> date:
        return first + timedelta(days=self.draw.randint(0, max((last - first).days, 0)))

    def _at(self, day: date) -> str:
        return datetime.combine(day, time(self.draw.randrange(24), self.draw.randrange(60))).isoformat()

    def _next(self, what: str) -> str:
        self.counts[what] = self.counts.get(what, 0) + 1
        return f"{what}{self.counts[what]}"

    def _updated(self) -> str:
        return self._at(self.today) if self.draw.random() < 0.8 else ""

    def _some(self, source: str, feed: str) -> dict[str, object] | None:
        known = self.rows.get((source, feed))
        return dict(self.draw.choice(list(known.values()))) if known else None

    def _customer_of(self, source: str) -> object:
        """Mostly a customer; a contact or lead of theirs, somebody who was never delivered, or nobody."""
        dice = self.draw.random()
        if dice < 0.03:
            return ""
        if dice < 0.05:
            return f"X{self.draw.randrange(5)}"
        if source == "desk" and dice < 0.15 and (person := self._some("desk", self.draw.choice(["contacts", "leads"]))):
            return next(iter(person.values()))
        found = self._some(source, "customers")
        return found["source_customer_id"] if found else ""

    def _new_customer(self) -> None:
        draw, source = self.draw, self.draw.choice(["shop", "shop", "desk"])
        day = self._some_day(BEGIN, self.today)
        number = self._next("C")
        row: dict[str, object] = {
            "source_customer_id": number,
            "name": f"Name {number}",
            "email": f"{number.lower()}@mail.test.cn",
            "phone": "",
            "country": draw.choice(["CN", "DE", "US", ""]),
            "city": draw.choice(["Bonn", "Xi'an", ""]),
            "acquisition_channel": draw.choice(["ads", "shop", ""]),
            "membership_level": draw.choice(["gold", "silver", ""]),
            "referrer_id": "",
            "created_at": self._at(day) if draw.random() < 0.9 else "",
            "updated_at": self._at(day) if source == "shop" and draw.random() < 0.8 else "",
            "is_deleted": "",
            "merged_into": "",
        }
        if draw.random() < 0.3:
            row["email"] = self._address_of_another(row)
        if draw.random() < 0.3:
            row["phone"] = f"138{draw.randrange(60):08d}"
        if draw.random() < 0.1 and (other := self._some(source, "customers")):
            row["referrer_id"] = other["source_customer_id"]
        self._put(source, "customers", row)
        if source == "desk" and draw.random() < 0.3:
            person = self._next("K")
            self._put(
                "desk",
                "contacts",
                {
                    "contact_id": person,
                    "source_customer_id": number,
                    "name": person,
                    "is_primary": "true",
                    "left_at": "",
                },
            )
        if source == "desk" and draw.random() < 0.2:
            self._put(
                "desk",
                "leads",
                {
                    "lead_id": self._next("L"),
                    "name": "Lead",
                    "status": "new",
                    "converted_customer_id": draw.choice([number, ""]),
                },
            )

    def _address_of_another(self, row: dict[str, object]) -> object:
        other = self._some(self.draw.choice(["shop", "desk"]), "customers")
        return other["email"] if other else row["email"]

    def _change_customer(self) -> None:
        draw, source = self.draw, self.draw.choice(["shop", "desk"])
        if (row := self._some(source, "customers")) is None:
            return
        change = draw.randrange(5)
        if change == 0:
            row["email"] = self._address_of_another(row)
        elif change == 1:
            row["is_deleted"] = "true" if draw.random() < 0.6 else ""
        elif change == 2 and (other := self._some(source, "customers")):
            row["merged_into"], row["is_deleted"] = other["source_customer_id"], "true"
        elif change == 3:
            row["country"], row["phone"] = draw.choice(["FR", "JP"]), f"138{draw.randrange(60):08d}"
        else:
            row["created_at"] = self._at(self._some_day(BEGIN, self.today))
        row["updated_at"] = self._updated() if source == "shop" else ""
        self._put(source, "customers", row)
        if source == "desk" and draw.random() < 0.5 and (person := self._some("desk", "contacts")):
            person["source_customer_id"] = row["source_customer_id"]
            self._put("desk", "contacts", person)

    def _new_order(self, day: date) -> None:
        draw, source = self.draw, self.draw.choice(["shop", "shop", "desk"])
        number = self._next("O")
        order: dict[str, object] = {
            "order_id": number,
            "source_customer_id": self._customer_of(source),
            "ordered_at": self._at(day),
            "status": draw.choice(STATUSES),
            "kind": "sale",
            "original_order_id": "",
            "channel": draw.choice(["web", "store"]),
            "currency": draw.choice(CURRENCIES),
            "discount_amount": draw.choice(["", "1.5"]),
            "net_amount": "",
            "cost_amount": "",
            "campaign_id": draw.choice(["", "", "M1"]),
            "updated_at": self._at(day) if source == "shop" else "",
        }
        if draw.random() < 0.2:
            order["cost_amount"] = f"{draw.uniform(1, 5):.2f}"
        lines = [self._line(source, number, place) for place in range(draw.randint(1, 4))]
        worth = sum(float(str(line["unit_price"])) * int(str(line["quantity"])) for line in lines)
        order["net_amount"] = f"{worth if draw.random() < 0.6 else draw.uniform(5, 300):.2f}"
        self._put(source, "orders", order)
        self._put_lines(source, number, lines)

    def _line(self, source: str, order: str, place: int) -> dict[str, object]:
        draw = self.draw
        product = draw.randrange(14)
        return {
            "order_id": order,
            "line_no": place + 1 if source == "shop" else "",
            "product_id": f"P{product}",
            "description": f"Article {product}",
            "category": CATEGORIES[product % 4] if draw.random() < 0.5 else "",
            "quantity": draw.randint(1, 5),
            "unit_price": f"{draw.uniform(2, 40):.2f}",
            "net_amount": "",
            "cost_amount": f"{draw.uniform(1, 9):.2f}" if draw.random() < 0.3 else "",
            "updated_at": self._updated() if source == "shop" else "",
            "is_deleted": "",
        }

    def _put_lines(self, source: str, order: str, lines: list[dict[str, object]]) -> None:
        self.lines[order] = lines
        for line in lines:
            self._tell(source, "order_lines", line)

    def _change_order(self) -> None:
        draw, source = self.draw, self.draw.choice(["shop", "shop", "desk"])
        if (order := self._some(source, "orders")) is None:
            return
        change = draw.randrange(5)
        if change == 0:
            order["status"] = draw.choice(STATUSES)
        elif change == 1:
            order["source_customer_id"] = self._customer_of(source)
        elif change == 2:
            order["ordered_at"] = self._at(self._some_day(BEGIN, self.today))
        elif change == 3 and order["kind"] == "sale":
            order["net_amount"] = f"{draw.uniform(5, 300):.2f}"
        number = str(order["order_id"])
        order["updated_at"] = self._updated() if source == "shop" else ""
        self._put(source, "orders", order)
        if change == 4 and self.lines.get(number):
            lines = self.lines[number]
            if source == "shop":
                one = dict(draw.choice(lines)) | {"updated_at": self._updated()}
                one |= draw.choice([{"quantity": draw.randint(1, 9)}, {"is_deleted": "true"}, {"product_id": "P3"}])
                self._tell(source, "order_lines", one)
            else:
                self._put_lines(source, number, [*lines[1:], self._line(source, number, 7)])

    def _refund(self) -> None:
        source = self.draw.choice(["shop", "desk"])
        sale = self._some(source, "orders")
        if sale is None or sale["kind"] != "sale":
            return
        amount = (
            sale["net_amount"] if sale["net_amount"] and self.draw.random() < 0.5 else f"{self.draw.uniform(1, 60):.2f}"
        )
        number = self._next("R")
        self._put(
            source,
            "orders",
            {
                **sale,
                "order_id": number,
                "kind": "refund",
                "original_order_id": sale["order_id"],
                "status": "completed",
                "ordered_at": self._at(self._some_day(self.before, self.today)),
                "net_amount": f"-{amount}",
                "cost_amount": "",
                "updated_at": self._updated() if source == "shop" else "",
            },
        )

    def _campaign(self, number: int) -> dict[str, object]:
        return {
            "campaign_id": f"M{number}",
            "name": f"Campaign {number}",
            "kind": ("email", "event", "sms")[number],
            "started_on": BEGIN + timedelta(days=30 * number),
            "ended_on": BEGIN + timedelta(days=30 * number + 60),
            "actual_cost": self.draw.randint(50, 400),
            "currency": ("CNY", "USD", "CNY")[number],
        }

    def _something_else(self, day: date) -> None:
        draw = self.draw
        source = draw.choice(["shop", "desk"])
        who, at = self._customer_of(source), self._at(day)
        feed = draw.choice(
            [
                "payments",
                "interactions",
                "tickets",
                "survey_responses",
                "campaign_touches",
                "consents",
                "points",
                "subscriptions",
                "referrals",
            ]
        )
        made: dict[str, dict[str, object]] = {
            "payments": {
                "payment_id": "",
                "source_customer_id": who,
                "paid_at": at,
                "kind": "payment",
                "amount": "12.50",
            },
            "interactions": {
                "interaction_id": "",
                "source_customer_id": who,
                "occurred_at": at,
                "channel": draw.choice(["login", "call", "email", "usage"]),
                "direction": draw.choice(["in", "out"]),
                "feature": draw.choice(["a", "b", ""]),
            },
            "tickets": {
                "ticket_id": "",
                "source_customer_id": who,
                "opened_at": at,
                "kind": draw.choice(["complaint", "question"]),
                "topic": draw.choice(["late", "broken"]),
                "status": "open",
                "closed_at": "",
                "csat": draw.choice(["", "2", "5"]),
                "cost_amount": draw.choice(["", "8"]),
            },
            "survey_responses": {
                "response_id": "",
                "source_customer_id": who,
                "survey": draw.choice(["nps", "csat"]),
                "score": draw.randint(1, 5),
                "scale_max": 5,
                "responded_at": at,
            },
            "campaign_touches": {
                "touch_id": "",
                "campaign_id": f"M{draw.randrange(3)}",
                "source_customer_id": who,
                "touched_at": at,
                "channel": draw.choice(["email", "sms"]),
                "status": "sent",
                "cost_amount": draw.choice(["", "0.5"]),
            },
            "consents": {
                "source_customer_id": who,
                "channel": draw.choice(["email", "sms"]),
                "purpose": "news",
                "at": at,
                "state": draw.choice(["in", "out"]),
            },
            "points": {
                "entry_id": "",
                "source_customer_id": who,
                "at": at,
                "delta": draw.choice([10, 20, -5]),
                "reason": "order",
                "expires_at": "",
            },
            "subscriptions": {
                "contract_id": "",
                "source_customer_id": who,
                "started_on": day,
                "ends_on": day + timedelta(days=90),
                "renewal_due_on": day + timedelta(days=80),
                "mrr": draw.randint(5, 50),
                "status": "active",
                "cancelled_on": "",
            },
            "referrals": {
                "referral_id": "",
                "referrer_id": who,
                "referred_id": self._customer_of(source),
                "at": at,
                "status": "done",
            },
        }
        row = made[feed]
        if feed == "consents":
            self._tell(source, feed, row)
        else:
            row[next(iter(row))] = self._next(feed[0].upper() + feed[1])
            self._put(source, feed, row)

    def _change_something_else(self) -> None:
        draw = self.draw
        source, feed = (
            draw.choice(["shop", "desk"]),
            draw.choice(["tickets", "interactions", "payments", "points", "campaign_touches"]),
        )
        if (row := self._some(source, feed)) is None:
            return
        row["source_customer_id"] = self._customer_of(source)
        if feed == "tickets":
            row["closed_at"], row["status"] = self._at(self.today), "closed"
        self._put(source, feed, row)

    # What is delivered

    def _put(self, source: str, feed: str, row: dict[str, object]) -> None:
        """Deliver a row that may be changed later; its first column names it."""
        self.rows.setdefault((source, feed), {})[str(next(iter(row.values())))] = dict(row)
        self._tell(source, feed, row)

    def _tell(self, source: str, feed: str, row: dict[str, object]) -> None:
        self.out.setdefault((source, feed), []).append(dict(row))

    def _write(self) -> None:
        for (source, feed), rows in self.out.items():
            self._file(source, feed, rows, "")
        self.out = {}

    def _file(self, source: str, feed: str, rows: list[dict[str, object]], suffix: str) -> None:
        path = self.landing / source / f"{feed}{suffix}_{self.today.isoformat()}.csv"
        with path.open("w", encoding="utf-8", newline="") as text:
            writer = csv.DictWriter(text, list(rows[0]))
            writer.writeheader()
            writer.writerows({key: "" if value is None else value for key, value in row.items()} for row in rows)

    def _deliver_again(self) -> None:
        """What was delivered long ago comes once more, as the last word."""
        old = self.draw.choice(sorted(self.landing.glob("shop/orders_*.csv"))[:-1] or [None])
        if old is not None:
            (self.landing / "shop" / f"orders-again_{self.today.isoformat()}.csv").write_bytes(old.read_bytes())

    def _deliver_all_of_the_crm(self) -> None:
        """Everything the CRM has, but for a customer and an order that are gone now, and some that have changed."""
        for feed, changed in (("customers", "country"), ("orders", "net_amount")):
            rows = self.rows["crm", feed]
            del rows[self.draw.choice(list(rows))]
            for number in self.draw.sample(list(rows), 2):
                rows[number][changed] = {"country": "IT", "net_amount": "77.70"}[changed]
            for row in rows.values():
                self._tell("crm", feed, row)
