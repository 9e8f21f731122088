"""The bundled export: every line, once, with the figures that the data set is known by."""

import csv
import gzip
import hashlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sources import LoadResult
    from tests.sources.conftest import Home


@pytest.fixture(scope="module")
def lines(example_path: Path) -> list[dict[str, str]]:
    """The export as Python's own csv reader sees it."""
    with gzip.open(example_path, "rt", encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def test_every_line_is_loaded_and_none_rejected(example_home: "tuple[Home, LoadResult]") -> None:
    home, result = example_home
    [delivery] = result.deliveries
    assert result.refusals == []
    assert (delivery.records, delivery.ignored, delivery.rejected) == (541_909, 0, 0)
    assert len(home.rows(result.feeds["order_lines"], "record_no")) == 541_909
    assert result.feeds["rejected"].files == ()


def test_lines_keep_their_number_and_text(example_home: "tuple[Home, LoadResult]", lines: list[dict[str, str]]) -> None:
    home, result = example_home
    loaded = home.rows(
        result.feeds["order_lines"], "record_no", "order_id", "product_id", "quantity", "unit_price", "description"
    )
    expected = [
        (
            number,
            line["InvoiceNo"],
            line["StockCode"],
            line["Quantity"],
            line["UnitPrice"],
            line["Description"].strip() or None,
        )
        for number, line in enumerate(lines, start=1)
    ]
    assert [row[:5] for row in loaded] == [row[:5] for row in expected]
    different = [(got[5], want[5]) for got, want in zip(loaded, expected, strict=True) if got[5] != want[5]]
    # NFKC rewrites what is not plain ASCII: here the acute accent of "FLOWER´S" and its kind.
    assert all(want is not None and not want.isascii() for _, want in different)


def test_orders_are_the_distinct_documents(
    example_home: "tuple[Home, LoadResult]", lines: list[dict[str, str]]
) -> None:
    home, result = example_home
    documents = {(line["InvoiceNo"], line["CustomerID"], line["InvoiceDate"]) for line in lines}
    kinds = Counter("refund" if number.startswith("C") else "sale" for number, _, _ in documents)
    orders = home.rows(result.feeds["orders"], "order_id", "kind", "status", "currency")
    assert len(orders) == len(documents)
    assert Counter(kind for _, kind, _, _ in orders) == kinds
    assert {order for order, _, status, _ in orders if status == "cancelled"} == {
        "A563185",
        "A563186",
        "A563187",
    }
    assert {currency for *_, currency in orders} == {"GBP"}


def test_customers_are_the_4372_with_an_id(example_home: "tuple[Home, LoadResult]") -> None:
    home, result = example_home
    customers = {customer for (customer,) in home.rows(result.feeds["customers"], "source_customer_id")}
    assert len(customers) == 4_372
    assert None not in customers


def test_the_delivery_is_named_by_its_uncompressed_bytes(
    example_home: "tuple[Home, LoadResult]", example_path: Path
) -> None:
    _, result = example_home
    content = gzip.decompress(example_path.read_bytes())
    assert result.deliveries[0].delivery_id == hashlib.sha256(content).hexdigest()


def test_local_summer_time_becomes_utc(example_home: "tuple[Home, LoadResult]", lines: list[dict[str, str]]) -> None:
    home, result = example_home
    local = {line["InvoiceNo"]: line["InvoiceDate"] for line in reversed(lines)}
    assert local["558904"].startswith("2011-07-04 16:18")
    times = dict(home.rows(result.feeds["orders"], "order_id", "min(ordered_at) OVER (PARTITION BY order_id)"))
    assert times["558904"] == "2011-07-04T15:18:00Z"
    assert times["536365"] == "2010-12-01T08:26:00Z"
