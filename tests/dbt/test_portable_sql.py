"""One set of models for both engines: every compiled model parses as DuckDB's SQL and as Spark's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlglot
from sqlglot import exp

if TYPE_CHECKING:
    from tests.dbt.conftest import EmptyShop


@pytest.mark.parametrize("dialect", ["duckdb", "spark"])
def test_every_compiled_model_parses_in_the_dialect(empty_shop: EmptyShop, dialect: str) -> None:
    files = sorted((empty_shop.compiled / "keeprate" / "models").rglob("*.sql"))
    compiled = {file.stem: file.read_text(encoding="utf-8") for file in files if file.parent.suffix != ".yml"}
    assert {model["name"] for model in empty_shop.models()} <= set(compiled)
    for model in empty_shop.models():
        statements = sqlglot.parse(compiled[model["name"]], read=dialect)
        # What sqlglot does not understand becomes a command instead of an error.
        assert [type(statement) for statement in statements] == [exp.Select], (dialect, model["name"])
