"""When a night is requested because files arrived."""

import os
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from orchestration.sensors import Cursor, delivery_sensor, run_key, tick

PARTITIONS = dg.DailyPartitionsDefinition(start_date="2020-01-01", timezone="Asia/Shanghai")
# Half past four in the afternoon in London is already the next day in Shanghai.
NOW = datetime(2026, 3, 1, 16, 30, tzinfo=UTC)


@dg.asset(partitions_def=PARTITIONS)
def table() -> None: ...


NIGHTLY = dg.define_asset_job("nightly", selection=[table])


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    (folder / "shop").mkdir(parents=True)
    return folder


def write(path: Path, text: str = "a\n", *, mtime: int | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    if mtime is not None:
        os.utime(path, ns=(mtime, mtime))
    return path


def ticks(landing: Path, count: int, cursor: Cursor | None = None) -> tuple[Cursor, list[str | None]]:
    """Tick several times over an unchanged folder."""
    cursor, requests = cursor or Cursor(), []
    for _ in range(count):
        cursor, request, reason = tick(cursor, landing)
        assert reason.endswith(".")
        requests.append(request)
    return cursor, requests


def test_a_file_is_requested_once_and_only_when_unchanged_between_two_ticks(landing: Path) -> None:
    write(landing / "shop" / "orders.csv")
    _, requests = ticks(landing, 4)
    assert requests[0] is None
    assert requests[1] is not None
    assert requests[2:] == [None, None]


def test_a_growing_file_waits_until_it_stops_growing(landing: Path) -> None:
    path = write(landing / "shop" / "orders.csv")
    cursor = Cursor()
    for size in range(1, 4):
        write(path, "a\n" * size)
        cursor, request, reason = tick(cursor, landing)
        assert request is None
        assert "still being written" in reason
    _, request, _ = tick(cursor, landing)
    assert request is not None


def test_a_complete_file_waits_for_one_still_being_written_because_a_night_reads_both(landing: Path) -> None:
    write(landing / "shop" / "orders.csv")
    cursor, _ = ticks(landing, 1)
    growing = write(landing / "shop" / "customers.csv")
    cursor, requests = ticks(landing, 1, cursor)
    assert requests == [None]
    cursor, requests = ticks(landing, 1, cursor)
    assert requests == [run_key(cursor.seen)]
    assert growing.relative_to(landing).as_posix() in cursor.seen


def test_a_rewrite_of_the_same_size_is_noticed(landing: Path) -> None:
    path = write(landing / "shop" / "orders.csv", "a\n", mtime=10**18)
    cursor, first = ticks(landing, 2)
    write(path, "b\n", mtime=10**18 + 1)
    _, second = ticks(landing, 2, cursor)
    assert second[0] is None
    assert second[1] not in (None, first[1])


def test_removing_files_requests_nothing_but_their_return_does(landing: Path) -> None:
    path = write(landing / "shop" / "orders.csv", mtime=10**18)
    write(landing / "shop" / "customers.csv")
    cursor, _ = ticks(landing, 2)
    path.unlink()
    cursor, requests = ticks(landing, 2, cursor)
    assert requests == [None, None]
    write(path, mtime=10**18)
    _, requests = ticks(landing, 2, cursor)
    assert requests[1] is not None


@pytest.mark.parametrize(
    "name",
    [".hidden.csv", "orders.csv.part", "orders.csv.TMP", "orders.csv~", "~$orders.xlsx", ".sync/orders.csv"],
)
def test_hidden_and_unfinished_names_are_not_deliveries(landing: Path, name: str) -> None:
    write(landing / "shop" / name)
    cursor, requests = ticks(landing, 3)
    assert requests == [None, None, None]
    assert not cursor.seen


def test_links_are_not_followed(landing: Path, tmp_path: Path) -> None:
    (landing / "shop" / "orders.csv").symlink_to(write(tmp_path / "elsewhere.csv"))
    cursor, _ = ticks(landing, 1)
    assert not cursor.seen


def test_the_key_names_the_set_of_files_whatever_their_order() -> None:
    assert run_key({"a": (1, 2), "b": (3, 4)}) == run_key({"b": (3, 4), "a": (1, 2)})
    assert run_key({"a": (1, 2)}) != run_key({"a": (1, 3)})


@pytest.mark.parametrize("text", [None, "", "{", "[]", "7", '{"seen": {"a": [1]}}', '{"seen": ["a"]}'])
def test_an_unreadable_cursor_counts_as_none(text: str | None) -> None:
    assert Cursor.from_json(text) == Cursor()


def test_a_cursor_survives_being_stored() -> None:
    cursor = Cursor({"shop/订单.csv": (1, 10**18)}, {"b": (3, 4)})
    assert Cursor.from_json(cursor.to_json()) == cursor


def test_the_sensor_requests_yesterday_in_the_business_time_zone(landing: Path) -> None:
    write(landing / "shop" / "orders.csv")
    sensor = delivery_sensor(NIGHTLY, landing, time_zone="Asia/Shanghai", clock=lambda: NOW)
    definitions = dg.Definitions(assets=[table], jobs=[NIGHTLY], sensors=[sensor])
    repository = definitions.get_repository_def()
    assert sensor.minimum_interval_seconds == 60
    with dg.instance_for_test() as instance:
        first = sensor.evaluate_tick(dg.build_sensor_context(instance, repository_def=repository))
        assert not first.run_requests
        assert first.skip_message
        second = sensor.evaluate_tick(dg.build_sensor_context(instance, cursor=first.cursor, repository_def=repository))
        (request,) = second.run_requests or []
        assert request.partition_key == "2026-03-01"
        assert request.run_key == run_key(Cursor.from_json(second.cursor).seen)


def test_a_missing_landing_folder_is_a_skip_with_a_sentence(tmp_path: Path) -> None:
    sensor = delivery_sensor(NIGHTLY, tmp_path / "nowhere", time_zone="UTC", clock=lambda: NOW)
    definitions = dg.Definitions(assets=[table], jobs=[NIGHTLY], sensors=[sensor])
    with dg.instance_for_test() as instance:
        context = dg.build_sensor_context(instance, repository_def=definitions.get_repository_def())
        result = sensor.evaluate_tick(context)
    assert "does not exist" in (result.skip_message or "")
