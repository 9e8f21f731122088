"""Thirty nights of a shop whose records come, are joined, parted and deleted: an id is never somebody else's.

The tables are those of the project, compiled by dbt once and run by DuckDB night after night, with the step between
them that follows pairs to their end. All that happens is drawn with a fixed seed.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from assets.identity import find_people
from assets.raw import IDENTITY_DECISIONS, IDENTITY_STATE
from tests.dbt.conftest import prepare, run_dbt, target_of
from warehouse.build import replace_table
from warehouse.connection import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

pytestmark = pytest.mark.slow

NIGHTS, PEOPLE, FIRST_DAY = 30, 40, date(2024, 3, 1)
SOURCES = ("shop", "crm", "desk")
MARTS = ("customer_identities", "customer_id_history", "identity_conflicts")
TESTS = ("records_of_one_person_are_one_customer", "decisions_of_people_hold")

Key = tuple[str, str]


def id_of(key: Key) -> str:
    """What a customer is called whose oldest record this is."""
    return hashlib.sha256(f"generic|{key[0]}|{key[1]}".encode()).hexdigest()[:16]


@dataclass
class Record:
    """A customer's record as its source exports it."""

    created_on: date
    email: str
    phone: str
    merged_into: str | None = None
    is_deleted: bool = False


@dataclass
class Shop:
    """What happens in the sources, night by night."""

    draw: random.Random = field(default_factory=lambda: random.Random(7))
    records: dict[Key, Record] = field(default_factory=dict)
    decisions: list[tuple[str, Key, Key, date]] = field(default_factory=list)
    changed: set[Key] = field(default_factory=set)
    events: Counter[str] = field(default_factory=Counter)

    def pick(self) -> Key | None:
        living = sorted(key for key, record in self.records.items() if not record.is_deleted)
        return self.draw.choice(living) if living else None

    def day(self, today: date) -> None:
        """One day of a dozen events."""
        self.changed = set()
        for _ in range(12):
            weights = {"come": 5, "share": 3, "part": 2, "delete": 1, "merge": 1, "decide": 2, "undecide": 1}
            [event] = self.draw.choices(list(weights), list(weights.values()))
            if getattr(self, event)(today):
                self.events[event] += 1

    def come(self, today: date) -> bool:
        key = self.draw.choice(SOURCES), f"{len(self.records)}"
        # Some are found late: they are older than those who gave others their id.
        created_on = today if self.draw.random() < 0.7 else FIRST_DAY - timedelta(days=self.draw.randrange(500))
        person = self.draw.randrange(PEOPLE)
        email = f"p{person}@example.com" if self.draw.random() < 0.5 else f"own{key[1]}@example.com"
        self.records[key] = Record(created_on, email, f"+4479460{len(self.records):05d}")
        self.changed.add(key)
        return True

    def share(self, today: date) -> bool:
        one, other = self.pick(), self.pick()
        if one is None or other is None or one == other:
            return False
        self.records[one].phone = self.records[other].phone
        self.changed.add(one)
        return True

    def part(self, today: date) -> bool:
        key = self.pick()
        if key is None:
            return False
        self.records[key].email, self.records[key].phone = f"new{today}{key[1]}@example.com", f"+4479461{key[1]:0>5}"
        self.changed.add(key)
        return True

    def delete(self, today: date) -> bool:
        key = self.pick()
        if key is None:
            return False
        self.records[key].is_deleted = True
        self.changed.add(key)
        return True

    def merge(self, today: date) -> bool:
        one = self.pick()
        others = sorted(k for k, r in self.records.items() if one and k[0] == one[0] and k != one and not r.is_deleted)
        if one is None or not others:
            return False
        record = self.records[one]
        record.is_deleted, record.merged_into = True, self.draw.choice(others)[1]
        self.changed.add(one)
        return True

    def decide(self, today: date) -> bool:
        one, other = self.pick(), self.pick()
        # A record is named by one decision at a time, so that none contradicts another.
        taken = {key for _, first, second, _ in self.decisions for key in (first, second)}
        if one is None or other is None or one == other or {one, other} & taken:
            return False
        self.decisions.append((self.draw.choice(["merge", "split"]), one, other, today))
        return True

    def undecide(self, today: date) -> bool:
        if self.decisions:
            self.decisions.pop(self.draw.randrange(len(self.decisions)))
        return bool(self.decisions)


@dataclass(frozen=True)
class Tables:
    """The build file of the shop, and the SQL of its tables in the order in which they rest on each other."""

    file: Path
    before_identity: list[str]
    after_identity: list[str]
    tests: dict[str, str]

    def night(self, con: duckdb.DuckDBPyConnection, shop: Shop, today: date) -> None:
        """Deliver what has changed, and build everything that says who is who."""
        night = datetime(today.year, today.month, today.day, 20, tzinfo=UTC).isoformat().replace("+00:00", "Z")
        for source in SOURCES:
            rows = sorted(key for key in shop.changed if key[0] == source)
            trace = {"source_system": "generic", "source": source, "delivery_id": f"{source} {today}"}
            delivery = {"file": "customers.csv", "feed": "customers", "received_at": night, "currency": "GBP"}
            counts = {"records": f"{len(rows)}", "ignored": "0", "rejected": "0"}
            insert(con, "deliveries", trace | delivery | counts)
            for number, key in enumerate(rows, start=1):
                record = shop.records[key]
                said = {"source_customer_id": key[1], "email": record.email, "phone": record.phone, "updated_at": night}
                said |= {"created_at": f"{record.created_on}T09:00:00Z", "merged_into": record.merged_into}
                said |= {"is_deleted": f"{record.is_deleted}".lower(), "record_no": number}
                insert(con, "customers", trace | said)
        replace_table(con, "run", "as_of_dates", {"as_of": "date", "purpose": "varchar"}, [(today, "tonight")])
        lines = [
            (line, action, *one, *other, decided_on)
            for line, (action, one, other, decided_on) in enumerate(shop.decisions, start=2)
        ]
        replace_table(con, "run", "identity_decisions", IDENTITY_DECISIONS, lines)
        for statement in self.before_identity:
            con.execute(statement)
        # Five shared phones in a row are nobody's.
        find_people(con, max_records=6)
        for statement in self.after_identity:
            con.execute(statement)

    def carry_over(self, con: duckdb.DuckDBPyConnection) -> None:
        """Make tonight's ids those that the next night goes on from."""
        for table, columns in IDENTITY_STATE.items():
            con.execute(
                f"create or replace table run.previous_{table} as select {', '.join(columns)} from marts.{table}"
            )


def insert(con: duckdb.DuckDBPyConnection, table: str, row: dict[str, object]) -> None:
    con.execute(f"insert into raw.{table} ({', '.join(row)}) values ({', '.join('?' for _ in row)})", [*row.values()])


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    home = tmp_path_factory.mktemp("thirty nights")
    file = prepare(home)
    selected = [f"+{name}" for name in MARTS] + [*TESTS]
    _, output = run_dbt(home, "compile", "--select", *selected)
    manifest = json.loads((target_of(home) / "manifest.json").read_text(encoding="utf-8"))
    nodes = {name: node for name, node in manifest["nodes"].items() if node["resource_type"] == "model"}

    def with_ancestors(name: str) -> Iterator[str]:
        for parent in nodes[name]["depends_on"]["nodes"]:
            if parent in nodes:
                yield from with_ancestors(parent)
        yield name

    ordered = list(dict.fromkeys(each for name in MARTS for each in with_ancestors(f"model.keeprate.{name}")))
    statements = {
        name: f"create or replace {node['config']['materialized']} {node['schema']}.{node['name']} as\n"
        + node["compiled_code"]
        for name, node in ((name, nodes[name]) for name in ordered)
    }
    with connect(file) as con:
        for schema in {nodes[name]["schema"] for name in ordered}:
            con.execute(f"create schema if not exists {schema}")
    before = [name for name in ordered if "before_identity" in nodes[name]["tags"]]
    tests = {name: manifest["nodes"][f"test.keeprate.{name}"]["compiled_code"] for name in TESTS}
    assert len(before) > 8, output
    return Tables(
        file,
        [statements[name] for name in before],
        [statements[name] for name in ordered if name not in before],
        tests,
    )


def test_no_id_is_anybody_elses_and_every_retired_id_resolves(tables: Tables) -> None:
    shop = Shop()
    ever: set[str] = set()
    before: dict[str, set[Key]] = {}
    seen: Counter[str] = Counter()
    with connect(tables.file) as con:
        for number in range(NIGHTS):
            today = FIRST_DAY + timedelta(days=number)
            shop.day(today)
            tables.night(con, shop, today)
            for name, query in tables.tests.items():
                assert con.execute(query).fetchall() == [], (name, today)

            now: dict[str, set[Key]] = {}
            for source, key, customer in con.execute(
                "select source, source_customer_id, customer_id from marts.customer_identities"
            ).fetchall():
                now.setdefault(customer, set()).add((source, key))
            history = dict(con.execute("select old_customer_id, customer_id from marts.customer_id_history").fetchall())
            own = {record: customer for customer, records in now.items() for record in records}

            # An id is that of one record, and whoever has the id has the record.
            assert all(customer in map(id_of, records) for customer, records in now.items())
            # Nothing that was ever published is unknown, and nothing is both.
            assert ever <= now.keys() | history.keys()
            assert not now.keys() & history.keys()
            assert set(history.values()) <= now.keys() | {None}
            # An id that is retired tonight leads to a customer who has one of its records, unless all of them are gone.
            for customer in before.keys() - now.keys():
                successors = {own[record] for record in before[customer] if record in own}
                assert history[customer] in (successors or {None})
                seen["joined" if successors else "gone"] += 1
            seen["returned"] += len((ever & now.keys()) - before.keys())
            seen["conflicts"] += len(con.execute("from marts.identity_conflicts").fetchall())
            for customer, records in before.items():
                seen["parted"] += customer in now and bool(
                    {own[record] for record in records if record in own} - {customer}
                )
            ever |= now.keys()
            before = now
            tables.carry_over(con)
        rules = {
            rule for (rule,) in con.execute("select distinct match_rule from marts.customer_identities").fetchall()
        }
    # Nothing of this is so because nothing happens.
    assert len(ever) > 60
    assert min(seen[what] for what in ("joined", "gone", "returned", "parted", "conflicts")) >= 3, seen
    assert min(shop.events[what] for what in ("share", "part", "delete", "merge", "decide", "undecide")) >= 10, (
        shop.events
    )
    assert rules >= {"own_record", "merged_into", "manual", "email", "phone"}
