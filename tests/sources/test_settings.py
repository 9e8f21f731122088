"""What the owner of a source declares in `source.yml`, and what is said of a declaration that cannot be."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.sources.conftest import Home

CUSTOMERS = "source_customer_id,name\nann@gmail.com,Ann\n"


@pytest.mark.parametrize(("said", "direct"), [("", False), ("direct_identifier: true", True)])
def test_a_source_may_say_that_its_ids_are_addresses(home: "Home", said: str, direct: bool) -> None:
    home.put("shop/source.yml", f"system: generic\n{said}\n")
    home.put("shop/customers.csv", CUSTOMERS)
    [delivery] = home.load().deliveries
    assert delivery.direct_identifier is direct


def test_ids_that_a_profile_hides_cannot_be_shown(home: "Home") -> None:
    home.put("shopify/source.yml", "direct_identifier: false")
    home.put("shopify/customers.csv", CUSTOMERS)
    assert "line 1, direct_identifier: should be True; correct it" in home.refusal()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'system: generic\nfiles:\n  "x*":\n    coluns: {order_id: No}\n',
            "line 4, files.x*: coluns is not a setting (the nearest seen is 'columns'); correct it",
        ),
        ("contract:\n  volume: {then: warn}\n", "contract.volume.share is missing; correct it"),
        ("also: 5\n", "line 1, also: should be a list; correct it"),
        ("skip: campaigns\n", "line 1, skip: should be a list; correct it"),
        ("dates: dd.mm.yyyy\n", "line 1, dates: 'dd.mm.yyyy' is no date format"),
    ],
)
def test_a_wrong_setting_is_told_with_its_line_and_key(home: "Home", text: str, words: str) -> None:
    home.put("shop/source.yml", text)
    home.put("shop/customers.csv", CUSTOMERS)
    assert words in home.refusal()


def test_a_header_called_no_needs_no_quotes(home: "Home") -> None:
    home.put("shop/source.yml", "system: generic\ncolumns: {source_customer_id: No}\n")
    home.put("shop/customers.csv", "No,name\n7,Ann\n")
    result = home.load()
    assert home.rows(result.feeds["customers"], "source_customer_id") == [("7",)]
