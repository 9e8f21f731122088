"""Money without an exchange rate: never counted as if it were base currency, and never passed over in silence."""

from pathlib import Path

from tests.dbt.conftest import run_dbt, target_of
from warehouse.connection import connect

TEST = "every_valid_order_has_an_amount"


def test_a_missing_rate_fails_and_its_currency_is_named(shop_without_a_rate: Path) -> None:
    outcomes, output = run_dbt(
        shop_without_a_rate, "build", "--select", f"+{TEST}", "--exclude-resource-type", "unit_test"
    )
    assert outcomes[f"test.keeprate.{TEST}"] == "fail", output
    (query,) = target_of(shop_without_a_rate).glob(f"compiled/**/{TEST}.sql")
    with connect(shop_without_a_rate / "build" / "warehouse.duckdb", read_only=True) as con:
        assert [row[:2] for row in con.execute(query.read_text(encoding="utf-8")).fetchall()] == [("USD", 1)]
