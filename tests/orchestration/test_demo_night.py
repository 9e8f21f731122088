"""A night on the demo: what was spoilt is rejected, every record is accounted for, and the revenue is what was sold."""

import csv
from collections import Counter
from pathlib import Path

import duckdb
import pytest

from demo import write_demo
from demo.company import simulate

pytestmark = pytest.mark.slow

CUSTOMERS, SEED = 1_000, 7
RULES = Path(__file__).resolve().parents[2] / "config" / "business.yml"
REPEATED = {"dup_exact", "dup_key"}
UNCOUNTED = {"ignored", "soft_deleted", "excluded_status"}


@pytest.fixture(scope="module")
def home(tmp_path_factory, night):
    folder = tmp_path_factory.mktemp("demo")
    with duckdb.connect() as con:
        write_demo(con, folder, customers=CUSTOMERS, seed=SEED)
    outcome = night(folder, "latest", config=RULES)
    assert outcome.kind == "published", outcome.reasons
    return folder


@pytest.fixture(scope="module")
def bad_rows(home):
    with home.joinpath("truth", "bad_rows.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def ask(home, query):
    with duckdb.connect(str(home / "current" / "warehouse.duckdb"), read_only=True) as con:
        return con.execute(query).fetchall()


def test_the_demo_ends_on_its_last_day(home):
    assert [str(day) for (day,) in ask(home, "select as_of from marts.release")] == ["2025-12-31"]


def test_exactly_the_spoilt_records_are_rejected(home, bad_rows):
    expected = Counter(
        (row["source"], row["file"], int(row["record_no"]), row["code"])
        for row in bad_rows
        if row["code"] not in REPEATED | UNCOUNTED
    )
    found = Counter(ask(home, "select source, file, record_no, code from marts.rejected_records"))
    assert (sorted(found - expected), sorted(expected - found)) == ([], [])
    assert {code for *_, code in expected} >= {"orphan_customer", "missing_id", "id_mangled", "bad_score"}


def test_every_record_of_every_file_is_accounted_for(home, bad_rows):
    repeated, uncounted, rejected = (
        Counter((row["source"], row["file"]) for row in bad_rows if is_so(row["code"]))
        for is_so in (
            REPEATED.__contains__,
            UNCOUNTED.__contains__,
            lambda code: code not in REPEATED | UNCOUNTED,
        )
    )
    found = ask(home, "select source, file, records, loaded, duplicates, excluded, rejected from marts.deliveries")
    wrong = {}
    for source, file, records, *counts in found:
        name = source, file
        expected = [repeated[name], uncounted[name], rejected[name]]
        expected.insert(0, records - sum(expected))
        if counts != expected:
            wrong[name] = (counts, expected)
    assert wrong == {}


def test_the_revenue_of_every_source_is_what_was_sold(home):
    with duckdb.connect() as con:
        simulate(con, customers=CUSTOMERS, seed=SEED)
        sold = con.execute(
            "select system, currency, sum(net_amount) from company.orders "
            "where status in ('completed', 'paid', 'shipped') group by all order by all"
        ).fetchall()
    found = ask(
        home,
        "select source, currency, cast(sum(net_amount_orig) as decimal(18, 2)) from marts.orders "
        "where is_valid group by all order by all",
    )
    assert found == sold


def test_whom_a_phone_or_an_address_joins_is_one_customer(home):
    """Nobody but those who share a value with somebody else is joined to a stranger."""
    with duckdb.connect() as con:
        # A release does not show the ids of the shop: they are e-mail addresses.
        con.execute(f"attach '{home / 'build' / 'warehouse.duckdb'}' as built (read_only)")
        simulate(con, customers=CUSTOMERS, seed=SEED)
        strangers = con.execute(
            f"""
            with people as (from read_csv('{home / "truth" / "people.csv"}', all_varchar = true)),
            sharing as (select distinct cast(person_no as varchar) as person from company.shared_contacts),
            joined as (
                select identities.customer_id, people.person
                from built.core.source_customers as identities
                join people using (source, source_customer_id)
                where people.person not in (select person from sharing)
            )
            select customer_id from joined group by customer_id having count(distinct person) > 1
            """
        ).fetchall()
    assert strangers == []
