"""A night beside others: a reader that keeps the old release, a second run, an operator who stops it, a full disk."""

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import dagster as dg
import duckdb
import pytest
from typer.testing import CliRunner

from assets import release as release_step
from orchestration import cli
from orchestration.instance import open_instance
from orchestration.interrupts import insisting
from warehouse.home import Home
from warehouse.lock import RunLock, lock_holder
from warehouse.releases import current_release, recover, verify

PROJECT = Path(__file__).resolve().parents[2]
RULES = PROJECT / "examples" / "online_retail" / "business.yml"
FIRST_DAY, SECOND_DAY = "2011-12-08", "2011-12-09"
SEEN = "select any_value(as_of), count(*), sum(net_amount) from marts.orders, marts.release"


@pytest.fixture(scope="module")
def home(
    tmp_path_factory: pytest.TempPathFactory, small_shop: Any, night: Callable[..., Any], deliver: Callable[..., Path]
) -> Home:
    """A home that serves the first day; the tests of this module go on from what the one before left."""
    root = tmp_path_factory.mktemp("readers") / "home"
    deliver(root, "online_retail.csv", small_shop.content)
    outcome = night(root, FIRST_DAY)
    assert outcome.kind == "published", outcome.reasons
    return Home(root)


def bytes_served(home: Home) -> dict[str, bytes]:
    """Name of the release and every byte that readers see."""
    release = home.current.resolve()
    return {str(file.relative_to(home.releases)): file.read_bytes() for file in release.rglob("*") if file.is_file()}


def assert_in_order(home: Home) -> None:
    assert verify(home) == []
    assert lock_holder(home) is None
    assert recover(home) == []
    assert list(home.work.iterdir()) == []


def test_a_second_run_ends_at_once_with_a_sentence_while_one_works(home: Home) -> None:
    before = bytes_served(home)
    with RunLock(home):
        arguments = ["run", "--home", str(home.root), "--config", str(RULES), "--as-of", SECOND_DAY]
        result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == cli.Exit.LOCKED
    (sentence,) = result.stderr.splitlines()
    assert f"process {os.getpid()}" in sentence
    assert sentence.endswith(".")
    assert bytes_served(home) == before


@contextmanager
def largest_file(limit: int) -> Iterator[None]:
    """Let no file of this process grow beyond ``limit`` bytes, which programs meet as they meet a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.slow
def test_a_disk_that_is_full_at_the_release_leaves_readers_where_they_were(
    home: Home, night: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, publish = bytes_served(home), release_step._publish

    def publish_on_a_full_disk(*arguments: Any) -> Any:
        with largest_file(100_000):
            return publish(*arguments)

    monkeypatch.setattr(release_step, "_publish", publish_on_a_full_disk)
    outcome = night(home.root, SECOND_DAY)

    assert (outcome.exit_code, outcome.kind) == (4, "failed")
    (reason,) = outcome.reasons
    assert "release__current" in reason
    assert bytes_served(home) == before
    assert verify(home) == []
    assert lock_holder(home) is None


@pytest.mark.slow
def test_a_reader_that_keeps_the_old_release_holds_up_no_night_and_keeps_its_view(
    home: Home, night: Callable[..., Any]
) -> None:
    served = current_release(home)
    assert served is not None
    with duckdb.connect(str(home.current / "warehouse.duckdb"), read_only=True) as reader:
        before = reader.execute(SEEN).fetchall()

        outcome = night(home.root, SECOND_DAY)

        assert (outcome.kind, outcome.served) == ("published", True), outcome.reasons
        assert reader.execute(SEEN).fetchall() == before
        with duckdb.connect(str(served.path / "warehouse.duckdb"), read_only=True) as late:
            assert late.execute(SEEN).fetchall() == before
    # A file that is open in this process is shared by path: the new reader follows the link anew.
    with duckdb.connect(str(home.current / "warehouse.duckdb"), read_only=True) as reader:
        ((day, orders, amount),) = reader.execute(SEEN).fetchall()
    assert (str(before[0][0]), str(day)) == (FIRST_DAY, SECOND_DAY)
    assert orders > before[0][1]
    assert amount != before[0][2]
    assert_in_order(home)


def test_a_night_that_is_told_to_stop_stops_and_frees_the_lock(home: Home) -> None:
    before = bytes_served(home)
    process = subprocess.Popen(
        [
            # A script that starts a program in the background lets it ignore SIGINT.
            *("sh", "-c", 'trap "" INT; exec "$@"', "sh"),
            *(sys.executable, "-c", "from orchestration.cli import main; main()", "run"),
            *("--home", str(home.root), "--config", str(RULES), "--as-of", SECOND_DAY),
        ],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        # The first step is done, the longest is under way.
        printed = ""
        for line in process.stdout:
            printed += line
            if "raw gate:" in line:
                break
        holder = lock_holder(home)
        assert holder is not None, printed
        assert holder.pid == process.pid
        process.send_signal(signal.SIGTERM)
        printed += process.communicate(timeout=120)[0]
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == cli.Exit.FAILED, printed
    assert "Traceback" not in printed
    assert "what was served before still is" in printed
    assert lock_holder(home) is None
    assert bytes_served(home) == before
    with open_instance(home.root) as instance:
        (run,) = instance.get_runs(limit=1)
        assert run.status in {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


def test_a_signal_to_stop_that_was_lost_is_repeated() -> None:
    received: list[int] = []
    stopped = threading.Event()

    def lose_the_first(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:
            stopped.set()

    before = signal.signal(signal.SIGTERM, lose_the_first)
    try:
        with insisting(again_seconds=0.01):
            os.kill(os.getpid(), signal.SIGTERM)
            assert stopped.wait(timeout=60)
        count = len(received)
        assert set(received) == {signal.SIGTERM}
        assert not stopped.clear()
        assert not stopped.wait(timeout=0.1), "nothing is repeated once the work is over"
        assert len(received) == count
    finally:
        signal.signal(signal.SIGTERM, before)


def test_work_that_nobody_stops_receives_no_signal() -> None:
    wakeup = signal.set_wakeup_fd(-1)
    with insisting(again_seconds=0.01):
        pass
    assert signal.set_wakeup_fd(-1) == wakeup
