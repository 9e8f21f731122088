"""The order in which exports arrive is of no consequence, nor whether they come again under another name."""

import hashlib
import random
import shutil
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from demo import write_demo
from sources import SourceDefaults
from tests.landing import read_landing

pytestmark = pytest.mark.slow

RULES = Path(__file__).resolve().parents[2] / "config" / "business.yml"
FIRST_SEEN = datetime(2026, 1, 1, tzinfo=UTC)
ASIDE = {"release", "customer_id_history"}


@pytest.fixture(scope="module")
def landing(tmp_path_factory):
    """The exports of a company of two thousand customers."""
    folder = tmp_path_factory.mktemp("demo")
    with duckdb.connect() as con:
        write_demo(con, folder, customers=2_000, seed=3)
    return folder / "landing"


def deliver_again(file, is_zipped):
    """Put a copy beside a file, as a browser that downloads it once more, or as an archive of it."""
    copy = file.with_name(f"{file.stem} (1){file.suffix}")
    if is_zipped and file.suffix.casefold() != ".zip":
        with zipfile.ZipFile(copy.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(file, file.name)
    else:
        shutil.copyfile(file, copy)


def checksums(home):
    """A hash of the rows of every mart; lists, the history of ids and what tells of the run aside."""
    found = {}
    for file in sorted((home / "current" / "marts").glob("*.parquet")):
        if file.stem in ASIDE or file.stem.startswith("list"):
            continue
        columns = "* exclude (received_at)" if file.stem == "deliveries" else "*"
        with duckdb.connect() as con:
            rows = con.execute(f"select {columns} from read_parquet('{file}') order by all").fetchall()
        found[file.stem] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return found


def arrive(landing, home, order):
    """Let the exports arrive one after the other, and everything again, read after each arrival."""
    files = [file for file in sorted(landing.rglob("*")) if file.is_file() and file.name != "source.yml"]
    order.shuffle(files)
    for settings in landing.glob("*/source.yml"):
        target = home / "landing" / settings.relative_to(landing)
        target.parent.mkdir(parents=True)
        shutil.copyfile(settings, target)
    with duckdb.connect(config={"threads": 2}) as con:
        for number, file in enumerate(files):
            target = home / "landing" / file.relative_to(landing)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
            if number % 8 == 7 or file is files[-1]:
                now = FIRST_SEEN + timedelta(hours=number)
                assert read_landing(con, home, SourceDefaults("Asia/Shanghai", "CNY"), now).refusals == []
    for file in files:
        deliver_again(home / "landing" / file.relative_to(landing), is_zipped=order.random() < 0.3)


def test_three_orders_of_loading_give_the_same_tables(tmp_path, landing, night, monkeypatch):
    # Homes have secrets of their own, and with them other ids for customers who are named by their address.
    monkeypatch.setenv("KEEPRATE_IDENTIFIER_KEY", "5e" * 32)
    found = []
    for seed in range(3):
        home = tmp_path / f"order-{seed}"
        arrive(landing, home, random.Random(seed))
        outcome = night(home, "latest", config=RULES)
        assert outcome.kind == "published", outcome.reasons
        found.append(checksums(home))
    assert len(found[0]) > 15
    assert found[1] == found[0]
    assert found[2] == found[0]
