"""One set of models for both engines: every compiled model and test parses as DuckDB's SQL and as Spark's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jinja2
import pytest
import sqlglot
from sqlglot import exp

if TYPE_CHECKING:
    from tests.dbt.conftest import EmptyShop

#: What the arguments of macros are called that are not columns.
WRITTEN = {"columns": ["day"], "decimals": 2, "type": "bigint", "separators": "[,;]", "key": "tier"}


@pytest.mark.parametrize("dialect", ["duckdb", "spark"])
def test_every_compiled_model_parses_in_the_dialect(empty_shop: EmptyShop, dialect: str) -> None:
    files = sorted((empty_shop.compiled / "keeprate" / "models").rglob("*.sql"))
    compiled = {file.stem: file.read_text(encoding="utf-8") for file in files if file.parent.suffix != ".yml"}
    assert {model["name"] for model in empty_shop.models()} <= set(compiled)
    for model in empty_shop.models():
        statements = sqlglot.parse(compiled[model["name"]], read=dialect)
        # What sqlglot does not understand becomes a command instead of an error.
        assert [type(statement) for statement in statements] == [exp.Select], (dialect, model["name"])


@pytest.mark.parametrize("dialect", ["duckdb", "spark"])
def test_every_compiled_test_parses_in_the_dialect(empty_shop: EmptyShop, dialect: str) -> None:
    tests = [node for node in empty_shop.manifest["nodes"].values() if node["resource_type"] == "test"]
    assert len(tests) > 100
    for test in tests:
        # Two tables may be compared by what one of them has and the other has not.
        (statement,) = sqlglot.parse(test["compiled_code"], read=dialect)
        assert isinstance(statement, exp.Query), (dialect, test["name"])


def spellings(empty_shop: EmptyShop, engine: str) -> dict[str, Any]:
    """The macros that spell something for one engine, by the name of what they spell."""
    macros = empty_shop.manifest["macros"].values()
    own = {macro["name"]: macro["macro_sql"] for macro in macros if macro["package_name"] == "keeprate"}
    mine = {name: text for name, text in own.items() if name.startswith(f"{engine}__")}
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], undefined=jinja2.StrictUndefined)
    environment.globals["var"] = {"time_zone": "Asia/Shanghai"}.__getitem__
    # One may be made of another: that one is called by the name of what it spells.
    called = [f"{{%- set {name.partition('__')[2]} = {name} -%}}" for name in mine]
    module = environment.from_string("\n".join([*mine.values(), *called])).module
    return {name.partition("__")[2]: getattr(module, name) for name in mine}


def test_what_one_engine_spells_differently_the_other_spells_too(empty_shop: EmptyShop) -> None:
    assert set(spellings(empty_shop, "duckdb")) == set(spellings(empty_shop, "spark")) >= {"safe_cast", "add_days"}


@pytest.mark.parametrize("dialect", ["duckdb", "spark"])
def test_every_spelling_parses_in_its_dialect(empty_shop: EmptyShop, dialect: str) -> None:
    # The compiled models hold DuckDB's spellings only: those of Spark are never rendered by a build here.
    for name, macro in spellings(empty_shop, dialect).items():
        spelt = str(macro(**{argument: WRITTEN.get(argument, argument) for argument in macro.arguments})).strip()
        query = spelt if spelt.startswith("select") else f"select {spelt} as spelt from days"
        (statement,) = sqlglot.parse(query, read=dialect)
        assert isinstance(statement, exp.Select), (name, spelt)
        assert not list(statement.find_all(exp.Command)), (name, spelt)
