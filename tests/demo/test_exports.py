"""What the demo's exports hold: loading gives back what was simulated and rejects what was spoilt, and nothing else."""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from demo import DemoSummary, write_demo
from sources import LoadResult, SourceDefaults, canonical_feeds
from sources.mapping import CODES
from tests.landing import read_landing

CUSTOMERS = 1_000
NIGHT = datetime(2026, 1, 2, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Demo:
    """A demo and what loading made of it."""

    folder: Path
    summary: DemoSummary
    con: duckdb.DuckDBPyConnection
    result: LoadResult

    def truth(self, name: str) -> list[dict[str, str]]:
        """Rows of a csv file of the truth."""
        with self.folder.joinpath("truth", name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def loaded(self, source: str, feed: str) -> Counter[tuple[str | None, ...]]:
        """Rows that raw holds: file, number of the record, and the canonical columns."""
        files = [str(file) for file in self.result.feeds[feed].files]
        if not files:
            return Counter()
        columns = ", ".join(f'"{column}"' for column in canonical_feeds()[feed].columns)
        names = {each.delivery_id: each.file for each in self.result.deliveries if each.source == source}
        rows = self.con.execute(
            f"select delivery_id, record_no, {columns} from read_parquet(?) where source = ?", [files, source]
        ).fetchall()
        return Counter((names[row[0]], *row[1:]) for row in rows)

    def expected(self, source: str, feed: str) -> Counter[tuple[str | None, ...]]:
        """The same rows as the truth has them; what a format cannot carry is empty."""
        file = self.folder / "truth" / "feeds" / source / f"{feed}.parquet"
        if not file.exists():
            return Counter()
        held = {name for (name, *_) in self.con.execute(f"describe from '{file}'").fetchall()}
        columns = ", ".join(f'"{name}"' if name in held else "null" for name in canonical_feeds()[feed].columns)
        assert held <= {"file", "record_no", *canonical_feeds()[feed].columns}
        return Counter(self.con.execute(f"select file, record_no, {columns} from '{file}'").fetchall())


def write(folder: Path, customers: int = CUSTOMERS, seed: int = 1) -> DemoSummary:
    """A demo in a folder."""
    with duckdb.connect(config={"threads": 2}) as con:
        return write_demo(con, folder, customers=customers, seed=seed)


def digests(folder: Path) -> dict[str, str]:
    """Every file and a hash of its bytes."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    summary = write(folder)
    with duckdb.connect(config={"threads": 2}) as con:
        result = read_landing(con, folder, SourceDefaults("Asia/Shanghai", "CNY"), NIGHT)
        yield Demo(folder, summary, con, result)


def sources(demo: Demo) -> list[str]:
    return sorted(folder.name for folder in demo.folder.joinpath("landing").iterdir())


def test_every_file_is_read(demo: Demo) -> None:
    assert demo.result.refusals == []
    assert demo.result.ignored == []
    assert {f"{each.source}/{each.file}": each.records for each in demo.result.deliveries} == demo.summary.files


@pytest.mark.parametrize("feed", canonical_feeds())
def test_loading_gives_back_what_was_simulated(demo: Demo, feed: str) -> None:
    for source in sources(demo):
        loaded, expected = demo.loaded(source, feed), demo.expected(source, feed)
        unexpected, absent = sorted(loaded - expected, key=repr), sorted(expected - loaded, key=repr)
        assert (unexpected[:3], absent[:3]) == ([], []), source


def test_exactly_the_spoilt_records_are_rejected(demo: Demo) -> None:
    names = {(each.source, each.delivery_id): each.file for each in demo.result.deliveries}
    rejected = [str(file) for file in demo.result.feeds["rejected"].files]
    found = demo.con.execute("select source, delivery_id, record_no, code from read_parquet(?)", [rejected]).fetchall()
    expected = {
        (row["source"], row["file"], int(row["record_no"]), row["code"])
        for row in demo.truth("bad_rows.csv")
        if row["code"] in CODES
    }
    actual = {(source, names[source, delivery], number, code) for source, delivery, number, code in found}
    assert (sorted(actual - expected)[:5], sorted(expected - actual)[:5]) == ([], [])


def test_every_record_without_data_is_ignored(demo: Demo) -> None:
    counted = Counter((row["source"], row["file"]) for row in demo.truth("bad_rows.csv") if row["code"] == "ignored")
    found = {(each.source, each.file): each.ignored for each in demo.result.deliveries}
    assert {file: counted[file] for file in found} == found


def test_every_system_has_every_kind_of_dirt_that_it_can_have(demo: Demo) -> None:
    found = Counter((row["source"], row["code"]) for row in demo.truth("bad_rows.csv"))
    of_every_system = {"missing_id", "bad_date", "bad_amount", "dup_exact", "ignored"}
    # The chat desk and the service desk have no amounts.
    without_amounts = {"tencent_qidian", "jiandaoyun"}
    for source in sources(demo):
        expected = of_every_system - ({"bad_amount"} if source in without_amounts else set())
        assert {code for code in expected if not found[source, code]} == set(), source
    assert {source for source, code in found if code == "orphan_customer"} == set(sources(demo)) - {"shopify"}


def test_little_is_dirty(demo: Demo) -> None:
    rejected = sum(each.rejected for each in demo.result.deliveries)
    records = sum(each.records for each in demo.result.deliveries)
    assert rejected < 0.02 * records


def test_everybody_is_somebody_in_some_system(demo: Demo) -> None:
    people = {row["person"] for row in demo.truth("people.csv")}
    assert people == {row["person"] for row in demo.truth("churn.csv")}
    assert len(people) == CUSTOMERS


def test_the_same_seed_writes_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first, again, other = tmp_path / "first", tmp_path / "again", tmp_path / "other"
    write(first, 300, 5)
    write(again, 300, 5)
    write(other, 300, 6)
    assert digests(first) == digests(again)
    assert digests(first)["truth/churn.csv"] != digests(other)["truth/churn.csv"]


@pytest.mark.parametrize("customers", [1, 2, 20])
def test_a_company_may_be_very_small(tmp_path: Path, customers: int) -> None:
    summary = write(tmp_path, customers, 1)
    assert all(records > 0 for records in summary.files.values())
    with tmp_path.joinpath("truth", "churn.csv").open(encoding="utf-8") as file:
        assert sum(1 for _ in file) == customers + 1


def test_a_demo_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    write(tmp_path / "twice", 400, 2)
    write(tmp_path / "twice", 20, 1)
    write(tmp_path / "once", 20, 1)
    assert digests(tmp_path / "twice") == digests(tmp_path / "once")
