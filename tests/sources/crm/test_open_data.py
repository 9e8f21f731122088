"""Olist, CDNOW and Online Retail II: exports against rows and rejects that were worked out by hand."""

from collections.abc import Callable
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sources import canonical_feeds

if TYPE_CHECKING:
    from tests.sources.conftest import Home
    from tests.sources.crm.conftest import Export

Read = Callable[..., "Export"]

SYSTEMS = ("olist", "cdnow", "online_retail_ii")


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_record_of_every_file_is_accounted_for(read_export: Read, system: str) -> None:
    export = read_export(system)
    assert export.result.refusals == []
    assert export.accounts == export.expected_accounts


@pytest.mark.parametrize("feed", canonical_feeds())
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_feed_has_exactly_the_expected_rows(read_export: Read, system: str, feed: str) -> None:
    export = read_export(system)
    expected = export.expected(feed)
    assert export.filled(feed) <= set(expected.columns)
    assert export.loaded(feed, expected.columns).rows == expected.rows


def test_the_archive_of_olist_holds_the_same_as_its_files(read_export: Read, home: "Home") -> None:
    export = read_export("olist")
    members: dict[str, str | bytes] = {file.name: file.read_bytes() for file in export.folder.glob("*.csv")}
    home.put("olist/archive.zip", home.zipped(members))
    result = home.load()
    assert result.refusals == []
    assert ["olist_sellers_dataset.csv" in name for name in (*result.ignored, *export.result.ignored)] == [True, True]
    for feed, spec in canonical_feeds().items():
        columns = ("record_no", *(f'"{column}"' for column in spec.columns))
        zipped = [(str(number), *values) for number, *values in home.rows(result.feeds[feed], *columns)]
        assert sorted(zipped, key=repr) == sorted(export.loaded(feed, ("record_no", *spec.columns)).rows, key=repr)


@pytest.mark.parametrize(
    ("name", "records", "customers", "dollars"),
    [("CDNOW_sample.txt", 6_919, 2_357, "244091.94"), ("CDNOW_master.txt", 69_659, 23_570, "2500315.63")],
)
def test_the_published_files_of_cdnow_are_read_whole(
    home: "Home", name: str, records: int, customers: int, dollars: str
) -> None:
    package = find_spec("lifetimes")  # its data are read without importing it
    assert package is not None
    assert package.origin is not None
    published = Path(package.origin).with_name("datasets") / name
    home.put(f"cdnow/{name}", published.read_bytes())
    result = home.load()
    assert result.refusals == []
    [delivery] = result.deliveries
    assert (delivery.records, delivery.ignored, delivery.rejected) == (records, 0, 0)
    amounts = [Decimal(amount) for (amount,) in home.rows(result.feeds["order_lines"], "net_amount")]
    assert (len(amounts), str(sum(amounts))) == (records, dollars)
    assert len(set(home.rows(result.feeds["customers"], "source_customer_id"))) == customers
