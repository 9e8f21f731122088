"""Every CRM's export through a whole night: the tables say what was worked out by hand.

All systems stand side by side in one home, each as a source of its own, and so do copies of one of them in other
encodings and containers; as long tests, each system stands alone in a home that counts in its currency.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

import duckdb
import pytest

from .crm_homes import COPIES, EXPORTS, RATES, Export, ask, put_rates, run_night

TOGETHER = "CNY"
EVERYTHING = EXPORTS | COPIES
REFUSED = "xingchen_refused"


@dataclass(frozen=True)
class Served:
    """An export, the home that it was read in, and the currency that the home counts in."""

    export: Export
    home: Path
    base: str

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """Rows of what is served, for the source that stands for the question mark."""
        return ask(self.home, query, self.export.source)


@pytest.fixture(scope="module")
def all_together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with every export, after its night."""
    home = tmp_path_factory.mktemp("together") / "home"
    for export in EVERYTHING.values():
        export.land_in(home)
    put_rates(home, RATES.keys() - {TOGETHER})
    # A file that cannot be trusted, of an owner who would rather go without it.
    EXPORTS["xingchen"].land(home / "landing" / REFUSED)
    notes = home / "landing" / REFUSED / "出库单列表.csv"
    notes.write_bytes(notes.read_bytes() + b'"unclosed,')
    notes.with_name("source.yml").write_text("{system: kingdee, also: [outbound_notes], on_refused: skip}", "utf-8")
    outcome = run_night(home, TOGETHER)
    assert outcome.kind == "published", outcome.reasons
    return home


@pytest.fixture(scope="module")
def all_alone(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A home with one export alone, after its night; with rates only where the export has foreign money."""

    @cache
    def home_of(source: str) -> Path:
        export = EXPORTS[source]
        home = tmp_path_factory.mktemp(source) / "home"
        export.land_in(home)
        if foreign := export.outcome["net"].keys() - {export.currency}:
            put_rates(home, foreign)
        outcome = run_night(home, export.currency)
        assert outcome.kind == "published", outcome.reasons
        return home

    return home_of


@pytest.fixture(
    params=[
        *(pytest.param(("together", source), id=source) for source in EVERYTHING),
        *(pytest.param(("alone", source), id=f"{source}-alone", marks=pytest.mark.slow) for source in EXPORTS),
    ]
)
def served(request: pytest.FixtureRequest) -> Served:
    """Every export, in the home of all and in its own."""
    how, source = request.param
    if how == "together":
        return Served(EVERYTHING[source], request.getfixturevalue("all_together"), TOGETHER)
    return Served(EXPORTS[source], request.getfixturevalue("all_alone")(source), EXPORTS[source].currency)


def test_the_orders_come_to_what_was_added_up_by_hand(served: Served) -> None:
    found = served.ask(
        "select kind, currency, count(*), sum(net_amount_orig), sum(net_amount) from marts.orders "
        "where is_valid and source = ? group by all"
    )
    counts = {"sale": 0, "refund": 0}
    net: Mapping[str, Decimal] = defaultdict(Decimal)
    for kind, currency, number, amount, _ in found:
        counts[kind] += number
        net[currency] += amount
    outcome = served.export.outcome
    assert counts == {"sale": outcome["sales"], "refund": outcome["refunds"]}
    assert net == {currency: Decimal(amount) for currency, amount in outcome["net"].items()}
    assert sum(row[-1] for row in found) == served.export.net_in(served.base)


def test_records_of_one_person_are_one_customer_and_all_others_are_not(served: Served) -> None:
    rows = served.ask("select customer_id, source_customer_id from marts.customer_identities where source = ?")
    people: Mapping[str, set[str]] = defaultdict(set)
    for customer, number in rows:
        people[customer].add(number)
    outcome = served.export.outcome
    assert (len(rows), len(people)) == (outcome["source_customers"], outcome["customers"])
    several = [sorted(numbers) for numbers in people.values() if len(numbers) > 1]
    assert sorted(several) == sorted(sorted(numbers) for numbers in outcome["same_person"])


def test_the_rejected_records_are_the_bad_ones_each_with_its_reason(served: Served) -> None:
    found = served.ask("select file, record_no, code from marts.rejected_records where source = ?")
    assert sorted(found) == sorted(served.export.rejected)
    summary = served.ask("select code, sum(records) from marts.rejected_summary where source = ? group by all")
    codes = [code for _, _, code in served.export.rejected]
    assert dict(summary) == {code: codes.count(code) for code in codes}


def test_every_record_of_every_file_is_accounted_for(served: Served) -> None:
    found = served.ask(
        "select file, feed, records, loaded, duplicates, excluded, rejected from marts.deliveries where source = ?"
    )
    assert {file: (feed, records) for file, feed, records, *_ in found} == served.export.files
    bad = [file for file, _, _ in served.export.rejected]
    duplicates: Mapping[str, int] = defaultdict(int)
    for file, feed, records, loaded, repeated, excluded, rejected in found:
        assert records == loaded + repeated + excluded + rejected
        assert min(loaded, repeated, excluded) >= 0
        assert rejected == bad.count(file), file
        duplicates[feed] += repeated
    assert {feed: number for feed, number in duplicates.items() if number} == served.export.outcome["duplicates"]


def test_the_totals_of_the_day_are_those_of_all_sources(all_together: Path) -> None:
    [(net,)] = ask(all_together, "select sum(net_revenue) from marts.kpi_daily")
    assert net == sum(export.net_in(TOGETHER) for export in EVERYTHING.values())
    [(customers,)] = ask(all_together, "select count(*) from marts.customers")
    # One phone number belongs to customers of Salesforce, HubSpot and WooCommerce, a second to one of Salesforce and
    # one of WooCommerce (both of whose later orders leave it out), a third to one of 简道云 and one of 用友.
    assert customers == sum(export.outcome["customers"] for export in EVERYTHING.values()) - (2 + 1 + 1)


def test_a_feed_is_delivered_by_whomever_it_comes_from_in_whatever_file(all_together: Path) -> None:
    feeds = dict(ask(all_together, "select feed, sources from marts.feeds"))
    # Orders and their lines come in one file from most systems, which is called after one of them.
    for feed in ("orders", "order_lines"):
        own = {source for source, export in EVERYTHING.items() for kind, _ in export.files.values() if kind == feed}
        assert feeds[feed] > len(own), feed
    assert feeds["orders"] == sum(export.outcome["sales"] > 0 for export in EVERYTHING.values())
    assert [feed for feed, number in feeds.items() if not number] == [
        feed for (feed,) in ask(all_together, "select feed from marts.feeds where availability = 'not_available'")
    ]


def test_a_refused_file_leaves_nothing_behind(all_together: Path) -> None:
    tables = ask(
        all_together,
        "select table_name from duckdb_columns() where schema_name = 'marts' and column_name = 'source'",
    )
    assert len(tables) > 3
    for (table,) in tables:
        assert ask(all_together, f"select * from marts.{table} where source = ?", REFUSED) == [], table


@pytest.mark.parametrize(
    ("source", "order", "survivor"),
    [
        ("hubspot", "30006", "10001"),
        ("salesforce", "8015g00000OrdM1AAJ", "0015g00000NorThAAJ"),
        ("jiandaoyun", "SO-2025-0010", "KH0003"),
        ("olist", "o0000000000000000000000000000002", "u0000000000000000000000000000001"),
    ],
)
def test_what_a_merged_customer_bought_is_the_survivors(
    all_together: Path, source: str, order: str, survivor: str
) -> None:
    found = ask(
        all_together,
        "select identities.source_customer_id from marts.orders inner join marts.customer_identities as identities "
        "using (source, customer_id) where source = ? and source_order_id = ?",
        source,
        order,
    )
    assert (survivor,) in found


@pytest.fixture(scope="module")
def core(all_together: Path) -> Callable[[str], list[tuple[object, ...]]]:
    """Rows of the tables that no release shows."""

    def query(text: str) -> list[tuple[object, ...]]:
        with duckdb.connect(str(all_together / "build" / "warehouse.duckdb"), read_only=True) as con:
            return con.execute(text).fetchall()

    return query


def test_what_names_a_contact_or_a_lead_is_about_its_customer(core: Callable[[str], list[tuple[object, ...]]]) -> None:
    columns = "source_customer_id, is_prospect"
    touches = core(f"select touch_id, {columns} from core.campaign_touches_current where source = 'salesforce'")
    assert sorted(touches) == [
        ("00v5g00000CmemAAAR", "0015g00000NorThAAJ", False),
        # Of a lead that has become nobody's yet.
        ("00v5g00000CmemBAAR", None, True),
    ]
    calls = core(
        f"select interaction_id, {columns} from core.interactions_current "
        "where interaction_id in ('00T5g00000TaskCEAR', '4876876000000000901')"
    )
    assert sorted(calls) == [
        ("00T5g00000TaskCEAR", None, True),
        ("4876876000000000901", "4876876000000000101", False),
    ]
    consents = core(
        "select stated_by, source_customer_id, channel, state from core.consents_current "
        "where source in ('salesforce', 'zoho')"
    )
    assert sorted(consents, key=repr) == [
        ("0015g00000MeiLiAAJ", "0015g00000MeiLiAAJ", "email", "out"),
        ("0035g00000ConnIAAR", "0015g00000ConToAAJ", "call", "out"),
        ("0035g00000ConnIAAR", "0015g00000ConToAAJ", "email", "unknown"),
        ("0035g00000LoneWAAR", None, "call", "unknown"),
        ("0035g00000LoneWAAR", None, "email", "unknown"),
        ("0035g00000NoraAAAR", "0015g00000NorThAAJ", "call", "unknown"),
        ("0035g00000NoraAAAR", "0015g00000NorThAAJ", "email", "out"),
        ("4876876000000000201", "4876876000000000101", "email", "unknown"),
        ("4876876000000000202", "4876876000000000102", "email", "out"),
    ]


def test_what_is_about_nobody_yet_is_excluded_and_no_reject(all_together: Path) -> None:
    found = ask(
        all_together,
        "select feed, loaded, excluded, rejected from marts.deliveries "
        "where source = 'salesforce' and (file like '%CampaignMember.csv' or file like '%Task.csv') order by feed",
    )
    # Of the five tasks one is about a lead, one about nobody and one is deleted.
    assert found == [("campaign_touches", 1, 1, 0), ("interactions", 2, 3, 0)]


def test_the_file_of_customers_says_more_than_their_orders(core: Callable[[str], list[tuple[object, ...]]]) -> None:
    """An order of Shopify is younger than its customer's record, and knows neither phone number nor tags."""
    assert core(
        "select phone, tags from core.customers_current where source = 'shopify' and email = 'jane@example.com'"
    ) == [("+12025550199", "vip, newsletter")]
