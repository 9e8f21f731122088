"""Publishing, looking, going back."""

import errno
import json
import logging
import os
import stat
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from warehouse.durable import append_line, read_lines, sha256, write_whole
from warehouse.errors import LockHeld, WarehouseError
from warehouse.home import Home
from warehouse.lock import RunLock
from warehouse.releases import (
    STEPS,
    add_history_state,
    current_release,
    list_releases,
    new_work,
    next_seq,
    pinned_seq,
    previous_release,
    publish,
    recover,
    rollback,
    serves_later,
    unpin,
    verify,
)

from .nights import day, manifest, night, prepare, prepare_again


def served(home: Home) -> int | None:
    release = current_release(home)
    return release.seq if release else None


def kept(home: Home) -> list[int]:
    return [release.seq for release in list_releases(home)]


def make_writable(path: Path) -> Path:
    path.chmod(0o600)
    return path


# Publishing


def test_a_release_is_one_folder_behind_a_relative_link(home: Home) -> None:
    release = night(home, day(1))
    assert os.readlink(home.current) == "releases/1-run1"
    assert release == current_release(home)
    assert (release.seq, release.run_id, release.as_of, release.served) == (1, "run1", day(1), True)
    assert sorted(path.name for path in home.current.iterdir()) == [
        "manifest.json",
        "marts",
        "report",
        "restricted",
        "states",
        "warehouse.duckdb",
    ]
    assert list(home.work.iterdir()) == []
    assert verify(home) == []


def test_a_home_can_be_moved_with_its_link(home: Home, tmp_path: Path) -> None:
    night(home, day(1))
    moved = Home(home.root.rename(tmp_path / "elsewhere"))
    assert served(moved) == 1
    assert verify(moved) == []


def test_the_manifest_says_what_is_in_the_release(home: Home) -> None:
    work = prepare_again(home, day(1), "r1")
    gates = {"raw": {"passed": 12, "failed": 0}}
    inputs = [{"delivery_id": "ab12", "records": 3}]
    release = publish(home, work, manifest(day(1), "r1", gates=gates, inputs=inputs))
    content = json.loads((release.path / "manifest.json").read_text())
    assert content == release.manifest
    files = content.pop("files")
    assert abs(release.published_at - datetime.now(UTC)).total_seconds() < 60
    assert content.pop("published_at").endswith("+00:00")
    assert content == {
        "seq": 1,
        "run_id": "r1",
        "as_of": "2011-01-01",
        "code_version": "0.1.0",
        "config_hash": "c0ffee",
        "storage_version": "v1.0.0",
        "gates": gates,
        "inputs": inputs,
        # 200 rows, of which 71 have more than 50: counted by hand from i * 7 mod 1000 > 500.
        "row_counts": {"customers": 200, "list_members": 71, "release": 1},
    }
    assert sorted(files) == [
        "marts/customers.parquet",
        "marts/list_members.parquet",
        "marts/release.parquet",
        "report/index.html",
        "restricted/lists/churn_alert.csv",
        "states/as_of=2011-01-01.parquet",
        "warehouse.duckdb",
    ]
    csv = release.path / "restricted" / "lists" / "churn_alert.csv"
    assert files["restricted/lists/churn_alert.csv"] == {"bytes": csv.stat().st_size, "sha256": sha256(csv)}


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_what_is_published_is_read_only_and_what_is_restricted_is_closed(home: Home, umask: int) -> None:
    before = os.umask(umask)
    try:
        release = night(home, day(1))
    finally:
        os.umask(before)

    def mode(name: str) -> int:
        return stat.S_IMODE((release.path / name).stat().st_mode)

    files = ("warehouse.duckdb", "manifest.json", "marts/customers.parquet", "report/index.html")
    assert {mode(name) for name in files} == {0o444}
    assert {mode(name) for name in (".", "marts", "report", "states")} == {0o755}
    assert {mode(name) for name in ("restricted", "restricted/lists")} == {0o750}
    assert mode("restricted/lists/churn_alert.csv") == 0o640


def test_the_same_night_twice_gives_the_same_bytes_run_columns_aside(home: Home) -> None:
    one, two = (night(home, day(1), prepare=prepare).manifest["files"] for _ in range(2))
    assert {name for name in one if one[name] != two[name]} == {"warehouse.duckdb", "marts/release.parquet"}


def test_states_reach_the_history_and_a_repeated_day_replaces_its_own(home: Home) -> None:
    night(home, day(1))
    night(home, day(2))
    night(home, day(1))
    assert sorted(path.name for path in home.states.iterdir()) == [
        "as_of=2011-01-01.parquet",
        "as_of=2011-01-02.parquet",
    ]
    assert [line["seq"] for line in read_lines(home.ledger)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"run_id": "../escape"}, "cannot be a run id"),
        ({"as_of": "09/12/2011"}, "date that is not one"),
        ({"as_of": datetime(2011, 1, 1)}, "as_of without a time"),
        ({"published_at": datetime(2011, 1, 1)}, "published_at with a time zone"),
        ({"inputs": {"not", "json"}}, "could not be completed"),
    ],
)
def test_a_manifest_that_cannot_be_true_is_refused(home: Home, change: dict[str, object], complaint: str) -> None:
    night(home, day(1))
    work = prepare_again(home, day(2), "r2")
    with pytest.raises(WarehouseError, match=complaint):
        publish(home, work, {**manifest(day(2), "r2"), **change})
    assert (served(home), verify(home)) == (1, [])


def test_a_manifest_without_its_origin_is_refused(home: Home) -> None:
    with pytest.raises(WarehouseError, match="lacks code_version, config_hash"):
        publish(home, home.work, {"run_id": "r1", "as_of": day(1)})


def test_a_release_without_marts_is_refused(home: Home) -> None:
    with pytest.raises(WarehouseError, match=r"warehouse\.duckdb is missing"):
        publish(home, new_work(home, "r1"), manifest(day(1), "r1"))


def test_a_link_in_the_work_folder_is_not_published(home: Home) -> None:
    work = prepare_again(home, day(1), "r1")
    (work / "report" / "link").symlink_to("/etc/hostname")
    with pytest.raises(WarehouseError, match="report/link is neither a file nor a folder"):
        publish(home, work, manifest(day(1), "r1"))
    assert served(home) is None


def test_a_log_beside_the_database_is_not_published(home: Home) -> None:
    work = prepare_again(home, day(1), "r1")

    def leave_a_log(step: str) -> None:
        if step == "stamped":
            (work / "warehouse.duckdb.wal").write_bytes(b"x")

    with pytest.raises(WarehouseError, match=r"\.wal exists"):
        publish(home, work, manifest(day(1), "r1"), on_step=leave_a_log)
    assert served(home) is None


def test_a_publication_that_failed_can_be_tried_again(home: Home) -> None:
    work = prepare_again(home, day(1), "r1")

    def fail(step: str) -> None:
        if step == "synced":
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(WarehouseError, match="No space left"):
        publish(home, work, manifest(day(1), "r1"), on_step=fail)
    assert publish(home, work, manifest(day(1), "r1")).served
    assert verify(home) == []


@pytest.mark.parametrize("step", STEPS)
def test_a_full_disk_at_any_step_leaves_readers_a_whole_release(
    home: Home, step: str, caplog: pytest.LogCaptureFixture
) -> None:
    night(home, day(1))

    def fail(reached: str) -> None:
        if reached == step:
            raise OSError(errno.ENOSPC, "No space left on device")

    is_committed = STEPS.index(step) >= STEPS.index("flipped")
    if is_committed:
        with caplog.at_level(logging.WARNING, "keeprate.warehouse"):
            assert night(home, day(2), on_step=fail).seq == 2
        assert "No space left on device" in caplog.text
    else:
        with pytest.raises(WarehouseError, match=r"No space left on device.*nothing has changed for readers"):
            night(home, day(2), on_step=fail)
    assert served(home) == (2 if is_committed else 1)
    assert verify(home) == []
    assert night(home, day(3)).served
    assert verify(home) == []
    assert recover(home) == []


def test_everything_is_on_the_disk_before_the_rename_that_relies_on_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = prepare_again(home, day(1), "r1")
    synced: set[Path] = set()
    synced_at: dict[str, set[Path]] = {}
    real_fsync = os.fsync

    def watch(descriptor: int) -> None:
        real_fsync(descriptor)
        synced.add(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr(os, "fsync", watch)
    publish(home, work, manifest(day(1), "r1"), on_step=lambda step: synced_at.update({step: set(synced)}))
    published = home.releases / "1-r1"
    content = {work / path.relative_to(published) for path in [published, *published.rglob("*")]}
    # The manifest is synced under its temporary name.
    assert content - {work / "manifest.json"} <= synced_at["synced"]
    assert work / ".manifest.json.new" in synced_at["synced"]
    assert home.releases in synced_at["renamed"]
    assert {home.root, home.ledger, home.states} <= synced_at["recorded"]


def test_a_run_id_that_could_leave_the_folder_or_is_taken_is_refused(home: Home) -> None:
    for name in ("", "a/b", "..", "-x", "a" * 65):
        with pytest.raises(WarehouseError, match="cannot be a run id"):
            new_work(home, name)
    assert stat.S_IMODE(new_work(home, "r1").stat().st_mode) == 0o700
    with pytest.raises(WarehouseError, match="exists already"):
        new_work(home, "r1")


def test_numbers_are_never_used_again(home: Home) -> None:
    for number in (1, 2):
        night(home, day(number))
    append_line(home.ledger, {"seq": 9})
    assert next_seq(home) == 10


def test_a_current_that_is_a_folder_is_not_replaced(home: Home) -> None:
    home.current.mkdir()
    work = prepare_again(home, day(1), "r1")
    with pytest.raises(WarehouseError, match="is not a symbolic link"):
        publish(home, work, manifest(day(1), "r1"))


# Keeping


def test_the_newest_releases_are_kept(home: Home) -> None:
    for number in range(1, 6):
        night(home, day(number), keep=3)
    assert kept(home) == [3, 4, 5]
    assert list(home.work.iterdir()) == []
    with pytest.raises(WarehouseError, match="at least 2"):
        night(home, day(6), keep=1)


def test_the_release_that_is_served_is_kept_however_old(home: Home) -> None:
    for number in (1, 2):
        night(home, day(number))
    rollback(home)
    for number in range(3, 7):
        night(home, day(number), keep=2)
    assert kept(home) == [1, 5, 6]
    assert (served(home), verify(home)) == (1, [])


def test_repeating_a_night_never_loses_the_list_state_it_starts_from(home: Home) -> None:
    night(home, day(1))
    for _ in range(4):
        night(home, day(2), keep=2)
    assert kept(home) == [1, 4, 5]
    before = previous_release(home, day(2))
    assert before is not None
    assert before.seq == 1


# Looking


def test_an_empty_home_has_nothing_to_show(home: Home) -> None:
    assert current_release(home) is None
    assert list_releases(home) == []
    assert list_releases(Home(home.root / "nowhere")) == []
    assert previous_release(home, day(1)) is None
    assert not serves_later(home, day(1))
    assert verify(home) == [f"{home.current} does not point to a release."]


def test_a_night_continues_the_newest_release_of_an_earlier_day(home: Home) -> None:
    for number in (1, 3, 2, 3):
        night(home, day(number))

    def before(as_of: date) -> int | None:
        release = previous_release(home, as_of)
        return release.seq if release else None

    assert [before(day(number)) for number in (1, 2, 3, 4)] == [None, 1, 3, 4]


def test_a_day_before_the_one_served_is_a_backfill(home: Home) -> None:
    night(home, day(5))
    assert [serves_later(home, day(number)) for number in (4, 5, 6)] == [True, False, False]


def test_a_backfilled_state_replaces_the_older_one_at_once(home: Home) -> None:
    night(home, day(1))
    file = new_work(home, "backfill") / "state.parquet"
    file.write_bytes(b"restated")
    target = add_history_state(home, file, day(1))
    assert target == home.state_file(day(1))
    assert target.read_bytes() == b"restated"
    assert not file.exists()
    recover(home)
    assert target.read_bytes() == b"restated", "recovery must not undo a backfill"
    with pytest.raises(WarehouseError, match="could not be moved"):
        add_history_state(home, file, day(1))


# Verifying


@pytest.mark.parametrize(
    "name",
    ["warehouse.duckdb", "marts/customers.parquet", "restricted/lists/churn_alert.csv", "manifest.json"],
)
def test_one_flipped_bit_is_found(home: Home, name: str) -> None:
    release = night(home, day(1))
    file = make_writable(release.path / name)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0x01
    file.write_bytes(content)
    problems = verify(home)
    assert any(str(file) in problem for problem in problems), problems


def test_missing_surplus_and_cut_files_are_found(home: Home) -> None:
    path = night(home, day(1)).path
    (path / "report" / "index.html").unlink()
    (path / "notes.txt").write_text("x")
    make_writable(path / "marts" / "customers.parquet").write_bytes(b"PAR1")
    problems = verify(home)
    assert problems == [
        f"{path / 'report' / 'index.html'} is missing.",
        f"{path / 'notes.txt'} is not part of the release.",
        f"{path / 'marts' / 'customers.parquet'} has 4 bytes instead of {problems[2].split()[-1]}",
    ]


def test_a_manifest_that_was_rewritten_to_fit_is_found(home: Home) -> None:
    path = night(home, day(1)).path
    make_writable(path / "report" / "index.html").write_text("other")
    content = json.loads((path / "manifest.json").read_text())
    content["files"]["report/index.html"] = {"bytes": 5, "sha256": sha256(path / "report" / "index.html")}
    make_writable(path / "manifest.json").write_text(json.dumps(content))
    assert verify(home) == [f"{path / 'manifest.json'} has changed since the release was recorded."]


def test_row_counts_are_compared_with_the_database(home: Home) -> None:
    path = night(home, day(1)).path
    content = json.loads((path / "manifest.json").read_text())
    content["row_counts"]["customers"] += 1
    make_writable(path / "manifest.json").write_text(json.dumps(content))
    assert f"{path / 'warehouse.duckdb'} has other row counts than its manifest." in verify(home)


def test_any_release_can_be_verified_by_its_number(home: Home) -> None:
    first = night(home, day(1))
    night(home, day(2))
    (first.path / "x").write_text("")
    assert verify(home) == []
    assert verify(home, 1) == verify(home, first) == [f"{first.path / 'x'} is not part of the release."]
    with pytest.raises(WarehouseError, match="no release 3"):
        verify(home, 3)


def test_a_release_without_a_readable_manifest_is_reported_not_hidden(home: Home) -> None:
    path = night(home, day(1)).path
    make_writable(path / "manifest.json").write_text("{")
    assert verify(home) == [f"{path / 'manifest.json'} cannot be read."]
    assert list_releases(home) == []
    with pytest.raises(WarehouseError, match="does not point to a whole release"):
        current_release(home)
    assert night(home, day(2)).seq == 2


# Going back


def test_a_rollback_holds_until_it_is_unpinned(home: Home) -> None:
    for number in (1, 2):
        night(home, day(number))
    back = rollback(home)
    assert (back.seq, back.served) == (1, True)
    assert (served(home), pinned_seq(home)) == (1, 1)

    release = night(home, day(3))
    assert (release.seq, release.served) == (3, False)
    assert verify(home, release) == []
    assert served(home) == 1
    assert home.state_file(day(3)).exists()
    assert recover(home) == []
    assert kept(home) == [1, 2, 3]

    newest = unpin(home)
    assert (newest.seq, newest.served) == (3, True)
    assert (served(home), pinned_seq(home)) == (3, None)
    assert night(home, day(4)).served
    assert [(line["action"], line["from_seq"], line["to_seq"]) for line in read_lines(home.audit)] == [
        ("rollback", 2, 1),
        ("unpin", 1, 3),
    ]


def test_a_rollback_goes_to_any_release_that_is_kept(home: Home) -> None:
    for number in (1, 2, 3):
        night(home, day(number))
    assert rollback(home, 1).seq == 1
    assert rollback(home, 2).seq == 2
    assert rollback(home).seq == 1
    with pytest.raises(WarehouseError, match="no release before"):
        rollback(home)
    with pytest.raises(WarehouseError, match="served already"):
        rollback(home, 1)
    with pytest.raises(WarehouseError, match="no release 9; choose one of those kept: 1, 2, 3"):
        rollback(home, 9)
    assert served(home) == 1


def test_a_damaged_release_is_not_served(home: Home) -> None:
    for number in (1, 2, 3):
        night(home, day(number))
    make_writable(home.releases / "1-run1" / "report" / "index.html").write_text("<title>2011-01-02</title>")
    with pytest.raises(WarehouseError, match=r"1-run1 is damaged and will not be served: .*index\.html"):
        rollback(home, 1)
    assert (served(home), pinned_seq(home)) == (3, None)


def test_interventions_wait_for_nobody_and_disturb_nobody(home: Home) -> None:
    for number in (1, 2):
        night(home, day(number))
    with RunLock(home):
        for intervene in (rollback, unpin):
            with pytest.raises(LockHeld):
                intervene(home)
    assert served(home) == 2


def test_nothing_to_go_back_to_is_said(home: Home) -> None:
    with pytest.raises(WarehouseError, match="no release before"):
        rollback(home)
    night(home, day(1))
    with pytest.raises(WarehouseError, match="no release before"):
        rollback(home)
    with pytest.raises(WarehouseError, match="Nothing is pinned"):
        unpin(home)


def test_a_pin_that_cannot_be_read_stops_a_publication(home: Home) -> None:
    night(home, day(1))
    home.pin_file.write_text("?")
    work = prepare_again(home, day(2), "r2")
    with pytest.raises(WarehouseError, match="does not say which release is pinned"):
        publish(home, work, manifest(day(2), "r2"))
    assert served(home) == 1


# Recovering


def test_a_home_in_order_is_left_alone(home: Home) -> None:
    assert recover(home) == []
    for number in (1, 2):
        night(home, day(number))
    assert recover(home) == []
    assert kept(home) == [1, 2]


def test_debris_is_removed_and_reported(home: Home) -> None:
    night(home, day(1))
    (home.work / "r9").mkdir()
    (home.work / "r9" / "half").write_text("x")
    (home.releases / "9-r9").mkdir()
    (home.root / ".current.new").symlink_to("releases/9-r9")
    (home.states / ".as_of=2011-01-09.parquet.new").write_text("x")
    (home.releases / "README").write_text("not ours")
    assert len(recover(home)) == 4
    assert list(home.work.iterdir()) == []
    assert sorted(path.name for path in home.releases.iterdir()) == ["1-run1", "README"]
    assert recover(home) == []
    assert verify(home) == []


def test_a_lost_link_is_restored_to_the_newest_release(home: Home) -> None:
    for number in (1, 2):
        night(home, day(number))
    for target in (None, "gone", "releases/README"):
        home.current.unlink()
        if target is not None:
            home.current.symlink_to(target)
        recover(home)
        assert os.readlink(home.current) == "releases/2-run2"
        assert kept(home) == [1, 2]


def test_a_home_whose_history_is_lost_keeps_its_releases(home: Home) -> None:
    for number in (1, 2):
        night(home, day(number))
    home.current.unlink()
    home.ledger.unlink()
    for state in home.states.iterdir():
        state.unlink()
    recover(home)
    assert (served(home), kept(home)) == (2, [1, 2])
    assert len(list(home.states.iterdir())) == 2
    assert night(home, day(3)).seq == 3


def test_a_state_that_is_lost_comes_back_from_its_release(home: Home) -> None:
    night(home, day(1))
    before = sha256(home.state_file(day(1)))
    home.state_file(day(1)).unlink()
    recover(home)
    assert sha256(home.state_file(day(1))) == before


def test_a_rollback_that_was_cut_off_is_completed(home: Home) -> None:
    for number in (1, 2):
        night(home, day(number))
    write_whole(home.pin_file, '{"seq": 1}')
    recover(home)
    assert (served(home), kept(home)) == (1, [1, 2])
    assert read_lines(home.audit)[-1]["action"] == "recover"


def test_a_pin_to_a_release_that_is_gone_changes_nothing(home: Home) -> None:
    night(home, day(1))
    write_whole(home.pin_file, '{"seq": 7}')
    assert recover(home) == ["The pinned release 7 does not exist any more."]
    assert served(home) == 1
