"""Kills, readers and full disks: readers see the old release or the new one, and the next night is clean."""

import json
import os
import random
import signal
import subprocess

import pytest

from warehouse.durable import read_lines
from warehouse.home import Home
from warehouse.lock import RunLock, lock_holder
from warehouse.releases import STEPS, current_release, list_releases, recover, rollback, unpin, verify

from .conftest import Start
from .nights import day, night

ALL_STEPS = ("recovered", "exported", *STEPS)
FLIPPED = STEPS[STEPS.index("flipped") :]


def served(home: Home) -> int:
    release = current_release(home)
    return release.seq if release else 0


def finish(process: "subprocess.Popen[str]") -> str:
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return output


def kill_at(start: Start, home: Home, step: str) -> None:
    process = start("nights.py", home.root, "--stop-at", step)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


def assert_in_order(home: Home) -> None:
    """Assert that nothing is left over, and that ledger, history and releases agree."""
    assert recover(home) == []
    assert list(home.work.iterdir()) == []
    assert [path for path in home.root.iterdir() if path.name.startswith(".")] == []
    releases = list_releases(home)
    assert {path.name for path in home.releases.iterdir()} == {release.name for release in releases}
    assert {release.seq for release in releases} <= {line["seq"] for line in read_lines(home.ledger)}
    assert all(home.state_file(release.as_of).exists() for release in releases)
    assert all(verify(home, release) == [] for release in releases)


@pytest.mark.parametrize("step", ALL_STEPS)
def test_a_kill_at_any_step_leaves_the_old_release_or_the_new_one(home: Home, start: Start, step: str) -> None:
    night(home, day(1))
    kill_at(start, home, step)
    assert served(home) == (2 if step in FLIPPED else 1)
    assert verify(home) == []
    with RunLock(home):
        recover(home)
        assert served(home) == (2 if step in FLIPPED else 1), "recovery must not move readers"
        assert [release.seq for release in list_releases(home)] == ([1, 2] if step in FLIPPED else [1])
        assert_in_order(home)
    release = night(home, day(3))
    assert (release.served, served(home)) == (True, release.seq)
    assert_in_order(home)


@pytest.mark.parametrize("step", ["described", "renamed", "linked", "flipped"])
def test_a_kill_during_the_first_publication_leaves_nothing_or_a_whole_release(
    home: Home, start: Start, step: str
) -> None:
    kill_at(start, home, step)
    assert served(home) == (1 if step == "flipped" else 0)
    assert night(home, day(2)).served
    assert verify(home) == []
    assert_in_order(home)


@pytest.mark.parametrize("step", ["described", "renamed", "remembered", "recorded", "collected"])
def test_a_kill_while_a_release_is_pinned_moves_nobody_and_loses_nothing(home: Home, start: Start, step: str) -> None:
    for number in (1, 2):
        night(home, day(number))
    rollback(home)
    kill_at(start, home, step)
    assert served(home) == 1
    with RunLock(home):
        recover(home)
    assert_in_order(home)
    newest = 2 if step == "described" else 3
    assert [release.seq for release in list_releases(home)][-1] == newest
    assert unpin(home).seq == newest
    assert_in_order(home)


def test_readers_meet_neither_an_error_nor_a_mixture_while_nights_are_published(home: Home, start: Start) -> None:
    night(home, day(1))
    reader = start("reader.py", "poll", home.root)
    assert reader.stdout is not None
    assert reader.stdout.readline() == "ready\n"
    for number in range(2, 14):
        night(home, day(number), keep=2)
    seen = json.loads(finish(reader))
    assert seen["errors"] == []
    assert seen["days"] == sorted(seen["days"]), "no reader goes back in time"
    assert seen["reads"] >= 5
    assert len(seen["days"]) > 2


def test_the_link_is_never_absent_while_it_moves(home: Home, start: Start) -> None:
    for number in (1, 2):
        night(home, day(number))
    reader = start("reader.py", "follow", home.root)
    assert reader.stdout is not None
    assert reader.stdout.readline() == "ready\n"
    for _ in range(15):
        rollback(home, 1)
        rollback(home, 2)
    seen = json.loads(finish(reader))
    assert seen["errors"] == []
    assert len(seen["days"]) > 10


def test_a_reader_that_keeps_a_release_open_blocks_nobody_and_keeps_its_view(home: Home, start: Start) -> None:
    night(home, day(1))
    reader = start("reader.py", "hold", home.root)
    assert reader.stdout is not None
    assert reader.stdout.readline() == "ready\n"
    for number in (2, 3, 4):
        assert night(home, day(number), keep=2).served
    assert not (home.releases / "1-run1").exists()
    output, errors = reader.communicate("\n", timeout=60)
    assert (output, reader.returncode) == (f"{day(1)}\n", 0), errors


def test_a_disk_that_takes_no_more_bytes_leaves_the_old_release(home: Home, start: Start) -> None:
    night(home, day(1))
    process = start("nights.py", home.root, "--file-limit", 100)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "WarehouseError" in errors
    assert (served(home), verify(home)) == (1, [])
    assert lock_holder(home) is None
    assert night(home, day(2)).served
    assert_in_order(home)


def test_two_nights_at_once_are_one_night_and_one_refusal(home: Home, start: Start) -> None:
    with RunLock(home):
        process = start("nights.py", home.root)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"process {os.getpid()}, since" in errors
    assert served(home) == 0


@pytest.mark.slow
def test_a_hundred_random_kills_harm_nothing_and_no_reader_notices(home: Home, start: Start) -> None:
    moments = random.Random(20111209)
    night(home, day(1))
    reader = start("reader.py", "poll", home.root)
    assert reader.stdout is not None
    assert reader.stdout.readline() == "ready\n"
    reported, kills = 1, 0
    while kills < 100:
        process = start("nights.py", home.root, "--nights", 1000)
        assert process.stdout is not None
        # Past the start of the process, so that the kills fall into nights.
        process.stdout.readline()
        try:
            process.wait(timeout=moments.uniform(0, 0.4))
        except subprocess.TimeoutExpired:
            process.kill()
            kills += 1
        output, errors = process.communicate()
        assert process.returncode == -signal.SIGKILL, errors
        numbers = [int(line.split()[1]) for line in output.splitlines() if line.startswith("published ")]
        assert served(home) >= max([reported, *numbers]), "what was reported as published is served"
        assert verify(home) == []
        reported = served(home)
    seen = json.loads(finish(reader))
    assert seen["errors"] == []
    assert seen["days"] == sorted(seen["days"])
    with RunLock(home):
        recover(home)
    assert_in_order(home)
    assert night(home, day(reported + 2)).served
