"""A night on a hand-made shop in canonical files, every figure worked out by hand.

The shop counts in CNY in Shanghai (UTC+8); the night is that of 31 March 2024. One US dollar is 7.10 from January,
7.20 from 29 February and 7.00 from 20 March; one euro is 8.00 from March. Margin is 30 per cent where no cost is known.
"""

from datetime import date, datetime
from decimal import Decimal

import duckdb
import pytest


@pytest.fixture(scope="module")
def con(generic_night):
    assert generic_night.process.returncode == 0, generic_night.process.stdout + generic_night.process.stderr
    with duckdb.connect(str(generic_night.home / "current" / "warehouse.duckdb"), read_only=True) as con:
        yield con


def orders(con, *columns: str) -> dict[str, tuple]:
    query = f"select source_order_id, {', '.join(columns)} from marts.orders"
    return {number: tuple(rest) for number, *rest in con.execute(query).fetchall()}


def test_a_night_tries_to_reach_nothing(generic_night, con):
    assert generic_night.attempts == []


def test_the_witness_would_have_seen_an_attempt(witness):
    witness.run("python", "-c", "import socket; socket.socket().connect_ex(('127.0.0.1', 9))")
    assert witness.attempts() == [["socket.connect", "('127.0.0.1', 9)"]]


def test_every_record_is_loaded_repeated_excluded_or_rejected(con):
    query = """
        select file, feed, records, documents, loaded, duplicates, excluded, rejected
        from marts.deliveries order by file
    """
    assert con.execute(query).fetchall() == [
        # Deleted: C5. The older C2 is a duplicate; a customer without a number is rejected.
        ("customers.csv", "customers", 7, None, 4, 1, 1, 1),
        ("fx_rates.csv", "fx_rates", 4, None, 4, 0, 0, 0),
        # Lines of an orphan (O6), of a cancelled order (O13) and of no document (O99) do not count.
        ("order_lines.csv", "order_lines", 9, 7, 5, 0, 3, 1),
        # O1 stands twice; the unknown status (O7), the cancelled order (O13) and the blank row do not count;
        # an orphan, a date, an amount, a missing and a mangled number are rejected.
        ("orders.csv", "orders", 19, 13, 10, 1, 3, 5),
    ]


def test_a_rejected_record_says_where_and_why_and_only_the_restricted_file_says_what(generic_night, con):
    query = "select file, record_no, code, column_name, {} from {} order by file, record_no"
    published = con.execute(query.format("source_key, raw_value", "marts.rejected_records")).fetchall()
    assert published == [
        ("customers.csv", 7, "missing_id", "source_customer_id", None, None),
        ("order_lines.csv", 8, "bad_amount", "quantity", "…", "…"),
        ("orders.csv", 7, "orphan_customer", "source_customer_id", "…", "…"),
        ("orders.csv", 12, "bad_date", "ordered_at", "…", "3…"),
        ("orders.csv", 13, "bad_amount", "net_amount", "…", "e…"),
        ("orders.csv", 14, "missing_id", "order_id", None, None),
        ("orders.csv", 15, "id_mangled", "order_id", "1…", "1…"),
    ]
    whole = f"'{generic_night.home}/current/restricted/rejected_records_full.parquet'"
    found = con.execute(query.format("source_key, raw_value", whole)).fetchall()
    assert [row[:4] for row in found] == [row[:4] for row in published]
    assert found[3][4:] == ("O11", "31st of May")


def test_a_time_without_a_zone_is_the_shops_and_the_day_is_too(con):
    found = orders(con, "ordered_at", "order_date")
    # Half past eleven at night on the day before a leap day.
    assert found["O1"] == (datetime(2024, 2, 28, 15, 30), date(2024, 2, 28))
    # A day without a time is its noon.
    assert found["O4"] == (datetime(2024, 2, 29, 4, 0), date(2024, 2, 29))
    assert found["O9"] == (datetime(2024, 3, 31, 15, 30), date(2024, 3, 31))


def test_what_happened_after_the_day_stands_nowhere(con):
    # Half past four in the afternoon in London is half an hour past midnight in Shanghai.
    assert "O10" not in orders(con, "order_date")
    assert con.execute("select count(*) from marts.order_lines where net_amount_orig = 1000").fetchone() == (0,)
    assert con.execute("select max(day) from marts.kpi_daily").fetchone() == (date(2024, 3, 31),)


def test_a_document_counts_by_its_status_and_a_purchase_by_what_is_left_of_it(con):
    assert orders(con, "kind", "status", "is_valid", "is_purchase") == {
        "O1": ("sale", "completed", True, True),
        # Given back entirely by R2, whose amount says that it is a refund.
        "O2": ("sale", "paid", True, False),
        "R2": ("refund", "completed", True, False),
        # Given back in part by R4.
        "O4": ("sale", "completed", True, True),
        "R4": ("refund", "completed", True, False),
        "O7": ("sale", None, False, False),
        "O8": ("sale", "shipped", True, True),
        "O9": ("sale", "completed", True, True),
        "O13": ("sale", "cancelled", False, False),
        "O14": ("sale", "completed", True, True),
        "O15": ("sale", "completed", True, True),
    }


def test_an_order_of_which_a_line_was_rejected_says_so(con):
    assert [number for number, (lacks,) in orders(con, "has_rejected_lines").items() if lacks] == ["O8"]


def test_money_is_counted_at_the_rate_of_its_day_and_margin_from_cost(con):
    found = orders(con, "currency", "net_amount_orig", "net_amount", "gross_margin", "margin_source")
    assert found["O1"] == ("CNY", Decimal(100), Decimal(100), Decimal(40), "cost")
    # 50 × 7.20 on the first day of that rate, and back at the same.
    assert found["O2"] == ("USD", Decimal(50), Decimal(360), Decimal(108), "default_rate")
    assert found["R2"] == ("USD", Decimal(-50), Decimal(-360), Decimal(-108), "default_rate")
    assert found["O9"] == ("EUR", Decimal(10), Decimal(80), Decimal(24), "default_rate")
    assert found["O14"] == ("USD", Decimal(25), Decimal(175), Decimal("52.5"), "default_rate")


def test_a_large_sum_is_money_like_any_other(con):
    """In the currencies of large numbers an order of billions is an ordinary one."""
    found = orders(con, "net_amount_orig", "net_amount", "gross_margin")
    assert found["O15"] == (Decimal(15_000_000_000), Decimal(105_000_000_000), Decimal(31_500_000_000))
    line = "select net_amount_orig from marts.order_lines where quantity = 15000000"
    assert con.execute(line).fetchall() == [(Decimal(15_000_000_000),)]


def test_customers_are_those_of_the_customers_file_with_their_own_totals(con):
    query = """
        select source_customer_id, country, orders, gross_revenue, refund_amount, net_revenue, gross_margin,
            cast(first_order_at as date), cast(last_order_at as date)
        from marts.customers
        inner join marts.customer_identities using (customer_id)
        order by source_customer_id
    """
    assert con.execute(query).fetchall() == [
        ("C1", "CN", 1, Decimal(460), Decimal(-360), Decimal(100), Decimal(40), date(2024, 2, 28), date(2024, 2, 28)),
        # 200 + 175, less 50; margin 60 + 52.5 − 15. The newer row of C2 says France.
        (
            "C2",
            "FR",
            2,
            Decimal(375),
            Decimal(-50),
            Decimal(325),
            Decimal("97.5"),
            date(2024, 2, 29),
            date(2024, 3, 20),
        ),
        ("C3", "DE", 1, Decimal(80), Decimal(0), Decimal(80), Decimal(24), date(2024, 3, 31), date(2024, 3, 31)),
        ("C4", "US", 0, Decimal(0), Decimal(0), Decimal(0), Decimal(0), None, None),
    ]


def test_value_tables_count_the_buyers_alone(con):
    query = """
        select source_customer_id, recency_days, frequency, monetary, round(clv_revenue_formula, 6), clv_net
        from marts.customer_rfm
        inner join marts.customer_clv using (customer_id)
        inner join marts.customer_identities using (customer_id)
        order by source_customer_id
    """
    # All are younger than the 90 days that count at least, so frequency × years is the number of orders.
    assert con.execute(query).fetchall() == [
        ("C1", 32, 1, Decimal(100), 100.0, Decimal(40)),
        ("C2", 11, 2, Decimal(325), 325.0, Decimal("97.5")),
        ("C3", 0, 1, Decimal(80), 80.0, Decimal(24)),
    ]


def test_cohorts_live_in_the_shops_months(con):
    query = """
        select cohort_month, period, cohort_size, active_customers, retention_rate, net_revenue, is_complete
        from marts.cohort_retention order by all
    """
    february, march = date(2024, 2, 1), date(2024, 3, 1)
    # The night is that of the last day of March, so March is over.
    assert con.execute(query).fetchall() == [
        (february, 0, 2, 2, 1.0, Decimal(660), True),
        (february, 1, 2, 1, 0.5, Decimal(-235), True),
        (march, 0, 1, 1, 1.0, Decimal(80), True),
    ]


def test_a_guest_counts_in_the_day_and_in_no_customer(con):
    query = "select orders, buyers, net_revenue, gross_margin from marts.kpi_daily where day = '2024-03-13'"
    assert con.execute(query).fetchall() == [(1, 0, Decimal(80), Decimal(24))]
    assert orders(con, "customer_id")["O8"] == (None,)
    total = "select (select sum(net_revenue) from marts.kpi_daily) - (select sum(net_revenue) from marts.customers)"
    # Two guests: 80, and 15 billion dollars at 7.00.
    assert con.execute(total).fetchone() == (Decimal(105_000_000_080),)


def test_only_the_restricted_part_of_a_release_says_how_to_reach_anybody(generic_night, con):
    current = (generic_night.home / "current").resolve()
    contacts = (
        f"select source_customer_id, name, email, phone from '{current}/restricted/contacts.parquet' order by all"
    )
    assert con.execute(contacts).fetchall() == [
        ("C1", "李雷", "lilei@example.com", "+8613800138000"),
        ("C2", "Ann Present", "ann@example.com", None),
        ("C3", "=cmd|' /C calc'!A0", "bob@example.com", None),
        ("C4", "Never Bought", "never@example.com", None),
    ]
    tables = [
        name for (name,) in con.execute("select table_name from duckdb_tables() where schema_name = 'marts'").fetchall()
    ]
    for table in tables:
        text = repr(con.execute(f"from marts.{table}").fetchall())
        assert not [
            word for word in ("example.com", "李雷", "Ann ", "138001", "calc", "Never Bought") if word in text
        ], table
    for file in current.rglob("*"):
        if file.is_file() and "restricted" not in file.relative_to(current).parts:
            # Parquet packs its text; its rows are those of the tables above.
            assert b"example.com" not in file.read_bytes(), file
