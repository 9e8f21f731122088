"""A formula is worked out exactly as it is written."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from warehouse.explained_formulas import evaluated, figures_in, in_words, settings_in, with_numbers

VALUES: dict[str, Any] = {
    "as_of": date(2025, 12, 31),
    "born": date(2000, 2, 29),
    "bought": date(2025, 12, 1),
    "never": None,
    "orders": 4,
    "revenue": Decimal("100.0000"),
    "refunds": Decimal("-0.0001"),
    "gap": 17.5,
    "ratio": 120.0,
    "tier": "vip",
    "is_paused": True,
    "churn.threshold.min_days": 30,
}


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("{revenue} ÷ {orders}", 25.0),
        ("{revenue} + {refunds}", Decimal("99.9999")),
        ("{revenue} − {refunds}", Decimal("100.0001")),
        ("({orders} − 1) × {gap}", 52.5),
        ("as_of − {bought}", 30),
        ("{bought} + {orders} + 1", date(2025, 12, 6)),
        ("max({gap} × {ratio} ÷ 100, churn.threshold.min_days)", 30),
        # 17.5 × 1.2 is a hair above 21 in doubles.
        ("up({gap} × {ratio} ÷ 100)", 21),
        ("up({gap})", 18),
        ("nearest({gap})", 18),
        ("latest({bought}, {never})", date(2025, 12, 1)),
        ("{orders} = 4 and {tier} = 'vip'", True),
        ("{orders} >= 5 or not {is_paused}", False),
        ("whole_years({born}, as_of)", 25),
        # Nobody is a year older on 28 February for having been born on the 29th.
        ("whole_years({born}, {bought})", 25),
    ],
)
def test_a_formula_comes_to_what_it_says(formula: str, value: object) -> None:
    found = evaluated(formula, VALUES.__getitem__)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "formula",
    [
        "{never} + {orders}",
        "as_of − {never}",
        "{orders} ÷ ({orders} − 4)",
        "max({gap}, {never})",
        "none",
        "latest({never}, {never})",
    ],
)
def test_what_needs_the_unknown_is_unknown(formula: str) -> None:
    assert evaluated(formula, VALUES.__getitem__) is None


def test_what_is_compared_with_the_unknown_is_not_so() -> None:
    assert evaluated("{never} > 0", VALUES.__getitem__) is False
    assert evaluated("{never} < 0", VALUES.__getitem__) is False


def test_what_decides_nothing_is_not_asked_for() -> None:
    asked = []

    def called(name: str) -> Any:
        asked.append(name)
        return VALUES[name]

    assert evaluated("{orders} > 9 and {gap} > 1", called) is False
    assert asked == ["orders"]


@pytest.mark.parametrize("formula", ["{orders} ** 2", "[{orders}]", "{orders}.real", "open('x')"])
def test_anything_else_is_no_formula(formula: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        evaluated(formula, VALUES.__getitem__)


def test_a_formula_reads_with_names_and_with_numbers() -> None:
    formula = "max({gap} × {ratio} ÷ 100, churn.threshold.min_days)"
    assert figures_in(formula) == ["gap", "ratio"]
    assert settings_in(formula) == ["churn.threshold.min_days"]
    assert in_words(formula) == "max(gap × ratio ÷ 100, churn.threshold.min_days)"
    numbers = {"gap": "17.5", "ratio": "120", "churn.threshold.min_days": "30"}
    assert with_numbers(formula, numbers) == "max(17.5 × 120 ÷ 100, 30)"
