"""A file that breaks its reader is refused, and the next file finds a new one."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sources import worker
from sources.errors import RefusedFileError
from sources.limits import LIMITS, Limits
from sources.reading import Job
from sources.settings import SourceDefaults, SourceSettings

if TYPE_CHECKING:
    from tests.sources.conftest import Home

TEXT = "order_id,ordered_at,net_amount\n" + "".join(f"{number},2024-01-01,5.00\n" for number in range(20_000))


@pytest.fixture
def shop(home: "Home") -> "Home":
    home.put("shop/source.yml", "system: generic")
    home.put("shop/orders.csv", TEXT)
    return home


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(memory_bytes=60_000_000), "of memory"),
        (Limits(written_bytes=10_000), "it writes more than 1e-05 GB"),
        (Limits(wall_seconds=0.001), "reading it takes more than 0.001 seconds"),
    ],
)
def test_a_file_that_takes_too_much_is_refused(shop: "Home", limits: Limits, words: str) -> None:
    shop.limits = limits
    assert words in shop.refusal()
    shop.limits = LIMITS
    assert shop.load().deliveries[0].records == 20_000


def test_a_file_that_takes_too_much_keeps_no_other_out(shop: "Home") -> None:
    shop.put("shop/customers.csv", "source_customer_id\n7\n")
    shop.limits = Limits(file_bytes=1000)
    result = shop.load()
    assert [refusal.file for refusal in result.refusals] == ["shop/orders.csv"]
    assert [delivery.file for delivery in result.deliveries] == ["customers.csv"]


def test_a_reader_that_dies_is_replaced(shop: "Home") -> None:
    job = Job(
        shop.root / "landing/shop/orders.csv",
        "orders.csv",
        "shop",
        SourceSettings(system="generic"),
        SourceDefaults("UTC", "EUR"),
        LIMITS,
    )
    with worker.Reader(1, "200MB") as reader:
        assert reader.look(job, shop.root).found[0].feed == "orders"
        child = reader._child
        assert child is not None
        os.kill(child.pid, signal.SIGSEGV)
        with pytest.raises(RefusedFileError, match=r"the process that read it broke down \(SIGSEGV\)"):
            reader.look(job, shop.root)
        assert reader.look(job, shop.root).found[0].feed == "orders"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (-signal.SIGXCPU, "more than 7 seconds of processor time"),
        (-signal.SIGKILL, "was killed, perhaps for want of memory"),
        (-signal.SIGABRT, "broke down (SIGABRT)"),
        (3, "broke down (status 3)"),
    ],
)
def test_the_end_of_a_reader_is_put_into_words(status: int, words: str) -> None:
    assert words in worker._why(status, Limits(cpu_seconds=7))


def test_endless_work_ends_with_the_processor_time() -> None:
    code = (
        "from sources.limits import Limits; from sources.worker import _limit; "
        "_limit(Limits(cpu_seconds=0, memory_bytes=2 * 10**9))\nwhile True: pass"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(worker.__file__).parents[1], check=False)
    assert done.returncode == -signal.SIGXCPU


def test_limits_follow_the_file() -> None:
    code = (
        "import resource; from sources.limits import Limits; from sources.worker import _limit; "
        "_limit(Limits(memory_bytes=3 * 10**9)); _limit(Limits(memory_bytes=4 * 10**9)); "
        "print(resource.getrlimit(resource.RLIMIT_AS)[0], resource.getrlimit(resource.RLIMIT_CORE)[0])"
    )
    folder = Path(worker.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["4000000000", "0"]
    assert resource.getrlimit(resource.RLIMIT_AS)[0] != 4_000_000_000


def test_settings_survive_the_way_to_the_reader() -> None:
    settings = SourceSettings.model_validate(
        {
            "system": "generic",
            "dates": ["%d/%m/%Y", "excel"],
            "files": {"a*": {"as": "orders", "words": {"status": {"完": "completed"}}, "read": {"skip_preamble": 2}}},
            "contract": {"volume": {"share": 0.5, "then": "refuse"}},
        }
    )
    job = Job(Path("/x/a.csv"), "a.csv", "x", settings, SourceDefaults("UTC", "EUR"), Limits(cpu_seconds=7))
    packed: dict[str, Any] = json.loads(json.dumps(worker._packed(job)))
    assert worker._unpacked(packed) == job


def test_scans_in_several_threads_have_a_reader_each(shop: "Home") -> None:
    job = Job(
        shop.root / "landing/shop/orders.csv",
        "orders.csv",
        "shop",
        SourceSettings(system="generic"),
        SourceDefaults("UTC", "EUR"),
        LIMITS,
    )
    feeds: list[str | None] = []

    def scan() -> None:
        with worker.Reader(1, "200MB") as reader:
            feeds.append(reader.look(job, shop.root).found[0].feed)

    threads = [threading.Thread(target=scan) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert feeds == ["orders"] * 4


def test_no_process_outlives_the_one_that_asked(shop: "Home") -> None:
    code = (
        "import sys, duckdb; from datetime import datetime, UTC; from pathlib import Path; "
        "from sources import load, SourceDefaults, worker; root = Path(sys.argv[1]); "
        "load(duckdb.connect(), landing=root / 'landing', raw=root / 'raw', rejected=root / 'rejected', "
        "work=root / 'work', defaults=SourceDefaults('UTC', 'EUR'), now=datetime.now(UTC)); "
        "print(worker._nursery()._process.pid, flush=True)"
    )
    folder = Path(worker.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code, str(shop.root)], cwd=folder, capture_output=True, text=True, check=True
    )
    with pytest.raises(ProcessLookupError):
        os.kill(int(done.stdout), 0)


def test_a_reader_at_work_does_not_keep_the_one_who_gave_up_waiting(shop: "Home") -> None:
    with worker.Reader(1, "200MB") as reader:
        reader._child = child = worker._nursery().bear()
        os.kill(child.pid, signal.SIGSTOP)
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


def test_files_that_do_not_fit_into_memory_are_read_one_after_the_other(shop: "Home") -> None:
    header = "order_id,product_id,description,quantity,unit_price\n"
    lines = [f"{number},P{number % 977},a long description of an article,1,9.95\n" for number in range(300_000)]
    for day in (1, 2):
        shop.put(f"shop/order_lines_2024-01-0{day}.csv", header + "".join(lines[day:]))
    shop.con.execute("SET memory_limit = '40MB'").fetchall()
    result = shop.load()
    assert result.refusals == []
    assert list((shop.root / "work").iterdir()) == []
