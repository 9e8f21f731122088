"""The tables as a whole: their formulas on hand-calculated cases, their contracts, and a shop that has no data yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.dbt.conftest import EmptyShop

STATED_TYPES = {"string", "integer", "bigint", "double", "decimal(18,4)", "boolean", "date", "timestamp"}


def test_every_formula_gives_the_numbers_calculated_by_hand(empty_shop: EmptyShop) -> None:
    outcomes = {name: status for name, status in empty_shop.status.items() if name.startswith("unit_test.")}
    assert len(outcomes) == len(empty_shop.manifest["unit_tests"]) > 40
    assert set(outcomes.values()) == {"pass"}, empty_shop.output


def test_a_shop_without_any_record_builds_and_keeps_every_promise(empty_shop: EmptyShop) -> None:
    outcomes = {name: empty_shop.status.get(name) for name in empty_shop.manifest["nodes"]}
    assert set(outcomes.values()) == {"success", "pass"}, empty_shop.output


def test_every_published_column_has_a_type_and_a_description(empty_shop: EmptyShop) -> None:
    for mart in empty_shop.marts():
        assert list(mart["columns"]) == empty_shop.columns[mart["name"]], mart["name"]
        for column in mart["columns"].values():
            assert column["data_type"] in STATED_TYPES, (mart["name"], column["name"])
            assert column["description"].strip(), (mart["name"], column["name"])


def test_every_published_table_keeps_a_contract_and_names_its_grain(empty_shop: EmptyShop) -> None:
    marts = empty_shop.marts()
    assert len(marts) >= 18
    for mart in marts:
        assert mart["config"]["contract"]["enforced"], mart["name"]
        meta = mart["config"]["meta"]
        assert meta["owner"], mart["name"]
        assert meta["pii"] is False, mart["name"]
        assert meta["grain"], mart["name"]
        for key in meta["grain"]:
            constraints = {constraint["type"] for constraint in mart["columns"][key]["constraints"]}
            assert "not_null" in constraints, (mart["name"], key)


def test_a_table_is_tested_to_be_unique_on_the_grain_it_names(empty_shop: EmptyShop) -> None:
    tested = {
        (node["attached_node"], tuple(node["test_metadata"]["kwargs"]["columns"]))
        for node in empty_shop.manifest["nodes"].values()
        if node["resource_type"] == "test" and node.get("test_metadata", {}).get("name") == "unique_combination"
    }
    for mart in empty_shop.marts():
        assert (mart["unique_id"], tuple(mart["config"]["meta"]["grain"])) in tested, mart["name"]


def test_every_table_is_described_by_its_grain(empty_shop: EmptyShop) -> None:
    for model in empty_shop.models():
        assert model["description"].startswith("One row per "), model["name"]
        for column in model["columns"].values():
            assert column["description"].strip(), (model["name"], column["name"])


def test_every_promise_says_what_it_protects(empty_shop: EmptyShop) -> None:
    tests = [node for node in empty_shop.manifest["nodes"].values() if node["resource_type"] == "test"]
    assert [test["name"] for test in tests if not test["description"].strip()] == []


@pytest.mark.parametrize("schema", ["staging", "core"])
def test_what_names_a_person_is_marked_and_never_published(empty_shop: EmptyShop, schema: str) -> None:
    personal = {"name", "email", "phone", "display_name", "raw_value"}
    for model in empty_shop.models():
        if model["schema"] == schema and personal & set(model["columns"]):
            assert model["config"]["meta"]["pii"] is True, model["name"]
