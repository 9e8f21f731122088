"""Nights on several sources: who is who, what a full delivery takes with it, what became of every record.

A shop delivers everything it has, every time; a CRM and a service desk deliver what is new. All counts are worked
out by hand.
"""

import hashlib
from datetime import date
from decimal import Decimal

import duckdb
import pytest

HOTLINE = "+442079460958"
ANN = "+447911123456"

SHOP_CUSTOMERS = f"""\
source_customer_id,name,email,phone,created_at
S1,Ann Mail,ann@example.com,,2024-01-02
S2,Ann Phone,,{ANN},2024-01-05
H1,Hotline 1,,{HOTLINE},2024-01-01
H2,Hotline 2,,{HOTLINE},2024-01-01
H3,Hotline 3,,{HOTLINE},2024-01-01
H4,Hotline 4,,{HOTLINE},2024-01-01
H5,Hotline 5,,{HOTLINE},2024-01-01
H6,Hotline 6,,{HOTLINE},2024-01-01
"""
SHOP_CUSTOMERS_LATER = "".join(line for line in SHOP_CUSTOMERS.splitlines(keepends=True) if not line.startswith("H6"))
SHOP_ORDERS = """\
order_id,source_customer_id,ordered_at,net_amount
O1,S2,2024-01-20,50.00
O2,H1,2024-01-21,10.00
"""
CRM_CUSTOMERS = f"""\
source_customer_id,first_name,last_name,email,phone,country,created_at,is_deleted,merged_into
C1,Ann,Both,ann@example.com,{ANN},GB,2024-01-01,,
C2,Ann,Merged,,,FR,2024-01-03,true,C1
C3,Ann,Merged twice,,,DE,2024-01-04,true,C2
"""
CRM_CUSTOMERS_LATER = """\
source_customer_id,first_name,last_name,email,created_at
C0,Ann,First of all,ann@example.com,2023-12-01
"""
CRM_ORDERS = """\
order_id,source_customer_id,ordered_at,net_amount
O1,C3,2024-01-22,100.00
"""

# Per feed of the desk: its file, and records, loaded, duplicates, excluded, rejected. Nobody has delivered customer X.
DESK = {
    "customers": ("source_customer_id,name\nK,Kim\n", (1, 1, 0, 0, 0)),
    "accounts": ("account_id,name\nA1,Kim Ltd\nA1,Kim Ltd\nA2,Other\n", (3, 2, 1, 0, 0)),
    "contacts": ("contact_id,source_customer_id,name\nP1,K,Jo\nP2,X,Al\nP3,,Free\n", (3, 2, 0, 0, 1)),
    "leads": ("lead_id,name,status\nL1,Lee,new\nL1,Lee,won\n", (2, 1, 1, 0, 0)),
    # Six decimals are more than money has.
    "products": ("product_id,name,list_price\nG1,Tea,1.50\nG2,Cup,1.123456\n,,\n", (3, 1, 0, 1, 1)),
    "payments": (
        "payment_id,source_customer_id,paid_at,amount\nY1,K,2024-01-05,5\nY2,X,2024-01-05,5\nY3,,2024-01-05,5\n",
        (3, 2, 0, 0, 1),
    ),
    "interactions": (
        "interaction_id,source_customer_id,occurred_at,channel\nI1,K,2024-01-05,call\nI1,K,2024-01-05,visit\n"
        "I2,X,2024-01-05,call\n",
        (3, 1, 1, 0, 1),
    ),
    "tickets": (
        "ticket_id,source_customer_id,opened_at,csat\nT1,K,2024-01-05,4\nT2,X,2024-01-05,4\nT3,K,2024-01-05,nine\n",
        (3, 1, 0, 0, 2),
    ),
    "survey_responses": (
        "response_id,source_customer_id,survey,score,responded_at\nR1,K,nps,9,2024-01-05\nR2,X,nps,9,2024-01-05\n",
        (2, 1, 0, 0, 1),
    ),
    "campaigns": ("campaign_id,name,budget\nM1,Spring,100\n", (1, 1, 0, 0, 0)),
    "campaign_touches": (
        "touch_id,campaign_id,source_customer_id,touched_at\nU1,M1,K,2024-01-05\nU2,M1,X,2024-01-05\n",
        (2, 1, 0, 0, 1),
    ),
    "consents": (
        "source_customer_id,channel,purpose,at,state\nK,email,news,2024-01-05,in\nK,email,news,2024-01-06,out\n"
        "X,email,news,2024-01-05,in\n",
        (3, 2, 0, 0, 1),
    ),
    "points": ("entry_id,source_customer_id,at,delta\nE1,K,2024-01-05,10\nE2,X,2024-01-05,10\n", (2, 1, 0, 0, 1)),
    "subscriptions": (
        "contract_id,source_customer_id,started_on,mrr\nB1,K,2024-01-05,10\nB2,X,2024-01-05,10\n",
        (2, 1, 0, 0, 1),
    ),
    "referrals": ("referral_id,referrer_id,referred_id\nF1,K,X\n", (1, 1, 0, 0, 0)),
    "reps": ("rep_id,name,role\nW1,Wei,sales\n", (1, 1, 0, 0, 0)),
    "fx_rates": ("currency,on,rate\nUSD,2024-01-01,0.8\nUSD,2024-01-01,0.8\n", (2, 1, 1, 0, 0)),
    "list_outcomes": ("alert_id,at,outcome\nZ1,2024-01-05,saved\n", (1, 1, 0, 0, 0)),
}


def customer_id(source, number):
    """First 16 hexadecimal digits of the SHA-256 of system, source and the source's own id."""
    return hashlib.sha256(f"generic|{source}|{number}".encode()).hexdigest()[:16]


def ask(home, query):
    with duckdb.connect(str(home / "current" / "warehouse.duckdb"), read_only=True) as con:
        return con.execute(query).fetchall()


@pytest.fixture(scope="module")
def first_night(tmp_path_factory, night, deliver):
    """A home on the last day of January, with what the two later nights need to go on."""
    home = tmp_path_factory.mktemp("several") / "home"
    deliver(home, "source.yml", b"system: generic\ndeliveries: full\n", "shop")
    deliver(home, "customers_2024-01-31.csv", SHOP_CUSTOMERS.encode(), "shop")
    deliver(home, "orders_2024-01-31.csv", SHOP_ORDERS.encode(), "shop")
    deliver(home, "source.yml", b"system: generic\n", "crm")
    deliver(home, "customers_2024-01-31.csv", CRM_CUSTOMERS.encode(), "crm")
    deliver(home, "orders_2024-01-31.csv", CRM_ORDERS.encode(), "crm")
    deliver(home, "source.yml", b"system: generic\n", "desk")
    for feed, (text, _) in DESK.items():
        deliver(home, f"{feed}_2024-01-31.csv", text.encode(), "desk")
    outcome = night(home, "2024-01-31")
    assert outcome.kind == "published", outcome.reasons
    found = {
        table: ask(home, f"select * from marts.{table} order by all")
        for table in ("customer_identities", "customer_id_history", "rejected_summary")
    }
    found["feeds"] = ask(home, "select feed, availability from marts.feeds")
    found["deliveries"] = ask(
        home, "select source, feed, records, loaded, duplicates, excluded, rejected from marts.deliveries order by all"
    )
    found["customers"] = ask(
        home, "select customer_id, country, orders, net_revenue, cast(created_at as date) from marts.customers"
    )
    restricted = home.joinpath("current", "restricted")
    found["worklist"] = restricted.joinpath("rejected_records.csv").read_bytes().decode("utf-8-sig").splitlines()
    with duckdb.connect() as con:
        found["contacts"] = con.execute(f"select customer_id, name from '{restricted}/contacts.parquet'").fetchall()
    return home, found


@pytest.fixture(scope="module")
def second_night(first_night, night, deliver):
    """The same home a month later: the shop has lost a customer, the CRM has found Ann's oldest record."""
    home, _ = first_night
    deliver(home, "customers_2024-02-28.csv", SHOP_CUSTOMERS_LATER.encode(), "shop")
    deliver(home, "customers_2024-02-28.csv", CRM_CUSTOMERS_LATER.encode(), "crm")
    outcome = night(home, "2024-02-29")
    assert outcome.kind == "published", outcome.reasons
    return home


def test_a_chain_of_email_phone_and_merges_is_one_customer_with_the_oldest_records_id(first_night):
    _, found = first_night
    ann = customer_id("crm", "C1")
    assert [row[1:5] for row in found["customer_identities"] if row[1] != "desk"] == [
        ("crm", "C1", ann, "own_record"),
        ("crm", "C2", ann, "merged_into"),
        ("crm", "C3", ann, "merged_into"),
        # Six customers of one source share the hotline, which is one too many.
        *(("shop", f"H{number}", customer_id("shop", f"H{number}"), "own_record") for number in range(1, 7)),
        ("shop", "S1", ann, "email"),
        ("shop", "S2", ann, "phone"),
    ]
    # The record that it was joined with.
    matched = {row[1:3]: row[6:8] for row in found["customer_identities"] if row[3] == ann}
    assert matched == {
        ("crm", "C1"): (None, None),
        ("crm", "C2"): ("crm", "C1"),
        ("crm", "C3"): ("crm", "C2"),
        ("shop", "S1"): ("crm", "C1"),
        ("shop", "S2"): ("crm", "C1"),
    }


def test_documents_of_all_records_are_the_one_customers(first_night):
    _, found = first_night
    customers = {row[0]: row[1:] for row in found["customers"]}
    # 50 as S2 and 100 as C3; S2 was written last but says nothing of a country.
    assert customers[customer_id("crm", "C1")] == ("GB", 2, Decimal(150), date(2024, 1, 1))
    assert customers[customer_id("shop", "H1")] == (None, 1, Decimal(10), date(2024, 1, 1))
    # Ann, six of the hotline, and Kim.
    assert len(customers) == 8


def test_a_customer_is_called_what_the_newest_record_says(first_night):
    _, found = first_night
    names = dict(found["contacts"])
    assert names[customer_id("crm", "C1")] == "Ann Phone"
    assert names[customer_id("desk", "K")] == "Kim"


def test_every_record_of_every_feed_is_accounted_for(first_night):
    _, found = first_night
    assert found["deliveries"] == sorted(
        [
            # What was merged is deleted in its source.
            ("crm", "customers", 3, 1, 0, 2, 0),
            ("crm", "orders", 1, 1, 0, 0, 0),
            ("shop", "customers", 8, 8, 0, 0, 0),
            ("shop", "orders", 2, 2, 0, 0, 0),
            *(("desk", feed, *counts) for feed, (_, counts) in DESK.items()),
        ]
    )


def test_what_was_rejected_is_counted_and_its_owner_is_told_what_to_do(first_night):
    _, found = first_night
    counted = {(feed, code): records for _, _, _, _, feed, code, records, _, _ in found["rejected_summary"]}
    orphans = (
        "contacts",
        "payments",
        "interactions",
        "tickets",
        "survey_responses",
        "campaign_touches",
        "consents",
        "points",
        "subscriptions",
    )
    assert counted == {
        **{(feed, "orphan_customer"): 1 for feed in orphans},
        ("tickets", "bad_score"): 1,
        ("products", "bad_amount"): 1,
    }
    header, *rows = found["worklist"]
    assert header.replace('"', "") == (
        "source,file,delivery_id,feed,record_no,source_key,code,column_name,raw_value,advice_zh,advice_en,corrected_value"
    )
    assert len(rows) == sum(counted.values())
    product = next(row for row in rows if '"products"' in row)
    assert '"2","G2","bad_amount","list_price","1.123456"' in product
    assert "correct it" in product


def test_a_feed_that_nobody_delivers_is_not_available(first_night):
    _, found = first_night
    assert dict(found["feeds"])["order_lines"] == "not_available"
    assert sum(availability == "available" for _, availability in found["feeds"]) == 19


@pytest.mark.slow
def test_whoever_has_a_ticket_is_a_customer_where_nobody_delivers_customers(tmp_path, night, deliver):
    home = tmp_path / "home"
    deliver(home, "source.yml", b"system: generic\n", "desk")
    deliver(home, "tickets.csv", DESK["tickets"][0].encode(), "desk")
    outcome = night(home, "2024-01-31")

    assert outcome.kind == "published", outcome.reasons
    assert ask(home, "select feed from marts.feeds where availability = 'available'") == [("tickets",)]
    identities = ask(home, "select source_customer_id, customer_id from marts.customer_identities order by all")
    assert identities == [("K", customer_id("desk", "K")), ("X", customer_id("desk", "X"))]
    assert ask(home, "select orders from marts.customers") == [(0,), (0,)]


def test_whom_a_full_delivery_lacks_is_deleted_and_accounted_for(second_night):
    counts = ask(
        second_night,
        "select file, records, loaded, duplicates, excluded, rejected from marts.deliveries "
        "where source = 'shop' order by file",
    )
    assert counts == [
        # Seven were delivered again; H6 was not.
        ("customers_2024-01-31.csv", 8, 0, 7, 1, 0),
        ("customers_2024-02-28.csv", 7, 7, 0, 0, 0),
        # Customers that are delivered anew say nothing of the orders.
        ("orders_2024-01-31.csv", 2, 2, 0, 0, 0),
    ]
    gone = customer_id("shop", "H6")
    assert ask(second_night, f"select count(*) from marts.customers where customer_id = '{gone}'") == [(0,)]


def test_a_delivery_of_changes_takes_nothing_with_it(second_night):
    counts = ask(
        second_night,
        "select file, loaded, excluded from marts.deliveries where source = 'crm' and feed = 'customers' order by file",
    )
    assert counts == [("customers_2024-01-31.csv", 1, 2), ("customers_2024-02-28.csv", 1, 0)]


def test_an_older_record_changes_the_id_and_the_history_says_so(first_night, second_night):
    _, found = first_night
    assert found["customer_id_history"] == []
    old, new = customer_id("crm", "C1"), customer_id("crm", "C0")
    # Nobody has taken the place of the customer whom the shop has lost.
    assert set(ask(second_night, "from marts.customer_id_history")) == {
        (old, new, date(2024, 2, 29)),
        (customer_id("shop", "H6"), None, date(2024, 2, 29)),
    }
    assert ask(second_night, f"select orders, net_revenue from marts.customers where customer_id = '{new}'") == [
        (2, Decimal(150))
    ]
    assert ask(second_night, f"select count(*) from marts.customers where customer_id = '{old}'") == [(0,)]
