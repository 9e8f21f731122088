"""What makes a delivery: its bytes, wherever and however often they lie in landing."""

import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sources import catalog
from tests.sources.conftest import RETAIL_HEADER

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


# ---- a content that comes again


FIRST = "1,A,x,1,2011-01-01 10:00:00,1.0,7,UK"
OTHER = "1,A,x,2,2011-01-01 10:00:00,1.0,7,UK"


def night(number: int) -> datetime:
    """The beginning of a night."""
    return datetime(2011, 12, number, 2, tzinfo=UTC)


def versions(result: "LoadResult") -> dict[str, tuple[str, str | None, str]]:
    """Name, export time and day of receipt, by the content of a file."""
    contents = {hashlib.sha256(f"{RETAIL_HEADER}\n{line}\n".encode()).hexdigest(): line for line in (FIRST, OTHER)}
    return {
        contents[delivery.delivery_id]: (delivery.file, delivery.exported_at, delivery.received_at[:10])
        for delivery in result.deliveries
    }


def bytes_of(home: "Home") -> dict[Path, tuple[bytes, int]]:
    """Everything that loading has written, and when."""
    folders = (home.root / "raw", home.root / "rejected", home.root / "work")
    return {
        file: (file.read_bytes(), file.stat().st_mtime_ns)
        for folder in folders
        for file in folder.rglob("*")
        if file.is_file()
    }


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1), (3, 1, 2)])
def test_a_content_under_a_later_date_is_as_new_as_that(home: "Home", order: tuple[int, ...]) -> None:
    for arrival, day in enumerate(order, 1):
        home.put(f"online_retail/r_2011-07-0{day}.csv", home.retail(OTHER if day == 2 else FIRST))
        result = home.load(night(arrival))
    first_seen = min(order.index(1), order.index(3)) + 1
    assert versions(result) == {
        FIRST: ("r_2011-07-03.csv", "2011-07-03T11:00:00Z", f"2011-12-{first_seen:02}"),
        OTHER: ("r_2011-07-02.csv", "2011-07-02T11:00:00Z", f"2011-12-{order.index(2) + 1:02}"),
    }
    before = bytes_of(home)
    assert len(before) == 2 * len(["customers", "deliveries", "order_lines", "orders"])
    assert home.load(night(4)).deliveries == result.deliveries
    assert bytes_of(home) == before


def test_nothing_in_raw_is_written_again_for_a_later_date(home: "Home") -> None:
    home.put("online_retail/r_2011-07-01.csv", home.retail())
    home.load(night(1))
    before = {file: state for file, state in bytes_of(home).items() if file.parent.name != "deliveries"}
    assert len(before) == 3
    home.put("online_retail/r_2011-07-03.csv", home.retail())
    home.load(night(2))
    assert {file: state for file, state in bytes_of(home).items() if file in before} == before


def test_a_date_that_is_not_later_changes_nothing(home: "Home") -> None:
    home.put("online_retail/r_2011-07-03.csv", home.retail(FIRST))
    home.load(night(1))
    before = bytes_of(home)
    home.put("online_retail/a_2011-07-03.csv", home.retail(FIRST))
    home.put("online_retail/r_2011-07-01.csv", home.retail(FIRST))
    home.put("online_retail/undated.csv", home.retail(FIRST))
    assert versions(home.load(night(2))) == {FIRST: ("r_2011-07-03.csv", "2011-07-03T11:00:00Z", "2011-12-01")}
    assert bytes_of(home) == before


def test_a_content_that_is_back_under_an_undated_name_is_received_anew(home: "Home") -> None:
    for number, line in enumerate((FIRST, OTHER, FIRST), 1):
        home.put("online_retail/orders.csv", home.retail(line))
        result = home.load(night(number))
    assert versions(result) == {FIRST: ("orders.csv", None, "2011-12-03"), OTHER: ("orders.csv", None, "2011-12-02")}
    before = bytes_of(home)
    # It stays there, and its copy has been there all the time.
    home.put("online_retail/copy.csv", home.retail(FIRST))
    assert home.load(night(4)).deliveries == result.deliveries
    assert bytes_of(home) == before
    home.put("online_retail/orders.csv", home.retail(OTHER))
    assert versions(home.load(night(5)))[OTHER] == ("orders.csv", None, "2011-12-05")


def test_a_file_that_stays_where_it_was_is_as_old_as_before(home: "Home") -> None:
    home.put("online_retail/a.csv", home.retail(FIRST))
    home.load(night(1))
    home.put("online_retail/b.csv", home.retail(OTHER))
    assert versions(home.load(night(2)))[FIRST] == ("a.csv", None, "2011-12-01")


def test_a_later_date_outlives_a_change_of_the_profile_and_back(home: "Home") -> None:
    home.put("online_retail/r_2011-07-01.csv", home.retail(FIRST))
    home.load(night(1))
    settings = home.put("online_retail/source.yml", "currency: EUR")
    home.put("online_retail/r_2011-07-03.csv", home.retail(FIRST))
    wanted = {FIRST: ("r_2011-07-03.csv", "2011-07-03T11:00:00Z", "2011-12-01")}
    assert versions(home.load(night(2))) == wanted
    (home.root / "landing" / "online_retail" / "r_2011-07-03.csv").unlink()
    settings.unlink()
    changed_back = home.load(night(3))
    assert versions(changed_back) == wanted
    assert changed_back.deliveries[0].currency == "GBP"


def test_a_refused_file_stops_nothing_once_an_older_content_was_exported_anew(home: "Home") -> None:
    home.put("online_retail/r_2011-07-01.csv", home.retail(FIRST))
    home.load(night(1))
    mostly_bad = [f"{number},A,x,one,2011-01-01 10:00:00,1.0,7,UK" for number in range(30)]
    home.put("online_retail/r_2011-07-02.csv", home.retail(*mostly_bad))
    assert [refusal.on_refused for refusal in home.load(night(2)).refusals] == ["stop"]
    home.put("online_retail/r_2011-07-03.csv", home.retail(FIRST))
    assert [refusal.on_refused for refusal in home.load(night(3)).refusals] == ["skip"]


def test_a_refused_content_that_comes_again_is_refused_under_its_later_date_too(home: "Home") -> None:
    rejected = home.retail(*[f"{number},A,x,one,2011-01-01 10:00:00,1.0,7,UK" for number in range(30)])
    home.put("online_retail/r_2011-07-01.csv", rejected)
    home.put("online_retail/r_2011-07-02.csv", home.retail(FIRST))
    home.put("online_retail/r_2011-07-03.csv", rejected)
    found = {refusal.file: refusal.on_refused for refusal in home.load().refusals}
    assert found == {"online_retail/r_2011-07-01.csv": "skip", "online_retail/r_2011-07-03.csv": "stop"}


def test_volume_is_compared_with_what_was_exported_before(home: "Home") -> None:
    """The small content is the newest export, too, so the usual size is that of the large ones before it."""
    home.put("online_retail/source.yml", "contract: {volume: {share: 0.5}}")
    small = home.retail(FIRST)
    home.put("online_retail/r_2011-07-01.csv", small)
    for day in range(2, 7):
        lines = [f"{number},A,x,1,2011-01-0{day} 10:00:00,1.0,7,UK" for number in range(8)]
        home.put(f"online_retail/r_2011-07-0{day}.csv", home.retail(*lines))
    home.put("online_retail/r_2011-07-07.csv", small)
    result = home.load()
    ordered = sorted(result.deliveries, key=lambda delivery: delivery.exported_at or "")
    assert [delivery.records for delivery in ordered] == [8] * 5 + [1]


def test_members_of_one_archive_are_as_new_as_the_newest_of_them(home: "Home") -> None:
    first = {"a.csv": home.retail(FIRST), "b.csv": home.retail(OTHER)}
    changed = home.retail("1,A,x,3,2011-01-01 10:00:00,1.0,7,UK")
    home.put("online_retail/one.zip", home.zipped(first, day=(2011, 7, 1)))
    home.put(
        "online_retail/undated.zip", home.zipped({"c.csv": home.retail("3" + FIRST), "d.csv": home.retail("4" + FIRST)})
    )
    home.load(night(1))
    home.put(
        "online_retail/undated.zip", home.zipped({"c.csv": home.retail("3" + FIRST), "d.csv": home.retail("5" + FIRST)})
    )
    # The member that was not changed keeps its time in the next archive.
    home.put("online_retail/r_2011-07-05.csv", changed)
    home.put("online_retail/two.zip", home.zipped(first | {"r_2011-07-05.csv": changed}, day=(2011, 7, 1)))
    result = home.load(night(2))
    found = {(each.file, (each.archive_at or "")[:10]) for each in result.deliveries}
    assert found == {
        ("one.zip#a.csv", "2011-07-05"),
        ("one.zip#b.csv", "2011-07-05"),
        ("r_2011-07-05.csv", "2011-07-05"),
        ("undated.zip#c.csv", "2011-12-02"),
        # Of the first night and of the second.
        ("undated.zip#d.csv", "2011-12-01"),
        ("undated.zip#d.csv", "2011-12-02"),
    }
    before = bytes_of(home)
    assert home.load(night(3)).deliveries == result.deliveries
    assert bytes_of(home) == before
