"""What the project says of its published tables to BI: semantic models, metrics, exposures and example queries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import sqlglot
import yaml
from sqlglot import exp

from rules.indicators import COUNTED, INDICATORS, Indicator
from rules.metrics import CATALOGUE, Metric
from tests.dbt.conftest import PROJECT_DIR
from tests.dbt.semantic_sql import Semantics, aggregate, expression

if TYPE_CHECKING:
    from tests.dbt.conftest import EmptyShop

#: A figure of the business comes before the figure of one customer that has the same name.
FIGURES: dict[str, Metric | Indicator] = {
    **CATALOGUE,
    **{indicator.name: indicator for indicator in (*COUNTED, *INDICATORS)},
}
QUERY = re.compile(r"```sql\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def semantics(empty_shop: EmptyShop) -> Semantics:
    return Semantics.of(empty_shop.manifest)


@pytest.fixture(scope="module")
def queries(empty_shop: EmptyShop) -> dict[str, str]:
    """The query that the description of each published table ends with."""
    return {mart["name"]: "".join(QUERY.findall(mart["description"])) for mart in empty_shop.marts()}


def time_spines(empty_shop: EmptyShop) -> set[str]:
    """The tables of days that metrics over time are laid along; nothing is counted in them."""
    return {mart["name"] for mart in empty_shop.marts() if mart["time_spine"]}


def database(empty_shop: EmptyShop) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(empty_shop.compiled.parents[1] / "warehouse.duckdb"), read_only=True)


def test_every_published_table_has_an_owner_a_contract_tests_and_metrics(
    empty_shop: EmptyShop, semantics: Semantics
) -> None:
    nodes = empty_shop.manifest["nodes"].values()
    tested = {node["attached_node"] for node in nodes if "attached_node" in node}
    counted = {semantics.table_of(name) for name in semantics.metrics}
    for mart in empty_shop.marts():
        assert mart["config"]["meta"]["owner"], mart["name"]
        assert mart["config"]["contract"]["enforced"], mart["name"]
        assert mart["unique_id"] in tested, mart["name"]
    assert time_spines(empty_shop) == {"calendar"}
    assert {mart["name"] for mart in empty_shop.marts()} - {"calendar"} == counted


def test_every_semantic_model_describes_the_published_table_of_its_name(
    empty_shop: EmptyShop, semantics: Semantics
) -> None:
    marts = {mart["unique_id"] for mart in empty_shop.marts()}
    for model in semantics.models:
        assert model["unique_id"] in marts, model["name"]
        assert model["name"] == model["table"]
        assert model["label"], model["name"]
        assert model["description"], model["name"]
        for measure in model["measures"]:
            assert measure["description"], (model["name"], measure["name"])


def test_every_measure_is_used_by_a_metric(semantics: Semantics) -> None:
    used = {measure for name in semantics.metrics for measure in semantics.measures(name)}
    assert used == {measure["name"] for model in semantics.models for measure in model["measures"]}


def test_every_metric_is_a_figure_of_the_catalogue_or_a_part_of_one(semantics: Semantics) -> None:
    for name, metric in semantics.metrics.items():
        meta = metric["config"]["meta"]
        if "part_of" in meta:
            assert name not in FIGURES, name
            assert name in semantics.inputs(meta["part_of"]), name
        elif "figure" in meta:
            assert meta["figure"] in FIGURES, name
            assert name == f"{semantics.table_of(name)}_{meta['figure']}"
        else:
            assert name in FIGURES, name


def test_what_bi_counts_is_counted_in_the_table_that_the_catalogue_names(semantics: Semantics) -> None:
    for indicator in COUNTED:
        assert semantics.table_of(indicator.name) in indicator.tables, indicator.name


def test_every_metric_is_labelled_in_both_languages_as_in_the_catalogue(semantics: Semantics) -> None:
    for name, metric in semantics.metrics.items():
        meta, label = metric["config"]["meta"], metric["label"]
        assert metric["description"].endswith("."), name
        assert any("一" <= sign <= "鿿" for sign in meta["zh"]), name
        if "figure" in meta:
            figure = FIGURES[meta["figure"]]
            assert label.startswith(f"{figure.en} ("), name
            assert meta["zh"].startswith(f"{figure.zh}（"), name
        elif "part_of" not in meta:
            assert (label, meta["zh"]) == (FIGURES[name].en, FIGURES[name].zh)


def elements(model: dict[str, Any]) -> str:
    """The select list of a query that reads everything a semantic model names."""
    keys = dict.fromkeys(expression(each) for each in (*model["entities"], *model["dimensions"]))
    return ", ".join([*keys, *(aggregate(measure) for measure in model["measures"])])


def test_everything_that_is_named_stands_in_the_tables(empty_shop: EmptyShop, semantics: Semantics) -> None:
    with database(empty_shop) as con:
        for model in semantics.models:
            con.execute(f"select {elements(model)} from marts.{model['table']} group by all")
        for name in semantics.metrics:
            con.execute(semantics.query(name))


@pytest.mark.parametrize("dialect", ["duckdb", "spark"])
def test_everything_that_is_named_parses_in_the_dialect(semantics: Semantics, dialect: str) -> None:
    asked = [f"select {elements(model)} from marts.{model['table']}" for model in semantics.models]
    for query in [*asked, *(semantics.query(name) for name in semantics.metrics)]:
        assert [type(statement) for statement in sqlglot.parse(query, read=dialect)] == [exp.Select], query


def test_a_join_repeats_no_row(empty_shop: EmptyShop, semantics: Semantics) -> None:
    grains = {mart["name"]: set(mart["config"]["meta"]["grain"]) for mart in empty_shop.marts()}
    for model in semantics.models:
        for entity in model["entities"]:
            columns = {column.name for column in sqlglot.parse_one(expression(entity)).find_all(exp.Column)}
            if entity["type"] != "foreign":
                assert columns == grains[model["table"]], (model["name"], entity["name"])


def test_what_tables_are_joined_by_is_the_key_of_one(semantics: Semantics) -> None:
    kinds: dict[str, set[str]] = {}
    for model in semantics.models:
        for entity in model["entities"]:
            kinds.setdefault(entity["name"], set()).add(entity["type"])
    assert {name for name, types in kinds.items() if types != {"primary", "foreign"}} == set()


# The numbers: rows of a table, and what its metrics are of them, calculated by hand.
SALE = {"is_valid": True, "is_purchase": True, "customer_id": "a", "net_amount": 100, "gross_margin": 40}
REFUND = {"is_valid": True, "is_purchase": False, "customer_id": "a", "net_amount": -20, "gross_margin": -8}
RENEWAL = {"opening_mrr": 100, "expansion_mrr": 20, "contraction_mrr": 5, "churned_mrr": 15, "is_complete": True}
ANSWERS = {"promoters": 5, "detractors": 2, "nps_responses": 10, "satisfied": 3, "csat_responses": 4}
JANUARY, FEBRUARY = date(2024, 1, 1), date(2024, 2, 1)
CASES: list[tuple[str, list[dict[str, Any]], dict[str, Any]]] = [
    (
        "orders",
        [
            SALE,
            SALE | {"customer_id": "b", "net_amount": 50, "gross_margin": 20},
            SALE | {"customer_id": None, "net_amount": 30, "gross_margin": 3},
            REFUND,
            SALE | {"customer_id": "c", "is_valid": False, "is_purchase": False},
        ],
        # 100 + 50 + 30 − 20 = 160 of three purchases, 130 of it by two customers; 40 + 20 + 3 − 8 = 55.
        {"orders": 3, "buyers": 2, "net_revenue": 160, "gross_margin": 55, "margin_rate": 55 / 160, "aov": 160 / 3}
        | {"revenue_per_buyer": 65},
    ),
    ("orders", [REFUND | {"customer_id": None}], {"orders": 0, "aov": None, "revenue_per_buyer": None}),
    (
        "order_lines",
        [{"is_valid": True, "quantity": 3}, {"is_valid": True, "quantity": -1}, {"is_valid": False, "quantity": 9}],
        {"quantity": 2},
    ),
    (
        "kpi_daily",
        [
            {"day": date(2024, 1, 30), "orders": 5, "net_revenue": 70, "active_customers": 12, "churn_rate_30d": 0.2},
            {"day": date(2024, 1, 31), "orders": 1, "net_revenue": 10, "active_customers": 11, "churn_rate_30d": 0.1},
        ],
        {"kpi_daily_orders": 6, "kpi_daily_net_revenue": 80, "active_customers": 11, "churn_rate_30d": 0.1},
    ),
    (
        "customer_360",
        [
            {"customer_id": "a", "is_churned": False, "orders_365d": 3, "net_revenue_365d": 90, "nps_latest": 9},
            {"customer_id": "b", "is_churned": True, "orders_365d": 1, "net_revenue_365d": 30, "nps_latest": 6},
            {"customer_id": "c", "is_churned": False, "orders_365d": 0, "net_revenue_365d": 0, "nps_latest": None},
        ],
        {"customers": 3, "churned": 1, "orders_365d": 4, "aov_365d": 30, "nps_latest": 7.5},
    ),
    (
        "customer_costs",
        [{"amount": 8, "is_counted": True}, {"amount": -3, "is_counted": True}, {"amount": 50, "is_counted": False}],
        {"costs_total": 5},
    ),
    (
        # A month that is not over has no rate, and takes no part in that of others.
        "cohort_retention",
        [
            {"cohort_size": 10, "active_customers": 4, "is_complete": True},
            {"cohort_size": 30, "active_customers": 6, "is_complete": True},
            {"cohort_size": 20, "active_customers": 19, "is_complete": False},
        ],
        {"retention_rate": 10 / 40},
    ),
    ("cohort_retention", [{"cohort_size": 20, "active_customers": 1, "is_complete": False}], {"retention_rate": None}),
    (
        "repurchase",
        [{"mature_customers": 8, "repurchased": 2}, {"mature_customers": 0, "repurchased": 0}],
        {"repurchase_rate": 0.25},
    ),
    ("repurchase", [{"mature_customers": 0, "repurchased": 0}], {"repurchase_rate": None}),
    ("repeat_buyers", [{"buyers": 40, "repeat_buyers": 10}], {"repeat_buyer_rate": 0.25}),
    (
        "churn_monthly",
        [
            {"month": JANUARY, "opening": 100, "churned": 10, "is_complete": True},
            {"month": FEBRUARY, "opening": 0, "churned": 0, "is_complete": True},
            {"month": date(2024, 3, 1), "opening": 90, "churned": 1, "is_complete": False},
        ],
        {"churn_rate": 0.1},
    ),
    (
        "churn_causes",
        [
            {"period": "month", "lost_margin": 7},
            {"period": "month", "lost_margin": -2},
            {"period": "quarter", "lost_margin": 5},
        ],
        {"lost_margin": 5},
    ),
    (
        "signal_coverage",
        [{"available": 10, "fired": 4}, {"available": 0, "fired": 0}],
        {"fired_share": 0.4},
    ),
    (
        "satisfaction_monthly",
        [
            ANSWERS | {"period": "month"},
            ANSWERS | {"period": "quarter", "promoters": 0, "detractors": 9, "satisfied": 0},
        ],
        # 100 × (5 − 2) / 10, and 3 / 4.
        {"nps": 30, "csat": 0.75},
    ),
    (
        # (100 + 20 − 5 − 15) / 100, and (100 − 5 − 15) / 100.
        "revenue_retention",
        [RENEWAL, RENEWAL | {"is_complete": False, "churned_mrr": 100}],
        {"nrr": 1.0, "grr": 0.8},
    ),
    (
        "revenue_retention",
        [RENEWAL | {"opening_mrr": 0, "expansion_mrr": 0, "contraction_mrr": 0, "churned_mrr": 0}],
        {"nrr": None, "grr": None},
    ),
    (
        "customer_tags",
        [*[{"customer_id": "a", "is_current": True}] * 2, {"customer_id": "b", "is_current": False}],
        {"tagged_customers": 1},
    ),
    (
        "memberships",
        [{"customer_id": "a", "is_current": True}, {"customer_id": "b", "is_current": False}],
        {"members": 1},
    ),
    ("contacts_of_accounts", [{"left_on": None}, {"left_on": None}, {"left_on": JANUARY}], {"contacts": 2}),
    (
        "points_monthly",
        [{"month": JANUARY, "liability": 30}, {"month": FEBRUARY, "liability": 20}],
        {"points_monthly_liability": 20},
    ),
    (
        "referral_conversion",
        [{"referrals": 3, "converted": 1}, {"referrals": 1, "converted": 1}, {"referrals": 0, "converted": 0}],
        {"conversion_rate": 0.5},
    ),
    ("churn_signals", [{"fired": True}, {"fired": True}, {"fired": False}], {"fired_signals": 2}),
    ("deliveries", [{"records": 10}, {"records": 5}], {"records": 15}),
]


@pytest.mark.parametrize(("table", "rows", "expected"), CASES)
def test_a_metric_is_what_it_is_by_hand(
    empty_shop: EmptyShop, semantics: Semantics, table: str, rows: list[dict[str, Any]], expected: Mapping[str, Any]
) -> None:
    mart = next(mart for mart in empty_shop.marts() if mart["name"] == table)
    columns = ", ".join(f'"{each["name"]}" {each["data_type"]}' for each in mart["columns"].values())
    with duckdb.connect() as con:
        con.execute(f"create schema marts; create table marts.{table} ({columns})")
        for row in rows:
            names, marks = ", ".join(f'"{name}"' for name in row), ", ".join("?" for _ in row)
            con.execute(f"insert into marts.{table} ({names}) values ({marks})", list(row.values()))
        for name, value in expected.items():
            (found,) = con.execute(semantics.query(name)).fetchone() or (None,)
            if isinstance(found, Decimal):
                found = float(found)
            assert found == (None if value is None else pytest.approx(value)), name


def test_the_exposures_rest_on_published_tables_and_name_who_answers(empty_shop: EmptyShop) -> None:
    marts = {mart["unique_id"] for mart in empty_shop.marts()}
    served: set[str] = set()
    for exposure in empty_shop.manifest["exposures"].values():
        name, used = exposure["name"], set(exposure["depends_on"]["nodes"])
        assert used, name
        assert used <= marts, (name, used - marts)
        assert exposure["owner"]["name"], name
        assert exposure["owner"]["email"], name
        assert exposure["maturity"] in ("low", "medium", "high"), name
        assert exposure["label"], name
        assert exposure["meta"]["zh"], name
        page, _, heading = exposure["url"].partition("#")
        text = (PROJECT_DIR.parent / page).read_text(encoding="utf-8")
        headings = [re.sub(r"[^\w -]", "", line.lstrip("# ")).lower() for line in text.splitlines() if line[:1] == "#"]
        assert not heading or heading in [each.replace(" ", "-") for each in headings], name
        served |= used
    assert marts - served == set()


def test_dashboards_and_every_list_of_the_rules_have_an_exposure(empty_shop: EmptyShop) -> None:
    rules = yaml.safe_load((PROJECT_DIR.parent / "config" / "business.yml").read_text(encoding="utf-8"))
    exposures = {exposure["name"]: exposure for exposure in empty_shop.manifest["exposures"].values()}
    applications = {name for name, exposure in exposures.items() if exposure["type"] == "application"}
    assert applications == {each["id"] for each in rules["lists"]} != set()
    for each in rules["lists"]:
        exposure = exposures[each["id"]]
        assert (exposure["label"], exposure["meta"]["zh"]) == (each["en"], each["zh"])
        assert exposure["meta"]["owner"] == each["owner"]
        assert "model.keeprate.list_members" in exposure["depends_on"]["nodes"]
    assert {exposure["type"] for name, exposure in exposures.items() if name not in applications} == {"dashboard"}


def test_every_published_table_shows_a_query_that_runs(empty_shop: EmptyShop, queries: dict[str, str]) -> None:
    with database(empty_shop) as con:
        for table, query in queries.items():
            assert f"marts.{table}" in query, table
            con.execute(query)


@pytest.mark.parametrize("dialect", ["duckdb", "spark"])
def test_every_shown_query_parses_in_the_dialect(queries: dict[str, str], dialect: str) -> None:
    for table, query in queries.items():
        assert [type(statement) for statement in sqlglot.parse(query, read=dialect)] == [exp.Select], table


def test_every_macro_is_described_and_every_described_macro_exists(empty_shop: EmptyShop) -> None:
    described = yaml.safe_load((PROJECT_DIR / "macros" / "_macros.yml").read_text(encoding="utf-8"))["macros"]
    macros = {macro["name"] for macro in empty_shop.manifest["macros"].values() if macro["package_name"] == "keeprate"}
    assert sorted(each["name"] for each in described) == sorted(macros)
    assert [each["name"] for each in described if not each["description"].endswith(".")] == []
