"""One run at a time on one home."""

import json
import sys
from pathlib import Path

import pytest

from warehouse.errors import LockHeld
from warehouse.home import Home
from warehouse.lock import RunLock, lock_holder

from .conftest import Start


def test_a_home_is_free_before_during_and_after_as_it_should(home: Home) -> None:
    assert lock_holder(home) is None
    with RunLock(home):
        assert lock_holder(home) is not None
        with pytest.raises(LockHeld), RunLock(home):
            pass
        assert lock_holder(home) is not None, "a refused run must not free the lock of the one that works"
    assert lock_holder(home) is None
    with RunLock(home):
        pass


def test_a_lock_of_another_process_is_refused_by_its_number_and_freed_by_its_death(home: Home, start: Start) -> None:
    process = start("locker.py", home.root)
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    with pytest.raises(LockHeld, match=f"process {process.pid}, since 20") as refused, RunLock(home):
        pass
    assert refused.value.pid == process.pid
    assert refused.value.started_at is not None
    process.kill()
    process.wait()
    with RunLock(home):
        assert json.loads(home.lock_file.read_text())["pid"] != process.pid


def test_a_lock_makes_the_home_it_needs(tmp_path: Path) -> None:
    with RunLock(Home(tmp_path / "new")) as lock:
        assert lock.home.lock_file.is_file()


def test_an_error_inside_frees_the_lock(home: Home) -> None:
    with pytest.raises(KeyError), RunLock(home):
        raise KeyError
    assert lock_holder(home) is None


def test_the_home_and_the_lock_are_free_of_duckdb(start: Start) -> None:
    process = start("locker.py", "--imports")
    output, errors = process.communicate()
    assert (output, errors) == ("[]\n", ""), sys.version
