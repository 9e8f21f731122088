"""Whole nights that are killed, starved and locked out: readers notice nothing, and the next night is clean."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner

from assets import release as release_step
from orchestration import cli
from orchestration.instance import PROCESS_TAG, open_instance
from warehouse.durable import read_lines
from warehouse.home import Home
from warehouse.lock import RunLock, lock_holder
from warehouse.releases import current_release, list_releases, recover, verify

from .test_nightly import mart_bytes

pytestmark = pytest.mark.slow

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
RULES = PROJECT / "examples" / "online_retail" / "business.yml"
KILLS = 20
DAYS = ("2011-12-07", "2011-12-08", "2011-12-09")
# Root may open everything; without these it is held to permissions as everybody else is.
_CAPABILITIES = "-dac_override,-dac_read_search"

Deliver = Callable[..., Path]
Night = Callable[..., Any]


@pytest.fixture
def start() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start a process in a group of its own that ends with the test at the latest."""
    processes: list[subprocess.Popen[str]] = []

    def run(*command: object, **options: Any) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )
        processes.append(process)
        return process

    yield run
    for process in processes:
        kill(process)


def keeprate_run(home: Home, day: str) -> list[str]:
    """Command that runs one night."""
    program = (sys.executable, "-c", "from orchestration.cli import main; main()")
    return [*program, "run", "--home", str(home.root), "--config", str(RULES), "--as-of", day]


def kill(process: "subprocess.Popen[str]") -> None:
    """End a process and all it started, as the kernel does when memory is short, and read what it said."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # A stream that was read to its end already cannot be read again.
    with suppress(ValueError):
        process.communicate()


def finished(process: "subprocess.Popen[str]") -> str:
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    return output


def bytes_served(home: Home) -> dict[str, bytes]:
    """Every byte that readers see, under the name of its release."""
    release = home.current.resolve()
    return {str(file.relative_to(home.releases)): file.read_bytes() for file in release.rglob("*") if file.is_file()}


def assert_in_order(home: Home) -> None:
    """Assert that nothing is left over, that the lock is free, and that releases, ledger and history agree."""
    assert lock_holder(home) is None
    assert verify(home) == []
    with RunLock(home):
        assert recover(home) == []
    assert list(home.work.iterdir()) == []
    assert [path.name for path in home.root.iterdir() if path.name.startswith(".")] == []
    releases = list_releases(home)
    assert {path.name for path in home.releases.iterdir()} == {release.name for release in releases}
    recorded = [line["seq"] for line in read_lines(home.ledger)]
    assert recorded == sorted(set(recorded))
    assert {release.seq for release in releases} <= set(recorded)


def assert_killed_runs_are_known_as_failed(home: Home, pids: list[int]) -> int:
    """Assert what Dagster says of killed processes, and return how many had a run to speak of."""
    published = {line["run_id"] for line in read_lines(home.ledger)}
    done, failed = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE
    with open_instance(home.root) as instance:
        runs = instance.get_runs()
    assert {run.status for run in runs} <= {done, failed}, "no run is under way for ever"
    killed = [run for run in runs if int(run.tags[PROCESS_TAG].partition("@")[0]) in pids]
    # A process that was killed while it printed its summary had done its work.
    assert all(run.status is failed or run.run_id in published for run in killed)
    return len(killed)


def test_nights_killed_at_random_moments_harm_nothing_and_no_reader_notices(
    tmp_path: Path,
    small_shop: Any,
    night: Night,
    deliver: Deliver,
    start: Callable[..., "subprocess.Popen[str]"],
) -> None:
    calm, home = Home(tmp_path / "calm"), Home(tmp_path / "home")
    for each in (calm, home):
        deliver(each.root, "online_retail.csv", small_shop.content)
    for day in DAYS[:-1]:
        assert night(calm.root, day).exit_code == 0
    started = time.monotonic()
    finished(start(*keeprate_run(calm, DAYS[-1])))
    duration = time.monotonic() - started

    moments, reader = random.Random(20111209), None
    pids: list[int] = []
    while len(pids) < KILLS:
        day = DAYS[len(pids) * len(DAYS) // KILLS]
        process = start(*keeprate_run(home, day))
        try:
            process.wait(timeout=moments.uniform(0, duration))
        except subprocess.TimeoutExpired:
            kill(process)
            pids.append(process.pid)
        else:
            # Quicker than the measured one: a night like any other.
            assert process.returncode == 0, process.stderr
        assert lock_holder(home) is None
        if current_release(home) is not None:
            assert verify(home) == []

        outcome = night(home.root, day)

        assert (outcome.exit_code, outcome.kind, outcome.served) == (0, "published", True), outcome.reasons
        assert_in_order(home)
        nights_killed = assert_killed_runs_are_known_as_failed(home, pids)
        if reader is None:
            reader = start(sys.executable, HERE / "polling_reader.py", home.root, stdin=subprocess.PIPE)
            assert reader.stdout is not None
            assert reader.stdout.readline() == "ready\n"

    assert nights_killed >= KILLS // 4, "the others hit the start of the process or its end"
    assert mart_bytes(home.root) == mart_bytes(calm.root), "kills leave no trace in the tables"
    assert reader is not None
    seen = json.loads(finished(reader))
    assert seen["errors"] == []
    assert seen["reads"] > KILLS
    days = [as_of for _, as_of, *_ in seen["releases"].values()]
    assert sorted(set(days)) == list(DAYS)
    assert days == sorted(days)


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """Mount a file system of its own on a folder; skip the test where that is not allowed."""
    folder.mkdir()
    options = f"size={megabytes}m,mode=0755"
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("mounting a small disk takes root and the command mount")
    mounted = subprocess.run([mount, "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"mounting a small disk is not allowed here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path, *, leave: int) -> Path:
    """Write a file that leaves only so many bytes free, and return it."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - leave)
    return filler


def test_a_disk_that_runs_full_at_the_release_leaves_readers_where_they_were(
    tmp_path: Path, small_shop: Any, night: Night, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, megabytes=512):
        home, publish = Home(disk / "home"), release_step._publish
        deliver(home.root, "online_retail.csv", small_shop.content)
        assert night(home.root, DAYS[0]).exit_code == 0
        before, fillers = bytes_served(home), []

        def publish_on_a_full_disk(*arguments: Any) -> Any:
            fillers.append(fill(disk, leave=64 * 1024))
            return publish(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(release_step, "_publish", publish_on_a_full_disk)
            arguments = ["run", "--home", str(home.root), "--config", str(RULES), "--as-of", DAYS[1]]
            result = CliRunner().invoke(cli.app, arguments)

        assert fillers
        assert result.exit_code == cli.Exit.FAILED, result.output
        assert "Traceback" not in result.output
        assert result.stderr.splitlines()[-1].startswith(f"keeprate: The disk of {home.root} is full; ")
        assert bytes_served(home) == before
        assert verify(home) == []
        fillers[0].unlink()
        assert night(home.root, DAYS[1]).kind == "published"
        assert_in_order(home)


@pytest.fixture
def as_anybody() -> list[str]:
    """Command prefix under which permissions count, for root too."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    prefix = [setpriv or "", f"--bounding-set={_CAPABILITIES}", f"--inh-caps={_CAPABILITIES}"]
    if setpriv is None or subprocess.run([*prefix, "true"], capture_output=True).returncode:
        pytest.skip("root ignores permissions, and there is no setpriv that makes it heed them")
    return prefix


def test_a_landing_folder_that_cannot_be_written_is_read_all_the_same(
    tmp_path: Path,
    small_shop: Any,
    deliver: Deliver,
    as_anybody: list[str],
    start: Callable[..., "subprocess.Popen[str]"],
) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    file = deliver(home.root, "online_retail.csv", small_shop.content)
    for path in (file, file.parent, home.landing):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = [(path, path.stat().st_mtime_ns) for path in sorted(home.landing.rglob("*"))]
    finished(start(*as_anybody, *keeprate_run(home, DAYS[-1])))
    assert verify(home) == []
    assert [(path, path.stat().st_mtime_ns) for path in sorted(home.landing.rglob("*"))] == before
    assert file.read_bytes() == small_shop.content


def test_an_export_that_cannot_be_read_is_refused_by_its_name(
    tmp_path: Path,
    small_shop: Any,
    night: Night,
    deliver: Deliver,
    as_anybody: list[str],
    start: Callable[..., "subprocess.Popen[str]"],
) -> None:
    home = Home(tmp_path / "home")
    deliver(home.root, "online_retail.csv", small_shop.content)
    assert night(home.root, DAYS[0]).exit_code == 0
    before = bytes_served(home)
    deliver(home.root, "closed.csv", small_shop.content).chmod(0)
    process = start(*as_anybody, *keeprate_run(home, DAYS[1]))
    output, errors = process.communicate(timeout=600)
    assert process.returncode == cli.Exit.REFUSED, errors
    sentence = " ".join((output + errors).split())
    assert "closed.csv: it cannot be opened (Permission denied); check its permissions." in sentence
    assert "Traceback" not in errors
    assert bytes_served(home) == before
    assert lock_holder(home) is None
