"""Customers whom a source calls by e-mail address or phone are published under an id that says neither.

Two nights of one home: an export of Shopify, and beside it a shop that numbers its customers.
"""

import hashlib
import hmac
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from .crm_homes import EXPORTS, ask, put_rates, write_rules

# Whoever the export names; the last one has given neither address nor phone.
SHOPIFY = [
    *(f"{name}@example.com" for name in ("jane", "bob", "carol", "dieter", "gil")),
    "+16135550127",
    "7210448301125",
]
DESK = b"source_customer_id,name,email,created_at\nK-1,Kim,kim@example.com,2024-01-05\n"
# Carol's record at the desk is older than her first order at Shopify: it gives her its id.
DESK_LATER = b"source_customer_id,name,email,created_at\nK-0,Carol,carol@example.com,2020-01-01\n"
PERSONAL = re.compile(r"[\w.+-]+@[\w-]+\.\w|\+1\d{10}")
IDENTITIES = "select source_customer_id, customer_id from marts.customer_identities where source = ?"


@dataclass(frozen=True)
class TwoNights:
    """A home after its second night, and what customers were called after the first."""

    home: Path
    first: dict[str, str]


def customer_id(own_id: str) -> str:
    """The id of a customer whose oldest record is one of Shopify's."""
    return hashlib.sha256(f"shopify|shopify|{own_id}".encode()).hexdigest()[:16]


def text_of(con: duckdb.DuckDBPyConnection, relation: str) -> set[str]:
    """Every different value of a relation, as text."""
    columns = [row[0] for row in con.execute(f"describe from {relation}").fetchall()]
    listed = ", ".join(f'cast("{column}" as varchar)' for column in columns)
    rows = con.execute(f"select distinct unnest([{listed}]) from {relation}").fetchall()
    return {value for (value,) in rows if value is not None}


@pytest.fixture(scope="module")
def two_nights(
    tmp_path_factory: pytest.TempPathFactory, night: Callable[..., Any], deliver: Callable[..., Path]
) -> TwoNights:
    home = tmp_path_factory.mktemp("published") / "home"
    rules = write_rules(home, "USD")
    EXPORTS["shopify"].land_in(home)
    put_rates(home, ["EUR"])
    deliver(home, "source.yml", b"system: generic\n", "desk")
    deliver(home, "customers_2025-01-01.csv", DESK, "desk")
    outcome = night(home, "2025-04-01", config=rules)
    assert outcome.kind == "published", outcome.reasons
    first = dict(ask(home, IDENTITIES, "shopify"))
    deliver(home, "customers_2025-02-01.csv", DESK_LATER, "desk")
    outcome = night(home, "2025-04-02", config=rules)
    assert outcome.kind == "published", outcome.reasons
    return TwoNights(home, first)


def test_an_address_or_phone_is_published_by_its_hmac_under_the_key_of_the_home(two_nights: TwoNights) -> None:
    file = two_nights.home / "history" / "identifier.key"
    key = bytes.fromhex(file.read_text(encoding="ascii").strip())
    expected = {
        hmac.new(key, own_id.encode(), hashlib.sha256).hexdigest()[:32]: customer_id(own_id) for own_id in SHOPIFY
    }
    assert len(key) == 32
    assert two_nights.first == expected


def test_ids_that_are_numbers_are_published_as_they_are(two_nights: TwoNights) -> None:
    assert {row[0] for row in ask(two_nights.home, IDENTITIES, "desk")} == {"K-0", "K-1"}


def test_the_next_night_gives_the_same_ids(two_nights: TwoNights) -> None:
    assert {row[0] for row in ask(two_nights.home, IDENTITIES, "shopify")} == two_nights.first.keys()


def test_a_customer_who_gets_another_id_is_recognised_by_the_published_one(two_nights: TwoNights) -> None:
    found = ask(two_nights.home, "select old_customer_id, customer_id from marts.customer_id_history")
    assert found == [(customer_id("carol@example.com"), hashlib.sha256(b"generic|desk|K-0").hexdigest()[:16])]


def test_nothing_that_is_published_says_an_address_or_a_phone(two_nights: TwoNights) -> None:
    release = two_nights.home / "current"
    open_files = [path for path in release.rglob("*") if path.is_file() and "restricted" not in path.parts]
    seen = {path.read_text(encoding="utf-8") for path in open_files if path.suffix not in {".parquet", ".duckdb"}}
    with duckdb.connect(str(release / "warehouse.duckdb"), read_only=True) as con:
        tables = con.execute("select table_name from duckdb_tables() where schema_name = 'marts'").fetchall()
        relations = [f"marts.{table}" for (table,) in tables]
        relations += [f"read_parquet('{file}')" for file in open_files if file.suffix == ".parquet"]
        assert len(relations) > 30
        for relation in relations:
            seen |= text_of(con, relation)
    assert len(seen) > 100
    assert [PERSONAL.findall(text) for text in seen if PERSONAL.search(text)] == []


def test_those_who_work_with_persons_see_the_id_of_the_source(two_nights: TwoNights) -> None:
    with duckdb.connect() as con:
        contacts = text_of(con, f"read_parquet('{two_nights.home / 'current' / 'restricted' / 'contacts.parquet'}')")
    assert {"jane@example.com", "+16135550127"} <= {text for text in contacts if PERSONAL.search(text)}


def test_the_key_is_its_owners_alone_and_leaves_the_home_with_no_release(two_nights: TwoNights) -> None:
    file = two_nights.home / "history" / "identifier.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    digits = file.read_bytes().strip()
    for place in ("releases", "dagster", "build/dbt"):
        files = [path for path in (two_nights.home / place).rglob("*") if path.is_file()]
        assert files, place
        for path in files:
            content = path.read_bytes()
            assert digits not in content, path
            assert bytes.fromhex(digits.decode()) not in content, path
