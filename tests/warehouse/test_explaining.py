"""Whose numbers are asked about, and of which release: on a release and raw files made by hand."""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.warehouse.explained import RULES
from tests.warehouse.test_explained_records import KEY, Raw
from warehouse.build import FeedFiles
from warehouse.connection import connect
from warehouse.errors import WarehouseError
from warehouse.explaining import Customer, Explainer, UnknownCustomerError, UnknownMetricError, agree, open_explainer
from warehouse.home import Home
from warehouse.identifiers import hmac_pads
from warehouse.releases import export_marts, new_work, publish

PUBLISHED_ANN = hmac.new(KEY, b"ann@example.com", hashlib.sha256).hexdigest()[:32]
TABLES: Mapping[str, str] = {
    "customers": "select unnest(['ann', 'bob', 'eve']) as customer_id, cast(unnest([2, 0, 0]) as bigint) as orders",
    "customer_id_history": "select 'anna' as old_customer_id, 'ann' as customer_id, date '2025-05-01' as changed_on",
    "customer_identities": f"""
        select * from (values
            ('generic', 'shop', 'C-17', 'ann'), ('generic', 'shop', 'C-18', 'bob'), ('generic', 'shop', 'C-18', 'eve'),
            ('shopify', 'web', '{PUBLISHED_ANN}', 'ann')
        ) as rows (source_system, source, source_customer_id, customer_id)""",
    "deliveries": "select unnest(['shop', 'web']) as source, unnest(['d1', 'd2']) as delivery_id",
    "orders": """
        select
            unnest(['o1', 'o2']) as order_id, 'generic' as source_system, 'shop' as source, 'ann' as customer_id,
            unnest(['1', '2']) as source_order_id, cast(null as varchar) as original_order_id, 'd1' as delivery_id,
            cast(unnest([1, 2]) as bigint) as record_no, false as has_rejected_lines""",
    "order_lines": "select '' as order_id, '' as delivery_id, cast(0 as bigint) as record_no where false",
    "rejected_records": """
        select '' as source, '' as delivery_id, '' as feed, '' as code, cast(0 as bigint) as record_no where false""",
    "population_facts": """
        select '' as fact, '' as subject, date '2025-06-01' as known_on, cast(0 as double) as value where false""",
    "model_fits": "select 'mbg_nbd' as model, 'r' as parameter, cast(0.5 as double) as value, 'converged' as status",
    "churn_signals": "select '' as signal_id, '' as availability where false",
}
ORDERS = [
    {"order_id": "1", "source_customer_id": "C-17", "ordered_at": "2025-06-01T00:00:00Z", "net_amount": "10.5"},
    {"order_id": "2", "source_customer_id": "C-17", "ordered_at": "2025-06-02T00:00:00Z", "net_amount": "20"},
]
PLAIN = {"status": "paid", "kind": "sale", "currency": "CNY"}


def put_release(home: Home, **tables: str) -> None:
    work = new_work(home, "night")
    build = home.root / "build.duckdb"
    with connect(build) as con:
        con.execute("create schema marts")
        for name, query in {**TABLES, **tables}.items():
            con.execute(f"create table marts.{name} as {query}")
    keys: dict[str, list[str]] = {name: [] for name in TABLES}
    export_marts(build, work, keys)
    publish(home, work, {"run_id": "night", "as_of": "2025-06-30", "code_version": "0", "config_hash": "x"})


@contextmanager
def opened(home: Home, feeds: Mapping[str, FeedFiles], *, with_key: bool = True) -> Iterator[Explainer]:
    rules = {**RULES, "time_zone": "Asia/Shanghai", "costs": {}, "counted_costs": []}
    pads = hmac_pads(KEY) if with_key else None
    with open_explainer(home, lambda _: feeds, rules, pads=pads, predict=lambda *_: {}) as explainer:
        yield explainer


@pytest.fixture
def feeds(tmp_path: Path) -> dict[str, FeedFiles]:
    with connect() as con:
        raw = Raw(con, tmp_path)
        raw.put("orders", "d1", [PLAIN | row for row in ORDERS])
        raw.put("customers", "d2", [{"source_customer_id": "ann@example.com"}], source="web", direct_identifier="true")
        return {feed: FeedFiles(raw.feeds()._feeds[feed].types, tuple(files)) for feed, files in raw._files.items()}


@pytest.fixture
def explainer(home: Home, feeds: dict[str, FeedFiles]) -> Iterator[Explainer]:
    put_release(home)
    with opened(home, feeds) as explainer:
        yield explainer


@pytest.mark.parametrize(
    ("asked_for", "found_by", "changed_on"),
    [
        ("ann", "id", None),
        ("anna", "retired_id", date(2025, 5, 1)),
        ("shop:C-17", "source_id", None),
        # The release shows this source's ids under a secret, and the person who asks knows the address.
        ("web:ann@example.com", "source_id", None),
    ],
)
def test_a_customer_is_found_by_each_of_their_names(
    explainer: Explainer, asked_for: str, found_by: str, changed_on: date | None
) -> None:
    assert explainer.find(asked_for) == Customer("ann", asked_for, found_by, changed_on)


@pytest.mark.parametrize(
    ("asked_for", "sentence"),
    [
        ("nobody", "No customer of release 1 has the id nobody; name one of marts.customers, or SOURCE:ID"),
        ("crm:1", "There is no source crm in release 1; choose one of shop, web."),
        ("shop:C-99", "shop has no customer C-99 in release 1."),
        ("shop:C-18", "shop:C-18 stands for several customers, bob, eve; name one of them."),
    ],
)
def test_who_is_meant_must_be_clear(explainer: Explainer, asked_for: str, sentence: str) -> None:
    with pytest.raises(UnknownCustomerError, match=sentence):
        explainer.find(asked_for)


def test_a_number_is_traced_to_its_rows_and_worked_out_again(explainer: Explainer) -> None:
    found = explainer.explain(explainer.find("anna"), "orders")
    assert [(each.table, each.value) for each in found.published] == [("customers", 2)]
    assert (found.recomputed, found.agrees) == (2, True)
    assert [(record.place.record_no, record.verdict) for record in found.records] == [(1, None), (2, None)]
    revenue = explainer.explain(explainer.find("ann"), "net_revenue")
    assert (revenue.recomputed, revenue.published, revenue.agrees) == (Decimal("30.5000"), [], None)


def test_a_number_that_does_not_follow_from_its_rows_is_told(home: Home, feeds: dict[str, FeedFiles]) -> None:
    put_release(home, customers="select 'ann' as customer_id, cast(3 as bigint) as orders")
    with opened(home, feeds) as explainer:
        assert explainer.explain(explainer.find("ann"), "orders").agrees is False


def test_an_unknown_figure_is_refused(explainer: Explainer) -> None:
    with pytest.raises(UnknownMetricError, match="There is no figure charm"):
        explainer.explain(explainer.find("ann"), "charm")


def test_a_signal_or_scheme_may_be_called_by_its_own_name(explainer: Explainer) -> None:
    assert explainer.named("orders") == "orders"
    assert explainer.named("charm") is None


def test_without_the_secret_the_customers_under_it_are_not_found(home: Home, feeds: dict[str, FeedFiles]) -> None:
    put_release(home)
    with opened(home, feeds, with_key=False) as explainer:
        with pytest.raises(WarehouseError, match=r"restore history/identifier\.key"):
            explainer.find("web:ann@example.com")
        with pytest.raises(WarehouseError, match=r"restore history/identifier\.key"):
            explainer.book(explainer.find("ann"))


def test_an_empty_home_has_nothing_to_explain(home: Home) -> None:
    with pytest.raises(WarehouseError, match="run a night first"), opened(home, {}):
        pass


def test_a_release_of_an_older_version_says_that_it_cannot_be_explained(home: Home) -> None:
    put_release(home, orders="select 'o1' as order_id")
    with (
        pytest.raises(WarehouseError, match="Release 1 does not say which records its numbers rest on"),
        opened(home, {}),
    ):
        pass


@pytest.mark.parametrize(
    ("published", "recomputed", "is_one"),
    [
        (Decimal("1.10"), Decimal("1.1000"), True),
        (Decimal("1.1000"), Decimal("1.1001"), False),
        (3, 3, True),
        (0.333333333, 1 / 3, True),
        (0.33333, 1 / 3, False),
        (0.0, 5e-8, True),
        (None, None, True),
        (None, 0, False),
        (0.0, None, False),
        ("vip", "vip", True),
        (True, False, False),
        (date(2025, 1, 1), date(2025, 1, 1), True),
    ],
)
def test_exact_values_must_be_equal_and_doubles_nearly(published: Any, recomputed: Any, is_one: bool) -> None:
    assert agree(published, recomputed) is is_one
