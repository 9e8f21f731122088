"""Nights on who is who: hotlines, crowds, ids of other systems, guests who register, and what people decide.

A shop, a CRM, a service desk and a web shop in one home. The three nights of one day differ in the file of decisions
alone; the last night is a month later. All of it is worked out by hand.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pytest

pytestmark = pytest.mark.slow

RULES = Path(__file__).resolve().parents[2] / "config" / "business.yml"
HOTLINE, FAMILY = "+442079460958", "+447911123456"
CROWD = 500

SHOP = f"""\
source_customer_id,name,email,phone,created_at
S1,Ann Smith,ann@example.com,,2024-01-02
S2,Bob Jones,,{FAMILY},2024-01-03
S3,Bob Jones junior,,{FAMILY},2024-01-04
S4,Cas,cas@example.com,,2024-01-05
""" + "".join(f"H{number},Hotline {number},,{HOTLINE},2024-01-01\n" for number in range(CROWD))
SHOP_ORDERS = """\
order_id,source_customer_id,ordered_at,net_amount
O1,S1,2024-01-20,50.00
O2,S2,2024-01-21,10.00
O3,S3,2024-02-21,20.00
O4,,2024-02-22,5.00
O5,H7,2024-02-23,7.00
"""
# Her married name, and another address: nothing but people can know that C1 is Ann.
CRM = """\
source_customer_id,name,email,created_at,Shop No.
C1,Ann Miller,miller@example.com,2023-06-01,
C2,Cassandra,,2024-02-01,S4
"""
CRM_ORDERS = "order_id,source_customer_id,ordered_at,net_amount\nO1,C1,2024-02-10,100.00\n"
# Four records in a chain, of which each shares something with the next: D1 and D2 an address, D2 and D3 a phone.
DESK = """\
source_customer_id,name,email,phone,created_at
D1,Dan,one@example.com,+447911200001,2024-01-01
D2,Dee,one@example.com,+447911200002,2024-01-02
D3,Dot,two@example.com,+447911200002,2024-01-03
D4,Don,two@example.com,+447911200004,2024-01-04
"""
WEB_HEADER = "order_id,order_date,status,customer_id,billing_email,billing_first_name,order_currency,order_total\n"
GUEST = "1,2024-01-15 10:00:00,completed,0,eve@example.com,Eve,CNY,30.00\n"
REGISTERED = "2,2024-04-10 10:00:00,completed,17,eve@example.com,Eve,CNY,40.00\n"

DECISIONS = """\
action,source_a,id_a,source_b,id_b,reason,decided_by,decided_on
merge,shop,S1,crm,C1,married,wei,2024-03-01
split,shop,S2,shop,S3,father and son,wei,2024-03-01
merge,shop,S1,crm,C9,mistyped,wei,2024-03-01
merge,shop,S4,shop,H1,from the next month on,wei,2024-04-01
"""
# What says when and as which run a release was made, and nothing of the customers.
OF_THE_RUN = {"release", "gate_results"}


def record_id(source: str, number: str, system: str = "generic") -> str:
    return hashlib.sha256(f"{system}|{source}|{number}".encode()).hexdigest()[:16]


def ask(home: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home / "current" / "warehouse.duckdb"), read_only=True) as con:
        return con.execute(query).fetchall()


@dataclass
class Published:
    """What one night published."""

    files: dict[str, bytes] = field(default_factory=dict)
    customer_of: dict[tuple[str, str], str] = field(default_factory=dict)
    identities: dict[tuple[str, str], tuple[Any, ...]] = field(default_factory=dict)
    worth: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    conflicts: list[tuple[Any, ...]] = field(default_factory=list)
    history: dict[str, str] = field(default_factory=dict)
    cohorts: list[tuple[Any, ...]] = field(default_factory=list)
    guests: list[tuple[Any, ...]] = field(default_factory=list)
    config_hash: str = ""
    warnings: str = ""

    @classmethod
    def of(cls, home: Path, outcome: Any) -> "Published":
        marts = home / "current" / "marts"
        rows = ask(
            home,
            "select source, source_customer_id, customer_id, match_rule, evidence, matched_source, "
            "matched_source_customer_id, conflict_id from marts.customer_identities",
        )
        return cls(
            files={file.stem: file.read_bytes() for file in sorted(marts.glob("*.parquet"))},
            customer_of={row[:2]: row[2] for row in rows},
            identities={row[:2]: row[3:] for row in rows},
            worth={
                customer: (orders, float(revenue))
                for customer, orders, revenue in ask(
                    home, "select customer_id, orders, net_revenue from marts.customers where orders > 0"
                )
            },
            conflicts=ask(home, "select records, customers, dropped_rules, max_records from marts.identity_conflicts"),
            history=dict(ask(home, "select old_customer_id, customer_id from marts.customer_id_history")),
            cohorts=ask(
                home,
                "select strftime(cohort_month, '%Y-%m'), period, cohort_size, active_customers "
                "from marts.cohort_retention where active_customers > 0 order by all",
            ),
            guests=ask(home, "select source_order_id, source from marts.orders where customer_id is null"),
            config_hash=ask(home, "select config_hash from marts.release")[0][0],
            warnings="\n".join(outcome.warnings),
        )


@dataclass
class Nights:
    """What was published without decisions, with them, after their lines were deleted, and a month later."""

    home: Path
    before: Published
    decided: Published
    after: Published
    later: Published


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory, night: Callable[..., Any], deliver: Callable[..., Path]) -> Nights:
    home = tmp_path_factory.mktemp("identity") / "home"
    config = tmp_path_factory.mktemp("rules") / "business.yml"
    text = RULES.read_text(encoding="utf-8")
    for setting, value in {
        "max_records_per_customer: 50": "max_records_per_customer: 3",
        "external_ids: []": "external_ids: [{source: crm, column: Shop No., names: shop}]",
        "decisions: null": "decisions: identities.csv",
    }.items():
        assert text.count(setting) == 1
        text = text.replace(setting, value)
    config.write_text(text, encoding="utf-8")
    decisions = config.with_name("identities.csv")

    for source, files in {
        "shop": {"customers": SHOP, "orders": SHOP_ORDERS},
        "crm": {"customers": CRM, "orders": CRM_ORDERS},
        "desk": {"customers": DESK},
    }.items():
        deliver(home, "source.yml", b"system: generic\n", source)
        for feed, content in files.items():
            deliver(home, f"{feed}_2024-03-31.csv", content.encode(), source)
    deliver(home, "source.yml", b"system: woocommerce\n", "web")
    deliver(home, "order_export_2024-03-31.csv", (WEB_HEADER + GUEST).encode(), "web")

    def published(content: str, as_of: str) -> Published:
        decisions.write_text(content, encoding="utf-8")
        outcome = night(home, as_of, config=config)
        assert outcome.kind == "published", outcome.reasons
        return Published.of(home, outcome)

    first_line = DECISIONS.splitlines(keepends=True)[0]
    before = published(first_line, "2024-03-31")
    decided = published(DECISIONS, "2024-03-31")
    after = published(first_line, "2024-03-31")
    deliver(home, "order_export_2024-04-30.csv", (WEB_HEADER + GUEST + REGISTERED).encode(), "web")
    later = published(DECISIONS.splitlines(keepends=True)[0] + DECISIONS.splitlines(keepends=True)[1], "2024-04-30")
    return Nights(home, before, decided, after, later)


# ---- what records say


def test_a_hotline_of_five_hundred_joins_none_of_them(nights: Nights) -> None:
    customers = {nights.before.customer_of["shop", f"H{number}"] for number in range(CROWD)}
    assert len(customers) == CROWD
    assert {nights.before.identities["shop", f"H{number}"][0] for number in range(CROWD)} == {"own_record"}


def test_a_record_shows_whom_it_was_joined_with_and_nothing_of_what_they_share(nights: Nights) -> None:
    rule, evidence, source, number, conflict = nights.before.identities["shop", "S3"]
    assert (rule, source, number, conflict) == ("phone", "shop", "S2", None)
    assert len(evidence) == 16
    assert FAMILY.encode() not in nights.before.files["customer_identities"]
    assert nights.before.identities["shop", "S2"] == ("own_record", None, None, None, None)


def test_a_column_that_names_the_customers_of_another_source_joins_them(nights: Nights) -> None:
    assert nights.before.customer_of["crm", "C2"] == record_id("shop", "S4")
    assert nights.before.identities["crm", "C2"] == ("external_id", None, "shop", "S4", None)


def test_four_in_a_chain_are_too_many_for_one_customer_and_phones_are_not_believed(nights: Nights) -> None:
    found = [nights.before.customer_of["desk", f"D{number}"] for number in (1, 2, 3, 4)]
    assert found == [record_id("desk", "D1")] * 2 + [record_id("desk", "D3")] * 2
    assert nights.before.conflicts == [(4, 2, "phone, name_and_birth_date", 3)]
    assert len({nights.before.identities["desk", f"D{number}"][4] for number in (1, 2, 3, 4)} - {None}) == 1
    assert "identity_conflicts" in nights.before.warnings
    assert "4 records" in nights.before.warnings


# ---- guests


def test_who_names_nobody_is_a_guest_for_good(nights: Nights) -> None:
    assert nights.before.guests == nights.later.guests == [("O4", "shop")]


def test_the_order_of_a_guest_is_that_of_the_person_who_registers_later(nights: Nights) -> None:
    eve = record_id("web", "eve@example.com", "woocommerce")
    assert nights.before.worth[eve] == (1, 30.0)
    # The release shows neither her address nor her number, for both are ids of one shop.
    records = [
        {record: whose for record, whose in each.customer_of.items() if record[0] == "web"}
        for each in (nights.before, nights.later)
    ]
    assert [len(each) for each in records] == [1, 2]
    assert {*records[0].values(), *records[1].values()} == {eve}
    assert nights.later.worth[eve] == (2, 70.0)


def test_the_cohort_of_who_registers_is_the_month_of_the_order_as_a_guest(nights: Nights) -> None:
    """In January Ann, Bob and Eve bought; in February one at the hotline, and C1, until people say that she is Ann.

    Bob's son counts as Bob.
    """
    assert nights.before.cohorts == [
        ("2024-01", 0, 3, 3),
        ("2024-01", 1, 3, 1),
        ("2024-02", 0, 2, 2),
    ]
    assert nights.later.cohorts == [
        ("2024-01", 0, 3, 3),
        ("2024-01", 1, 3, 2),
        ("2024-01", 3, 3, 1),
        ("2024-02", 0, 1, 1),
    ]


# ---- decisions


def test_who_is_merged_by_hand_is_one_customer_with_all_orders(nights: Nights) -> None:
    assert nights.before.customer_of["shop", "S1"] == record_id("shop", "S1")
    assert nights.decided.customer_of["shop", "S1"] == nights.decided.customer_of["crm", "C1"] == record_id("crm", "C1")
    assert nights.decided.worth[record_id("crm", "C1")] == (2, 150.0)
    assert nights.decided.identities["shop", "S1"] == ("manual", "line 2", "crm", "C1", None)


def test_who_is_split_by_hand_has_the_own_orders_alone(nights: Nights) -> None:
    bob, son = record_id("shop", "S2"), record_id("shop", "S3")
    assert nights.before.worth[bob] == (2, 30.0)
    assert son not in nights.before.worth
    assert (nights.decided.worth[bob], nights.decided.worth[son]) == ((1, 10.0), (1, 20.0))
    assert nights.decided.identities["shop", "S3"][0] == "own_record"


def test_a_decision_does_not_count_before_its_day(nights: Nights) -> None:
    assert nights.decided.customer_of["shop", "H1"] == record_id("shop", "H1")


def test_a_decision_about_a_record_that_nobody_knows_is_told_with_its_line(nights: Nights) -> None:
    assert "line 4" in nights.decided.warnings
    assert "line 2" not in nights.decided.warnings
    assert "file of decisions" not in nights.before.warnings


def test_deleting_the_lines_restores_every_table_to_the_byte(nights: Nights) -> None:
    before, decided, after = (
        {name: content for name, content in each.files.items() if name not in OF_THE_RUN}
        for each in (nights.before, nights.decided, nights.after)
    )
    assert len(before) > 30
    assert [name for name in before if before[name] != after.get(name)] == []
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != decided.get(name)] != []


def test_a_release_says_by_which_decisions_it_was_made(nights: Nights) -> None:
    assert nights.before.config_hash == nights.after.config_hash
    assert len({nights.before.config_hash, nights.decided.config_hash, nights.later.config_hash}) == 3


def test_an_id_that_a_decision_retires_leads_to_the_customer_it_belongs_to_now(nights: Nights) -> None:
    """The nights of one day go on from none before, so nothing is retired there; that of the next month does."""
    assert nights.before.history == nights.decided.history == {}
    assert nights.later.history == {record_id("shop", "S1"): record_id("crm", "C1")}
