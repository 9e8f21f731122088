"""What makes a delivery: its bytes, wherever and however often they lie in landing."""

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sources import catalog

if TYPE_CHECKING:
    from sources import LoadResult
    from tests.sources.conftest import Home


def paths(result: "LoadResult") -> set[Path]:
    """Every raw file that counts."""
    return {file for feed in result.feeds.values() for file in feed.files}


def test_plain_gzipped_and_zipped_copies_are_one_delivery(home: "Home") -> None:
    text = home.retail()
    home.put("online_retail/b.csv", text)
    home.put("online_retail/a.csv.gz", home.gzipped(text))
    home.put("online_retail/c.zip", home.zipped({"deep/er/d.csv": text, "e.csv.gz": home.gzipped(text)}))
    result = home.load()
    assert [delivery.file for delivery in result.deliveries] == ["a.csv.gz"]
    assert result.deliveries[0].delivery_id == hashlib.sha256(text.encode()).hexdigest()
    assert len(home.rows(result.feeds["order_lines"], "order_id")) == 4


def test_an_archive_may_hold_several_deliveries(home: "Home") -> None:
    members = {
        "one.csv": home.retail("1,A,x,1,2011-01-01 10:00:00,1.0,7,UK"),
        "two.csv": home.retail("2,A,x,1,2011-01-01 10:00:00,1.0,7,UK"),
        "notes.txt": "not data",
        "__MACOSX/._one.csv": "not data either",
    }
    home.put("online_retail/all.zip", home.zipped(members))
    result = home.load()
    assert [delivery.file for delivery in result.deliveries] == ["all.zip#one.csv", "all.zip#two.csv"]
    assert sorted(result.ignored) == [
        "online_retail/all.zip#__MACOSX/._one.csv",
        "online_retail/all.zip#notes.txt",
    ]


def test_a_member_s_name_is_never_a_path(home: "Home") -> None:
    home.put("online_retail/x.zip", home.zipped({"../../../escaped.csv": home.retail()}))
    result = home.load()
    assert [delivery.file for delivery in result.deliveries] == ["x.zip#../../../escaped.csv"]
    assert list(home.root.rglob("escaped*")) == []
    assert not (home.root.parent / "escaped.csv").exists()


def test_odd_file_names_are_only_data(home: "Home") -> None:
    home.put('o\'hara & sons/-rf \n"x"; drop.csv', home.retail())
    [delivery] = home.load().deliveries
    assert (delivery.source, delivery.file) == ("o'hara & sons", '-rf \n"x"; drop.csv')


def test_halves_hold_together_what_the_whole_holds(home: "Home") -> None:
    lines = [f"{number},A,x,{number},2011-01-01 10:00:00,1.25,{number % 3},UK" for number in range(1, 9)]
    home.put("online_retail/second.csv", home.retail(*lines[4:]))
    home.put("online_retail/first.csv", home.retail(*lines[:4]))
    result = home.load()
    columns = ("order_id", "product_id", "quantity", "unit_price")
    assert sum(delivery.records for delivery in result.deliveries) == 8
    assert sorted(home.rows(result.feeds["order_lines"], *columns)) == [
        (str(number), "A", str(number), "1.25") for number in range(1, 9)
    ]


def test_nothing_is_read_twice(home: "Home") -> None:
    home.put("online_retail/a.csv", home.retail())
    first = home.load()
    written = {file: file.stat().st_mtime_ns for file in paths(first)}
    second = home.load()
    assert second.deliveries == first.deliveries
    assert {file: file.stat().st_mtime_ns for file in paths(second)} == written


def test_a_delivery_stays_when_its_file_leaves_landing(home: "Home") -> None:
    file = home.put("online_retail/a.csv", home.retail())
    first = home.load()
    file.unlink()
    second = home.load()
    assert second.deliveries == first.deliveries
    assert paths(second) == paths(first)


def test_a_new_profile_reads_again_but_keeps_when_it_was_received(home: "Home") -> None:
    home.put("online_retail/a.csv", home.retail())
    first = home.load()
    home.put("online_retail/source.yml", "currency: EUR")
    second = home.load(datetime(2011, 12, 11, 2, tzinfo=UTC))
    [before], [after] = first.deliveries, second.deliveries
    assert after.profile_hash != before.profile_hash
    assert (after.currency, after.received_at) == ("EUR", before.received_at)
    assert home.rows(second.feeds["orders"], "currency", "received_at")[0] == ("EUR", before.received_at)
    assert paths(first).isdisjoint(paths(second))


def test_changing_a_profile_back_restores_the_first_reading(home: "Home") -> None:
    home.put("online_retail/a.csv", home.retail())
    first = home.load()
    settings = home.put("online_retail/source.yml", "currency: EUR")
    home.load()
    settings.unlink()
    third = home.load()
    assert paths(third) == paths(first)
    assert third.deliveries[0].currency == "GBP"


def test_all_files_of_a_scan_are_received_at_the_same_time(home: "Home") -> None:
    home.put("online_retail/a.csv", home.retail())
    home.put("online_retail/b.csv", home.retail("9,A,x,1,2011-01-01 10:00:00,1.0,7,UK"))
    received = {delivery.received_at for delivery in home.load().deliveries}
    assert received == {"2011-12-10T02:00:00.000000Z"}


def test_the_catalog_says_the_same_without_landing(home: "Home") -> None:
    home.put("online_retail/a.csv", home.retail())
    result = home.load()
    assert catalog(home.con, raw=home.root / "raw", rejected=home.root / "rejected") == result.feeds


def test_files_without_a_row_in_the_ledger_do_not_count(home: "Home") -> None:
    home.put("online_retail/a.csv", home.retail())
    [ledger] = home.load().feeds["deliveries"].files
    ledger.unlink()
    feeds = catalog(home.con, raw=home.root / "raw", rejected=home.root / "rejected")
    assert not any(feed.files for feed in feeds.values())


def test_a_landing_that_is_missing_or_empty_has_every_feed_without_files(home: "Home") -> None:
    (home.root / "empty").mkdir()
    for landing in (home.root / "missing", home.root / "empty"):
        result = home.load(landing=landing)
        assert (result.deliveries, result.refusals, result.ignored) == ([], [], [])
        assert set(result.feeds) >= {"customers", "orders", "order_lines", "fx_rates", "deliveries", "rejected"}
        assert not any(feed.files for feed in result.feeds.values())


@pytest.mark.parametrize(
    "name", ["x.csv.tmp", "x.csv.part", "x.csv.crdownload", "x.csv~", "~x.csv", "notes.md", ".x.csv"]
)
def test_unfinished_and_unknown_files_are_no_deliveries(home: "Home", name: str) -> None:
    home.put(f"online_retail/{name}", "half a fi")
    result = home.load()
    assert result.ignored == [f"online_retail/{name}"]
    assert (result.deliveries, result.refusals) == ([], [])


def test_a_link_is_refused(home: "Home") -> None:
    secret = home.root / "secret.csv"
    secret.write_text(home.retail())
    home.put("online_retail/readme.txt", "")
    (home.root / "landing" / "online_retail" / "x.csv").symlink_to(secret)
    assert "it is a link" in home.refusal()


def test_a_link_to_a_folder_is_refused(home: "Home") -> None:
    (home.root / "landing").mkdir()
    (home.root / "landing" / "online_retail").symlink_to(home.root)
    assert "it is a link" in home.refusal()


def test_a_pipe_is_refused(home: "Home") -> None:
    (home.root / "landing" / "online_retail").mkdir(parents=True)
    os.mkfifo(home.root / "landing" / "online_retail" / "x.csv")
    assert "not a regular file" in home.refusal()


def test_a_file_beside_the_folders_is_refused_with_the_place_to_put_it(home: "Home") -> None:
    home.put("x.csv", home.retail())
    home.put("README.md", "")
    assert "move it into landing/<source>/" in home.refusal()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("export-2011-07-01.csv", "2011-07-01T11:00:00Z"),
        ("20110701_0815.csv", "2011-07-01T07:15:00Z"),
        ("r_2011-12-09T23-05-30.csv", "2011-12-09T23:05:30Z"),
        ("r-20119999.csv", None),
        ("r-1234567890123.csv", None),
        ("plain.csv", None),
    ],
)
def test_the_export_time_stands_in_the_file_name(home: "Home", name: str, expected: str | None) -> None:
    home.put(f"online_retail/{name}", home.retail())
    result = home.load()
    [delivery] = result.deliveries
    assert delivery.exported_at == expected
    assert delivery.export_time_source == ("file_name" if expected else None)
    assert home.rows(result.feeds["order_lines"], "exported_at")[0] == (expected,)


def test_an_archive_dates_members_whose_name_does_not(home: "Home") -> None:
    home.put("online_retail/x.zip", home.zipped({"a.csv": home.retail()}, day=(2011, 7, 1)))
    [delivery] = home.load().deliveries
    assert (delivery.exported_at, delivery.export_time_source) == ("2011-07-01T11:00:00Z", "archive")


def test_an_archive_without_a_clock_dates_nothing(home: "Home") -> None:
    home.put("online_retail/x.zip", home.zipped({"a.csv": home.retail()}))
    [delivery] = home.load().deliveries
    assert (delivery.exported_at, delivery.export_time_source) == (None, None)


def test_the_same_landing_gives_the_same_bytes(home: "Home", tmp_path: Path) -> None:
    home.put("online_retail/a.csv", home.retail())
    first = {file.relative_to(home.root): file.read_bytes() for file in paths(home.load())}
    home.root = tmp_path / "again"
    home.put("online_retail/a.csv", home.retail())
    second = {file.relative_to(home.root): file.read_bytes() for file in paths(home.load())}
    assert first == second
